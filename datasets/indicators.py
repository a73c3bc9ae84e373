"""Indicators: figures made of many records, asked as one data set of mode ``derived`` (指标).

Each field of such a data set says how it is computed (`datasets.contract.Compute`). At start everything is checked
against the contracts of the data sets it is made of and written out as one function a data set
(`datasets.indicator_sheets`, `datasets.indicator_kinds`); then `IndicatorPlan.compute` is one pass over the stored
bodies of one enterprise.

**No back door.** An indicator is at least as sensitive as everything it is made of. A figure of level 4, whose amount
no record ever shows, leaves as a band here too, and so does everything else that is computed from one: who knows the
other amounts that went into an exact ratio, rate or trend would know this one. The bands are so wide that even then
the most that it may be is at least `LEAST_SPREAD` times the least.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any, Literal, NamedTuple

import msgspec

from datasets import indicator_kinds as kinds
from datasets.contract import Compute, Contract, ContractError, Field, FieldType
from datasets.indicator_kinds import (
    ELAPSED,
    NUMBERS,
    PER_HUNDRED,
    Found,
    Making,
    decimal_text,
    half_even,
)
from datasets.indicator_sheets import STATES_OF_TYPES, Rhythm, Scene, Sheet, SheetFunction, Value

EXACT_MAX = 2**53 - 1
"""A whole number beyond this is no longer exact for every reader of JSON; an indicator so great is null."""
RECORDS_READ_MAX = 1000
"""of one data set and enterprise, however long the windows"""

Figure = Literal["none", "maybe", "value", "number"]
Made = Literal["integer", "boolean", "as the figure", "mean", "rate", "ratio"]


class Kind(NamedTuple):
    """One way to make an indicator. ``of``: what figure it needs; ``at``: whether it looks at time, and in months
    (years) or also in days; ``shows``: whether the result tells a single record's value.
    """

    make: Callable[[Making], Found]
    title: str
    of: Figure
    at: Literal["maybe", "always", "periods"]
    result: Made
    windowed: bool = True
    over: bool = False
    shows: bool = False


KINDS: dict[str, Kind] = {
    "count": Kind(kinds.count, "记录条数", "none", "maybe", "integer"),
    "exists": Kind(kinds.exists, "是否有记录", "none", "maybe", "boolean"),
    "holds": Kind(kinds.holds, "是否符合条件", "none", "maybe", "boolean"),
    "distinct": Kind(kinds.distinct, "不同取值的个数", "value", "maybe", "integer"),
    "sum": Kind(kinds.total, "合计", "number", "maybe", "as the figure"),
    "mean": Kind(kinds.mean, "有记录各期的平均", "number", "periods", "mean"),
    "min": Kind(kinds.least, "最小值", "number", "maybe", "as the figure", shows=True),
    "max": Kind(kinds.greatest, "最大值", "number", "maybe", "as the figure", shows=True),
    "latest": Kind(kinds.latest, "最近一期的值", "value", "maybe", "as the figure", shows=True),
    "ratio": Kind(kinds.ratio, "两项合计之比", "number", "maybe", "ratio", over=True),
    "change": Kind(kinds.change, "与前一窗口相比的增减", "number", "periods", "rate"),
    "share": Kind(kinds.share, "符合条件的占比", "maybe", "maybe", "rate"),
    "largest_share": Kind(kinds.largest_share, "最大一项的占比", "number", "maybe", "rate"),
    "variation": Kind(kinds.variation, "标准差与平均值之比", "number", "periods", "rate"),
    "trend": Kind(kinds.trend, "趋势线每期斜率与平均值之比", "number", "periods", "rate"),
    "since_latest": Kind(kinds.since_latest, "距最近一次", "none", "always", "integer", windowed=False),
    "since_earliest": Kind(kinds.since_earliest, "距最早一次", "none", "always", "integer", windowed=False),
    "until_latest": Kind(
        kinds.until_latest, "到最后期限尚余，已到期为 0", "none", "always", "integer", windowed=False
    ),
    "longest_gap": Kind(kinds.longest_gap, "首次有记录以后最长的连续空缺期数", "none", "periods", "integer"),
    "missing": Kind(kinds.missing, "首次有记录以后空缺的期数", "none", "periods", "integer"),
    "consecutive": Kind(kinds.consecutive, "由最近一期向前连续有记录的期数", "none", "periods", "integer"),
}

ZERO_WHERE_ABSENT = frozenset({"count", "exists", "distinct", "sum"})
TIMES: frozenset[FieldType] = frozenset({"date", "month", "year"})
REGISTER = "registration"
SENSITIVE = 4
"""From this level on a field's own value never leaves uncovered."""
LEAST_SPREAD = Fraction(6, 5)
"""So many times the least that such an amount may be is the most: as in `datasets.verification`."""
POINTS_APART = {"trend": Fraction(5, 100), "variation": Fraction(10, 100)}
"""How far apart the edges of what is no ratio of two sums must be, as a share of the mean of all amounts..."""
AT_LEAST = {"trend": 10, "variation": 6}
"""...of which there are so many at least: the fewer, the more each one moves the result."""


