"""The shelf: many questions about stored records answered by one statement (the group read of the spine).

One place for this SQL, sent to asyncpg directly. Bodies come back as JSON text that `View.render` reads at
once.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple, TypeAlias

import asyncpg

from core.identifiers import USCC

Connection: TypeAlias = "asyncpg.Connection | asyncpg.pool.PoolConnectionProxy"


class ShelfAsk(NamedTuple):
    """One question; ``records_max`` is the contract's."""

    dataset: str
    uscc: USCC
    records_max: int


class ShelfReask(NamedTuple):
    """The exact versions of an earlier answer, in its order."""

    dataset: str
    record_ids: Sequence[int]


class Shelved(NamedTuple):
    """``bodies``: a JSON array of records, newest part first; ``record_ids`` in the same order.

    ``as_of`` is the oldest and ``as_of_newest`` the newest day for which these records speak; None when
    nothing was found.
    """

    bodies: str
    record_ids: list[int]
    as_of: date | None
    as_of_newest: date | None

    @property
    def found(self) -> bool:
        return bool(self.record_ids)


NOTHING_SHELVED = Shelved("[]", [], None, None)


# A lateral join with its limit inside: per question one walk down the index of one partition (pruned at run
# time), at most records_max rows, no sort. The aggregates stand directly on that walk and so keep its order.
READ_RECORDS = """
    SELECT coalesce(shelved.bodies, '[]'), coalesce(shelved.record_ids, '{}'), shelved.oldest, shelved.newest
    FROM unnest($1::text[], $2::text[], $3::int[])
        WITH ORDINALITY AS ask (dataset, uscc, records_max, position)
    CROSS JOIN LATERAL (
        SELECT '[' || string_agg(walk.body, ',') || ']' AS bodies, array_agg(walk.record_id) AS record_ids,
               min(walk.as_of) AS oldest, max(walk.as_of) AS newest
        FROM (
            SELECT body, record_id, as_of
            FROM records
            WHERE records.dataset = ask.dataset AND records.uscc = ask.uscc AND records.superseded_at IS NULL
            ORDER BY records.part DESC
            LIMIT ask.records_max
        ) AS walk
    ) AS shelved
    ORDER BY ask.position
"""

# The wanted versions of all questions in one flat list, in order; put together again by question.
REREAD_RECORDS = """
    SELECT wanted.question, records.body, records.record_id, records.as_of
    FROM unnest($1::int[], $2::text[], $3::bigint[])
        WITH ORDINALITY AS wanted (question, dataset, record_id, position)
    JOIN records ON records.dataset = wanted.dataset AND records.record_id = wanted.record_id
    ORDER BY wanted.position
"""


async def read_records(connection: Connection, asks: Sequence[ShelfAsk]) -> list[Shelved]:
    """The newest current records for each question, in the order of the questions; one statement for all."""
    rows = await connection.fetch(
        READ_RECORDS, [ask[0] for ask in asks], [ask[1] for ask in asks], [ask[2] for ask in asks]
    )
    return [Shelved(*row) for row in rows]


async def reread_records(connection: Connection, asks: Sequence[ShelfReask]) -> list[Shelved]:
    """The very versions of earlier answers, superseded since or not, byte for byte; one statement for all.

    A version that is not there (its retention ended) is missing from the answer: compare ``record_ids``.
    """
    wanted = [(question, ask[0], record_id) for question, ask in enumerate(asks) for record_id in ask[1]]
    rows = await connection.fetch(
        REREAD_RECORDS, *([list(column) for column in zip(*wanted, strict=True)] or [[]] * 3)
    )
    found: list[list[asyncpg.Record]] = [[] for _ in asks]
    for row in rows:
        found[row["question"]].append(row)
    return [_put_together(versions) for versions in found]


def _put_together(versions: list[asyncpg.Record]) -> Shelved:
    if not versions:
        return NOTHING_SHELVED
    days = [row["as_of"] for row in versions]
    bodies = ",".join(row["body"] for row in versions)
    return Shelved(f"[{bodies}]", [row["record_id"] for row in versions], min(days), max(days))
