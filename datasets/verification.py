"""Verification (数据核验): the bank states, the hub says match, mismatch or unknown, and never a value.

Every yes or no tells something, so what may be asked is bounded here, whoever asks and how often
(docs/decisions/0005-verification-is-not-an-oracle.md). A figure is compared with bounds of one public scale only,
the same for every bank and for ever: however many answers are put together, they tell between which two
neighbouring bounds the figure lies, and no more. What is guessed instead (an exact amount, a name, a number) costs
a share of the allowance that `ledger.claim_probes` keeps.

Pure: statements and stored bodies in, verdicts out; the same arguments give the same verdicts.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec

from core.errors import InvalidInput
from core.identifiers import HALF_WIDTH
from datasets.amounts import FEN_MAX, UncleanError
from datasets.cleaning import NULL_WORDS, clean_text, parse_date, parse_month
from datasets.contract import PART_SEPARATOR, Contract, Field, FieldType
from datasets.views import View

Kind = Literal["exact", "tolerance", "at_least", "member", "belongs"]
Result = Literal["match", "mismatch", "unknown"]
Figure = int | Decimal
"""Money in fen, integers as they are, decimals as `Decimal`."""
PartValue = str | int

STATEMENTS_MAX = 20
VALUES_MAX = 20
TOLERANCE_PERCENT = (10, 50)

FIGURES: frozenset[FieldType] = frozenset({"money", "integer", "decimal"})
_KINDS_OF_FIGURE: dict[FieldType, frozenset[Kind]] = {
    # A count or a share takes few values: whoever may name them one by one need not ask for a range.
    "money": frozenset({"exact", "tolerance", "at_least"}),
    "integer": frozenset({"tolerance", "at_least"}),
    "decimal": frozenset({"tolerance", "at_least"}),
}


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a bank states of one field. Values are in the stored form: money in fen, decimals as text, dates as
    ``2026-11-22``, months as ``2026-11``.

    ``part`` tells which record: the value of the contract's part field, or a list of them where it has several;
    left out, the latest record is meant. ``values`` is for ``member``, ``value`` for every other kind.
    """

    field: str
    kind: Kind
    value: str | int | bool | None = None
    values: tuple[str | int, ...] = ()
    tolerance_percent: int | None = None
    part: PartValue | tuple[PartValue, ...] | None = None


class Verdict(msgspec.Struct, frozen=True):
    """``part`` is the record that was compared, None where that itself is not for the bank's eyes; of an unknown it
    repeats the statement. ``between`` is what a tolerance was widened to, lower bound in, upper bound out, None
    where open."""

    field: str
    kind: Kind
    part: PartValue | tuple[PartValue, ...] | None
    result: Result
    between: tuple[int | str | None, int | str | None] | None = None


class Probe(NamedTuple):
    """What one statement takes of what may be asked about a field in a month; `ledger.claim_probes` counts it.

    ``own_max`` is the allowance of one bank, ``all_max`` that of all banks together. A ``guess`` names a figure to
    the last digit and is counted for that figure (field and part) as well.
    """

    number: int
    field: str
    part: str
    kind: Kind
    cost: int
    own_max: int
    all_max: int
    guess: bool


class Allowance(NamedTuple):
    """How many figures, or values, may be asked about one field of one enterprise in a month (China's time)."""

    own: int
    everyone: int


FIGURE_ALLOWANCE = Allowance(6, 24)
CODED_ALLOWANCE = Allowance(3, 12)
"""codes, yes or no, dates, months, years: few values, each answer tells much"""
SENSITIVE_ALLOWANCE = Allowance(3, 12)
"""text of level 4 and 5: numbers of identity cards, telephones"""
DOCUMENT_ALLOWANCE = Allowance(10, 40)
"""numbers of certificates and documents: text that tells records apart"""
TEXT_ALLOWANCE = Allowance(20, 80)


def allowance_of(contract: Contract, field: Field) -> Allowance:
    if field.type in FIGURES:
        return FIGURE_ALLOWANCE
    if field.type != "text":
        return CODED_ALLOWANCE
    if field.level >= 4:
        return SENSITIVE_ALLOWANCE
    return DOCUMENT_ALLOWANCE if _is_document_number(contract, field) else TEXT_ALLOWANCE


