"""The catalogue as it is published: for programs that ask, and for the documents made from it."""

from collections.abc import Mapping
from typing import Any, get_args

from datasets.catalogue import ABSENCE_NOTE, VIEW_TITLES, Catalogue
from datasets.contract import Contract, Field, ViewKind
from datasets.indicators import describe
from datasets.sharing import ParticipantClass, Purpose
from datasets.verification import Kind, Result, offer_of
from datasets.views import View

_JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def catalogue_json(catalogue: Catalogue) -> dict[str, Any]:
    """All data sets with their fields; who sees which of them stands in `dataset_json`."""
    rule_set = catalogue.rule_set
    return {
        "rule_set": {
            "id": rule_set.id,
            "title": rule_set.title,
            "title_en": rule_set.title_en,
            "digest": rule_set.digest,
        },
        "participant_classes": _titles(catalogue.participant_classes),
        "purposes": _titles(catalogue.purposes),
        "views": {kind: {"title": zh, "title_en": en} for kind, (zh, en) in VIEW_TITLES.items()},
        "datasets": [_contract_json(catalogue, one) for one in catalogue.contracts.values()],
        "note": ABSENCE_NOTE,
    }


def dataset_json(catalogue: Catalogue, dataset: str) -> dict[str, Any]:
    """One data set, with what each kind of asker sees of it and the JSON Schema of each answer. Raises `KeyError`."""
    answers = [
        {
            "participant_class": view.participant_class,
            "purpose": view.purpose,
            "mode": view.mode,
            "view_id": view.view_id,
            "views": view.fields,
            "withheld": view.withheld,
            "schema": answer_schema(view),
        }
        for view in catalogue.views_on(dataset)
    ]
    return {**_contract_json(catalogue, catalogue.contracts[dataset]), "answers": answers}


def _contract_json(catalogue: Catalogue, contract: Contract) -> dict[str, Any]:
    return {
        "id": contract.id,
        "version": contract.version,
        "title": contract.title,
        "title_en": contract.title_en,
        "category": contract.category,
        "owner": contract.owner,
        "description": contract.description,
        "sharing_class": contract.sharing_class,
        "existence_is_news": contract.existence_is_news,
        "modes": contract.modes,
        "key": contract.key,
        "part": contract.part,
        "period": contract.period,
        "refresh_days": contract.refresh_days,
        "retention_months": contract.retention_months,
        "records_max": contract.records_max,
        "price_fen": contract.price_fen,
        "fields": [_field_json(catalogue, contract, field) for field in contract.fields],
    }


def _titles(named: Mapping[str, ParticipantClass | Purpose]) -> dict[str, dict[str, str]]:
    return {name: {"title": one.title, "title_en": one.title_en} for name, one in named.items()}


def _field_json(catalogue: Catalogue, contract: Contract, field: Field) -> dict[str, Any]:
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
    if field.compute is not None:
        shown["computed"] = describe(contract, field, catalogue.contracts)
    if field.allowed:
        shown["allowed"] = field.allowed
    if "verify" in field.views:
        shown["verification"] = offer_of(contract, field)
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
    """JSON Schema (2020-12) of the ``records`` of an answer in this view; of its ``verdicts`` in mode verify."""
    contract = view.contract
    if view.mode == "verify":
        return _verdicts_schema(view)
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


def _verdicts_schema(view: View) -> dict[str, Any]:
    return {
        "$schema": _JSON_SCHEMA,
        "title": view.contract.title,
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "field": {"enum": list(view.fields)},
                "kind": {"enum": list(get_args(Kind))},
                "part": {
                    "description": "the record compared; as stated where the result is unknown",
                    "type": ["string", "integer", "array", "null"],
                    "items": {"type": ["string", "integer"]},
                },
                "result": {"enum": list(get_args(Result))},
                "between": {
                    "description": "the bounds to which a tolerance was widened: lower in, upper out, null: open",
                    "type": ["array", "null"],
                    "items": {"type": ["integer", "string", "null"]},
                    "minItems": 2,
                    "maxItems": 2,
                },
            },
            "required": ["field", "kind", "part", "result", "between"],
            "additionalProperties": False,
        },
    }


def _value_schema(contract: Contract, field: Field, kind: ViewKind) -> dict[str, Any]:
    schema: dict[str, Any] = {"title": field.title}
    if kind == "banded":
        return schema | _nullable({"enum": list(contract.band_tables[field.name].labels)}, field)
    if kind in ("raw", "derived") and field.type in _RAW_SCHEMAS:
        return schema | _nullable(_RAW_SCHEMAS[field.type], field)
    if kind in ("raw", "derived") and field.allowed:
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
