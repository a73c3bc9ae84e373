"""The small chart on 谁看了我的数据: calls per day as stacked bars."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from ledger import LooksOfDay

DAYS = 30
WIDTH, HEIGHT, TOP, LEFT, BOTTOM = 360, 132, 14, 26, 20
"""of the drawing, in its own units"""
GAP = 2
OUTCOMES = ("disclosed", "nothing_found", "refused")
"""from the bottom up"""


class Bar(NamedTuple):
    """One day; lengths in the drawing's units."""

    day: date
    disclosed: int
    nothing_found: int
    refused: int
    x: float
    disclosed_height: float
    nothing_found_height: float
    refused_height: float


@dataclass(frozen=True)
class Chart:
    bars: tuple[Bar, ...]
    most: int
    """calls on the busiest day: the top line"""

    @property
    def totals(self) -> dict[str, int]:
        return {name: sum(getattr(bar, name) for bar in self.bars) for name in OUTCOMES}

    @property
    def asked(self) -> int:
        return sum(self.totals.values())

    @property
    def bar_width(self) -> float:
        return _step() - GAP

    @property
    def base(self) -> int:
        """Where the bars stand."""
        return HEIGHT - BOTTOM


def first_day(today: date) -> date:
    return today - timedelta(days=DAYS - 1)


def draw(looks: Iterable[LooksOfDay], today: date) -> Chart:
    """The last 30 days up to ``today``, days without calls included."""
    counts = {(look.day, look.outcome): look.looks for look in looks}
    days = [first_day(today) + timedelta(days=number) for number in range(DAYS)]
    most = max(sum(counts.get((day, outcome), 0) for outcome in OUTCOMES) for day in days)
    scale = (HEIGHT - TOP - BOTTOM) / max(most, 1)
    return Chart(tuple(_bar(counts, number, day, scale) for number, day in enumerate(days)), most)


def _bar(counts: Mapping[tuple[date, str], int], number: int, day: date, scale: float) -> Bar:
    disclosed, nothing_found, refused = (counts.get((day, outcome), 0) for outcome in OUTCOMES)
    return Bar(
        day,
        disclosed,
        nothing_found,
        refused,
        x=round(LEFT + number * _step() + GAP / 2, 2),
        disclosed_height=round(disclosed * scale, 2),
        nothing_found_height=round(nothing_found * scale, 2),
        refused_height=round(refused * scale, 2),
    )


def _step() -> float:
    return (WIDTH - LEFT) / DAYS
