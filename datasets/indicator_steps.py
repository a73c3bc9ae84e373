"""The steps by which indicators are computed, over the records of one enterprise on one day, shared between indicators.

Everything is a list in the order of time: the records, their times, their figures. A window is a slice of it.

**Time.** A window of n months over days is the n months up to and including the day. A window over months (or
years) has whole months only, and ends with the newest month on record; but not before the last month that the
owner's refresh promise says must be there, and not after the last month that is over. So a late delivery does
not shorten a sum, and an owner who stopped delivering leaves a gap that shows.

**What is not known.** An input may hold more records than are read. Then whatever could depend on the rest is
null; counts alone say "at least".
"""

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date, timedelta
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from datasets.contract import Condition, Contract

Rhythm = Literal["day", "month", "year", ""]
"""In what steps time is counted; empty where an indicator does not look at time."""

DECIMAL_PLACES = 18
"""of a stored decimal at most (`datasets.cleaning` takes no more); such figures are integers of 10⁻¹⁸"""
SCALE = 10**DECIMAL_PLACES

Row = Any
Value = int | str | bool | None
T = TypeVar("T")


class Case:
    """One enterprise's records on one day, and what has been worked out about them so far."""

    __slots__ = ("bodies", "day", "slots", "today")

    def __init__(self, bodies: Sequence[str | bytes | None], day: date, slots: int) -> None:
        self.bodies = bodies
        self.day = day
        self.today = day.isoformat()
        self.slots: list[Any] = [_NOT_YET] * slots


_NOT_YET = object()

Step = Callable[[Case], T]


class Input(NamedTuple):
    """A data set whose records the indicators need, and how many of one enterprise are read at most."""

    dataset: str
    records_max: int


class Scene(NamedTuple):
    """Which records an indicator looks at, and how it sees their time."""

    dataset: str
    where: tuple[Condition, ...]
    at: str
    rhythm: Rhythm


class Window(NamedTuple):
    """``months`` 0: all that is stored. ``back``: so many months earlier than it would be."""

    months: int
    back: int = 0


class Span(NamedTuple):
    """A window in time, both ends included; ``first`` None: from the beginning. ``covered``: all of it was read."""

    first: Any
    last: Any
    covered: bool


