"""The life of a consent, from a bank's request to the enterprise's yes, no, or change of mind.

Every function works inside the caller's transaction, locks the consent it changes, and appends one event per
change of state. A revocation or a pause is in force for every answer that commits after the caller's transaction has.
The yes itself is in `consent.approval`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, not_, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.artefact import Artefact
from consent.enterprises import Signatory
from consent.factors import ConfirmedBy, must_confirm
from consent.life import (
    Consent,
    actor_of,
    append_event,
    columns_of,
    consent_of,
    find,
    is_,
    lock,
    move,
    stored_consents,
    waits,
)
from consent.mandates import authority_of
from consent.models import consent_artefacts, consents
from consent.participants import classes_of
from consent.policies import ConsentTerms, Verb, next_state
from core.errors import Conflict, InvalidInput, NotFound
from core.identifiers import new_id

ANSWER_WITHIN = timedelta(days=30)
"""How long a request waits for the enterprise's answer."""
REMIND_BEFORE = timedelta(days=7)
"""the end of a consent that lasts longer than that"""


async def file_request(
    tx: AsyncConnection,
    participant_id: str,
    terms: ConsentTerms,
    *,
    at: datetime,
    request_key: str | None = None,
    supersedes: UUID | None = None,
    through: str | None = None,
    answer_within: timedelta = ANSWER_WITHIN,
) -> Consent:
    """A bank asks: the request waits for the enterprise's answer until ``answer_by``.

    The same ``request_key`` finds the request it made before; with other terms it is a `Conflict`. ``supersedes``: a
    running consent of the same bank and enterprise that this one amends; it ends when this one is approved.
    ``through``: the platform that may hand in the enterprise's signed form for it.
    """
    also = (supersedes, through)
    earlier = await _filed_before(tx, participant_id, terms, request_key, also)
    if earlier is not None:
        return earlier
    if through is not None:
        await _check_platform(tx, participant_id, through)
    if supersedes is not None:
        await _check_amended(tx, participant_id, terms.uscc, supersedes, at)
    consent_id = new_id()
    filed = await tx.scalar(
        upsert(consents)
        .values(
            consent_id=consent_id,
            participant_id=participant_id,
            **columns_of(terms),
            uses_spent=0,
            request_key=request_key,
            state=next_state("draft", "submit"),
            requested_at=at,
            answer_by=at + answer_within,
            supersedes=supersedes,
            through=through,
        )
        .on_conflict_do_nothing(index_elements=["participant_id", "request_key"])
        .returning(consents.c.consent_id)
    )
    if filed is None:  # the same request, sent twice at once: the other one was quicker
        earlier = await _filed_before(tx, participant_id, terms, request_key, also)
        assert earlier is not None
        return earlier
    facts = {"supersedes": str(supersedes)} if supersedes else {}
    await append_event(
        tx, consent_id, "submit", "draft", actor=f"participant:{participant_id}", at=at, facts=facts
    )
    return await find_for_participant(tx, participant_id, consent_id)


async def _filed_before(
    tx: AsyncConnection,
    participant_id: str,
    terms: ConsentTerms,
    request_key: str | None,
    also: tuple[UUID | None, str | None],
) -> Consent | None:
    """``also``: what it supersedes, and the platform it may come through."""
    if request_key is None:
        return None
    question = stored_consents().where(
        consents.c.participant_id == participant_id, consents.c.request_key == request_key
    )
    row = (await tx.execute(question)).mappings().one_or_none()
    if row is None:
        return None
    earlier = consent_of(row)
    if (earlier.asked or earlier.terms, earlier.supersedes, earlier.through) != (terms, *also):
        raise Conflict("idempotency_key_reused")
    return earlier


async def _check_platform(tx: AsyncConnection, participant_id: str, through: str) -> None:
    if through == participant_id or (await classes_of(tx, [through])).get(through) != "platform":
        fault = "the id of another participant, which is a platform"
        raise InvalidInput("consent_terms", f"through: {fault}", errors={"through": fault})


async def _check_amended(
    tx: AsyncConnection, participant_id: str, uscc: str, supersedes: UUID, at: datetime
) -> None:
    try:
        amended = await find_for_participant(tx, participant_id, supersedes)
    except NotFound:
        amended = None
    if amended is None or amended.terms.uscc != uscc or amended.state_at(at) not in ("active", "paused"):
        fault = "not a consent of yours from this enterprise that is active or paused"
        raise InvalidInput("supersedes_invalid", fault, errors={"supersedes": fault})


async def find_for_participant(tx: AsyncConnection, participant_id: str, consent_id: UUID) -> Consent:
    return await find(
        tx, stored_consents().where(is_(consent_id), consents.c.participant_id == participant_id)
    )


async def find_for_enterprise(tx: AsyncConnection, uscc: str, consent_id: UUID) -> Consent:
    return await find(tx, stored_consents().where(is_(consent_id), consents.c.uscc == uscc))


