"""Whoever enrolled a second factor confirms with it before a yes counts: with an app's code, or with a passkey."""

import asyncio
import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from consent import artefact_of, confirm_by_code, enrol_totp, find_for_enterprise, revoke, secret_of
from core.clock import china_day, now
from gateway.hub import Hub
from gateway.portal.explain import levels_of
from sandbox.browser import Page, PageError
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents, signatory_of
from tests.support.authenticator import PRESENT, Passkey, code_at
from tests.support.authorization import Redirect, answer_in
from tests.support.bank import Bank
from tests.support.person import AGENT, OWNER, Arrive, Person, Time, options_on

pytestmark = pytest.mark.usefixtures("bank")


async def state_of(hub: Hub, consent_id: UUID) -> str:
    async with hub.database.transaction() as tx:
        return (await find_for_enterprise(tx, ENTERPRISE, consent_id)).state


async def record_of(hub: Hub, consent_id: UUID) -> dict[str, Any]:
    async with hub.database.transaction() as tx:
        signed = await artefact_of(tx, consent_id)
    assert signed is not None
    payload = signed.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


async def asked_to_confirm(person: Person, consent_id: UUID) -> Page:
    """Press yes; the page that asks for the confirmation."""
    page = await person.see(f"/portal/requests/{consent_id}")
    assert "还要用您添加的验证方式确认" in page.text
    page = await person.press(page, "/approve")
    assert "请确认是您本人" in page.text
    return page


# --- without a factor ---


async def test_sensitive_data_need_a_factor_or_a_log_in_of_the_last_ten_minutes(
    owner: Person, consents: Consents, hub: Hub, time: Time
) -> None:
    sensitive, plain = await consents.asked(), await consents.asked(datasets=("honours",))
    assert max(levels_of(hub.catalogue, "bank", sensitive.terms)) >= 4
    assert max(levels_of(hub.catalogue, "bank", plain.terms)) < 4
    pages = [await owner.see(f"/portal/requests/{one.consent_id}") for one in (sensitive, plain)]
    time.passes(minutes=11)
    refused = await owner.press(pages[0], "/approve", status=403)
    assert "请重新登录后再操作" in refused.text
    assert f"/portal/login?request={sensitive.consent_id}" in refused.links
    assert await state_of(hub, sensitive.consent_id) == "awaiting"
    told = await owner.see(f"/portal/requests/{sensitive.consent_id}")  # before anybody presses in vain
    assert f"/portal/login?request={sensitive.consent_id}" in told.links
    with pytest.raises(PageError):
        told.form_to("/approve")
    assert "授权生效" in (await owner.press(pages[1], "/approve")).text
    assert (await record_of(hub, plain.consent_id))["signatory"]["confirmed_by"] is None


async def test_a_fresh_log_in_is_told_in_the_artefact(owner: Person, consents: Consents, hub: Hub) -> None:
    asked = await consents.asked()
    agreed = await owner.press(await owner.see(f"/portal/requests/{asked.consent_id}"), "/approve")
    assert "授权生效" in agreed.text
    record = await record_of(hub, asked.consent_id)
    assert [one["confirmed_by"] for one in (record["signatory"], *record["approvals"])] == ["fresh_login"] * 2


# --- with an authenticator app ---


async def test_with_an_app_a_yes_waits_for_its_code_and_the_artefact_tells_it(
    owner: Person, consents: Consents, hub: Hub
) -> None:
    await owner.add_app()
    asked = await consents.asked()
    page = await asked_to_confirm(owner, asked.consent_id)
    for said in ("还没有生效", "测试银行", "企业登记基本信息、纳税信息", "授信审批", "90 天"):
        assert said in page.text
    wrong = await owner.confirm(page, "000000")
    assert "验证码不对，或已经用过" in wrong.text
    assert await state_of(hub, asked.consent_id) == "awaiting"
    assert "授权生效" in (await owner.confirm(wrong, owner.code())).text
    assert (await record_of(hub, asked.consent_id))["approvals"][0]["confirmed_by"] == "totp"


