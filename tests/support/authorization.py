"""The redirect flow for tests: a bank that pushes and exchanges, and the browser of the enterprise in between."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx

from gateway.hub import Hub
from gateway.portal.sessions import Sessions
from sandbox.browser import Page, read_page
from tests.conftest import ENTERPRISE, signatory_of
from tests.support.bank import Bank, b64

DETAIL: dict[str, Any] = {
    "type": "xinyi_consent",
    "uscc": ENTERPRISE,
    "purpose": "credit_review",
    "datasets": ["registration", "tax"],
    "term_days": 90,
    "uses_max": 20,
    "retention_days": 180,
    "message": "流动资金贷款审查",
}


def answer_in(address: str) -> dict[str, str]:
    """The parameters with which the browser came back."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@dataclass
class Redirect:
    """One authorization of a bank: its verifier and state, and what it sends."""

    bank: Bank
    state: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def parameters(self, **changes: Any) -> dict[str, str]:
        """As a good client sends them; None leaves one out."""
        given = {
            "response_type": "code",
            "client_id": self.bank.client_id,
            "redirect_uri": self.bank.redirect_uri,
            "state": self.state,
            "code_challenge": b64(hashlib.sha256(self.verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "authorization_details": json.dumps([DETAIL]),
        }
        return {name: value for name, value in {**given, **changes}.items() if value is not None}

    async def push(self, *, dpop: bool | str = False, **changes: Any) -> httpx.Response:
        form: dict[str, Any] = self.parameters(**changes)
        return await self.bank.send_form("/oauth/par", dpop=dpop, **form)

    async def address(self, **changes: Any) -> str:
        """Where the enterprise's browser is sent."""
        pushed = await self.push(**changes)
        assert pushed.status_code == 201, pushed.text
        return self.address_of(pushed.json()["request_uri"])

    def address_of(self, request_uri: str) -> str:
        query = urlencode({"client_id": self.bank.client_id, "request_uri": request_uri})
        return f"{self.bank.base}/oauth/authorize?{query}"

    async def exchange(self, code: str, *, dpop: bool | str = True, **changes: str | None) -> httpx.Response:
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.bank.redirect_uri,
            "code_verifier": self.verifier,
            **changes,
        }
        return await self.bank.send_form("/oauth/token", dpop=dpop, **form)


class Browser:
    """A browser without scripts, which a person uses; it does not follow where the test wants to look."""

    def __init__(self, base: str) -> None:
        self.http = httpx.AsyncClient(base_url=base, trust_env=False)

    async def log_in(self, hub: Hub, uscc: str = ENTERPRISE) -> None:
        """As if the government log-in had been passed."""
        cookie = await Sessions(hub.redis).open(signatory_of(uscc))
        self.http.cookies.set("hub_session", cookie, domain="127.0.0.1", path="/portal")

    async def go(self, address: str) -> str:
        """Open an address that leads on; where to."""
        answer = await self.http.get(address)
        assert answer.status_code == 303, answer.text
        return urljoin(address, answer.headers["location"])

    async def see(self, address: str, status: int = 200) -> Page:
        answer = await self.http.get(address)
        assert answer.status_code == status, answer.text
        return read_page(str(answer.url), answer.text, answer.status_code)

    async def press(self, page: Page, ending: str, **filled: str) -> str:
        """Send a form of the page; where it leads."""
        form = page.form_to(ending)
        answer = await self.http.post(urljoin(page.url, form.action), data={**dict(form.fields), **filled})
        assert answer.status_code == 303, answer.text
        return urljoin(page.url, answer.headers["location"])

    async def answer(self, address: str, verb: str = "approve") -> str:
        """From the bank's link to the bank again, answering on the way; the address that the bank gets."""
        page = await self.see(await self.go(address))
        return await self.go(await self.press(page, f"/{verb}"))
