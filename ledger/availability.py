"""Looks whether there is anything about an enterprise, before it is asked for its consent: kept, so that it sees them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from core.identifiers import new_id
from ledger.models import availability_checks


class AvailabilityCheck(NamedTuple):
    check_id: UUID
    at: datetime
    participant_id: str
    uscc: str
    purpose: str
    datasets: Sequence[str]


class ChecksAlike(NamedTuple):
    """How often one participant looked for the same data, for the same purpose."""

    participant_id: str
    purpose: str
    datasets: Sequence[str]
    checks: int


async def note_availability_check(
    tx: AsyncConnection,
    participant_id: str,
    uscc: str,
    *,
    purpose: str,
    datasets: Sequence[str],
    at: datetime,
) -> UUID:
    """Remember the look; to be committed before its answer leaves."""
    check = AvailabilityCheck(new_id(), at, participant_id, uscc, purpose, list(datasets))
    await tx.execute(insert(availability_checks).values(check._asdict()))
    return check.check_id


async def availability_checks_of(
    tx: AsyncConnection, uscc: str, *, before: tuple[datetime, UUID] | None = None, limit: int = 50
) -> Sequence[AvailabilityCheck]:
    """Who looked whether there is anything about this enterprise, newest first; continued by giving the last one's
    ``(at, check_id)`` as ``before``."""
    table = availability_checks
    question = select(*(table.c[name] for name in AvailabilityCheck._fields)).where(table.c.uscc == uscc)
    if before is not None:
        question = question.where(tuple_(table.c.at, table.c.check_id) < before)
    rows = await tx.execute(question.order_by(table.c.at.desc(), table.c.check_id.desc()).limit(limit))
    return [AvailabilityCheck(*row) for row in rows]


async def checks_between(
    tx: AsyncConnection, uscc: str, since: datetime, until: datetime
) -> Sequence[ChecksAlike]:
    """The looks for this enterprise from ``since`` until before ``until``, counted by kind and in its order."""
    table = availability_checks
    kinds = [table.c.participant_id, table.c.purpose, table.c.datasets]
    rows = await tx.execute(
        select(*kinds, func.count())
        .where(table.c.uscc == uscc, table.c.at >= since, table.c.at < until)
        .group_by(*kinds)
        .order_by(*kinds)
    )
    return [ChecksAlike._make(row) for row in rows]
