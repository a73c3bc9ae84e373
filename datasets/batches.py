"""A delivery as batches of clean rows, ready to be stored, and of rows that cannot be taken.

Made in a thread, or for large files in processes of their own: cleaning is most of an intake's work, and each process
has its own interpreter. Rows leave in PostgreSQL's binary COPY form, so that storing them costs the
intake one copy of bytes and no object per row.
"""

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from hashlib import sha256
from itertools import cycle
from multiprocessing.connection import Connection as Pipe
from struct import Struct
from typing import NamedTuple

import orjson

from core.identifiers import USCC
from datasets.cleaning import CleanRow, Fault
from datasets.contract import KeyKind
from datasets.delivery import DeliveredRow, Delivery

ROWS_PER_BATCH = 5_000
CHARACTERS_PER_BATCH = 512 * 1024
"""of the rows as they came: a batch is held many times over, packed and unpacked, in three processes"""
OWN_PROCESS_FROM = 16 * 1024 * 1024
"""bytes of text: for less, a process takes longer to start than it saves"""
CLEANERS = 2
"""processes that clean a large file, each every second batch"""
_ROWS_PER_TURN = 100


class Quarantined(NamedTuple):
    """A row of `quarantined_rows` without its intake."""

    line_number: int
    reason: str
    field: str | None
    hint: str
    original: str
    corrects_line: int | None


def quarantined(
    line_number: int, original: str, faults: Sequence[Fault], corrects_line: int | None
) -> Quarantined:
    """Under the first reason, with the hints of all."""
    hint = "；".join(dict.fromkeys(fault.hint for fault in faults))
    first = faults[0]
    return Quarantined(line_number, first.reason, first.field, hint, storable(original), corrects_line)


def storable(original: str) -> str:
    """The original text as PostgreSQL can keep it: NUL shown as ␀, undecodable bytes as \\udc80 and the like."""
    return original.replace("\x00", "␀").encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass(slots=True)
class Batch:
    """Clean rows by column, the same position in each list; and the rows that were not clean.

    ``encoded``: by `Encoder`; for a row whose enterprise is not known yet (``uscc`` None, ``known_by`` by position)
    to be done again when it is. ``corrected``: in a correction file, by position, the quarantined line that the row
    corrects. Few objects per row, as batches travel between processes.
    """

    line_numbers: list[int] = field(default_factory=list)
    usccs: list[USCC | None] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    days: list[date] = field(default_factory=list)
    filled: list[int] = field(default_factory=list)
    encoded: list[bytes] = field(default_factory=list)
    originals: list[str] = field(default_factory=list)
    known_by: dict[int, tuple[tuple[KeyKind, str], ...]] = field(default_factory=dict)
    corrected: dict[int, int] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    received: int = 0
    size: int = 0
    bytes_read: int = 0

    @property
    def full(self) -> bool:
        return self.received >= ROWS_PER_BATCH or self.size >= CHARACTERS_PER_BATCH


# --- the binary form of COPY
# ------------------------------------------------------------------------------------

COPY_COLUMNS = ("body", "digest", "uscc", "part", "as_of", "dataset", "intake_id", "mark")
COPY_BEGIN = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_END = b"\xff\xff"
NO_MARK = b"\xff\xff\xff\xff"
_HEAD = Struct(">hi")  # number of columns, length of the body
_LENGTH = Struct(">i")
_DAY = Struct(">ii")
_BIGINT = Struct(">iq")
_FIRST_DAY = date(2000, 1, 1).toordinal()
_DIGEST_OCTETS = 32
_DIGEST_LENGTH = _LENGTH.pack(_DIGEST_OCTETS)


@lru_cache(maxsize=4_096)
def _text(value: str) -> bytes:
    octets = value.encode()
    return _LENGTH.pack(len(octets)) + octets


class Encoder:
    """Rows of `records` for COPY in binary form, all columns of `COPY_COLUMNS` but the last, the mark."""

    def __init__(self, dataset: str, intake_id: int) -> None:
        self._made_from = (dataset, intake_id)
        constant = _text(dataset) + _BIGINT.pack(8, intake_id)
        self._tail = lru_cache(maxsize=4_096)(
            lambda day: _DAY.pack(4, day.toordinal() - _FIRST_DAY) + constant
        )

    def __reduce__(self) -> tuple[type["Encoder"], tuple[str, int]]:
        return Encoder, self._made_from

    def encode(self, uscc: str, part: str, body: bytes, as_of: date) -> bytes:
        who = uscc.encode()
        return b"".join(
            (
                _HEAD.pack(len(COPY_COLUMNS), len(body)),
                body,
                _DIGEST_LENGTH,
                sha256(body).digest(),
                _LENGTH.pack(len(who)),
                who,
                _text(part),
                self._tail(as_of),
            )
        )


