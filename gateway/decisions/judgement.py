"""Why a question was answered as it was, and whether one would be answered: pure, without data.

The words for a consent's refusal are those that the ledger's statement writes (`ledger.remember`); the tests hold
the two against each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, cast

from consent import Consent
from core.errors import HubError
from datasets import Catalogue, Mode, View
from gateway.problems import public_reason

Clause = Literal["existence", "enterprise", "purpose", "datasets", "state", "term", "uses"]
Verdict = Literal["allowed", "refused", "not_judged"]

CLAUSES: dict[Clause, tuple[str, str]] = {
    "existence": ("授权本身", "the consent itself"),
    "enterprise": ("授权的企业", "the enterprise that gave it"),
    "purpose": ("用途", "the purpose"),
    "datasets": ("信息项目", "the data sets"),
    "state": ("授权的状态", "its state"),
    "term": ("期限", "the term"),
    "uses": ("次数", "the number of uses"),
}
"""The clauses of a consent, in the order in which they are judged."""

_CLAUSE_OF_REASON: dict[str, Clause] = {
    "consent_unknown": "existence",
    "consent_of_another_participant": "existence",
    "consent_of_another_enterprise": "enterprise",
    "consent_for_another_purpose": "purpose",
    "consent_without_dataset": "datasets",
    "consent_expired": "term",
    "consent_used_up": "uses",
    "consent_used_up_today": "uses",
    "consent_used_up_this_month": "uses",
}


class ConsentVerdict(NamedTuple):
    """``clause``: the one that refused; None where all of them held, or none was judged."""

    verdict: Verdict
    clause: Clause | None


def verdict_of(outcome: str, reason: str | None) -> ConsentVerdict:
    """What the consent had to do with a recorded outcome."""
    if outcome != "refused" or reason is None:
        return ConsentVerdict("allowed", None)
    if not reason.startswith("consent_"):
        return ConsentVerdict("not_judged", None)  # rules come first: a question they refuse needs no consent
    return ConsentVerdict("refused", _CLAUSE_OF_REASON.get(reason, "state"))


def refusal_by_consent(consent: Consent, *, purpose: str, dataset: str, at: datetime) -> str | None:
    """The reason why a consent of the asker does not cover such a question at ``at``; None: it does."""
    if consent.terms.purpose != purpose:
        return "consent_for_another_purpose"
    if dataset not in consent.terms.datasets:
        return "consent_without_dataset"
    standing = consent.standing_at(at)
    return None if standing == "active" else f"consent_{standing}"


@dataclass(frozen=True)
class Wish:
    """A question that is not asked yet. ``fields`` None: all of them."""

    dataset: str
    mode: str
    purpose: str
    fields: Sequence[str] | None


class Evaluation(NamedTuple):
    """``reason`` None: the question would be answered. ``view`` None: the rules know no such question."""

    reason: str | None
    view: View | None


def evaluate(
    catalogue: Catalogue, participant_class: str, wish: Wish, consent: Consent | str, at: datetime
) -> Evaluation:
    """Judge a wish as the path of a question does: rules first, then the consent (or why there is none)."""
    try:
        view = catalogue.view_for(
            participant_class, wish.purpose, wish.dataset, cast(Mode, wish.mode), wish.fields
        )
    except HubError as error:
        return Evaluation(public_reason(error), None)
    if not view.lets_out:
        return Evaluation("no_rule", view)
    if isinstance(consent, str):
        return Evaluation(consent, view)
    return Evaluation(refusal_by_consent(consent, purpose=wish.purpose, dataset=wish.dataset, at=at), view)
