"""The kinds of indicators: each makes, from shared steps, the step that finds its value in one enterprise's records.

Exact throughout: figures are integers (fen, counts, decimals as 10⁻¹⁸) and a kind that divides gives a fraction of
integers, rounded once at the very end. No floating point, so the same records and the same day give the same bytes
on every machine.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import pairwise
from math import isqrt
from operator import attrgetter
from typing import Any, NamedTuple

from datasets.contract import Compute, Contract, FieldType
from datasets.indicator_steps import (
    MEANT_EMPTY,
    MONTH_NUMBERS,
    SCALE,
    Case,
    Row,
    Scene,
    Span,
    Step,
    Steps,
    Value,
    Window,
)

PER_HUNDRED = "%"
"""The unit of an indicator that is a share or a rate, given per hundred."""

NUMBERS: frozenset[FieldType] = frozenset({"money", "integer", "decimal"})

Fraction = tuple[int, int]
"""Numerator and denominator, the latter positive."""


class Making(NamedTuple):
    """What an indicator is made from: its `Compute` with everything looked up."""

    steps: Steps
    contract: Contract
    compute: Compute
    scene: Scene
    unit: str

    @property
    def window(self) -> Window:
        return Window(self.compute.months)

    @property
    def scale(self) -> int:
        return self.scale_of(self.compute.figure)

    def scale_of(self, of: tuple[str, ...]) -> int:
        return SCALE if self.contract.field_by_name[of[0]].type == "decimal" else 1

    def span(self) -> Step[Span]:
        return self.steps.span(self.scene, self.window)

    def rows(self, scene: Scene | None = None) -> Step[list[Row]]:
        """The records of the window."""
        scene = scene or self.scene
        rows, cut = self.steps.placed(scene), self.steps.cut(scene, self.window)
        return lambda case: rows(case)[cut(case)]

    def known(self) -> Step[list[int] | None]:
        """The figures of the window, by period; None when not all of it was read."""
        return self.steps.known(self.scene, self.window, self.compute.figure)


# --- counting


def count(making: Making) -> Step[Value]:
    rows = making.rows()
    return lambda case: len(rows(case))


def exists(making: Making) -> Step[Value]:
    rows, span = making.rows(), making.span()
    return lambda case: True if rows(case) else (False if span(case).covered else None)


def holds(making: Making) -> Step[Value]:
    """Whether the one record of the enterprise meets the conditions; null where what they look at is empty."""
    every, meeting = making.steps.rows(making.scene.dataset), making.rows()
    looked_at = [attrgetter(one.field) for one in making.compute.where if one.state not in MEANT_EMPTY]

    def step(case: Case) -> Value:
        row = every(case)[0]
        return None if any(read(row) is None for read in looked_at) else bool(meeting(case))

    return step


def distinct(making: Making) -> Step[Value]:
    column = making.steps.column(making.scene, making.compute.figure[0])
    cut = making.steps.cut(making.scene, making.window)
    return lambda case: len(set(column(case)[cut(case)]) - {None})


def share(making: Making) -> Step[Fraction | None]:
    """Of all records of the window (or of their figures) the share that meets the conditions."""
    everything = making.scene._replace(where=())
    if making.compute.figure:
        part = making.known()
        whole = making.steps.known(everything, making.window, making.compute.figure)

        def of_figures(case: Case) -> Fraction | None:
            some, every = part(case), whole(case)
            if some is None or every is None or (base := sum(every)) <= 0:
                return None
            return sum(some), base

        return of_figures
    meeting, rows, span = making.rows(), making.rows(everything), making.span()

    def of_records(case: Case) -> Fraction | None:
        base = len(rows(case))
        return (len(meeting(case)), base) if base and span(case).covered else None

    return of_records


# --- adding up


def total(making: Making) -> Step[Fraction | None]:
    known, scale = making.known(), making.scale
    enough = 0 if making.compute.absent == "zero" else max(1, making.compute.at_least)

    def step(case: Case) -> Fraction | None:
        found = known(case)
        return None if found is None or len(found) < enough else (sum(found), scale)

    return step


def mean(making: Making) -> Step[Fraction | None]:
    known, scale, enough = making.known(), making.scale, max(1, making.compute.at_least)

    def step(case: Case) -> Fraction | None:
        found = known(case)
        return None if found is None or len(found) < enough else (sum(found), len(found) * scale)

    return step


def least(making: Making) -> Step[Fraction | None]:
    return _extreme(making, min)


def greatest(making: Making) -> Step[Fraction | None]:
    return _extreme(making, max)


def _extreme(making: Making, choose: Callable[[Iterable[int]], int]) -> Step[Fraction | None]:
    known, scale, enough = making.known(), making.scale, max(1, making.compute.at_least)

    def step(case: Case) -> Fraction | None:
        found = known(case)
        return None if found is None or len(found) < enough else (choose(found), scale)

    return step


def latest(making: Making) -> Step[Value | Fraction]:
    """The newest figure that there is: of the newest record, or of the newest month, all its records together."""
    steps, scene, figure = making.steps, making.scene, making.compute.figure
    numeric = making.contract.field_by_name[figure[0]].type in NUMBERS
    scale, in_order, span = making.scale, steps.in_order(scene), making.span()
    if numeric and scene.rhythm:
        values, times = steps.line(scene, figure), steps.periods(scene)
        cut = steps.part_of_line(scene, making.window)
    elif numeric:
        values, times, cut = steps.figures(scene, figure), None, steps.cut(scene, making.window)
    else:
        values, times = steps.column(scene, figure[0]), None
        cut = steps.cut(scene, making.window)

    def step(case: Case) -> Value | Fraction:
        found = values(case)[cut(case)]
        newest = next((value for value in reversed(found) if value is not None), None)
        # Not all was read: then the newest is the newest, unless it is the month in which reading stopped.
        split = times is not None and len(times(case)) == 1
        if newest is None or not (span(case).covered or (in_order and not split)):
            return None
        return (newest, scale) if numeric else newest

    return step


# --- comparing


def ratio(making: Making) -> Step[Fraction | None]:
    """Figure over divisor, both summed over the months (or records) that have both."""
    steps, scene, window, compute = making.steps, making.scene, making.window, making.compute
    above, below = steps.values(scene, window, compute.figure), steps.values(scene, window, compute.divisor)
    scale, scale_below = making.scale, making.scale_of(compute.divisor)
    enough = max(1, compute.at_least)

    def step(case: Case) -> Fraction | None:
        figures, divisors = above(case), below(case)
        if figures is None or divisors is None:
            return None
        both = [
            (figure, divisor)
            for figure, divisor in zip(figures, divisors, strict=True)
            if figure is not None and divisor is not None
        ]
        base = sum(divisor for _, divisor in both)
        if len(both) < enough or base <= 0:
            return None
        return sum(figure for figure, _ in both) * scale_below, base * scale

    return step


def change(making: Making) -> Step[Fraction | None]:
    compute, earlier = making.compute, making.compute.compare or making.compute.months
    now = making.known()
    before = making.steps.known(making.scene, making.window._replace(back=earlier), compute.figure)
    enough = max(1, compute.at_least)

    def step(case: Case) -> Fraction | None:
        new, old = now(case), before(case)
        if new is None or old is None or len(new) < enough or len(old) < enough:
            return None
        base = sum(old)
        return None if base <= 0 else (sum(new) - base, base)

    return step


def largest_share(making: Making) -> Step[Fraction | None]:
    known = making.known()

    def step(case: Case) -> Fraction | None:
        found = known(case)
        if not found or min(found) < 0 or (base := sum(found)) <= 0:
            return None
        return max(found), base

    return step


def variation(making: Making) -> Step[Fraction | None]:
    """Standard deviation (of the whole) over the mean. A root: rounded here, to the places that are shown."""
    known, enough = making.known(), max(2, making.compute.at_least)
    precision: int = 10**making.compute.places * (100 if making.unit == PER_HUNDRED else 1)

    def step(case: Case) -> Fraction | None:
        found = known(case)
        if found is None or len(found) < enough or (base := sum(found)) <= 0:
            return None
        spread = len(found) * sum([value * value for value in found]) - base * base
        return _root(spread * precision * precision, base * base), precision

    return step


def trend(making: Making) -> Step[Fraction | None]:
    """Slope of the straight line of least squares per month (year), over the mean."""
    steps, scene, window = making.steps, making.scene, making.window
    values = steps.values(scene, window, making.compute.figure)
    periods, cut = steps.periods(scene), steps.part_of_line(scene, window)
    enough = max(3, making.compute.at_least)

    def step(case: Case) -> Fraction | None:
        found = values(case)
        if found is None or len(found) < enough:
            return None
        points = [(x, y) for x, y in zip(periods(case)[cut(case)], found, strict=True) if y is not None]
        size, base = len(points), sum([y for _, y in points])
        if size < enough or base <= 0:
            return None
        start = points[0][0]
        x_sum = sum([x - start for x, _ in points])
        squares = sum([(x - start) ** 2 for x, _ in points])
        products = sum([(x - start) * y for x, y in points])
        return (size * products - x_sum * base) * size, (size * squares - x_sum * x_sum) * base

    return step


# --- time since and until


def since_latest(making: Making) -> Step[Value]:
    """From the newest date that is not after the day to the day, in whole days, months or years."""
    column, span = making.steps.column(making.scene, making.scene.at), making.span()
    in_order = making.steps.in_order(making.scene)
    elapsed, today_of = ELAPSED[making.unit], _today_as(making)

    def step(case: Case) -> Value:
        today = today_of(case)
        dates = column(case)
        newest = bisect_right(dates, today)
        if not newest or not (in_order or span(case).covered):
            return None
        return elapsed(str(dates[newest - 1]), str(today))

    return step


def since_earliest(making: Making) -> Step[Value]:
    column, span = making.steps.column(making.scene, making.scene.at), making.span()
    elapsed, today_of = ELAPSED[making.unit], _today_as(making)

    def step(case: Case) -> Value:
        today, dates = today_of(case), column(case)
        if not dates or dates[0] > today or not span(case).covered:
            return None
        return elapsed(str(dates[0]), str(today))

    return step


def until_latest(making: Making) -> Step[Value]:
    """From the day to the last date on record, 0 when that is past."""
    column, span = making.steps.column(making.scene, making.scene.at), making.span()
    elapsed = ELAPSED[making.unit]

    def step(case: Case) -> Value:
        dates = column(case)
        if not dates or not span(case).covered:
            return None
        return elapsed(case.today, dates[-1]) if dates[-1] > case.today else 0

    return step


def _today_as(making: Making) -> Callable[[Case], Any]:
    """The day of the question in the form of the time field."""
    form = making.contract.field_by_name[making.scene.at].type
    if form == "year":
        return lambda case: case.day.year
    return (lambda case: case.today[:7]) if form == "month" else (lambda case: case.today)


def _days_between(earlier: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(earlier)).days


def _months_between(earlier: str, later: str) -> int:
    """Whole months; dates or months as text."""
    return MONTH_NUMBERS[later[:7]] - MONTH_NUMBERS[earlier[:7]] - (later[8:] < earlier[8:])


def _years_between(earlier: str, later: str) -> int:
    """Whole years; dates, months or years as text."""
    return int(later[:4]) - int(earlier[:4]) - (later[5:] < earlier[5:])


ELAPSED: dict[str, Callable[[str, str], int]] = {
    "天": _days_between,
    "个月": _months_between,
    "年": _years_between,
}
"""By the unit of the indicator."""


# --- continuity: from the first record on, which months (years) have one and which have none


def longest_gap(making: Making) -> Step[Value]:
    def longest(first: int, last: int, there: Sequence[int]) -> int:
        return max(later - earlier - 1 for earlier, later in pairwise((first - 1, *there, last + 1)))

    return _of_periods(making, longest)


def missing(making: Making) -> Step[Value]:
    return _of_periods(making, lambda first, last, there: last - first + 1 - len(there))


def consecutive(making: Making) -> Step[Value]:
    """How many in a row have a record, back from the newest that has one."""

    def unbroken(first: int, last: int, there: Sequence[int]) -> int:
        run = 0
        for time in reversed(there):
            if time != there[-1] - run:
                break
            run += 1
        return run

    return _of_periods(making, unbroken)


def _of_periods(making: Making, measure: Callable[[int, int, Sequence[int]], int]) -> Step[Value]:
    periods, span = making.steps.periods(making.scene), making.span()
    cut = making.steps.part_of_line(making.scene, making.window)

    def step(case: Case) -> Value:
        first, last, covered = span(case)
        ever = periods(case)
        if not ever or not covered:
            return None
        begin = ever[0] if first is None else max(first, ever[0])
        return measure(begin, last, ever[cut(case)]) if begin <= last else None

    return step


# --- exact numbers


def half_even(numerator: int, denominator: int) -> int:
    """The nearest whole number, of two equally near the even one; ``denominator`` positive."""
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))


def _root(numerator: int, denominator: int) -> int:
    """The square root of a fraction to the nearest whole number, of two equally near the even one."""
    floor = isqrt(numerator // denominator)
    middle = (2 * floor + 1) ** 2 * denominator
    return floor + (4 * numerator > middle or (4 * numerator == middle and floor % 2 == 1))


def decimal_text(fraction: Fraction, places: int) -> str:
    """Rounded half to even, with exactly so many places; never -0.00."""
    number = half_even(fraction[0] * 10**places, fraction[1])
    digits = f"{abs(number):0{places + 1}d}"
    sign = "-" if number < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
