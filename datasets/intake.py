"""Intake: a delivered file → records and quarantined rows, nothing lost.

Every batch is one transaction that stores its rows and moves the intake's counters, so that a kill at any
moment leaves exact accounts; taking the same file in again changes nothing. While the database stores one
batch the next is cleaned in a thread.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

import orjson

from core.clock import Clock, china_day, now
from core.errors import Conflict
from datasets.cleaning import CleanRow, Fault, RowCleaner
from datasets.contract import Contract
from datasets.delivery import Delivery, inspect_delivery
from datasets.shelf import Connection

ROWS_PER_BATCH = 5_000
BYTES_PER_BATCH = 8 * 1024 * 1024
_ROWS_PER_TURN = 50
LOCK_NAMESPACE = 0x494E54  # "INT": advisory locks of intakes
_DIFFERS_HINT = "同一文件里前面已有主键相同、内容不同的一行；请核对后只报一行"


class IntakeBusy(Conflict):
    """Another intake of the same data set is under way; nothing was stored."""


class Progress(NamedTuple):
    bytes_read: int
    bytes_total: int
    received: int


@dataclass(frozen=True, slots=True)
class IntakeReport:
    """The account of one file: received = accepted + duplicate + superseded + quarantined.

    ``accepted``: first versions; ``superseded``: rows that replaced an earlier version; ``duplicate``: rows
    that are stored already, word for word. ``reasons`` counts the quarantined rows by their first reason.
    """

    intake_id: int
    dataset: str
    file_name: str
    file_digest: str
    encoding: str
    as_of: date
    received: int
    accepted: int
    duplicate: int
    superseded: int
    quarantined: int
    reasons: dict[str, int]
    ignored_columns: tuple[str, ...]


class _Quarantined(NamedTuple):
    """A row of `quarantined_rows` without its intake."""

    line_number: int
    reason: str
    field: str | None
    hint: str
    original: str


class _Staged(NamedTuple):
    """A clean row on its way in; ``first`` of its key in this batch, or ``same`` as that first one."""

    line_number: int
    uscc: str
    part: str
    body: str
    digest: bytes
    as_of: date
    first: bool
    same: bool


@dataclass(slots=True)
class _Batch:
    staged: list[_Staged] = field(default_factory=list)
    quarantined: list[_Quarantined] = field(default_factory=list)
    originals: dict[int, str] = field(default_factory=dict)
    firsts: dict[tuple[str, str], bytes] = field(default_factory=dict)
    received: int = 0
    size: int = 0
    bytes_read: int = 0

    @property
    def full(self) -> bool:
        return self.received >= ROWS_PER_BATCH or self.size >= BYTES_PER_BATCH


async def ingest(
    connection: Connection,
    contract: Contract,
    path: Path,
    *,
    as_of: date | None = None,
    clock: Clock = now,
    progress: Callable[[Progress], None] | None = None,
) -> IntakeReport:
    """Take one file in. ``as_of``: the day for which its owner drew it, today if not said.

    The connection must be outside a transaction and stays the caller's. Raises `DeliveryRefused` (nothing was
    stored) or `IntakeBusy`; after any other error the batches so far stand, with exact accounts, and the file
    can be taken in again.
    """
    day = as_of or china_day(clock())
    delivery = await asyncio.to_thread(
        inspect_delivery, path, lambda header: RowCleaner(contract, header, day)
    )
    async with _alone(connection, contract.id):
        intake_id = await _open_account(connection, contract, delivery, day)
        reasons = await _take_all(connection, contract, delivery, intake_id, progress)
        return await _close_account(connection, delivery, intake_id, reasons)


@asynccontextmanager
async def _alone(connection: Connection, dataset: str) -> AsyncIterator[None]:
    """One intake per data set at a time: whether a row is new is decided against what is stored."""
    if not await connection.fetchval(
        "SELECT pg_try_advisory_lock($1, hashtext($2))", LOCK_NAMESPACE, dataset
    ):
        raise IntakeBusy("intake_busy", f"信息项目 {dataset} 正在接收另一个文件，请稍后再试")
    try:
        await connection.execute(_CREATE_STAGING)
        yield
        await connection.execute(_DROP_STAGING)
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1, hashtext($2))", LOCK_NAMESPACE, dataset)


async def _open_account(connection: Connection, contract: Contract, delivery: Delivery, as_of: date) -> int:
    intake_id: int = await connection.fetchval(
        "INSERT INTO intakes (dataset, contract_version, file_name, file_digest, as_of)"
        " VALUES ($1, $2, $3, $4, $5) RETURNING intake_id",
        contract.id,
        contract.version,
        delivery.path.name,
        delivery.digest,
        as_of,
    )
    return intake_id


async def _take_all(
    connection: Connection,
    contract: Contract,
    delivery: Delivery,
    intake_id: int,
    progress: Callable[[Progress], None] | None,
) -> Counter[str]:
    reasons: Counter[str] = Counter()
    received = 0
    batches = _batches(delivery)
    upcoming = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
    try:
        while (batch := await upcoming) is not None:
            upcoming = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
            await _store(connection, contract.id, intake_id, batch)
            reasons.update(row.reason for row in batch.quarantined)
            received += batch.received
            if progress is not None:
                progress(Progress(batch.bytes_read, delivery.size, received))
    finally:
        # A thread cannot be stopped; wait for it rather than leave it reading a file nobody wants any more.
        await asyncio.gather(upcoming, return_exceptions=True)
    return reasons


async def _close_account(
    connection: Connection, delivery: Delivery, intake_id: int, reasons: Counter[str]
) -> IntakeReport:
    row = await connection.fetchrow(
        "UPDATE intakes SET finished_at = now() WHERE intake_id = $1"
        " RETURNING dataset, as_of, received, accepted, duplicate, superseded, quarantined",
        intake_id,
    )
    assert row is not None
    return IntakeReport(
        intake_id=intake_id,
        file_name=delivery.path.name,
        file_digest=delivery.digest.hex(),
        encoding=delivery.encoding,
        reasons=dict(reasons.most_common()),
        ignored_columns=delivery.cleaner.ignored_columns,
        **dict(row),
    )


# --- reading and cleaning, in a thread
# --------------------------------------------------------------------------


def _batches(delivery: Delivery) -> Iterator[_Batch]:
    batch = _Batch()
    for row in delivery.rows():
        cleaned = [row.fault] if row.fault else delivery.cleaner.clean(row.cells)
        batch.received += 1
        batch.size += len(row.original)
        batch.bytes_read = row.bytes_read
        if isinstance(cleaned, CleanRow):
            _stage(batch, row.line_number, row.original, cleaned)
        else:
            batch.quarantined.append(_quarantine(row.line_number, row.original, cleaned))
        if batch.received % _ROWS_PER_TURN == 0:
            # Lets the event loop have its turn at once: by itself a thread keeps the interpreter for 5 ms.
            time.sleep(0)
        if batch.full:
            yield batch
            batch = _Batch()
    if batch.received:
        yield batch


def _stage(batch: _Batch, line_number: int, original: str, row: CleanRow) -> None:
    body = orjson.dumps(row.body)
    digest = hashlib.sha256(body).digest()
    key = (row.uscc, row.part)
    first_digest = batch.firsts.get(key)
    if first_digest is None:
        batch.firsts[key] = digest
    batch.originals[line_number] = original
    batch.staged.append(
        _Staged(
            line_number,
            row.uscc,
            row.part,
            body.decode(),
            digest,
            row.as_of,
            first_digest is None,
            first_digest == digest,
        )
    )


def _quarantine(line_number: int, original: str, faults: list[Fault]) -> _Quarantined:
    hint = "；".join(dict.fromkeys(fault.hint for fault in faults))
    return _Quarantined(line_number, faults[0].reason, faults[0].field, hint, storable(original))


def storable(original: str) -> str:
    """The original text as PostgreSQL can keep it: NUL shown as ␀, undecodable bytes as \\udc80 and the like."""
    return original.replace("\x00", "␀").encode("utf-8", "backslashreplace").decode("utf-8")


# --- storing
# ----------------------------------------------------------------------------------------------------

_CREATE_STAGING = """
    DROP TABLE IF EXISTS pg_temp.intake_staging, pg_temp.intake_seen;
    CREATE TEMPORARY TABLE intake_staging (
        line_number bigint, uscc text COLLATE "C", part text COLLATE "C", body text, digest bytea, as_of date,
        first boolean, same boolean
    ) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE intake_seen (uscc text COLLATE "C", part text COLLATE "C", PRIMARY KEY (uscc, part))