async def test_no_log_in_is_fresh_enough_to_do_without_the_app(
    owner: Person, comes: Arrive, consents: Consents, hub: Hub
) -> None:
    asked = await consents.asked()
    elsewhere = await comes()
    before = await elsewhere.see(f"/portal/requests/{asked.consent_id}")
    await owner.add_app()
    page = await elsewhere.press(before, "/approve")
    assert "请确认是您本人" in page.text
    bent = await elsewhere.confirm(page, "", recover="1", status=403)  # for lost factors only
    assert "请先确认是您本人" in bent.text
    assert await state_of(hub, asked.consent_id) == "awaiting"


async def test_what_replaces_a_lost_factor_agrees_to_nothing_even_when_no_factor_is_left(
    owner: Person, consents: Consents, hub: Hub
) -> None:
    await owner.add_app()
    asked = await consents.asked()
    waiting = await asked_to_confirm(owner, asked.consent_id)
    removal = await owner.press(await owner.see("/portal/devices"), "/remove")
    await owner.confirm(removal, owner.code())
    bent = await owner.confirm(waiting, "", recover="1", status=403)
    assert "请先确认是您本人" in bent.text
    assert await state_of(hub, asked.consent_id) == "awaiting"


async def test_a_code_confirms_once(owner: Person, consents: Consents, hub: Hub) -> None:
    await owner.add_app()
    asked = [(await consents.asked()).consent_id for _ in range(2)]
    pages = [await asked_to_confirm(owner, consent_id) for consent_id in asked]
    code = owner.code()
    assert "授权生效" in (await owner.confirm(pages[0], code)).text
    assert "已经用过" in (await owner.confirm(pages[1], code)).text
    assert "已经用过" in (await owner.confirm(pages[1], owner.code(seconds=-30))).text  # nor an earlier one
    assert await state_of(hub, asked[1]) == "awaiting"
    assert "授权生效" in (await owner.confirm(pages[1], await owner.next_code())).text


async def test_five_wrong_codes_hold_the_app_for_a_quarter_of_an_hour(
    owner: Person, consents: Consents, hub: Hub, time: Time
) -> None:
    await owner.add_app()
    asked = await consents.asked()
    page = await asked_to_confirm(owner, asked.consent_id)
    for _ in range(5):
        page = await owner.confirm(page, "000000")
    assert "请十五分钟后再试" in page.text
    assert "请十五分钟后再试" in (await owner.confirm(page, owner.code())).text
    assert await state_of(hub, asked.consent_id) == "awaiting"
    time.passes(minutes=15)
    assert "授权生效" in (await owner.confirm(page, owner.code())).text


@pytest.mark.parametrize(("seconds", "good"), [(-90, False), (-30, True), (30, True), (90, False)])
async def test_the_telephones_clock_may_be_half_a_minute_off_not_ninety_seconds(
    owner: Person, consents: Consents, hub: Hub, time: Time, seconds: int, good: bool
) -> None:
    await owner.add_app()
    time.passes(minutes=5)
    asked = await consents.asked()
    page = await asked_to_confirm(owner, asked.consent_id)
    await owner.confirm(page, owner.code(seconds=seconds))
    assert (await state_of(hub, asked.consent_id) == "active") is good


@pytest.mark.parametrize("typed", ["", "12345", "abcdef", "１２３４５６７", "\u0000", "9" * 40])
async def test_whatever_is_typed_as_a_code_gets_an_answer(
    owner: Person, consents: Consents, typed: str
) -> None:
    await owner.add_app()
    page = await asked_to_confirm(owner, (await consents.asked()).consent_id)
    assert "验证码不对" in (await owner.confirm(page, typed)).text


async def test_a_code_may_be_typed_with_spaces_and_full_width(owner: Person, consents: Consents) -> None:
    await owner.add_app()
    page = await asked_to_confirm(owner, (await consents.asked()).consent_id)
    code = owner.code().translate({ord("0") + n: chr(0xFF10 + n) for n in range(10)})
    assert "授权生效" in (await owner.confirm(page, f" {code[:3]} {code[3:]}")).text


# --- what is confirmed is what waits, in this session ---


