"""What an enterprise had agreed to in a past time, told as of its end: what happened later does not change it.

Made of the events, which are only appended to. Of the consents only what never changes after the yes is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import cast
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.history import ConsentEvent
from consent.life import Consent, consent_of, stored_consents
from consent.models import consent_events, consents
from consent.policies import TRANSITIONS, ConsentTerms, State

OPEN: tuple[State, ...] = tuple(state for state, verbs in TRANSITIONS.items() if verbs)
"""states in which something may still happen"""


@dataclass(frozen=True)
class Held:
    """A consent, or the request for it, as it stood at the end of the time."""

    consent_id: UUID
    participant_id: str
    terms: ConsentTerms
    """as granted by then, before that as asked"""
    state: State
    valid_from: datetime | None
    valid_until: datetime | None
    changes: Sequence[ConsentEvent]
    """what happened in the time, oldest first"""


async def held_between(tx: AsyncConnection, uscc: str, since: datetime, until: datetime) -> Sequence[Held]:
    """Every consent and request that was open in the time or changed in it, in order of the request."""
    changed = (
        select(consent_events.c.event_id)
        .where(consent_events.c.consent_id == consents.c.consent_id, consent_events.c.at >= since)
        .exists()
    )
    rows = await tx.execute(
        stored_consents()
        .where(
            consents.c.uscc == uscc,
            consents.c.requested_at < until,
            or_(consents.c.state.in_(OPEN), changed),
        )
        .order_by(consents.c.requested_at, consents.c.consent_id)
    )
    found = [consent_of(row) for row in rows.mappings()]
    events = await _events_before(tx, [consent.consent_id for consent in found], until)
    held = (_held(consent, events.get(consent.consent_id, []), since, until) for consent in found)
    return [one for one in held if one is not None]


async def first_request_at(tx: AsyncConnection, uscc: str) -> datetime | None:
    """When the enterprise was asked for the first time; None: never."""
    found: datetime | None = await tx.scalar(
        select(func.min(consents.c.requested_at)).where(consents.c.uscc == uscc)
    )
    return found


async def _events_before(
    tx: AsyncConnection, consent_ids: Sequence[UUID], until: datetime
) -> dict[UUID, list[ConsentEvent]]:
    columns = [consent_events.c[name] for name in ConsentEvent._fields]
    rows = await tx.execute(
        select(consent_events.c.consent_id, *columns)
        .where(consent_events.c.consent_id.in_(consent_ids), consent_events.c.at < until)
        .order_by(consent_events.c.consent_id, consent_events.c.number)
    )
    return {
        consent_id: [ConsentEvent(*row[1:]) for row in of_one]
        for consent_id, of_one in groupby(rows, key=lambda row: row[0])
    }


def _held(consent: Consent, events: Sequence[ConsentEvent], since: datetime, until: datetime) -> Held | None:
    """None for what was over before."""
    changes = [event for event in events if event.at >= since]
    if not changes and _state(consent, events, since) not in OPEN:
        return None
    verbs = {event.verb for event in events}
    agreed, began = bool(verbs & {"approve", "approve_in_part"}), "approve" in verbs
    return Held(
        consent.consent_id,
        consent.participant_id,
        consent.terms if agreed or consent.asked is None else consent.asked,
        _state(consent, events, until),
        consent.valid_from if began else None,
        consent.valid_until if began else None,
        changes,
    )


def _state(consent: Consent, events: Sequence[ConsentEvent], at: datetime) -> State:
    """After these events, and by the clock: that time was over is written down a little later."""
    state = cast("State", events[-1].to_state if events else "draft")
    if state in ("active", "paused") and consent.valid_until is not None and consent.valid_until <= at:
        return "expired"
    if state in ("awaiting", "partially_approved") and consent.answer_by <= at:
        return "expired"
    return state
