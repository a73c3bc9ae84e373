"""Requests that a bank follows over the back channel (CIBA), and the pings that tell it they were answered.

A bank's notification token is kept only until its ping has arrived, or was given up.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.life import Consent, find, is_, stored_consents
from consent.models import backchannel_requests, clients, consents

PING_ATTEMPTS_MAX = 6
FIRST_PAUSE = timedelta(seconds=15)
"""before a ping that failed is sent again; doubled each time"""
WAITING = ("awaiting", "partially_approved")


class Ping(NamedTuple):
    """``number``: of the attempt, from 1."""

    consent_id: UUID
    notification_url: str
    notification_token: str
    number: int


async def note_backchannel_request(
    tx: AsyncConnection, consent_id: UUID, *, client_id: str, notification_token: str | None, at: datetime
) -> None:
    """The client will ask how ``consent_id`` was answered; with a token, it is also to be pinged."""
    await tx.execute(
        insert(backchannel_requests).values(
            consent_id=consent_id,
            client_id=client_id,
            requested_at=at,
            notification_token=notification_token,
            ping_attempts=0,
            ping_at=at,
        )
    )


async def find_backchannel_client(tx: AsyncConnection, consent_id: UUID) -> str | None:
    """The client that follows the request over the back channel, if one does."""
    client_id: str | None = await tx.scalar(
        select(backchannel_requests.c.client_id).where(backchannel_requests.c.consent_id == consent_id)
    )
    return client_id


async def find_consent(tx: AsyncConnection, consent_id: UUID) -> Consent:
    """Whoever's it is: for callers that know the id as a secret, and say no more than how it stands."""
    return await find(tx, stored_consents().where(is_(consent_id)))


async def claim_pings(tx: AsyncConnection, *, at: datetime, limit: int = 50) -> Sequence[Ping]:
    """The pings that are due, each claimed: unless `note_pinged` follows, it comes again after a pause.

    Skips what others hold, so several workers share the work, and one that dies leaves it to the next.
    """
    mine = backchannel_requests.c
    rows = await tx.execute(
        select(mine.consent_id, clients.c.notification_url, mine.notification_token, mine.ping_attempts)
        .join(consents, consents.c.consent_id == mine.consent_id)
        .join(clients, clients.c.client_id == mine.client_id)
        .where(
            mine.notification_token.is_not(None),
            mine.ping_at <= at,
            consents.c.state.not_in(WAITING),
            clients.c.notification_url.is_not(None),
        )
        .order_by(mine.ping_at)
        .limit(limit)
        .with_for_update(of=backchannel_requests, skip_locked=True)
    )
    pings = [Ping(consent_id, url, token, attempts + 1) for consent_id, url, token, attempts in rows]
    for ping in pings:
        await tx.execute(
            update(backchannel_requests)
            .where(mine.consent_id == ping.consent_id)
            .values(ping_attempts=ping.number, ping_at=at + FIRST_PAUSE * 2 ** (ping.number - 1))
        )
    return pings


async def note_pinged(tx: AsyncConnection, consent_id: UUID, *, at: datetime | None) -> None:
    """The ping has arrived at ``at``; None: it was given up, and the client has to poll."""
    await tx.execute(
        update(backchannel_requests)
        .where(backchannel_requests.c.consent_id == consent_id)
        .values(notification_token=None, pinged_at=func.coalesce(at, backchannel_requests.c.pinged_at))
    )
