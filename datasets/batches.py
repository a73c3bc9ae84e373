"""A delivery as batches of clean rows, ready to be stored, and of rows that cannot be taken.

Made in a thread, or in a process of its own for large files: cleaning is most of an intake's work in Python, and
two processes have two interpreters. Rows leave in PostgreSQL's binary COPY form, so that storing them costs the
intake one copy of bytes and no object per row.
"""

import hashlib
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from multiprocessing.connection import Connection as Pipe
from struct import Struct
from typing import NamedTuple

import orjson

from core.identifiers import USCC
from datasets.cleaning import CleanRow, Fault
from datasets.contract import KeyKind
from datasets.delivery import DeliveredRow, Delivery

ROWS_PER_BATCH = 5_000
BYTES_PER_BATCH = 8 * 1024 * 1024
OWN_PROCESS_FROM = 8 * 1024 * 1024
"""bytes of text: for less, a process takes longer to start than it saves"""
_ROWS_PER_TURN = 50


class Quarantined(NamedTuple):
    """A row of `quarantined_rows` without its intake."""

    line_number: int
    reason: str
    field: str | None
    hint: str
    original: str


def quarantined(line_number: int, original: str, *faults: Fault) -> Quarantined:
    """Under the first reason, with the hints of all."""
    hint = "；".join(dict.fromkeys(fault.hint for fault in faults))
    return Quarantined(line_number, faults[0].reason, faults[0].field, hint, storable(original))


def storable(original: str) -> str:
    """The original text as PostgreSQL can keep it: NUL shown as ␀, undecodable bytes as \\udc80 and the like."""
    return original.replace("\x00", "␀").encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass(slots=True)
class Batch:
    """Clean rows by column, the same position in each list; and the rows that were not clean.

    ``encoded``: by `Encoder`; for a row whose enterprise is not known yet (``uscc`` None, ``known_by`` by position)
    empty until it is. ``corrected``: the quarantined line that each row corrects, in a correction file.
    """

    line_numbers: list[int] = field(default_factory=list)
    usccs: list[USCC | None] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    days: list[date] = field(default_factory=list)
    filled: list[int] = field(default_factory=list)
    encoded: list[bytes] = field(default_factory=list)
    originals: list[str] = field(default_factory=list)
    corrected: list[int | None] = field(default_factory=list)
    known_by: dict[int, tuple[tuple[KeyKind, str], ...]] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    received: int = 0
    size: int = 0
    bytes_read: int = 0

    @property
    def full(self) -> bool:
        return self.received >= ROWS_PER_BATCH or self.size >= BYTES_PER_BATCH


# --- the binary form of COPY
# ------------------------------------------------------------------------------------

COPY_COLUMNS = ("body", "digest", "uscc", "part", "as_of", "dataset", "intake_id", "mark")
COPY_BEGIN = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_END = b"\xff\xff"
NO_MARK = b"\xff\xff\xff\xff"
_BODY = Struct(">hi")
_LENGTH = Struct(">i")
_DAYS = Struct(">ii")
_BIGINT = Struct(">iq")
_FIRST_DAY = date(2000, 1, 1).toordinal()
_DIGEST_LENGTH = _LENGTH.pack(32)


def _text(value: str) -> bytes:
    octets = value.encode()
    return _LENGTH.pack(len(octets)) + octets


class Encoder:
    """Rows of `records` for COPY in binary form, all columns of `COPY_COLUMNS` but the last, the mark."""

    def __init__(self, dataset: str, intake_id: int) -> None:
        self._made_from = (dataset, intake_id)
        constant = _text(dataset) + _BIGINT.pack(8, intake_id)
        self._tail = lru_cache(maxsize=4_096)(
            lambda day: _DAYS.pack(4, day.toordinal() - _FIRST_DAY) + constant
        )

    def __reduce__(self) -> tuple[type["Encoder"], tuple[str, int]]:
        return Encoder, self._made_from

    def encode(self, uscc: str, part: str, body: bytes, digest: bytes, as_of: date) -> bytes:
        head = _BODY.pack(len(COPY_COLUMNS), len(body))
        return b"".join((head, body, _DIGEST_LENGTH, digest, _text(uscc), _text(part), self._tail(as_of)))


def encoded_mark(mark: str | None) -> bytes:
    return NO_MARK if mark is None else _text(mark)


# --- reading and cleaning
# ---------------------------------------------------------------------------------------


class Job(NamedTuple):
    """What is to be read. The first ``skipped`` rows were stored before: they are left out, or with ``replayed``
    come once more, in batches of their own.
    """

    delivery: Delivery
    encoder: Encoder
    skipped: int
    replayed: bool


def clean_batches(job: Job) -> Iterator[Batch]:
    """The batches of a delivery, in order. One ends where the rows of an earlier attempt do."""
    batch, number = Batch(), 0
    for row in job.delivery.rows():
        number += 1
        if number <= job.skipped and not job.replayed:
            continue
        _put(batch, row, job)
        if batch.received % _ROWS_PER_TURN == 0:
            # Lets the event loop have its turn at once: by itself a thread keeps the interpreter for 5 ms.
            time.sleep(0)
        if batch.full or number == job.skipped:
            yield batch
            batch = Batch()
    if batch.received:
        yield batch


def _put(batch: Batch, row: DeliveredRow, job: Job) -> None:
    cleaned = [row.fault] if row.fault else job.delivery.cleaner.clean(row.cells)
    batch.received += 1
    batch.size += len(row.original)
    batch.bytes_read = row.bytes_read
    if not isinstance(cleaned, CleanRow):
        batch.quarantined.append(quarantined(row.line_number, row.original, *cleaned))
        return
    uscc, part, body, as_of, known_by = cleaned
    text = orjson.dumps(body)
    digest = hashlib.sha256(text).digest()
    if uscc is None:
        batch.known_by[len(batch.usccs)] = known_by
    values = list(body.values())
    batch.line_numbers.append(row.line_number)
    batch.usccs.append(uscc)
    batch.parts.append(part)
    batch.bodies.append(text)
    batch.digests.append(digest)
    batch.days.append(as_of)
    batch.filled.append(len(values) - values.count(None))
    batch.encoded.append(b"" if uscc is None else job.encoder.encode(uscc, part, text, digest, as_of))
    batch.originals.append(row.original)
    batch.corrected.append(row.corrects_line)


@contextmanager
def batches_of(job: Job) -> Iterator[Iterator[Batch]]:
    """The batches, from another process if the file is large; that ends with the block, or with this process."""
    if job.delivery.size < OWN_PROCESS_FROM:
        yield clean_batches(job)
        return
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send_batches, args=(theirs, job), daemon=True)
    process.start()
    theirs.close()  # so that the end of either process is the end of the pipe for the other
    try:
        yield _received_batches(ours)
    finally:
        process.terminate()
        process.join()
        ours.close()


def _send_batches(pipe: "Pipe[Batch | Exception | None, None]", job: Job) -> None:
    try:
        for batch in clean_batches(job):
            pipe.send(batch)
        pipe.send(None)
    except (BrokenPipeError, KeyboardInterrupt):
        return
    except Exception as error:  # noqa: BLE001 - raised again where the intake is
        pipe.send(error)


def _received_batches(pipe: "Pipe[None, Batch | Exception | None]") -> Iterator[Batch]:
    try:
        while (received := pipe.recv()) is not None:
            if isinstance(received, Exception):
                raise received
            yield received
    except EOFError:
        raise RuntimeError("the process that reads the file has ended early") from None