class Input(NamedTuple):
    """A data set whose records the indicators need, and how many of one enterprise are read at most."""

    dataset: str
    records_max: int


class _Page(NamedTuple):
    """The indicators of one data set. ``when_absent``: what they are for an enterprise that it has no record of."""

    decode: Callable[[str | bytes], list[Any]]
    compute: SheetFunction
    names: tuple[str, ...]
    when_absent: tuple[Value, ...]
    when_not_delivered: tuple[Value, ...]


@dataclass(frozen=True, eq=False)
class IndicatorPlan:
    """Made once by `compile_indicators`, never changed.

    ``inputs``: what to read of one enterprise, in the order in which `compute` wants it.
    """

    inputs: tuple[Input, ...]
    _names: tuple[str, ...]
    _pages: tuple[_Page, ...]
    _page_of: Mapping[str, int]

    def needed(self, wanted: Iterable[str] | None = None) -> tuple[Input, ...]:
        """The inputs of some indicators, in the order of ``inputs``; none for none.

        The register is always among them. It tells whether there is such an enterprise, so that a clean list is an
        answer and not "nothing found".
        """
        if wanted is None:
            return self.inputs
        pages = {self._page_of[name] for name in wanted}
        register = {page for page, one in enumerate(self.inputs) if pages and one.dataset == REGISTER}
        return tuple(self.inputs[page] for page in sorted(pages | register))

    def compute(
        self, bodies: Sequence[str | bytes | None], day: date, wanted: tuple[str, ...] | None = None
    ) -> bytes:
        """A JSON array with one object, indicator → value or null; an empty array if no input has a record.

        ``bodies`` holds per input a JSON array of stored records, newest part first, as `read_records` gives it;
        None for a data set that was never delivered (every indicator of it is null). ``day`` is China's day of the
        question. Only the ``wanted`` indicators leave, in that order. Pure.
        """
        if not any(body is not None and len(body) > len("[]") for body in bodies):
            return b"[]"
        today = day.isoformat()
        found: list[Value] = []
        pages, places = self._where(self._names if wanted is None else wanted)
        for number, page in pages:
            body = bodies[number]
            if body is None:
                found += page.when_not_delivered
            elif rows := page.decode(body):
                rows.reverse()
                found += page.compute(rows, day, today)
            else:
                found += page.when_absent
        return msgspec.json.encode([{name: found[place] for name, place in places}])

    @lru_cache(maxsize=1024)  # noqa: B019 - there are as few plans as data sets of indicators
    def _where(
        self, wanted: tuple[str, ...]
    ) -> tuple[tuple[tuple[int, _Page], ...], tuple[tuple[str, int], ...]]:
        """The pages that are needed, by number; and where each wanted indicator stands in what they give."""
        numbers = sorted({self._page_of[name] for name in wanted})
        pages = tuple((number, self._pages[number]) for number in numbers)
        names = chain.from_iterable(page.names for _, page in pages)
        place_of = {name: place for place, name in enumerate(names)}
        return pages, tuple((name, place_of[name]) for name in wanted)


