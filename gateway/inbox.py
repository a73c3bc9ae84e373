"""The intake directory (``HUB_INBOX_DIR``): owners put files there, the worker takes them in.

A delivery is a data file and its manifest, ``NAME`` and ``NAME.manifest.json``. It is taken when both lie still and
agree; what disagrees is given a minute, for it may still be on its way, and then refused. Either way it ends in a
folder of its own under ``done/`` or ``refused/``, with a report beside it and, if rows were quarantined, their
correction file.

On the way the pair lies in ``.taking/NAME``. Nothing else is remembered anywhere, so a kill at any moment costs nothing:
what lies there is taken again, and an intake goes on where it was.
"""

import asyncio
import fcntl
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import structlog

from core.clock import CHINA, Clock, now
from core.database import AWAY, Database
from core.errors import Unavailable
from datasets import (
    MANIFEST_SUFFIX,
    REASONS,
    Contract,
    DeliveryRefused,
    IntakeBusy,
    IntakeReport,
    Manifest,
    Progress,
    checked_digest,
    digest_agrees,
    ingest,
    load_manifest,
    write_corrections,
)

log = structlog.stdlib.get_logger()

LOOK_EVERY_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
"""How long after the last write to them two files may disagree before they are refused."""
ATTEMPTS_MAX = 5
"""A delivery under which the worker died this often is put aside."""
PROGRESS_EVERY_SECONDS = 10.0

_UNFINISHED = (".part", ".tmp", ".filepart", ".crdownload")

_Sign = tuple[int, int, int]


@dataclass(slots=True)
class _Pair:
    """A data file and its manifest as they lie in the inbox. ``sign`` changes whenever one of them is written to."""

    data: Path
    manifest: Path
    sign: tuple[_Sign, _Sign]
    written_at: float


