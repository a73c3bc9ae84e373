"""The charts of the quality page: every day drawn, the goal where it belongs, nothing outside the drawing."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import INTAKE_RATE_GOAL, Account
from gateway.console.chart import HEIGHT, LEFT, PARTS, TOP, WIDTH, Chart, draw

FIRST = date(2026, 1, 1)

counts = st.integers(0, 10**9)
accounts = st.builds(
    lambda accepted, unchanged, superseded, quarantined: Account(
        intakes=1,
        received=accepted + unchanged + superseded + quarantined,
        accepted=accepted,
        unchanged=unchanged,
        superseded=superseded,
        quarantined=quarantined,
    ),
    counts,
    counts,
    counts,
    counts,
)
periods = st.integers(1, 366).flatmap(
    lambda days: st.tuples(
        st.just(days),
        st.dictionaries(
            st.integers(0, days - 1).map(lambda after: FIRST + timedelta(days=after)), accounts, max_size=20
        ),
    )
)


def drawn(days: int, by_day: dict[date, Account]) -> Chart:
    return draw(by_day, FIRST, FIRST + timedelta(days=days - 1))


@given(periods)
def test_every_day_with_rows_has_its_point_and_bar_inside_the_drawing(
    period: tuple[int, dict[date, Account]],
) -> None:
    days, by_day = period
    chart = drawn(days, by_day)
    with_rows = sorted(day for day, account in by_day.items() if account.received)
    assert [point.day for point in chart.points] == [bar.day for bar in chart.bars] == with_rows
    for point in chart.points:
        assert LEFT <= point.x <= WIDTH
        assert TOP <= point.y <= chart.base
        assert point.below_goal == (point.y > chart.goal_y or by_day[point.day].below_goal)
    for bar in chart.bars:
        assert LEFT <= bar.x <= bar.x + bar.width <= WIDTH + 0.1
        assert sum(piece.height for piece in bar.pieces) <= chart.base - TOP + 0.1
        assert {piece.part for piece in bar.pieces} <= set(PARTS)
    assert TOP < chart.goal_y < chart.base <= HEIGHT


@given(periods)
def test_a_line_joins_consecutive_days_only(period: tuple[int, dict[date, Account]]) -> None:
    days, by_day = period
    chart = drawn(days, by_day)
    joined = sum(line.count(",") - 1 for line in chart.lines)
    known = {point.day for point in chart.points}
    assert joined == sum(day + timedelta(days=1) in known for day in known)


@pytest.mark.parametrize(
    ("rate", "floor"), [(100, 0.9), (90, 0.9), (89, 0.8), (79, 0.5), (49, 0.0), (0, 0.0)]
)
def test_the_axis_begins_below_the_lowest_point(rate: int, floor: float) -> None:
    account = Account(received=100, accepted=rate, quarantined=100 - rate)
    assert drawn(1, {FIRST: account}).floor == floor < INTAKE_RATE_GOAL


def test_an_empty_period_is_an_empty_chart() -> None:
    chart = drawn(30, {})
    assert (chart.points, chart.bars, chart.lines, chart.most) == ((), (), (), 0)
    assert [day for _, day, _ in chart.marks] == [
        FIRST,
        FIRST + timedelta(days=15),
        FIRST + timedelta(days=29),
    ]


def test_one_day_is_marked_once() -> None:
    assert len(drawn(1, {}).marks) == 1
