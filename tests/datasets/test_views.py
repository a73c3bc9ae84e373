"""Views: what leaves is what a rule names, in the way it names, whichever of the two ways computes it."""

import itertools
from dataclasses import replace
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import Contract, Field, View, compile_view, load_catalogue
from datasets.contract import VIEWS_OF_LEVEL
from datasets.views import VIEWS_OF_MODE

CATALOGUE = load_catalogue()
VIEWS = [
    CATALOGUE.view_for(asker, purpose, contract.id, mode)
    for asker, purpose, contract in itertools.product(
        CATALOGUE.participant_classes, CATALOGUE.purposes, CATALOGUE.contracts.values()
    )
    for mode in contract.modes
]
OF_RECORDS = [view for view in VIEWS if view.mode in ("collected", "live")]
a_view = st.sampled_from(OF_RECORDS)
TAX = CATALOGUE.view_for("bank", "credit_review", "tax")
REGISTRATION = CATALOGUE.view_for("bank", "credit_review", "registration")


def values_of(field: Field) -> st.SearchStrategy[Any]:
    if field.type == "money":
        return st.none() | st.integers(-(10**14), 10**14)
    if field.type in ("integer", "year"):
        return st.none() | st.integers(-(10**9), 10**9)
    if field.type == "boolean":
        return st.none() | st.booleans()
    if field.allowed:
        return st.none() | st.sampled_from(field.allowed)
    return st.none() | st.text(max_size=12)


def records_of(contract: Contract) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(
        st.fixed_dictionaries({field.name: values_of(field) for field in contract.fields}), max_size=5
    )


def stored(records: list[dict[str, Any]]) -> str:
    return orjson.dumps(records).decode()


@settings(max_examples=400)
@given(view=a_view, data=st.data())
def test_both_ways_of_applying_a_view_agree(view: View, data: st.DataObject) -> None:
    records = data.draw(records_of(view.contract))
    assert orjson.loads(view.render(stored(records))) == view.apply(records)


@settings(max_examples=400)
@given(view=a_view, data=st.data())
def test_only_named_fields_leave_and_all_of_them(view: View, data: st.DataObject) -> None:
    records = [record | {"secret": "x", "uscc": "y"} for record in data.draw(records_of(view.contract))]
    for shown in view.apply(records), orjson.loads(view.render(stored(records))):
        assert [list(record) for record in shown] == [list(view.fields)] * len(records)


def test_no_view_shows_more_than_level_and_contract_permit() -> None:
    for view in VIEWS:
        for name, kind in view.fields.items():
            field = view.contract.field_by_name[name]
            assert kind in field.views
            assert kind in VIEWS_OF_LEVEL[field.level]
            assert kind in VIEWS_OF_MODE[view.mode]


@settings(max_examples=400)
@given(view=a_view, data=st.data())
def test_a_masked_or_banded_value_never_leaves_as_it_is(view: View, data: st.DataObject) -> None:
    records = data.draw(records_of(view.contract))
    for record, shown in zip(records, view.apply(records), strict=True):
        for name, kind in view.fields.items():
            if kind == "raw" or record[name] in (None, ""):
                assert shown[name] == record[name]
            elif kind == "banded":
                assert shown[name] in view.contract.band_tables[name].labels
            elif "*" not in record[name]:
                assert shown[name] != record[name]
                assert len(shown[name]) == len(record[name])


def test_every_field_is_explained_once() -> None:
    for view in VIEWS:
        explained = view.explain()
        assert [line["field"] for line in explained] == list(view.contract.field_by_name)
        assert {line["field"] for line in explained if line["view"]} == set(view.fields)
        assert {line["field"] for line in explained if line["withheld"]} == set(view.withheld)
        for line in explained:
            assert (line["view"] is None) != (line["withheld"] is None)
            assert line["because"]
            assert (line["rule"] is None) == (line["withheld"] in ("no_rule", "dataset_withheld"))
        orjson.dumps(explained)


def test_applying_a_view_leaves_the_records_as_they_were() -> None:
    record = {field.name: field.example for field in TAX.contract.fields}
    before = dict(record)
    TAX.apply([record])
    assert record == before


