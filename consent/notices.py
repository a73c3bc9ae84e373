"""What a bank is told of its consents: every change that others made, and every one that time made.

`announce` runs in the transaction that appends the event, so there is no event without its notice and no notice of
an event that did not happen. A notice is sent to the bank's webhook, or kept to be polled. Notices of one consent
are sent in order, at least once: the next one waits until the one before was heard or given up.

A worker claims notices for a minute, in a short transaction; one that is killed while sending loses them by time
alone, and they are sent again under the same number.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, case, exists, func, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.models import consent_events, consents, notices, webhooks
from consent.policies import State, Verb
from core.errors import NotFound

UNTOLD: tuple[Verb, ...] = ("submit",)
"""what a bank knows without being told: it did that itself, in the call that it was answered"""

GIVE_UP_AFTER = timedelta(days=3)
CLAIM_LASTS = timedelta(seconds=60)
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=6)
PAUSE_GROWS = 3


class Told(NamedTuple):
    """One event as a bank hears it. What the enterprise wrote as its reason is not told; who acted is told by kind."""

    event_id: int
    consent_id: UUID
    participant_id: str
    at: datetime
    verb: Verb
    state: State
    """of the consent after it"""
    actor: str
    facts: dict[str, Any]
    valid_until: datetime | None


class Claimed(NamedTuple):
    """A notice to be sent now; ``attempt`` counts from 1."""

    told: Told
    attempt: int
    created_at: datetime


class Undelivered(NamedTuple):
    """A notice that was given up, for a person to see to."""

    event_id: int
    participant_id: str
    consent_id: UUID
    verb: Verb
    created_at: datetime
    settled_at: datetime
    attempts: int
    fault: str


class UndeliveredOfBank(NamedTuple):
    """How many notices wait for a person because of one bank."""

    participant_id: str
    notices: int
    oldest_at: datetime
    """the oldest event among them"""
    listens: bool
    """whether it has a webhook that is open, so that trying again may help"""


async def announce(tx: AsyncConnection, event_id: int) -> None:
    """Note that the bank is to hear of this event. To be called where the event is appended."""
    open_webhook = exists().where(
        webhooks.c.participant_id == consents.c.participant_id, webhooks.c.closed_at.is_(None)
    )
    event = (
        select(
            consent_events.c.event_id,
            consent_events.c.consent_id,
            consents.c.participant_id,
            case((open_webhook, "waiting"), else_="kept"),
            consent_events.c.at,
            consent_events.c.at,
            literal(0),
        )
        .join(consents, consents.c.consent_id == consent_events.c.consent_id)
        .where(consent_events.c.event_id == event_id, consent_events.c.verb.not_in(UNTOLD))
    )
    columns = ["event_id", "consent_id", "participant_id", "state", "created_at", "due_at", "attempts"]
    await tx.execute(insert(notices).from_select(columns, event))


async def told_after(
    tx: AsyncConnection, participant_id: str, event_id: int, *, limit: int
) -> Sequence[Told]:
    """What this bank is told, in order, continued after ``event_id``. Numbers come in the order of commits, so
    whoever has read up to one never misses a smaller one."""
    rows = await tx.execute(
        _told()
        .where(notices.c.participant_id == participant_id, notices.c.event_id > event_id)
        .order_by(notices.c.event_id)
        .limit(limit)
    )
    return [Told(*row) for row in rows]


# --- sending (worker)


async def who_waits(tx: AsyncConnection, *, at: datetime) -> Sequence[str]:
    """The participants for whom something may be sent now."""
    rows = await tx.execute(select(notices.c.participant_id).where(*_due(at)).distinct())
    return [row[0] for row in rows]


async def claim_notices(
    tx: AsyncConnection, participant_id: str, *, at: datetime, limit: int
) -> Sequence[Claimed]:
    """The next notices to send, of each consent its oldest; nobody else gets them for `CLAIM_LASTS`."""
    earlier = notices.alias()
    first_of_its_consent = ~exists().where(
        earlier.c.consent_id == notices.c.consent_id,
        earlier.c.state == "waiting",
        earlier.c.event_id < notices.c.event_id,
    )
    due = (
        select(notices.c.event_id)
        .where(notices.c.participant_id == participant_id, *_due(at), first_of_its_consent)
        .order_by(notices.c.due_at, notices.c.event_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")  # and not a subquery, which might be carried out more than once
    )
    claimed = await tx.execute(
        update(notices)
        .where(notices.c.event_id == due.c.event_id)
        .values(attempts=notices.c.attempts + 1, claimed_until=at + CLAIM_LASTS)
        .returning(notices.c.event_id, notices.c.attempts, notices.c.created_at)
    )
    found = {row.event_id: row for row in claimed}
    rows = await tx.execute(_told().where(notices.c.event_id.in_(found)).order_by(notices.c.event_id))
    told = [Told(*row) for row in rows]
    return [Claimed(one, found[one.event_id].attempts, found[one.event_id].created_at) for one in told]


async def note_heard(tx: AsyncConnection, claimed: Claimed, *, at: datetime) -> None:
    """The receiver has it. What waits because it did not answer is due now: it hears again."""
    await tx.execute(
        update(notices)
        .where(notices.c.event_id == claimed.told.event_id, notices.c.state == "waiting")
        .values(state="delivered", settled_at=at, claimed_until=None, fault=None)
    )
    await tx.execute(
        update(notices)
        .where(
            notices.c.participant_id == claimed.told.participant_id,
            notices.c.state == "waiting",
            notices.c.due_at > at,
            notices.c.fault.not_like("status_4%"),
        )
        .values(due_at=at)
    )


async def note_unheard(
    tx: AsyncConnection, claimed: Claimed, *, fault: str, at: datetime, not_before: datetime | None = None
) -> bool:
    """It did not arrive: to be tried again later, at ``not_before`` or after it, or given up (True).

    Nothing happens if another worker has the notice by now.
    """
    given_up = at >= claimed.created_at + GIVE_UP_AFTER
    again = at + pause_after(claimed.attempt, random.random())  # noqa: S311
    outcome = (
        {"state": "given_up", "settled_at": at} if given_up else {"due_at": max(again, not_before or at)}
    )
    noted = await tx.execute(
        update(notices)
        .where(
            notices.c.event_id == claimed.told.event_id,
            notices.c.state == "waiting",
            notices.c.attempts == claimed.attempt,
        )
        .values(fault=fault, claimed_until=None, **outcome)
    )
    return given_up and noted.rowcount == 1


def pause_after(attempt: int, luck: float) -> timedelta:
    """How long to wait after an attempt (1, 2, 3 …): three times longer each time, and not all at the same moment;
    ``luck`` from 0 to 1 makes it up to a fifth shorter or longer."""
    grown = FIRST_PAUSE.total_seconds() * float(PAUSE_GROWS) ** min(attempt - 1, 20)
    return timedelta(seconds=min(grown, LONGEST_PAUSE.total_seconds()) * (0.8 + 0.4 * luck))


async def keep_to_be_polled(tx: AsyncConnection, participant_id: str) -> None:
    """What waits for this bank is not sent any more; it stays where the bank can poll it."""
    await tx.execute(
        update(notices)
        .where(notices.c.participant_id == participant_id, notices.c.state == "waiting")
        .values(state="kept", claimed_until=None)
    )


# --- for a person


async def undelivered(tx: AsyncConnection, *, after: int = 0, limit: int = 100) -> Sequence[Undelivered]:
    """Notices that were given up and that nobody has seen to, oldest first."""
    rows = await tx.execute(
        select(
            notices.c.event_id,
            notices.c.participant_id,
            notices.c.consent_id,
            consent_events.c.verb,
            notices.c.created_at,
            notices.c.settled_at,
            notices.c.attempts,
            notices.c.fault,
        )
        .join(consent_events, consent_events.c.event_id == notices.c.event_id)
        .where(notices.c.state == "given_up", notices.c.handled_at.is_(None), notices.c.event_id > after)
        .order_by(notices.c.event_id)
        .limit(limit)
    )
    return [Undelivered(*row) for row in rows]


async def undelivered_by_bank(tx: AsyncConnection) -> Sequence[UndeliveredOfBank]:
    """The same counted, who waits longest first."""
    listens = exists().where(
        webhooks.c.participant_id == notices.c.participant_id, webhooks.c.closed_at.is_(None)
    )
    oldest = func.min(consent_events.c.at)
    rows = await tx.execute(
        select(notices.c.participant_id, func.count(), oldest, listens)
        .join(consent_events, consent_events.c.event_id == notices.c.event_id)
        .where(notices.c.state == "given_up", notices.c.handled_at.is_(None))
        .group_by(notices.c.participant_id)
        .order_by(oldest, notices.c.participant_id)
    )
    return [UndeliveredOfBank(*row) for row in rows]


async def note_handled(tx: AsyncConnection, event_id: int, *, by: str, at: datetime) -> None:
    """A person told the bank in another way. Raises `NotFound` unless the notice was given up and is open."""
    noted = await tx.execute(
        update(notices)
        .where(notices.c.event_id == event_id, notices.c.state == "given_up", notices.c.handled_at.is_(None))
        .values(handled_at=at, handled_by=by)
    )
    if noted.rowcount == 0:
        raise NotFound("notice_unknown", "no notice of this number waits for a person")


async def send_again(tx: AsyncConnection, participant_id: str, *, at: datetime) -> int:
    """Try everything again that was given up for this bank and nobody has handled, for another three days."""
    noted = await tx.execute(
        update(notices)
        .where(
            notices.c.participant_id == participant_id,
            notices.c.state == "given_up",
            notices.c.handled_at.is_(None),
        )
        .values(state="waiting", created_at=at, due_at=at, attempts=0, settled_at=None)
    )
    return noted.rowcount


def _told() -> Select[Any]:
    return (
        select(
            notices.c.event_id,
            notices.c.consent_id,
            notices.c.participant_id,
            consent_events.c.at,
            consent_events.c.verb,
            consent_events.c.to_state,
            consent_events.c.actor,
            consent_events.c.facts,
            consents.c.valid_until,
        )
        .join(consent_events, consent_events.c.event_id == notices.c.event_id)
        .join(consents, consents.c.consent_id == notices.c.consent_id)
    )


def _due(at: datetime) -> list[Any]:
    return [
        notices.c.state == "waiting",
        notices.c.due_at <= at,
        or_(notices.c.claimed_until.is_(None), notices.c.claimed_until <= at),
    ]