async def test_what_waits_in_one_session_cannot_be_confirmed_in_another(
    owner: Person, comes: Arrive, consents: Consents, hub: Hub
) -> None:
    await owner.add_app()
    asked = await consents.asked()
    waiting = urlsplit((await asked_to_confirm(owner, asked.consent_id)).url).path
    for stranger in (await comes(), await comes(signatory_of(OTHER_ENTERPRISE))):
        assert "页面已过期" in (await stranger.see(waiting, 403)).text
        csrf = dict((await stranger.see("/portal/devices")).form_to("/logout").fields)["csrf"]
        answer = await stranger.http.post(waiting, data={"csrf": csrf, "code": owner.code()})
        assert answer.status_code == 403
    assert await state_of(hub, asked.consent_id) == "awaiting"


async def test_what_waits_is_forgotten_after_five_minutes(
    owner: Person, consents: Consents, hub: Hub
) -> None:
    await owner.add_app()
    await asked_to_confirm(owner, (await consents.asked()).consent_id)
    [waiting] = [key async for key in hub.redis.scan_iter("waiting:*")]
    assert 0 < await hub.redis.ttl(waiting) <= 300


async def test_sentences_that_change_while_the_code_is_typed_are_not_signed(
    owner: Person, bank: Bank, consents: Consents, hub: Hub
) -> None:
    earlier = await consents.active()
    await owner.add_app()
    answer = await bank.request_consent(ENTERPRISE, term_days=30, supersedes=str(earlier))
    amended = UUID(answer.json()["consent_id"])
    page = await asked_to_confirm(owner, amended)
    async with hub.database.transaction() as tx:
        await revoke(tx, OWNER, earlier, reason="", at=now())
    assert "页面已过期" in (await owner.confirm(page, owner.code(), status=403)).text
    assert await state_of(hub, amended) == "awaiting"


async def test_less_than_asked_is_what_is_confirmed(owner: Person, consents: Consents, hub: Hub) -> None:
    await owner.add_app()
    address = f"/portal/requests/{(await consents.asked()).consent_id}"
    less = await owner.see(f"{address}?less=1&datasets=tax&term_days=30&uses_max=5")
    page = await owner.press(less, "/approve")
    assert "纳税信息" in page.text
    assert "企业登记基本信息" not in page.text
    assert "30 天内最多查 5 次" in page.text or "30" in page.text
    agreed = await owner.confirm(page, owner.code())
    assert "对方申请的是企业登记基本信息" in agreed.text


async def test_confirming_twice_is_confirming_once(owner: Person, consents: Consents, hub: Hub) -> None:
    await owner.add_app()
    asked = await consents.asked()
    page = await asked_to_confirm(owner, asked.consent_id)
    code = owner.code()
    for _ in range(2):
        assert "授权生效" in (await owner.confirm(page, code)).text
    assert "授权生效" in (await owner.see(urlsplit(page.url).path)).text  # and the browser's back button
    assert len((await record_of(hub, asked.consent_id))["approvals"]) == 1


async def test_a_mandate_revoked_while_the_code_is_typed_loses(
    owner: Person, comes: Arrive, consents: Consents, hub: Hub, time: Time
) -> None:
    agent = await comes(AGENT)
    await agent.add_app()
    until = str(china_day(time()) + timedelta(days=10))
    agents = await owner.see("/portal/agents")
    form = dict(agents.form_to("/appoint").fields)
    chosen = {"purposes": "credit_review", "datasets": ["registration", "tax"], "valid_until": until}
    await owner.http.post("/portal/agents/appoint", data={**form, **chosen})
    asked = await consents.asked()
    page = await asked_to_confirm(agent, asked.consent_id)
    await owner.press(await owner.see("/portal/agents"), "/revoke")
    assert "您没有有效的委派" in (await agent.confirm(page, agent.code(), status=403)).text
    assert await state_of(hub, asked.consent_id) == "awaiting"


# --- what else needs it, and what does not ---


