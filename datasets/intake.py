"""Intake: a delivered file → records and quarantined rows, nothing lost.

Every batch is one transaction that stores its rows and moves the intake's counters, so that a kill at any moment
leaves exact accounts. The same file again goes on where it was cut off, and ends with the very totals that it would
have had; a file that is stored already changes nothing. While the database stores one batch the next is cleaned.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from core.clock import Clock, china_day, now
from core.errors import Conflict
from datasets.batches import Batch, Encoder, Job, batches_of, storable
from datasets.cleaning import DeliveryRefused, RowCleaner
from datasets.contract import Contract
from datasets.delivery import Delivery, inspect_delivery
from datasets.enterprise_keys import REGISTRATION
from datasets.shelf import Connection
from datasets.storing import Storing

LOCK_NAMESPACE = 0x494E54  # "INT": advisory locks of intakes

IntakeSource = Literal["cli", "inbox", "correction"]


class IntakeBusy(Conflict):
    """Another intake of the same data set is under way; nothing was stored."""


class Progress(NamedTuple):
    bytes_read: int
    bytes_total: int
    received: int


class Errand(NamedTuple):
    """What is to be done with a file, beside its contract.

    ``as_of``: the day for which its owner drew it. Where nobody says: the day of an earlier intake of the same file,
    or of the one that it corrects, or today in China. ``corrects``: the intake whose quarantined rows come back
    corrected. ``withdraws``: the rows name records that are to be withdrawn. ``expected_digest``: SHA-256 that the
    file must have.
    """

    as_of: date | None = None
    source: IntakeSource = "cli"
    corrects: int | None = None
    withdraws: bool = False
    expected_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class IntakeReport:
    """The account of one file: received = accepted + unchanged + superseded + quarantined.

    ``accepted``: first versions; ``superseded``: rows that replaced an earlier version or withdrew it;
    ``unchanged``: rows that are stored already. ``reasons`` counts the quarantined rows by their first reason.
    Of the fields of the rows taken (``cells``), ``filled`` say something. ``resumed``: an earlier attempt was
    finished; ``repeated``: the file was stored already and nothing happened since.
    """

    intake_id: int
    dataset: str
    file_name: str
    file_digest: str
    encoding: str
    as_of: date
    source: IntakeSource
    corrects: int | None
    received: int
    accepted: int
    unchanged: int
    superseded: int
    quarantined: int
    cells: int
    filled: int
    reasons: dict[str, int]
    ignored_columns: tuple[str, ...]
    resumed: bool
    repeated: bool


class _Account(NamedTuple):
    """An intake's row in the table, as far as it matters for going on with it."""

    intake_id: int
    as_of: date
    recipe: bytes
    received: int
    unchanged: int
    finished: bool

    def continues(self, delivered: date, recipe: bytes) -> bool:
        """Whether the rows taken so far are the ones that would be taken now."""
        return (self.as_of, self.recipe) == (delivered, recipe)


async def ingest(
    connection: Connection,
    contract: Contract,
    path: Path,
    *,
    as_of: date | None = None,
    source: IntakeSource = "cli",
    corrects: int | None = None,
    withdraws: bool = False,
    expected_digest: bytes | None = None,
    clock: Clock = now,
    progress: Callable[[Progress], None] | None = None,
) -> IntakeReport:
    """Take one file in; see `Errand`.

    The connection must be outside a transaction and stays the caller's. Raises `DeliveryRefused` (nothing was
    stored) or `IntakeBusy`; after any other error the batches so far stand, with exact accounts, and the same file
    goes on from there.
    """
    errand = Errand(as_of, source, corrects, withdraws, expected_digest)
    async with _alone(connection, contract.id):
        day = await _day_of_correction(connection, contract, errand) or as_of or china_day(clock())
        print_of_file = await asyncio.to_thread(_print_of, path)
        delivery = await asyncio.to_thread(
            inspect_delivery, path, lambda header: RowCleaner(contract, header, day)
        )
        _refuse_mismatch(delivery, errand)
        earlier = await _earlier(connection, contract, delivery, errand)
        if earlier is not None and as_of is None and earlier.as_of != day:
            day = earlier.as_of
            delivery = replace(delivery, cleaner=RowCleaner(contract, delivery.header, day))
        recipe = _recipe(contract)
        account = earlier if earlier and earlier.continues(day, recipe) else None
        if account and account.finished:
            repeated_id = await _repeat(connection, contract, delivery, account)
            if repeated_id is not None:
                return await _report(connection, delivery, repeated_id, repeated=True)
        resumed = account is not None and not account.finished
        if account is None or account.finished:
            account = await _open_account(connection, contract, delivery, errand, day, recipe)
        intake = _Intake(connection, contract, delivery, account, errand, print_of_file, progress)
        await intake.take_all()
        await connection.execute(
            "UPDATE intakes SET finished_at = now() WHERE intake_id = $1", account.intake_id
        )
        return await _report(connection, delivery, account.intake_id, resumed=resumed)


