"""An owner's answer about one enterprise: cleaned as any delivery, then stored whole, as versions of its records.

The answer is all that the owner has. A row that changed supersedes the stored version, one that is not there any
more is superseded without successor, an unchanged one is confirmed for the day on which the owner was asked. Every
answer that brought rows has an account among the intakes: received = accepted + unchanged + superseded + quarantined.

A row that cannot be taken makes the answer unusable: what is missing from a list may be what matters. Its good rows
are stored and its bad ones quarantined, but nothing counts as checked and nobody gets an answer from it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import orjson

from core.clock import china_day
from core.errors import Unavailable
from core.identifiers import USCC
from datasets.amounts import UncleanError
from datasets.cleaning import CleanRow, DeliveryRefused, Fault, RowCleaner, clean_key
from datasets.contract import Contract, normalised_header
from datasets.live_checks import Lease, LiveKey
from datasets.shelf import Connection

ROWS_MAX = 1_000
"""of one answer: more is no answer about one enterprise"""
SOURCE = "live"
_NO_KEY = Fault("key_missing", None, "没有填写统一社会信用代码，请补上")
_DIFFERS = Fault("conflicting_duplicate", None, "同一次答复里前面已有主键相同、内容不同的一行；请核对")


class LiveRecord(NamedTuple):
    """One record in its stored form. The order of the fields is the order of the SQL parameters."""

    part: str
    body: str
    digest: bytes
    as_of: date


class QuarantinedLive(NamedTuple):
    """A row of `quarantined_rows` without its intake; ``line_number`` counts the rows of the answer from 1."""

    line_number: int
    reason: str
    field: str | None
    hint: str
    original: str


@dataclass(frozen=True, slots=True)
class CleanAnswer:
    """``unchanged`` counts rows that repeat another row of the same answer; ``filled`` of ``cells`` are not empty."""

    digest: bytes
    as_of: date
    received: int
    records: tuple[LiveRecord, ...]
    quarantined: tuple[QuarantinedLive, ...]
    unchanged: int
    cells: int
    filled: int

    @property
    def usable(self) -> bool:
        return not self.quarantined


class LeaseLost(Exception):
    """Somebody else asks about this enterprise now; nothing was stored."""


def clean_answer(
    contract: Contract, uscc: USCC, rows: Sequence[dict[str, str]], asked_at: datetime
) -> CleanAnswer:
    """Pure. ``rows``: column name → cell as text, as the owner gave them.

    Raises `Unavailable` ("owner_answer_unusable") if nothing of it may be kept: about another enterprise, without
    the columns it needs, or far too much.
    """
    if len(rows) > ROWS_MAX:
        raise _unusable("too_many_rows")
    _refuse_other_enterprises(contract, uscc, rows)
    day = china_day(asked_at)
    header = list(dict.fromkeys(name for row in rows for name in row))
    records: dict[str, LiveRecord] = {}
    quarantined: list[QuarantinedLive] = []
    unchanged = filled = 0
    cleaner = _cleaner(contract, header, day) if rows else None
    for number, row in enumerate(rows, start=1):
        assert cleaner is not None
        cleaned = cleaner.clean([row.get(name, "") for name in header])
        if not isinstance(cleaned, CleanRow):
            quarantined.append(_quarantined(number, row, cleaned))
            continue
        if (
            cleaned.uscc is None
        ):  # found by another key, if at all: an owner who was asked by USCC says the USCC
            quarantined.append(_quarantined(number, row, [_NO_KEY]))
            continue
        record = _stored_form(cleaned)
        first = records.setdefault(record.part, record)
        if first.digest != record.digest:
            quarantined.append(_quarantined(number, row, [_DIFFERS]))
        else:
            unchanged += first is not record
            filled += sum(value is not None for value in cleaned.body.values())
    return CleanAnswer(
        digest=hashlib.sha256(json.dumps(list(rows)).encode()).digest(),
        as_of=day,
        received=len(rows),
        records=tuple(records.values()),
        quarantined=tuple(quarantined),
        unchanged=unchanged,
        cells=(len(rows) - len(quarantined)) * len(contract.fields),
        filled=filled,
    )


def _unusable(fault: str) -> Unavailable:
    return Unavailable("owner_answer_unusable", f"the owner's answer cannot be used: {fault}", fault=fault)


def _refuse_other_enterprises(contract: Contract, uscc: USCC, rows: Sequence[dict[str, str]]) -> None:
    """Nobody else's data is kept, not even in quarantine: the enterprise asked about is the one that consented."""
    key_columns = {normalised_header(name) for name in (contract.key, *contract.key_sources)}
    for row in rows:
        for name, cell in row.items():
            if normalised_header(name) in key_columns and _names_another(cell, uscc):
                raise _unusable("wrong_enterprise")


def _names_another(cell: str, uscc: USCC) -> bool:
    try:
        return clean_key(cell) != uscc
    except UncleanError:
        return False  # the cleaning of the row says what is wrong with it


def _cleaner(contract: Contract, header: Sequence[str], day: date) -> RowCleaner:
    try:
        return RowCleaner(contract, header, day)
    except DeliveryRefused as refusal:
        raise _unusable(refusal.reason) from refusal


def _stored_form(row: CleanRow) -> LiveRecord:
    body = orjson.dumps(row.body)
    return LiveRecord(row.part, body.decode(), hashlib.sha256(body).digest(), row.as_of)