class Steps:
    """Makes each step once, however many indicators need it. A step's result is kept in the case's slots."""

    def __init__(
        self, contracts: Mapping[str, Contract], inputs: Sequence[Input], fields: Mapping[str, Sequence[str]]
    ) -> None:
        """``fields``: per data set the fields to decode, all others are not even read."""
        self._contracts = contracts
        self._limits = dict(inputs)
        self._positions = {one.dataset: position for position, one in enumerate(inputs)}
        self._decoders = {name: _decoder(chosen) for name, chosen in fields.items()}
        self._made: dict[Hashable, Step[Any]] = {}

    @property
    def slots(self) -> int:
        return len(self._made)

    def _once(self, key: Hashable, make: Step[T]) -> Step[T]:
        known = self._made.get(key)
        if known is not None:
            return known
        slot = len(self._made)

        def step(case: Case) -> T:
            value: Any = case.slots[slot]
            if value is _NOT_YET:
                value = case.slots[slot] = make(case)
            return value  # type: ignore[no-any-return]

        self._made[key] = step
        return step

    # --- records

    def rows(self, dataset: str) -> Step[list[Row]]:
        """The records of a data set that was delivered, the newest part last."""
        position, decode = self._positions[dataset], self._decoders[dataset]

        def read(case: Case) -> list[Row]:
            found = decode(case.bodies[position] or "[]")
            found.reverse()
            return found

        return self._once(("rows", dataset), read)

    def picked(self, dataset: str, where: tuple[Condition, ...]) -> Step[list[Row]]:
        """The records that meet all conditions."""
        if not where:
            return self.rows(dataset)
        before = self.picked(dataset, where[:-1])
        keep = _condition(self._contracts[dataset], where[-1])
        return self._once(("picked", dataset, where), lambda case: keep(before(case), case))

    def placed(self, scene: Scene) -> Step[list[Row]]:
        """The picked records that have a time, in the order of time."""
        rows = self.picked(scene.dataset, scene.where)
        if not scene.at or self.in_order(scene):
            return rows
        time = attrgetter(scene.at)
        return self._once(
            ("placed", scene.dataset, scene.where, scene.at),
            lambda case: sorted((row for row in rows(case) if time(row) is not None), key=time),
        )

    def in_order(self, scene: Scene) -> bool:
        """Whether the records are read in the order of their time, the newest for certain."""
        return self._contracts[scene.dataset].part[:1] == (scene.at,)

    def column(self, scene: Scene, field: str) -> Step[list[Any]]:
        rows, read = self.placed(scene), attrgetter(field)
        key = ("column", scene.dataset, scene.where, scene.at, field)
        return self._once(key, lambda case: list(map(read, rows(case))))

    def figures(self, scene: Scene, of: tuple[str, ...]) -> Step[list[int | None]]:
        """Each record's figure; of several fields the sum of those that are there."""
        rows, read = self.placed(scene), reader(self._contracts[scene.dataset], of)
        key = ("figures", scene.dataset, scene.where, scene.at, of)
        return self._once(key, lambda case: read(rows(case)))

    # --- time

    def times(self, scene: Scene) -> Step[list[Any]]:
        """When each record was: the date as text, or the number of its month or year."""
        column = self.column(scene, scene.at)
        if scene.rhythm != "month":
            return column
        if self._contracts[scene.dataset].field_by_name[scene.at].type == "date":
            return self._once(
                ("times", *scene), lambda case: [MONTH_NUMBERS[value[:7]] for value in column(case)]
            )
        number = MONTH_NUMBERS.__getitem__
        return self._once(("times", *scene), lambda case: list(map(number, column(case))))

    def span(self, scene: Scene, window: Window) -> Step[Span]:
        """The window; the same whatever conditions the records meet."""
        scene = scene._replace(where=())
        key = ("span", scene.dataset, scene.at, scene.rhythm, window)
        if not scene.rhythm:
            covered = self._coverage(scene)
            return self._once(key, lambda case: Span(None, None, covered(case, None)))
        if scene.rhythm == "day":
            return self._once(key, self._days(scene, window))
        return self._once(key, self._periods(scene, window))

    def _coverage(self, scene: Scene) -> Callable[[Case, Any], bool]:
        """Whether all records from a first time on were read: all at all, or those read reach further back."""
        rows, limit = self.rows(scene.dataset), self._limits[scene.dataset]
        if not self._contracts[scene.dataset].part:
            return lambda case, first: True
        if not self.in_order(scene):
            return lambda case, first: len(rows(case)) < limit
        times = self.times(scene)
        return lambda case, first: (
            len(rows(case)) < limit or (first is not None and bool(times(case)[0] < first))
        )

    def _days(self, scene: Scene, window: Window) -> Step[Span]:
        months, covered = window.months, self._coverage(scene)

        def span(case: Case) -> Span:
            first = _months_before(case.day, months).isoformat() if months else None
            return Span(first, case.today, covered(case, first))

        return span

    def _periods(self, scene: Scene, window: Window) -> Step[Span]:
        size = 12 if scene.rhythm == "year" else 1
        length, back = window.months // size, window.back // size
        times, due, covered = self.times(scene), self._due(scene), self._coverage(scene)

        def span(case: Case) -> Span:
            promised, over = due(case)
            on_record = times(case)
            newest = bisect_right(on_record, over)
            last = max(promised, on_record[newest - 1]) if newest else promised
            last -= back
            first = last - length + 1 if length else None
            return Span(first, last, covered(case, first))

        return span

    def _due(self, scene: Scene) -> Step[tuple[int, int]]:
        """The last month (year) that must have been delivered by now, and the last that is over."""
        days = timedelta(days=self._contracts[scene.dataset].refresh_days)
        last_over = _last_month_over if scene.rhythm == "month" else _last_year_over
        return self._once(
            ("due", days, scene.rhythm),
            lambda case: (last_over(case.day - days), last_over(case.day - timedelta(days=1))),
        )

    def cut(self, scene: Scene, window: Window) -> Step[slice]:
        """Where in the records the window lies."""
        if not scene.rhythm:
            return lambda case: _ALL
        return self._cut("records", scene, window, self.times(scene))

    def _cut(self, of: str, scene: Scene, window: Window, times: Step[list[Any]]) -> Step[slice]:
        span = self.span(scene, window)

        def cut(case: Case) -> slice:
            first, last, _ = span(case)
            on_record = times(case)
            start = 0 if first is None else bisect_left(on_record, first)
            return slice(start, bisect_right(on_record, last))

        return self._once(("cut", of, *scene, window), cut)

    # --- figures by period

    def _one_a_period(self, scene: Scene) -> bool:
        """Whether each record is a period of its own: figures need no adding up."""
        return scene.rhythm in ("", "day") or self._contracts[scene.dataset].part == (scene.at,)

    def periods(self, scene: Scene) -> Step[list[Any]]:
        """The months or years that have a record, in order."""
        times = self.times(scene)
        if self._one_a_period(scene):
            return times
        return self._once(("periods", *scene), lambda case: list(dict.fromkeys(times(case))))

    def line(self, scene: Scene, of: tuple[str, ...]) -> Step[list[int | None]]:
        """The figure of each period, all its records together; of each record where time goes by the day or not at all."""
        figures = self.figures(scene, of)
        if self._one_a_period(scene):
            return figures
        times = self.times(scene)

        def totals(case: Case) -> list[int | None]:
            found: dict[int, int | None] = {}
            for time, figure in zip(times(case), figures(case), strict=True):
                known = found.get(time)
                found[time] = figure if known is None else known + (figure or 0)
            return list(found.values())

        return self._once(("line", *scene, of), totals)

    def part_of_line(self, scene: Scene, window: Window) -> Step[slice]:
        """Where in the periods the window lies."""
        if self._one_a_period(scene):
            return self.cut(scene, window)
        return self._cut("periods", scene, window, self.periods(scene))

    def values(self, scene: Scene, window: Window, of: tuple[str, ...]) -> Step[list[int | None] | None]:
        """The window's part of the line; None when not all records of the window were read."""
        line, cut, span = self.line(scene, of), self.part_of_line(scene, window), self.span(scene, window)
        return self._once(
            ("values", *scene, window, of), lambda case: line(case)[cut(case)] if span(case).covered else None
        )

    def known(self, scene: Scene, window: Window, of: tuple[str, ...]) -> Step[list[int] | None]:
        """The same without the periods that have no figure."""
        values = self.values(scene, window, of)

        def known(case: Case) -> list[int] | None:
            found: Any = values(case)
            return [value for value in found if value is not None] if found and None in found else found

        return self._once(("known", *scene, window, of), known)


