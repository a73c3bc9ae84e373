"""A consent as it is stored, and the one way in which its state changes: locked, by the table, with an event."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.enterprises import Signatory
from consent.models import consent_events, consents, participants
from consent.notices import announce
from consent.policies import ConsentTerms, State, Verb, next_state
from core.clock import china_day
from core.errors import NotFound

Standing = State | Literal["used_up_today", "used_up_this_month"]


@dataclass(frozen=True)
class Consent:
    """A consent, or the request for it. ``terms`` are what was granted, before the yes what is asked."""

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
    supersedes: UUID | None = None
    """the consent that this one is to replace when it is approved"""
    asked: ConsentTerms | None = None
    """what the bank had asked for, where the enterprise granted less"""
    spent_on: date | None = None
    spent_that_day: int = 0
    spent_that_month: int = 0
    """uses on the day ``spent_on`` (China's time), and in its month up to then"""
    through: str | None = None
    """the platform that may hand in the form which the enterprise signed there (`consent.signed_forms`)"""

    @property
    def uses_left(self) -> int:
        return self.terms.uses_max - self.uses_spent

    @property
    def runs(self) -> bool:
        return self.state in ("active", "paused")

    def state_at(self, at: datetime) -> State:
        """The state as it stands at ``at``, also before the worker has written down that it ended."""
        if self.runs and self.valid_until is not None and at >= self.valid_until:
            return "expired"
        if self.state == "active" and self.uses_left <= 0:
            return "used_up"
        if self.state in ("awaiting", "partially_approved") and at >= self.answer_by:
            return "expired"
        return self.state

    def standing_at(self, at: datetime) -> Standing:
        """The same, and whether the uses of this day or month are spent: what `live_consents` tells the ledger."""
        state, today = self.state_at(at), china_day(at)
        if state != "active" or self.spent_on is None:
            return state
        month, spent_month = (today.year, today.month), (self.spent_on.year, self.spent_on.month)
        if spent_month >= month and _reached(self.spent_that_month, self.terms.uses_max_month):
            return "used_up_this_month"
        if self.spent_on >= today and _reached(self.spent_that_day, self.terms.uses_max_day):
            return "used_up_today"
        return state


def _reached(spent: int, most: int | None) -> bool:
    return most is not None and spent >= most


def is_(consent_id: UUID) -> ColumnElement[bool]:
    return consents.c.consent_id == consent_id


def waits(at: datetime) -> ColumnElement[bool]:
    return consents.c.state.in_(("awaiting", "partially_approved")) & (consents.c.answer_by > at)


def stored_consents() -> Select[Any]:
    return select(
        consents, participants.c.name.label("participant_name"), participants.c.participant_class
    ).join(participants, participants.c.participant_id == consents.c.participant_id)


async def find(tx: AsyncConnection, question: Select[Any]) -> Consent:
    row = (await tx.execute(question)).mappings().one_or_none()
    if row is None:
        raise NotFound("consent_unknown", "there is no such consent of yours")
    return consent_of(row)


async def lock(tx: AsyncConnection, consent_id: UUID, **owned: str) -> Consent:
    """Lock the consent of this ``uscc`` or ``participant_id``; every change does so before anything else."""
    mine = [consents.c[column] == value for column, value in owned.items()]
    return await find(tx, stored_consents().where(is_(consent_id), *mine).with_for_update(of=consents))


async def move(
    tx: AsyncConnection,
    consent: Consent,
    verb: Verb,
    *,
    actor: str,
    at: datetime,
    reason: str = "",
    facts: Mapping[str, Any] | None = None,
    **also: Any,
) -> None:
    """One step by the table; ``also`` are other columns that change with it. Raises `Conflict`."""
    state = next_state(consent.state, verb)
    await tx.execute(update(consents).where(is_(consent.consent_id)).values(state=state, **also))
    await append_event(
        tx, consent.consent_id, verb, consent.state, actor=actor, at=at, reason=reason, facts=facts
    )


async def append_event(
    tx: AsyncConnection,
    consent_id: UUID,
    verb: Verb,
    from_state: State,
    *,
    actor: str,
    at: datetime,
    reason: str = "",
    facts: Mapping[str, Any] | None = None,
) -> None:
    # Held until the commit, so that event ids come in the order of commits: whoever reads them one after the other
    # (`consent.history.events_after`) never meets a smaller one later.
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtext("consent_events"))))
    number = (
        select(func.coalesce(func.max(consent_events.c.number), 0) + 1)
        .where(consent_events.c.consent_id == consent_id)
        .scalar_subquery()
    )
    event_id = await tx.scalar(
        insert(consent_events)
        .values(
            consent_id=consent_id,
            number=number,
            at=at,
            verb=verb,
            from_state=from_state,
            to_state=next_state(from_state, verb),
            actor=actor,
            reason=reason,
            facts=dict(facts or {}),
        )
        .returning(consent_events.c.event_id)
    )
    assert event_id is not None
    await announce(tx, event_id)


def actor_of(signatory: Signatory) -> str:
    return f"signatory:{signatory.subject}"


def columns_of(terms: ConsentTerms) -> dict[str, Any]:
    """The terms as columns of ``consents``."""
    return {**asdict(terms), "datasets": list(terms.datasets)}


def terms_as_json(terms: ConsentTerms) -> dict[str, Any]:
    return {
        **columns_of(terms),
        "data_from": terms.data_from.isoformat() if terms.data_from else None,
    }


def _terms(row: Mapping[str, Any]) -> ConsentTerms:
    given = {name: row[name] for name in ConsentTerms.__dataclass_fields__}
    given["datasets"] = tuple(given["datasets"])
    if isinstance(given["data_from"], str):
        given["data_from"] = date.fromisoformat(given["data_from"])
    return ConsentTerms(**given)


_OWN = (
    "consent_id", "participant_id", "participant_name", "uses_spent", "state", "requested_at", "answer_by",
    "valid_from", "valid_until", "participant_class", "supersedes", "spent_on", "spent_that_day", "spent_that_month",
    "through",
)  # fmt: skip


def consent_of(row: RowMapping) -> Consent:
    stored = cast("Mapping[str, Any]", row)
    return Consent(
        terms=_terms(stored),
        asked=_terms(stored["asked"]) if stored["asked"] else None,
        **{name: stored[name] for name in _OWN},
    )