def _quarantined(number: int, row: Mapping[str, str], faults: Sequence[Fault]) -> QuarantinedLive:
    hint = "；".join(dict.fromkeys(fault.hint for fault in faults))
    # As JSON, in which a NUL is escaped; halves of broken characters PostgreSQL would not take.
    original = json.dumps(dict(row), ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return QuarantinedLive(number, faults[0].reason, faults[0].field, hint, original)


# --- storing
# ----------------------------------------------------------------------------------------------------

_HOLD_LEASE = """
    SELECT outcome = 'unusable' AND answer_digest = $4 FROM live_checks
    WHERE dataset = $1 AND uscc = $2 AND asking = $3 FOR UPDATE
"""

# A mark that somebody sets just now is waited for, and seen by the next statement.
_LOCK_RECORDS = """
    SELECT FROM records WHERE dataset = $1 AND uscc = $2 AND superseded_at IS NULL ORDER BY part FOR UPDATE
"""

# A withheld version never leaves; it stays, with its mark, also when the owner has the row no more: should the row
# come back, the mark is still there. The insert reads `ended` first: the old version must leave the unique index
# before the new one enters.
_STORE = """
    WITH incoming AS MATERIALIZED (
        SELECT * FROM unnest($3::text[], $4::text[], $5::bytea[], $6::date[]) AS i (part, body, digest, as_of)
    ), current AS MATERIALIZED (
        SELECT record_id, part, digest, as_of, mark FROM records
        WHERE dataset = $1 AND uscc = $2 AND superseded_at IS NULL
    ), judged AS MATERIALIZED (
        SELECT i.part, i.body, i.digest, i.as_of, c.record_id AS current_id, c.mark,
               CASE
                   WHEN c.record_id IS NULL THEN 'accepted'
                   WHEN c.digest <> i.digest THEN 'superseding'
                   WHEN c.as_of < i.as_of THEN 'confirming'
                   ELSE 'unchanged'
               END AS outcome
        FROM incoming i LEFT JOIN current c ON c.part = i.part
    ), ended AS (
        UPDATE records SET superseded_at = greatest(now(), recorded_at)
        WHERE dataset = $1 AND record_id = ANY (ARRAY(
            SELECT current_id FROM judged WHERE outcome IN ('superseding', 'confirming')
            UNION ALL
            SELECT record_id FROM current
            WHERE $7 AND mark IS DISTINCT FROM 'withheld' AND part NOT IN (SELECT part FROM incoming)
        ))
        RETURNING record_id
    ), account AS (
        INSERT INTO intakes (
            dataset, source, form, file_name, contract_version, file_digest, as_of, received, quarantined, cells, filled,
            accepted, unchanged, superseded, started_at, finished_at
        )
        SELECT $1, $8, 'jsonl', $8, $9, $10, $11, $12, $13, $14, $15,
               count(*) FILTER (WHERE outcome = 'accepted'),
               count(*) FILTER (WHERE outcome IN ('unchanged', 'confirming')) + $16::bigint,
               count(*) FILTER (WHERE outcome = 'superseding'), $17, now()
        FROM judged HAVING $12::bigint > 0
        RETURNING intake_id, accepted, unchanged, superseded
    ), added AS (
        INSERT INTO records (dataset, uscc, part, body, digest, as_of, mark, intake_id)
        SELECT $1, $2, part, body, digest, as_of, mark, (SELECT intake_id FROM account)
        FROM judged WHERE outcome <> 'unchanged' AND (SELECT count(*) FROM ended) >= 0
    )
    SELECT intake_id FROM account
"""

_NOTE_CHECK = """
    UPDATE live_checks
    SET asking = NULL, asking_since = NULL, outcome = $3, outcome_at = $4, answer_digest = $5,
        checked_at = CASE WHEN $6 THEN $7 ELSE checked_at END,
        contract_version = CASE WHEN $6 THEN $8 ELSE contract_version END
    WHERE dataset = $1 AND uscc = $2
"""


async def keep_answer(
    connection: Connection,
    contract: Contract,
    uscc: USCC,
    lease: Lease,
    answer: CleanAnswer,
    *,
    at: datetime,
) -> None:
    """One transaction: the records, the account, the quarantined rows and the check; the lease ends with it.

    The connection must be outside a transaction. An unusable answer that came word for word before is not
    quarantined again. Raises `LeaseLost`.
    """
    key = LiveKey(contract.id, uscc)
    async with connection.transaction():
        seen_before = await connection.fetchrow(_HOLD_LEASE, *key, lease.number, answer.digest)
        if seen_before is None:
            raise LeaseLost
        if answer.usable or not seen_before[0]:
            await _store(connection, contract, key, answer, lease.asked_at)
        outcome = "unusable" if not answer.usable else "records" if answer.records else "nothing"
        await connection.execute(
            _NOTE_CHECK, *key, outcome, at, answer.digest, answer.usable, lease.asked_at, contract.version
        )


async def _store(
    connection: Connection, contract: Contract, key: LiveKey, answer: CleanAnswer, asked_at: datetime
) -> None:
    await connection.execute(_LOCK_RECORDS, *key)
    columns = [list(column) for column in zip(*answer.records, strict=True)] or [[], [], [], []]
    intake_id = await connection.fetchval(
        _STORE,
        *key,
        *columns,
        answer.usable,
        SOURCE,
        contract.version,
        answer.digest,
        answer.as_of,
        answer.received,
        len(answer.quarantined),
        answer.cells,
        answer.filled,
        answer.unchanged,
        asked_at,
    )
    if answer.quarantined:
        await connection.copy_records_to_table(
            "quarantined_rows",
            records=[(intake_id, *row) for row in answer.quarantined],
            columns=["intake_id", *QuarantinedLive._fields],
        )
