"""``make demo``: everything on one machine, the story played once, then left running for people to try.

Starts what is not running yet (gateway, worker, sandbox), and stops what it started. The data stays.
"""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from core.settings import Settings

LOGIN_PORT = 8001
BANK_PORT = 8002
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
BANK = "demo-bank"
BANK_NAME = "演示银行"


@dataclass(frozen=True)
class Places:
    """Where the demo keeps its things: under ``var/demo``."""

    folder: Path

    @property
    def province(self) -> Path:
        return self.folder / "province"

    @property
    def bank(self) -> Path:
        return self.folder / "bank"

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


class DemoError(Exception):
    """A part of the demo did not come up; the message says which and where its log is."""


def play_demo(settings: Settings, *, once: bool, enterprises: int) -> int:
    """The exit code: 0 if every step of the story came out as it should."""
    places = Places(settings.var_dir.resolve() / "demo")
    places.folder.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.ExitStack() as running:
            _prepare(places, enterprises)
            urls = _start_everything(settings, places, running)
            story = _story(urls, places, fast=once)
            if once:
                return story
            _say_where(urls, places)
            _wait_for_ctrl_c()
            print("\n停止中，数据保留在 var/ …  Stopping; the data stays.")
            return story
    except DemoError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1


def _prepare(places: Places, enterprises: int) -> None:
    marker = places.province / f"complete-{enterprises}"
    if not marker.exists():
        _step("生成合成省份数据", f"{enterprises} 家企业，24 个月纳税记录")
        _run("sandbox", "province", "--out", str(places.province), "--enterprises", str(enterprises))
        marker.touch()
    if not (places.certificates / "ca.pem").exists():
        _step("签发演示用的双向 TLS 证书")
        _run("sandbox", "certificates", "--out", str(places.certificates))
    _run("sandbox", "bank-keys", "--state", str(places.bank), quiet=True)
    for dataset in ("registration", "tax"):
        taken_in = places.province / f"{dataset}.taken-in-{enterprises}"
        if not taken_in.exists():
            _step(f"归集 {dataset}")
            _run("gateway", "ingest", dataset, str(places.province / f"{dataset}.csv"))
            taken_in.touch()
    _step(f"登记接入机构 {BANK_NAME}")
    keys = str(places.bank / "bank-jwks.json")
    _run("gateway", "participant", BANK, "--name", BANK_NAME, "--jwks", keys, quiet=True)


@dataclass(frozen=True)
class Urls:
    hub: str
    mtls: str
    login: str
    bank: str


def _start_everything(settings: Settings, places: Places, running: contextlib.ExitStack) -> Urls:
    urls = Urls(
        settings.public_url,
        settings.mtls_url or f"https://127.0.0.1:{settings.mtls_port}",
        settings.government_login_issuer,
        f"http://127.0.0.1:{BANK_PORT}",
    )
    certificates = places.certificates
    hub_environment = {
        "HUB_MTLS_URL": urls.mtls,
        "HUB_MTLS_CERTIFICATE": str(certificates / "hub.pem"),
        "HUB_MTLS_KEY": str(certificates / "hub.key"),
        "HUB_MTLS_CLIENT_CA": str(certificates / "ca.pem"),
    }
    known = str(places.province / "enterprises.json")
    login = ["--port", str(LOGIN_PORT), "--enterprises", known, "--state", str(places.folder / "login")]
    mutual = ["--ca", "ca.pem", "--cert", "bank.pem", "--key", "bank.key"]
    mutual = [part if part.startswith("--") else str(certificates / part) for part in mutual]
    bank = [
        "--port",
        str(BANK_PORT),
        "--hub",
        urls.hub,
        "--state",
        str(places.bank),
        "--hub-mtls",
        urls.mtls,
        *mutual,
    ]
    callback = ["--redirect-uri", f"{urls.hub}/portal/callback", "--hub-jwks", f"{urls.hub}/jwks"]
    _start(
        "政务登录（沙箱）", urls.login, ["sandbox", "government-login", *login, *callback], places, running
    )
    _start("网关", urls.hub, ["gateway", "serve"], places, running, hub_environment)
    _start("后台", None, ["gateway", "worker"], places, running)
    _start("演示银行（沙箱）", urls.bank, ["sandbox", "bank", *bank], places, running)
    return urls


def _start(
    title: str,
    url: str | None,
    command: Sequence[str],
    places: Places,
    running: contextlib.ExitStack,
    environment: dict[str, str] | None = None,
) -> None:
    """Start a process and wait until it listens; one that listens already is left as it is."""
    if url is not None and _listens(url):
        _step(f"{title} 已在运行", url)
        return
    name = command[1]
    started = time.monotonic()
    with places.log(name).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C reaches us only; we stop the parts in order
        )
    running.callback(_stop, process)
    while url is not None and not _listens(url):
        if process.poll() is not None:
            raise DemoError(f"{title} 没有启动：{_last_line(places.log(name))}（日志 {places.log(name)}）")
        if time.monotonic() - started > READY_SECONDS:
            raise DemoError(f"{title} 在 {READY_SECONDS:.0f} 秒内没有就绪（日志 {places.log(name)}）")
        time.sleep(0.05)
    _step(f"{title} 已启动", url or "")


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), timeout=1):
            return True
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _story(urls: Urls, places: Places, *, fast: bool) -> int:
    print("\n── 全程演示 The whole story ──", flush=True)
    known = str(places.province / "enterprises.json")
    command = [
        "sandbox",
        "story",
        "--hub",
        urls.hub,
        "--bank",
        urls.bank,
        "--login",
        urls.login,
        "--enterprises",
        known,
    ]
    return subprocess.run(
        [sys.executable, "-m", *command, *(["--fast"] if fast else [])], check=False
    ).returncode


def _run(*command: str, quiet: bool = False) -> None:
    """One step of the preparation, as a command of its own: the demo does what an operator would type."""
    finished = subprocess.run(
        [sys.executable, "-m", *command], check=False, stdout=subprocess.DEVNULL if quiet else None
    )
    if finished.returncode != 0:
        raise DemoError(f"{shlex.join(command)} 失败（{finished.returncode}）")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "没有输出"


def _step(title: str, detail: str = "") -> None:
    print(f"• {title}{'：' + detail if detail else ''}", flush=True)


def _say_where(urls: Urls, places: Places) -> None:
    certificates = Path(os.path.relpath(places.certificates))
    print(
        f"""
── 打开看看 Open ──
  企业端  {urls.hub}/portal   （用“政务服务网”登录，任选一家合成企业）
  银行端  {urls.bank}
  接口文档 {urls.hub}/docs      错误说明 {urls.hub}/problems     状态 {urls.hub}/health

── 用 curl 直接问（先在企业端同意一份申请；令牌经双向 TLS 现取，可反复粘贴）──
{_curl(urls, certificates)}

Ctrl-C 停止，数据保留。Ctrl-C stops everything; the data stays.""",
        flush=True,
    )


def _curl(urls: Urls, certificates: Path) -> str:
    return (
        f"curl -s --cacert {certificates}/ca.pem --cert {certificates}/bank.pem --key {certificates}/bank.key "
        f'{urls.mtls}/v1/usage -H "Authorization: Bearer $(curl -s {urls.bank}/token)"'
    )


def _wait_for_ctrl_c() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, _interrupt)
        while True:
            time.sleep(3600)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
