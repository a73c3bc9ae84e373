"""The demo bank: passes the hub's word on unchanged, remembers its consents, keeps strangers out."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from sandbox import bank as demo_bank
from sandbox.bank import Bank, ConsentBook
from sandbox.hub_client import HubClient

HUB = "http://hub.test"
USCC = "91320583MYL6RD5N0B"
CONSENT = "0197f3a0-0000-7000-8000-000000000001"
ANSWER = b"""{"dataset": "tax", "found": true,
 "records": [{"vat_fen": 2365000, "sales_fen": "[5,7)", "note": "<b>1</b>", "none": null}],
 "views": {"vat_fen": "raw", "sales_fen": "banded", "note": "raw", "none": "raw"}}"""
CATALOGUE = {
    "views": {"raw": {"title": "原样"}, "banded": {"title": "所在区间"}},
    "datasets": [
        {
            "id": "tax",
            "title": "纳税信息",
            "fields": [
                {"name": "vat_fen", "title": "增值税", "type": "money"},
                {"name": "sales_fen", "title": "销售收入", "bands": [{"band": "[5,7)", "title": "5至7元"}]},
            ],
        }
    ],
}
PAGE = {"Accept": "text/html"}


class PlayedHub:
    """A hub that files every request and answers every question; `state` is how consents stand."""

    def __init__(self) -> None:
        self.state = "awaiting"
        self.asked: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/.well-known/oauth-authorization-server":
            return httpx.Response(200, json={"issuer": HUB, "token_endpoint": f"{HUB}/oauth/token"})
        if path == "/oauth/token":
            return httpx.Response(200, json={"access_token": "t", "token_type": "DPoP", "expires_in": 300})
        if path.startswith("/v1/consent-requests"):
            status = 201 if request.method == "POST" else 200
            body = {
                "consent_id": CONSENT,
                "state": self.state,
                "approval_url": f"{HUB}/portal/requests/{CONSENT}",
            }
            return httpx.Response(status, json=body)
        if path.endswith("/queries"):
            self.asked.append({**json.loads(request.content), "key": request.headers["Idempotency-Key"]})
            return httpx.Response(200, content=ANSWER, headers={"Content-Type": "application/json"})
        if path == "/v1/catalogue":
            return httpx.Response(200, json=CATALOGUE)
        if path == "/v1/usage":
            total = {"disclosed": 2, "nothing_found": 0, "refused": 1, "charged_fen": 1205}
            return httpx.Response(200, json={"from": "a", "to": "b", "lines": [], "total": total})
        problem = {"type": "/problems/no-such", "title": "没有", "status": 404, "detail": "…"}
        return httpx.Response(404, json=problem, headers={"Content-Type": "application/problem+json"})


@pytest.fixture
def hub() -> PlayedHub:
    return PlayedHub()


@pytest.fixture
def bank(hub: PlayedHub, tmp_path: Path) -> Bank:
    key = ECKey.generate_key("P-256", {"kid": "bank-1"})
    client = HubClient(HUB, "demo-bank", key, transport=httpx.MockTransport(hub), sleep=lambda _: None)
    return Bank(client, ConsentBook(tmp_path / "consents.json"))


@pytest.fixture
async def http(bank: Bank) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(demo_bank.build(bank))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8002") as client:
        yield client


async def test_the_hubs_answer_is_passed_on_byte_for_byte(http: httpx.AsyncClient, hub: PlayedHub) -> None:
    body = {"uscc": USCC, "dataset": "tax", "consent_id": CONSENT, "idempotency_key": "k1"}
    answer = await http.post("/ask", json=body)
    assert (answer.status_code, answer.content) == (200, ANSWER)
    assert hub.asked == [{"consent_id": CONSENT, "uscc": USCC, "purpose": "credit_review", "key": "k1"}]


async def test_a_filed_request_is_remembered_and_used_once_active(
    http: httpx.AsyncClient, hub: PlayedHub, bank: Bank
) -> None:
    question = {"uscc": USCC, "dataset": "tax"}
    filed = await http.post("/consent-requests", json={"uscc": USCC, "datasets": ["tax"]})
    assert filed.status_code == 201
    assert (await http.post("/ask", json=question)).status_code == 409
    hub.state = "active"
    assert (await http.post("/ask", json=question)).status_code == 200
    assert (await http.post("/ask", json={**question, "dataset": "water"})).status_code == 409
    assert bank.book.get(CONSENT)["state"] == "active"


async def test_what_the_bank_knows_survives_a_restart(http: httpx.AsyncClient, tmp_path: Path) -> None:
    await http.post("/consent-requests", json={"uscc": USCC, "datasets": ["tax"]})
    again = ConsentBook(tmp_path / "consents.json")
    assert again.get(CONSENT)["uscc"] == USCC
    assert (tmp_path / "consents.json").stat().st_mode & 0o777 == 0o600


async def test_a_person_sees_pages(http: httpx.AsyncClient, hub: PlayedHub) -> None:
    filed = await http.post("/consent-requests", data={"uscc": USCC, "datasets": ["tax"]}, headers=PAGE)
    assert filed.headers["Location"] == f"/consent-requests/{CONSENT}"
    consent = await http.get(filed.headers["Location"], headers=PAGE)
    assert "等待企业答复" in consent.text
    assert f"{HUB}/portal/requests/{CONSENT}" in consent.text
    hub.state = "active"
    answer = await http.post("/ask", data={"uscc": USCC, "dataset": "tax", "consent_id": ""}, headers=PAGE)
    for words in ("纳税信息", "增值税", "23,650.00", "5至7元", "所在区间", "&lt;b&gt;1&lt;/b&gt;", "—"):
        assert words in answer.text
    usage = await http.get("/usage", headers=PAGE)
    assert "12.05 元" in usage.text
    desk = await http.get("/", headers=PAGE)
    assert USCC in desk.text
    assert "纳税信息" in desk.text


async def test_a_problem_is_readable_for_people_and_programs(http: httpx.AsyncClient) -> None:
    wrong = {"uscc": USCC, "dataset": "../usage"}
    program = await http.post("/ask", json=wrong)
    assert (program.status_code, program.headers["Content-Type"]) == (422, "application/problem+json")
    person = await http.post("/ask", data=wrong, headers=PAGE)
    assert (person.status_code, "填写有误" in person.text) == (422, True)


async def test_a_form_on_another_site_cannot_make_the_bank_ask(
    http: httpx.AsyncClient, hub: PlayedHub
) -> None:
    form = {"uscc": USCC, "dataset": "tax", "consent_id": CONSENT}
    assert (await http.post("/ask", data=form, headers={"Origin": "http://evil.test"})).status_code == 403
    assert hub.asked == []
    assert (
        await http.post("/ask", data=form, headers={"Origin": "http://127.0.0.1:8002"})
    ).status_code == 200


async def test_the_token_is_for_this_machine_and_mutual_tls_only(http: httpx.AsyncClient, bank: Bank) -> None:
    assert (await http.get("/token")).status_code == 404
    assert (await http.get("/token", headers={"Host": "evil.test"})).status_code == 403
    far = httpx.ASGITransport(demo_bank.build(bank), client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=far, base_url="http://127.0.0.1:8002") as stranger:
        assert (await stranger.get("/token")).status_code == 403


async def test_the_connection_check_does_not_show_the_token(http: httpx.AsyncClient) -> None:
    seen = (await http.get("/connection")).json()
    assert seen == {"client_id": "demo-bank", "token_type": "DPoP", "expires_in": 300}


async def test_a_silent_hub_is_a_bad_gateway(tmp_path: Path) -> None:
    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    key = ECKey.generate_key("P-256", {"kid": "bank-1"})
    client = HubClient(HUB, "demo-bank", key, transport=httpx.MockTransport(silent), sleep=lambda _: None)
    site = demo_bank.build(Bank(client, ConsentBook(tmp_path / "consents.json")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://127.0.0.1") as http:
        answer = await http.get("/usage")
        desk = await http.get("/", headers=PAGE)
    assert desk.status_code == 200
    assert (answer.status_code, answer.json()["title"]) == (502, "连不上信易枢纽")


def test_keys_are_made_once_and_only_the_public_half_is_published(tmp_path: Path) -> None:
    published = demo_bank.prepare_keys(tmp_path)
    assert demo_bank.prepare_keys(tmp_path) == published
    assert json.loads((tmp_path / "bank-jwks.json").read_bytes()) == published
    assert "d" not in published["keys"][0]
    assert (tmp_path / "bank-key.jwk.json").stat().st_mode & 0o777 == 0o600
