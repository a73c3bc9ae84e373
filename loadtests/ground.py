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
from concurrent.futures import ThreadPoolExecutor
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
ENTERPRISES = 2_700  # of which about 2,100 have every month
MONTHS = 24
CONSENTS = 2_000
SETTINGS = {
    "HUB_LOG_LEVEL": "warning",
    "HUB_CERTIFICATE_HEADER_FROM": "127.0.0.1",
    # Asking Redis is part of what is measured, being refused is not.
    "HUB_RATE_PER_SECOND": "1000000",
    "HUB_RATE_BURST": "1000000",
}
COMMAND_SECONDS = 180.0
READY_SECONDS = 30.0
STOP_SECONDS = 20.0


class Target(NamedTuple):
    """Whom to ask about, and under which consent."""

    consent_id: uuid.UUID
    uscc: str


@dataclass
class Ground:
    """``folder`` is thrown away at the end. The servers' addresses hold passwords."""

    folder: Path
    targets: Sequence[Target] = field(default=(), repr=False)
    _holding: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    def __post_init__(self) -> None:
        self.servers: PrivateServers = self._holding.enter_context(private_servers(self.var))

    @property
    def var(self) -> Path:
        return self.folder / "var"

    @property
    def environment(self) -> dict[str, str]:
        """For every command of the hub: this folder, and nothing of the caller's own settings."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        return {**others, **SETTINGS, "HUB_VAR_DIR": str(self.var)}

    def restart_servers(self) -> None:
        """When no hub is running: stop them and start them again."""
        self.stop_servers()
        self.servers = self._holding.enter_context(private_servers(self.var))

    def stop_servers(self) -> None:
        self._holding.close()

    def run(self, *command: str, **settings: str) -> str:
        """One command of the project, to its end; returns what it printed. Raises `RuntimeError`."""
        finished = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=PROJECT,
            env=self.environment | settings,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if finished.returncode != 0:
            raise RuntimeError(
                f"{' '.join(command[:2])} failed:\n{(finished.stdout + finished.stderr)[-2000:]}"
            )
        return finished.stdout


@contextlib.contextmanager
def prepared_ground(jwks: str) -> Iterator[Ground]:
    """A migrated database with a province, one participant (public keys ``jwks``) and its consents."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as name:
        ground = Ground(Path(name))
        try:
            _prepare(ground, jwks)
            yield ground
        finally:
            ground.stop_servers()


def _prepare(ground: Ground, jwks: str) -> None:
    province, keys = ground.folder / "province", ground.folder / "jwks.json"
    keys.write_text(jwks)
    numbers = ["--enterprises", str(ENTERPRISES), "--months", str(MONTHS), "--seed", "7", "--dirty", "0"]
    numbers += ["--no-others"]
    participant = ["participant", PARTICIPANT, "--name", "测速银行", "--jwks", str(keys)]
    ingest = ["gateway", "ingest", "--quiet"]
    with ThreadPoolExecutor() as side:
        made = side.submit(ground.run, "sandbox", "province", "--out", str(province), *numbers)
        ground.run("gateway", "migrate")
        made.result()
        entered = side.submit(ground.run, *ingest, "registration", str(province / "registration.csv"))
        ground.run(*ingest, "tax", str(province / "tax.csv"))
        entered.result()
    ground.run("gateway", *participant)
    enterprises = json.loads((province / "enterprises.json").read_text())
    complete = [one["uscc"] for one in enterprises if one["complete"]][:CONSENTS]
    assert len(complete) == CONSENTS, "the synthetic province is too small"
    ground.targets = [Target(uuid.uuid4(), uscc) for uscc in complete]
    asyncio.run(give_consents(ground.servers.owner_url, ground.targets))


async def give_consents(owner_url: str, targets: Sequence[Target]) -> None:
    """As if each had been asked for and approved; then the statistics of a database that is not new."""
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


def write_targets(targets: Sequence[Target], file: Path) -> None:
    """One "consent_id uscc" a line: what wrk and `loadtests.steps` read."""
    file.write_text("".join(f"{target.consent_id} {target.uscc}\n" for target in targets))


def read_targets(file: Path) -> list[Target]:
    lines = (line.split() for line in file.read_text().splitlines())
    return [Target(uuid.UUID(consent_id), uscc) for consent_id, uscc in lines]


class Running(NamedTuple):
    """A server process: where it answers, and its id."""

    url: str
    pid: int


@contextlib.contextmanager
def running_hub(ground: Ground) -> Iterator[Running]:
    """The hub with one worker process and its ordinary settings, but for how often tokens may be asked for."""
    port = free_port()
    settings = {"HUB_PORT": str(port), "HUB_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    settings |= {"HUB_TOKEN_RATE_PER_SECOND": "100000", "HUB_ADDRESS_RATE_PER_SECOND": "100000"}
    with running(["gateway", "serve"], port, "/health", ground.folder, ground.environment | settings) as hub:
        yield hub


@contextlib.contextmanager
def running_hello(ground: Ground) -> Iterator[Running]:
    """The FastAPI hello-world, one process."""
    port = free_port()
    with running(["loadtests.hello", str(port)], port, "/", ground.folder, ground.environment) as hello:
        yield hello


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, ready: str, folder: Path, environment: dict[str, str]
) -> Iterator[Running]:
    """``python -m command`` while the block runs, once it answers at ``ready``; stopped by its own pid."""
    url, log = f"http://127.0.0.1:{port}", folder / f"{command[0]}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, url + ready, log)
        yield Running(url, process.pid)
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
