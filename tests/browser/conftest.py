"""A real Chromium, and the government log-in's stand-in as a process of its own, as in the demo."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from core.settings import Settings
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, PROJECT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOGIN_SECONDS = 30


@pytest.fixture(scope="session")
def login_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def settings(settings: Settings, login_port: int) -> Settings:
    return settings.model_copy(update={"government_login_issuer": f"http://127.0.0.1:{login_port}"})


@pytest.fixture
def government_login(settings: Settings, login_port: int, tmp_path: Path) -> Iterator[str]:
    """The sandbox's log-in, knowing two enterprises, registered for the hub under test."""
    known = tmp_path / "enterprises.json"
    people = [
        (ENTERPRISE, "苏州示例精密机械有限公司", "张三丰"),
        (OTHER_ENTERPRISE, "北京示例商贸有限公司", "王小五"),
    ]
    known.write_text(
        json.dumps(
            [
                {"uscc": uscc, "name": name, "city": "苏州", "signatory_name": person, "complete": True}
                for uscc, name, person in people
            ]
        )
    )
    command = ["sandbox", "government-login", "--port", str(login_port), "--enterprises", str(known)]
    command += [
        "--state",
        str(tmp_path / "login"),
        "--redirect-uri",
        f"{settings.public_url}/portal/callback",
    ]
    command += ["--hub-jwks", f"{settings.public_url}/jwks"]
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=PROJECT)
    try:
        _wait_for(login_port, process)
        yield settings.government_login_issuer
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LOGIN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail("the sandbox's government log-in did not come up")


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium fonts-noto-cjk)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        await browser.close()
