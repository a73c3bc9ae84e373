"""Indicators once more, as slowly and plainly as their definitions read: what the fast way is held against.

Dates, months and years are days here (a month is its first day, a year its first of January), records are
dictionaries, numbers are fractions.
"""

from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from math import isqrt
from typing import Any

from datasets import Contract, Field
from datasets.contract import Compute, Condition
from datasets.indicators import KINDS

Record = dict[str, Any]


def naive_indicator(
    contract: Contract, field: Field, source: Contract, records: list[Record] | None, day: date, limit: int
) -> Any:
    """``records``: all there are, newest part first; at most ``limit`` of them are read."""
    compute = field.compute
    assert compute is not None
    if records is None:
        return None
    if not records:
        zero = {"exists": False, "sum": Fraction(0)}.get(compute.kind, 0)
        return shown(contract, field, source, zero) if compute.absent == "zero" else None
    found = Naive(field, compute, source, records, day, limit).result()
    return None if found is None else shown(contract, field, source, found)


def shown(contract: Contract, field: Field, source: Contract, found: Any) -> Any:
    compute = field.compute
    assert compute is not None
    if not isinstance(found, Fraction):
        return found
    # Figures are counted in the field's unit; money is stored in fen.
    money = bool(compute.figure) and source.field_by_name[compute.figure[0]].type == "money"
    per_money = bool(compute.divisor) and source.field_by_name[compute.divisor[0]].type == "money"
    if field.unit == "%" and KINDS[compute.kind].result in ("rate", "ratio"):
        found *= 100
    if compute.band:
        amount = money and not per_money and compute.kind in ("sum", "mean", "min", "max", "latest", "ratio")
        band = contract.bands[compute.band]
        return band_label(band.edges, found / 100 if amount else found, zero_apart=band.zero_apart)
    if field.type == "decimal":
        whole = round(found * 10**compute.places)
        text = f"{abs(whole):0{compute.places + 1}d}"
        text = f"{text[: len(text) - compute.places]}.{text[len(text) - compute.places :]}"
        return ("-" if whole < 0 else "") + text.rstrip(".")
    return round(found)


def band_label(edges: Sequence[int], value: Fraction, *, zero_apart: bool) -> str:
    if zero_apart and value <= 0:
        return "(-inf,0)" if value < 0 else "[0,0]"
    below = [edge for edge in edges if edge <= value]
    above = [edge for edge in edges if edge > value]
    if not below:
        return f"({'0' if zero_apart else '-inf'},{above[0]})"
    return f"[{below[-1]},{above[0]})" if above else f"[{below[-1]},inf)"


