"""Contracts: what one data set is. One TOML file each under `contracts/`, read strictly at start.

A contract that contradicts itself stops the start with a `ContractError` that names file, field and reason.
Stored forms, all exact in JSON: money in integer fen (one hundredth of the currency's main unit, for every
currency; the field's name ends in ``_fen``), dates as ``2026-11-22``, months as ``2026-11``, decimals as
text, years as whole numbers.
"""

import hashlib
import keyword
import re
import tomllib
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.errors import HubError
from datasets.bands import BandTable, band_table, interval_table
from datasets.masks import MASKS

ViewKind = Literal["raw", "masked", "banded", "derived", "verify"]
FieldType = Literal["text", "code", "date", "month", "year", "money", "integer", "decimal", "boolean"]
SharingClass = Literal["open", "consented", "withheld"]
Mode = Literal["collected", "live", "verify", "derived"]
Period = Literal["event", "day", "month", "quarter", "year"]

VIEWS_OF_LEVEL: dict[int, frozenset[ViewKind]] = {
    1: frozenset({"raw", "masked", "banded", "derived", "verify"}),
    2: frozenset({"raw", "masked", "banded", "derived", "verify"}),
    3: frozenset({"raw", "masked", "banded", "derived", "verify"}),
    4: frozenset({"masked", "banded", "derived", "verify"}),
    5: frozenset({"masked", "verify"}),
}
"""The most a field of a level (after JR/T 0197-2020) may ever show, whatever contract and rules say."""

BANDABLE: frozenset[FieldType] = frozenset({"money", "integer"})
MASKABLE: frozenset[FieldType] = frozenset({"text", "code"})

UNITS: dict[str, int] = {"分": 1, "元": 100, "千元": 100_000, "万元": 1_000_000, "亿元": 10_000_000_000}
"""Fen in one of each unit that a source may use for money."""

UNIT_IN_TEXT = "in_text"
"""For a source column that writes the unit into each cell: 1,036.2000(万元人民币)."""

ComputeKind = Literal[
    "count", "exists", "holds", "distinct", "sum", "mean", "min", "max", "latest", "ratio", "change", "share",
    "largest_share", "variation", "trend", "since_latest", "since_earliest", "until_latest", "longest_gap",
    "missing", "consecutive",
]  # fmt: skip
"""How an indicator is made of records; what each kind means: `datasets.indicators.KINDS`."""

TEN_THOUSAND = "万"

KeyKind = Literal["name", "registration_number", "organisation_code", "taxpayer_number"]
"""By what a source may know an enterprise other than by its USCC; resolved through the registrations."""

PART_SEPARATOR = "\x1f"
"""Between the values of a part of several fields; cleaning leaves no such character in a value."""
PART_CHARACTERS_MAX = 600
"""of all fields of a part together: it must fit into an index entry (2,700 octets)"""

CATEGORIES = (
    "企业登记注册", "企业主要人员", "行政许可", "行政处罚", "司法判决及执行", "严重失信主体名单", "荣誉表彰", "政策支持",
    "纳税", "社会保险费", "住房公积金", "进出口", "水费", "电费", "燃气费", "不动产", "知识产权", "科技研发", "资质",
    "车辆", "信用评价", "环境信用", "企业自愿填报", "综合指标",
)  # fmt: skip
"""Of the working list of what is shared (not the official annex), and of what is computed from it."""

_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_DATASET_ID = re.compile(r"[a-z][a-z0-9_]{1,40}")


class ContractError(HubError):
    """A contract or rule file that contradicts itself; ``file``, ``field`` and the reason are in the message."""

    def __init__(self, file: str, field: str | None, message: str) -> None:
        where = f"{file}, field {field}" if field else file
        super().__init__("contract_error", f"{where}: {message}", file=file, field=field)


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Source(_Strict, frozen=True):
    """A column name under which a source delivers the field, and the unit of its figures."""

    name: str
    unit: str = ""


