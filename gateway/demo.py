"""``make demo``: everything on one machine, the story played once, then left running for people to try.

Starts what is not running yet (gateway, worker, sandbox), and stops what it started. The data stays.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from core.database import connect_database
from core.settings import Settings
from datasets import load_catalogue
from gateway.enrolment import enrol
from gateway.intake import IntakeErrand, ingest_files
from gateway.notices.commands import enter as enter_webhook

LOGIN_PORT = 8001
BANK_PORT = 8002
OWNER_PORT = 8003
LICENCE_PORT = 8004
TRANSFER_PORT = 8005
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
BANK = "demo-bank"
BANK_NAME = "演示银行"
LOOPBACK = "127.0.0.0/8"
"""where the demo's bank is: the worker may call it there"""


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
    def webhook_secret(self) -> Path:
        """By which the bank checks the notices that it gets."""
        return self.bank / "webhook-secret.txt"

    @property
    def owner(self) -> Path:
        """Of the owner that is asked at call time: the key that it shares with the hub."""
        return self.folder / "owner"

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def left_open(self) -> Path:
        """The consent that the story leaves active, for the curl line."""
        return self.folder / "left-open.json"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


class DemoError(Exception):
    """A part of the demo did not come up; the message says which and where its log is."""


def play_demo(settings: Settings, *, once: bool, enterprises: int) -> int:
    """The exit code: 0 if every step of the story came out as it should."""
    places = Places(settings.var_dir.resolve() / "demo")
    places.folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops all that was started, as Ctrl-C does
    try:
        with contextlib.ExitStack() as running:
            _prepare(settings, places, enterprises)
            urls = _start_everything(settings, places, running)
            story = _story(urls, places, once=once)
            if once:
                return story
            _say_where(urls, places)
            _wait_for_ctrl_c()
            print("\n停止中，数据保留在 var/ …  Stopping; the data stays.")
            return story
    except DemoError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1


def _prepare(settings: Settings, places: Places, enterprises: int) -> None:
    marker = places.province / f"complete-{enterprises}-with-other-owners"
    if not marker.exists():
        _step("生成合成省份数据", f"{enterprises} 家企业，24 个月的纳税、社保、公积金、水电等记录")
        _run("sandbox", "province", "--out", str(places.province), "--enterprises", str(enterprises))
        marker.touch()
    if not (places.certificates / "ca.pem").exists():
        _step("签发演示用的双向 TLS 证书")
        _run("sandbox", "certificates", "--out", str(places.certificates))
    if not (places.bank / "bank-jwks.json").exists():
        _run("sandbox", "bank-keys", "--state", str(places.bank), quiet=True)
    asyncio.run(_fill(settings, places))


async def _fill(settings: Settings, places: Places) -> None:
    """Take in what the database does not have yet, and enter the demo bank."""
    assert settings.database_url is not None
    contracts = load_catalogue().contracts
    # The registrations first: some owners know an enterprise by its name or old code only.
    paths = sorted(places.province.glob("*.csv"), key=lambda path: (path.stem != "registration", path.stem))
    files = {path.stem: path for path in paths}
    for dataset in await _not_taken_in(settings.database_url, files):
        _step(f"归集 {dataset}")
        await ingest_files(
            settings.database_url, IntakeErrand(contracts[dataset]), [files[dataset]], quiet=False
        )
    _step(f"登记接入机构 {BANK_NAME}")
    await enrol(
        settings.database_url,
        participant_id=BANK,
        name=BANK_NAME,
        participant_class="bank",
        client_id=BANK,
        jwks=places.bank / "bank-jwks.json",
    )
    called = settings.model_copy(update={"webhook_networks": (ip_network(LOOPBACK),)})
    secret = await enter_webhook(called, BANK, f"http://127.0.0.1:{BANK_PORT}/notices")
    places.webhook_secret.touch(mode=0o600)
    places.webhook_secret.write_text(secret)


