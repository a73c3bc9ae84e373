"""What comes in as authorization_details: terms that can be granted, or a refusal; never anything else."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import ConsentTerms
from core.identifiers import parse_uscc
from datasets import load_catalogue
from gateway.banks.schemas import ConsentRequestIn, Terms
from gateway.oauth.details import REFUSED, terms_of
from gateway.oauth.refusals import OAuthRefusal
from tests.support.authorization import DETAIL

ISSUER = "https://hub.example"
CATALOGUE = load_catalogue()
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def read(details: str) -> ConsentTerms:
    return terms_of(details, issuer=ISSUER, catalogue=CATALOGUE, participant_class="bank")


def test_what_is_left_out_is_as_in_any_request() -> None:
    detail = {name: value for name, value in DETAIL.items() if name not in ("retention_days", "message")}
    terms = read(json.dumps([detail]))
    assert (terms.retention_days, terms.message) == (365, "")
    assert terms.datasets == ("registration", "tax")


def test_limits_by_day_and_month_and_the_range_of_data_can_be_asked_for() -> None:
    more = {"uses_max_day": 2, "uses_max_month": 10, "data_from": "2025-01-01", "locations": [ISSUER]}
    terms = read(json.dumps([{**DETAIL, **more}]))
    assert (terms.uses_max_day, terms.uses_max_month) == (2, 10)
    assert terms.data_from is not None
    assert terms.data_from.isoformat() == "2025-01-01"


@given(st.text() | ANYTHING.map(lambda value: json.dumps(value)))
def test_whatever_comes_is_refused_in_words(details: str) -> None:
    with pytest.raises(OAuthRefusal) as refusal:
        read(details)
    assert refusal.value.error == REFUSED


@given(st.sampled_from(sorted(DETAIL)), ANYTHING)
def test_a_good_object_with_one_thing_wrong_is_refused_or_still_good(name: str, value: Any) -> None:
    try:
        terms = read(json.dumps([{**DETAIL, name: value}]))
    except OAuthRefusal:
        return
    assert 1 <= terms.term_days <= 365
    assert terms.message.isprintable()


def test_the_terms_have_one_definition_and_every_door_speaks_of_all_of_them() -> None:
    terms = {field.name for field in dataclasses.fields(ConsentTerms)}
    assert set(Terms.model_fields) == terms
    detail = {
        **DETAIL,
        "retention_days": 100,
        "uses_max_day": 2,
        "uses_max_month": 10,
        "data_from": "2025-01-01",
    }
    assert detail.keys() - {"type"} == terms
    asked = ConsentRequestIn(**{name: value for name, value in detail.items() if name != "type"})  # type: ignore[arg-type]
    assert asked.terms(parse_uscc(asked.uscc)) == read(json.dumps([detail]))