async def test_appointing_and_the_number_of_signatories_need_it(
    owner: Person, comes: Arrive, time: Time
) -> None:
    await comes(AGENT)
    await owner.add_app()
    agents = await owner.see("/portal/agents")
    page = await owner.press(
        agents,
        "/appoint",
        purposes="credit_review",
        datasets="tax",
        valid_until=str(china_day(time()) + timedelta(days=10)),
    )
    assert "您要委派经办人" in page.text
    assert "还没有委派" in (await owner.see("/portal/agents")).text
    assert "有效" in (await owner.confirm(page, owner.code())).text
    page = await owner.press(await owner.see("/portal/agents"), "/approvals", needed="2")
    assert "所有用途：2 人" in page.text
    assert "所有用途：2 人" not in (await owner.see("/portal/agents")).text
    assert "所有用途：2 人" in (await owner.confirm(page, await owner.next_code())).text


async def test_to_stop_needs_no_confirmation_to_begin_again_does(
    owner: Person, consents: Consents, hub: Hub
) -> None:
    running, other = await consents.active(), await consents.asked()
    await owner.add_app()
    address = f"/portal/requests/{running}"
    assert "已暂停" in (await owner.press(await owner.see(address), "/pause")).text
    page = await owner.press(await owner.see(address), "/resume")
    assert "您要恢复的授权" in page.text
    assert await state_of(hub, running) == "paused"
    assert "贵企业恢复授权" in (await owner.confirm(page, owner.code())).text
    assert "撤回" in (await owner.press(await owner.see(address), "/revoke")).text
    assert await state_of(hub, running) == "revoked"
    await owner.press(await owner.see(f"/portal/requests/{other.consent_id}"), "/reject")
    assert await state_of(hub, other.consent_id) == "rejected"


async def test_from_the_banks_page_the_confirmation_leads_back_to_the_bank(
    owner: Person, bank: Bank, hub: Hub
) -> None:
    await owner.add_app()
    arrived = await owner.http.get(await Redirect(bank).address())
    page = await asked_to_confirm(owner, UUID(urlsplit(str(arrived.url)).path.rsplit("/", 1)[1]))
    policy = (await owner.http.get(page.url)).headers["content-security-policy"]
    assert "form-action 'self' https://bank.example;" in policy
    owner.http.follow_redirects = False
    confirm = {**dict(page.form_to(urlsplit(page.url).path).fields), "code": owner.code()}
    answer = await owner.http.post(page.url, data=confirm)
    answer = await owner.http.get(answer.headers["location"])
    assert answer.headers["location"].startswith("https://bank.example/callback")
    assert answer_in(answer.headers["location"])["code"]


# --- with a passkey ---


async def test_a_passkey_confirms_and_the_artefact_tells_it(
    owner: Person, consents: Consents, passkey: Passkey, hub: Hub
) -> None:
    assert "已添加" in (await owner.add_passkey(passkey)).text
    asked = await consents.asked()
    page = await asked_to_confirm(owner, asked.consent_id)
    answer = passkey.use(options_on(page))
    agreed = await owner.press(page, urlsplit(page.url).path, answer=answer)
    assert "授权生效" in agreed.text
    assert (await record_of(hub, asked.consent_id))["signatory"]["confirmed_by"] == "passkey"


async def refused(person: Person, page: Page, answer: str) -> bool:
    after = await person.press(page, urlsplit(page.url).path, answer=answer)
    return "通行密钥没有通过验证" in after.text


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "http://localhost.evil.example"},
        {"type": "webauthn.create"},
        {"challenge": "bm90IHRoZSBjaGFsbGVuZ2U"},
        {"challenge": ""},
    ],
    ids=["another page", "another ceremony", "another challenge", "no challenge"],
)
async def test_an_answer_that_was_not_given_for_this_is_refused(
    owner: Person, consents: Consents, passkey: Passkey, hub: Hub, changes: dict[str, str]
) -> None:
    await owner.add_passkey(passkey)
    asked = await consents.asked()
    page = await asked_to_confirm(owner, asked.consent_id)
    assert await refused(owner, page, passkey.use(options_on(page), **changes))
    assert await state_of(hub, asked.consent_id) == "awaiting"