_ALL = slice(None)


# --- records and figures
# ----------------------------------------------------------------------------------------


def _decoder(fields: Sequence[str]) -> Callable[[str | bytes], list[Row]]:
    shape: Any = msgspec.defstruct("Needed", [(name, Any, None) for name in fields], gc=False)
    return msgspec.json.Decoder(list[shape]).decode


def scaled(text: str | None) -> int | None:
    """A stored decimal in units of 10⁻¹⁸, exactly."""
    if text is None:
        return None
    whole, _, places = text.partition(".")
    return int(whole + places.ljust(DECIMAL_PLACES, "0"))


def reader(contract: Contract, of: tuple[str, ...]) -> Callable[[list[Row]], list[int | None]]:
    """Records → their figures; of several fields the sum of those that are there."""
    decimal = contract.field_by_name[of[0]].type == "decimal"
    if len(of) == 1:
        read = attrgetter(of[0])
        if decimal:
            return lambda rows: list(map(scaled, map(read, rows)))
        return lambda rows: list(map(read, rows))
    read_all = attrgetter(*of)

    def sums(rows: list[Row]) -> list[int | None]:
        found: list[int | None] = []
        for values in map(read_all, rows):
            there = [value for value in (map(scaled, values) if decimal else values) if value is not None]
            found.append(sum(there) if there else None)
        return found

    return sums


