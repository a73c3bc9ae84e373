"""What one question needs before it can be answered: the records, and whatever forbids to show them.

Nothing here permits anything: the ledger judges the consent again when it records the answer.
"""

from datetime import date
from typing import NamedTuple
from uuid import UUID

from core.errors import InvalidInput
from core.identifiers import USCC
from datasets import (
    NOTHING_SHELVED,
    Checks,
    Mode,
    ShelfAsk,
    Shelved,
    Statement,
    View,
    check_statements,
    probes_of,
)
from gateway.oauth.bearer import Caller
from gateway.queries.spine import Spine
from ledger import ConsentLook, ProbeClaim


class Question(NamedTuple):
    """What a bank wants to know, as it was understood."""

    consent_id: UUID
    uscc: USCC
    purpose: str
    dataset: str
    mode: Mode
    fields: tuple[str, ...] | None
    """None: all that the rules let out"""
    statements: tuple[Statement, ...]
    idempotency_key: str
    digest: bytes
    """of what is asked, so that a reused idempotency key is noticed"""
    since: date | None = None
    """only records that speak for this day or later: as far back as the consent reaches, once that is known"""


class Material(NamedTuple):
    """``shelved``: one per input of the view. ``forbidden``: a refusal that is already certain."""

    shelved: list[Shelved]
    checks: Checks | None = None
    forbidden: str | None = None


async def gather(question: Question, view: View, caller: Caller, hub: Spine) -> Material:
    """Raises `InvalidInput` for statements that cannot be judged, `Unavailable` when the owner cannot be asked."""
    if not view.lets_out:
        return Material(nothing_shelved(view), forbidden="no_rule")
    checks = checks_of(question, view)
    if view.contract.live is not None:
        # An outsider must not make us speak to an owner about an enterprise that has allowed nothing.
        forbidden = await hub.look.ask(_look(question, caller))
        if forbidden is not None:
            return Material(nothing_shelved(view), checks, forbidden)
        await hub.live.refresh(view.contract, question.uscc)
    shelved = await hub.shelf.ask(ShelfAsk(question.uscc, view.inputs, question.since))
    if checks is not None:
        return Material(shelved, checks, await _claim(question, caller, checks, shelved[0], hub))
    return Material(shelved)


def checks_of(question: Question, view: View) -> Checks | None:
    """The statements of a verification, understood. Raises `InvalidInput`."""
    if question.mode == "verify":
        return check_statements(view.contract, view, question.statements)
    if question.statements:
        raise InvalidInput("statements_invalid", errors={"statements": "只用于核验（mode 为 verify）"})
    return None


def nothing_shelved(view: View) -> list[Shelved]:
    return [NOTHING_SHELVED] * len(view.inputs)


def _look(question: Question, caller: Caller) -> ConsentLook:
    return ConsentLook(
        question.consent_id, caller.participant_id, question.uscc, question.purpose, question.dataset
    )


async def _claim(
    question: Question, caller: Caller, checks: Checks, shelved: Shelved, hub: Spine
) -> str | None:
    """Why these statements may not be judged (now), if so; otherwise they are counted as tries."""
    return await hub.claim_probes.ask(
        ProbeClaim(
            participant_id=caller.participant_id,
            uscc=question.uscc,
            dataset=question.dataset,
            purpose=question.purpose,
            consent_id=question.consent_id,
            idempotency_key=question.idempotency_key,
            question_digest=question.digest,
            at=hub.clock(),
            probes=probes_of(checks, shelved.bodies),
        )
    )