@asynccontextmanager
async def _alone(connection: Connection, dataset: str) -> AsyncIterator[None]:
    """One intake per data set at a time: whether a row is new is decided against what is stored."""
    if not await connection.fetchval(
        "SELECT pg_try_advisory_lock($1, hashtext($2))", LOCK_NAMESPACE, dataset
    ):
        raise IntakeBusy("intake_busy", f"信息项目 {dataset} 正在接收另一个文件，请稍后再试")
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1, hashtext($2))", LOCK_NAMESPACE, dataset)


def _refuse_mismatch(delivery: Delivery, errand: Errand) -> None:
    if errand.expected_digest is not None and delivery.digest != errand.expected_digest:
        raise DeliveryRefused("manifest_digest", "文件与清单所载摘要不符，可能没有传完整；请重新上传")
    if errand.corrects is not None and not delivery.is_correction:
        raise DeliveryRefused(
            "not_a_correction_file", "这不是更正文件：缺少 _line 列，请在导出的更正文件上修改"
        )
    if delivery.is_correction and errand.corrects is None:
        raise DeliveryRefused(
            "correction_unaddressed", "这是更正文件，请说明它更正的是哪一次接收（corrects）"
        )


async def _day_of_correction(connection: Connection, contract: Contract, errand: Errand) -> date | None:
    """A corrected row is as old as the delivery that it corrects, if nobody says otherwise."""
    if errand.corrects is None:
        return None
    corrected = await connection.fetchrow(
        "SELECT dataset, as_of FROM intakes WHERE intake_id = $1", errand.corrects
    )
    if corrected is None or corrected["dataset"] != contract.id:
        raise DeliveryRefused(
            "corrects_unknown", f"没有编号为 {errand.corrects} 的“{contract.title}”接收，请核对"
        )
    day: date = corrected["as_of"]
    return errand.as_of or day


# --- accounts
# -----------------------------------------------------------------------------------------------------


@cache
def _program() -> bytes:
    """Digest of the code by which rows become records: what another release stores, it may store otherwise."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).digest()


def _recipe(contract: Contract) -> bytes:
    return hashlib.sha256(
        f"{contract.id} {contract.version} {contract.digest}".encode() + _program()
    ).digest()


async def _earlier(
    connection: Connection, contract: Contract, delivery: Delivery, errand: Errand
) -> _Account | None:
    """The latest intake of the very same file for the same purpose."""
    row = await connection.fetchrow(
        "SELECT intake_id, as_of, recipe, received, unchanged, finished_at IS NOT NULL FROM intakes"
        " WHERE dataset = $1 AND file_digest = $2 AND corrects IS NOT DISTINCT FROM $3 AND withdraws = $4"
        " ORDER BY intake_id DESC LIMIT 1",
        contract.id,
        delivery.digest,
        errand.corrects,
        errand.withdraws,
    )
    return _Account(*row) if row else None


async def _open_account(
    connection: Connection, contract: Contract, delivery: Delivery, errand: Errand, day: date, recipe: bytes
) -> _Account:
    intake_id: int = await connection.fetchval(
        "INSERT INTO intakes (dataset, contract_version, file_name, file_digest, as_of, form, header, recipe,"
        " source, corrects, withdraws) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING intake_id",
        contract.id,
        contract.version,
        delivery.path.name,
        delivery.digest,
        day,
        delivery.form,
        [storable(name) for name in delivery.header],
        recipe,
        errand.source,
        errand.corrects,
        errand.withdraws,
    )
    return _Account(intake_id, day, recipe, 0, 0, False)


# Nothing may have happened to the data set since that intake, nor to the registrations by which its rows were
# resolved. A batch of another data set may have begun before it and been committed after: a minute covers that.
_UNTOUCHED = """
    SELECT NOT EXISTS (
        SELECT FROM intakes AS other
        WHERE other.intake_id <> own.intake_id AND other.accepted + other.superseded > 0
          AND (other.dataset = own.dataset AND other.stored_at > own.started_at
               OR other.dataset = ANY($2) AND other.stored_at > own.started_at - $3::interval)
    ) AND NOT EXISTS (
        SELECT FROM record_events
        WHERE dataset = ANY($2 || own.dataset) AND at > own.started_at - $3::interval
    )
    FROM intakes AS own WHERE own.intake_id = $1