Keep = Callable[[list[Row], Case], list[Row]]


def _condition(contract: Contract, condition: Condition) -> Keep:
    read = attrgetter(condition.field)
    if condition.among:
        among = frozenset(condition.among)
        return lambda rows, case: [row for row in rows if read(row) in among]
    if condition.not_among:
        unwanted = frozenset(condition.not_among)
        return lambda rows, case: [row for row in rows if read(row) not in unwanted]
    if condition.begins:
        begins = condition.begins
        return lambda rows, case: [row for row in rows if (text := read(row)) and text.startswith(begins)]
    if condition.state == "positive":
        figures = reader(contract, (condition.field,))
        return lambda rows, case: [
            row for row, figure in zip(rows, figures(rows), strict=True) if figure is not None and figure > 0
        ]
    if condition.state in _TESTS_OF_DAY:
        test_of_day = _TESTS_OF_DAY[condition.state]
        return lambda rows, case: [row for row in rows if test_of_day(read(row), case.today)]
    test = _TESTS[condition.state]
    return lambda rows, case: [row for row in rows if test(read(row))]


MEANT_EMPTY = frozenset({"given", "empty", "current"})
"""Tests that an empty field passes or fails on purpose."""

_TESTS: dict[str, Callable[[Value], bool]] = {
    "given": lambda value: value is not None,
    "empty": lambda value: value is None,
    "yes": lambda value: value is True,
    "no": lambda value: value is False,
}
_TESTS_OF_DAY: dict[str, Callable[[str | None, str], bool]] = {
    "current": lambda value, today: value is None or value >= today,
    "past": lambda value, today: value is not None and value < today,
}


# --- time
# -------------------------------------------------------------------------------------------------------


class _Months(dict[str, int]):
    """2026-10 → 24321: months as numbers in a row. Remembers what it was asked, at most every month there is."""

    def __missing__(self, text: str) -> int:
        number = self[text] = int(text[:4]) * 12 + int(text[5:7]) - 1
        return number


MONTH_NUMBERS = _Months()


def _last_month_over(day: date) -> int:
    """The number of the last month of which no day comes after ``day``."""
    over = day.day == monthrange(day.year, day.month)[1]
    return day.year * 12 + day.month - 1 - (not over)


def _last_year_over(day: date) -> int:
    return day.year - ((day.month, day.day) != (12, 31))


def _months_before(day: date, months: int) -> date:
    """The first day of the ``months`` months that end with ``day``; 31 March less one month begins 1 March."""
    number = day.year * 12 + day.month - 1 - months
    year, month = divmod(number, 12)
    same = date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    return same + timedelta(days=1)


def _days_between(earlier: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(earlier)).days


def _months_between(earlier: str, later: str) -> int:
    """Whole months; dates or months as text."""
    months = int(MONTH_NUMBERS[later[:7]]) - int(MONTH_NUMBERS[earlier[:7]])
    return months - (later[8:] < earlier[8:])


def _years_between(earlier: str, later: str) -> int:
    """Whole years; dates, months or years as text."""
    return int(later[:4]) - int(earlier[:4]) - (later[5:] < earlier[5:])


ELAPSED: dict[str, Callable[[str, str], int]] = {
    "天": _days_between,
    "个月": _months_between,
    "年": _years_between,
}
"""By the unit of the indicator."""