def compile_indicators(contract: Contract, contracts: Mapping[str, Contract]) -> IndicatorPlan:
    """Check every indicator against the data sets it is made of, and compile it. Raises `ContractError`."""
    facts = [_facts(contract, field, contracts) for field in contract.fields]
    by_dataset: dict[str, list[_Facts]] = {}
    for fact in facts:
        by_dataset.setdefault(fact.source.id, []).append(fact)
    inputs = tuple(Input(name, _records_max(several)) for name, several in by_dataset.items())
    pages = tuple(_page(by_dataset[one.dataset], one.records_max) for one in inputs)
    page_of = {name: number for number, page in enumerate(pages) for name in page.names}
    return IndicatorPlan(inputs, tuple(contract.field_by_name), pages, page_of)


# --- what one indicator is
# ---------------------------------------------------------------------------------------


class _Facts(NamedTuple):
    """One indicator with everything looked up; ``natural`` is the type of its result before any band."""

    contract: Contract
    field: Field
    compute: Compute
    kind: Kind
    source: Contract
    at: str
    rhythm: Rhythm
    natural: FieldType

    @property
    def used(self) -> tuple[Field, ...]:
        """Every field of the source that the indicator looks at."""
        return tuple(self.source.field_by_name[name] for name in _names_used(self.compute, self.at))


def _names_used(compute: Compute, at: str) -> tuple[str, ...]:
    conditions = (condition.field for condition in compute.where)
    timed = (at,) if at else ()
    return tuple(dict.fromkeys((*compute.figure, *compute.divisor, *timed, *conditions)))


def _facts(contract: Contract, field: Field, contracts: Mapping[str, Contract]) -> _Facts:
    """Look everything up and check it. Raises `ContractError` with file, field and reason."""
    compute = field.compute
    if compute is None:
        raise ContractError(contract.file, field.name, "says nothing about how to compute it")
    source = contracts.get(compute.dataset)
    if source is None or "collected" not in source.modes:
        # What is only asked live has copies of any age; an indicator made of them could be stale unseen.
        raise ContractError(
            contract.file, field.name, f"compute.dataset {compute.dataset!r} is no collected data set"
        )
    kind, at = KINDS[compute.kind], _time_field(compute, source)
    strangers = [name for name in _names_used(compute, at) if name not in source.field_by_name]
    if strangers:
        message = f"data set {source.id} has no field {', '.join(map(repr, strangers))}"
        raise ContractError(contract.file, field.name, message)
    facts = _Facts(contract, field, compute, kind, source, at, _rhythm(kind, source, at), "integer")
    _refuse(facts, _complaints_about_parts(facts))
    facts = facts._replace(natural=_natural_type(facts))
    _refuse(facts, _complaints_about_result(facts))
    _refuse(facts, _complaints_about_secrecy(facts))
    return facts


def _refuse(facts: _Facts, complaints: dict[str, bool]) -> None:
    for complaint, broken in complaints.items():
        if broken:
            raise ContractError(facts.contract.file, facts.field.name, complaint)


def _time_field(compute: Compute, source: Contract) -> str:
    """As stated, or the part that orders the records if that is a time; empty: time plays no role."""
    if compute.at or not source.part:
        return compute.at
    first = source.field_by_name[source.part[0]]
    return first.name if first.type in TIMES else ""


def _rhythm(kind: Kind, source: Contract, at: str) -> Rhythm:
    if not at:
        return ""
    time = source.field_by_name[at].type
    if time == "year":
        return "year"
    return "month" if time == "month" or kind.at == "periods" else "day"


