"""``make load``: Locust scenarios against a hub on this machine, headless and bounded.

Uses the demo if it is running; otherwise starts a hub and a government log-in of its own, in a folder of its own,
and stops them at the end. Exit code 1 when anything unexpected happened: 5xx, wrong data, data after a revocation.
"""

import argparse
import contextlib
import ipaddress
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from loadtests.ground import PROJECT, Ground, free_port, running
from loadtests.market import BANK_NAME, CLIENT_ID

SCENARIOS = {"bank": ["BankUser"], "enterprise": ["EnterpriseUser"], "mix": ["BankUser", "EnterpriseUser"]}
DEMO = "http://127.0.0.1:8000"
DEMO_FOLDER = PROJECT / "var" / "demo"
ENTERPRISES = 300


@dataclass(frozen=True)
class Stage:
    """Where the hub is, and what the players must know: the bank's key, the enterprises."""

    hub: str
    folder: Path

    @property
    def bank_key(self) -> Path:
        return self.folder / "bank" / "bank-key.jwk.json"

    @property
    def enterprises(self) -> Path:
        return self.folder / "province" / "enterprises.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("--scenario", choices=SCENARIOS, default="mix")
    parser.add_argument("--users", type=int, default=20, help="simulated banks and enterprises [20]")
    parser.add_argument("--seconds", type=int, default=30, help="how long [30]")
    parser.add_argument("--hub", help=f"a hub on this machine; without it {DEMO} if it runs, else a new one")
    parser.add_argument("--state", type=Path, default=DEMO_FOLDER, help="folder of the demo of that hub")
    given = parser.parse_args()
    hub = given.hub or (DEMO if _is_up(DEMO) and DEMO_FOLDER.exists() else None)
    if hub is not None and not is_loopback(hub):
        print(
            f"{hub} 不是本机：压力测试只对本机进行。/ Load tests are for this machine only.", file=sys.stderr
        )
        return 2
    with contextlib.nullcontext(Stage(hub, given.state)) if hub else _own_stage() as stage:
        return _run_locust(stage, SCENARIOS[given.scenario], given.users, given.seconds)


def is_loopback(url: str) -> bool:
    """Whether an address leads to this machine: a literal loopback address, as names can be made to lie."""
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        return False


def _is_up(hub: str) -> bool:
    try:
        return httpx.get(f"{hub}/health", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def _own_stage() -> Iterator[Stage]:
    """A hub with a small province and a government log-in, gone afterwards."""
    print(
        "• 准备：合成省份、私有 PostgreSQL 与 Redis、网关、政务登录 / preparing", file=sys.stderr, flush=True
    )
    with tempfile.TemporaryDirectory(prefix="hub-load-") as name, contextlib.ExitStack() as stack:
        ground = Ground(Path(name))
        stack.callback(ground.stop_servers)
        province, bank = ground.folder / "province", ground.folder / "bank"
        numbers = ("--enterprises", str(ENTERPRISES), "--no-others")
        ground.run("sandbox", "province", "--out", str(province), *numbers)
        ground.run("sandbox", "bank-keys", "--state", str(bank))
        ground.run("gateway", "migrate")
        for dataset in ("registration", "tax"):
            ground.run("gateway", "ingest", "--quiet", dataset, str(province / f"{dataset}.csv"))
        jwks = str(bank / "bank-jwks.json")
        ground.run("gateway", "participant", CLIENT_ID, "--name", BANK_NAME, "--jwks", jwks)
        yield _start(ground, stack)


def _start(ground: Ground, stack: contextlib.ExitStack) -> Stage:
    port, login_port = free_port(), free_port()
    hub, login = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{login_port}"
    stage = Stage(hub, ground.folder)
    provider = ["sandbox", "government-login", "--port", str(login_port), "--issuer", login]
    provider += ["--enterprises", str(stage.enterprises), "--state", str(ground.folder / "login")]
    provider += ["--redirect-uri", f"{hub}/portal/callback", "--hub-jwks", f"{hub}/jwks"]
    discovery = "/.well-known/openid-configuration"
    stack.enter_context(running(provider, login_port, discovery, ground.folder, ground.environment))
    settings = {"HUB_PORT": str(port), "HUB_PUBLIC_URL": hub, "HUB_GOVERNMENT_LOGIN_ISSUER": login}
    stack.enter_context(
        running(["gateway", "serve"], port, "/health", ground.folder, ground.environment | settings)
    )
    return stage


def _run_locust(stage: Stage, users: list[str], number: int, seconds: int) -> int:
    """In a process of its own: Locust replaces the standard library's sockets and threads."""
    options = (
        f"--headless --only-summary --loglevel WARNING --users {number} --spawn-rate {max(1, number // 2)}"
        f" --run-time {seconds}s --stop-timeout 10 --host {stage.hub}"
    )
    places = {"LOAD_BANK_KEY": str(stage.bank_key), "LOAD_ENTERPRISES": str(stage.enterprises)}
    file = str(PROJECT / "loadtests" / "locustfile.py")
    locust = [sys.executable, "-m", "locust", "-f", file, *options.split(), *users]
    return subprocess.run(locust, cwd=PROJECT, env=os.environ | places, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
