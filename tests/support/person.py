"""A person at the portal with a browser without scripts, a telephone with an authenticator app, and passkeys."""

import base64
import html
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import httpx

from consent import Signatory
from core.clock import now
from gateway.portal.sessions import Sessions
from sandbox.browser import Page, read_page
from tests.conftest import ENTERPRISE, signatory_of
from tests.support.authenticator import Passkey, code_at

OWNER = signatory_of(ENTERPRISE)
AGENT = replace(OWNER, role="agent", name="钱小满", subject="agent-1")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
WECHAT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile MicroMessenger/8.0.50"
)


@dataclass
class Time:
    """The hub's clock, which a test moves."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return now() + self.ahead

    def passes(self, **much: float) -> None:
        self.ahead += timedelta(**much)


@dataclass
class Person:
    http: httpx.AsyncClient
    signatory: Signatory
    time: Time
    secret: bytes = b""

    async def see(self, path: str, status: int = 200) -> Page:
        return _page(await self.http.get(path), status)

    async def press(self, page: Page, ending: str, *, status: int = 200, **filled: str) -> Page:
        """Send a form of the page, with what was filled in or changed, and follow to the next page."""
        form = page.form_to(ending)
        return _page(await self.http.post(form.action, data={**dict(form.fields), **filled}), status)

    def code(self, *, seconds: float = 0) -> str:
        """What the app shows, on a telephone whose clock is off."""
        return code_at(self.secret, self.time().timestamp() + seconds)

    async def next_code(self) -> str:
        self.time.passes(seconds=30)
        return self.code()

    async def begin_app(self) -> Page:
        """Up to the page with the QR code."""
        page = await self.press(await self.see("/portal/devices"), "/add", kind="totp")
        return self.scan(page)

    def scan(self, page: Page) -> Page:
        found = re.search(r'class="secret">([A-Z2-7 ]+)<', page.html)
        assert found, page.text
        self.secret = base64.b32decode(found[1].replace(" ", ""))
        return page

    async def add_app(self, name: str = "我的手机") -> None:
        done = await self.confirm(await self.begin_app(), self.code(), name=name)
        assert "已添加" in done.text, done.text
        self.time.passes(seconds=30)

    async def confirm(self, page: Page, code: str, *, status: int = 200, **more: str) -> Page:
        """Type the code on the page that asks for it."""
        return await self.press(page, urlsplit(page.url).path, status=status, code=code, **more)

    async def add_passkey(self, passkey: Passkey, name: str = "办公室电脑") -> Page:
        page = await self.press(await self.see("/portal/devices"), "/add", kind="passkey")
        answer = passkey.make(options_on(page))
        return await self.press(page, urlsplit(page.url).path, answer=answer, name=name)


def options_on(page: Page) -> str:
    """What the page asks of a passkey."""
    found = re.search(r'data-options="([^"]+)"', page.html)
    assert found, page.text
    return html.unescape(found[1])


def _page(answer: httpx.Response, status: int) -> Page:
    assert answer.status_code == status, answer.text
    return read_page(str(answer.url), answer.text, answer.status_code)


Arrive = Callable[..., Awaitable[Person]]


async def arrive(
    http: httpx.AsyncClient, sessions: Sessions, signatory: Signatory, time: Time, user_agent: str
) -> Person:
    """As if the log-in had just been passed in this browser."""
    cookie = await sessions.open(signatory, user_agent=user_agent)
    http.cookies.set("hub_session", cookie)
    return Person(http, signatory, time)