def _complaints_about_parts(facts: _Facts) -> dict[str, bool]:
    compute, kind, source = facts.compute, facts.kind, facts.source
    figures = [source.field_by_name[name] for name in compute.figure]
    divisors = [source.field_by_name[name] for name in compute.divisor]
    time = source.field_by_name[facts.at].type if facts.at else None
    return {
        f"kind {compute.kind} takes no 'of'": kind.of == "none" and bool(figures),
        f"kind {compute.kind} needs 'of'": kind.of in ("value", "number") and not figures,
        f"kind {compute.kind} takes one field": kind.of == "value" and len(figures) > 1,
        f"kind {compute.kind} needs numbers": kind.of in ("number", "maybe")
        and any(figure.type not in NUMBERS for figure in figures),
        "the fields of one figure must be of one type": any(
            len({figure.type for figure in several}) > 1 for several in (figures, divisors)
        ),
        "'over' is for kind ratio, which needs it": kind.over != bool(divisors),
        "'over' needs numbers": any(divisor.type not in NUMBERS for divisor in divisors),
        f"'at' {facts.at!r} is no date, month or year": time is not None and time not in TIMES,
        f"kind {compute.kind} needs 'at'": kind.at != "maybe" and not facts.at,
        "until_latest needs a date": compute.kind == "until_latest" and time != "date",
        "a window needs 'at'": compute.months > 0 and not facts.at,
        f"kind {compute.kind} looks at all records: it takes no months": compute.months > 0
        and not kind.windowed,
        f"kind {compute.kind} needs months": compute.kind == "change" and not compute.months,
        "years are counted in twelves of months": time == "year"
        and (compute.months % 12 > 0 or compute.compare % 12 > 0),
        "'compare' is for kind change": compute.compare > 0 and compute.kind != "change",
        f"kind {compute.kind} needs 'where'": compute.kind in ("share", "holds") and not compute.where,
        "kind holds is for data sets with one record per enterprise": compute.kind == "holds"
        and bool(source.part),
        "absent = 'zero' is for count, exists, distinct and sum": compute.absent == "zero"
        and compute.kind not in ZERO_WHERE_ABSENT,
        **_complaints_about_conditions(facts),
    }


def _complaints_about_conditions(facts: _Facts) -> dict[str, bool]:
    complaints: dict[str, bool] = {}
    for condition in facts.compute.where:
        field = facts.source.field_by_name[condition.field]
        tests = sum(map(bool, (condition.among, condition.not_among, condition.begins, condition.state)))
        state, where = condition.state, f"where {condition.field}"
        unknown = {*condition.among, *condition.not_among} - set(field.allowed)
        complaints |= {
            f"{where}: give one of in, not_in, begins, is": tests != 1,
            f"{where}: in, not_in, begins are for texts and codes": not condition.state
            and field.type not in ("text", "code"),
            f"{where}: {', '.join(sorted(unknown))} is not in its code list": field.type == "code"
            and bool(unknown),
            f"{where}: a {field.type} cannot be {state}": field.type
            not in STATES_OF_TYPES.get(state, {field.type}),
        }
    return complaints


def _natural_type(facts: _Facts) -> FieldType:
    figure = facts.source.field_by_name[facts.compute.figure[0]].type if facts.compute.figure else "integer"
    match facts.kind.result:
        case "integer":
            return "integer"
        case "boolean":
            return "boolean"
        case "as the figure":
            return figure
        case "mean":
            return "money" if figure == "money" else "decimal"
        case "rate":
            return "decimal"
        case "ratio":
            divisor = facts.source.field_by_name[facts.compute.divisor[0]].type
            return "money" if figure == "money" and divisor != "money" else "decimal"


