"""The charts of calls, by day and by week: nothing lost, nothing taller or wider than the drawing."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.portal.chart import DAYS, HEIGHT, OUTCOMES, TOP, WIDTH, Span, draw, first_day, thirty_days, weeks
from ledger import LooksOfDay

TODAY = date(2026, 11, 22)


def test_thirty_days_end_today() -> None:
    days = [bar.day for bar in draw([], thirty_days(TODAY)).bars]
    assert (len(days), days[0], days[-1]) == (DAYS, first_day(TODAY), TODAY)
    assert days == sorted(set(days))


def test_no_calls_are_no_bars() -> None:
    chart = draw([], thirty_days(TODAY))
    assert (chart.asked, chart.most) == (0, 0)


looks_of_day = st.builds(
    LooksOfDay,
    st.integers(0, DAYS - 1).map(lambda back: TODAY - timedelta(days=back)),
    st.sampled_from(OUTCOMES),
    st.integers(1, 10**7),
)


@given(
    st.lists(looks_of_day, unique_by=lambda look: look[:2]),
    st.sampled_from([thirty_days(TODAY), weeks(first_day(TODAY), TODAY)]),
)
def test_every_call_is_drawn_and_the_bars_stay_inside(
    looks: list[LooksOfDay], spans: tuple[Span, ...]
) -> None:
    chart = draw(looks, spans)
    assert chart.asked == sum(look.looks for look in looks)
    for bar in chart.bars:
        height = bar.disclosed_height + bar.nothing_found_height + bar.refused_height
        assert TOP - 0.1 <= chart.base - height <= chart.base <= HEIGHT
        assert 0 <= bar.x <= bar.x + chart.bar_width <= WIDTH
    assert all(0 <= mark.x <= WIDTH for mark in chart.marks)


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(0, 100))
def test_weeks_share_out_all_days_of_a_time_and_no_other(first: date, days: int) -> None:
    last = first + timedelta(days=days)
    spans = weeks(first, last)
    assert (spans[0].first, spans[-1].last) == (first, last)
    for span, after in pairwise(spans):
        assert (span.last - span.first).days == 6
        assert after.first == span.last + timedelta(days=1)