async def list_waiting(
    tx: AsyncConnection,
    uscc: str,
    *,
    at: datetime,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> Sequence[Consent]:
    """Requests that wait for the enterprise's answer at ``at``; the one to be answered soonest comes first.

    Continued by giving the last one's ``(answer_by, consent_id)`` as ``after``.
    """
    question = stored_consents().where(consents.c.uscc == uscc, waits(at))
    if after is not None:
        question = question.where(tuple_(consents.c.answer_by, consents.c.consent_id) > after)
    rows = await tx.execute(question.order_by(consents.c.answer_by, consents.c.consent_id).limit(limit))
    return [consent_of(row) for row in rows.mappings()]


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
    question = stored_consents().where(consents.c.uscc == uscc)
    if settled_at is not None:
        question = question.where(not_(waits(settled_at)))
    if before is not None:
        question = question.where(tuple_(consents.c.requested_at, consents.c.consent_id) < before)
    rows = await tx.execute(
        question.order_by(consents.c.requested_at.desc(), consents.c.consent_id.desc()).limit(limit)
    )
    return [consent_of(row) for row in rows.mappings()]


async def reject(
    tx: AsyncConnection, signatory: Signatory, consent_id: UUID, *, reason: str, at: datetime
) -> Consent:
    """The enterprise says no; of several signatories, one who does is enough."""
    return await _answer(tx, signatory, consent_id, "reject", reason=reason, at=at)


async def revoke(
    tx: AsyncConnection, signatory: Signatory, consent_id: UUID, *, reason: str, at: datetime
) -> Consent:
    """The enterprise takes it back. Waits for answers being committed now; none commits afterwards."""
    return await _answer(tx, signatory, consent_id, "revoke", reason=reason, at=at)


async def pause(
    tx: AsyncConnection, signatory: Signatory, consent_id: UUID, *, reason: str, at: datetime
) -> Consent:
    """Nothing is given until the enterprise resumes; the term runs on. In force like a revocation."""
    return await _answer(tx, signatory, consent_id, "pause", reason=reason, at=at)


async def resume(
    tx: AsyncConnection,
    signatory: Signatory,
    consent_id: UUID,
    *,
    reason: str,
    at: datetime,
    levels: Collection[int] = (),
    confirmed_by: ConfirmedBy | None = None,
) -> Consent:
    """Who lets data (of these levels) out again needs the same authority as who agreed."""
    consent = await _answer(tx, signatory, consent_id, "resume", reason=reason, at=at, term=True)
    await must_confirm(tx, signatory, confirmed_by, levels=levels)
    return consent


async def _answer(
    tx: AsyncConnection,
    signatory: Signatory,
    consent_id: UUID,
    verb: Verb,
    *,
    reason: str,
    at: datetime,
    term: bool = False,
) -> Consent:
    consent = await lock(tx, consent_id, uscc=signatory.uscc)
    await authority_of(tx, signatory, consent.terms, at, term=term)
    if consent.runs and consent.state_at(at) == "expired":
        raise Conflict("consent_state", "its time is over", state="expired", verb=verb)
    await move(tx, consent, verb, actor=actor_of(signatory), at=at, reason=reason)
    return await find_for_enterprise(tx, signatory.uscc, consent_id)


async def give_up(
    tx: AsyncConnection, participant_id: str, consent_id: UUID, *, reason: str = "", at: datetime
) -> Consent:
    """The bank needs it no longer: a running consent is revoked, a waiting request withdrawn. Safe to repeat."""
    consent = await lock(tx, consent_id, participant_id=participant_id)
    state = consent.state_at(at)
    if state in ("active", "paused", "awaiting", "partially_approved"):
        verb: Verb = "revoke" if consent.runs else "withdraw"
        await move(tx, consent, verb, actor=f"participant:{participant_id}", at=at, reason=reason)
    return await find_for_participant(tx, participant_id, consent_id)


async def settle_lapsed(tx: AsyncConnection, *, at: datetime, limit: int = 500) -> int:
    """Write down what time has ended already (worker). Skips what others hold; returns how many."""
    lapsed = consents.c.state.in_(("active", "paused")) & (consents.c.valid_until <= at)
    unanswered = consents.c.state.in_(("awaiting", "partially_approved")) & (consents.c.answer_by <= at)
    return await _do(tx, lapsed | unanswered, "expire", at=at, limit=limit)


async def settle_used_up(tx: AsyncConnection, *, at: datetime, limit: int = 500) -> int:
    """Write down that the last use was spent (worker); reads every active consent, so call it seldom."""
    spent = (consents.c.state == "active") & (consents.c.uses_spent >= consents.c.uses_max)
    return await _do(tx, spent, "use_up", at=at, limit=limit)


async def due_reminders(tx: AsyncConnection, *, at: datetime, limit: int = 500) -> int:
    """Note, once, of every consent that ends within a week that both sides are to be told (worker)."""
    ends_soon = (
        consents.c.state.in_(("active", "paused"))
        & (consents.c.valid_until > at)
        & (consents.c.valid_until <= at + REMIND_BEFORE)
        & (consents.c.term_days > REMIND_BEFORE.days)
        & consents.c.reminded_at.is_(None)
    )
    return await _do(tx, ends_soon, "remind", at=at, limit=limit, reminded_at=at)


async def _do(
    tx: AsyncConnection,
    which: ColumnElement[bool],
    verb: Verb,
    *,
    at: datetime,
    limit: int,
    **also: Any,
) -> int:
    rows = await tx.execute(
        stored_consents().where(which).limit(limit).with_for_update(of=consents, skip_locked=True)
    )
    found = [consent_of(row) for row in rows.mappings()]
    for consent in found:
        await move(tx, consent, verb, actor="hub", at=at, **also)
    return len(found)


async def find_artefact(tx: AsyncConnection, consent_id: UUID) -> Artefact | None:
    """What was signed; None before approval."""
    columns = [consent_artefacts.c[name] for name in Artefact.__dataclass_fields__]
    found = await tx.execute(select(*columns).where(consent_artefacts.c.consent_id == consent_id))
    row = found.one_or_none()
    return None if row is None else Artefact(*row)


async def artefact_of(tx: AsyncConnection, consent_id: UUID) -> str | None:
    """The signed artefact as a compact JWS; None before approval."""
    artefact = await find_artefact(tx, consent_id)
    return artefact.jws if artefact else None
