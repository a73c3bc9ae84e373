"""The kinds of indicators: what each needs of the records, and how it becomes one value.

Each function writes into the `Sheet` of the data set what it shares with others and gives a `Found`: the expression
of its value, and of the condition without which it is null.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from math import isqrt
from typing import Any, NamedTuple

from datasets.contract import Compute, FieldType
from datasets.indicator_sheets import MEANT_EMPTY, MONTH_NUMBERS, Scene, Sheet, Span, Window

PER_HUNDRED = "%"
"""The unit of an indicator that is a share or a rate, given per hundred."""

NUMBERS: frozenset[FieldType] = frozenset({"money", "integer", "decimal"})


class Found(NamedTuple):
    """Expressions. ``value`` is a numerator where there is a ``divisor`` (positive whenever ``given`` holds)."""

    value: str
    given: str = "True"
    divisor: str = ""


class Making(NamedTuple):
    """What an indicator is made from: its `Compute` with everything looked up."""

    sheet: Sheet
    compute: Compute
    scene: Scene
    unit: str

    @property
    def window(self) -> Window:
        return Window(self.compute.months)

    def span(self) -> Span:
        return self.sheet.span(self.scene, self.window)

    def rows(self, scene: Scene | None = None) -> str:
        """The records of the window."""
        scene = scene or self.scene
        return self.sheet.let(f"{self.sheet.placed(scene)}{self.sheet.cut(scene, self.window)}")

    def known(self, **changes: Any) -> str:
        """The figures of the window, by period."""
        return self.sheet.known(self.scene, self.window._replace(**changes), self.compute.figure)

    def enough(self, known: str, least: int = 1) -> str:
        """Whether the window was read and has figures enough."""
        return f"{self.span().covered} and len({known}) >= {max(least, self.compute.at_least)}"


# --- counting


def count(making: Making) -> Found:
    return Found(f"len({making.rows()})")


def exists(making: Making) -> Found:
    rows = making.rows()
    return Found(f"bool({rows})", f"{rows} or {making.span().covered}")


def holds(making: Making) -> Found:
    """Whether the one record of the enterprise meets the conditions; null where what they look at is empty."""
    looked_at = [one.field for one in making.compute.where if one.state not in MEANT_EMPTY]
    given = " and ".join(f"rows[0].{field} is not None" for field in looked_at)
    return Found(f"bool({making.rows()})", given or "True")


def distinct(making: Making) -> Found:
    sheet, scene = making.sheet, making.scene
    column = sheet.column(scene, making.compute.figure[0])
    return Found(f"len(set({column}{sheet.cut(scene, making.window)}) - {sheet.bind(frozenset({None}))})")


def share(making: Making) -> Found:
    """Of all records of the window (or of their figures) the share that meets the conditions."""
    sheet, everything = making.sheet, making.scene._replace(where=())
    if making.compute.figure:
        base = sheet.let(f"sum({sheet.known(everything, making.window, making.compute.figure)})")
        return Found(f"sum({making.known()})", f"{making.span().covered} and {base} > 0", base)
    base = sheet.let(f"len({making.rows(everything)})")
    return Found(f"len({making.rows()})", f"{making.span().covered} and {base}", base)


# --- adding up


def total(making: Making) -> Found:
    known = making.known()
    given = making.span().covered if making.compute.absent == "zero" else making.enough(known)
    return Found(making.sheet.let(f"sum({known})"), given, _scale(making))


def mean(making: Making) -> Found:
    known = making.known()
    scale = making.sheet.scale_of(making.compute.figure)
    return Found(making.sheet.let(f"sum({known})"), making.enough(known), f"(len({known}) * {scale})")


def least(making: Making) -> Found:
    known = making.known()
    return Found(f"min({known})", making.enough(known), _scale(making))


def greatest(making: Making) -> Found:
    known = making.known()
    return Found(f"max({known})", making.enough(known), _scale(making))


def _scale(making: Making) -> str:
    scale = making.sheet.scale_of(making.compute.figure)
    return str(scale) if scale > 1 else ""


def latest(making: Making) -> Found:
    """The newest figure that there is: of the newest record, or of the newest month, all its records together."""
    sheet, scene, figure = making.sheet, making.scene, making.compute.figure
    numeric = sheet.contract.field_by_name[figure[0]].type in NUMBERS
    given = making.span().covered
    if numeric and scene.rhythm in ("month", "year"):
        values = sheet.values(scene, making.window, figure)
        # Where not all was read, the newest is the newest, unless it is the very month in which reading stopped.
        whole = f"len({sheet.periods(scene)}) > 1"
    else:
        column = sheet.figures(scene, figure) if numeric else sheet.column(scene, figure[0])
        values = sheet.let(f"{column}{sheet.cut(scene, making.window)}")
        whole = "True"
    newest = sheet.let(f"{sheet.bind(newest_of)}({values})")
    if sheet.in_order(scene):
        given = f"({given} or {whole})"
    return Found(newest, f"{newest} is not None and {given}", _scale(making) if numeric else "")


def newest_of(values: Sequence[Any]) -> Any:
    return next((value for value in reversed(values) if value is not None), None)


# --- comparing


def ratio(making: Making) -> Found:
    """Figure over divisor, both summed over the months (or records) that have both."""
    sheet, scene, window, compute = making.sheet, making.scene, making.window, making.compute
    above, below = sheet.values(scene, window, compute.figure), sheet.values(scene, window, compute.divisor)
    full = sheet.let(f"None not in {above} and None not in {below}")
    pairs = f"for a, b in zip({above}, {below}) if a is not None and b is not None"
    figures = sheet.let(f"{above} if {full} else [a {pairs}]")
    divisors = sheet.let(f"{below} if {full} else [b {pairs}]")
    base = sheet.let(f"sum({divisors})")
    scale, scale_below = sheet.scale_of(compute.figure), sheet.scale_of(compute.divisor)
    value = f"sum({figures}) * {scale_below}" if scale_below > 1 else f"sum({figures})"
    divisor = f"({base} * {scale})" if scale > 1 else base
    return Found(value, f"{making.enough(divisors)} and {base} > 0", divisor)


def change(making: Making) -> Found:
    sheet, back = making.sheet, making.compute.compare or making.compute.months
    now, before = making.known(), making.known(back=back)
    base = sheet.let(f"sum({before})")
    # The earlier window reaches further back: when that was read, this one was.
    covered = sheet.span(making.scene, making.window._replace(back=back)).covered
    least = max(1, making.compute.at_least)
    given = f"{covered} and len({now}) >= {least} and len({before}) >= {least} and {base} > 0"
    return Found(f"{sheet.let(f'sum({now})')} - {base}", given, base)


def largest_share(making: Making) -> Found:
    known = making.known()
    base = making.sheet.let(f"sum({known})")
    return Found(f"max({known})", f"{making.enough(known)} and {base} > 0 and min({known}) >= 0", base)


def variation(making: Making) -> Found:
    """Standard deviation (of the whole) over the mean. A root: rounded here, to the places that are shown."""
    known = making.known()
    base = making.sheet.let(f"sum({known})")
    precision = 10**making.compute.places * (100 if making.unit == PER_HUNDRED else 1)
    value = f"{making.sheet.bind(spread)}({known}, {base}, {precision})"
    return Found(value, f"{making.enough(known, 2)} and {base} > 0", str(precision))


def spread(values: Sequence[int], base: int, precision: int) -> int:
    """Standard deviation over mean, in units of 1 / precision."""
    squares = len(values) * sum([value * value for value in values]) - base * base
    return root(squares * precision * precision, base * base)


def trend(making: Making) -> Found:
    """Slope of the straight line of least squares per month (year), over the mean."""
    sheet, scene, window = making.sheet, making.scene, making.window
    values = sheet.values(scene, window, making.compute.figure)
    times = sheet.let(f"{sheet.periods(scene)}{sheet.cut_of_line(scene, window)}")
    known = making.known()
    base = sheet.let(f"sum({known})")
    given = f"{making.enough(known, 3)} and {base} > 0"
    slope = sheet.let(f"{sheet.bind(slope_of)}({times}, {values}) if {given} else None")
    return Found(f"{slope}[0]", f"{slope} is not None", f"{slope}[1]")


def slope_of(times: Sequence[int], values: Sequence[int | None]) -> tuple[int, int]:
    """Slope over mean as a fraction; at least two values at different times, their sum positive."""
    start = times[0]
    points = [(x - start, y) for x, y in zip(times, values, strict=True) if y is not None]
    size, base = len(points), sum([y for _, y in points])
    x_sum = sum([x for x, _ in points])
    squares = sum([x * x for x, _ in points])
    products = sum([x * y for x, y in points])
    return (size * products - x_sum * base) * size, (size * squares - x_sum * x_sum) * base


# --- time since and until


def since_latest(making: Making) -> Found:
    """From the newest date that is not after the day to the day, in whole days, months or years."""
    sheet, scene, today = making.sheet, making.scene, _today_as(making)
    dates = sheet.column(scene, scene.at)
    newest = sheet.let(f"{sheet.bind(bisect_right)}({dates}, {today})")
    given = newest if sheet.in_order(scene) else f"{newest} and {making.span().covered}"
    return Found(f"{sheet.bind(ELAPSED[making.unit])}({dates}[{newest} - 1], {today})", given)


def since_earliest(making: Making) -> Found:
    sheet, today = making.sheet, _today_as(making)
    dates = sheet.column(making.scene, making.scene.at)
    value = f"{sheet.bind(ELAPSED[making.unit])}({dates}[0], {today})"
    return Found(value, f"{dates} and {dates}[0] <= {today} and {making.span().covered}")


def until_latest(making: Making) -> Found:
    """From the day to the last date on record, 0 when that is past."""
    sheet = making.sheet
    dates = sheet.column(making.scene, making.scene.at)
    value = f"{sheet.bind(ELAPSED[making.unit])}(today, {dates}[-1]) if {dates}[-1] > today else 0"
    return Found(f"({value})", f"{dates} and {making.span().covered}")


def _today_as(making: Making) -> str:
    """The day of the question in the form of the time field."""
    form = making.sheet.contract.field_by_name[making.scene.at].type
    return {"year": "day.year", "month": "today[:7]"}.get(form, "today")


def days_between(earlier: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(earlier)).days


def months_between(earlier: str, later: str) -> int:
    """Whole months; dates or months as text."""
    return MONTH_NUMBERS[later[:7]] - MONTH_NUMBERS[earlier[:7]] - (later[8:] < earlier[8:])


def years_between(earlier: str | int, later: str | int) -> int:
    """Whole years; dates or months as text, or years."""
    before, after = str(earlier), str(later)
    return int(after[:4]) - int(before[:4]) - (after[5:] < before[5:])


ELAPSED: dict[str, Callable[[Any, Any], int]] = {
    "天": days_between,
    "个月": months_between,
    "年": years_between,
}
"""By the unit of the indicator."""


# --- continuity: from the first record on, which months (years) have one and which have none


def longest_gap(making: Making) -> Found:
    return _of_periods(making, gap_between)


def gap_between(first: int, last: int, there: Sequence[int]) -> int:
    return max([later - earlier - 1 for earlier, later in pairwise((first - 1, *there, last + 1))])


def missing(making: Making) -> Found:
    return _of_periods(making, missing_between)


def missing_between(first: int, last: int, there: Sequence[int]) -> int:
    return last - first + 1 - len(there)


def consecutive(making: Making) -> Found:
    """How many in a row have a record, back from the newest that has one."""
    return _of_periods(making, unbroken)


def unbroken(first: int, last: int, there: Sequence[int]) -> int:
    run = 0
    for time in reversed(there):
        if time != there[-1] - run:
            break
        run += 1
    return run


def _of_periods(making: Making, measure: Callable[[int, int, Sequence[int]], int]) -> Found:
    sheet, scene, span = making.sheet, making.scene, making.span()
    ever = sheet.periods(scene)
    there = sheet.let(f"{ever}{sheet.cut_of_line(scene, making.window)}")
    first = f"{ever}[0]" if span.first == "None" else f"max({span.first}, {ever}[0])"
    begin = sheet.let(f"{first} if {ever} else {span.last} + 1")
    return Found(
        f"{sheet.bind(measure)}({begin}, {span.last}, {there})", f"{span.covered} and {begin} <= {span.last}"
    )


# --- exact numbers


def half_even(numerator: int, denominator: int) -> int:
    """The nearest whole number, of two equally near the even one; ``denominator`` positive."""
    quotient, rest = divmod(numerator, denominator)
    rest *= 2
    if rest > denominator or (rest == denominator and quotient % 2):
        return quotient + 1
    return quotient


def root(numerator: int, denominator: int) -> int:
    """The square root of a fraction to the nearest whole number, of two equally near the even one."""
    floor = isqrt(numerator // denominator)
    middle = (2 * floor + 1) ** 2 * denominator
    return floor + (4 * numerator > middle or (4 * numerator == middle and floor % 2 == 1))


def decimal_text(numerator: int, denominator: int, places: int) -> str:
    """Rounded half to even, with exactly so many places; never -0.00."""
    number = half_even(numerator * 10**places, denominator)
    if not places:
        return str(number)
    digits = str(abs(number)).zfill(places + 1)
    return f"{'-' if number < 0 else ''}{digits[:-places]}.{digits[-places:]}"