class BandSpec(_Strict, frozen=True):
    """``zero_apart`` false, for indicators only: edges may be negative, and zero is not told from what is beside it."""

    unit: str
    edges: tuple[int, ...]
    zero_apart: bool = True

    def table(self, name: str, stored_per_unit: int) -> BandTable:
        """Raises ValueError for edges that make no table."""
        make = band_table if self.zero_apart else interval_table
        return make(name, self.unit, self.edges, stored_per_unit)


class Condition(_Strict, frozen=True, rename={"among": "in", "not_among": "not_in", "state": "is"}):
    """What a record must be to take part in an indicator: one test of one field.

    ``in``: the value is one of these; ``not_in``: it is none of these, or nothing; ``begins``: the text begins
    with one of these; ``is``: given, empty, positive, yes, no, current (a date that is empty or not past) or past.
    """

    field: str
    among: tuple[str, ...] = ()
    not_among: tuple[str, ...] = ()
    begins: tuple[str, ...] = ()
    state: Literal["", "given", "empty", "positive", "yes", "no", "current", "past"] = ""


class Compute(_Strict, frozen=True):
    """How an indicator is computed from the records of one data set.

    ``of`` the figure (several fields: their sum), ``over`` what it is divided by, ``at`` the date, month or year
    that places a record in time (the first part field unless told), ``months`` the window back from the day of the
    question (0: all that is stored), ``compare`` how many months before lies the window compared with (that
    window's length unless told). ``at_least``: with fewer figures in the window the indicator is null.
    ``places`` after the decimal point; ``band``: give the range, not the figure. ``absent`` "zero": who has no
    record in a list that was delivered is not on it.
    """

    dataset: str
    kind: ComputeKind
    of: str | tuple[str, ...] = ()
    over: str | tuple[str, ...] = ()
    at: str = ""
    where: tuple[Condition, ...] = ()
    months: int = 0
    compare: int = 0
    at_least: int = 1
    places: int = 2
    band: str = ""
    absent: Literal["null", "zero"] = "null"

    @property
    def figure(self) -> tuple[str, ...]:
        return (self.of,) if isinstance(self.of, str) else self.of

    @property
    def divisor(self) -> tuple[str, ...]:
        return (self.over,) if isinstance(self.over, str) else self.over


class Field(_Strict, frozen=True):
    """One data item (数据项). ``minimum``/``maximum`` are in ``unit``; ``example`` is in the stored form."""

    name: str
    title: str
    title_en: str
    type: FieldType
    level: int
    views: tuple[ViewKind, ...]
    example: str | int | bool
    unit: str = ""
    sources: tuple[str | Source, ...] = ()
    required: bool = False
    mask: str = ""
    band: str = ""
    minimum: int | None = None
    maximum: int | None = None
    max_length: int = 500
    pattern: str = ""
    allowed: tuple[str, ...] = ()
    synonyms: dict[str, str] = {}
    earliest: date | None = None
    not_future: bool = False
    currency_field: str = ""
    currency_default: str = ""
    description: str = ""
    compute: Compute | None = None

    @property
    def aliases(self) -> tuple[Source, ...]:
        """Every column name that means this field; under its own name it is taken in the stored form."""
        named = (source if isinstance(source, Source) else Source(name=source) for source in self.sources)
        return (Source(name=self.name, unit="分" if self.type == "money" else ""), *named)


class LiveSpec(_Strict, frozen=True):
    """How the owner is asked at call time. A copy younger than ``fresh_minutes`` is given without asking again."""

    owner: str
    fresh_minutes: int
    timeout_seconds: int = 5