def offer_of(contract: Contract, field: Field) -> dict[str, Any]:
    """How a field may be verified, for the catalogue."""
    kinds = _KINDS_OF_FIGURE.get(field.type) or {"exact", "member"} | (
        {"belongs"} if _is_document_number(contract, field) else set()
    )
    return {"kinds": sorted(kinds), **allowance_of(contract, field)._asdict()}


def _is_document_number(contract: Contract, field: Field) -> bool:
    return field.type == "text" and field.name in contract.part


# --- bounds
# -----------------------------------------------------------------------------------------------------

_STEPS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
_SMALLEST: dict[FieldType, tuple[Figure, ...]] = {"money": (0, 1), "integer": (0, 1), "decimal": (0,)}
"""Whether there is anything at all may always be asked; bands tell it too."""
_FLOOR: dict[FieldType, Figure] = {"money": 100_000, "integer": 10, "decimal": Decimal("0.01")}
"""The first bound above: 1,000 yuan, a count of 10, 0.01. What lies below is told apart from nothing only."""
_TOP: dict[FieldType, Figure] = {"money": FEN_MAX, "integer": FEN_MAX, "decimal": Decimal(10**12)}


def bounds_of(contract: Contract, field: Field) -> tuple[Figure, ...]:
    """Every bound that a figure may be compared with, rising, in the stored form; below zero as above it.

    Neighbours are at least a fifth apart (larger ≥ 1.2 × smaller), and so are a bound and an edge of the field's
    bands, unless they coincide: a bank that sees the band as well learns no narrower range.
    """
    edges = contract.band_tables[field.name].cuts[2:] if field.band else ()
    return _bounds(field.type, edges)


@lru_cache(maxsize=1024)
def _bounds(kind: FieldType, edges: tuple[int, ...]) -> tuple[Figure, ...]:
    floor, top = _FLOOR[kind], _TOP[kind]
    bounds: list[Figure] = []
    for edge in edges:
        if floor <= edge <= top and (not bounds or apart(bounds[-1], edge)):
            bounds.append(edge)
    steps = (floor * step * 10**power / 10 if kind == "decimal" else int(floor) * step * 10**power // 10
             for power in range(16) for step in _STEPS)  # fmt: skip
    bounds += [step for step in steps if step <= top and all(apart(step, edge) for edge in edges)]
    bounds.sort()
    return (*(-bound for bound in reversed(bounds)), *_SMALLEST[kind], *bounds)


def apart(one: Figure, other: Figure) -> bool:
    """Whether two positive figures are at least a fifth apart."""
    low, high = sorted((one, other))
    return high * 5 >= low * 6


# --- statements
# -------------------------------------------------------------------------------------------------


class _Wrong(Exception):
    """What is wrong with a statement: which member of it, and in words."""

    def __init__(self, where: str, words: str) -> None:
        super().__init__(words)
        self.where = where


class Check(NamedTuple):
    """A statement that may be asked, understood."""

    statement: Statement
    part: tuple[object, ...] | None
    """the values of the part's fields, as they are stored; None for the latest record"""
    holds: Callable[[Any], bool]
    """of a stored value that is there"""
    between: tuple[Figure | None, Figure | None] | None
    cost: int
    allowance: Allowance
    guess: bool


@dataclass(frozen=True)
class Checks:
    """All statements of one question, in their order."""

    part: tuple[str, ...]
    part_is_open: bool
    """whether a bank may be told which record was compared: the fields that tell records apart may be shown raw"""
    records_max: int
    checks: tuple[Check, ...]


