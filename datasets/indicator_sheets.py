"""Sheets: all indicators of one data set, written out as one function of one enterprise's records and the day.

A sheet is a list of assignments, each made once however many indicators need it; a window is a slice of a list in
the order of time. `datasets.indicator_kinds` writes what each kind of indicator needs. The text of the function
holds nothing but field names that the contract checked and numbers; everything else is bound by name.

**Time.** A window of n months over days is the n months up to and including the day. A window over months (or
years) has whole months only, and ends with the newest month on record; but not before the last month that the
owner's refresh promise says must be there, and not after the last month that is over. So a late delivery does
not shorten a sum, and an owner who stopped delivering leaves a gap that shows.

**What is not known.** An input may hold more records than are read. Then whatever could depend on the rest is
null; counts alone say "at least".

**Exactness.** Figures are integers (fen, counts, decimals as 10⁻¹⁸); what is divided stays a fraction until it is
rounded once, half to even, at the very end. No floating point: the same records and the same day give the same
bytes on every machine.
"""

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Callable, Hashable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from datasets.contract import Condition, Contract, FieldType

Rhythm = Literal["day", "month", "year", ""]
"""In what steps time is counted; empty where an indicator does not look at time."""

DECIMAL_PLACES = 18
"""of a stored decimal at most (`datasets.cleaning` takes no more); such figures are integers of 10⁻¹⁸"""
SCALE: int = 10**DECIMAL_PLACES

Value = int | str | bool | None
SheetFunction = Callable[[list[Any], date, str], list[Value]]
"""Records (the newest part last), the day, the day as text → the indicators of the sheet in order."""


class Scene(NamedTuple):
    """Which records an indicator looks at, and how it sees their time."""

    where: tuple[Condition, ...]
    at: str
    rhythm: Rhythm


class Window(NamedTuple):
    """``months`` 0: all that is stored. ``back``: so many months earlier than it would be."""

    months: int
    back: int = 0


class Span(NamedTuple):
    """Names of what holds a window's ends, both included (``first`` None: from the beginning), and whether all
    records of it were read.
    """

    first: str
    last: str
    covered: str


