"""openid-client (npm), a certified FAPI 2.0 client that we did not write, does all that a bank does, over HTTP."""

import asyncio
import json
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from joserfc.jwk import ECKey

from consent import register_client, register_participant
from core.clock import now
from core.settings import Settings
from gateway.hub import Hub
from sandbox.browser import Page, read_page
from tests.conftest import ENTERPRISE, PROJECT
from tests.support.authorization import DETAIL

CLIENT_ID = "node-bank"
REDIRECT_URI = "http://127.0.0.1:9/callback"
"""of the bank's own site, where no browser of ours really goes"""
SECONDS_MAX = 60
PARTS = [
    "client_credentials",
    "code_flow",
    "signed_request",
    "refusal",
    "mixed_up",
    "ciba",
    "signed_ciba",
    "introspection_and_revocation",
]


@pytest.fixture
async def registered_key(hub: Hub) -> dict[str, Any]:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": "node-1"}, private=True)
    async with hub.database.transaction() as tx:
        await register_participant(
            tx, participant_id=CLIENT_ID, name="测试银行", participant_class="bank", at=now()
        )
        await register_client(
            tx,
            client_id=CLIENT_ID,
            participant_id=CLIENT_ID,
            jwks=json.dumps({"keys": [key.as_dict(private=False)]}),
            redirect_uris=[REDIRECT_URI],
            at=now(),
        )
    return dict(key.as_dict(private=True))


class Person:
    """The enterprise's owner, with a browser and the government log-in."""

    def __init__(self, http: httpx.AsyncClient, hub: str) -> None:
        self._http, self._hub = http, hub

    async def answer(self, address: str, verb: str) -> str:
        """Open the bank's link, log in if asked, and answer; where the browser ends, at the bank."""
        page = await self._open(address)
        assert isinstance(page, Page)
        log_in = [link for link in page.links if link.startswith("/portal/login")]
        if log_in:
            chooser = await self._open(urljoin(page.url, log_in[0]))
            assert isinstance(chooser, Page)
            form = chooser.form_to("/log-in")
            page = await self._send(
                urljoin(chooser.url, form.action), {**dict(form.fields), "uscc": ENTERPRISE}
            )
            assert isinstance(page, Page)
        form = page.form_to(f"/{verb}")
        back = await self._send(urljoin(page.url, form.action), dict(form.fields))
        return back if isinstance(back, str) else back.url

    async def answer_waiting(self, verb: str) -> str:
        """Find the one request that waits in the portal, and answer it there."""
        inbox = await self._open(f"{self._hub}/portal/requests")
        assert isinstance(inbox, Page)
        for link in inbox.links:
            page = await self._open(urljoin(inbox.url, link)) if "/portal/requests/" in link else inbox
            if isinstance(page, Page) and any(form.action.endswith(f"/{verb}") for form in page.forms):
                form = page.form_to(f"/{verb}")
                await self._send(urljoin(page.url, form.action), dict(form.fields))
                return page.url
        raise AssertionError("nothing waits for an answer")

    async def _open(self, address: str) -> Page | str:
        return await self._follow(await self._http.get(address))

    async def _send(self, address: str, fields: dict[str, str]) -> Page | str:
        return await self._follow(await self._http.post(address, data=fields))

    async def _follow(self, answer: httpx.Response) -> Page | str:
        while answer.is_redirect:
            address = urljoin(str(answer.url), answer.headers["location"])
            if address.startswith(REDIRECT_URI):
                return address
            answer = await self._http.get(address)
        assert answer.status_code == 200, answer.text
        return read_page(str(answer.url), answer.text)


async def play(node: str, told: dict[str, Any], person: Person) -> dict[str, Any]:
    """Run the bank's program, doing for the person what it asks for; what came out of its parts."""
    process = await asyncio.create_subprocess_exec(
        node,
        "bank.mjs",
        json.dumps(told),
        cwd=PROJECT / "tests" / "interop",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    results: dict[str, Any] = {}
    try:
        async with asyncio.timeout(SECONDS_MAX):
            async for line in process.stdout:
                said = json.loads(line)
                if "part" in said:
                    results[said["part"]] = said["result"]
                    continue
                if "open" in said:
                    back = await person.answer(said["open"], said["verb"])
                else:
                    back = await person.answer_waiting(said["verb"])
                process.stdin.write(json.dumps({"back": back}).encode() + b"\n")
                await process.stdin.drain()
            faults = (await process.stderr.read()).decode()
            assert await process.wait() == 0, f"{faults}\nafter {list(results)}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return results


async def test_the_certified_client_does_all_that_a_bank_does(
    node: str,
    government_login: str,
    registered_key: dict[str, Any],
    settings: Settings,
    http: httpx.AsyncClient,
    stocked: None,
) -> None:
    told = {
        "issuer": settings.public_url,
        "client_id": CLIENT_ID,
        "jwk": registered_key,
        "redirect_uri": REDIRECT_URI,
        "detail": DETAIL,
        "parts": PARTS,
    }
    results = await play(node, told, Person(http, settings.public_url))
    assert results["discovery"] == {"issuer": settings.public_url, "pkce": True}
    assert results["client_credentials"] == {"type": "dpop", "status": 200}
    answered = {"status": 200, "found": True}
    assert results["code_flow"] == {"type": "dpop", "detail": "xinyi_consent", "answer": answered}
    assert results["signed_request"]["status"] == "active"
    assert results["signed_request"]["deleted"] == 204
    assert results["signed_request"]["answer"]["status"] == 403
    assert results["refusal"] is True
    assert results["mixed_up"] == {"stopped": True}
    assert results["ciba"] == results["signed_ciba"] == {"type": "dpop", "answer": answered}
    assert results["introspection_and_revocation"] == {
        "before": True,
        "client": CLIENT_ID,
        "after": False,
        "status": 401,
    }
