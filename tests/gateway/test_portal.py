"""What the portal promises over HTTP: the right enterprise, its own forms, no dead ends, two languages."""

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4

import httpx
import pytest

from consent import revoke
from core.clock import now
from core.settings import Settings
from gateway.hub import Hub
from gateway.portal.endpoints import one_line
from gateway.portal.sessions import Sessions
from sandbox.browser import Page, read_page
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents, signatory_of
from tests.support.bank import Bank

pytestmark = pytest.mark.usefixtures("bank")


class Visitor:
    """A browser without scripts, logged in for one enterprise."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def see(self, path: str, status: int = 200, **headers: str) -> Page:
        answer = await self.http.get(path, headers=headers)
        assert answer.status_code == status, answer.text
        return read_page(str(answer.url), answer.text, answer.status_code)

    async def press(self, page: Page, ending: str, **filled: str) -> httpx.Response:
        """Send a form of the page as it stands, with what was filled in or changed."""
        form = page.form_to(ending)
        return await self.http.post(form.action, data={**dict(form.fields), **filled})


LogIn = Callable[[str], Awaitable[Visitor]]


@pytest.fixture
async def log_in(hub: Hub, settings: Settings) -> AsyncIterator[LogIn]:
    opened: list[httpx.AsyncClient] = []

    async def logged_in(uscc: str) -> Visitor:
        cookie = await Sessions(hub.redis).open(signatory_of(uscc))
        http = httpx.AsyncClient(
            base_url=settings.public_url, trust_env=False, cookies={"hub_session": cookie}
        )
        opened.append(http)
        return Visitor(http)

    yield logged_in
    for http in opened:
        await http.aclose()


@pytest.fixture
async def owner(log_in: LogIn) -> Visitor:
    return await log_in(ENTERPRISE)


# --- who may see what -------------------------------------------------------------------------------------------


async def test_another_enterprises_consent_is_as_if_it_were_not_there(
    log_in: LogIn, consents: Consents
) -> None:
    theirs = await consents.active(uscc=OTHER_ENTERPRISE)
    stranger = await log_in(ENTERPRISE)
    unknown = await stranger.see(f"/portal/requests/{uuid4()}", 404)
    for path in (f"/portal/requests/{theirs}", f"/portal/requests/{theirs}/artefact"):
        page = await stranger.see(path, 404)
        assert "没有找到这份授权" in page.text
        assert _without_trace(page) == _without_trace(unknown)


def _without_trace(page: Page) -> str:
    return page.text.partition("问题编号")[0]


async def test_another_enterprises_consent_cannot_be_answered_or_taken_back(
    log_in: LogIn, consents: Consents, hub: Hub
) -> None:
    mine = await consents.asked()
    asked, active = await consents.asked(uscc=OTHER_ENTERPRISE), await consents.active(uscc=OTHER_ENTERPRISE)
    stranger = await log_in(ENTERPRISE)
    csrf = dict((await stranger.see(f"/portal/requests/{mine.consent_id}")).form_to("/approve").fields)[
        "csrf"
    ]
    for path in (f"{asked.consent_id}/approve", f"{asked.consent_id}/reject", f"{active}/revoke"):
        answer = await stranger.http.post(f"/portal/requests/{path}", data={"csrf": csrf})
        assert answer.status_code == 404
    owner = await log_in(OTHER_ENTERPRISE)
    assert "等您答复" in (await owner.see(f"/portal/requests/{asked.consent_id}")).text
    assert "对方现在可以查看" in (await owner.see(f"/portal/requests/{active}")).text


@pytest.mark.parametrize("csrf", ["", "guessed", "ä"])
async def test_a_form_that_is_not_ours_changes_nothing_and_gets_a_page(
    owner: Visitor, consents: Consents, csrf: str
) -> None:
    asked = await consents.asked()
    address = f"/portal/requests/{asked.consent_id}"
    answer = await owner.http.post(f"{address}/approve", data={"csrf": csrf})
    assert answer.status_code == 403
    assert "页面已过期，请重新操作" in answer.text
    assert (await owner.http.post(f"{address}/reject")).status_code == 403
    assert "等您答复" in (await owner.see(address)).text


async def test_what_is_signed_is_what_was_read(owner: Visitor, consents: Consents) -> None:
    asked = await consents.asked()
    page = await owner.see(f"/portal/requests/{asked.consent_id}")
    for digest in ("0" * 64, ""):
        answer = await owner.press(page, "/approve", read=digest)
        assert answer.status_code == 403
    assert (await owner.press(page, "/approve")).status_code == 303
    signed = await owner.see(f"/portal/requests/{asked.consent_id}")
    for sentence in (
        "谁来看：测试银行。只有它可以看，它不得转给别人。",
        "看多久：自同意之时起 90 天，最多 20 次。",
    ):
        assert sentence in page.text
        assert sentence in signed.text


async def test_without_a_session_the_log_in_leads_back_to_the_request(
    settings: Settings, http: httpx.AsyncClient
) -> None:
    consent_id = uuid4()
    for method, ending in (("GET", ""), ("POST", "/approve")):
        answer = await http.request(method, f"{settings.public_url}/portal/requests/{consent_id}{ending}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/portal?request={consent_id}")
    page = await http.get(f"{settings.public_url}/portal?request={consent_id}")
    assert f'href="/portal/login?request={consent_id}"' in page.text
    answer = await http.get(
        f"{settings.public_url}/portal/disclosures", headers={"cookie": "hub_session=long-gone"}
    )
    assert answer.headers["location"] == "/portal?notice=session_over"


@pytest.mark.parametrize("query", ["", "?code=x&state=y", "?error=access_denied", "?code=" + "x" * 3000])
async def test_a_callback_that_nobody_asked_for_logs_nobody_in(
    settings: Settings, http: httpx.AsyncClient, query: str
) -> None:
    answer = await http.get(f"{settings.public_url}/portal/callback{query}")
    assert answer.status_code >= 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "hub_session" not in answer.headers.get("set-cookie", "")


async def test_logging_out_ends_the_session_for_good(owner: Visitor) -> None:
    cookie = owner.http.cookies["hub_session"]
    page = await owner.see("/portal/requests")
    answer = await owner.press(page, "/logout")
    assert answer.headers["location"] == "/portal?notice=logged_out"
    owner.http.cookies.set("hub_session", cookie)
    assert (await owner.http.get("/portal/requests")).status_code == 303


# --- no dead ends -----------------------------------------------------------------------------------------------


async def test_pressing_twice_is_pressing_once(owner: Visitor, consents: Consents) -> None:
    asked = await consents.asked()
    address = f"/portal/requests/{asked.consent_id}"
    waiting = await owner.see(address)
    for _ in range(2):
        assert (await owner.press(waiting, "/approve")).headers["location"] == address
    active = await owner.see(address)
    for _ in range(2):
        assert (await owner.press(active, "/revoke", reason="不再需要")).headers["location"] == address
    assert (await owner.see(address)).text.count("原因：不再需要") == 1


async def test_an_answer_that_comes_too_late_is_told_so(owner: Visitor, consents: Consents) -> None:
    asked = await consents.asked()
    waiting = await owner.see(f"/portal/requests/{asked.consent_id}")
    await owner.press(waiting, "/reject")
    answer = await owner.press(waiting, "/approve")
    assert answer.status_code == 409
    assert "这份授权的状态已经变了" in answer.text


async def test_the_pages_answer_head_as_they_answer_get(owner: Visitor, consents: Consents) -> None:
    asked = await consents.asked()
    for path in ("", "/requests", f"/requests/{asked.consent_id}", "/disclosures", "/disclosures.csv"):
        got, head = await owner.http.get(f"/portal{path}"), await owner.http.head(f"/portal{path}")
        assert head.status_code == got.status_code
        assert head.headers["content-type"] == got.headers["content-type"] if path else True
        assert head.content == b""


async def test_a_reason_may_hold_anything_that_people_paste(owner: Visitor, consents: Consents) -> None:
    asked = await consents.asked()
    page = await owner.see(f"/portal/requests/{asked.consent_id}")
    answer = await owner.press(page, "/reject", reason="不需要\x00了\r\n<b>谢谢</b>")
    assert answer.status_code == 303
    shown = await owner.see(f"/portal/requests/{asked.consent_id}")
    assert "不需要 了 &lt;b&gt;谢谢&lt;/b&gt;" in shown.html


def test_a_reason_becomes_one_line() -> None:
    assert one_line("  a\u200b\n\tb\x7f ") == "a b"


async def test_the_banks_own_words_cannot_become_markup(owner: Visitor, consents: Consents) -> None:
    asked = await consents.asked(message='"><script>alert(1)</script>{{ 7 * 7 }}')
    page = await owner.see(f"/portal/requests/{asked.consent_id}")
    assert "<script>alert" not in page.html
    assert "{{ 7 * 7 }}" in page.text


# --- the inbox --------------------------------------------------------------------------------------------------


async def test_the_inbox_shows_what_waits_first_and_the_most_urgent_on_top(
    owner: Visitor, consents: Consents, hub: Hub
) -> None:
    later = await consents.asked()
    active = await consents.active()
    async with hub.database.transaction() as tx:
        await revoke(tx, signatory_of(ENTERPRISE), active, reason="", at=now())
    links = [
        link for link in (await owner.see("/portal/requests")).links if link.startswith("/portal/requests/")
    ]
    assert links == [f"/portal/requests/{later.consent_id}", f"/portal/requests/{active}"]


async def test_a_long_inbox_comes_in_pages_without_gaps(owner: Visitor, consents: Consents) -> None:
    made = {await consents.active(age_days=1) for _ in range(53)}
    waiting = await consents.asked()
    first = await owner.see("/portal/requests")
    older = next(link for link in first.links if "before_at" in link)
    second = await owner.see(older)
    assert _consents_on(first) + _consents_on(second) == sorted(made, reverse=True)
    assert str(waiting.consent_id) not in second.html


def _consents_on(page: Page) -> list[UUID]:
    rows = page.html.partition('<ul class="rows">')[2]
    return [UUID(row[:36]) for row in rows.split('class="row" href="/portal/requests/')[1:]]


@pytest.mark.parametrize(
    "query",
    [
        "before_at=2026-01-01&before_id=1",
        "before_at=2026-01-01T00:00:00&before_id=01a20248-ec07-71ae-8144-7966691b5146",
        "outcome=sold",
        "dataset=%00",
        "consent=me",
    ],
)
async def test_a_mistyped_address_gets_a_page_that_says_so(owner: Visitor, query: str) -> None:
    page = await owner.see(f"/portal/disclosures?{query}", 400)
    assert "地址或填写的内容有误" in page.text


async def test_a_consent_past_its_term_has_ended_before_the_worker_says_so(
    owner: Visitor, consents: Consents
) -> None:
    page = await owner.see(f"/portal/requests/{await consents.active(age_days=91)}")
    assert "已过期限，对方不能再查看。" in page.text
    assert not any(form.action.endswith("/revoke") for form in page.forms)


# --- who looked -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("stocked")
async def test_every_call_is_listed_with_its_reason_and_a_foreign_consent_is_not_linked(
    owner: Visitor, bank: Bank, consents: Consents
) -> None:
    mine, theirs = await consents.active(), await consents.active(uscc=OTHER_ENTERPRISE)
    given = (await bank.query("tax", mine, ENTERPRISE)).json()
    refused = (await bank.query("tax", theirs, ENTERPRISE)).json()
    page = await owner.see("/portal/disclosures")
    for decision in (given["decision_id"], refused["decision_id"]):
        assert decision in page.html
    assert "它用的是别家企业的授权" in page.text
    assert f"/portal/requests/{mine}" in page.links
    assert str(theirs) not in page.html


@pytest.mark.usefixtures("stocked")
async def test_the_list_can_be_narrowed_down_and_taken_away_as_a_table(
    owner: Visitor, bank: Bank, consents: Consents
) -> None:
    mine = await consents.active()
    for dataset, purpose in (
        ("tax", "credit_review"),
        ("registration", "credit_review"),
        ("tax", "post_loan"),
    ):
        await bank.query(dataset, mine, ENTERPRISE, purpose=purpose)
    narrowed = {"": 3, "?dataset=tax&outcome=": 2, "?outcome=refused&dataset=": 1, f"?consent={mine}": 3}
    narrowed |= {f"?consent={uuid4()}": 0, "?dataset=nothing_of_the_kind": 0}
    for query, calls in narrowed.items():
        page = await owner.see(f"/portal/disclosures{query}")
        assert page.html.count('<li class="look') == calls, query
        table = await owner.http.get(f"/portal/disclosures.csv{query}")
        rows = list(csv.DictReader(io.StringIO(table.text.removeprefix("\ufeff"))))
        assert len(rows) == calls, query
    [row] = [
        row for row in csv.DictReader(io.StringIO((await _csv(owner)).removeprefix("\ufeff"))) if row["说明"]
    ]
    assert (row["机构"], row["结果"], row["说明"]) == ("测试银行", "已拒绝", "用途与您同意的不符")


async def _csv(visitor: Visitor) -> str:
    return (await visitor.http.get("/portal/disclosures.csv")).text


@pytest.mark.usefixtures("stocked")
async def test_the_looks_of_another_enterprise_are_not_on_the_list(
    log_in: LogIn, bank: Bank, consents: Consents
) -> None:
    mine = await consents.active()
    answer = (await bank.query("registration", mine, ENTERPRISE)).json()
    stranger = await log_in(OTHER_ENTERPRISE)
    for path in ("/portal/disclosures", f"/portal/disclosures?consent={mine}", "/portal/disclosures.csv"):
        assert answer["decision_id"] not in (await stranger.http.get(path)).text


# --- languages and headers --------------------------------------------------------------------------------------


async def test_the_language_is_the_chosen_one_then_the_browsers_then_chinese(
    settings: Settings, http: httpx.AsyncClient
) -> None:
    address = f"{settings.public_url}/portal"

    async def language(query: str = "", **headers: str) -> str:
        answer = await http.get(address + query, headers=headers)
        return "en" if '<html lang="en">' in answer.text else "zh"

    assert await language() == "zh"
    assert await language(**{"accept-language": "en-US,en;q=0.9"}) == "en"
    assert await language(**{"accept-language": "fr, en;q=0.5, zh;q=0.8"}) == "zh"
    assert await language(**{"accept-language": ";;q=x,,en;q=?"}) == "zh"
    assert await language("?lang=en", **{"accept-language": "zh-CN"}) == "en"
    assert await language(**{"accept-language": "zh-CN"}) == "en"  # remembered in a cookie
    assert await language("?lang=zh") == "zh"
    assert await language("?lang=xx") == "zh"


async def test_every_page_keeps_the_browser_on_a_short_leash(owner: Visitor, consents: Consents) -> None:
    asked = await consents.asked()
    for path in ("/requests", f"/requests/{asked.consent_id}", "/disclosures", f"/requests/{uuid4()}"):
        answer = await owner.http.get(f"/portal{path}")
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        for forbidden in (" style=", " onclick=", "<style", "javascript:", "http://", "https://"):
            assert forbidden not in answer.text


async def test_cookies_are_out_of_reach_of_scripts_and_bound_to_the_portal(
    settings: Settings, http: httpx.AsyncClient
) -> None:
    answer = await http.get(f"{settings.public_url}/portal?lang=en")
    cookie = answer.headers["set-cookie"].lower()
    for attribute in ("httponly", "samesite=lax", "path=/portal"):
        assert attribute in cookie
