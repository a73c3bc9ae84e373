"""The ground on which the benchmark runs: servers, data and the hub itself, all in a folder of their own.

PostgreSQL is durable (fsync on), the rows come in through the hub's own `ingest`, the participant through its own
command. Only the consents are written directly: thousands of log-ins would measure the log-in.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx

from core.private_servers import PrivateServers, private_servers

PROJECT = Path(__file__).parent.parent
PARTICIPANT = "bench-bank"
PURPOSE = "credit_review"
USES_MAX = 10_000  # what a consent may have at most (consent/policies.py)
ENTERPRISES = 2_700  # of which about 2,100 are complete
MONTHS = 24
CONSENTS = 2_000
READY_SECONDS = 30.0
STOP_SECONDS = 20.0
RATE_PER_SECOND = 1_000_000  # the limit itself is not what is measured; asking Redis about it is


class Target(NamedTuple):
    """Whom to ask about, and under which consent."""

    consent_id: uuid.UUID
    uscc: str


@dataclass(frozen=True)
class Ground:
    folder: Path
    servers: PrivateServers = field(repr=False)
    targets: Sequence[Target] = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """For every command of the hub: its own folder, and nothing of the caller's settings."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        return {**own, "HUB_VAR_DIR": str(self.folder), "HUB_LOG_LEVEL": "warning"}


@contextlib.contextmanager
def prepared_ground(jwks: str) -> Iterator[Ground]:
    """A migrated database with a province, one participant (public keys ``jwks``) and its consents."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as name:
        folder = Path(name)
        with private_servers(folder / "var") as servers:
            ground = Ground(folder / "var", servers, _make_province(folder / "province"))
            keys = folder / "jwks.json"
            keys.write_text(jwks)
            for command in (
                ["migrate"],
                ["ingest", "--quiet", "registration", str(folder / "province/registration.csv")],
                ["ingest", "--quiet", "tax", str(folder / "province/tax.csv")],
                ["participant", PARTICIPANT, "--name", "测速银行", "--jwks", str(keys)],
            ):
                run("gateway", *command, environment=ground.environment)
            asyncio.run(_give_consents(servers.owner_url, ground.targets))
            yield ground


def _make_province(folder: Path) -> list[Target]:
    """Synthetic enterprises of which each target has one registration and 24 months of tax."""
    numbers = ["--enterprises", str(ENTERPRISES), "--months", str(MONTHS), "--seed", "7", "--dirty", "0"]
    run("sandbox", "province", "--out", str(folder), *numbers)
    enterprises = json.loads((folder / "enterprises.json").read_text())
    complete = [one["uscc"] for one in enterprises if one["complete"]][:CONSENTS]
    assert len(complete) == CONSENTS, "the synthetic province is too small"
    return [Target(uuid.uuid4(), uscc) for uscc in complete]


async def _give_consents(owner_url: str, targets: Sequence[Target]) -> None:
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute(
            """
            INSERT INTO consents (consent_id, participant_id, uscc, purpose, datasets, term_days, uses_max,
                uses_spent, retention_days, message, state, requested_at, answer_by, valid_from, valid_until)
            SELECT consent_id, $3, uscc, $4, '{registration,tax}', 90, $5, 0, 365, '', 'active', now(),
                now() + interval '30 days', now(), now() + interval '90 days'
            FROM unnest($1::uuid[], $2::text[]) AS target(consent_id, uscc)
            """,
            [target.consent_id for target in targets],
            [target.uscc for target in targets],
            PARTICIPANT,
            PURPOSE,
            USES_MAX,
        )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def run(*command: str, environment: dict[str, str] | None = None) -> None:
    """One command of the project, to its end; its output is shown only when it fails."""
    finished = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    if finished.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:2])} failed ({finished.returncode}):\n{finished.stdout[-2000:]}")


@contextlib.contextmanager
def running(
    *command: str, url: str, ready: str, log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that answers at ``url + ready`` while the block runs; stopped by its own pid."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, url + ready, log)
        yield process
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(address, timeout=2, trust_env=False).status_code < 500:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"a server did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def running_hub(ground: Ground, **settings: str) -> Iterator[tuple[str, int]]:
    """The hub with its ordinary settings and one worker process: its address and the process id."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **ground.environment,
        "HUB_PORT": str(port),
        "HUB_PUBLIC_URL": url,
        "HUB_CERTIFICATE_HEADER_FROM": "127.0.0.1",
        "HUB_RATE_PER_SECOND": str(RATE_PER_SECOND),
        "HUB_RATE_BURST": str(RATE_PER_SECOND),
        **settings,
    }
    command = ("-m", "gateway", "serve")
    with running(*command, url=url, ready="/health", log=ground.folder / "hub.log", environment=environment) as hub:
        yield url, hub.pid


@contextlib.contextmanager
def running_hello(ground: Ground) -> Iterator[str]:
    """The FastAPI hello-world, one process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ("-m", "loadtests.hello", str(port))
    with running(*command, url=url, ready="/", log=ground.folder / "hello.log", environment=ground.environment):
        yield url