"""
_DROP_STAGING = "DROP TABLE IF EXISTS pg_temp.intake_staging, pg_temp.intake_seen"

# The first row of a key in a file establishes it; later ones are compared with it: the same again is a
# duplicate, anything else contradicts the file itself. A key established by an earlier batch is known by the
# intake that wrote its current record or, where that first row was a duplicate and wrote nothing, by intake_seen.
# So the outcome depends neither on where batches end nor on how often the file was taken in before.
#
# Lateral with LIMIT: one look into the index per row, however large the table; a join would be planned as a scan.
# The insert reads `superseded` first: the old version must leave the unique index before the new one enters.
_MERGE = """
    WITH judged AS MATERIALIZED (
        SELECT s.line_number, s.uscc, s.part, s.body, s.digest, s.as_of, s.first, current.record_id AS current_id,
               CASE
                   WHEN current.intake_id = $2 OR seen.uscc IS NOT NULL
                       THEN CASE WHEN s.digest = current.digest THEN 'duplicate' ELSE 'conflicting' END
                   WHEN NOT s.first THEN CASE WHEN s.same THEN 'duplicate' ELSE 'conflicting' END
                   WHEN current.record_id IS NULL THEN 'accepted'
                   WHEN s.digest = current.digest THEN 'duplicate'
                   ELSE 'superseding'
               END AS outcome
        FROM intake_staging AS s
        LEFT JOIN LATERAL (
            SELECT record_id, intake_id, digest FROM records
            WHERE dataset = $1 AND uscc = s.uscc AND part = s.part AND superseded_at IS NULL
            LIMIT 1
        ) AS current ON true
        LEFT JOIN LATERAL (
            SELECT uscc FROM intake_seen WHERE uscc = s.uscc AND part = s.part LIMIT 1
        ) AS seen ON true
    ), superseded AS (
        UPDATE records SET superseded_at = now()
        FROM judged
        WHERE records.dataset = $1 AND records.record_id = judged.current_id AND judged.outcome = 'superseding'
        RETURNING records.record_id
    ), added AS (
        INSERT INTO records (dataset, uscc, part, body, digest, as_of, intake_id)
        SELECT $1, uscc, part, body, digest, as_of, $2
        FROM judged
        WHERE outcome IN ('accepted', 'superseding') AND (SELECT count(*) FROM superseded) >= 0
    ), remembered AS (
        INSERT INTO intake_seen SELECT uscc, part FROM judged WHERE outcome = 'duplicate' AND first
        ON CONFLICT DO NOTHING
    ), account AS (
        SELECT count(*) FILTER (WHERE outcome = 'accepted') AS accepted,
               count(*) FILTER (WHERE outcome = 'duplicate') AS duplicate,
               count(*) FILTER (WHERE outcome = 'superseding') AS superseded,
               count(*) FILTER (WHERE outcome = 'conflicting') AS conflicting,
               coalesce(array_agg(line_number) FILTER (WHERE outcome = 'conflicting'), '{}') AS conflicting_lines
        FROM judged
    )
    UPDATE intakes
    SET received = intakes.received + $3, quarantined = intakes.quarantined + $4 + account.conflicting,
        accepted = intakes.accepted + account.accepted, duplicate = intakes.duplicate + account.duplicate,
        superseded = intakes.superseded + account.superseded
    FROM account
    WHERE intake_id = $2
    RETURNING account.conflicting_lines
"""


async def _store(connection: Connection, dataset: str, intake_id: int, batch: _Batch) -> None:
    """One transaction: the batch's rows and their account."""
    async with connection.transaction():
        # Planned anew each time: the tables grow under a long intake, a plan made when they were empty would scan.
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        await connection.copy_records_to_table("intake_staging", records=batch.staged)
        conflicting = await connection.fetchval(
            _MERGE, dataset, intake_id, batch.received, len(batch.quarantined)
        )
        for line_number in conflicting:
            fault = Fault("conflicting_duplicate", None, _DIFFERS_HINT)
            batch.quarantined.append(_quarantine(line_number, batch.originals[line_number], [fault]))
        if batch.quarantined:
            await connection.copy_records_to_table(
                "quarantined_rows",
                records=[(intake_id, *row) for row in batch.quarantined],
                columns=["intake_id", *_Quarantined._fields],
            )