async def _not_taken_in(url: str, files: Mapping[str, Path]) -> list[str]:
    database = await connect_database(url, connections=2)
    try:
        rows = await database.hot.fetch("SELECT file_digest FROM intakes WHERE finished_at IS NOT NULL")
    finally:
        await database.close()
    taken_in = {row["file_digest"] for row in rows}
    return [
        dataset
        for dataset, file in files.items()
        if hashlib.sha256(file.read_bytes()).digest() not in taken_in
    ]


@dataclass(frozen=True)
class Urls:
    hub: str
    mtls: str
    login: str
    bank: str
    owner: str
    licence: str
    transfer: str


def _start_everything(settings: Settings, places: Places, running: contextlib.ExitStack) -> Urls:
    urls = Urls(
        settings.public_url,
        settings.mtls_url or f"https://127.0.0.1:{settings.mtls_port}",
        settings.government_login_issuer,
        f"http://127.0.0.1:{BANK_PORT}",
        f"http://127.0.0.1:{OWNER_PORT}",
        settings.business_licence_issuer or f"http://127.0.0.1:{LICENCE_PORT}",
        settings.bank_transfer_url or f"http://127.0.0.1:{TRANSFER_PORT}",
    )
    certificates = places.certificates
    hub_environment = {
        "HUB_MTLS_URL": urls.mtls,
        "HUB_MTLS_CERTIFICATE": str(certificates / "hub.pem"),
        "HUB_MTLS_KEY": str(certificates / "hub.key"),
        "HUB_MTLS_CLIENT_CA": str(certificates / "ca.pem"),
        "HUB_BUSINESS_LICENCE_ISSUER": urls.licence,
        "HUB_BANK_TRANSFER_URL": urls.transfer,
        "HUB_OWNERS": _told_by("sandbox", "owner-key", *_options({"state": places.owner, "url": urls.owner})),
    }
    login = {
        "port": LOGIN_PORT,
        "enterprises": places.province / "enterprises.json",
        "state": places.folder / "login",
        "redirect-uri": f"{urls.hub}/portal/callback",
        "hub-jwks": f"{urls.hub}/jwks",
    }
    licence = {
        **login,
        "port": LICENCE_PORT,
        "state": places.folder / "licence",
        "redirect-uri": f"{urls.hub}/portal/callback/licence",
    }
    transfer = {"port": TRANSFER_PORT, "enterprises": login["enterprises"], "hub-jwks": login["hub-jwks"]}
    bank = {
        "port": BANK_PORT,
        "hub": urls.hub,
        "state": places.bank,
        "hub-mtls": urls.mtls,
        "ca": certificates / "ca.pem",
        "cert": certificates / "bank.pem",
        "key": certificates / "bank.key",
    }
    owner = {
        "port": OWNER_PORT,
        "enterprises": places.province / "enterprises.json",
        "state": places.owner,
    }
    parts = [
        Part("不动产登记（沙箱）", urls.owner, ("sandbox", "data-owner", *_options(owner))),
        Part("政务登录（沙箱）", urls.login, ("sandbox", "government-login", *_options(login))),
        Part("电子营业执照（沙箱）", urls.licence, ("sandbox", "business-licence", *_options(licence))),
        Part("对公打款（沙箱）", urls.transfer, ("sandbox", "bank-transfer", *_options(transfer))),
        Part("演示银行（沙箱）", urls.bank, ("sandbox", "bank", *_options(bank))),
        Part("后台", None, ("gateway", "worker"), {"HUB_WEBHOOK_NETWORKS": LOOPBACK}),
        Part("网关", urls.hub, ("gateway", "serve"), hub_environment),
    ]
    # All at once, as each takes a second or two to load; then wait for each in turn.
    started = [(part, _start(part, places, running)) for part in parts]
    for part, process in started:
        if process is not None:
            _wait_until_ready(part, process, places)
    return urls


@dataclass(frozen=True)
class Part:
    """A process of the demo; ``url`` is where it listens once it is ready."""

    title: str
    url: str | None
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def _options(values: Mapping[str, object]) -> list[str]:
    return [text for name, value in values.items() for text in (f"--{name}", str(value))]


