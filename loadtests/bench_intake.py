"""``make bench-intake``: how fast files come in and how little their number costs an answer, as ratios of one run.

The same clean rows go into the same tables by PostgreSQL's COPY, in turns with the intake. Everything is on loopback,
in a folder of its own, and stopped at the end. The exit code tells whether all was right, not whether it was fast.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import asyncpg

from loadtests.bench_size import Answers, compare, print_answers, say
from loadtests.deliveries import HEADER, Taken, ingest, usccs, write_tax
from loadtests.ground import Ground
from loadtests.large_files import large_files
from loadtests.processor import Watch

MONTHS = 24
NEXT_DAY = "2026-12-01"
COLUMNS = "record_id, dataset, uscc, part, body, digest, as_of, intake_id, recorded_at, superseded_at, mark"


class Size(NamedTuple):
    """``enterprises`` of the file that is taken in in turns with COPY; ``few`` and ``many`` of the answers, if they
    are asked for; ``large_mb``: of the files whose memory is watched, if they are.
    """

    enterprises: int
    rounds: int
    few: int = 0
    many: int = 0
    large_mb: int = 0


QUICK = Size(enterprises=8_000, rounds=1)
NORMAL = Size(enterprises=20_000, rounds=2, few=5_000, many=40_000, large_mb=20)
FULL = Size(enterprises=40_000, rounds=3, few=10_000, many=1_000_000, large_mb=1_000)


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
    answers: Answers | None = None
    wrong: list[str] = field(default_factory=list)

    def check(self, right: bool, otherwise: str) -> None:
        if not right:
            self.wrong.append(otherwise)

    def ratio(self, one: Sequence[float], to: Sequence[float]) -> float:
        """Round by round, as both ran one after the other; the median."""
        return statistics.median(a / b for a, b in zip(one, to, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench_intake", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small round of the intake, below a minute")
    parser.add_argument(
        "--full",
        action="store_true",
        help="files of 1 GB, answers from 1,000,000 enterprises x 24 months; takes 30 GB of disk",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers to FILE")
    given = parser.parse_args()
    size = FULL if given.full else QUICK if given.quick else NORMAL
    with tempfile.TemporaryDirectory(prefix="hub-bench-intake-") as name:
        ground = Ground(Path(name))
        try:
            found = Bench(ground, size).run()
        finally:
            ground.stop_servers()
    if size.many:
        found.answers = compare(size.few, size.many)
    print_found(found)
    if given.json:
        given.json.write_text(json.dumps(asdict(found), ensure_ascii=False, indent=1))
    return 1 if found.wrong or (found.answers and found.answers.wrong) else 0


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
        self.found.rows = write_tax(file, usccs(self.size.enterprises), range(MONTHS))
        self.found.file_mb = file.stat().st_size / 1e6
        ingest(self.ground, empty)
        self.found.start_seconds = ingest(self.ground, empty).seconds
        for number in range(self.size.rounds):
            say(f"第 {number + 1} 轮，共 {self.size.rounds} 轮 / round")
            self.take_in_and_copy(file)
        file.unlink()
        if self.size.large_mb:
            self.take_large_files_in()
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
        self.found.memory_mb[f"tax.csv ({self.found.file_mb:.0f} MB, {rows:,} 行)"] = first.memory_mb
        for taken, kind in ((first, "新增"), (again, "未变"), (row_by_row, "未变")):
            self.found.check(f"{kind} {rows} " in taken.account, f"not all rows are {kind}: {taken.account}")
        copied = asyncio.run(on_server(self.ground, lambda owner: copy_again(owner, self.ground.folder)))
        self.found.first_seconds.append(self.net(first))
        self.found.again_seconds.append(again.seconds)
        self.found.row_by_row_seconds.append(self.net(row_by_row))
        self.found.copy_seconds.append(copied)

    def take_large_files_in(self) -> None:
        """One after the other, in every form, each thrown away at once."""
        for name, dataset, write in large_files(self.size.large_mb):
            say(f"大文件 {name} / a large file")
            asyncio.run(on_server(self.ground, empty_tables))
            file = self.ground.folder / name
            rows = write(file)
            title = f"{name} ({file.stat().st_size / 1e6:.0f} MB, {rows:,} 行)"
            taken = ingest(self.ground, file, dataset=dataset)
            self.found.check(
                f"新增 {rows} " in taken.account, f"{name}: not all rows are new: {taken.account}"
            )
            self.found.memory_mb[title] = taken.memory_mb
            file.unlink()

    def net(self, taken: Taken) -> float:
        return max(0.01, taken.seconds - self.found.start_seconds)


async def on_server(ground: Ground, do: "Callable[[asyncpg.Connection], Awaitable[float]]") -> float:
    owner = await asyncpg.connect(ground.servers.owner_url)
    try:
        return await do(owner)
    finally:
        await owner.close()


async def empty_tables(owner: asyncpg.Connection) -> float:
    await owner.execute("TRUNCATE records, intakes, quarantined_rows, enterprise_keys")
    return 0.0


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


def print_found(found: Found) -> None:
    first, copied = statistics.median(found.first_seconds), statistics.median(found.copy_seconds)
    again = found.ratio([net + found.start_seconds for net in found.first_seconds], found.again_seconds)
    of_copy = found.ratio(found.copy_seconds, found.first_seconds)
    memory = "\n".join(f"    {used:>8.0f} MB  {file}" for file, used in found.memory_mb.items())
    print(f"""
接收 / intake: {found.rows:,} 行，{found.file_mb:.0f} MB；命令启动 {found.start_seconds:.1f} s（已扣除）
  COPY                {found.rows / copied:>10,.0f} 行/秒    1
  首次接收 first      {found.rows / first:>10,.0f} 行/秒    {of_copy:.2f} × COPY
  同一文件再次 again   {again:>8.1f} × 首次的速度（含启动）
  逐行未变 row by row  {found.ratio(found.first_seconds, found.row_by_row_seconds):>8.1f} × 首次的速度
  其他进程占用 others  {", ".join(f"{busy:.2f}" for busy in found.strangers)} 个处理器
  内存，按文件 most memory, by file
{memory}""")
    if found.answers:
        print_answers(found.answers)
    for what in found.wrong:
        print(f"错误 / wrong: {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
