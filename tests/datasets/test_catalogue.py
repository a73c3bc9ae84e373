"""The catalogue: one look-up per question, and the same facts for banks, enterprises and programs."""

import re
from typing import Any

import msgspec
import orjson
import pytest

from core.errors import InvalidInput
from datasets import (
    ABSENCE_NOTE,
    Catalogue,
    NoRule,
    View,
    answer_schema,
    catalogue_json,
    dataset_json,
    example_of,
    readable,
)


def views_of(catalogue: Catalogue) -> list[View]:
    return [
        catalogue.view_for(asker, purpose, contract.id, mode)
        for asker in catalogue.participant_classes
        for purpose in catalogue.purposes
        for contract in catalogue.contracts.values()
        for mode in contract.modes
    ]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (("bank", "credit_review", "gossip", "collected"), "dataset_unknown"),
        (("bank", "curiosity", "tax", "collected"), "purpose_unknown"),
        (("neighbour", "credit_review", "tax", "collected"), "participant_class_unknown"),
        (("bank", "credit_review", "tax", "live"), "mode_not_offered"),
    ],
)
def test_what_is_not_in_the_catalogue_is_refused_by_name(
    catalogue: Catalogue, asked: Any, reason: str
) -> None:
    with pytest.raises(NoRule) as refusal:
        catalogue.view_for(*asked)
    assert refusal.value.reason == reason


def test_a_view_is_found_again_by_its_id(catalogue: Catalogue) -> None:
    views = views_of(catalogue)
    assert all(catalogue.view_by_id(view.view_id) is view for view in views)
    assert len({view.view_id for view in views}) == len(views)
    assert catalogue.view_by_id("view-unknown") is None


def test_answerable_names_the_data_sets_of_which_something_leaves(catalogue: Catalogue) -> None:
    assert {"registration", "tax", "water"} <= set(catalogue.answerable("bank", "credit_review"))
    for_platforms = catalogue.answerable("platform", "product_matching")
    assert "registration" in for_platforms
    assert "tax_inspections" not in for_platforms
    assert catalogue.answerable("bank", "marketing") == ()
    assert catalogue.answerable("bank", "curiosity") == ()


def shown_of(view: View) -> dict[str, str | None]:
    return {field.title: example_of(view, field) for field in view.contract.fields}


def test_the_enterprise_is_shown_what_the_bank_will_see(catalogue: Catalogue) -> None:
    registration = shown_of(catalogue.view_for("bank", "credit_review", "registration"))
    assert registration["企业名称"] == "苏州示例精密机械有限公司"
    assert registration["法定代表人"] == "张*明"
    assert registration["注册资本"] == "5,000,000.00 元"
    assert shown_of(catalogue.view_for("bank", "credit_review", "tax"))["申报销售收入"] == "50万 至 70万 元"
    assert (
        shown_of(catalogue.view_for("bank", "credit_review", "tax", "verify"))["申报销售收入"]
        == "一致 / 不一致"
    )
    assert shown_of(catalogue.view_for("bank", "post_loan", "registration"))["法定代表人证件号"] is None


def test_a_field_has_an_example_exactly_where_it_leaves(catalogue: Catalogue) -> None:
    for view in views_of(catalogue):
        assert {field.name for field in view.contract.fields if example_of(view, field)} == set(view.fields)


def test_a_view_can_be_cut_down_to_some_fields_and_is_found_by_its_longer_id(catalogue: Catalogue) -> None:
    whole = catalogue.view_for("bank", "credit_review", "tax")
    cut = catalogue.view_for("bank", "credit_review", "tax", fields=["sales_fen", "period"])
    assert list(cut.fields) == ["period", "sales_fen"]
    assert cut.view_id == f"{whole.view_id}:period,sales_fen"
    found = catalogue.view_by_id(cut.view_id)
    assert found is not None
    assert (found.view_id, found.fields, found.plan) == (cut.view_id, cut.fields, cut.plan)
    assert catalogue.view_by_id(f"{whole.view_id}:shoe_size") is None
    assert orjson.loads(cut.render('[{"period":"2026-10","sales_fen":1,"vat_paid_fen":2}]')) == [
        {"period": "2026-10", "sales_fen": "(0,1000)"}
    ]
    with pytest.raises(InvalidInput) as refused:
        catalogue.view_for("bank", "credit_review", "tax", fields=["shoe_size"])
    assert refused.value.reason == "fields_invalid"