def _start(part: Part, places: Places, running: contextlib.ExitStack) -> subprocess.Popen[bytes] | None:
    """Start a process; None for one that listens already, which is left as it is."""
    if part.url is not None and _listens(part.url):
        _step(f"{part.title} 已在运行", part.url)
        return None
    with places.log(part.command[1]).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *part.command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **part.environment},
            start_new_session=True,  # Ctrl-C reaches us only; we stop the parts in order
        )
    running.callback(_stop, process)
    return process


def _wait_until_ready(part: Part, process: subprocess.Popen[bytes], places: Places) -> None:
    log = places.log(part.command[1])
    deadline = time.monotonic() + READY_SECONDS
    while part.url is not None and not _listens(part.url):
        if process.poll() is not None:
            raise DemoError(f"{part.title} 没有启动：{_last_line(log)}（日志 {log}）")
        if time.monotonic() > deadline:
            raise DemoError(f"{part.title} 在 {READY_SECONDS:.0f} 秒内没有就绪（日志 {log}）")
        time.sleep(0.05)
    _step(f"{part.title} 已启动", part.url or "")


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


def _story(urls: Urls, places: Places, *, once: bool) -> int:
    print("\n── 全程演示 The whole story ──", flush=True)
    story = {
        "hub": urls.hub,
        "bank": urls.bank,
        "login": urls.login,
        "enterprises": places.province / "enterprises.json",
    }
    command = [sys.executable, "-m", "sandbox", "story", *_options(story)]
    command += ["--fast"] if once else ["--leave-open", str(places.left_open)]
    return subprocess.run(command, check=False).returncode


def _run(*command: str, quiet: bool = False) -> None:
    """One step of the preparation, as a command of its own: the demo does what an operator would type."""
    finished = subprocess.run(
        [sys.executable, "-m", *command], check=False, stdout=subprocess.DEVNULL if quiet else None
    )
    if finished.returncode != 0:
        raise DemoError(f"{shlex.join(command)} 失败（{finished.returncode}）")


def _told_by(*command: str) -> str:
    """The one line that a command prints."""
    told = subprocess.run([sys.executable, "-m", *command], check=False, stdout=subprocess.PIPE, text=True)
    if told.returncode != 0:
        raise DemoError(f"{shlex.join(command)} 失败（{told.returncode}）")
    return told.stdout.strip()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "没有输出"


def _step(title: str, detail: str = "") -> None:
    print(f"• {title}{'：' + detail if detail else ''}", flush=True)


def _say_where(urls: Urls, places: Places) -> None:
    print(
        f"""
── 打开看看 Open ──
  企业端 Enterprise  {urls.hub}/portal    用“政务服务网”或“电子营业执照”登录，任选一家合成企业
  企业网银 Account   {urls.transfer}           对公打款核验时在这里看收到的金额；执照的吊销与恢复在 {urls.licence}
  银行端 Bank        {urls.bank}
  责任单位 Owner     {urls.owner}           登记或解除一项查封，银行下一次实时查询即可看到
  接口 API           {urls.hub}/docs      错误说明 {urls.hub}/problems    状态 {urls.hub}/health

── 用 curl 直接问（双向 TLS，可反复粘贴）Ask by hand, over mutual TLS ──
{_curl(urls, places)}

Ctrl-C 停止，数据保留。Ctrl-C stops everything; the data stays.""",
        flush=True,
    )


def _curl(urls: Urls, places: Places) -> str:
    certificates = Path(os.path.relpath(places.certificates))
    tls = f"--cacert {certificates}/ca.pem --cert {certificates}/bank.pem --key {certificates}/bank.key"
    token = f'-H "Authorization: Bearer $(curl -s {urls.bank}/token)"'
    if not places.left_open.exists():
        return f"curl -s {tls} {token} {urls.mtls}/v1/usage"
    question = {**json.loads(places.left_open.read_text()), "purpose": "credit_review"}
    key = '-H "Idempotency-Key: $(date +%s%N)"'
    return f"curl -s {tls} {token} {key} -d '{json.dumps(question)}' {urls.mtls}/v1/datasets/tax/queries"


def _wait_for_ctrl_c() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