class Contract(_Strict, frozen=True, dict=True):
    """One data set (信息项目).

    ``part`` names the fields that tell several records of one enterprise apart, the one that orders them first;
    records are given from the greatest part down. ``other_keys``: source columns by which an enterprise can be
    found where the row has no USCC. ``existence_is_news``: whether a record's being there tells something by itself
    (penalties, arrears, honours), so that it takes a consent to hear of it; false where any enterprise stands anyhow.
    """

    id: str
    version: int
    title: str
    title_en: str
    category: str
    owner: str
    description: str
    sharing_class: SharingClass
    modes: tuple[Mode, ...]
    key: str
    key_sources: tuple[str, ...]
    part: tuple[str, ...]
    records_max: int
    period: Period
    refresh_days: int
    retention_months: int
    price_fen: int
    as_of: Literal["delivery", "part"]
    fields: tuple[Field, ...]
    other_keys: dict[KeyKind, tuple[str, ...]] = {}
    live: LiveSpec | None = None
    existence_is_news: bool = True
    bands: dict[str, BandSpec] = {}
    file: str = ""
    toml: str = ""
    """the text as it was read, comments and all; ``digest`` is its SHA-256"""
    digest: str = ""

    @cached_property
    def field_by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    @cached_property
    def band_tables(self) -> dict[str, BandTable]:
        """Band table by field name, for the fields that may be shown banded."""
        return {field.name: self.band_table_of(field) for field in self.fields if field.band}

    def band_table_of(self, field: Field) -> BandTable:
        return self.band_table_named(field.band, 100 if field.type == "money" else 1)

    def band_table_named(self, name: str, stored_per_unit: int) -> BandTable:
        """Raises ValueError for edges that make no table."""
        return self.bands[name].table(name, stored_per_unit)


