"""The portal over HTTP for the rest of a consent's life: pause, less, amendments, agents, several signatories."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from consent import Signatory, note_login
from core.clock import china_day, now
from core.settings import Settings
from gateway.hub import Hub
from gateway.portal import endpoints
from gateway.portal.sessions import Sessions
from tests.conftest import ENTERPRISE, Consents, signatory_of
from tests.gateway.test_portal import Visitor
from tests.support.bank import Bank

pytestmark = pytest.mark.usefixtures("bank")
OWNER = signatory_of(ENTERPRISE)
AGENT = replace(OWNER, role="agent", name="钱小满", subject="agent-1")

LogIn = Callable[[Signatory], Awaitable[Visitor]]


@pytest.fixture
async def log_in(hub: Hub, settings: Settings) -> AsyncIterator[LogIn]:
    opened: list[httpx.AsyncClient] = []

    async def logged_in(person: Signatory) -> Visitor:
        async with hub.database.transaction() as tx:
            await note_login(tx, person, now())
        client = httpx.AsyncClient(
            base_url=settings.public_url,
            cookies={"hub_session": await Sessions(hub.redis).open(person)},
            follow_redirects=True,
            trust_env=False,
            timeout=30,
        )
        opened.append(client)
        return Visitor(client)

    yield logged_in
    for client in opened:
        await client.aclose()


@pytest.fixture
async def owner(log_in: LogIn) -> Visitor:
    return await log_in(OWNER)


@pytest.mark.usefixtures("stocked")
async def test_the_owner_pauses_and_resumes_and_the_bank_notices_at_once(
    owner: Visitor, bank: Bank, consents: Consents
) -> None:
    consent_id = await consents.active()
    page = await owner.see(f"/portal/requests/{consent_id}")
    paused = await owner.press(page, "/pause")
    assert "已暂停" in paused.text
    refused = await bank.query("tax", consent_id, ENTERPRISE)
    assert refused.json()["type"] == "/problems/consent-paused"
    again = await owner.press(page, "/pause")  # a second press of the same button
    assert again.status_code == 200
    page = await owner.see(f"/portal/requests/{consent_id}")
    resumed = await owner.press(page, "/resume")
    assert "贵企业恢复授权" in resumed.text
    assert (await bank.query("tax", consent_id, ENTERPRISE)).status_code == 200


async def test_the_owner_ticks_off_what_it_does_not_grant_reads_it_and_signs_that(
    owner: Visitor, consents: Consents, bank: Bank
) -> None:
    asked = await consents.asked()
    address = f"/portal/requests/{asked.consent_id}"
    less = await owner.see(f"{address}?less=1&datasets=tax&term_days=30&uses_max=5")
    assert "少于申请：对方申请的是企业登记基本信息、纳税信息、90 天、20 次" in less.html
    assert "同意以上内容" in less.html
    agreed = await owner.press(less, "/approve")
    assert "授权生效" in agreed.text
    told = (await bank.get(f"/v1/consent-requests/{asked.consent_id}")).json()
    assert (told["state"], told["datasets"], told["term_days"], told["uses_max"]) == (
        "active",
        ["tax"],
        30,
        5,
    )
    assert told["asked"] == {"datasets": ["registration", "tax"], "term_days": 90, "uses_max": 20}


async def test_neither_more_nor_nothing_can_be_chosen_and_the_form_cannot_be_bent(
    owner: Visitor, consents: Consents
) -> None:
    asked = await consents.asked()
    address = f"/portal/requests/{asked.consent_id}"
    for bent in (
        "less=1",
        "less=1&datasets=tax&datasets=customs",
        "less=1&datasets=tax&term_days=91",
        "less=1&datasets=tax&uses_max=0",
    ):
        page = await owner.see(f"{address}?{bent}", status=400)
        assert "同意的内容不能超出申请" in page.html
    less = await owner.see(f"{address}?less=1&datasets=tax&term_days=30&uses_max=5")
    bent_form = await owner.press(less, "/approve", term_days="60")
    assert bent_form.status_code == 403  # other sentences than those on the page
    assert "等您答复" in (await owner.see(address)).html


async def test_an_amendment_shows_what_changes_and_takes_the_others_place(
    owner: Visitor, bank: Bank, consents: Consents
) -> None:
    earlier = await consents.active()
    answer = await bank.request_consent(
        ENTERPRISE, term_days=180, uses_max_month=10, data_from="2025-01-01", supersedes=str(earlier)
    )
    assert answer.status_code == 201, answer.text
    amended = answer.json()["consent_id"]
    page = await owner.see(f"/portal/requests/{amended}")
    for said in (
        "这是变更：有哪些不同",
        "由 90 变为 180",
        "由 不限 变为 10",
        "由 不限 变为 2025-01",
        str(earlier),
    ):
        assert said in page.html
    await owner.press(page, "/approve")
    assert "已被取代" in (await owner.see(f"/portal/requests/{earlier}")).html
    told = (await bank.get(f"/v1/consent-requests/{earlier}")).json()
    assert told["state"] == "superseded"


async def test_an_agent_is_appointed_answers_and_is_revoked(
    log_in: LogIn, owner: Visitor, consents: Consents, hub: Hub
) -> None:
    asked = await consents.asked()
    agent = await log_in(AGENT)
    page = await agent.see(f"/portal/requests/{asked.consent_id}")
    assert "您没有有效的委派" in (await agent.press(page, "/approve")).text
    agents = await owner.see("/portal/agents")
    until = str(china_day(hub.clock()) + timedelta(days=10))
    appointed = await owner.press(
        agents, "/appoint", agent="agent-1", purposes="credit_review", datasets="tax", valid_until=until
    )
    assert "钱**" in appointed.text or "钱*" in appointed.text
    assert "超出了您的委派范围" in (await agent.press(page, "/approve")).text
    less = await agent.see(f"/portal/requests/{asked.consent_id}?less=1&datasets=tax&term_days=30&uses_max=5")
    assert "授权生效" in (await agent.press(less, "/approve")).text
    revoked = await owner.press(await owner.see("/portal/agents"), "/revoke")
    assert "已撤销" in revoked.text
    assert "您以经办人身份登录" in (await agent.see("/portal/agents")).html
    refused = await agent.press(await agent.see(f"/portal/requests/{asked.consent_id}"), "/pause")
    assert refused.status_code == 403


async def test_where_two_must_agree_the_page_says_who_has(
    log_in: LogIn, owner: Visitor, consents: Consents, hub: Hub
) -> None:
    saved = await owner.press(await owner.see("/portal/agents"), "/approvals", needed="2")
    assert "所有用途：2 人" in saved.text
    asked = await consents.asked()
    page = await owner.see(f"/portal/requests/{asked.consent_id}")
    partly = await owner.press(page, "/approve")
    assert "您已经同意，正在等其他签署人。" in partly.text
    assert "已有 1 人同意，共需 2 人" in partly.text
    assert (await owner.press(page, "/approve")).status_code == 200  # pressed twice
    other = await log_in(replace(OWNER, name="李四", subject="another-person"))
    page = await other.see(f"/portal/requests/{asked.consent_id}")
    assert "授权生效" in (await other.press(page, "/approve")).text


async def test_the_yes_of_an_agent_that_was_revoked_is_not_counted_on_the_page_and_may_be_said_anew(
    log_in: LogIn, owner: Visitor, consents: Consents, hub: Hub
) -> None:
    until = str(china_day(hub.clock()) + timedelta(days=10))
    limits = {"agent": "agent-1", "purposes": "credit_review", "datasets": "tax", "valid_until": until}
    agent = await log_in(AGENT)
    await owner.press(await owner.see("/portal/agents"), "/approvals", needed="2")
    await owner.press(await owner.see("/portal/agents"), "/appoint", **limits)
    asked = await consents.asked(datasets=("tax",), term_days=10)
    address = f"/portal/requests/{asked.consent_id}"
    partly = await agent.press(await agent.see(address), "/approve")
    assert "您已经同意" in partly.text
    await owner.press(await owner.see("/portal/agents"), "/revoke")
    page = await owner.see(address)
    assert "已有 0 人同意，共需 2 人" in page.html
    assert "授权生效" not in (await owner.press(page, "/approve")).text
    await owner.press(await owner.see("/portal/agents"), "/appoint", **limits)
    assert "授权生效" in (await agent.press(await agent.see(address), "/approve")).text


async def test_a_weak_log_in_cannot_agree_to_sensitive_data(
    log_in: LogIn, owner: Visitor, consents: Consents
) -> None:
    asked = await consents.asked()
    weak = await log_in(replace(OWNER, assurance="urn:xinyi:loa:2"))
    address = f"/portal/requests/{asked.consent_id}"
    page = await weak.see(address)
    assert f"/portal/identity?request={asked.consent_id}" in page.html, "it is shown how to get there"
    read = dict((await owner.see(address)).form_to("/approve").fields)["read"]
    csrf = dict(page.form_to("/reject").fields)["csrf"]
    refused = await weak.http.post(f"{address}/approve", data={"csrf": csrf, "read": read})
    assert (refused.status_code, "实名等级还不够" in refused.text) == (403, True)


async def test_many_requests_of_one_bank_do_not_hide_the_rest(
    owner: Visitor, consents: Consents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "WAITING_ROWS", 2)
    asked = {str((await consents.asked()).consent_id) for _ in range(5)}
    seen: set[str] = set()
    address = "/portal/requests"
    for _ in range(3):
        page = await owner.see(address)
        seen |= {link.rsplit("/", 1)[1] for link in page.links if "/requests/" in link}
        address = next(
            (link for link in page.links if "after_id" in link and "lang" not in link), "/portal/requests"
        )
    assert seen == asked


async def test_the_bank_gives_up_and_takes_the_artefact_along(
    owner: Visitor, bank: Bank, other_bank: Bank, consents: Consents, settings: Settings
) -> None:
    consent_id = await consents.active()
    path = f"/v1/consent-requests/{consent_id}"
    signed = await bank.get(f"{path}/artefact")
    assert (signed.status_code, signed.headers["content-type"]) == (200, "application/jose")
    assert (await other_bank.get(f"{path}/artefact")).status_code == 404
    page = await owner.see(f"/portal/requests/{consent_id}")
    [whole] = [link for link in page.links if link.endswith("/artefact.json")]
    kept = await owner.http.get(whole)
    assert kept.headers["content-disposition"] == f'attachment; filename="consent-{consent_id}.json"'
    assert kept.text == (await bank.get(f"{path}/artefact.json")).text
    assert (await other_bank.get(f"{path}/artefact.json")).status_code == 404
    for _ in range(2):
        given_up = await bank._send("DELETE", path, {})
        assert (given_up.status_code, given_up.json()["state"]) == (200, "revoked")
    page = await owner.see(f"/portal/requests/{consent_id}")
    assert "测试银行主动放弃了授权" in page.html


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"uses_max_day": 21}, "uses_max_day"),
        ({"uses_max_month": 21}, "uses_max_month"),
        ({"data_from": "2025-01-02"}, "data_from"),
        ({"supersedes": "019c1f3e-7a54-7c1a-9d0f-6f1f4f7a2b11"}, "supersedes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_a_bank_asks_wrongly_is_named(bank: Bank, wrong: dict[str, object], field: str) -> None:
    answer = await bank.request_consent(ENTERPRISE, uses_max=20, **wrong)
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == {field}


@pytest.mark.usefixtures("stocked")
async def test_a_day_has_its_uses_and_the_bank_is_told_when_they_are_spent(
    bank: Bank, consents: Consents
) -> None:
    consent_id = await consents.active(uses_max_day=1)
    assert (await bank.query("tax", consent_id, ENTERPRISE, key="first")).status_code == 200
    refused = await bank.query("tax", consent_id, ENTERPRISE)
    assert refused.json()["type"] == "/problems/consent-used-up-today"
    assert (await bank.query("tax", consent_id, ENTERPRISE, key="first")).status_code == 200  # a retry
    told = (await bank.get(f"/v1/consent-requests/{consent_id}")).json()
    assert (told["state"], told["uses_left"]) == ("used_up_today", 19)
