"""What happened to an enterprise's consents, for its people to read, the newest first.

All of it is in ``consent_events``. Only how far each person has read is kept besides; a person's own deeds are no
news to them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.enterprises import Signatory
from consent.life import actor_of
from consent.models import consent_events, consents, enterprise_people, participants

UNREAD_MAX = 99


class News(NamedTuple):
    """One event of one consent. ``person_name``: whose deed it was, if it was one of the enterprise's people."""

    event_id: int
    consent_id: UUID
    at: datetime
    verb: str
    to_state: str
    actor: str
    reason: str
    facts: Mapping[str, Any]
    participant_name: str
    datasets: Sequence[str]
    person_name: str | None


async def news_of(
    tx: AsyncConnection, uscc: str, *, before: int | None = None, limit: int = 50
) -> Sequence[News]:
    """The newest first; ``before``: only those older than that event."""
    table = consent_events.c
    doer = and_(
        enterprise_people.c.uscc == consents.c.uscc,
        func.concat("signatory:", enterprise_people.c.subject) == table.actor,
    )
    question: Select[Any] = (
        select(
            table.event_id,
            table.consent_id,
            table.at,
            table.verb,
            table.to_state,
            table.actor,
            table.reason,
            table.facts,
            participants.c.name,
            consents.c.datasets,
            enterprise_people.c.name,
        )
        .join(consents, consents.c.consent_id == table.consent_id)
        .join(participants, participants.c.participant_id == consents.c.participant_id)
        .outerjoin(enterprise_people, doer)
        .where(consents.c.uscc == uscc)
        .order_by(table.event_id.desc())
        .limit(limit)
    )
    if before is not None:
        question = question.where(table.event_id < before)
    return [News(*row) for row in await tx.execute(question)]


async def read_up_to(tx: AsyncConnection, signatory: Signatory) -> int:
    """The newest event that the person had before their eyes."""
    return await tx.scalar(select(enterprise_people.c.news_read_to).where(_is(signatory))) or 0


async def count_unread(tx: AsyncConnection, signatory: Signatory) -> int:
    """How many events the person has not seen, their own deeds apart; no more than `UNREAD_MAX` are counted."""
    unread = (
        select(consent_events.c.event_id)
        .join(consents, consents.c.consent_id == consent_events.c.consent_id)
        .where(
            consents.c.uscc == signatory.uscc,
            consent_events.c.event_id > await read_up_to(tx, signatory),
            consent_events.c.actor != actor_of(signatory),
        )
        .limit(UNREAD_MAX)
    )
    return await tx.scalar(select(func.count()).select_from(unread.subquery())) or 0


async def note_read(tx: AsyncConnection, signatory: Signatory, event_id: int) -> None:
    """The person has seen all up to that event."""
    further = enterprise_people.c.news_read_to < event_id
    await tx.execute(update(enterprise_people).where(_is(signatory), further).values(news_read_to=event_id))


def _is(signatory: Signatory) -> Any:
    return and_(enterprise_people.c.uscc == signatory.uscc, enterprise_people.c.subject == signatory.subject)
