"""The catalogue: all contracts and rule sets, checked and compiled at start, then a dictionary look-up.

The newest rule set decides what leaves; views of earlier ones stay known by their id, so that what was once
handed over can be explained and replayed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from core.errors import Refused
from datasets.bands import in_words
from datasets.cleaning import RowCleaner
from datasets.contract import Contract, ContractError, Field, Mode, ViewKind, load_contract
from datasets.sharing import ParticipantClass, Purpose, RuleSet, load_rule_set
from datasets.views import FieldDecision, View, compile_view

CONTRACTS = Path(__file__).parent / "contracts"
RULES = Path(__file__).parent / "rules"

VIEW_TITLES: dict[ViewKind, tuple[str, str]] = {
    "raw": ("原样", "as it is"),
    "masked": ("部分遮盖", "partly hidden"),
    "banded": ("所在区间", "the range it lies in"),
    "derived": ("计算结果", "derived"),
    "verify": ("核对结果", "verified only"),
}

ABSENCE_NOTE = "未提供不代表不存在"

_JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_EXAMPLE_USCC = "91350100M000100Y43"  # the worked example of GB 32100-2015
_EXAMPLE_DAY = date(2100, 1, 1)


class NoRule(Refused):
    """No view for such a question: its participant class, purpose, data set or mode is not in the catalogue."""


@dataclass(frozen=True, slots=True)
class PreviewField:
    """One field as the enterprise sees it before it says yes; ``example`` None where nothing leaves."""

    field: str
    title: str
    view: ViewKind | None
    view_title: str
    example: str | None
    because: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a bank will see of one data set, with made-up values."""

    dataset: str
    title: str
    owner: str
    description: str
    shown: tuple[PreviewField, ...]
    withheld: tuple[PreviewField, ...]


@dataclass(frozen=True)
class Catalogue:
    """Made once by `load_catalogue`, never changed."""

    contracts: dict[str, Contract]
    rule_set: RuleSet
    _views: dict[tuple[str, str, str, str], View]
    _views_by_id: dict[str, View]

    @property
    def purposes(self) -> dict[str, Purpose]:
        return self.rule_set.purposes

    @property
    def participant_classes(self) -> dict[str, ParticipantClass]:
        return self.rule_set.participants

    def view_for(self, participant_class: str, purpose: str, dataset: str, mode: Mode = "collected") -> View:
        """What this asker gets; nothing at all where ``lets_out`` is false. Raises `NoRule`."""
        view = self._views.get((participant_class, purpose, dataset, mode))
        if view is None:
            raise self._no_rule(participant_class, purpose, dataset, mode)
        return view

    def view_by_id(self, view_id: str) -> View | None:
        """The view that an earlier answer names; None if its contract or rules are no longer here."""
        return self._views_by_id.get(view_id)

    def answerable(self, participant_class: str, purpose: str, mode: Mode = "collected") -> tuple[str, ...]:
        """The data sets of which this asker would get at least one field."""
        return tuple(
            view.dataset
            for (asker, for_what, _, how), view in self._views.items()
            if (asker, for_what, how) == (participant_class, purpose, mode) and view.lets_out
        )

    def previews(
        self, participant_class: str, purpose: str, datasets: Iterable[str], mode: Mode = "collected"
    ) -> list[Preview]:
        """For the page on which the enterprise decides. Raises `NoRule`."""
        return [example_answer(self.view_for(participant_class, purpose, name, mode)) for name in datasets]

    def as_json(self) -> dict[str, Any]:
        """For ``GET /v1/catalogue``: made once, do not change it."""
        return self._json

    @cached_property
    def _json(self) -> dict[str, Any]:
        return {
            "rule_set": {
                "id": self.rule_set.id,
                "title": self.rule_set.title,
                "title_en": self.rule_set.title_en,
                "digest": self.rule_set.digest,
            },
            "participant_classes": _titles(self.participant_classes),
            "purposes": _titles(self.purposes),
            "views": {kind: {"title": zh, "title_en": en} for kind, (zh, en) in VIEW_TITLES.items()},
            "datasets": [self._dataset_json(contract) for contract in self.contracts.values()],
            "note": ABSENCE_NOTE,
        }

    def _dataset_json(self, contract: Contract) -> dict[str, Any]:
        views = [view for key, view in self._views.items() if key[2] == contract.id]
        return {
            "id": contract.id,
            "version": contract.version,
            "title": contract.title,
            "title_en": contract.title_en,
            "category": contract.category,
            "owner": contract.owner,
            "description": contract.description,
            "sharing_class": contract.sharing_class,
            "modes": contract.modes,
            "key": contract.key,
            "part": contract.part,
            "period": contract.period,
            "refresh_days": contract.refresh_days,
            "retention_months": contract.retention_months,
            "records_max": contract.records_max,
            "price_fen": contract.price_fen,
            "fields": [_field_json(contract, field) for field in contract.fields],
            "answers": [
                {
                    "participant_class": view.participant_class,
                    "purpose": view.purpose,
                    "mode": view.mode,
                    "view_id": view.view_id,
                    "views": view.fields,
                    "withheld": view.withheld,
                    "schema": answer_schema(view),
                }
                for view in views
                if view.lets_out
            ],
        }

    def _no_rule(self, participant_class: str, purpose: str, dataset: str, mode: str) -> NoRule:
        for reason, message, known in (
            ("dataset_unknown", "没有这个信息项目", dataset in self.contracts),
            ("purpose_unknown", "没有这个用途", purpose in self.purposes),
            ("participant_class_unknown", "没有这类接入机构", participant_class in self.participant_classes),
        ):
            if not known:
                return NoRule(reason, message)
        return NoRule("mode_not_offered", f"该信息项目不以此方式提供：{mode}")


