"""The life of a consent, from a bank's request to the enterprise's yes, no, or change of mind.

Every function works inside the caller's transaction, locks the consent it changes, and appends one event per
change of state. A revocation is in force for every answer that commits after the caller's transaction has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from joserfc.jwk import ECKey
from sqlalchemy import ColumnElement, RowMapping, Select, func, insert, not_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.artefact import notice, sign_artefact
from consent.enterprises import Signatory
from consent.models import consent_artefacts, consent_events, consents, participants
from consent.policies import MAY_APPROVE, ConsentTerms, State, Verb, next_state
from core.errors import Conflict, NotFound, Refused
from core.identifiers import new_id

ANSWER_WITHIN = timedelta(days=30)
"""How long a request waits for the enterprise's answer."""


@dataclass(frozen=True)
class Consent:
    consent_id: UUID
    participant_id: str
    participant_name: str
    terms: ConsentTerms
    uses_spent: int
    state: State
    requested_at: datetime
    answer_by: datetime
    valid_from: datetime | None
    valid_until: datetime | None
    participant_class: str
    """bank or platform, as registered now: decides which sharing rules apply"""

    @property
    def uses_left(self) -> int:
        return self.terms.uses_max - self.uses_spent

    def state_at(self, at: datetime) -> State:
        """The state as it stands at ``at``, also before the worker has written down that it ended."""
        if self.state == "active" and self.valid_until is not None and at >= self.valid_until:
            return "expired"
        if self.state == "active" and self.uses_left <= 0:
            return "used_up"
        if self.state in ("awaiting", "partially_approved") and at >= self.answer_by:
            return "expired"
        return self.state


async def file_request(
    tx: AsyncConnection,
    participant_id: str,
    terms: ConsentTerms,
    *,
    at: datetime,
    request_key: str | None = None,
) -> Consent:
    """A bank asks: the request waits for the enterprise's answer until ``answer_by``.

    The same ``request_key`` finds the request it made before; with other terms it is a `Conflict`.
    """
    consent_id = new_id()
    filed = await tx.scalar(
        upsert(consents)
        .values(
            consent_id=consent_id,
            participant_id=participant_id,
            uscc=terms.uscc,
            purpose=terms.purpose,
            datasets=list(terms.datasets),
            term_days=terms.term_days,
            uses_max=terms.uses_max,
            uses_spent=0,
            retention_days=terms.retention_days,
            message=terms.message,
            request_key=request_key,
            state=next_state("draft", "submit"),
            requested_at=at,
            answer_by=at + ANSWER_WITHIN,
        )
        .on_conflict_do_nothing(index_elements=["participant_id", "request_key"])
        .returning(consents.c.consent_id)
    )
    if filed is None:
        return await _filed_before(tx, participant_id, terms, request_key)
    await _append_event(tx, consent_id, "submit", "draft", actor=f"participant:{participant_id}", at=at)
    return await find_for_participant(tx, participant_id, consent_id)


async def _filed_before(
    tx: AsyncConnection, participant_id: str, terms: ConsentTerms, request_key: str | None
) -> Consent:
    earlier = await _find(
        tx,
        _consents().where(consents.c.participant_id == participant_id, consents.c.request_key == request_key),
    )
    if earlier.terms != terms:
        raise Conflict("idempotency_key_reused")
    return earlier


async def find_for_participant(tx: AsyncConnection, participant_id: str, consent_id: UUID) -> Consent:
    return await _find(tx, _consents().where(_is(consent_id), consents.c.participant_id == participant_id))


async def find_for_enterprise(tx: AsyncConnection, uscc: str, consent_id: UUID) -> Consent:
    return await _find(tx, _consents().where(_is(consent_id), consents.c.uscc == uscc))