"""
_BATCH_SECONDS_MAX = timedelta(minutes=1)

_REPEAT = """
    WITH repeated AS (
        INSERT INTO intakes (dataset, contract_version, file_name, file_digest, as_of, form, header, recipe, source,
            corrects, withdraws, finished_at, received, unchanged, quarantined, cells, filled)
        SELECT dataset, contract_version, $2, file_digest, as_of, form, header, recipe, source,
            corrects, withdraws, now(), received, received - quarantined, quarantined, cells, filled
        FROM intakes WHERE intake_id = $1
        RETURNING intake_id
    ), again AS (
        INSERT INTO quarantined_rows (intake_id, line_number, reason, field, hint, original, corrects_line)
        SELECT repeated.intake_id, line_number, reason, field, hint, original, corrects_line
        FROM quarantined_rows, repeated WHERE quarantined_rows.intake_id = $1
    )
    SELECT intake_id FROM repeated
"""


async def _repeat(
    connection: Connection, contract: Contract, delivery: Delivery, account: _Account
) -> int | None:
    """Account for a file that is stored completely, without looking at its rows again: all are unchanged, or in
    quarantine as before. None where that might not be true any more.
    """
    if "live" in contract.modes:
        return None
    resolving = [REGISTRATION] if contract.other_keys else []
    if not await connection.fetchval(_UNTOUCHED, account.intake_id, resolving, _BATCH_SECONDS_MAX):
        return None
    repeated_id: int = await connection.fetchval(_REPEAT, account.intake_id, delivery.path.name)
    return repeated_id


async def _report(
    connection: Connection,
    delivery: Delivery,
    intake_id: int,
    *,
    resumed: bool = False,
    repeated: bool = False,
) -> IntakeReport:
    row = await connection.fetchrow(
        "SELECT intake_id, dataset, as_of, source, corrects, received, accepted, unchanged, superseded,"
        " quarantined, cells, filled FROM intakes WHERE intake_id = $1",
        intake_id,
    )
    assert row is not None
    reasons = await connection.fetch(
        "SELECT reason, count(*) FROM quarantined_rows WHERE intake_id = $1 GROUP BY reason ORDER BY 2 DESC, 1",
        intake_id,
    )
    return IntakeReport(
        file_name=delivery.path.name,
        file_digest=delivery.digest.hex(),
        encoding=delivery.encoding,
        reasons={row[0]: row[1] for row in reasons},
        ignored_columns=delivery.cleaner.ignored_columns,
        resumed=resumed,
        repeated=repeated,
        **dict(row),
    )


# --- taking the rows
# ----------------------------------------------------------------------------------------------

_PrintOfFile = tuple[int, int, int, int]


def _print_of(path: Path) -> _PrintOfFile:
    """Changes whenever somebody writes to the file or puts another in its place."""
    try:
        found = path.stat()
    except OSError as error:
        raise DeliveryRefused("file_unreadable", f"文件打不开：{error.strerror or error}") from error
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


@dataclass(slots=True)
class _Intake:
    connection: Connection
    contract: Contract
    delivery: Delivery
    account: _Account
    errand: Errand
    print_of_file: _PrintOfFile
    progress: Callable[[Progress], None] | None

    async def take_all(self) -> None:
        account, contract = self.account, self.contract
        encoder = Encoder(contract.id, account.intake_id)
        absent = frozenset(contract.field_by_name) - frozenset(self.delivery.cleaner.present_fields)
        storing = Storing(
            connection=self.connection,
            contract=contract,
            intake_id=account.intake_id,
            encoder=encoder,
            delivered=account.as_of,
            absent=absent,
            corrects=self.errand.corrects,
            withdraws=self.errand.withdraws,
        )
        # What an earlier attempt has written tells of itself; what it met unchanged must be looked at again.
        job = Job(self.delivery, encoder, skipped=account.received, replayed=account.unchanged > 0)
        received = 0 if job.replayed else job.skipped
        with batches_of(job) as batches:
            async for batch in self._read_ahead(batches):
                self._refuse_changed_file()
                received += batch.received
                if received <= job.skipped:
                    await storing.replay(batch)
                else:
                    await storing.store(batch)
                if self.progress is not None:
                    self.progress(Progress(batch.bytes_read, self.delivery.size, received))

    async def _read_ahead(self, batches: Iterator[Batch]) -> AsyncIterator[Batch]:
        upcoming = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
        try:
            while (batch := await upcoming) is not None:
                upcoming = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
                yield batch
        finally:
            # A thread cannot be stopped; wait for it rather than leave it reading a file nobody wants any more.
            await asyncio.gather(upcoming, return_exceptions=True)

    def _refuse_changed_file(self) -> None:
        """What was read must be what was inspected: two versions of a file are never mixed."""
        if _print_of(self.delivery.path) != self.print_of_file:
            raise DeliveryRefused("file_changed", "接收过程中文件被改动，已停止；请等文件写完后重新接收")
