"""The small charts of calls: how many ended in which way, day by day or week by week, as stacked bars."""

from collections.abc import Iterable, Mapping, Sequence
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


class Span(NamedTuple):
    """Days that share a bar, both included."""

    first: date
    last: date


class Bar(NamedTuple):
    """The calls of a span; lengths in the drawing's units."""

    day: date
    """the first"""
    last: date
    disclosed: int
    nothing_found: int
    refused: int
    x: float
    disclosed_height: float
    nothing_found_height: float
    refused_height: float


class Mark(NamedTuple):
    """A day under the axis."""

    x: float
    day: date
    anchor: str


@dataclass(frozen=True)
class Chart:
    bars: tuple[Bar, ...]
    most: int
    """calls of the busiest bar: the top line"""

    width, height, top, left = WIDTH, HEIGHT, TOP, LEFT

    @property
    def totals(self) -> dict[str, int]:
        return {name: sum(getattr(bar, name) for bar in self.bars) for name in OUTCOMES}

    @property
    def asked(self) -> int:
        return sum(self.totals.values())

    @property
    def bar_width(self) -> float:
        return round(_step(self.bars) - GAP, 2)

    @property
    def base(self) -> int:
        """Where the bars stand."""
        return HEIGHT - BOTTOM

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The first day, that of the bar in the middle, the last."""
        middle = self.bars[len(self.bars) // 2]
        return (
            Mark(LEFT, self.bars[0].day, "start"),
            Mark(round(middle.x + self.bar_width / 2, 2), middle.day, "middle"),
            Mark(WIDTH, self.bars[-1].last, "end"),
        )


def first_day(today: date) -> date:
    return today - timedelta(days=DAYS - 1)


def thirty_days(today: date) -> tuple[Span, ...]:
    """Up to today, one bar a day."""
    days = (first_day(today) + timedelta(days=number) for number in range(DAYS))
    return tuple(Span(day, day) for day in days)


def weeks(first: date, last: date) -> tuple[Span, ...]:
    """Seven days a bar, from the first; the last one may be shorter."""
    days = range(0, (last - first).days + 1, 7)
    begins = (first + timedelta(days=number) for number in days)
    return tuple(Span(begin, min(begin + timedelta(days=6), last)) for begin in begins)


def draw(looks: Iterable[LooksOfDay], spans: Sequence[Span]) -> Chart:
    """The spans, one after the other, those without calls included."""
    counts = {(look.day, look.outcome): look.looks for look in looks}
    sums = [
        {outcome: sum(counts.get((day, outcome), 0) for day in _days_of(span)) for outcome in OUTCOMES}
        for span in spans
    ]
    most = max(sum(of_span.values()) for of_span in sums)
    scale, step = (HEIGHT - TOP - BOTTOM) / max(most, 1), _step(spans)
    bars = (
        _bar(span, of_span, round(LEFT + number * step + GAP / 2, 2), scale)
        for number, (span, of_span) in enumerate(zip(spans, sums, strict=True))
    )
    return Chart(tuple(bars), most)


def _days_of(span: Span) -> Iterable[date]:
    return (span.first + timedelta(days=number) for number in range((span.last - span.first).days + 1))


def _bar(span: Span, counts: Mapping[str, int], x: float, scale: float) -> Bar:
    disclosed, nothing_found, refused = (counts[outcome] for outcome in OUTCOMES)
    return Bar(
        span.first,
        span.last,
        disclosed,
        nothing_found,
        refused,
        x,
        disclosed_height=round(disclosed * scale, 2),
        nothing_found_height=round(nothing_found * scale, 2),
        refused_height=round(refused * scale, 2),
    )


def _step(bars: Sequence[object]) -> float:
    return (WIDTH - LEFT) / len(bars)