def load_catalogue(contracts: Path = CONTRACTS, rules: Path = RULES) -> Catalogue:
    """Read every contract and rule file and compile every view. Raises `ContractError`."""
    known = {contract.id: contract for contract in map(load_contract, _files(contracts))}
    for contract in known.values():
        check_examples(contract)
    rule_sets = [load_rule_set(path) for path in _files(rules)]
    newest = max(rule_sets, key=lambda rule_set: rule_set.id)
    views = {rule_set.id: dict(_compiled(known.values(), rule_set)) for rule_set in rule_sets}
    by_id = {view.view_id: view for compiled in views.values() for view in compiled.values()}
    return Catalogue(known, newest, views[newest.id], by_id)


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.toml"))
    if not found:
        raise ContractError(folder.name, None, "there is no file")
    return found


def _compiled(
    contracts: Iterable[Contract], rule_set: RuleSet
) -> Iterator[tuple[tuple[str, str, str, str], View]]:
    for contract, asker, purpose in product(contracts, rule_set.participants, rule_set.purposes):
        for mode in contract.modes:
            yield (asker, purpose, contract.id, mode), compile_view(contract, rule_set, asker, purpose, mode)


def check_examples(contract: Contract) -> None:
    """Every example must pass the contract's own cleaning unchanged. Raises `ContractError`."""
    header = [contract.key, *contract.field_by_name]
    cells = [_EXAMPLE_USCC, *(_as_cell(field.example) for field in contract.fields)]
    cleaned = RowCleaner(contract, header, _EXAMPLE_DAY).clean(cells)
    if isinstance(cleaned, list):
        fault = cleaned[0]
        raise ContractError(contract.file, fault.field, f"its own example is refused: {fault.reason}")
    for field in contract.fields:
        if cleaned.body[field.name] != field.example:
            stored = cleaned.body[field.name]
            raise ContractError(
                contract.file, field.name, f"its example is stored as {stored!r}: write it so"
            )


def _as_cell(example: str | int | bool) -> str:
    if isinstance(example, bool):
        return "是" if example else "否"
    return str(example)


# --- for people
# -------------------------------------------------------------------------------------------------


def example_answer(view: View) -> Preview:
    """What the asker of this view will see, field by field, with the contract's example values."""
    contract = view.contract
    [example] = view.apply([{field.name: field.example for field in contract.fields}])
    fields = [
        _preview_field(contract.field_by_name[decision.field], decision, example.get(decision.field))
        for decision in view.decisions
    ]
    return Preview(
        contract.id,
        contract.title,
        contract.owner,
        contract.description,
        shown=tuple(field for field in fields if field.view is not None),
        withheld=tuple(field for field in fields if field.view is None),
    )


