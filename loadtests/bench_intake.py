"""``make bench-intake``: how fast files come in and how little their number costs an answer, as ratios of one run.

The same clean rows go into the same tables by PostgreSQL's COPY, in turns with the intake. Everything is on loopback,
in a folder of its own, and stopped at the end. The exit code tells whether all was right, not whether it was fast.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import asyncpg

from core.database import HOT_SETTINGS, SERVER_SETTINGS
from datasets.shelf import READ_RECORDS
from loadtests.deliveries import HEADER, Taken, ingest, usccs, write_tax
from loadtests.ground import Ground
from loadtests.processor import Watch

MONTHS = 24
NEXT_DAY = "2026-12-01"
BATCH = 64
COLUMNS = "record_id, dataset, uscc, part, body, digest, as_of, intake_id, recorded_at, superseded_at, mark"


class Size(NamedTuple):
    """``enterprises`` of the file that is taken in in turns with COPY; ``few`` and ``many`` of the answers."""

    enterprises: int
    rounds: int
    few: int
    many: int


QUICK = Size(enterprises=10_000, rounds=1, few=2_000, many=10_000)
NORMAL = Size(enterprises=40_000, rounds=3, few=10_000, many=40_000)
FULL = Size(enterprises=40_000, rounds=3, few=10_000, many=1_000_000)


@dataclass
class Found:
    """All lists by round. Seconds of the intake are net of ``start_seconds``, what the command takes for a file without
    rows; those of ``again`` are not, there being little else.
    """

    rows: int = 0
    file_mb: float = 0.0
    start_seconds: float = 0.0
    copy_seconds: list[float] = field(default_factory=list)
    first_seconds: list[float] = field(default_factory=list)
    again_seconds: list[float] = field(default_factory=list)
    row_by_row_seconds: list[float] = field(default_factory=list)
    strangers: list[float] = field(default_factory=list)
    """processors that were busy with something else during the intake: how noisy it was"""
    memory_mb: dict[str, float] = field(default_factory=dict)
    """most memory of the command and its processes together, by file"""
    read_us: dict[str, list[float]] = field(default_factory=dict)
    """wall clock of one question in the group read, by number of enterprises"""
    wrong: list[str] = field(default_factory=list)

    def check(self, right: bool, otherwise: str) -> None:
        if not right:
            self.wrong.append(otherwise)

    def ratio(self, one: Sequence[float], to: Sequence[float]) -> float:
        """Round by round, as both ran one after the other; the median."""
        return statistics.median(a / b for a, b in zip(one, to, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench_intake", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small round, about a minute")
    parser.add_argument("--full", action="store_true", help="answers from 1,000,000 enterprises x 24 months")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers to FILE")
    given = parser.parse_args()
    size = FULL if given.full else QUICK if given.quick else NORMAL
    with tempfile.TemporaryDirectory(prefix="hub-bench-intake-") as name:
        ground = Ground(Path(name))
        try:
            found = Bench(ground, size).run()
        finally:
            ground.stop_servers()
    print_found(found)
    if given.json:
        given.json.write_text(json.dumps(asdict(found), ensure_ascii=False, indent=1))
    return 1 if found.wrong else 0


@dataclass
class Bench:
    ground: Ground
    size: Size
    found: Found = field(default_factory=Found)

    def run(self) -> Found:
        file, empty = self.ground.folder / "tax.csv", self.ground.folder / "empty.csv"
        empty.write_text(HEADER)
        say("准备 / preparing")
        self.ground.run("gateway", "migrate")
        self.found.rows = write_tax(file, usccs(self.size.enterprises), MONTHS)
        self.found.file_mb = file.stat().st_size / 1e6
        ingest(self.ground, empty)
        self.found.start_seconds = ingest(self.ground, empty).seconds
        for number in range(self.size.rounds):
            say(f"第 {number + 1} 轮，共 {self.size.rounds} 轮 / round")
            self.take_in_and_copy(file)
        say("答问 / answers")
        self.read_from_few_and_many(file)
        return self.found

    def take_in_and_copy(self, file: Path) -> None:
        """One round: the file, the same again, the same as of another day row by row; then its rows by COPY."""
        rows = self.found.rows
        asyncio.run(on_server(self.ground, empty_tables))
        watch = Watch({"postgresql": self.ground.servers.postgres_pid})
        first = ingest(self.ground, file)
        used = watch.used()
        self.found.strangers.append(used.by_strangers / used.elapsed)
        again = ingest(self.ground, file)
        row_by_row = ingest(self.ground, file, "--as-of", NEXT_DAY)
        self.found.memory_mb[f"{self.found.file_mb:.0f} MB"] = first.memory_mb
        for taken, kind in ((first, "新增"), (again, "未变"), (row_by_row, "未变")):
            self.found.check(f"{kind} {rows} " in taken.account, f"not all rows are {kind}: {taken.account}")
        copied = asyncio.run(on_server(self.ground, lambda owner: copy_again(owner, self.ground.folder)))
        self.found.first_seconds.append(self.net(first))
        self.found.again_seconds.append(again.seconds)
        self.found.row_by_row_seconds.append(self.net(row_by_row))
        self.found.copy_seconds.append(copied)

    def read_from_few_and_many(self, file: Path) -> None:
        """The records of a few enterprises, then of many more beside them, delivered month by month."""
        asyncio.run(on_server(self.ground, empty_tables))
        before = 0
        for enterprises in (self.size.few, self.size.many):
            write_tax(file, usccs(enterprises - before, first=before), MONTHS)
            taken = ingest(self.ground, file)
            self.found.memory_mb[f"{file.stat().st_size / 1e6:.0f} MB"] = taken.memory_mb
            self.found.check("疑问 0" in taken.account, f"rows in quarantine: {taken.account}")
            asyncio.run(on_server(self.ground, settle))
            who = usccs(enterprises)
            self.found.read_us[f"{enterprises:,}"] = asyncio.run(read_many(self.ground.servers.app_url, who))
            before = enterprises

    def net(self, taken: Taken) -> float:
        return max(0.01, taken.seconds - self.found.start_seconds)


async def on_server(ground: Ground, do: "Callable[[asyncpg.Connection], object]") -> float:
    owner = await asyncpg.connect(ground.servers.owner_url)
    try:
        return float(await do(owner) or 0.0)  # type: ignore[misc]
    finally:
        await owner.close()


async def empty_tables(owner: asyncpg.Connection) -> None:
    await owner.execute("TRUNCATE records, intakes, quarantined_rows")


async def settle(owner: asyncpg.Connection) -> None:
    """What autovacuum does a minute after a delivery."""
    await owner.execute("VACUUM ANALYZE records_of_tax")


async def copy_again(owner: asyncpg.Connection, folder: Path) -> float:
    """Seconds of COPY for the very rows that the intake stored, into the emptied tables."""
    clean = folder / "clean.rows"
    await owner.copy_from_query(
        f"SELECT {COLUMNS} FROM records_of_tax ORDER BY record_id", output=clean, format="binary"
    )
    await empty_tables(owner)
    started = time.perf_counter()
    await owner.copy_to_table("records", source=clean, columns=COLUMNS.split(", "), format="binary")
    return time.perf_counter() - started


async def read_many(url: str, who: Sequence[str], batches: int = 60, rounds: int = 3) -> list[float]:
    """Microseconds of one question within a batch, each round the median; all about enterprises drawn at random."""
    connection = await asyncpg.connect(url, server_settings=SERVER_SETTINGS | HOT_SETTINGS)
    dice = random.Random(7)
    try:
        medians = []
        for _ in range(rounds):
            seconds = []
            for _ in range(batches):
                asked = dice.choices(who, k=BATCH)
                started = time.perf_counter()
                rows = await connection.fetch(
                    READ_RECORDS, ["tax"] * BATCH, asked, [MONTHS] * BATCH, [None] * BATCH
                )
                seconds.append(time.perf_counter() - started)
                assert all(len(row[1]) == MONTHS for row in rows), "an enterprise without its months"
            medians.append(statistics.median(seconds) / BATCH * 1e6)
        return medians
    finally:
        await connection.close()


def print_found(found: Found) -> None:
    first, copied = statistics.median(found.first_seconds), statistics.median(found.copy_seconds)
    (few, few_us), (many, many_us) = ((name, min(us)) for name, us in found.read_us.items())
    again = found.ratio([net + found.start_seconds for net in found.first_seconds], found.again_seconds)
    of_copy = found.ratio(found.copy_seconds, found.first_seconds)
    memory = "，".join(f"{file} → {used:.0f} MB" for file, used in found.memory_mb.items())
    print(f"""
接收 / intake: {found.rows:,} 行，{found.file_mb:.0f} MB；命令启动 {found.start_seconds:.1f} s（已扣除）
  COPY                {found.rows / copied:>10,.0f} 行/秒    1
  首次接收 first      {found.rows / first:>10,.0f} 行/秒    {of_copy:.2f} × COPY
  同一文件再次 again   {again:>8.1f} × 首次的速度（含启动）
  逐行未变 row by row  {found.ratio(found.first_seconds, found.row_by_row_seconds):>8.1f} × 首次的速度
  内存 memory         {memory}
  其他进程占用 others  {", ".join(f"{busy:.2f}" for busy in found.strangers)} 个处理器
答问 / answers: 每问 {MONTHS} 条，{BATCH} 问一批，随机企业
  {few:>9} 户            {few_us:>8.0f} µs/问
  {many:>9} 户            {many_us:>8.0f} µs/问    {many_us / few_us:.2f} ×""")
    for what in found.wrong:
        print(f"错误 / wrong: {what}", file=sys.stderr)


def say(text: str) -> None:
    print(f"• {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