def check_statements(contract: Contract, view: View, statements: Sequence[Statement]) -> Checks:
    """Understand what is stated. Raises `InvalidInput` ``statements_invalid`` with every statement that is wrong."""
    if not 1 <= len(statements) <= STATEMENTS_MAX:
        raise InvalidInput(
            "statements_invalid",
            errors={"statements": f"应有 1 至 {STATEMENTS_MAX} 条，收到 {len(statements)} 条"},
        )
    checks: list[Check] = []
    errors: dict[str, str] = {}
    for number, statement in enumerate(statements):
        try:
            checks.append(_check(contract, view, statement))
        except _Wrong as wrong:
            errors[f"statements[{number}].{wrong.where}"] = str(wrong)
    if errors:
        raise InvalidInput("statements_invalid", errors=errors)
    return Checks(contract.part, _part_is_open(contract), contract.records_max, tuple(checks))


def _check(contract: Contract, view: View, statement: Statement) -> Check:
    field = contract.field_by_name.get(statement.field)
    if field is None or view.fields.get(field.name) != "verify":
        raise _Wrong("field", "该数据项不提供核验")
    _refuse_strange_members(statement)
    allowance = allowance_of(contract, field)
    part = _part_of(contract, statement)
    if field.type in FIGURES:
        holds, between = _figure_check(contract, field, statement)
        return Check(statement, part, holds, between, 1, allowance, statement.kind == "exact")
    wanted = _words_of(contract, field, statement)
    cost = len(statement.values) or 1
    if cost > min(VALUES_MAX, allowance.own):
        raise _Wrong("values", f"“{field.title}”一次最多列 {min(VALUES_MAX, allowance.own)} 个值")
    return Check(statement, part, lambda stored: _comparable(stored) in wanted, None, cost, allowance, False)


def _refuse_strange_members(statement: Statement) -> None:
    """Each kind has its own members; one too many would be ignored silently."""
    member = statement.kind == "member"
    if member != bool(statement.values):
        raise _Wrong("values", "member 须列出 values，其他方式不用 values")
    if member != (statement.value is None):
        raise _Wrong("value", "member 不用 value，其他方式须填 value")
    if (statement.kind == "tolerance") != (statement.tolerance_percent is not None):
        raise _Wrong("tolerance_percent", "tolerance 须填 tolerance_percent，其他方式不用")
    least, most = TOLERANCE_PERCENT
    if statement.tolerance_percent is not None and not least <= statement.tolerance_percent <= most:
        raise _Wrong("tolerance_percent", f"应为 {least} 至 {most} 的整数")


def _part_is_open(contract: Contract) -> bool:
    return all("raw" in contract.field_by_name[name].views for name in contract.part)


def _part_of(contract: Contract, statement: Statement) -> tuple[object, ...] | None:
    stated = statement.part
    if stated is None:
        return None
    if not _part_is_open(contract):
        # A guess that finds its record would be confirmed past the allowance of the field that was guessed.
        raise _Wrong("part", "该信息项目的各条记录由不公开的数据项区分，不能指定某一条；请用 belongs 核对")
    if statement.kind == "belongs" or not contract.part:
        raise _Wrong("part", "belongs 在全部记录中查找；只有一条记录的信息项目也不用 part")
    values = stated if isinstance(stated, tuple) else (stated,)
    if len(values) != len(contract.part):
        raise _Wrong("part", f"应按次序给出：{'、'.join(contract.part)}")
    fields = [contract.field_by_name[name] for name in contract.part]
    try:
        return tuple(_stored_word(field, value) for field, value in zip(fields, values, strict=True))
    except UncleanError as problem:
        raise _Wrong("part", problem.hint) from problem


def _figure_check(
    contract: Contract, field: Field, statement: Statement
) -> tuple[Callable[[Any], bool], tuple[Figure | None, Figure | None] | None]:
    if statement.kind not in _KINDS_OF_FIGURE[field.type]:
        offered = "、".join(sorted(_KINDS_OF_FIGURE[field.type]))
        raise _Wrong("kind", f"“{field.title}”可用的方式：{offered}")
    stated = _figure(field, statement.value)
    if statement.kind == "exact":
        return lambda stored: stored == stated, None
    bounds = bounds_of(contract, field)
    if statement.kind == "at_least":
        _refuse_between_bounds(bounds, stated)
        return lambda stored: _as_figure(stored) >= stated, None
    assert statement.tolerance_percent is not None
    low, high = widened(bounds, stated, statement.tolerance_percent)
    return lambda stored: _lies_between(_as_figure(stored), low, high), (low, high)


