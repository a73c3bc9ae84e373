"""What the worker does for the ledger: month partitions ahead of time, old idempotency keys removed."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

IDEMPOTENCY_KEYS_KEPT = timedelta(hours=48)
"""How long a retry finds its answer; the interface guide promises 24 hours."""


async def ensure_partitions(tx: AsyncConnection) -> None:
    """Make the partitions of this month and the next three; the function belongs to the migrating role."""
    await tx.execute(text("SELECT ensure_disclosure_partitions(3)"))


async def purge_answered_questions(tx: AsyncConnection, at: datetime, *, limit: int = 10_000) -> int:
    """Forget keys older than `IDEMPOTENCY_KEYS_KEPT`; the disclosures themselves stay. Returns how many."""
    result = await tx.execute(
        text(
            "DELETE FROM answered_questions WHERE (participant_id, idempotency_key) IN ("
            "SELECT participant_id, idempotency_key FROM answered_questions WHERE at < :before LIMIT :limit)"
        ),
        {"before": at - IDEMPOTENCY_KEYS_KEPT, "limit": limit},
    )
    return result.rowcount