@dataclass
class Inbox:
    folder: Path
    contracts: Mapping[str, Contract]
    database: Database
    clock: Clock = now
    _seen: dict[str, tuple[_Sign, _Sign]] = field(default_factory=dict)
    _disagreed: dict[str, tuple[_Sign, _Sign]] = field(default_factory=dict)

    async def watch(self) -> None:
        """Look again and again, until cancelled. While the database is away deliveries wait."""
        log.info("inbox_watched")
        while True:
            try:
                await self.look()
            except (*AWAY, asyncpg.PostgresError, Unavailable) as error:
                log.warning("inbox_look_failed", error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def look(self) -> int:
        """Take what is complete; returns how many deliveries ended in ``done`` or ``refused``."""
        for folder in (self.folder, self._taking, self.folder / "done", self.folder / "refused"):
            folder.mkdir(parents=True, exist_ok=True)
        with _alone(self.folder / ".lock") as alone:
            if not alone:
                return 0  # another worker looks after it
            for pair in await asyncio.to_thread(self._complete_pairs):
                self._claim(pair)
            return sum([await self._settle(claimed) for claimed in sorted(self._taking.iterdir())])

    @property
    def _taking(self) -> Path:
        return self.folder / ".taking"

    # --- which deliveries are complete

    def _complete_pairs(self) -> list[_Pair]:
        """Pairs that lie still and agree, or have had time enough to; the longest waiting first."""
        pairs = sorted(self._pairs(), key=lambda pair: pair.written_at)
        still = [pair for pair in pairs if self._seen.get(pair.data.name) == pair.sign]
        self._seen = {pair.data.name: pair.sign for pair in pairs}
        return [pair for pair in still if self._is_ready(pair)]

    def _pairs(self) -> Iterator[_Pair]:
        for manifest in self.folder.glob(f"*{MANIFEST_SUFFIX}"):
            data = manifest.with_name(manifest.name.removesuffix(MANIFEST_SUFFIX))
            if not data.name or data.name.startswith(".") or data.name.endswith(_UNFINISHED):
                continue
            found, described = _sign_of(data), _sign_of(manifest)
            if found is not None and described is not None and not (self._taking / data.name).exists():
                written_at = max(found[2], described[2]) / 1e9
                yield _Pair(data, manifest, (found, described), written_at)

    def _is_ready(self, pair: _Pair) -> bool:
        if self.clock().timestamp() - pair.written_at > PATIENCE_SECONDS:
            return True
        if self._disagreed.get(pair.data.name) == pair.sign:
            return False
        try:
            agrees = digest_agrees(load_manifest(pair.manifest), pair.data)
        except DeliveryRefused:
            agrees = False
        if not agrees:
            self._disagreed[pair.data.name] = pair.sign
        return agrees

    def _claim(self, pair: _Pair) -> None:
        claimed = self._taking / pair.data.name
        claimed.mkdir()
        pair.data.rename(claimed / pair.data.name)
        pair.manifest.rename(claimed / pair.manifest.name)
        self._seen.pop(pair.data.name, None)
        self._disagreed.pop(pair.data.name, None)

    # --- what becomes of them

    async def _settle(self, claimed: Path) -> bool:
        """Take one delivery in or refuse it. False: it stays where it is and is taken up at the next look."""
        report_file = claimed / f"{claimed.name}.report.json"
        if not report_file.exists():
            report = await self._outcome(claimed)
            if report is None:
                return False
            _write_whole(report_file, report)
        # From here on it is settled, also for a worker that finds it after a kill.
        outcome = orjson.loads(report_file.read_bytes())["outcome"]
        (claimed / _ATTEMPTS).unlink(missing_ok=True)
        claimed.rename(_free_name(self.folder / outcome, claimed.name, self.clock()))
        return True

    async def _outcome(self, claimed: Path) -> dict[str, Any] | None:
        data = claimed / claimed.name
        manifest = claimed / f"{claimed.name}{MANIFEST_SUFFIX}"
        if not self._is_whole(data, manifest):
            return None
        at = self.clock().astimezone(CHINA).isoformat(timespec="seconds")
        attempts = _attempts(claimed)
        try:
            if attempts >= ATTEMPTS_MAX:
                raise DeliveryRefused(
                    "taking_failed", f"接收时程序中断了 {attempts} 次，已搁置；请联系运维人员"
                )
            _note_attempts(claimed, attempts + 1)
            return {"outcome": "done", "file": claimed.name, "at": at} | await self._take(data, manifest)
        except DeliveryRefused as refusal:
            log.warning("delivery_refused", reason=refusal.reason)
            why = {"reason": refusal.reason, "message": str(refusal)}
            return {"outcome": "refused", "file": claimed.name, "at": at} | why
        except (*AWAY, Unavailable, IntakeBusy) as error:
            _note_attempts(claimed, attempts)  # not the delivery's fault
            log.warning("delivery_waits", error=type(error).__name__)
        except asyncpg.PostgresError as error:
            log.warning("delivery_failed", error=type(error).__name__, attempt=attempts + 1)
        except asyncio.CancelledError:
            _note_attempts(claimed, attempts)
            raise
        return None

    def _is_whole(self, data: Path, manifest: Path) -> bool:
        """Finish a claim that a kill interrupted: the data file is moved first, its manifest second."""
        if not data.exists():
            data.parent.rmdir()
            return False
        if not manifest.exists():
            left_behind = self.folder / manifest.name
            if left_behind.exists():
                left_behind.rename(manifest)
        return True

    async def _take(self, data: Path, manifest_file: Path) -> dict[str, Any]:
        manifest = load_manifest(manifest_file)
        digest = await asyncio.to_thread(checked_digest, self.contracts, manifest, data)
        async with self.database.hot.acquire() as connection:
            report = await ingest(
                connection,
                self.contracts[manifest.dataset],
                data,
                as_of=manifest.as_of,
                source="correction" if manifest.kind == "correction" else "inbox",
                corrects=manifest.corrects,
                withdraws=manifest.kind == "withdrawal",
                expected_digest=digest,
                clock=self.clock,
                progress=_progress_logger(manifest.dataset),
            )
            corrections = data.with_name(f"{data.name}.corrections.csv")
            if report.quarantined:
                await write_corrections(
                    connection, self.contracts, report.corrects or report.intake_id, corrections
                )
        log.info(
            "delivery_taken",
            dataset=report.dataset,
            intake_id=report.intake_id,
            received=report.received,
            accepted=report.accepted,
            unchanged=report.unchanged,
            superseded=report.superseded,
            quarantined=report.quarantined,
        )
        return _account_of(report, manifest, corrections.name if report.quarantined else None)


def _sign_of(path: Path) -> _Sign | None:
    """None for what is not there or is no ordinary file: a link could lead anywhere."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _free_name(folder: Path, name: str, at: datetime) -> Path:
    """The same name may be delivered every month; the time in front is China's."""
    stamp = f"{at.astimezone(CHINA):%Y%m%dT%H%M%S}"
    names = (folder / f"{stamp}{again}-{name}" for again in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(free for free in names if not free.exists())


def _write_whole(path: Path, report: dict[str, Any]) -> None:
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    unfinished.replace(path)


_ATTEMPTS = ".attempts"


def _attempts(claimed: Path) -> int:
    """How often the worker died while it had this delivery in hand."""
    note = claimed / _ATTEMPTS
    return len(note.read_bytes()) if note.exists() else 0


def _note_attempts(claimed: Path, attempts: int) -> None:
    (claimed / _ATTEMPTS).write_bytes(b"|" * attempts)


@contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Whether no other process holds the lock; one that dies lets go of it."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _progress_logger(dataset: str) -> Any:
    loop = asyncio.get_running_loop()
    logged_at = loop.time()

    def show(progress: Progress) -> None:
        nonlocal logged_at
        if loop.time() - logged_at >= PROGRESS_EVERY_SECONDS:
            logged_at = loop.time()
            percent = 100 * progress.bytes_read // max(1, progress.bytes_total)
            log.info("delivery_progress", dataset=dataset, rows=progress.received, percent=percent)

    return show


def _account_of(report: IntakeReport, manifest: Manifest, correction_file: str | None) -> dict[str, Any]:
    return {
        "dataset": report.dataset,
        "kind": manifest.kind,
        "as_of": report.as_of.isoformat(),
        "digest": manifest.digest,
        "intake_id": report.intake_id,
        "corrects": report.corrects,
        "received": report.received,
        "accepted": report.accepted,
        "unchanged": report.unchanged,
        "superseded": report.superseded,
        "quarantined": report.quarantined,
        "reasons": [
            {"reason": reason, "title": REASONS[reason], "rows": rows}
            for reason, rows in report.reasons.items()
        ],
        "ignored_columns": list(report.ignored_columns),
        "correction_file": correction_file,
    }