class Sheet:
    """Writes the function of one data set. Its methods give the name under which the function holds something."""

    def __init__(self, contract: Contract, records_max: int) -> None:
        self.contract = contract
        self._limit = records_max
        self._names: dict[str, str] = {}
        self._bound: dict[str, object] = {}
        self._name_of_bound: dict[Hashable, str] = {}

    def let(self, expression: str) -> str:
        """Assign an expression, once."""
        return self._names.setdefault(expression, f"v{len(self._names)}")

    def bind(self, value: Hashable) -> str:
        """The name of an object from outside."""
        name = self._name_of_bound.setdefault((type(value), value), f"bound_{len(self._bound)}")
        self._bound[name] = value
        return name

    def function(self, results: Sequence[str]) -> SheetFunction:
        """The function that gives these results, in this order."""
        lines = [f"    {name} = {expression}\n" for expression, name in self._names.items()]
        defaults = "".join(f", {name}={name}" for name in self._bound)
        text = f"def sheet(rows, day, today{defaults}):\n{''.join(lines)}    return [{', '.join(results)}]\n"
        namespace: dict[str, Any] = dict(self._bound)
        exec(compile(text, f"<indicators of {self.contract.id}>", "exec"), namespace)  # noqa: S102 - as dataclasses do
        function: SheetFunction = namespace["sheet"]
        return function

    # --- records

    def placed(self, scene: Scene) -> str:
        """The records that meet all conditions and have a time, in the order of time."""
        tests = [self._test(condition) for condition in scene.where]
        sort = bool(scene.at) and not self.in_order(scene)
        if sort:
            tests.append(f"row.{scene.at} is not None")
        rows = f"[row for row in rows if {' and '.join(tests)}]" if tests else "rows"
        if sort:
            return self.let(f"sorted({rows}, key={self._getter(scene.at)})")
        return self.let(rows) if tests else rows

    def in_order(self, scene: Scene) -> bool:
        """Whether records are read in the order of their time, the newest for certain."""
        return self.contract.part[:1] == (scene.at,)

    def _getter(self, field: str) -> str:
        key = ("attrgetter", field)
        name = self._name_of_bound.setdefault(key, f"bound_{len(self._bound)}")
        self._bound.setdefault(name, attrgetter(field))
        return name

    def _test(self, condition: Condition) -> str:
        value = f"row.{condition.field}"
        if condition.among:
            return f"{value} in {self.bind(frozenset(condition.among))}"
        if condition.not_among:
            return f"{value} not in {self.bind(frozenset(condition.not_among))}"
        if condition.begins:
            return f"({value} or '').startswith({self.bind(condition.begins)})"
        if condition.state == "positive" and self._is_decimal(condition.field):
            return f"({self.bind(scaled)}({value}) or 0) > 0"
        return TESTS[condition.state].format(value=value)

    def column(self, scene: Scene, field: str) -> str:
        return self.let(f"[row.{field} for row in {self.placed(scene)}]")

    def figures(self, scene: Scene, of: Sequence[str]) -> str:
        """Each record's figure; of several fields the sum of those that are there."""
        columns = [self.column(scene, field) for field in of]
        if self._is_decimal(of[0]):
            columns = [self.let(f"list(map({self.bind(scaled)}, {column}))") for column in columns]
        sums = columns[0]
        for column in columns[1:]:
            both = "a if b is None else b if a is None else a + b"
            sums = self.let(f"[{both} for a, b in zip({sums}, {column})]")
        return sums

    def _is_decimal(self, field: str) -> bool:
        return self.contract.field_by_name[field].type == "decimal"

    def scale_of(self, of: Sequence[str]) -> int:
        return SCALE if self._is_decimal(of[0]) else 1

    # --- time

    def times(self, scene: Scene) -> str:
        """When each record was: the date as text, or the number of its month or year."""
        column = self.column(scene, scene.at)
        if scene.rhythm != "month":
            return column
        text = "value[:7]" if self.contract.field_by_name[scene.at].type == "date" else "value"
        self._bound["month_numbers"] = MONTH_NUMBERS
        return self.let(f"[month_numbers[{text}] for value in {column}]")

    def span(self, scene: Scene, window: Window) -> Span:
        """The window; the same whatever conditions the records meet."""
        scene = scene._replace(where=())
        if not scene.rhythm:
            return Span("None", "None", self._covered(scene, "None"))
        if scene.rhythm == "day":
            first = self.let(f"{self.bind(first_day)}(day, {window.months})") if window.months else "None"
            return Span(first, "today", self._covered(scene, first))
        size = 12 if scene.rhythm == "year" else 1
        last = self._newest_period(scene)
        if window.back:
            last = self.let(f"{last} - {window.back // size}")
        first = self.let(f"{last} - {window.months // size - 1}") if window.months else "None"
        return Span(first, last, self._covered(scene, first))

    def _newest_period(self, scene: Scene) -> str:
        """The month or year with which windows end that go no further back."""
        due = self.bind(last_months if scene.rhythm == "month" else last_years)
        due = self.let(f"{due}(day, {self.contract.refresh_days})")
        times = self.times(scene)
        newest = self.let(f"{self.bind(bisect_right)}({times}, {due}[1])")
        return self.let(f"max({due}[0], {times}[{newest} - 1]) if {newest} else {due}[0]")

    def _covered(self, scene: Scene, first: str) -> str:
        """Whether all records from a first time on were read: all at all, or those read reach further back."""
        if not self.contract.part:
            return "True"
        all_read = self.let(f"len(rows) < {self._limit}")
        if first == "None" or not self.in_order(scene):
            return all_read
        return self.let(f"{all_read} or {self.times(scene)}[0] < {first}")

    def _cut(self, times: str, span: Span) -> str:
        """A slice of a list that goes with ``times``."""
        start = "" if span.first == "None" else self.let(f"{self.bind(bisect_left)}({times}, {span.first})")
        stop = self.let(f"{self.bind(bisect_right)}({times}, {span.last})")
        return f"[{start}:{stop}]"

    def cut(self, scene: Scene, window: Window) -> str:
        """The window as a slice of the records, such as ``[v3:v4]``; nothing where time plays no role."""
        return self._cut(self.times(scene), self.span(scene, window)) if scene.rhythm else ""

    # --- figures by period

    def _one_a_period(self, scene: Scene) -> bool:
        """Whether each record stands for itself: nothing to add up."""
        return scene.rhythm in ("", "day") or self.contract.part == (scene.at,)

    def periods(self, scene: Scene) -> str:
        """The months or years that have a record, in order."""
        times = self.times(scene)
        return times if self._one_a_period(scene) else self.let(f"list(dict.fromkeys({times}))")

    def line(self, scene: Scene, of: Sequence[str]) -> str:
        """The figure of each period, all its records together; of each record if time goes by the day or not at all."""
        figures = self.figures(scene, of)
        if self._one_a_period(scene):
            return figures
        return self.let(f"{self.bind(totals)}({self.times(scene)}, {figures})")

    def cut_of_line(self, scene: Scene, window: Window) -> str:
        """The window as a slice of the periods."""
        if self._one_a_period(scene):
            return self.cut(scene, window)
        return self._cut(self.periods(scene), self.span(scene, window))

    def values(self, scene: Scene, window: Window, of: Sequence[str]) -> str:
        """The window's figures, None where a period has none."""
        return self.let(f"{self.line(scene, of)}{self.cut_of_line(scene, window)}")

    def known(self, scene: Scene, window: Window, of: Sequence[str]) -> str:
        """The window's figures without gaps."""
        values = self.values(scene, window, of)
        return self.let(
            f"[value for value in {values} if value is not None] if None in {values} else {values}"
        )


