"""The charts of the quality page: the intake rate day by day against its goal, and the rows behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from datasets import INTAKE_RATE_GOAL, Account

WIDTH, HEIGHT, TOP, LEFT, BOTTOM = 480, 150, 12, 44, 22
"""of a drawing, in its own units"""
PARTS = ("accepted", "unchanged", "superseded", "quarantined")
"""of the rows of a day, from the bottom up"""
FLOORS = (0.9, 0.8, 0.5, 0.0)
"""The rate's axis begins at the highest of these that all its points are above."""
GAP_SHARE = 0.2
BAR_MAX = 16.0


class Point(NamedTuple):
    """The rate of one day; lengths in the drawing's units."""

    day: date
    rate: float
    below_goal: bool
    x: float
    y: float


class Piece(NamedTuple):
    part: str
    y: float
    height: float


class Bar(NamedTuple):
    """The rows of one day."""

    day: date
    x: float
    width: float
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Chart:
    """``lines``: runs of points on consecutive days, as the ``points`` of a polyline."""

    days: tuple[date, ...]
    points: tuple[Point, ...]
    lines: tuple[str, ...]
    floor: float
    goal_y: float
    bars: tuple[Bar, ...]
    most: int
    """rows on the busiest day"""

    width, height, top, left = WIDTH, HEIGHT, TOP, LEFT

    @property
    def base(self) -> int:
        """Where the axis lies."""
        return HEIGHT - BOTTOM

    @property
    def marks(self) -> tuple[tuple[float, date, str], ...]:
        """The days written under the axis: the first, the middle one, the last."""
        middle = len(self.days) // 2
        places = {0: "start", middle: "middle", len(self.days) - 1: "end"}
        edges = {"start": float(LEFT), "end": float(WIDTH)}
        return tuple(
            (edges.get(anchor, _x(place, len(self.days))), self.days[place], anchor)
            for place, anchor in sorted(places.items())
        )


def draw(accounts: Mapping[date, Account], first_day: date, last_day: date) -> Chart:
    """The days from the first to the last; those without intakes stay empty."""
    days = tuple(first_day + timedelta(days=number) for number in range((last_day - first_day).days + 1))
    rates = {day: account.rate for day, account in accounts.items() if account.rate is not None}
    lowest = min(rates.values(), default=1.0)
    floor = next(floor for floor in FLOORS if lowest >= floor)
    points = tuple(
        Point(day, rates[day], accounts[day].below_goal, _x(number, len(days)), _y(rates[day], floor))
        for number, day in enumerate(days)
        if day in rates
    )
    most = max((account.received for account in accounts.values()), default=0)
    bars = tuple(
        _bar(day, number, len(days), accounts[day], most)
        for number, day in enumerate(days)
        if day in accounts and accounts[day].received
    )
    return Chart(days, points, _lines(points), floor, _y(INTAKE_RATE_GOAL, floor), bars, most)


def _x(number: int, days: int) -> float:
    """The middle of a day."""
    return round(LEFT + (number + 0.5) * (WIDTH - LEFT) / days, 2)


def _y(rate: float, floor: float) -> float:
    return round(HEIGHT - BOTTOM - (rate - floor) / (1 - floor) * (HEIGHT - TOP - BOTTOM), 2)


def _lines(points: tuple[Point, ...]) -> tuple[str, ...]:
    runs: list[list[Point]] = []
    for point in points:
        if runs and point.day - runs[-1][-1].day == timedelta(days=1):
            runs[-1].append(point)
        else:
            runs.append([point])
    return tuple(" ".join(f"{point.x},{point.y}" for point in run) for run in runs if len(run) > 1)


def _bar(day: date, number: int, days: int, account: Account, most: int) -> Bar:
    step = (WIDTH - LEFT) / days
    width = min(step * (1 - GAP_SHARE), BAR_MAX)
    level, pieces = float(HEIGHT - BOTTOM), []
    for part in PARTS:
        height = getattr(account, part) / most * (HEIGHT - TOP - BOTTOM)
        level -= height
        if height:
            pieces.append(Piece(part, round(level, 2), round(height, 2)))
    return Bar(day, round(_x(number, days) - width / 2, 2), round(width, 2), tuple(pieces))
