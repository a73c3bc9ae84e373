"""The identity page over HTTP: from an ordinary log-in, by an amount in the account, to what sensitive data take."""

import base64
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from consent import BUSINESS_LICENCE, Signatory, artefact_of
from core.settings import Settings
from gateway.hub import Hub
from gateway.portal.sessions import Sessions
from sandbox import bank_transfer as transfers
from sandbox.browser import read_page
from sandbox.hub_keys import keys_at
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents, signatory_of
from tests.gateway.test_portal import Visitor
from tests.support.counterparts import KNOWN, free_ports, serving_site

[PORT] = free_ports(1)
OWNER = replace(signatory_of(ENTERPRISE), assurance="urn:xinyi:loa:2", proven_by=BUSINESS_LICENCE)
ACCOUNT = transfers.account_of(ENTERPRISE)

pytestmark = pytest.mark.usefixtures("bank")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"bank_transfer_url": f"http://127.0.0.1:{PORT}"})


@pytest.fixture
def service(settings: Settings) -> transfers.TransferService:
    return transfers.TransferService(
        settings.bank_transfer_url or "", "xinyi-hub", KNOWN, keys_at(f"{settings.public_url}/jwks")
    )


@pytest.fixture
async def serving(service: transfers.TransferService) -> AsyncIterator[None]:
    async with serving_site(transfers.build(service), PORT):
        yield


async def visitor(hub: Hub, settings: Settings, person: Signatory) -> Visitor:
    cookie = await Sessions(hub.redis).open(person)
    return Visitor(
        httpx.AsyncClient(
            base_url=settings.public_url,
            cookies={"hub_session": cookie},
            follow_redirects=True,
            trust_env=False,
            timeout=30,
        )
    )


@pytest.fixture
async def owner(hub: Hub, settings: Settings) -> AsyncIterator[Visitor]:
    opened = await visitor(hub, settings, OWNER)
    yield opened
    await opened.http.aclose()


async def order(owner: Visitor, account: str = ACCOUNT) -> httpx.Response:
    page = await owner.see("/portal/identity")
    return await owner.press(page, "/transfer", account=account, bank_name="沙箱银行苏州分行")


async def answer(owner: Visitor, typed: str, *, at: str = "/portal/identity") -> httpx.Response:
    page = await owner.see(at)
    [form] = [form for form in page.forms if "/identity/transfer/" in form.action]
    return await owner.http.post(form.action, data={**dict(form.fields), "amount": typed})


def payload_of(jws: str) -> dict[str, Any]:
    part = jws.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


@pytest.mark.usefixtures("serving")
async def test_the_amount_in_the_account_makes_the_log_in_strong_enough(
    owner: Visitor, service: transfers.TransferService, hub: Hub, settings: Settings
) -> None:
    assert '<dd class="strong">一般</dd>' in (await owner.see("/portal/identity")).html
    assert "已打款" in (await order(owner)).text
    [received] = service.received(ENTERPRISE)
    proven = await answer(owner, yuan(received.amount_fen))
    assert "核验通过，您的实名等级已提高。" in proven.text
    assert '<dd class="strong">高</dd>' in proven.text
    assert "电子营业执照、对公打款核验" in re.sub(r"\s+", "", proven.text)
    assert "核验通过，有效期至" in proven.text
    session = await Sessions(hub.redis).find(owner.http.cookies["hub_session"])
    assert session is not None
    assert (session.signatory.assurance, session.signatory.subject) == ("urn:xinyi:loa:3", OWNER.subject)


@pytest.mark.usefixtures("serving")
async def test_an_ordinary_log_in_cannot_agree_to_sensitive_data_until_it_is_proven(
    owner: Visitor, service: transfers.TransferService, consents: Consents, hub: Hub
) -> None:
    asked = await consents.asked()
    address = f"/portal/requests/{asked.consent_id}"
    page = await owner.see(address)
    assert "这次登录的实名等级还不够同意它" in page.text
    assert f"/portal/identity?request={asked.consent_id}" in page.links
    session = await Sessions(hub.redis).find(owner.http.cookies["hub_session"])
    assert session is not None
    forced = await owner.http.post(f"{address}/approve", data={"csrf": session.csrf})
    assert forced.status_code == 403

    ordered = await owner.press(
        await owner.see(f"/portal/identity?request={asked.consent_id}"), "/transfer", account=ACCOUNT
    )
    proven = await answer(owner, yuan(service.received(ENTERPRISE)[0].amount_fen), at=str(ordered.url))
    assert address in read_page(str(proven.url), proven.text).links
    agreed = await owner.press(await owner.see(address), "/approve")
    assert "对方现在可以查看" in agreed.text
    async with hub.database.transaction() as tx:
        signed = payload_of(await artefact_of(tx, asked.consent_id) or "")
        kept = await tx.scalar(text("SELECT proven_by FROM consent_approvals"))
    assert signed["signatory"]["assurance"] == "urn:xinyi:loa:3"
    assert signed["signatory"]["proven_by"] == kept == "business_licence+bank_transfer"