async def list_waiting(tx: AsyncConnection, uscc: str, *, at: datetime, limit: int = 50) -> Sequence[Consent]:
    """Requests that wait for the enterprise's answer at ``at``; the one to be answered soonest comes first."""
    question = _consents().where(consents.c.uscc == uscc, _waits(at))
    rows = await tx.execute(question.order_by(consents.c.answer_by, consents.c.consent_id).limit(limit))
    return [_consent(row) for row in rows.mappings()]


async def list_for_enterprise(
    tx: AsyncConnection,
    uscc: str,
    *,
    settled_at: datetime | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> Sequence[Consent]:
    """Newest first; continued by giving the last one's ``(requested_at, consent_id)`` as ``before``.

    With ``settled_at``, only those that no longer wait for an answer then: what `list_waiting` leaves out.
    """
    question = _consents().where(consents.c.uscc == uscc)
    if settled_at is not None:
        question = question.where(not_(_waits(settled_at)))
    if before is not None:
        question = question.where(tuple_(consents.c.requested_at, consents.c.consent_id) < before)
    rows = await tx.execute(
        question.order_by(consents.c.requested_at.desc(), consents.c.consent_id.desc()).limit(limit)
    )
    return [_consent(row) for row in rows.mappings()]


async def approve(
    tx: AsyncConnection,
    signatory: Signatory,
    consent_id: UUID,
    *,
    purpose_title: str,
    dataset_titles: Sequence[str],
    key: ECKey,
    at: datetime,
) -> Consent:
    """The enterprise says yes: the consent is active from ``at`` on, and its signed artefact is stored."""
    if signatory.role not in MAY_APPROVE:
        raise Refused("may_not_approve", f"a {signatory.role} may not say yes for the enterprise")
    consent = await _lock(tx, signatory.uscc, consent_id)
    if consent.state_at(at) == "expired":
        raise Conflict(
            "consent_state", "the request was not answered in time", state="expired", verb="approve"
        )
    valid_until = at + timedelta(days=consent.terms.term_days)
    artefact = sign_artefact(
        consent_id=str(consent_id),
        terms=consent.terms,
        sentences=notice(
            consent.terms,
            participant_name=consent.participant_name,
            purpose_title=purpose_title,
            dataset_titles=dataset_titles,
        ),
        participant={"participant_id": consent.participant_id, "name": consent.participant_name},
        signatory=signatory,
        valid_from=at,
        valid_until=valid_until,
        key=key,
    )
    await _move(
        tx, consent, "approve", actor=_actor(signatory), at=at, valid_from=at, valid_until=valid_until
    )
    await tx.execute(
        insert(consent_artefacts).values(
            consent_id=consent_id, jws=artefact.jws, digest=artefact.digest, signed_at=at
        )
    )
    return await find_for_enterprise(tx, signatory.uscc, consent_id)


async def reject(
    tx: AsyncConnection, signatory: Signatory, consent_id: UUID, *, reason: str, at: datetime
) -> Consent:
    consent = await _lock(tx, signatory.uscc, consent_id)
    await _move(tx, consent, "reject", actor=_actor(signatory), at=at, reason=reason)
    return await find_for_enterprise(tx, signatory.uscc, consent_id)


async def revoke(
    tx: AsyncConnection, signatory: Signatory, consent_id: UUID, *, reason: str, at: datetime
) -> Consent:
    """The enterprise takes it back. Waits for answers being committed now; none commits afterwards."""
    consent = await _lock(tx, signatory.uscc, consent_id)
    await _move(tx, consent, "revoke", actor=_actor(signatory), at=at, reason=reason)
    return await find_for_enterprise(tx, signatory.uscc, consent_id)


async def settle_lapsed(tx: AsyncConnection, *, at: datetime, limit: int = 500) -> int:
    """Write down what time has ended already (worker). Skips what others hold; returns how many."""
    lapsed = (consents.c.state == "active") & (consents.c.valid_until <= at)
    unanswered = consents.c.state.in_(("awaiting", "partially_approved")) & (consents.c.answer_by <= at)
    return await _settle(tx, lapsed | unanswered, "expire", at=at, limit=limit)


async def settle_used_up(tx: AsyncConnection, *, at: datetime, limit: int = 500) -> int:
    """Write down that the last use was spent (worker); reads every active consent, so call it seldom."""
    spent = (consents.c.state == "active") & (consents.c.uses_spent >= consents.c.uses_max)
    return await _settle(tx, spent, "use_up", at=at, limit=limit)


async def _settle(
    tx: AsyncConnection, which: ColumnElement[bool], verb: Verb, *, at: datetime, limit: int
) -> int:
    rows = await tx.execute(
        _consents().where(which).limit(limit).with_for_update(of=consents, skip_locked=True)
    )
    ended = [_consent(row) for row in rows.mappings()]
    for consent in ended:
        await _move(tx, consent, verb, actor="hub", at=at)
    return len(ended)


async def artefact_of(tx: AsyncConnection, consent_id: UUID) -> str | None:
    """The signed artefact as a compact JWS; None before approval."""
    found: str | None = await tx.scalar(
        select(consent_artefacts.c.jws).where(consent_artefacts.c.consent_id == consent_id)
    )
    return found


def _is(consent_id: UUID) -> Any:
    return consents.c.consent_id == consent_id


def _waits(at: datetime) -> ColumnElement[bool]:
    return consents.c.state.in_(("awaiting", "partially_approved")) & (consents.c.answer_by > at)


def _consents() -> Select[Any]:
    return select(
        consents, participants.c.name.label("participant_name"), participants.c.participant_class
    ).join(participants, participants.c.participant_id == consents.c.participant_id)


async def _find(tx: AsyncConnection, question: Select[Any]) -> Consent:
    row = (await tx.execute(question)).mappings().one_or_none()
    if row is None:
        raise NotFound("consent_unknown", "there is no such consent of yours")
    return _consent(row)


async def _lock(tx: AsyncConnection, uscc: str, consent_id: UUID) -> Consent:
    return await _find(
        tx, _consents().where(_is(consent_id), consents.c.uscc == uscc).with_for_update(of=consents)
    )


async def _move(
    tx: AsyncConnection,
    consent: Consent,
    verb: Verb,
    *,
    actor: str,
    at: datetime,
    reason: str = "",
    **also: datetime,
) -> None:
    state = next_state(consent.state, verb)
    await tx.execute(update(consents).where(_is(consent.consent_id)).values(state=state, **also))
    await _append_event(tx, consent.consent_id, verb, consent.state, actor=actor, at=at, reason=reason)


async def _append_event(
    tx: AsyncConnection,
    consent_id: UUID,
    verb: Verb,
    from_state: State,
    *,
    actor: str,
    at: datetime,
    reason: str = "",
) -> None:
    number = (
        select(func.coalesce(func.max(consent_events.c.number), 0) + 1)
        .where(consent_events.c.consent_id == consent_id)
        .scalar_subquery()
    )
    await tx.execute(
        insert(consent_events).values(
            consent_id=consent_id,
            number=number,
            at=at,
            verb=verb,
            from_state=from_state,
            to_state=next_state(from_state, verb),
            actor=actor,
            reason=reason,
        )
    )


def _actor(signatory: Signatory) -> str:
    return f"signatory:{signatory.subject}"


def _consent(row: RowMapping) -> Consent:
    terms = ConsentTerms(
        uscc=row["uscc"],
        purpose=row["purpose"],
        datasets=tuple(row["datasets"]),
        term_days=row["term_days"],
        uses_max=row["uses_max"],
        retention_days=row["retention_days"],
        message=row["message"],
    )
    own = (
        "uses_spent",
        "state",
        "requested_at",
        "answer_by",
        "valid_from",
        "valid_until",
        "participant_class",
    )
    return Consent(
        row["consent_id"],
        row["participant_id"],
        row["participant_name"],
        terms,
        *(row[name] for name in own),
    )
