"""Records that are disputed, withheld or withdrawn: said at once, and the past stays explainable.

A mark is a new version of the record with the same body. A disputed record leaves with that word, a withheld one
does not leave, not even again as part of an earlier answer; a withdrawn one has no current version any more. Who did
it and why is in `record_events`. What is delivered later keeps the mark, until somebody takes it away.
"""

from typing import Literal

from datasets.enterprise_keys import REGISTRATION, forget
from datasets.shelf import Connection

Mark = Literal["disputed", "withheld"]

_MARK = """
    WITH current AS (
        SELECT * FROM records
        WHERE dataset = $1 AND uscc = $2 AND part = coalesce($3, part) AND superseded_at IS NULL
            AND mark IS DISTINCT FROM $4
        ORDER BY part FOR UPDATE
    ), superseded AS (
        UPDATE records SET superseded_at = greatest(now(), records.recorded_at)
        FROM current WHERE records.dataset = $1 AND records.record_id = current.record_id
        RETURNING records.record_id
    ), successor AS (
        INSERT INTO records (dataset, uscc, part, body, digest, as_of, intake_id, mark)
        SELECT dataset, uscc, part, body, digest, as_of, intake_id, $4 FROM current
        WHERE (SELECT count(*) FROM superseded) >= 0  -- the old version leaves the unique index before the new enters
        RETURNING part, record_id
    )
    INSERT INTO record_events (dataset, uscc, part, verb, mark, record_id, successor_id, actor, reason)
    SELECT $1, $2, part, CASE WHEN $4 IS NULL THEN 'unmark' ELSE 'mark' END, $4, current.record_id,
        successor.record_id, $5, $6
    FROM current JOIN successor USING (part)
"""

_STANDING = """
    SELECT EXISTS (
        SELECT FROM records
        WHERE dataset = $1 AND uscc = $2 AND part = coalesce($3, part) AND superseded_at IS NULL
    )
"""
_OTHERWISE = """
    SELECT EXISTS (
        SELECT FROM records
        WHERE dataset = $1 AND uscc = $2 AND part = coalesce($3, part) AND superseded_at IS NULL
            AND mark IS DISTINCT FROM $4
    )
"""

_WITHDRAW = """
    WITH withdrawn AS (
        UPDATE records SET superseded_at = greatest(now(), recorded_at)
        WHERE dataset = $1 AND uscc = $2 AND part = coalesce($3, part) AND superseded_at IS NULL
        RETURNING part, record_id
    )
    INSERT INTO record_events (dataset, uscc, part, verb, record_id, actor, reason)
    SELECT $1, $2, part, 'withdraw', record_id, $4, $5 FROM withdrawn
"""


async def mark_records(
    connection: Connection,
    dataset: str,
    uscc: str,
    mark: Mark,
    *,
    part: str | None = None,
    actor: str,
    reason: str,
) -> int:
    """Mark the current record of this part, or all of the enterprise; returns how many were not marked so before."""
    return await _mark(connection, dataset, uscc, part, mark, actor, reason)


async def unmark_records(
    connection: Connection, dataset: str, uscc: str, *, part: str | None = None, actor: str, reason: str
) -> int:
    """Take the mark away; returns from how many records."""
    return await _mark(connection, dataset, uscc, part, None, actor, reason)


async def withdraw_records(
    connection: Connection, dataset: str, uscc: str, *, part: str | None = None, actor: str, reason: str
) -> int:
    """Supersede without successor; returns how many records. A later delivery may bring a record back."""
    async with connection.transaction():
        withdrawn = 0
        while await connection.fetchval(_STANDING, dataset, uscc, part):
            withdrawn += _rows(await connection.execute(_WITHDRAW, dataset, uscc, part, actor, reason))
        if dataset == REGISTRATION:
            await forget(connection, [uscc])
    return withdrawn


async def _mark(
    connection: Connection,
    dataset: str,
    uscc: str,
    part: str | None,
    mark: Mark | None,
    actor: str,
    reason: str,
) -> int:
    async with connection.transaction():
        marked = 0
        # An intake that was superseding the record meanwhile has left a new version behind: that one is meant, too.
        while await connection.fetchval(_OTHERWISE, dataset, uscc, part, mark):
            marked += _rows(await connection.execute(_MARK, dataset, uscc, part, mark, actor, reason))
    return marked


def _rows(done: str) -> int:
    return int(done.rpartition(" ")[2])