def _complaints_about_result(facts: _Facts) -> dict[str, bool]:
    field, compute, natural = facts.field, facts.compute, facts.natural
    time = facts.source.field_by_name[facts.at].type if facts.at else None
    elapsed = not facts.kind.windowed
    units: dict[FieldType | None, set[str]] = {
        "date": set(ELAPSED), "month": {"个月", "年"}, "year": {"年"}
    }  # fmt: skip
    figures = [facts.source.field_by_name[name] for name in compute.figure]
    foreign = [figure.name for figure in figures if figure.currency_field]
    values = {value for figure in figures for value in figure.allowed}
    return {
        f"is a {natural}: that must be its type": not compute.band and field.type != natural,
        "only numbers are given as a band": bool(compute.band) and natural not in NUMBERS,
        f"its unit must be one of {'、'.join(sorted(units.get(time, set())))}": elapsed
        and field.unit not in units.get(time, set()),
        "its example is not in the form in which it leaves": not _is_example(field, natural, compute),
        "a rate is given in % or as a plain ratio (unit 倍)": facts.kind.result == "rate"
        and field.unit not in (PER_HUNDRED, "倍"),
        f"{', '.join(foreign)} may be in any currency: amounts cannot be told apart": natural == "money"
        and bool(foreign),
        "its code list lacks values of the field it shows": natural == "code"
        and not compute.band
        and not values <= set(field.allowed),
    }


def _is_example(field: Field, natural: FieldType, compute: Compute) -> bool:
    example = field.example
    if field.allowed:
        return example in field.allowed
    match natural:
        case "boolean":
            return isinstance(example, bool)
        case "integer" | "money" | "year":
            return isinstance(example, int) and not isinstance(example, bool)
        case "decimal":
            places = f"\\.[0-9]{{{compute.places}}}" if compute.places else ""
            return isinstance(example, str) and bool(re.fullmatch(f"-?[0-9]+{places}", example))
        case _:
            return isinstance(example, str)


def _complaints_about_secrecy(facts: _Facts) -> dict[str, bool]:
    """What would let out more than the levels of the fields permit."""
    field, compute = facts.field, facts.compute
    closed = [used.name for used in facts.used if "derived" not in used.views]
    level = max((used.level for used in facts.used), default=min(one.level for one in facts.source.fields))
    figures = [facts.source.field_by_name[name] for name in compute.figure]
    return {
        f"data set {facts.source.id} is not shared": facts.source.sharing_class == "withheld",
        f"{facts.source.id}.{', '.join(closed)} does not allow the view derived": bool(closed),
        f"is made of a field of level {level}: its own level may not be lower": level > field.level,
        "tells the value of a single record, which that field does not show as it is: give a band": facts.kind.shows
        and not compute.band
        and any("raw" not in figure.views for figure in figures),
        **(_complaints_about_amounts(facts) if _tells_of_amounts(facts) else {}),
    }


def _tells_of_amounts(facts: _Facts) -> bool:
    """Whether it is reckoned from amounts that never leave uncovered; how many different ones there are tells none."""
    used = (*facts.compute.figure, *facts.compute.divisor)
    sensitive = any(facts.source.field_by_name[name].level >= SENSITIVE for name in used)
    return sensitive and facts.compute.kind != "distinct"


def _complaints_about_amounts(facts: _Facts) -> dict[str, bool]:
    compute = facts.compute
    spec = facts.contract.bands.get(compute.band)
    if spec is None:
        return {"would tell an amount of level 4, or tell it to who knows the others: give a band": True}
    fine = [f"{low} to {high}" for low, high in pairwise(spec.edges) if _too_narrow(facts, low, high)]
    return {
        f"band {compute.band}: that nothing changed tells one amount to who knows the other: zero_apart = false":
            compute.kind in ("change", *POINTS_APART) and spec.zero_apart,
        f"band {compute.band}: {', '.join(fine)} is too narrow for an amount of level 4": bool(fine),
        f"at_least {AT_LEAST.get(compute.kind)}: of fewer amounts each one tells too much":
            compute.at_least < AT_LEAST.get(compute.kind, 0),
    }  # fmt: skip


def _too_narrow(facts: _Facts, low: int, high: int) -> bool:
    """Whether the edges would confine an amount too much for who knows all others it is reckoned with."""
    kind, whole = facts.compute.kind, 100 if facts.field.unit == PER_HUNDRED else 1
    if kind in POINTS_APART:
        return high - low < POINTS_APART[kind] * whole
    if kind == "change":  # an amount in hundredths of the earlier one
        low, high = low + whole, high + whole
    least, most = sorted((abs(low), abs(high)))
    return low * high > 0 and most < LEAST_SPREAD * least