def _figure(field: Field, value: object) -> Figure:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= FEN_MAX:
        return Decimal(value) if field.type == "decimal" else value
    if field.type == "decimal" and isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Decimal(value)
    raise _Wrong("value", f"“{field.title}”应为{_FORMS[field.type]}")


_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_FORMS = {"money": "以分为单位的整数", "integer": "整数", "decimal": "写成文字的小数，例如 12.5"}


def _refuse_between_bounds(bounds: tuple[Figure, ...], stated: Figure) -> None:
    place = bisect_left(bounds, stated)
    if place < len(bounds) and bounds[place] == stated:
        return
    neighbours = "、".join(str(_plain(bound)) for bound in bounds[max(place - 1, 0) : place + 1])
    raise _Wrong("value", f"只能与刻度上的数比较，最近的是：{neighbours}")


def widened(bounds: tuple[Figure, ...], stated: Figure, percent: int) -> tuple[Figure | None, Figure | None]:
    """From the last bound not above ``stated`` less the tolerance to the first one above ``stated`` plus it."""
    slack = abs(Decimal(stated)) * percent / 100
    first, last = bisect_right(bounds, stated - slack) - 1, bisect_right(bounds, stated + slack)
    return bounds[first] if first >= 0 else None, bounds[last] if last < len(bounds) else None


def _lies_between(figure: Figure, low: Figure | None, high: Figure | None) -> bool:
    return (low is None or low <= figure) and (high is None or figure < high)


def _as_figure(stored: Any) -> Figure:
    return Decimal(stored) if isinstance(stored, str) else stored


def _plain(figure: Figure | None) -> int | str | None:
    if isinstance(figure, Decimal):
        # normalize() alone would write 1E+2
        return f"{figure.normalize():f}" if figure else "0"
    return figure


# --- words: text, codes, yes or no, dates
# -----------------------------------------------------------------------


def _words_of(contract: Contract, field: Field, statement: Statement) -> frozenset[object]:
    if statement.kind in ("tolerance", "at_least"):
        raise _Wrong("kind", f"“{field.title}”不是数字，可用的方式：exact、member")
    if statement.kind == "belongs" and not _is_document_number(contract, field):
        raise _Wrong("kind", f"“{field.title}”不是证照或文书的编号，可用的方式：exact、member")
    stated = statement.values or (statement.value,)
    try:
        return frozenset(_comparable(_stored_word(field, value)) for value in stated)
    except UncleanError as problem:
        raise _Wrong("values" if statement.values else "value", problem.hint) from problem


def _stored_word(field: Field, value: object) -> str | int | bool:
    """A stated value as the intake would store it. Raises `UncleanError`."""
    if field.type == "boolean":
        if isinstance(value, bool):
            return value
        raise UncleanError("boolean_unreadable", f"“{field.title}”应为 true 或 false")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UncleanError("pattern_mismatch", f"“{field.title}”应为文字")
    if field.type in ("year", "integer"):
        return _whole_number(field, value)
    if len(str(value)) > field.max_length or (text := clean_text(str(value))) in NULL_WORDS:
        raise UncleanError("too_long", f"“{field.title}”应有 1 至 {field.max_length} 字")
    return _READINGS.get(field.type, _as_text)(field, text)


def _whole_number(field: Field, value: str | int) -> int:
    if isinstance(value, int) or re.fullmatch("[0-9]{1,9}", value):
        return int(value)
    raise UncleanError("number_unreadable", f"“{field.title}”应为整数")


def _as_text(field: Field, text: str) -> str:
    return text.upper() if field.pattern else text


def _as_code(field: Field, text: str) -> str:
    meaning = {word.casefold(): value for word, value in field.synonyms.items()}
    meaning |= {value.casefold(): value for value in field.allowed}
    if text.casefold() not in meaning:
        raise UncleanError(
            "not_in_code_list", f"“{field.title}”可用的值：{'、'.join(field.allowed[:VALUES_MAX])}"
        )
    return meaning[text.casefold()]


