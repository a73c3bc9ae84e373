"""Where a bank wants to be told what becomes of its consents: one address per participant.

The secret that signs what is sent there is not stored: it is derived from a key file of the hub, the participant and
the number kept here. A new number is a new secret; for a day the one before signs too, so that nothing is missed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Integer, Select, cast, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.models import participants, webhooks
from consent.notices import keep_to_be_polled
from core.errors import NotFound

OLD_SECRET_SIGNS_FOR = timedelta(hours=24)

Closed = Literal["operator", "gone"]


class Webhook(NamedTuple):
    participant_id: str
    url: str
    secret_number: int
    renewed_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    closed_because: Closed | None
    """``gone``: its receiver answered 410"""

    def secret_numbers(self, at: datetime) -> tuple[int, ...]:
        """The secrets that sign at ``at``, the newest first."""
        if self.renewed_at is not None and at < self.renewed_at + OLD_SECRET_SIGNS_FOR:
            return (self.secret_number, self.secret_number - 1)
        return (self.secret_number,)


async def open_webhook(tx: AsyncConnection, participant_id: str, url: str, *, at: datetime) -> Webhook:
    """Enter or change the address; what happens from now on is sent there. Raises `NotFound`.

    An address that was closed gets a new secret when it is opened again.
    """
    if (
        await tx.scalar(
            select(participants.c.participant_id).where(participants.c.participant_id == participant_id)
        )
        is None
    ):
        raise NotFound("participant_unknown", "there is no such participant; enter it first")
    entry = insert(webhooks).values(participant_id=participant_id, url=url, secret_number=1, opened_at=at)
    was_closed = cast(webhooks.c.closed_at.is_not(None), Integer)
    await tx.execute(
        entry.on_conflict_do_update(
            index_elements=["participant_id"],
            set_={
                "url": entry.excluded.url,
                "secret_number": webhooks.c.secret_number + was_closed,
                "opened_at": at,
                "closed_at": None,
                "closed_because": None,
            },
        )
    )
    return await find_webhook(tx, participant_id)


async def find_webhook(tx: AsyncConnection, participant_id: str) -> Webhook:
    """Raises `NotFound`."""
    row = (await tx.execute(_webhooks().where(webhooks.c.participant_id == participant_id))).one_or_none()
    if row is None:
        raise NotFound("webhook_unknown", "this participant has no webhook")
    return Webhook(*row)


async def list_webhooks(tx: AsyncConnection) -> Sequence[Webhook]:
    return [Webhook(*row) for row in await tx.execute(_webhooks().order_by(webhooks.c.participant_id))]


async def renew_secret(tx: AsyncConnection, participant_id: str, *, at: datetime) -> Webhook:
    """From now on another secret signs, and for a day the present one beside it. Raises `NotFound`."""
    await tx.execute(
        update(webhooks)
        .where(webhooks.c.participant_id == participant_id)
        .values(secret_number=webhooks.c.secret_number + 1, renewed_at=at)
    )
    return await find_webhook(tx, participant_id)


async def close_webhook(
    tx: AsyncConnection, participant_id: str, *, because: Closed, at: datetime
) -> Webhook:
    """Send nothing there any more; what still waited can be polled. Raises `NotFound`."""
    await tx.execute(
        update(webhooks)
        .where(webhooks.c.participant_id == participant_id, webhooks.c.closed_at.is_(None))
        .values(closed_at=at, closed_because=because, renewed_at=None)
    )
    await keep_to_be_polled(tx, participant_id)
    return await find_webhook(tx, participant_id)


def _webhooks() -> Select[Any]:
    return select(*(webhooks.c[name] for name in Webhook._fields))
