"""Who looked at an enterprise's data: every call about it, refusals included, newest first."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Date, cast, func, literal_column, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.models import disclosures


class Look(NamedTuple):
    decision_id: UUID
    at: datetime
    participant_id: str
    dataset: str
    purpose: str
    consent_id: UUID
    outcome: str
    reason: str | None
    view_id: str
    price_fen: int


class LooksOfDay(NamedTuple):
    """How many calls of one day (China's time) ended in one way."""

    day: date
    outcome: str
    looks: int


class CallsAlike(NamedTuple):
    """How many calls about one enterprise were alike, and what they cost the institution that asked."""

    participant_id: str
    dataset: str
    purpose: str
    outcome: str
    reason: str | None
    calls: int
    price_fen: int


COLUMNS = [disclosures.c[name] for name in Look._fields]


async def looks_at(
    tx: AsyncConnection,
    uscc: str,
    *,
    dataset: str | None = None,
    outcome: str | None = None,
    consent_id: UUID | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> Sequence[Look]:
    """One page, continued by giving the last row's ``(at, decision_id)`` as ``before`` (keyset paging)."""
    question = select(*COLUMNS).where(disclosures.c.uscc == uscc)
    wanted = {"dataset": dataset, "outcome": outcome, "consent_id": consent_id}
    for name, value in wanted.items():
        if value is not None:
            question = question.where(disclosures.c[name] == value)
    if before is not None:
        question = question.where(tuple_(disclosures.c.at, disclosures.c.decision_id) < before)
    rows = await tx.execute(
        question.order_by(disclosures.c.at.desc(), disclosures.c.decision_id.desc()).limit(limit)
    )
    return [Look(*row) for row in rows]


async def looks_per_day(
    tx: AsyncConnection, uscc: str, *, since: datetime, until: datetime | None = None
) -> Sequence[LooksOfDay]:
    """Counts by day and outcome from ``since`` on, until before ``until``; days without calls are absent."""
    day = cast(func.timezone(literal_column("'Asia/Shanghai'"), disclosures.c.at), Date)
    rows = await tx.execute(
        select(day, disclosures.c.outcome, func.count())
        .where(*_about(uscc, since, until))
        .group_by(day, disclosures.c.outcome)
    )
    return [LooksOfDay(*row) for row in rows]


async def calls_between(
    tx: AsyncConnection, uscc: str, since: datetime, until: datetime
) -> Sequence[CallsAlike]:
    """The calls from ``since`` until before ``until``, counted by kind and in its order."""
    kinds = [disclosures.c[name] for name in CallsAlike._fields if name not in ("calls", "price_fen")]
    rows = await tx.execute(
        select(*kinds, func.count(), func.sum(disclosures.c.price_fen))
        .where(*_about(uscc, since, until))
        .group_by(*kinds)
        .order_by(*kinds)
    )
    return [CallsAlike._make(row) for row in rows]


async def uses_between(tx: AsyncConnection, uscc: str, since: datetime, until: datetime) -> dict[UUID, int]:
    """How often each consent was used: answers with data or with nothing found."""
    rows = await tx.execute(
        select(disclosures.c.consent_id, func.count())
        .where(*_about(uscc, since, until), disclosures.c.outcome != "refused")
        .group_by(disclosures.c.consent_id)
    )
    return {row[0]: row[1] for row in rows}


async def first_look_at(tx: AsyncConnection, uscc: str) -> datetime | None:
    """When the enterprise was asked about for the first time; None: never."""
    found: datetime | None = await tx.scalar(
        select(func.min(disclosures.c.at)).where(disclosures.c.uscc == uscc)
    )
    return found


def _about(uscc: str, since: datetime, until: datetime | None) -> list[ColumnElement[bool]]:
    wanted = [disclosures.c.uscc == uscc, disclosures.c.at >= since]
    return wanted if until is None else [*wanted, disclosures.c.at < until]
