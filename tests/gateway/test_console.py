"""What the console promises over HTTP: one-time codes, short sessions, own forms, and nobody doing another's work."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from consent import RIGHTS, ROLES, Role, close_operator, deeds, note_deed
from core.clock import china_day, now
from core.errors import Conflict, TooManyRequests
from core.settings import Settings
from datasets import ingest
from gateway.console import commands, sessions
from gateway.console.access import May
from gateway.console.sessions import OperatorSessions, read_code
from gateway.hub import Hub
from gateway.main import build_app
from tests.conftest import ENTERPRISE, TAX_HEADER, TAX_ROW, Consents
from tests.support.bank import Bank
from tests.support.desk import Desk, enter_operator

RULES = (Path(__file__).parents[2] / "datasets" / "rules" / "2026-11.toml").read_text()
STRICTER = RULES.replace('id = "2026-11"', 'id = "2026-12"', 1).replace(
    'levels = [1, 2]\nmodes = ["collected", "live"]\nviews = ["raw"]\nbecause = "公开或一般的信息，授信审批按原样提供。"',
    'levels = [1, 2]\nmodes = ["collected", "live"]\nviews = []\nbecause = "暂不提供。"',
    1,
)

AtDesk = Callable[[str], Awaitable[Desk]]


@pytest.fixture
async def desk_of(hub: Hub, settings: Settings) -> AsyncIterator[AtDesk]:
    """A new operator of a role at a browser of its own, logged in; named after the role unless told."""
    opened: list[httpx.AsyncClient] = []

    async def logged_in(role: str, operator_id: str = "") -> Desk:
        operator_id = operator_id or role.replace("_", "-")
        await enter_operator(hub, operator_id, role)
        desk = new_desk()
        await desk.log_in(operator_id)
        return desk

    def new_desk() -> Desk:
        http = httpx.AsyncClient(base_url=settings.public_url, trust_env=False, timeout=30)
        opened.append(http)
        return Desk(http, hub)

    yield logged_in
    for http in opened:
        await http.aclose()


@pytest.fixture
async def desk(hub: Hub, http: httpx.AsyncClient, settings: Settings) -> AsyncIterator[Desk]:
    """A browser in which nobody is logged in."""
    async with httpx.AsyncClient(base_url=settings.public_url, trust_env=False) as own:
        yield Desk(own, hub)


async def verbs(hub: Hub) -> list[str]:
    async with hub.database.transaction() as tx:
        return [event.verb for event in reversed(await deeds(tx, limit=100))]


# --- log-in -----------------------------------------------------------------------------------------------------


async def test_a_code_opens_a_session_once(desk: Desk, hub: Hub) -> None:
    await enter_operator(hub, "an-ning", "security_admin")
    code = await OperatorSessions(hub.redis).issue_code("an-ning")
    assert re.fullmatch("([A-Z2-7]{4}-){7}[A-Z2-7]{4}", code)
    typed = code.lower().replace("-", " ")
    assert (await desk.try_code(" An-Ning ", typed)).status_code == 303
    page = await desk.see("/console/rules")
    assert "安宁" in page.text
    desk.http.cookies.clear()
    again = await desk.try_code("an-ning", code)
    assert again.status_code == 403
    assert "没有登录成功" in again.text
    assert await verbs(hub) == ["add", "login", "login_refused"]


def test_a_code_is_read_as_people_type_it() -> None:
    assert read_code(" o1l8-20ab\t") == "OIL82OAB".replace("8", "B")


async def test_the_code_of_one_operator_does_not_log_in_another(desk: Desk, hub: Hub) -> None:
    for name, role in (("an-ning", "security_admin"), ("shi-lei", "system_admin")):
        await enter_operator(hub, name, role)
    code = await OperatorSessions(hub.redis).issue_code("an-ning")
    assert (await desk.try_code("shi-lei", code)).status_code == 403
    assert (await desk.try_code("an-ning", code)).status_code == 303, "a wrong guess uses nothing up"


async def test_unknown_ids_and_wrong_codes_are_answered_alike(desk: Desk, hub: Hub) -> None:
    await enter_operator(hub, "an-ning", "security_admin")
    answers = [await desk.try_code(name, code) for name, code in (("an-ning", "ABCD"), ("nobody", "ABCD"))]
    pages = [re.sub(r'value="[^"]*"', "", answer.text) for answer in answers]
    assert pages[0] == pages[1]
    assert {answer.status_code for answer in answers} == {403}


async def test_a_code_expires(hub: Hub) -> None:
    await OperatorSessions(hub.redis).issue_code("an-ning")
    [key] = [key async for key in hub.redis.scan_iter("console-code:*")]
    assert 0 < await hub.redis.ttl(key) <= 5 * 60
    assert b"an-ning" not in key


async def test_who_tries_too_often_has_to_wait(hub: Hub, desk: Desk) -> None:
    await enter_operator(hub, "an-ning", "security_admin")
    kept = OperatorSessions(hub.redis)
    for _ in range(sessions.TRIES_PER_MINUTE):
        assert not await kept.redeem("an-ning", "guess")
    with pytest.raises(TooManyRequests):
        await kept.redeem("an-ning", await kept.issue_code("an-ning"))
    answer = await desk.try_code("an-ning", "x")
    assert answer.status_code == 429
    assert "请等一分钟再试" in answer.text


@pytest.mark.parametrize("csrf", ["", "guessed", "ä"])
async def test_the_log_in_takes_its_own_form_only(desk: Desk, hub: Hub, csrf: str) -> None:
    await enter_operator(hub, "an-ning", "security_admin")
    page = await desk.see("/console/login")
    code = await OperatorSessions(hub.redis).issue_code("an-ning")
    answer = await desk.press(page, "/login", operator_id="an-ning", code=code, csrf=csrf)
    assert answer.status_code == 403
    desk.http.cookies.clear()
    assert (await desk.press(page, "/login", operator_id="an-ning", code=code)).status_code == 403


async def test_a_closed_operator_is_out_at_the_next_click_and_stays_out(desk_of: AtDesk, hub: Hub) -> None:
    desk = await desk_of("audit_admin")
    await desk.see("/console/events")
    code = await OperatorSessions(hub.redis).issue_code("audit-admin")
    async with hub.database.transaction() as tx:
        await close_operator(tx, "audit-admin", at=now())
    assert (await desk.http.get("/console/events")).headers[
        "location"
    ] == "/console/login?notice=session_over"
    assert (await desk.try_code("audit-admin", code)).status_code == 403


async def test_the_command_line_makes_operators_and_prints_their_codes(
    desk: Desk, hub: Hub, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await commands.add(settings, "an-ning", name="安宁", role="security_admin")
    capsys.readouterr()
    await commands.code(settings, "an-ning")
    printed = capsys.readouterr().out
    [code] = re.findall("(?:[A-Z2-7]{4}-){7}[A-Z2-7]{4}", printed)
    assert f"{settings.public_url}/console/login" in printed
    assert (await desk.try_code("an-ning", code)).status_code == 303
    await commands.close(settings, "an-ning")
    assert (await desk.http.get("/console/rules")).status_code == 303
    with pytest.raises(Conflict):
        await commands.code(settings, "an-ning")
    capsys.readouterr()
    await commands.show_all(settings)
    assert "an-ning  安全管理员  安宁" in capsys.readouterr().out
    assert await verbs(hub) == ["add", "code", "login", "close"]


# --- sessions ---------------------------------------------------------------------------------------------------


async def test_the_cookie_is_for_the_console_only_and_dies_with_the_session(
    desk_of: AtDesk, hub: Hub
) -> None:
    desk = await desk_of("audit_admin")
    [cookie] = [one for one in desk.http.cookies.jar if one.name == "hub_console"]
    assert (cookie.path, cookie.expires) == ("/console", None)
    page = await desk.see("/console/events")
    answer = await desk.press(page, "/logout")
    assert answer.headers["location"] == "/console/login?notice=logged_out"
    desk.http.cookies.set("hub_console", cookie.value or "")
    assert (await desk.http.get("/console/events")).status_code == 303
    assert [key async for key in hub.redis.scan_iter("console-session:*")] == []


async def test_cookies_are_strict_and_out_of_reach_of_scripts(desk: Desk) -> None:
    header = (await desk.http.get("/console/login")).headers["set-cookie"].lower()
    for attribute in ("httponly", "samesite=strict", "path=/console"):
        assert attribute in header


async def test_a_session_ends_without_clicks_and_after_eight_hours(hub: Hub) -> None:
    kept, at = OperatorSessions(hub.redis), now()
    cookie = await kept.open("an-ning", at=at)
    [key] = [key async for key in hub.redis.scan_iter("console-session:*")]
    await hub.redis.expire(key, 10)
    assert await kept.find(cookie, at=at + timedelta(hours=7, minutes=59))
    assert sessions.IDLE_SECONDS - 5 < await hub.redis.ttl(key) <= sessions.IDLE_SECONDS == 900
    assert await kept.find(cookie, at=at + timedelta(hours=8)) is None
    assert await kept.find(cookie, at=at) is None, "over is over"


async def test_without_a_session_everything_leads_to_the_log_in(desk: Desk) -> None:
    for path in ("", "/quality", "/funnel", "/notices", "/rules", "/rules/2026-11", "/decisions", "/events"):
        answer = await desk.http.get(f"/console{path}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/login"), path


# --- nobody does another's work ---------------------------------------------------------------------------------


def console_routes() -> Iterator[tuple[str, str, str | None]]:
    """Method, path and the right that it takes, of every route of the console."""
    settings = Settings(database_url="postgresql://nobody@127.0.0.1:1/x", redis_url="redis://127.0.0.1:1")
    app = build_app(settings).others
    assert isinstance(app, FastAPI)
    for route in iter_route_contexts(app.routes):
        if route.path.startswith("/console"):
            rights = [call.right for call in _calls(route.dependant) if isinstance(call, May)]  # type: ignore[attr-defined]
            assert len(rights) <= 1
            for method in sorted(set(route.methods or ()) - {"HEAD"}):
                yield method, route.path, rights[0] if rights else None


def _calls(dependant: Any) -> Iterator[Any]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)


GUARDED = sorted((method, path, right) for method, path, right in console_routes() if right)
TEXT_OF_RIGHT = {right for rights in RIGHTS.values() for right in rights}


def test_every_page_but_the_way_in_and_out_takes_a_right() -> None:
    open_to_all = {(method, path) for method, path, right in console_routes() if right is None}
    assert open_to_all == {
        ("GET", "/console"),
        ("GET", "/console/login"),
        ("POST", "/console/login"),
        ("POST", "/console/logout"),
    }
    assert {right for _, _, right in GUARDED} == TEXT_OF_RIGHT, "every right opens something"


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_gets_what_its_rights_say_and_nothing_else(desk_of: AtDesk, role: Role) -> None:
    """The whole table: every role at every route."""
    desk = await desk_of(role)
    csrf = await desk.csrf()
    filled = {
        "rule_set_id": "no-such-set",
        "act": "approve",
        "intake_id": "999999",
        "event_id": "999999",
        "form_id": str(UUID(int=0)),
    }
    for method, path, right in GUARDED:
        address = re.sub(r"\{(\w+)\}", lambda found: filled[found.group(1)], path)
        query = {"from": "2026-01-01", "to": "2026-01-02"} if address.endswith("/replay") else None
        answer = await desk.http.request(
            method, address, params=query, data={"csrf": csrf} if method == "POST" else None
        )
        refused = answer.status_code == 403 and "这不是您的职责" in answer.text
        assert refused == (right not in RIGHTS[role]), (method, address, answer.status_code)
        assert answer.status_code < 500


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_sees_the_tabs_of_its_own_work(desk_of: AtDesk, role: Role) -> None:
    desk = await desk_of(role)
    answer = await desk.http.get("/console", follow_redirects=True)
    tabs = set(re.findall(r'<li><a href="(/console/\w+)"', answer.text))
    paths = {
        "see_quality": "/console/quality",
        "see_rules": "/console/rules",
        "explain_decisions": "/console/decisions",
        "see_operators": "/console/events",
        "see_funnel": "/console/funnel",
        "see_notices": "/console/notices",
        "see_forms": "/console/forms",
    }
    assert tabs == {path for right, path in paths.items() if right in RIGHTS[role]}


@pytest.mark.parametrize("csrf", ["", "guessed", "ä"])
async def test_a_form_that_is_not_ours_changes_nothing(desk_of: AtDesk, hub: Hub, csrf: str) -> None:
    desk = await desk_of("security_admin")
    before = await verbs(hub)
    for path, files in (
        ("/console/rules", {"file": ("r.toml", STRICTER.encode())}),
        ("/console/decisions", None),
    ):
        answer = await desk.http.post(path, data={"csrf": csrf}, files=files)
        assert answer.status_code == 403
        assert "页面已过期" in answer.text
    assert (await desk.http.post("/console/rules/2026-11/activate", data={"csrf": csrf})).status_code == 403
    assert await verbs(hub) == before


# --- rules ------------------------------------------------------------------------------------------------------


async def draft(desk: Desk, toml: str = STRICTER) -> httpx.Response:
    page = await desk.see("/console/rules")
    return await desk.press(page, "/rules", files={"file": ("draft.toml", toml.encode())})


async def test_one_drafts_another_approves_and_the_hub_decides_by_it(
    desk_of: AtDesk, hub: Hub, bank: Bank, consents: Consents, stocked: None
) -> None:
    consent = await consents.active()
    assert (await bank.query("registration", consent, ENTERPRISE)).status_code == 200
    one, other = await desk_of("security_admin", "an-ning"), await desk_of("security_admin", "an-ping")
    answer = await draft(one)
    assert answer.headers["location"] == "/console/rules/2026-12?done=draft"
    page = await one.see("/console/rules/2026-12?done=draft")
    assert "草案已收下" in page.text
    assert "须由另一位安全管理员批准" in page.text
    assert not any(form.action.endswith("/approve") for form in page.forms)
    forced = await one.http.post("/console/rules/2026-12/approve", data={"csrf": await one.csrf()})
    assert forced.status_code == 403
    assert "不能批准自己起草的规则" in forced.text

    page = await other.see("/console/rules/2026-12")
    assert "暂不提供。" in page.text
    assert (await other.press(page, "/approve", reason="已核对")).headers["location"].endswith("done=approve")
    page = await other.see("/console/rules/2026-12")
    assert (await other.press(page, "/activate")).headers["location"].endswith("done=activate")
    page = await other.see("/console/rules/2026-12")
    for told in ("执行中", "已核对", "an-ning 起草", "an-ping 批准", "an-ping 启用"):
        assert told in page.text
    assert await verbs(hub) == ["add", "login", "add", "login", "draft", "approve", "activate"]


async def test_a_draft_can_be_replayed_over_what_was_asked(
    desk_of: AtDesk, bank: Bank, consents: Consents, stocked: None
) -> None:
    consent = await consents.active()
    for _ in range(3):
        await bank.query("registration", consent, ENTERPRISE)
    await bank.query("tax", consent, ENTERPRISE)
    desk = await desk_of("security_admin")
    await draft(desk)
    today = china_day(now())
    page = await desk.see(f"/console/rules/2026-12/replay?from={today}&to={today}")
    assert "4 次查询" in page.text
    for told in ("测试银行", "企业登记基本信息", "企业名称", "原样", "不提供", "授信审批"):
        assert told in page.text
    for wrong in ("from=x&to=y", f"from={today}&to=2020-01-01", "from=2010-01-01&to=2026-01-01", ""):
        await desk.see(f"/console/rules/2026-12/replay?{wrong}", 400)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (b"", "请选择一个 UTF-8 编码的 TOML 文件"),
        (b"\xff\xfe\x00", "请选择一个 UTF-8 编码的 TOML 文件"),
        (b"id = ", "cannot be read"),
        (
            RULES.replace('title_en = "Sharing rules', 'title_en = "Other rules', 1).encode(),
            "another text already",
        ),
        (STRICTER.replace('purposes = ["post_loan"]', 'purposes = ["gossip"]', 1).encode(), "gossip"),
        (b'id = "<script>"\ntitle = "x"', "title_en"),
    ],
)
async def test_a_draft_that_cannot_be_taken_says_why(
    desk_of: AtDesk, hub: Hub, file: bytes, told: str
) -> None:
    desk = await desk_of("security_admin")
    page = await desk.see("/console/rules")
    answer = await desk.press(page, "/rules", files={"file": ("draft.toml", file)})
    assert answer.status_code == 400
    assert told in answer.text
    assert "<script>" not in answer.text.replace("<script src", "")
    assert "draft" not in await verbs(hub)


async def test_the_same_button_twice_is_told_how_it_stands(desk_of: AtDesk) -> None:
    one, other = await desk_of("security_admin", "an-ning"), await desk_of("security_admin", "an-ping")
    await draft(one)
    page = await other.see("/console/rules/2026-12")
    assert (await other.press(page, "/withdraw", reason="写错了")).status_code == 303
    assert (await other.press(page, "/approve")).status_code == 409
    await other.see("/console/rules/none-such", 404)
    await other.see("/console/rules/%00", 400)


async def test_the_auditor_reads_the_rules_and_gets_no_buttons(desk_of: AtDesk) -> None:
    desk = await desk_of("audit_admin")
    listing, page = await desk.see("/console/rules"), await desk.see("/console/rules/2026-11")
    assert {form.action.rpartition("/")[2] for one in (listing, page) for form in one.forms} == {
        "logout",
        "replay",
    }
    assert "只读" in page.text


# --- decisions --------------------------------------------------------------------------------------------------


async def test_a_decision_is_explained_field_by_field_without_the_data(
    desk_of: AtDesk, hub: Hub, bank: Bank, consents: Consents, stocked: None
) -> None:
    consent = await consents.active()
    answer = (await bank.query("tax", consent, ENTERPRISE)).json()
    desk = await desk_of("security_admin")
    page = await desk.see("/console/decisions")
    shown = await desk.press(page, "/decisions", decision_id=f" {answer['decision_id']} ")
    for told in (
        "测试银行",
        "已提供",
        "申报销售收入",
        "credit-review-sensitive",
        "所在区间",
        "相符",
        str(consent),
    ):
        assert told in shown.text, told
    assert ENTERPRISE not in shown.text
    refused = (await bank.query("tax", consent, ENTERPRISE, purpose="post_loan")).json()
    shown = await desk.press(page, "/decisions", decision_id=refused["decision_id"])
    assert "不符的条款：用途" in shown.text
    async with hub.database.transaction() as tx:
        looked = [event.about for event in await deeds(tx, limit=2)]
    assert looked == [refused["decision_id"], answer["decision_id"]]


@pytest.mark.parametrize(
    ("typed", "status"),
    [("", 400), ("abc", 400), ("<b>", 400), ("00000000-0000-7000-8000-000000000001", 404)],
)
async def test_what_is_no_decision_is_said_on_the_same_page(desk_of: AtDesk, typed: str, status: int) -> None:
    desk = await desk_of("audit_admin")
    answer = await desk.press(await desk.see("/console/decisions"), "/decisions", decision_id=typed)
    assert answer.status_code == status
    assert "决定编号" in answer.text
    assert "<b>" not in answer.text


# --- quality ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def delivered(hub: Hub, tmp_path: Path) -> int:
    """Twenty good rows of tax and one bad, then the same again; the number of the first intake."""
    months = [f"2025{month:02d}" for month in range(1, 13)] + [f"2026{month:02d}" for month in range(1, 9)]
    rows = "".join(TAX_ROW.format(uscc=ENTERPRISE, month=month) for month in months)
    file = tmp_path / "tax=2026.csv"
    file.write_text(TAX_HEADER + rows + "91350100M000100Y44,202609,1,1,1,1,=1+1\n")
    async with hub.database.hot.acquire() as connection:
        first = await ingest(connection, hub.catalogue.contracts["tax"], file)
        await ingest(connection, hub.catalogue.contracts["tax"], file)
    assert (first.accepted, first.quarantined) == (20, 1)
    return first.intake_id


async def test_the_quality_page_adds_up(desk_of: AtDesk, delivered: int) -> None:
    page = await (await desk_of("system_admin")).see("/console/quality")
    assert "95.2%" in page.text  # 40 of 42
    for told in ("42", "纳税信息", "国家税务总局江苏省税务局", "统一社会信用代码校验位不符", "tax=2026.csv"):
        assert told in page.text, told
    assert f"/console/intakes/{delivered}/corrections" in page.links


async def test_the_page_can_be_narrowed_down(desk_of: AtDesk, delivered: int) -> None:
    desk = await desk_of("audit_admin")
    for query, found in {
        "dataset=tax": True,
        "dataset=registration": False,
        "owner=国家税务总局江苏省税务局&dataset=": True,
        "owner=没有这个单位": False,
        "from=2020-01-01&to=2020-02-01": False,
        "from=&to=": True,
        "lang=en": True,
    }.items():
        page = await desk.see(f"/console/quality?{query}")
        assert ('role="img"' in page.html) == found, query
    for wrong in ("from=2026-02-30", "from=2026-02-01&to=2026-01-01", "from=2001-01-01&to=2026-01-01", "to=9999-12-31",
                  "before=0", "dataset=%00"):  # fmt: skip
        await desk.see(f"/console/quality?{wrong}", 400)


async def test_the_correction_file_goes_to_the_system_administrator_and_leaves_a_record(
    desk_of: AtDesk, hub: Hub, delivered: int
) -> None:
    desk, auditor = await desk_of("system_admin"), await desk_of("audit_admin")
    answer = await desk.http.get(f"/console/intakes/{delivered}/corrections")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="corrections-{delivered}.csv"'
    assert answer.headers["cache-control"] == "no-store"
    [head, row] = answer.text.removeprefix("\ufeff").splitlines()
    assert head.startswith("_line,_reason")
    assert row.startswith("22,")
    assert "'=1+1" in row
    async with hub.database.transaction() as tx:
        [event] = await deeds(tx, operator_id="system-admin", limit=1)
    assert (event.verb, event.about) == ("corrections", f"intake {delivered}")
    page = await auditor.see("/console/quality")
    assert not any("corrections" in link for link in page.links)
    await desk.see("/console/intakes/999999/corrections", 404)
    for wrong in ("0", "x", str(2**70)):
        await desk.see(f"/console/intakes/{wrong}/corrections", 400)


async def test_overdue_is_what_its_promise_says(desk_of: AtDesk, hub: Hub, tmp_path: Path) -> None:
    file = tmp_path / "tax.csv"
    file.write_text(TAX_HEADER + TAX_ROW.format(uscc=ENTERPRISE, month="202601"))
    async with hub.database.hot.acquire() as connection:
        await ingest(connection, hub.catalogue.contracts["tax"], file, as_of=date(2026, 1, 31))
    page = await (await desk_of("system_admin")).see("/console/quality")
    assert "逾期，应于2026年3月3日前到" in page.text
    assert "0 / 1" in page.text  # not in time either


# --- what everybody did -----------------------------------------------------------------------------------------


async def test_the_auditor_sees_who_did_what_and_can_follow_one_person(desk_of: AtDesk, hub: Hub) -> None:
    security = await desk_of("security_admin", "an-ning")
    await draft(security)
    auditor = await desk_of("audit_admin")
    page = await auditor.see("/console/events")
    assert "安宁 起草规则" in page.text.replace("\n", " ")
    assert "2026-12" in page.text
    one = await auditor.see("/console/events?operator=audit-admin")
    assert "起草规则" not in one.text
    await auditor.see("/console/events?operator=nobody")
    await auditor.see("/console/events?operator=%00", 400)


async def test_a_long_history_comes_in_pages(desk_of: AtDesk, hub: Hub) -> None:
    auditor = await desk_of("audit_admin")
    async with hub.database.transaction() as tx:
        for number in range(120):
            await note_deed(tx, "audit-admin", "explain", f"decision {number}", at=now())
    first = await auditor.see("/console/events")
    second = await auditor.see(next(link for link in first.links if "before=" in link))
    shown = re.findall(r"<code>decision (\d+)</code>", first.html + second.html)
    assert shown == [str(number) for number in reversed(range(120))]


# --- pages ------------------------------------------------------------------------------------------------------


async def test_every_page_keeps_the_browser_on_a_short_leash(desk_of: AtDesk, delivered: int) -> None:
    auditor = await desk_of("audit_admin")
    for path in (
        "/quality",
        "/funnel",
        "/notices",
        "/rules",
        "/rules/2026-11",
        "/decisions",
        "/events",
        "/login",
        "/none",
    ):
        answer = await auditor.http.get(f"/console{path}", follow_redirects=True)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert answer.headers["cache-control"] == "no-store"
        for forbidden in (" style=", " onclick=", "<style", "javascript:", "http://", "https://"):
            assert forbidden not in answer.text, (path, forbidden)


async def test_the_language_is_remembered_for_the_console(desk_of: AtDesk) -> None:
    auditor = await desk_of("audit_admin")
    assert "Operators and what they did" in (await auditor.see("/console/events?lang=en")).text
    assert "Sharing rules" in (await auditor.see("/console/rules")).text


async def test_lost_sessions_lead_to_the_log_in(desk_of: AtDesk, hub: Hub) -> None:
    """Redis may forget; nothing but the log-in is lost with it."""
    auditor = await desk_of("audit_admin")
    await hub.redis.flushall()
    assert (await auditor.http.get("/console/events")).headers[
        "location"
    ] == "/console/login?notice=session_over"
