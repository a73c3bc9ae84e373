"""Explanations of what can be explained, and of what no longer can."""

import re
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from consent.policies import STATES
from core.identifiers import new_id
from datasets import Catalogue, load_catalogue
from gateway.decisions.judgement import CLAUSES, verdict_of
from gateway.decisions.schemas import (
    CONTRACT_CHANGED,
    EvaluationIn,
    EvaluationOut,
    EvaluationsIn,
    ExplanationOut,
    reason_for_caller,
)
from gateway.problems import PROBLEMS
from ledger import REMEMBER, Decision

WRITTEN = {word for word in re.findall(r"THEN '(consent_[a-z_]+)'", REMEMBER) if not word.endswith("_")}
REFUSALS = sorted(WRITTEN | {f"consent_{state}" for state in STATES if state != "active"})
"""Every refusal by a consent that the ledger's statement can write."""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def decision(**changes: object) -> Decision:
    recorded = Decision(
        decision_id=new_id(),
        at=datetime(2026, 11, 22, tzinfo=UTC),
        participant_id="my-bank",
        dataset="tax",
        purpose="credit_review",
        mode="collected",
        consent_id=new_id(),
        outcome="refused",
        reason="consent_expired",
        view_id="view-of-an-older-contract",
        price_fen=0,
    )
    return recorded._replace(**changes)


def explained(catalogue: Catalogue, recorded: Decision) -> ExplanationOut:
    return ExplanationOut.of(recorded, None, catalogue, reason=reason_for_caller(recorded))


@pytest.mark.parametrize("reason", REFUSALS)
def test_every_refusal_by_a_consent_names_its_clause_and_says_it_in_words(
    catalogue: Catalogue, reason: str
) -> None:
    assert verdict_of("refused", reason).verdict == "refused"
    told = explained(catalogue, decision(reason=reason))
    assert told.consent.clause in CLAUSES
    assert told.consent.because == told.reason_title
    assert told.reason in PROBLEMS


def test_of_a_contract_that_has_changed_since_outcome_and_consent_are_told_and_why_not_more(
    catalogue: Catalogue,
) -> None:
    told = explained(catalogue, decision())
    assert (told.fields, told.rule_set, told.contract_version, told.note) == (
        None,
        None,
        None,
        CONTRACT_CHANGED,
    )
    assert (told.outcome, told.consent.verdict, told.consent.clause) == ("refused", "refused", "term")


def test_of_a_data_set_that_is_gone_the_bare_name_is_told(catalogue: Catalogue) -> None:
    told = explained(catalogue, decision(dataset="gossip", purpose="curiosity"))
    assert (told.dataset, told.dataset_title, told.purpose, told.purpose_title) == (
        "gossip",
        None,
        "curiosity",
        None,
    )


def test_a_refusal_after_the_rules_and_before_the_consent_is_told_by_its_own_words(
    catalogue: Catalogue,
) -> None:
    told = explained(catalogue, decision(reason="verification_budget_spent"))
    assert (told.consent.verdict, told.consent.clause) == ("not_judged", None)
    assert told.consent.because == PROBLEMS["verification_budget_spent"].title


@pytest.mark.parametrize("model", [ExplanationOut, EvaluationIn, EvaluationsIn, EvaluationOut])
def test_the_examples_of_the_guide_are_ones(model: type[BaseModel]) -> None:
    model.model_validate(model.model_json_schema()["example"], strict=False)
