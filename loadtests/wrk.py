"""wrk as the load generator: one thread, its result as numbers."""

import json
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from loadtests.ground import PURPOSE, Target

QUESTIONS = Path(__file__).parent / "questions.lua"
TOKENS = Path(__file__).parent / "tokens.lua"


class Load(NamedTuple):
    """``completed`` answers came within ``seconds``; ``refused`` of them had a status of 400 or more."""

    completed: int
    refused: int
    socket_errors: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.completed / self.seconds


def ask_hello(url: str, *, connections: int, seconds: int) -> Load:
    """``GET /`` as often as it goes."""
    return _run(url, connections, seconds, [])


def ask_questions(
    hub: str,
    dataset: str,
    headers: dict[str, str],
    targets: Sequence[Target],
    *,
    folder: Path,
    connections: int,
    seconds: int,
    proofs: Sequence[str] = (),
    more: Mapping[str, object] = MappingProxyType({}),
) -> Load:
    """Questions about random targets, that say ``more`` if told; with ``proofs``, each takes the next one of them."""
    lines = [f"POST /v1/datasets/{dataset}/queries HTTP/1.1", f"Host: {urlsplit(hub).netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    (folder / "head").write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    questions = [
        {"consent_id": str(target.consent_id), "uscc": target.uscc, "purpose": PURPOSE, **more}
        for target in targets
    ]
    (folder / "questions").write_text("\n".join(map(json.dumps, questions)))
    key = uuid.uuid4().hex
    arguments = [str(folder / "head"), str(folder / "questions"), key, str(int(key[:8], 16))]
    if proofs:
        (folder / "proofs").write_text("\n".join(proofs))
        arguments.append(str(folder / "proofs"))
    return _run(hub, connections, seconds, arguments)


def ask_tokens(
    hub: str, headers: dict[str, str], forms: Sequence[str], *, folder: Path, connections: int, seconds: int
) -> Load:
    """Token requests, each with the next of ``forms``."""
    lines = ["POST /oauth/token HTTP/1.1", f"Host: {urlsplit(hub).netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    (folder / "head").write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    (folder / "forms").write_text("\n".join(forms))
    return _run(hub, connections, seconds, [str(folder / "head"), str(folder / "forms")], TOKENS)


def _run(
    url: str, connections: int, seconds: int, arguments: Sequence[str], script: Path = QUESTIONS
) -> Load:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url, "--", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    for line in finished.stdout.splitlines():
        if line.startswith("RESULT "):
            return Load(**json.loads(line.removeprefix("RESULT ")))
    raise RuntimeError(f"wrk failed:\n{finished.stdout}\n{finished.stderr}"[-2000:])
