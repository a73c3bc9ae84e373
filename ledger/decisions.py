"""Decisions looked up again: one by its id, and the questions of a period by kind."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import NotFound
from ledger.models import disclosures

READING_A_MONTH = "15min"
"""what the database may take for it: nobody waits at a counter for this"""


class Decision(NamedTuple):
    """What was decided about one question. Not whom it was about: whoever asked knows, nobody else needs to."""

    decision_id: UUID
    at: datetime
    participant_id: str
    dataset: str
    purpose: str
    mode: str
    consent_id: UUID
    outcome: str
    reason: str | None
    view_id: str
    price_fen: int


class QuestionsAlike(NamedTuple):
    """How many recorded questions of one kind ended in one way."""

    participant_id: str
    dataset: str
    purpose: str
    mode: str
    view_id: str
    outcome: str
    reason: str | None
    calls: int


async def find_decision(
    tx: AsyncConnection, decision_id: UUID, *, participant_id: str | None = None
) -> Decision:
    """One decision; with ``participant_id`` only if it is theirs. Raises `NotFound`."""
    columns = [disclosures.c[name] for name in Decision._fields]
    wanted = disclosures.c.decision_id == decision_id
    if participant_id is not None:
        wanted = and_(wanted, disclosures.c.participant_id == participant_id)
    row = (await tx.execute(select(*columns).where(wanted))).one_or_none()
    if row is None:
        raise NotFound("decision_unknown", "there is no such decision")
    return Decision(*row)


async def questions_between(
    tx: AsyncConnection, since: datetime, until: datetime
) -> Sequence[QuestionsAlike]:
    """The recorded questions from ``since`` until before ``until``, counted by kind in the database.

    Reads every disclosure of the period once: take a month at a time, as they are partitioned. In no order:
    sorted, the database would rather sort all of them than count them in a table of the few kinds there are.
    """
    await tx.execute(text(f"SET LOCAL statement_timeout = '{READING_A_MONTH}'"))
    kinds = [disclosures.c[name] for name in QuestionsAlike._fields if name != "calls"]
    rows = await tx.execute(
        select(*kinds, func.count())
        .where(disclosures.c.at >= since, disclosures.c.at < until)
        .group_by(*kinds)
    )
    return [QuestionsAlike._make(row) for row in rows]
