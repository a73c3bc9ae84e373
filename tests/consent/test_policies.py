"""The states of a consent are one table, complete and disjoint; a request's limits are named field by field."""

from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import Consent, ConsentTerms, check_terms
from consent.policies import STATES, TRANSITIONS, State, Verb, next_state
from core.errors import Conflict, InvalidInput

VERBS: tuple[Verb, ...] = get_args(Verb)
ENDED = {"revoked", "expired", "used_up", "superseded", "rejected"}
AT = datetime(2026, 11, 22, tzinfo=UTC)
GOOD = ConsentTerms("91350100M000100Y43", "credit_review", ("tax",), 90, 20, 365, "")


def test_the_table_has_every_state_and_leads_only_to_states() -> None:
    assert set(TRANSITIONS) == set(STATES)
    for moves in TRANSITIONS.values():
        assert set(moves) <= set(VERBS)
        assert set(moves.values()) <= set(STATES)


def test_what_has_ended_stays_ended() -> None:
    assert {state for state, moves in TRANSITIONS.items() if not moves} == ENDED


def test_every_state_can_be_reached_and_every_verb_is_used() -> None:
    reached: set[State] = {"draft"}
    while more := {to for state in reached for to in TRANSITIONS[state].values()} - reached:
        reached |= more
    assert reached == set(STATES)
    assert {verb for moves in TRANSITIONS.values() for verb in moves} == set(VERBS)


@given(st.sampled_from(STATES), st.sampled_from(VERBS))
def test_whatever_is_not_in_the_table_cannot_be_done(state: State, verb: Verb) -> None:
    if verb in TRANSITIONS[state]:
        assert next_state(state, verb) == TRANSITIONS[state][verb]
    else:
        with pytest.raises(Conflict):
            next_state(state, verb)


def test_only_an_active_consent_can_become_used_up() -> None:
    assert {state for state, moves in TRANSITIONS.items() if "use_up" in moves} == {"active"}


@given(
    term_days=st.integers(-5, 500),
    uses_max=st.integers(-5, 20_000),
    retention_days=st.integers(-5, 2000),
    message=st.text(max_size=300),
)
def test_terms_are_either_within_bounds_or_refused_by_name(
    term_days: int, uses_max: int, retention_days: int, message: str
) -> None:
    terms = ConsentTerms("x", "credit_review", ("tax",), term_days, uses_max, retention_days, message)
    wrong = {
        name
        for name, good in {
            "term_days": 1 <= term_days <= 365,
            "uses_max": 1 <= uses_max <= 10_000,
            "retention_days": 1 <= retention_days <= 1095,
            "message": len(message) <= 200 and message.isprintable(),
        }.items()
        if not good
    }
    if not wrong:
        check_terms(terms, purposes={"credit_review"}, answerable={"tax"})
        return
    with pytest.raises(InvalidInput) as caught:
        check_terms(terms, purposes={"credit_review"}, answerable={"tax"})
    errors = caught.value.facts["errors"]
    assert isinstance(errors, dict)
    assert set(errors) == wrong


def consent(state: State, *, spent: int = 0, until: datetime | None = AT + timedelta(days=1)) -> Consent:
    return Consent(
        consent_id=UUID(int=1),
        participant_id="bank",
        participant_name="银行",
        terms=GOOD,
        uses_spent=spent,
        state=state,
        requested_at=AT,
        answer_by=AT + timedelta(days=30),
        valid_from=AT,
        valid_until=until,
        participant_class="bank",
    )


def test_the_state_is_true_before_the_worker_has_written_it_down() -> None:
    assert consent("active").state_at(AT) == "active"
    assert consent("active").state_at(AT + timedelta(days=1)) == "expired"
    assert consent("active", spent=20).state_at(AT) == "used_up"
    assert consent("revoked", spent=20).state_at(AT) == "revoked"
    assert consent("awaiting", until=None).state_at(AT + timedelta(days=30)) == "expired"