class Naive:
    def __init__(
        self, field: Field, compute: Compute, source: Contract, records: list[Record], day: date, limit: int
    ) -> None:
        self.field, self.compute, self.source, self.day = field, compute, source, day
        self.read = records[:limit]
        self.truncated = bool(source.part) and len(self.read) == limit
        first = source.part[0] if source.part else ""
        orders = first if first and source.field_by_name[first].type in ("date", "month", "year") else ""
        self.at = compute.at or orders
        self.in_order = bool(self.at) and self.at == first
        self.type = source.field_by_name[self.at].type if self.at else ""
        self.rhythm = self.type
        if self.type == "date":
            self.rhythm = "month" if KINDS[compute.kind].at == "periods" else "day"
        self.rows = [row for row in self.read if all(self.meets(row, one) for one in compute.where)]

    # --- what the records say

    def meets(self, row: Record, condition: Condition) -> bool:
        value = row[condition.field]
        if condition.among:
            return value in condition.among
        if condition.not_among:
            return value not in condition.not_among
        if condition.begins:
            return value is not None and any(value.startswith(begin) for begin in condition.begins)
        today = self.day.isoformat()
        return {
            "given": value is not None,
            "empty": value is None,
            "positive": value is not None and not isinstance(value, bool) and number(value, 0) > 0,
            "yes": value is True,
            "no": value is False,
            "current": value is None or str(value) >= today,
            "past": value is not None and str(value) < today,
        }[condition.state]

    def time(self, row: Record) -> date | None:
        value = row[self.at]
        if value is None:
            return None
        if self.type == "year":
            return date(value, 1, 1)
        found = date.fromisoformat(value if self.type == "date" else f"{value}-01")
        return found.replace(day=1) if self.rhythm == "month" else found

    def figure(self, row: Record, of: tuple[str, ...]) -> Fraction | None:
        values = [number(row[name]) for name in of if row[name] is not None]
        return sum(values, Fraction(0)) if values else None

    # --- the window

    def step(self, time: date, periods: int) -> date:
        return months_later(time, periods * (12 if self.rhythm == "year" else 1))

    def end_of(self, time: date) -> date:
        return self.step(time, 1) - timedelta(days=1)

    def last_period(self) -> date:
        """The newest period on record that is over, but not before the last one promised by now."""
        over = self.day.replace(day=1) if self.rhythm == "month" else date(self.day.year, 1, 1)
        while self.end_of(over) >= self.day:
            over = self.step(over, -1)
        due = over
        while self.end_of(due) + timedelta(days=self.source.refresh_days) > self.day:
            due = self.step(due, -1)
        times = [time for row in self.read if (time := self.time(row)) is not None and time <= over]
        return max([due, *times])

    def window(self, back: int = 0) -> tuple[date | None, date | None, bool]:
        """First and last day (or period) of the window, and whether all its records were read."""
        first: date | None = None
        last: date | None = None
        if self.rhythm == "day":
            last = self.day
            if self.compute.months:
                first = months_later(self.day, -self.compute.months) + timedelta(days=1)
        elif self.rhythm:
            last = months_later(self.last_period(), -back)
            if self.compute.months:
                first = months_later(last, -self.compute.months)
                first = self.step(first, 1)
        covered = not self.truncated
        if self.in_order and first is not None:
            oldest = self.time(self.read[-1])
            covered = covered or (oldest is not None and oldest < first)
        return first, last, covered

    def inside(self, rows: list[Record], back: int = 0) -> list[Record]:
        if not self.rhythm:
            return list(reversed(rows))
        first, last, _ = self.window(back)
        assert last is not None
        timed = [(time, row) for row in reversed(rows) if (time := self.time(row)) is not None]
        timed.sort(key=lambda pair: pair[0])
        return [row for time, row in timed if (first is None or time >= first) and time <= last]

    def totals(
        self, of: tuple[str, ...], back: int = 0, rows: list[Record] | None = None
    ) -> dict[Any, Fraction]:
        """Figures by period, or by record; only where there are any."""
        found: dict[Any, Fraction] = {}
        for place, row in enumerate(self.inside(self.rows if rows is None else rows, back)):
            figure = self.figure(row, of)
            if figure is not None:
                key = self.time(row) if self.rhythm in ("month", "year") else place
                found[key] = found.get(key, Fraction(0)) + figure
        return found

    @property
    def covered(self) -> bool:
        return self.window()[2]

    # --- the kinds

    def result(self) -> Any:
        kinds: dict[str, Callable[[], Any]] = {
            name.removeprefix("k_"): getattr(self, name) for name in dir(self) if name.startswith("k_")
        }
        return kinds[self.compute.kind]()

    def enough(self, least: int = 1, back: int = 0) -> list[Fraction] | None:
        found = list(self.totals(self.compute.figure, back).values())
        if self.window(back)[2] and len(found) >= max(least, self.compute.at_least):
            return found
        return None

    def k_count(self) -> int:
        return len(self.inside(self.rows))

    def k_exists(self) -> bool | None:
        return True if self.inside(self.rows) else (False if self.covered else None)

    def k_holds(self) -> bool | None:
        for one in self.compute.where:
            if one.state not in ("given", "empty", "current") and self.read[0][one.field] is None:
                return None
        return bool(self.rows)

    def k_distinct(self) -> int:
        name = self.compute.figure[0]
        return len({row[name] for row in self.inside(self.rows) if row[name] is not None})

    def k_sum(self) -> Fraction | None:
        if self.compute.absent == "zero":
            return sum(self.totals(self.compute.figure).values(), Fraction(0)) if self.covered else None
        found = self.enough()
        return None if found is None else sum(found, Fraction(0))

    def k_mean(self) -> Fraction | None:
        found = self.enough()
        return None if found is None else sum(found) / Fraction(len(found))

    def k_min(self) -> Fraction | None:
        found = self.enough()
        return None if found is None else min(found)

    def k_max(self) -> Fraction | None:
        found = self.enough()
        return None if found is None else max(found)

    def k_latest(self) -> Any:
        name = self.compute.figure[0]
        numeric = self.source.field_by_name[name].type in ("money", "integer", "decimal")
        if numeric and self.rhythm in ("month", "year"):
            found = self.totals((name,))
            times = {self.time(row) for row in self.rows if self.time(row) is not None}
            known = self.covered or (self.in_order and len(times) > 1)
            return found[max(found)] if found and known else None
        values = [row[name] for row in self.inside(self.rows) if row[name] is not None]
        if not values or not (self.covered or self.in_order):
            return None
        return number(values[-1]) if numeric else values[-1]

    def k_ratio(self) -> Fraction | None:
        above, below = self.totals(self.compute.figure), self.totals(self.compute.divisor)
        both = [time for time in above if time in below]
        base = sum((below[time] for time in both), Fraction(0))
        if not self.covered or len(both) < max(1, self.compute.at_least) or base <= 0:
            return None
        return sum((above[time] for time in both), Fraction(0)) / base

    def k_change(self) -> Fraction | None:
        new, old = self.enough(), self.enough(back=self.compute.compare or self.compute.months)
        if new is None or old is None or sum(old) <= 0:
            return None
        return Fraction(sum(new) - sum(old), sum(old))

    def k_share(self) -> Fraction | None:
        if self.compute.figure:
            part = self.totals(self.compute.figure).values()
            whole = sum(self.totals(self.compute.figure, rows=self.read).values())
        else:
            part = [Fraction(1)] * len(self.inside(self.rows))
            whole = Fraction(len(self.inside(self.read)))
        return Fraction(sum(part), whole) if whole > 0 and self.covered else None

    def k_largest_share(self) -> Fraction | None:
        found = self.enough()
        if found is None or min(found) < 0 or sum(found) <= 0:
            return None
        return max(found) / sum(found)

    def k_variation(self) -> Fraction | None:
        found = self.enough(2)
        if found is None or sum(found) <= 0:
            return None
        mean = Fraction(sum(found), len(found))
        square = sum((value - mean) ** 2 for value in found) / len(found) / mean**2
        # The root, far finer than any rounding could tell apart.
        fine = 10**60
        return Fraction(isqrt(square.numerator * fine**2 // square.denominator), fine)

    def k_trend(self) -> Fraction | None:
        found = self.enough(3)
        if found is None or sum(found) <= 0:
            return None
        size = 12 if self.rhythm == "year" else 1
        points = [
            (Fraction((time.year * 12 + time.month) // size), value)
            for time, value in self.totals(self.compute.figure).items()
        ]
        x_mean = Fraction(sum(x for x, _ in points), len(points))
        y_mean = Fraction(sum(y for _, y in points), len(points))
        above = sum((x - x_mean) * (y - y_mean) for x, y in points)
        return above / sum((x - x_mean) ** 2 for x, _ in points) / y_mean

    def dates(self) -> list[date]:
        return [day_of(row[self.at]) for row in self.rows if row[self.at] is not None]

    def today(self) -> date:
        today = self.day if self.type == "date" else self.day.replace(day=1)
        return date(today.year, 1, 1) if self.type == "year" else today

    def k_since_latest(self) -> int | None:
        past = [time for time in self.dates() if time <= self.today()]
        known = self.in_order or not self.truncated
        return elapsed(max(past), self.today(), self.field.unit) if past and known else None

    def k_since_earliest(self) -> int | None:
        past = [time for time in self.dates() if time <= self.today()]
        return elapsed(min(past), self.today(), self.field.unit) if past and not self.truncated else None

    def k_until_latest(self) -> int | None:
        if not self.dates() or self.truncated:
            return None
        return max(0, elapsed(self.day, max(self.dates()), self.field.unit))

    def flags(self) -> list[bool] | None:
        """Per period from the first one on record to the end of the window: whether it has a record."""
        there = {time for row in self.rows if (time := self.time(row)) is not None}
        first, last, covered = self.window()
        if not there or not covered:
            return None
        assert last is not None
        time = min(there) if first is None else max(first, min(there))
        found = []
        while time <= last:
            found.append(time in there)
            time = self.step(time, 1)
        return found or None

    def k_longest_gap(self) -> int | None:
        flags = self.flags()
        if flags is None:
            return None
        gaps = "".join("x" if flag else "." for flag in flags).split("x")
        return max(map(len, gaps))

    def k_missing(self) -> int | None:
        flags = self.flags()
        return None if flags is None else flags.count(False)

    def k_consecutive(self) -> int | None:
        flags = self.flags()
        if flags is None:
            return None
        runs = "".join("x" if flag else "." for flag in flags).rstrip(".").split(".")
        return len(runs[-1])


def number(value: Any, otherwise: int | None = None) -> Fraction:
    try:
        return Fraction(value)
    except ValueError:
        assert otherwise is not None
        return Fraction(otherwise)


def day_of(value: str | int) -> date:
    text = str(value)
    return date.fromisoformat(text + {4: "-01-01", 7: "-01"}.get(len(text), ""))


def months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def elapsed(earlier: date, later: date, unit: str) -> int:
    """Whole days, months or years: how often one can be added without passing the later day's number."""
    if unit == "天":
        return (later - earlier).days
    months = (later.year - earlier.year) * 12 + later.month - earlier.month - (later.day < earlier.day)
    if unit == "个月":
        return months
    return later.year - earlier.year - ((later.month, later.day) < (earlier.month, earlier.day))