def test_a_credit_review_sees_raw_masked_and_banded() -> None:
    assert {"raw", "masked", "banded"} == {*TAX.fields.values(), *REGISTRATION.fields.values()}
    [shown] = REGISTRATION.apply([{field.name: field.example for field in REGISTRATION.contract.fields}])
    assert shown["name"] == "苏州示例精密机械有限公司"
    assert shown["signatory_name"] == "张*明"
    assert shown["signatory_id_number"] == "110105************"
    assert shown["contact_phone"] == "138****5678"
    [month] = TAX.apply([{field.name: field.example for field in TAX.contract.fields}])
    assert month["period"] == "2026-10"
    assert month["vat_paid_fen"] == 2365000
    assert month["sales_fen"] == "[500000,700000)"


def test_after_the_loan_amounts_are_bands_and_the_id_number_stays_inside() -> None:
    tax = CATALOGUE.view_for("bank", "post_loan", "tax")
    assert {kind for name, kind in tax.fields.items() if name.endswith("_fen")} == {"banded"}
    registration = CATALOGUE.view_for("bank", "post_loan", "registration")
    assert registration.withheld == ("signatory_id_number",)


@pytest.mark.parametrize("asker", CATALOGUE.participant_classes)
@pytest.mark.parametrize("dataset", CATALOGUE.contracts)
def test_marketing_gets_nothing(asker: str, dataset: str) -> None:
    view = CATALOGUE.view_for(asker, "marketing", dataset)
    assert not view.lets_out
    assert view.fields == {}
    assert {line["withheld"] for line in view.explain()} == {"rule_refuses"}


def test_what_no_rule_names_says_so() -> None:
    view = CATALOGUE.view_for("platform", "post_loan", "tax")
    assert not view.lets_out
    assert {line["withheld"] for line in view.explain()} == {"no_rule"}


def test_a_withheld_data_set_stays_inside_whatever_the_rules_say() -> None:
    contract = msgspec.structs.replace(TAX.contract, sharing_class="withheld")
    view = compile_view(contract, CATALOGUE.rule_set, "bank", "credit_review", "collected")
    assert {line["withheld"] for line in view.explain()} == {"dataset_withheld"}


def test_a_field_missing_in_an_old_record_is_said_as_missing() -> None:
    assert orjson.loads(TAX.render('[{"period":"2024-01","sales_fen":1}]')) == [
        {name: {"period": "2024-01", "sales_fen": "(0,1000)"}.get(name) for name in TAX.fields}
    ]


def test_nothing_found_stays_an_empty_list() -> None:
    assert TAX.render("[]") == b"[]"
    assert TAX.apply([]) == []


def test_the_id_of_a_view_is_stable_and_follows_every_change_of_the_plan() -> None:
    contract, rule_set = TAX.contract, CATALOGUE.rule_set
    again = compile_view(contract, rule_set, "bank", "credit_review", "collected")
    assert again.view_id == TAX.view_id
    wider = {
        "monthly_amount": msgspec.structs.replace(contract.bands["monthly_amount"], edges=(1_000, 2_000))
    }
    changed = [
        compile_view(contract, rule_set, "bank", "post_loan", "collected"),
        compile_view(
            msgspec.structs.replace(contract, version=99), rule_set, "bank", "credit_review", "collected"
        ),
        compile_view(
            msgspec.structs.replace(contract, bands=wider), rule_set, "bank", "credit_review", "collected"
        ),
        compile_view(
            contract, msgspec.structs.replace(rule_set, id="2027-01"), "bank", "credit_review", "collected"
        ),
    ]
    assert len({TAX.view_id, *(view.view_id for view in changed)}) == 5


def test_what_goes_into_every_answer_is_encoded_once() -> None:
    assert orjson.loads(orjson.dumps(TAX.views_json)) == TAX.fields
    assert orjson.loads(orjson.dumps(REGISTRATION.withheld_json)) == list(REGISTRATION.withheld)


def test_a_view_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        TAX.price_fen = 0  # type: ignore[misc]
    assert replace(TAX).view_id == TAX.view_id
