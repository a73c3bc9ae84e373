"""Where a person is logged in, listed and closable; and how second factors come, go, and are replaced when lost."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from core.clock import now
from gateway.hub import Hub
from gateway.portal.browsers import browser_of
from gateway.portal.sessions import Sessions
from sandbox.browser import Page
from tests.conftest import OTHER_ENTERPRISE, Consents, signatory_of
from tests.support.authenticator import Passkey
from tests.support.person import AGENT, FIREFOX, OWNER, WECHAT, Arrive, Person, Time, options_on

pytestmark = pytest.mark.usefixtures("bank")


async def is_in(person: Person) -> bool:
    answer = await person.http.get("/portal/requests", follow_redirects=False)
    return answer.status_code == 200


def session_of(page: Page) -> str:
    return dict(page.form_to("/close").fields)["which"]


# --- sessions ---


async def test_every_place_is_listed_and_one_is_closed(owner: Person, comes: Arrive, time: Time) -> None:
    time.passes(minutes=7)
    phone = await comes(user_agent=WECHAT)
    page = await owner.see("/portal/devices")
    assert "微信 · iPhone" in page.text
    assert "Firefox · Linux" in page.text
    assert page.text.count("本机") == 1
    closed = await owner.press(page, "/close")
    assert "已退出那台设备上的登录" in closed.text
    assert "微信" not in closed.text
    assert await is_in(owner)
    assert not await is_in(phone)


async def test_all_others_are_closed_at_once(owner: Person, comes: Arrive) -> None:
    others = [await comes(user_agent=WECHAT), await comes()]
    colleague = await comes(AGENT)
    await owner.press(await owner.see("/portal/devices"), "/close-others")
    assert await is_in(owner)
    assert [await is_in(other) for other in others] == [False, False]
    assert await is_in(colleague)  # another person of the same enterprise


async def test_nobody_sees_or_closes_anothers_session(owner: Person, comes: Arrive) -> None:
    await comes()
    mine = session_of(await owner.see("/portal/devices"))
    for stranger in (await comes(AGENT), await comes(signatory_of(OTHER_ENTERPRISE))):
        page = await stranger.see("/portal/devices")
        assert page.text.count("登录：") == 1
        csrf = dict(page.form_to("/logout").fields)["csrf"]
        await stranger.http.post("/portal/devices/close", data={"csrf": csrf, "which": mine})
    assert session_of(await owner.see("/portal/devices")) == mine
    assert (await owner.http.post("/portal/devices/close", data={"which": mine})).status_code == 403


async def test_a_copied_cookie_ends_the_session(owner: Person, comes: Arrive) -> None:
    thief = await comes(user_agent=WECHAT)
    thief.http.cookies = owner.http.cookies
    assert not await is_in(thief)
    assert not await is_in(owner)


async def test_a_session_ends_after_eight_hours_however_busy(owner: Person, time: Time) -> None:
    for _ in range(47):
        time.passes(minutes=10)
        assert await is_in(owner)
    time.passes(minutes=10)
    assert not await is_in(owner)


async def test_a_session_ends_after_twenty_idle_minutes_and_leaves_the_list(
    owner: Person, comes: Arrive, hub: Hub, time: Time
) -> None:
    await comes(user_agent=WECHAT)
    names = {
        one.session.browser.program: one.session.session_id
        for one in await Sessions(hub.redis, time).list(OWNER)
    }
    assert await hub.redis.ttl(f"session:{names['微信']}") <= 20 * 60
    await hub.redis.delete(f"session:{names['微信']}")  # as Redis does when the time is over
    assert "微信" not in (await owner.see("/portal/devices")).text


async def test_the_list_says_when_the_last_click_was(owner: Person, comes: Arrive, hub: Hub) -> None:
    await comes(user_agent=WECHAT)
    kept = Sessions(hub.redis)
    idle = next(one for one in await kept.list(OWNER) if one.session.browser.program == "微信")
    await hub.redis.expire(f"session:{idle.session.session_id}", 20 * 60 - 300)
    [again] = [one for one in await kept.list(OWNER) if one.session.browser.program == "微信"]
    assert timedelta(seconds=298) <= now() - again.seen_at <= timedelta(seconds=310)


async def test_nothing_of_a_session_in_redis_opens_it(owner: Person, hub: Hub, comes: Arrive) -> None:
    stranger = await comes(signatory_of(OTHER_ENTERPRISE))
    for key in [key.decode() async for key in hub.redis.scan_iter("session:*")]:
        stranger.http.cookies.clear()
        stranger.http.cookies.set("hub_session", key.removeprefix("session:"))
        assert not await is_in(stranger)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox Linux"),
        (WECHAT, "微信 iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome Android"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge Windows"),
        ("Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 Chrome/132.0 HuaweiBrowser/5.0", "华为浏览器 HarmonyOS"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1 Version/18.0 Safari/605.1", "Safari macOS"),
        ("curl/8", " "),
        ("", " "),
    ],
)  # fmt: skip
def test_a_browser_is_named_as_a_person_would(user_agent: str, name: str) -> None:
    assert " ".join(browser_of(user_agent)) == name


# --- factors come ---


async def test_an_app_is_scanned_named_and_listed(owner: Person, hub: Hub) -> None:
    page = await owner.begin_app()
    assert "<svg" in page.html
    assert "otpauth://totp/" in page.html
    wrong = await owner.confirm(page, "000000")
    assert "验证码不对" in wrong.text
    await owner.confirm(wrong, owner.code(), name="  财务室\n<b>手机</b> ")
    listed = await owner.see("/portal/devices")
    assert "财务室 <b>手机</b>" in listed.text
    assert "<b>手机" not in listed.html
    assert "还没有用过" in listed.text
    assert "以重新登录确认" in listed.text


async def test_the_same_secret_is_shown_until_it_is_used_and_never_again(owner: Person) -> None:
    page = await owner.begin_app()
    secret, path = owner.secret, urlsplit(page.url).path
    owner.scan(await owner.see(path))
    assert owner.secret == secret
    await owner.confirm(page, owner.code())
    await owner.see(path, 403)


async def test_the_secret_is_nowhere_in_the_database(owner: Person, hub: Hub) -> None:
    await owner.add_app()
    async with hub.database.hot.acquire() as connection:
        rows = await connection.fetch("SELECT to_jsonb(f)::text AS whole FROM factors f")
    assert len(rows) == 1
    assert owner.secret.hex() not in rows[0]["whole"]


async def test_a_first_factor_needs_a_fresh_log_in_of_the_highest_assurance(
    owner: Person, comes: Arrive, time: Time
) -> None:
    weak = await comes(replace(OWNER, assurance="urn:xinyi:loa:2"))
    refused = await weak.press(await weak.see("/portal/devices"), "/add", status=403)
    assert "实名等级" in refused.text
    page = await owner.see("/portal/devices")
    time.passes(minutes=11)
    refused = await owner.press(page, "/add", status=403)
    assert "请重新登录后再操作" in refused.text
    assert "/portal/login?page=devices" in refused.links


async def test_another_factor_needs_the_first(owner: Person, passkey: Passkey) -> None:
    await owner.add_passkey(passkey)
    page = await owner.press(await owner.see("/portal/devices"), "/add", kind="totp")
    assert "您要添加验证方式" in page.text
    page = owner.scan(await owner.press(page, urlsplit(page.url).path, answer=passkey.use(options_on(page))))
    done = await owner.confirm(page, owner.code(), name="备用手机")
    assert "备用手机" in done.text
    assert "以通行密钥确认" in done.text


async def test_one_app_and_each_passkey_once(owner: Person, passkey: Passkey, time: Time) -> None:
    await owner.add_app()
    page = await owner.press(await owner.see("/portal/devices"), "/add", kind="totp")
    page = owner_scan = await owner.confirm(page, owner.code())
    secret = owner.secret
    owner.scan(owner_scan)
    assert owner.secret != secret
    assert "已经添加过了" in (await owner.confirm(page, owner.code(), status=409)).text
    owner.secret = secret
    for status in (200, 409):
        page = await owner.press(await owner.see("/portal/devices"), "/add", kind="passkey")
        page = await owner.confirm(page, await owner.next_code())
        made = passkey.make(options_on(page))
        await owner.press(page, urlsplit(page.url).path, status=status, answer=made)


async def test_an_enrolment_belongs_to_its_session(owner: Person, comes: Arrive) -> None:
    path = urlsplit((await owner.begin_app()).url).path
    for stranger in (await comes(), await comes(AGENT)):
        await stranger.see(path, 403)
        csrf = dict((await stranger.see("/portal/devices")).form_to("/logout").fields)["csrf"]
        answer = await stranger.http.post(path, data={"csrf": csrf, "code": owner.code()})
        assert answer.status_code == 403
        assert "还没有添加" in (await stranger.see("/portal/devices")).text


async def test_a_passkey_that_another_page_made_is_not_taken(owner: Person, passkey: Passkey) -> None:
    page = await owner.press(await owner.see("/portal/devices"), "/add", kind="passkey")
    for wrong in ({"origin": "https://evil.example"}, {"challenge": "AAAA"}, {"type": "webauthn.get"}):
        answer = passkey.make(options_on(page), **wrong)
        page = await owner.press(page, urlsplit(page.url).path, answer=answer)
        assert "通行密钥没有通过验证" in page.text
    again = await owner.press(page, urlsplit(page.url).path, answer=passkey.make(options_on(page)))
    assert "已添加" in again.text


# --- factors go ---


async def test_a_factor_is_removed_with_a_confirmation_and_confirms_nothing_any_more(
    owner: Person, comes: Arrive, consents: Consents
) -> None:
    elsewhere = await comes(user_agent=WECHAT)
    await owner.add_app()
    page = await owner.press(await owner.see("/portal/devices"), "/remove")
    assert "您要移除验证方式" in page.text
    assert "我的手机" in page.text
    done = await owner.confirm(page, owner.code())
    assert "已移除" in done.text
    assert "还没有添加" in done.text
    assert "以手机验证器确认" in done.text
    assert not await is_in(elsewhere)
    asked = await consents.asked()
    agreed = await owner.press(await owner.see(f"/portal/requests/{asked.consent_id}"), "/approve")
    assert "授权生效" in agreed.text


async def test_a_lost_factor_is_replaced_by_a_fresh_log_in_and_the_enterprise_sees_it(
    owner: Person, comes: Arrive, time: Time
) -> None:
    agent = await comes(AGENT)
    await agent.add_app("旧手机")
    time.passes(minutes=11)
    stale = await agent.press(await agent.see("/portal/devices"), "/remove")
    assert "/portal/login?page=devices" in stale.links
    await agent.confirm(stale, "", recover="1", status=403)
    again = await comes(AGENT)
    page = await again.press(await again.see("/portal/devices"), "/remove")
    assert "您刚刚登录过" in page.text
    done = await again.confirm(page, "", recover="1")
    assert "还没有添加" in done.text
    assert not await is_in(agent)
    for told in (await owner.see("/portal/devices"), await owner.see("/portal/requests")):
        assert "旧手机" in told.text
        assert "凭重新登录" in told.text
    time.passes(days=8)
    later = await comes()
    assert "旧手机" not in (await later.see("/portal/requests")).text
    assert "旧手机" in (await later.see("/portal/devices")).text


@pytest.mark.parametrize(
    "weaker", [{"assurance": "urn:xinyi:loa:2"}, {"proven_by": "business_licence+bank_transfer"}]
)
async def test_a_weaker_log_in_replaces_nothing(owner: Person, comes: Arrive, weaker: dict[str, str]) -> None:
    await owner.add_app()
    weak = await comes(replace(OWNER, **weaker))
    page = await weak.press(await weak.see("/portal/devices"), "/remove")
    assert "实名等级" in (await weak.confirm(page, "", recover="1", status=403)).text
    assert "我的手机" in (await owner.see("/portal/devices")).text


async def test_nobody_removes_anothers_factor(owner: Person, comes: Arrive) -> None:
    await owner.add_app()
    factor_id = dict((await owner.see("/portal/devices")).form_to("/remove").fields)["factor_id"]
    for stranger in (await comes(AGENT), await comes(signatory_of(OTHER_ENTERPRISE))):
        csrf = dict((await stranger.see("/portal/devices")).form_to("/logout").fields)["csrf"]
        form = {"csrf": csrf, "factor_id": factor_id}
        assert (await stranger.http.post("/portal/devices/remove", data=form)).status_code == 404
        assert "我的手机" not in (await stranger.see("/portal/devices")).text
    assert "我的手机" in (await owner.see("/portal/devices")).text


async def test_an_agent_sees_only_what_became_of_its_own_factors(owner: Person, comes: Arrive) -> None:
    await owner.add_app("老板的手机")
    agent = await comes(AGENT)
    assert "老板的手机" not in (await agent.see("/portal/devices")).text