def test_earlier_answers_can_be_explained_under_later_rules(catalogue: Catalogue) -> None:
    view = catalogue.view_for("bank", "credit_review", "tax")
    later = msgspec.structs.replace(catalogue.rule_set, id="2026-12", rules=())
    changed = catalogue.under(later, [catalogue.rule_set])
    assert not changed.view_for("bank", "credit_review", "tax").lets_out
    found = changed.view_by_id(view.view_id)
    assert found is not None
    assert found.fields == view.fields


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("sales_fen", 123456789, "1,234,567.89 元"),
        ("sales_fen", -5, "-0.05 元"),
        ("sales_fen", 0, "0.00 元"),
        ("sales_fen", None, "（无）"),
        ("period", "2026-10", "2026-10"),
    ],
)
def test_people_read_values_in_words(catalogue: Catalogue, field: str, value: object, words: str) -> None:
    assert readable(catalogue.contracts["tax"].field_by_name[field], "raw", value) == words


@pytest.mark.parametrize(
    ("indicator", "label", "words"),
    [
        ("sales_change_12m", "[-20,0)", "-20 至 0 %"),
        ("sales_change_12m", "(-inf,-80)", "不足 -80 %"),
        ("sales_change_12m", "[900,inf)", "900 %及以上"),
        ("debt_ratio", "(-inf,0)", "负数"),
        ("debt_ratio", "[0,0]", "零"),
        ("sales_12m", "[5000000,7000000)", "500万 至 700万 元"),
        ("penalties_12m", 2, "2 次"),
        ("tax_credit_grade", "B", "B"),
    ],
)
def test_people_read_figures_given_as_a_range_in_words_too(
    catalogue: Catalogue, indicator: str, label: object, words: str
) -> None:
    assert readable(catalogue.contracts["indicators"].field_by_name[indicator], "derived", label) == words


def test_the_public_catalogue_is_json_and_says_everything(catalogue: Catalogue) -> None:
    published = orjson.loads(orjson.dumps(catalogue_json(catalogue)))
    assert published["note"] == ABSENCE_NOTE
    assert set(published["purposes"]) == set(catalogue.purposes)
    tax = next(dataset for dataset in published["datasets"] if dataset["id"] == "tax")
    assert tax["owner"] == "国家税务总局江苏省税务局"
    sales = next(field for field in tax["fields"] if field["name"] == "sales_fen")
    assert sales["bands"][5] == {
        "band": "[2000,3000)",
        "from": 2000,
        "to": 3000,
        "unit": "元",
        "title": "2000至3000元",
    }
    answers = {
        (answer["participant_class"], answer["purpose"], answer["mode"])
        for answer in orjson.loads(orjson.dumps(dataset_json(catalogue, "tax")))["answers"]
    }
    assert ("bank", "credit_review", "collected") in answers
    assert all(participant_class == "bank" for participant_class, _, _ in answers)


def test_the_public_catalogue_shows_no_example_of_what_never_leaves_raw(catalogue: Catalogue) -> None:
    for dataset in catalogue_json(catalogue)["datasets"]:
        for field in dataset["fields"]:
            assert field["example"] is None or "raw" in field["views"]


def test_what_a_view_shows_fits_the_schema_that_is_published_for_it(catalogue: Catalogue) -> None:
    for view in views_of(catalogue):
        if view.mode == "verify":
            continue
        example = {field.name: field.example for field in view.contract.fields}
        bare: dict[str, Any] = {
            field.name: field.example if field.required else None for field in view.contract.fields
        }
        schema = answer_schema(view)
        for record in view.apply([example, bare]):
            assert_fits(record, schema["items"])
        assert schema["maxItems"] == view.contract.records_max


def assert_fits(value: Any, schema: dict[str, Any]) -> None:
    """The part of JSON Schema that the catalogue uses."""
    if "enum" in schema:
        assert value in schema["enum"]
        return
    types = {"string": str, "integer": int, "boolean": bool, "object": dict, "null": type(None)}
    allowed = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    assert type(value) in [types[name] for name in allowed]
    if isinstance(value, str) and "pattern" in schema:
        assert re.search(schema["pattern"], value)
    if isinstance(value, dict):
        assert not schema["additionalProperties"]
        assert set(value) == set(schema["required"]) == set(schema["properties"])
        for name, part in schema["properties"].items():
            assert_fits(value[name], part)