@pytest.mark.usefixtures("serving")
async def test_after_three_wrong_amounts_it_begins_anew(
    owner: Visitor, service: transfers.TransferService
) -> None:
    await order(owner)
    [received] = service.received(ENTERPRISE)
    wrong = yuan(received.amount_fen % 999 + 1)
    assert "这次不算填错" in (await answer(owner, "很多")).text
    assert "还可以填 2 次" in (await answer(owner, wrong)).text
    assert "还可以填 1 次" in (await answer(owner, wrong)).text
    spent = (await answer(owner, wrong)).text
    assert "填错三次，已作废" in spent
    assert "给我打款" in spent


@pytest.mark.usefixtures("serving")
async def test_another_enterprise_and_another_person_cannot_answer_for_it(
    owner: Visitor, service: transfers.TransferService, hub: Hub, settings: Settings
) -> None:
    await order(owner)
    [received] = service.received(ENTERPRISE)
    page = await owner.see("/portal/identity")
    [form] = [form for form in page.forms if "/identity/transfer/" in form.action]
    for stranger in (replace(OWNER, subject="agent-1", role="agent"), replace(OWNER, uscc=OTHER_ENTERPRISE)):
        other = await visitor(hub, settings, stranger)
        csrf = dict((await other.see("/portal/identity")).form_to("/logout").fields)["csrf"]
        tried = await other.http.post(form.action, data={"csrf": csrf, "amount": yuan(received.amount_fen)})
        assert tried.status_code == 404
        assert "核验通过" not in (await other.see("/portal/identity")).text
        await other.http.aclose()
    assert "核验通过" in (await answer(owner, yuan(received.amount_fen))).text


@pytest.mark.usefixtures("serving")
async def test_a_form_that_is_not_ours_sends_no_money(
    owner: Visitor, service: transfers.TransferService
) -> None:
    forged = await owner.http.post("/portal/identity/transfer", data={"csrf": "guessed", "account": ACCOUNT})
    assert forged.status_code == 403
    assert service.transfers == {}


@pytest.mark.usefixtures("serving")
async def test_an_account_of_another_name_is_told_as_returned(owner: Visitor) -> None:
    """The name that goes along is the register's, not one that the person types."""
    told = await order(owner, transfers.account_of(OTHER_ENTERPRISE))
    assert "户名不是本企业的名称" in told.text
    assert "款项被退回" in told.text
    assert "给我打款" in told.text
    assert "8 到 32 位数字" in (await order(owner, "一二三")).text


@pytest.mark.usefixtures("serving")
async def test_what_comes_back_later_is_seen_when_the_page_is_opened(
    owner: Visitor, service: transfers.TransferService
) -> None:
    await order(owner)
    [order_id] = service.transfers
    service.transfers[order_id] = replace(service.transfers[order_id], returned_because="account_closed")
    assert "款项被退回" in (await owner.see("/portal/identity")).text


@pytest.mark.usefixtures("serving")
async def test_the_fourth_transfer_of_a_day_is_not_sent(
    owner: Visitor, service: transfers.TransferService
) -> None:
    for _ in range(3):
        await order(owner, transfers.account_of(OTHER_ENTERPRISE))
    assert "打款次数已达上限" in (await order(owner)).text
    assert len(service.transfers) == 3


async def test_while_the_service_is_away_nothing_is_lost(
    owner: Visitor, service: transfers.TransferService
) -> None:
    assert "打款服务暂时没有答复" in (await order(owner)).text
    assert "请在" in (await owner.see("/portal/identity")).text
    async with serving_site(transfers.build(service), PORT):
        waiting = await owner.see("/portal/identity")
        assert "款项可能稍后才到" in waiting.text
    assert service.transfers == {}


async def test_an_order_that_never_arrived_is_given_up_once_it_cannot_arrive_any_more(
    owner: Visitor, service: transfers.TransferService, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await order(owner)
    clock = hub.clock
    async with serving_site(transfers.build(service), PORT):
        monkeypatch.setattr(hub, "clock", lambda: clock() + timedelta(minutes=3))
        assert "款项被退回" in (await owner.see("/portal/identity")).text


async def test_without_a_transfer_service_the_page_offers_none(
    owner: Visitor, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "bank_transfer", None)
    page = await owner.see("/portal/identity")
    assert "给我打款" not in page.text
    csrf = dict(page.form_to("/logout").fields)["csrf"]
    assert (await owner.http.post("/portal/identity/transfer", data={"csrf": csrf})).status_code == 404


async def test_raising_the_level_is_no_fresh_log_in_and_opens_no_closed_session(
    owner: Visitor, hub: Hub
) -> None:
    kept, cookie = Sessions(hub.redis), owner.http.cookies["hub_session"]
    before = await kept.find(cookie)
    assert before is not None
    await kept.vouch(before, replace(OWNER, assurance="urn:xinyi:loa:3"))
    after = await kept.find(cookie)
    assert after is not None
    assert (after.opened_at, after.csrf) == (before.opened_at, before.csrf)
    assert after.signatory.assurance == "urn:xinyi:loa:3"
    await kept.close(cookie)
    await kept.vouch(before, OWNER)
    assert await kept.find(cookie) is None
