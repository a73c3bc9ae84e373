"""Find what was already answered under an idempotency key, so that a retry gets the same answer (promise 4)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ledger.remember import Connection


class Earlier(NamedTuple):
    """An earlier disclosure under the same key, and how its consent stands now."""

    question_digest: bytes
    decision_id: UUID
    at: datetime
    view_id: str
    record_ids: list[int]
    price_fen: int
    salt: bytes
    answer_digest: bytes
    standing: str


# The share lock waits for a revocation under way: after it has returned, a retry gets no data either. It is taken
# in order of id, as the commit takes its own, so that the two cannot deadlock.
RECALL = """
WITH found AS MATERIALIZED (
    SELECT q.position, k.question_digest, d.decision_id, d.at, d.view_id, d.record_ids, d.price_fen, d.salt,
           d.answer_digest, d.consent_id
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS q(participant_id, idempotency_key, position)
    JOIN answered_questions k USING (participant_id, idempotency_key)
    JOIN disclosures d ON d.decision_id = k.decision_id AND d.at = k.at
),
consent AS MATERIALIZED (
    SELECT consent_id, standing FROM live_consents
    WHERE consent_id = ANY (ARRAY(SELECT consent_id FROM found)) ORDER BY consent_id FOR SHARE
)
SELECT f.position, f.question_digest, f.decision_id, f.at, f.view_id, f.record_ids, f.price_fen, f.salt,
       f.answer_digest, c.standing
FROM found f JOIN consent c USING (consent_id)
"""


async def recall(connection: Connection, keys: Sequence[tuple[str, str]]) -> list[Earlier | None]:
    """For each (participant_id, idempotency_key) the earlier disclosure, or None when its key was purged."""
    rows = await connection.fetch(RECALL, [key[0] for key in keys], [key[1] for key in keys])
    found = {row[0]: Earlier(row[1], UUID(int=row[2].int), *tuple(row)[3:]) for row in rows}
    return [found.get(position) for position in range(1, len(keys) + 1)]
