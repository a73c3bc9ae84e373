"""The chart of 谁看了我的数据: thirty days, nothing lost, nothing taller than the drawing."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.portal.chart import DAYS, HEIGHT, OUTCOMES, TOP, WIDTH, draw, first_day
from ledger import LooksOfDay

TODAY = date(2026, 11, 22)


def test_thirty_days_end_today() -> None:
    days = [bar.day for bar in draw([], TODAY).bars]
    assert (len(days), days[0], days[-1]) == (DAYS, first_day(TODAY), TODAY)
    assert days == sorted(set(days))


def test_no_calls_are_no_bars() -> None:
    chart = draw([], TODAY)
    assert (chart.asked, chart.most) == (0, 0)


looks_of_day = st.builds(
    LooksOfDay,
    st.integers(0, DAYS - 1).map(lambda back: TODAY - timedelta(days=back)),
    st.sampled_from(OUTCOMES),
    st.integers(1, 10**7),
)


@given(st.lists(looks_of_day, unique_by=lambda look: look[:2]))
def test_every_call_is_drawn_and_the_bars_stay_inside(looks: list[LooksOfDay]) -> None:
    chart = draw(looks, TODAY)
    assert chart.asked == sum(look.looks for look in looks)
    for bar in chart.bars:
        height = bar.disclosed_height + bar.nothing_found_height + bar.refused_height
        assert TOP - 0.1 <= chart.base - height <= chart.base <= HEIGHT
        assert 0 <= bar.x <= bar.x + chart.bar_width <= WIDTH
