"""When owners of live data sets were last asked, and the right to ask now: one row per data set and enterprise.

The right to ask is a lease in the row itself: no connection and no transaction is held while the owner thinks, and
of several processes with the same question one asks while the others wait for it. A process that dies holding it
loses it by time alone.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from core.identifiers import USCC
from datasets.contract import Contract
from datasets.shelf import Connection

Failure = Literal["unusable", "away"]
Outcome = Literal["records", "nothing"] | Failure
FAILURES: tuple[Failure, ...] = ("unusable", "away")


class LiveKey(NamedTuple):
    """What the owner is asked about."""

    dataset: str
    uscc: USCC


class LiveCheck(NamedTuple):
    """``checked_at``: when the last ask began that ended well, under ``contract_version``; ``outcome``: how the last
    one ended, ``outcome_at``; ``asking_since``: when the one under way began.
    """

    contract_version: int | None
    checked_at: datetime | None
    outcome: Outcome | None
    outcome_at: datetime | None
    asking_since: datetime | None

    def is_fresh(self, contract: Contract, oldest: datetime) -> bool:
        """Whether the stored copy is from ``oldest`` or later, and of this version of the contract."""
        return (
            self.checked_at is not None
            and self.checked_at >= oldest
            and self.contract_version == contract.version
        )

    def failed_since(self, at: datetime) -> bool:
        return self.outcome in FAILURES and self.outcome_at is not None and self.outcome_at > at


class Lease(NamedTuple):
    """The right to ask, and since when: what the answer says is at least as new."""

    number: int
    asked_at: datetime


READ_CHECKS = """
    SELECT found.contract_version, found.checked_at, found.outcome, found.outcome_at, found.asking_since,
           found.known IS NOT NULL
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS key (dataset, uscc, position)
    LEFT JOIN LATERAL (
        SELECT contract_version, checked_at, outcome, outcome_at, asking_since, true AS known FROM live_checks
        WHERE live_checks.dataset = key.dataset AND live_checks.uscc = key.uscc LIMIT 1
    ) AS found ON true
    ORDER BY key.position
"""

# Judged again with the row locked: another process may have finished, well or badly, since it was read.
CLAIM = """
    INSERT INTO live_checks AS known (dataset, uscc, asking, asking_since) VALUES ($1, $2, $3, $4)
    ON CONFLICT (dataset, uscc) DO UPDATE
        SET asking = excluded.asking, asking_since = excluded.asking_since
        WHERE (known.checked_at IS NULL OR known.checked_at < $5 OR known.contract_version <> $6)
          AND (known.asking IS NULL OR known.asking_since < $7)
          AND (known.outcome IS NULL OR known.outcome NOT IN ('unusable', 'away') OR known.outcome_at <= $8)
    RETURNING asking
"""

RELEASE = """
    UPDATE live_checks SET asking = NULL, asking_since = NULL, outcome = $4, outcome_at = $5
    WHERE dataset = $1 AND uscc = $2 AND asking = $3
"""


async def read_live_checks(connection: Connection, keys: Sequence[LiveKey]) -> list[LiveCheck | None]:
    """How each stands, in order; None if its owner was never asked. One statement for all."""
    rows = await connection.fetch(READ_CHECKS, [key[0] for key in keys], [key[1] for key in keys])
    return [LiveCheck(*tuple(row)[:5]) if row[5] else None for row in rows]


async def claim_ask(
    connection: Connection,
    contract: Contract,
    uscc: USCC,
    *,
    at: datetime,
    arrived: datetime,
    oldest: datetime,
    abandoned_before: datetime,
) -> Lease | None:
    """The lease to ask the owner, or None: the copy is from ``oldest`` or later, somebody else is asking, or an ask
    failed after this question ``arrived``. A lease from before ``abandoned_before`` no longer counts.
    """
    lease = Lease(secrets.randbits(62), at)
    claimed = await connection.fetchval(
        CLAIM, contract.id, uscc, *lease, oldest, contract.version, abandoned_before, arrived
    )
    return lease if claimed is not None else None


async def release_ask(
    connection: Connection, key: LiveKey, lease: Lease, outcome: Failure, *, at: datetime
) -> None:
    """The ask failed and nothing was stored. Nothing happens if the lease was lost meanwhile."""
    await connection.execute(RELEASE, *key, lease.number, outcome, at)
