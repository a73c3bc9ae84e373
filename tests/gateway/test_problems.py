"""Every reason that the code can give has its problem, in both languages, with what to do."""

import re
from pathlib import Path

import pytest

from consent.policies import STATES
from core.errors import HubError, NotFound, Refused, TooManyRequests, Unavailable
from gateway.problems import DISGUISED, PROBLEMS, problem_document, public_reason
from tests.conftest import PROJECT

RAISED = re.compile(
    r"(?:InvalidInput|NotAuthenticated|ProofReplayed|Refused|NotFound|Conflict|TooManyRequests|Unavailable|NoRule|HubError)"
    r'\(\s*"([a-z_]+)"'
)
COMMAND_LINE_ONLY = {
    "not_migrated", "participant_class", "participant_id", "private_server", "owner_key",
    "operator_id", "operator_role", "operator_name", "operator_exists", "operator_unknown", "operator_closed",
    "operator_code_wrong",
    "webhook_url", "webhook_closed", "webhook_unknown", "webhook_not_heard", "participant_unknown", "notice_unknown",
    "master_secret", "artefact_invalid", "artefact_key_unknown", "redirect_uri", "no_keys", "artefacts_are_for_ever",
    "key_use", "taking_failed",
}  # fmt: skip
"""reasons that only ``python -m gateway`` prints"""


def reasons_in(folder: Path) -> set[str]:
    return {reason for file in folder.rglob("*.py") for reason in RAISED.findall(file.read_text())}


@pytest.mark.parametrize("room", ["adapters", "consent", "core", "gateway", "ledger"])
def test_every_reason_raised_in_the_rooms_has_a_problem(room: str) -> None:
    missing = reasons_in(PROJECT / room) - set(PROBLEMS) - COMMAND_LINE_ONLY - set(DISGUISED)
    assert not missing


def test_every_refusal_that_the_group_statement_writes_has_a_problem() -> None:
    sql = (PROJECT / "ledger" / "remember.py").read_text()
    written = set(re.findall(r"THEN '(consent_[a-z_]+)'", sql)) - {"consent_"}
    standings = {f"consent_{state}" for state in STATES if state != "active"}
    assert written | standings <= set(PROBLEMS) | set(DISGUISED)


@pytest.mark.parametrize("reason", PROBLEMS)
def test_every_problem_says_in_both_languages_what_to_do(reason: str) -> None:
    problem = PROBLEMS[reason]
    assert 400 <= problem.status < 600
    for chinese in (problem.title, problem.advice):
        assert re.search(r"[\u4e00-\u9fff]", chinese)
    for english in (problem.title_en, problem.advice_en):
        assert english.strip()
        assert not re.search(r"[\u4e00-\u9fff]", english)


def test_an_unknown_reason_falls_back_to_its_class_and_never_to_a_traceback() -> None:
    assert public_reason(Refused("never_heard_of")) == "no_rule"
    assert public_reason(Unavailable("never_heard_of")) == "database_away"
    assert public_reason(HubError("never_heard_of")) == "internal"


def test_the_consent_of_somebody_else_is_answered_as_none_at_all() -> None:
    status, body, _ = problem_document(Refused("consent_of_another_participant"), "t")
    assert (status, body) == problem_document(NotFound("consent_unknown"), "t")[:2]


def test_who_asks_too_fast_is_told_the_seconds() -> None:
    _, _, headers = problem_document(TooManyRequests("rate_exceeded", 2.6), "t")
    assert (b"retry-after", b"3") in headers