TESTS = {
    "given": "{value} is not None",
    "empty": "{value} is None",
    "positive": "({value} or 0) > 0",
    "yes": "{value} is True",
    "no": "{value} is False",
    "current": "({value} is None or {value} >= today)",
    "past": "({value} is not None and {value} < today)",
}
MEANT_EMPTY = frozenset({"given", "empty", "current"})
"""Tests that an empty field passes or fails on purpose."""
STATES_OF_TYPES: dict[str, frozenset[FieldType]] = {
    "positive": frozenset({"money", "integer", "decimal"}),
    "yes": frozenset({"boolean"}),
    "no": frozenset({"boolean"}),
    "current": frozenset({"date"}),
    "past": frozenset({"date"}),
}


# --- what the functions call
# --------------------------------------------------------------------------------------


def scaled(text: str | None) -> int | None:
    """A stored decimal in units of 10⁻¹⁸, exactly."""
    if text is None:
        return None
    if "." not in text:
        return int(text) * SCALE
    whole, _, places = text.partition(".")
    return int(whole + places.ljust(DECIMAL_PLACES, "0"))


def totals(times: Sequence[int], figures: Sequence[int | None]) -> list[int | None]:
    """The sum of each period's figures, in the order of time; None for a period without any."""
    found: dict[int, int | None] = {}
    for time, figure in zip(times, figures, strict=True):
        known = found.get(time)
        found[time] = figure if known is None else known + (figure or 0)
    return list(found.values())


class _Months(dict[str, int]):
    """2026-10 → 24321: months as numbers in a row. Remembers what it was asked, at most every month there is."""

    def __missing__(self, text: str) -> int:
        number = self[text] = int(text[:4]) * 12 + int(text[5:7]) - 1
        return number


MONTH_NUMBERS = _Months()


@lru_cache(maxsize=256)
def last_months(day: date, refresh_days: int) -> tuple[int, int]:
    """The number of the last month that must have been delivered by the day, and of the last that is over."""
    return _last_month_over(day - timedelta(days=refresh_days)), _last_month_over(day - timedelta(days=1))


@lru_cache(maxsize=256)
def last_years(day: date, refresh_days: int) -> tuple[int, int]:
    """The same for years."""
    return _last_year_over(day - timedelta(days=refresh_days)), _last_year_over(day - timedelta(days=1))


def _last_month_over(day: date) -> int:
    """The last month of which no day comes after ``day``."""
    over = day.day == monthrange(day.year, day.month)[1]
    return day.year * 12 + day.month - 1 - (not over)


def _last_year_over(day: date) -> int:
    return day.year - ((day.month, day.day) != (12, 31))


@lru_cache(maxsize=256)
def first_day(day: date, months: int) -> str:
    """Of the ``months`` months that end with ``day``: 2026-08-23 for three up to 2026-11-22."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    same = date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    return (same + timedelta(days=1)).isoformat()