def body_in(encoded: bytes) -> bytes:
    return encoded[_HEAD.size : _HEAD.size + _HEAD.unpack_from(encoded)[1]]


def digest_in(encoded: bytes) -> bytes:
    start = _HEAD.size + _HEAD.unpack_from(encoded)[1] + _LENGTH.size
    return encoded[start : start + _DIGEST_OCTETS]


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


def clean_batches(job: Job, share: int = 0, shares: int = 1, *, in_thread: bool = False) -> Iterator[Batch]:
    """The batches of a delivery, in order: all, or each ``shares``-th from number ``share`` on.

    Where they end depends on the rows alone, one of them where an earlier attempt did. ``in_thread``: beside an event
    loop, which is to have its turn now and then; by itself a thread keeps the interpreter for 5 ms.
    """
    batch, number, turn = Batch(), 0, 0
    for row in job.delivery.rows():
        number += 1
        if number <= job.skipped and not job.replayed:
            continue
        batch.received += 1
        batch.size += len(row.original)
        if in_thread and number % _ROWS_PER_TURN == 0:
            time.sleep(0)
        if turn == share:
            _put(batch, row, job)
        if batch.full or number == job.skipped:
            if turn == share:
                yield batch
            turn = (turn + 1) % shares
            batch = Batch()
    if batch.received and turn == share:
        yield batch


def _put(batch: Batch, row: DeliveredRow, job: Job) -> None:
    cleaned = [row.fault] if row.fault else job.delivery.cleaner.clean(row.cells)
    batch.bytes_read = row.bytes_read
    if not isinstance(cleaned, CleanRow):
        batch.quarantined.append(quarantined(row.line_number, row.original, cleaned, row.corrects_line))
        return
    uscc, part, body, as_of, known_by = cleaned
    if uscc is None:
        batch.known_by[len(batch.usccs)] = known_by
    if row.corrects_line is not None:
        batch.corrected[len(batch.usccs)] = row.corrects_line
    batch.line_numbers.append(row.line_number)
    batch.usccs.append(uscc)
    batch.parts.append(part)
    batch.days.append(as_of)
    batch.filled.append(len(body) - list(body.values()).count(None))
    batch.encoded.append(job.encoder.encode(uscc or "", part, orjson.dumps(body), as_of))
    batch.originals.append(row.original)


@contextmanager
def batches_of(job: Job) -> Iterator[Iterator[Batch]]:
    """The batches; of a large file from other processes, which take turns and end with the block or with this one."""
    if job.delivery.size < OWN_PROCESS_FROM:
        yield clean_batches(job, in_thread=True)
        return
    with ExitStack() as stack:
        cleaners = min(CLEANERS, os.cpu_count() or 1)
        pipes = [stack.enter_context(_cleaning(job, share, cleaners)) for share in range(cleaners)]
        yield _in_turn(pipes)


@contextmanager
def _cleaning(job: Job, share: int, shares: int) -> "Iterator[Pipe[None, Batch | Exception | None]]":
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send_batches, args=(theirs, job, share, shares), daemon=True)
    process.start()
    theirs.close()  # so that the end of either process is the end of the pipe for the other
    try:
        yield ours
    finally:
        process.terminate()
        process.join()
        ours.close()


def _send_batches(pipe: "Pipe[Batch | Exception | None, None]", job: Job, share: int, shares: int) -> None:
    try:
        for batch in clean_batches(job, share, shares):
            pipe.send(batch)
        pipe.send(None)
    except (BrokenPipeError, KeyboardInterrupt):
        return
    except Exception as error:  # noqa: BLE001 - raised again where the intake is
        pipe.send(error)


def _in_turn(pipes: "Sequence[Pipe[None, Batch | Exception | None]]") -> Iterator[Batch]:
    try:
        for pipe in cycle(pipes):
            received = pipe.recv()
            if isinstance(received, Exception):
                raise received
            if received is None:
                return
            yield received
    except EOFError:
        raise RuntimeError("a process that reads the file has ended early") from None