# --- what is read
# ------------------------------------------------------------------------------------------------


def _records_max(facts: Sequence[_Facts]) -> int:
    """As many as the contract gives at once; where records are one a month, as many as the longest window needs."""
    source = facts[0].source
    if not _monthly(source) or not all(
        fact.at == source.part[0] and _bounded(fact.compute) for fact in facts
    ):
        return source.records_max
    months = max(fact.compute.months + _months_back(fact.compute) for fact in facts)
    # Before the window may lie the month that is not over and those that the refresh promise leaves open; and one
    # more record shows that the window was read to its end.
    return min(months + -(-source.refresh_days // 28) + 2, RECORDS_READ_MAX)


def _monthly(source: Contract) -> bool:
    return len(source.part) == 1 and source.field_by_name[source.part[0]].type == "month"


def _bounded(compute: Compute) -> bool:
    """Whether the indicator looks back no further than its window."""
    return compute.months > 0 or compute.kind in ("latest", "since_latest")


def _months_back(compute: Compute) -> int:
    return (compute.compare or compute.months) if compute.kind == "change" else 0


# --- compiling
# ---------------------------------------------------------------------------------------------------


def _page(facts: Sequence[_Facts], records_max: int) -> _Page:
    sheet = Sheet(facts[0].source, records_max)
    results = [_result(fact, sheet) for fact in facts]
    fields = dict.fromkeys(used.name for fact in facts for used in fact.used)
    shape: Any = msgspec.defstruct("Needed", [(name, Any, None) for name in fields], gc=False)
    return _Page(
        msgspec.json.Decoder(list[shape]).decode,
        sheet.function(results),
        tuple(fact.field.name for fact in facts),
        tuple(map(_when_absent, facts)),
        (None,) * len(facts),
    )


def _result(facts: _Facts, sheet: Sheet) -> str:
    """The expression of one indicator in the form in which it leaves."""
    compute, natural = facts.compute, facts.natural
    scene = Scene(compute.where, facts.at, facts.rhythm)
    value, given, divisor = facts.kind.make(Making(sheet, compute, scene, facts.field.unit))
    divides = facts.kind.result in ("rate", "ratio")
    factor = 100 if divides and facts.field.unit == PER_HUNDRED else 1
    if compute.band:
        label = sheet.bind(_labeller(facts.contract, compute, natural, factor))
        value = f"{label}({value}, {divisor or 1})"
    elif natural == "decimal":
        value = f"{sheet.bind(decimal_text)}(({value}) * {factor}, {divisor or 1}, {compute.places})"
    elif natural in NUMBERS:
        whole = f"{sheet.bind(half_even)}({value}, {divisor})" if divisor else value
        value = f"{sheet.bind(_exact)}({whole})" if facts.kind.result != "integer" else whole
    return value if given == "True" else f"{value} if {given} else None"


def _exact(number: int) -> int | None:
    return number if -EXACT_MAX <= number <= EXACT_MAX else None


def _when_absent(facts: _Facts) -> Value:
    compute = facts.compute
    if compute.absent != "zero":
        return None
    if compute.kind == "exists":
        return False
    if compute.band:
        return _labeller(facts.contract, compute, facts.natural, 1)(0, 1)
    return decimal_text(0, 1, compute.places) if facts.natural == "decimal" else 0


BAND_SCALE = 10**6
"""Cuts of a decimal indicator's bands are in millionths: finer than any edge."""


def _labeller(
    contract: Contract, compute: Compute, natural: FieldType, factor: int
) -> Callable[[int, int], str]:
    """From a fraction to the label of its band."""
    table = contract.band_table_named(compute.band, {"money": 100, "decimal": BAND_SCALE}.get(natural, 1))
    scale = BAND_SCALE * factor if natural == "decimal" else 1

    def label(numerator: int, denominator: int) -> str:
        # Rounded down, so that nothing slips over an edge; but more than nothing is not zero.
        stored = numerator * scale // denominator
        return table.label_of(stored or (1 if numerator > 0 else 0))

    return label


# --- for people and the catalogue
# ---------------------------------------------------------------------------------


def describe(contract: Contract, field: Field, contracts: Mapping[str, Contract]) -> dict[str, Any]:
    """What an indicator means, from its contract: inputs, window, unit, what null means. JSON-ready."""
    facts = _facts(contract, field, contracts)
    return {
        "definition": field.description,
        "kind": facts.compute.kind,
        "kind_title": facts.kind.title,
        "inputs": [
            {
                "dataset": facts.source.id,
                "title": facts.source.title,
                "fields": [one.name for one in facts.used],
            }
        ],
        "unit": field.unit or None,
        "window": _window_in_words(facts),
        "null_means": _null_in_words(facts),
    }


def _window_in_words(facts: _Facts) -> str:
    compute, months = facts.compute, facts.compute.months
    if not months:
        return "全部已归集的记录" if facts.source.part else "现行记录"
    if facts.rhythm == "day":
        return f"截至查询当日的近 {months} 个月，按“{facts.source.field_by_name[facts.at].title}”"
    yearly = facts.rhythm == "year"
    one, several, size = ("年", "年", 12) if yearly else ("月", "个月", 1)
    ends = f"止于有记录的最近一{one}，不早于责任单位按更新约定已应提供的{one}份，不晚于上一{one}"
    words = f"近 {months // size} {several}（整{one}，{ends}）"
    if compute.kind == "change":
        words += f"，与 {_months_back(compute) // size} {several}前的同长窗口相比"
    return words


def _null_in_words(facts: _Facts) -> str:
    compute, title = facts.compute, facts.source.title
    if compute.absent == "zero":
        reasons = [f"“{title}”从未提供给本平台"]
    else:
        reasons = [f"没有该企业的“{title}”记录（未提供不代表不存在）"]
    reasons.extend(_REASONS_FOR_NULL.get(compute.kind, ()))
    if compute.at_least > 1:
        reasons.append(f"窗口内有数的不足 {compute.at_least} 期")
    if compute.kind == "sum" and compute.absent == "null":
        reasons.append(_NO_FIGURE)
    if compute.kind not in ("count", "distinct") and facts.source.part and not _monthly(facts.source):
        reasons.append("记录过多、未能全部计入")
    words = "空值表示：" + "；或".join(reasons) + "。"
    if compute.absent == "zero":
        words += f"“{title}”已提供而其中没有该企业的，为 {'否' if compute.kind == 'exists' else '0'}。"
    if compute.kind in ("count", "distinct") and facts.source.part:
        words += "一次计入的记录有上限，达到上限的是“至少”。"
    return words


_NO_FIGURE = "窗口内没有数值"
_NO_BASE = "基数不是正数"
_REASONS_FOR_NULL: dict[str, tuple[str, ...]] = {
    "mean": (_NO_FIGURE,),
    "min": (_NO_FIGURE,),
    "max": (_NO_FIGURE,),
    "latest": (_NO_FIGURE,),
    "holds": ("该企业的记录没有填写所看的数据项",),
    "ratio": (_NO_FIGURE, "除数不是正数"),
    "change": (_NO_FIGURE, "前一窗口合计不是正数"),
    "share": (_NO_FIGURE, _NO_BASE),
    "largest_share": (_NO_FIGURE, "有负数，或" + _NO_BASE),
    "variation": ("窗口内有数的不足 2 期", "平均值不是正数"),
    "trend": ("窗口内有数的不足 3 期", "平均值不是正数"),
    "since_latest": ("没有符合条件的日期",),
    "since_earliest": ("没有符合条件的日期",),
    "until_latest": ("没有期限",),
    "longest_gap": ("窗口以内及以前都没有符合条件的记录",),
    "missing": ("窗口以内及以前都没有符合条件的记录",),
    "consecutive": ("窗口以内及以前都没有符合条件的记录",),
}