def load_contract(path: Path) -> Contract:
    """Read and check one contract file. Raises `ContractError`."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ContractError(path.name, None, f"cannot be read: {error}") from error
    return read_contract(raw, file=path.name)


def read_contract(raw: bytes, *, file: str) -> Contract:
    """Read and check the text of a contract. Raises `ContractError`."""
    try:
        toml = raw.decode("utf-8")
        data = tomllib.loads(toml)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ContractError(file, None, f"cannot be read: {error}") from error
    contract = contract_from(data, file=file)
    return msgspec.structs.replace(contract, toml=toml, digest=hashlib.sha256(raw).hexdigest())


def contract_from(data: dict[str, Any], *, file: str) -> Contract:
    """Build and check a contract from parsed TOML, whose ``fields`` is a table by field name."""
    tables = data.get("fields")
    if not isinstance(tables, dict) or not tables:
        raise ContractError(file, None, "has no [fields.…] tables")
    fields = tuple(_field_from(name, table, file) for name, table in tables.items())
    bands = data.get("bands", {})
    fields = tuple(_with_band_labels(field, bands, file) for field in fields)
    rest = {key: value for key, value in data.items() if key not in ("fields", "file", "toml", "digest")}
    try:
        contract = msgspec.convert(rest | {"fields": fields, "file": file}, Contract)
    except msgspec.ValidationError as error:
        raise ContractError(file, None, str(error)) from error
    _check_contract(contract)
    for field in contract.fields:
        _check_field(contract, field)
    _check_aliases(contract)
    return contract


def _field_from(name: str, table: object, file: str) -> Field:
    if not _FIELD_NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ContractError(file, name, "a field name is a lower-case identifier")
    if not isinstance(table, dict):
        raise ContractError(file, name, "is not a table")
    try:
        return msgspec.convert({**table, "name": name}, Field)
    except msgspec.ValidationError as error:
        raise ContractError(file, name, str(error)) from error


def _with_band_labels(field: Field, bands: object, file: str) -> Field:
    """An indicator given as a band is a code, whose allowed values are the labels of the band."""
    if field.compute is None or not field.compute.band:
        return field
    name = field.compute.band
    try:
        spec = msgspec.convert(bands[name] if isinstance(bands, dict) else None, BandSpec)
        labels = spec.table(name, 1).labels
    except (KeyError, ValueError) as error:  # msgspec.ValidationError is a ValueError
        raise ContractError(
            file, field.name, f"compute.band {name!r} is not defined under [bands]"
        ) from error
    return msgspec.structs.replace(field, allowed=labels)


def _check_contract(contract: Contract) -> None:
    strangers = [name for name in contract.part if name not in contract.field_by_name]
    part = [contract.field_by_name[name] for name in contract.part if name not in strangers]
    complaints = {
        "id must be a lower-case identifier": not _DATASET_ID.fullmatch(contract.id),
        "the file must be named after its id": contract.file != f"{contract.id}.toml",
        f"category is none of {'、'.join(CATEGORIES)}": contract.category not in CATEGORIES,
        "version starts at 1": contract.version < 1,
        "key must be 'uscc' (other keys are resolved at the intake)": contract.key != "uscc",
        "the key is not among the fields: who asks states it": contract.key in contract.field_by_name,
        "modes is empty": not contract.modes,
        "records_max must be 1 to 1000": not 1 <= contract.records_max <= 1000,
        "a data set without part has one record per enterprise: records_max must be 1": not contract.part
        and contract.records_max != 1,
        f"part names no field: {', '.join(strangers)}": bool(strangers),
        "part names a field twice": len(set(contract.part)) < len(contract.part),
        "a field named by part must be required": not all(field.required for field in part),
        f"the fields of part may have {PART_CHARACTERS_MAX} characters together": sum(
            field.max_length for field in part if field.type == "text"
        )
        > PART_CHARACTERS_MAX,
        "as_of = 'part' needs a part that begins with a month, date or year": contract.as_of == "part"
        and (not part or part[0].type not in ("month", "date", "year")),
        "mode derived goes alone: its fields are computed, not delivered": "derived" in contract.modes
        and contract.modes != ("derived",),
        "mode live and the table [live] go together": ("live" in contract.modes)
        != (contract.live is not None),
        "live: fresh_minutes and timeout_seconds must not be negative": contract.live is not None
        and (contract.live.fresh_minutes < 0 or not 1 <= contract.live.timeout_seconds <= 30),
        "price_fen must not be negative": contract.price_fen < 0,
        "refresh_days and retention_months must be positive": min(
            contract.refresh_days, contract.retention_months
        )
        < 1,
    }
    for complaint, broken in complaints.items():
        if broken:
            raise ContractError(contract.file, None, complaint)


def _check_field(contract: Contract, field: Field) -> None:
    complaints = {
        **_complaints_about_views(contract, field),
        **_complaints_about_values(field),
        **_complaints_about_currency(contract, field),
        **_complaints_about_compute(contract, field),
    }
    for complaint, broken in complaints.items():
        if broken:
            raise ContractError(contract.file, field.name, complaint)
    if field.band:
        try:
            contract.band_table_of(field)
        except ValueError as error:
            raise ContractError(contract.file, field.name, f"bands.{field.band}: {error}") from error


def _complaints_about_views(contract: Contract, field: Field) -> dict[str, bool]:
    too_much = sorted(set(field.views) - VIEWS_OF_LEVEL.get(field.level, frozenset()))
    return {
        "level must be 1 to 5": field.level not in VIEWS_OF_LEVEL,
        f"level {field.level} never permits {', '.join(too_much)}": bool(too_much),
        "a view is named twice": len(set(field.views)) < len(field.views),
        "may be masked but names no mask": "masked" in field.views and not field.mask,
        f"mask {field.mask!r} is not one of {', '.join(MASKS)}": bool(field.mask) and field.mask not in MASKS,
        "names a mask but may not be masked": bool(field.mask) and "masked" not in field.views,
        f"a field of type {field.type} cannot be masked": bool(field.mask) and field.type not in MASKABLE,
        "may be banded but names no band": "banded" in field.views and not field.band,
        f"band {field.band!r} is not defined under [bands]": bool(field.band)
        and field.band not in contract.bands,
        "names a band but may not be banded": bool(field.band) and "banded" not in field.views,
        "zero_apart = false is for the bands of indicators": field.band in contract.bands
        and not contract.bands[field.band].zero_apart,
        f"a field of type {field.type} cannot be banded": bool(field.band) and field.type not in BANDABLE,
    }


def _complaints_about_values(field: Field) -> dict[str, bool]:
    money = field.type == "money"
    numeric = field.type in ("money", "integer", "decimal")
    source_units = {source.unit for source in field.aliases}
    return {
        "money is stored in fen: its name must end in _fen, and only its": money
        != field.name.endswith("_fen"),
        "money needs unit 元": money and field.unit != "元",
        f"a source has an unknown unit: {', '.join(sorted(source_units))}": not source_units
        <= ({"", *UNITS, UNIT_IN_TEXT} if money else _units_of_quantity(field)),
        "every money source must state its unit": money and "" in source_units,
        "minimum and maximum are for numbers": not numeric and (field.minimum, field.maximum) != (None, None),
        "minimum is above maximum": None not in (field.minimum, field.maximum)
        and (field.minimum or 0) > (field.maximum or 0),
        "pattern is not a regular expression": not _compiles(field.pattern),
        "a code needs its allowed values": field.type == "code" and not field.allowed,
        "allowed, synonyms are for codes": field.type != "code" and bool(field.allowed or field.synonyms),
        "a synonym leads to a value that is not allowed": not set(field.synonyms.values())
        <= set(field.allowed),
        "earliest, not_future are for dates, months and years": field.type not in ("date", "month", "year")
        and (field.earliest is not None or field.not_future),
        "max_length must be positive": field.max_length < 1,
    }


def _units_of_quantity(field: Field) -> set[str]:
    """A source may give a quantity in ten thousands of its unit: 万千瓦时."""
    return {"", TEN_THOUSAND + field.unit} if field.type == "decimal" and field.unit else {""}


def _complaints_about_currency(contract: Contract, field: Field) -> dict[str, bool]:
    companion = contract.field_by_name.get(field.currency_field)
    return {
        "currency_field is for money": bool(field.currency_field) and field.type != "money",
        f"currency_field {field.currency_field!r} is not a code field of this contract": bool(
            field.currency_field
        )
        and (companion is None or companion.type != "code"),
        "currency_field and currency_default go together": bool(field.currency_field)
        != bool(field.currency_default),
        "currency_default is not an allowed value of currency_field": companion is not None
        and field.currency_default not in companion.allowed,
    }


def _complaints_about_compute(contract: Contract, field: Field) -> dict[str, bool]:
    derived = "derived" in contract.modes
    compute = field.compute
    return {
        "says nothing about how to compute it": derived and compute is None,
        "is computed: only a data set of mode derived may do so": not derived and compute is not None,
        "a computed field has the view derived and no other": derived and field.views != ("derived",),
        "a computed field is not delivered: it has no sources and is not required": derived
        and (bool(field.sources) or field.required),
        "an indicator needs its definition as description": derived and not field.description,
        "an indicator given as a band is of type code": compute is not None
        and bool(compute.band)
        and field.type != "code",
        "months, compare, at_least and places must not be negative, places at most 6": compute is not None
        and (
            min(compute.months, compute.compare, compute.at_least, compute.places) < 0 or compute.places > 6
        ),
    }


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _check_aliases(contract: Contract) -> None:
    taken = {normalised_header(name): contract.key for name in (contract.key, *contract.key_sources)}
    for kind, names in contract.other_keys.items():
        for name in names:
            if taken.setdefault(normalised_header(name), kind) != kind:
                raise ContractError(contract.file, None, f"other_keys: {name!r} is named twice")
    for field in contract.fields:
        for source in field.aliases:
            header = normalised_header(source.name)
            # A column that finds the enterprise may be a field as well: the name, say.
            if taken.setdefault(header, field.name) not in (field.name, *contract.other_keys):
                raise ContractError(
                    contract.file, field.name, f"source {source.name!r} already means field {taken[header]}"
                )


_BLANKS_IN_HEADER = re.compile(r"[\s\ufeff\u200b]+")


def normalised_header(name: str) -> str:
    """A column name as it is compared: no blanks or BOM anywhere, half-width, lower case."""
    half_width = name.translate({full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)})
    return _BLANKS_IN_HEADER.sub("", half_width).casefold()