def _as_date(field: Field, text: str) -> str:
    found = parse_date(text)
    if found is None:
        raise UncleanError("sentinel_date", f"“{field.title}”应为一个日期，例如 2026-11-22")
    return found.isoformat()


def _as_month(field: Field, text: str) -> str:
    found = parse_month(text)
    if found is None:
        raise UncleanError("sentinel_date", f"“{field.title}”应为一个月份，例如 2026-11")
    return f"{found:%Y-%m}"


_READINGS: dict[FieldType, Callable[[Field, str], str]] = {
    "code": _as_code,
    "date": _as_date,
    "month": _as_month,
}

_BLANKS = re.compile(r"\s+")


def _comparable(stored: object) -> object:
    """Text as it is compared: cleaned as at the intake, and no matter how wide, how spaced or in which case."""
    if not isinstance(stored, str):
        return stored
    return _BLANKS.sub("", clean_text(stored).translate(HALF_WIDTH)).casefold()


# --- verdicts
# ---------------------------------------------------------------------------------------------------

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


def verify(checks: Checks, bodies: str | bytes) -> list[Verdict]:
    """One verdict per statement, in order. ``bodies``: a JSON array of records, the latest first.

    No record, a record without a value and a record that may not be spoken of are one and the same "unknown".
    """
    records = _decode(bodies)
    return [_verdict(checks, check, records) for check in checks.checks]


def answers_anything(verdicts: Sequence[Verdict]) -> bool:
    """Whether the hub knew anything. If not, the answer is "nothing found", whatever lay on the shelf."""
    return any(verdict.result != "unknown" for verdict in verdicts)


def probes_of(checks: Checks, bodies: str | bytes) -> tuple[Probe, ...]:
    """What these statements cost, each named for the record that it is about."""
    records = _decode(bodies)
    return tuple(
        Probe(
            number,
            check.statement.field,
            _stored_part(checks, check, records),
            check.statement.kind,
            check.cost,
            *check.allowance,
            check.guess,
        )
        for number, check in enumerate(checks.checks)
    )


def _stored_part(checks: Checks, check: Check, records: list[dict[str, Any]]) -> str:
    """As `records` stores it; empty where all records are meant, or the latest of none."""
    if check.statement.kind == "belongs":
        return ""
    record = _record_of(checks, check, records)
    part = check.part or () if record is None else _part_in(checks, record)
    return PART_SEPARATOR.join(map(str, part))


def _verdict(checks: Checks, check: Check, records: list[dict[str, Any]]) -> Verdict:
    statement = check.statement
    between = None if check.between is None else (_plain(check.between[0]), _plain(check.between[1]))
    if statement.kind == "belongs":
        return Verdict(statement.field, statement.kind, None, _belongs(checks, check, records))
    record = _record_of(checks, check, records)
    stored = None if record is None else record.get(statement.field)
    if record is None or stored is None:
        return Verdict(statement.field, statement.kind, statement.part, "unknown", between)
    compared = _part_in(checks, record) if checks.part_is_open else ()
    part = compared[0] if len(compared) == 1 else compared or None
    result: Result = "match" if check.holds(stored) else "mismatch"
    return Verdict(statement.field, statement.kind, part, result, between)


def _belongs(checks: Checks, check: Check, records: list[dict[str, Any]]) -> Result:
    """Among more records than are read, one that was not found may still be there."""
    if any(check.holds(stored) for stored in _values(records, check.statement.field)):
        return "match"
    return "mismatch" if 0 < len(records) < checks.records_max else "unknown"


def _values(records: list[dict[str, Any]], field: str) -> Iterator[Any]:
    return (record[field] for record in records if record.get(field) is not None)


def _record_of(checks: Checks, check: Check, records: list[dict[str, Any]]) -> dict[str, Any] | None:
    if check.part is None:
        return records[0] if records else None
    wanted = [_comparable(value) for value in check.part]
    same = (
        record for record in records if [_comparable(value) for value in _part_in(checks, record)] == wanted
    )
    return next(same, None)


def _part_in(checks: Checks, record: dict[str, Any]) -> tuple[PartValue, ...]:
    return tuple(record[name] for name in checks.part)