async def test_a_passkey_without_finger_face_or_pin_or_of_somebody_else_is_refused(
    owner: Person, consents: Consents, passkey: Passkey, hub: Hub
) -> None:
    await owner.add_passkey(passkey)
    asked = await consents.asked()
    unverified = replace(passkey, flags=PRESENT)
    stranger = Passkey(passkey.rp_id, passkey.origin, credential_id=b"another one")
    impostor = Passkey(passkey.rp_id, passkey.origin, count=5)  # the right name, another key
    elsewhere = replace(passkey, rp_id="bank.example")
    for device in (unverified, stranger, impostor, elsewhere):
        page = await asked_to_confirm(owner, asked.consent_id)
        assert await refused(owner, page, device.use(options_on(page)))
    for broken in ("{}", "[]", "not json", "x" * 19_000, json.dumps({"id": "", "rawId": ""})):
        page = await asked_to_confirm(owner, asked.consent_id)
        assert await refused(owner, page, broken)
    assert await state_of(hub, asked.consent_id) == "awaiting"


async def test_an_answer_confirms_once_and_a_copy_of_the_passkey_is_noticed(
    owner: Person, consents: Consents, passkey: Passkey, hub: Hub
) -> None:
    await owner.add_passkey(passkey)
    first, second = [(await consents.asked()).consent_id for _ in range(2)]
    page = await asked_to_confirm(owner, first)
    copy = replace(passkey)
    answer = passkey.use(options_on(page))
    await owner.press(page, urlsplit(page.url).path, answer=answer)
    assert await state_of(hub, first) == "active"
    page = await asked_to_confirm(owner, second)
    assert await refused(owner, page, answer)
    page = await asked_to_confirm(owner, second)
    assert await refused(owner, page, copy.use(options_on(page)))  # its count of signatures lags behind
    assert await state_of(hub, second) == "awaiting"


# --- at the same moment ---


async def test_of_many_who_come_with_the_same_code_at_once_one_is_believed(owner: Person, hub: Hub) -> None:
    await owner.add_app()
    code = owner.code()

    async def try_it() -> str:
        async with hub.database.transaction() as tx:
            return await confirm_by_code(tx, OWNER, code, master_secret=hub.master_secret, at=hub.clock())

    came_to = await asyncio.gather(*(try_it() for _ in range(4)))
    assert sorted(came_to) == ["confirmed", "wrong", "wrong", "wrong"]


async def test_wrong_codes_at_once_are_all_counted(owner: Person, hub: Hub) -> None:
    await owner.add_app()

    async def try_it(number: int) -> str:
        async with hub.database.transaction() as tx:
            return await confirm_by_code(
                tx, OWNER, f"{number:05}x", master_secret=hub.master_secret, at=hub.clock()
            )

    came_to = await asyncio.gather(*(try_it(number) for number in range(8)))
    assert sorted(came_to) == ["held"] * 4 + ["wrong"] * 4


async def test_two_forms_at_once_agree_once(owner: Person, consents: Consents, hub: Hub) -> None:
    await owner.add_app()
    asked = await consents.asked()
    page = await asked_to_confirm(owner, asked.consent_id)
    path = urlsplit(page.url).path
    form = {**dict(page.form_to(path).fields), "code": owner.code()}
    answers = await asyncio.gather(*(owner.http.post(path, data=form) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert await state_of(hub, asked.consent_id) == "active"
    assert len((await record_of(hub, asked.consent_id))["approvals"]) == 1


async def test_one_person_enrols_one_app_however_many_at_once(owner: Person, hub: Hub) -> None:
    async def enrol() -> bool:
        factor_id = uuid4()
        code = code_at(secret_of(factor_id, hub.master_secret), hub.clock().timestamp())
        async with hub.database.transaction() as tx:
            return await enrol_totp(
                tx,
                OWNER,
                factor_id,
                code,
                name="手机",
                master_secret=hub.master_secret,
                confirmed_by="fresh_login",
                at=hub.clock(),
            )

    came_to = await asyncio.gather(*(enrol() for _ in range(4)), return_exceptions=True)
    assert sorted(str(getattr(one, "reason", one)) for one in came_to) == ["True"] + ["factor_exists"] * 3