def _preview_field(field: Field, decision: FieldDecision, value: object) -> PreviewField:
    shown = decision.view
    title = VIEW_TITLES[shown][0] if shown else "不提供"
    example = readable(field, shown, value) if shown else None
    return PreviewField(field.name, field.title, shown, title, example, decision.because)


def readable(field: Field, view: ViewKind, value: object) -> str:
    """A value of an answer as a person reads it: 5,000,000.00 元; the band [5000,7000) as 5000 至 7000 元."""
    if value is None:
        return "（无）"
    if isinstance(value, bool):
        return "是" if value else "否"
    if view == "banded":
        return _readable_band(str(value), field.unit)
    if field.type == "money" and isinstance(value, int):
        sign = "-" if value < 0 else ""
        return f"{sign}{abs(value) // 100:,}.{abs(value) % 100:02d} {field.unit}"
    return f"{value} {field.unit}".rstrip()


def _readable_band(label: str, unit: str) -> str:
    lower, upper = label.strip("[]()").split(",")
    if lower == upper:
        return "零"
    if lower == "-inf":
        return "负数"
    if label.startswith("(0,"):
        return f"不足 {in_words(int(upper))} {unit}"
    if upper == "inf":
        return f"{in_words(int(lower))} {unit}及以上"
    return f"{in_words(int(lower))} 至 {in_words(int(upper))} {unit}"


# --- for machines
# -----------------------------------------------------------------------------------------------


def _titles(named: Mapping[str, ParticipantClass | Purpose]) -> dict[str, dict[str, str]]:
    return {name: {"title": one.title, "title_en": one.title_en} for name, one in named.items()}


def _field_json(contract: Contract, field: Field) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": field.name,
        "title": field.title,
        "title_en": field.title_en,
        "type": field.type,
        "unit": "fen" if field.type == "money" else field.unit or None,
        "level": field.level,
        "required": field.required,
        "views": field.views,
        "example": field.example if "raw" in field.views else None,
    }
    if field.allowed:
        shown["allowed"] = field.allowed
    if field.band:
        table = contract.band_tables[field.name]
        shown["bands"] = [
            {
                "band": band.label,
                "from": band.lower,
                "to": band.upper,
                "unit": table.unit,
                "title": band.title,
            }
            for band in table.bands
        ]
    return shown


def answer_schema(view: View) -> dict[str, Any]:
    """JSON Schema (2020-12) of the ``records`` of an answer in this view."""
    contract = view.contract
    properties = {
        name: _value_schema(contract, contract.field_by_name[name], kind)
        for name, kind in view.fields.items()
    }
    return {
        "$schema": _JSON_SCHEMA,
        "title": contract.title,
        "type": "array",
        "maxItems": contract.records_max,
        "items": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
    }


def _value_schema(contract: Contract, field: Field, kind: ViewKind) -> dict[str, Any]:
    schema: dict[str, Any] = {"title": field.title}
    if kind == "banded":
        return schema | _nullable({"enum": list(contract.band_tables[field.name].labels)}, field)
    if kind == "raw" and field.type in _RAW_SCHEMAS:
        return schema | _nullable(_RAW_SCHEMAS[field.type], field)
    if kind == "raw" and field.allowed:
        return schema | _nullable({"enum": list(field.allowed)}, field)
    return schema | _nullable({"type": "string"}, field)


_RAW_SCHEMAS: dict[str, dict[str, Any]] = {
    "money": {"type": "integer", "description": "fen: hundredths of the currency's main unit"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "month": {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"},
    "year": {"type": "integer"},
    "decimal": {"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$"},
}


def _nullable(schema: dict[str, Any], field: Field) -> dict[str, Any]:
    """A field that its contract does not require may be null: the owner did not provide it."""
    if field.required:
        return schema
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {**schema, "type": [schema["type"], "null"]}
