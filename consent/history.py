"""What happened to a consent, step by step, and what was signed: for the person who decided about it."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.models import consent_events, consents


class ConsentEvent(NamedTuple):
    at: datetime
    verb: str
    to_state: str
    reason: str
    actor: str
    """``participant:…``, ``signatory:…`` or ``hub``"""
    facts: Mapping[str, Any]
    """what else is to be known: what was granted of what was asked, how many persons agreed, which consent ended"""


class ConsentChange(NamedTuple):
    """One event of any consent, for whoever tells others."""

    event_id: int
    consent_id: UUID
    participant_id: str
    uscc: str
    at: datetime
    verb: str
    from_state: str
    to_state: str
    actor: str
    reason: str
    facts: Mapping[str, Any]


async def events_of(tx: AsyncConnection, consent_id: UUID) -> Sequence[ConsentEvent]:
    """Every change of state, oldest first. Who may read them is the caller's question."""
    columns = [consent_events.c[name] for name in ConsentEvent._fields]
    rows = await tx.execute(
        select(*columns).where(consent_events.c.consent_id == consent_id).order_by(consent_events.c.number)
    )
    return [ConsentEvent(*row) for row in rows]


async def events_after(tx: AsyncConnection, event_id: int, *, limit: int = 500) -> Sequence[ConsentChange]:
    """Events of all consents behind ``event_id``, in order. None comes later with a smaller id than one read here."""
    tables = dict.fromkeys(("participant_id", "uscc"), consents)
    columns = [tables.get(name, consent_events).c[name] for name in ConsentChange._fields]
    rows = await tx.execute(
        select(*columns)
        .join(consents, consents.c.consent_id == consent_events.c.consent_id)
        .where(consent_events.c.event_id > event_id)
        .order_by(consent_events.c.event_id)
        .limit(limit)
    )
    return [ConsentChange(*row) for row in rows]


def signed_notice(artefact: str) -> tuple[str, ...]:
    """The sentences inside an artefact of ours (compact JWS), as they were signed."""
    payload = artefact.split(".")[1]
    record = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return tuple(record["pii_processing"]["privacy_notice"])
