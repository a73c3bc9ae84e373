"""What happened to a consent, step by step, and what was signed: for the person who decided about it."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.models import consent_events


class ConsentEvent(NamedTuple):
    at: datetime
    verb: str
    to_state: str
    reason: str


async def events_of(tx: AsyncConnection, consent_id: UUID) -> Sequence[ConsentEvent]:
    """Every change of state, oldest first. Who may read them is the caller's question."""
    columns = [consent_events.c[name] for name in ConsentEvent._fields]
    rows = await tx.execute(
        select(*columns).where(consent_events.c.consent_id == consent_id).order_by(consent_events.c.number)
    )
    return [ConsentEvent(*row) for row in rows]


def signed_notice(artefact: str) -> tuple[str, ...]:
    """The sentences inside an artefact of ours (compact JWS), as they were signed."""
    payload = artefact.split(".")[1]
    record = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return tuple(record["pii_processing"]["privacy_notice"])
