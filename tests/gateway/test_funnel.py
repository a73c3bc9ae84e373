"""The operators' funnel: every request is in it once, and no enterprise or person is."""

import re
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from consent import ENDS, STAGES, WAYS, RequestsAlike, reject
from core.clock import china_day, now
from gateway.console.funnel import by_bank_and_way, funnel_of
from gateway.hub import Hub
from tests.conftest import ENTERPRISE, Consents, signatory_of
from tests.gateway.test_console import AtDesk, desk_of
from tests.support.bank import Bank

__all__ = ["desk_of"]  # the fixture


def test_nobody_asked_is_an_empty_funnel() -> None:
    funnel = funnel_of([])
    assert (funnel.asked, set(funnel.ends.values()), {stop.reached for stop in funnel.stops}) == (0, {0}, {0})


UNDECIDED, DECIDED = ("lapsed", "withdrawn", "waiting"), ("approved", "rejected")
kinds = st.one_of(
    st.tuples(st.sampled_from(STAGES), st.sampled_from(UNDECIDED)),
    st.tuples(st.just("decided"), st.sampled_from(DECIDED)),
)
alike = st.builds(
    lambda bank, way, kind, marks, requests: RequestsAlike(bank, way, *kind, *marks, requests),
    st.sampled_from(["one-bank", "other-bank"]),
    st.sampled_from(WAYS),
    kinds,
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.integers(1, 10**6),
)


@given(st.lists(alike, max_size=30))
def test_who_is_lost_at_a_stage_is_who_does_not_reach_the_next(found: list[RequestsAlike]) -> None:
    funnel = funnel_of(found)
    assert funnel.asked == sum(one.requests for one in found) == sum(funnel.ends.values())
    *before_last, decided, approved = funnel.stops
    for stop, after in zip(before_last, [*before_last[1:], decided], strict=True):
        assert stop.reached - stop.gone - stop.waiting == after.reached
    assert decided.reached - decided.gone - decided.waiting == approved.reached + funnel.ends["rejected"]
    assert sum(stop.gone for stop in funnel.stops) == funnel.ends["lapsed"] + funnel.ends["withdrawn"]
    assert sum(stop.waiting for stop in funnel.stops) == funnel.ends["waiting"]
    assert all(0 <= stop.share <= 1 for stop in funnel.stops)


@given(st.lists(alike, max_size=30))
def test_the_rows_are_the_whole_taken_apart(found: list[RequestsAlike]) -> None:
    rows, whole = by_bank_and_way(found), funnel_of(found)
    for place, stop in enumerate(whole.stops):
        assert stop.reached == sum(row.stops[place].reached for row in rows.values())
    for end in ENDS:
        assert whole.ends[end] == sum(row.ends[end] for row in rows.values())


async def test_an_operator_sees_where_requests_stop_and_of_whom_not(
    desk_of: AtDesk, hub: Hub, bank: Bank, other_bank: Bank, consents: Consents
) -> None:
    opened, rejected, elsewhere = [
        (await consents.asked(name)).consent_id for name in ("test-bank", "test-bank", "other-bank")
    ]
    await consents.active()
    await bank.http.get(f"{bank.base}/portal?request={opened}")
    await bank.http.get(f"{bank.base}/qr/{elsewhere}")
    await hub.steps.settled()
    async with hub.database.transaction() as tx:
        await reject(tx, signatory_of(ENTERPRISE), rejected, reason="不想说", at=now())
    desk = await desk_of("system_admin")
    page = await desk.see("/console/funnel")
    told = " ".join(page.text.split())
    for words in (
        "提出申请 4 100%",
        "打开链接或二维码 3 75%",
        "有人答复 2 50%",
        "授权生效 1 25%",
        "网点扫码",
    ):
        assert words in told, words
    assert told.count("1 份停在这一步，还在等") == 2
    for secret in (ENTERPRISE, "张三丰", "精密机械", str(opened), "不想说"):
        assert secret not in page.html
    narrowed = " ".join((await desk.see("/console/funnel?participant=other-bank")).text.split())
    assert "提出申请 1 100%" in narrowed
    assert "提出申请 3" in " ".join((await desk.see("/console/funnel?way=request")).text.split())


async def test_the_period_is_that_of_the_request_in_chinas_days(
    desk_of: AtDesk, bank: Bank, consents: Consents
) -> None:
    await consents.asked()
    desk, today = await desk_of("audit_admin"), china_day(now())
    for first, last, found in (
        (today, today, True),
        (today - timedelta(days=9), today - timedelta(days=1), False),
        (today + timedelta(days=1), today + timedelta(days=2), False),
    ):
        page = await desk.see(f"/console/funnel?from={first}&to={last}")
        assert ("这段时间没有申请" not in page.text) == found
    for wrong in ("from=2026-02-30", "from=2026-02-01&to=2026-01-01", "from=2001-01-01&to=2026-01-01", "way=x",
                  "participant=%00"):  # fmt: skip
        await desk.see(f"/console/funnel?{wrong}", 400)


async def test_the_bars_stay_inside_their_drawing(
    desk_of: AtDesk, hub: Hub, bank: Bank, consents: Consents
) -> None:
    for _ in range(3):
        await consents.asked()
    await consents.active()
    page = await (await desk_of("system_admin")).see("/console/funnel")
    widths = re.findall(r'<rect class="(?:on|waiting|gone)" x="([\d.]+)" width="([\d.]+)"', page.html)
    assert widths
    for x, width in widths:
        assert 0 <= float(x) <= float(x) + float(width) <= 100.01
