"""What an answer costs from many enterprises x 24 months, against one from few: ``python -m loadtests.bench_size``.

Two hubs side by side, each with servers of its own; every enterprise has a consent. Whole answers (HTTP, hub, database,
commit) are asked for in turns, so that noise hits both alike, about enterprises drawn at random; beside them the group
read alone. Caches are warm as far as they reach: nobody was asked about just before.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import asyncpg

from core.database import HOT_SETTINGS, SERVER_SETTINGS
from core.identifiers import USCC
from datasets import ShelfAsk, read_records
from loadtests.bank import Bank
from loadtests.deliveries import FIRST_YEAR, Taken, ingest, usccs, write_tax
from loadtests.ground import PARTICIPANT, Ground, Running, Target, give_consents, running_hub
from loadtests.processor import Watch
from loadtests.wrk import ask_questions

FEW, MANY = 10_000, 1_000_000
MONTHS = 24
DELIVERED_BY_MONTH = 2
"""at the end, onto the months before: those were laid together when all of them were there"""
ASKED_MAX = 100_000
"""enterprises that are asked about; more do not fit into the memory of the load generator"""
CONNECTIONS = 64
SECONDS = 4
WARM_UP_SECONDS = 10
ROUNDS = 5
BATCH = 64
BATCHES = 60


@dataclass
class Side:
    """What was found on one side; lists by round."""

    enterprises: int
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    processor_us: dict[str, list[float]] = field(default_factory=dict)
    read_us: list[float] = field(default_factory=list)
    """wall clock of one question in the group read alone"""
    table_mb: float = 0.0
    last_delivery_per_second: float = 0.0
    """rows of the last month, taken in onto the others"""
    memory_mb: float = 0.0
    """most memory of that intake"""


@dataclass
class Answers:
    sides: list[Side] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def ratio(self, series: Callable[[Side], Sequence[float]]) -> float:
        """Many to few, round by round, as both ran one after the other; the median."""
        few, many = map(series, self.sides)
        return statistics.median(b / a for a, b in zip(few, many, strict=True))


class Shelves:
    """A hub's servers with the records of so many enterprises."""

    def __init__(self, ground: Ground, bank: Bank, enterprises: int) -> None:
        self.ground = ground
        self.bank = bank
        self.side = Side(enterprises)
        self.who = usccs(enterprises)
        random.Random(7).shuffle(self.who)  # no owner sorts its rows as our index does
        self.targets = [Target(uuid.uuid4(), uscc) for uscc in self.who]

    @property
    def asked(self) -> Sequence[Target]:
        return self.targets[:ASKED_MAX]

    def fill(self) -> None:
        ground, file = self.ground, self.ground.folder / "tax.csv"
        keys = ground.folder / "jwks.json"
        keys.write_text(self.bank.jwks)
        _give_memory(ground)
        ground.run("gateway", "migrate")
        ground.run("gateway", "participant", PARTICIPANT, "--name", "测速银行", "--jwks", str(keys))
        write_tax(file, self.who, [0])
        _all_taken(ingest(ground, file))
        on_server(ground, lambda owner: _repeat_months(owner, MONTHS - DELIVERED_BY_MONTH))
        for month in range(MONTHS - DELIVERED_BY_MONTH, MONTHS):
            write_tax(file, self.who, [month])
            taken = _all_taken(ingest(ground, file))
            self.side.last_delivery_per_second = len(self.who) / taken.seconds
            self.side.memory_mb = taken.memory_mb
        on_server(ground, self._settle)

    async def _settle(self, owner: asyncpg.Connection) -> None:
        """What autovacuum does soon after a delivery."""
        await give_consents(self.ground.servers.owner_url, self.targets)
        size = await owner.fetchval("SELECT pg_total_relation_size('records_of_tax')")
        self.side.table_mb = size / 1e6

    def read(self) -> None:
        who = [target.uscc for target in self.asked]
        self.side.read_us.append(asyncio.run(_read_many(self.ground.servers.app_url, who)))

    def ask(self, hub: Running, answers: Answers, seconds: int) -> None:
        """One load of whole answers."""
        servers, side = self.ground.servers, self.side
        watch = Watch({"hub": hub.pid, "postgresql": servers.postgres_pid})
        load = ask_questions(
            hub.url,
            "tax",
            self.bank.headers(self.bank.token(hub.url)),
            self.asked,
            folder=self.ground.folder,
            connections=CONNECTIONS,
            seconds=seconds,
        )
        side.per_second.append(load.per_second)
        side.p50_ms.append(load.p50_ms)
        for part, used in watch.used().by_part.items():
            side.processor_us.setdefault(part, []).append(used / max(1, load.completed) * 1e6)
        if load.refused or load.socket_errors:
            answers.wrong.append(
                f"{load.refused} answers were not 200, {load.socket_errors} connections broke"
            )


def compare(few: int, many: int, *, rounds: int = ROUNDS, seconds: int = SECONDS) -> Answers:
    """Fill both, then ask both in turns."""
    answers, bank = Answers(), Bank()
    with ExitStack() as stack:
        shelves = [stack.enter_context(_shelves(bank, enterprises)) for enterprises in (few, many)]
        answers.sides = [each.side for each in shelves]
        hubs = [stack.enter_context(running_hub(each.ground)) for each in shelves]
        for each, hub in zip(shelves, hubs, strict=True):
            say(f"预热 {each.side.enterprises:,} 户 / warming up")
            asyncio.run(_warm_up(each.ground.servers.app_url, [target.uscc for target in each.asked]))
            each.ask(hub, answers, WARM_UP_SECONDS)
        for each in shelves:
            each.side.per_second.clear()
            each.side.p50_ms.clear()
            each.side.processor_us.clear()
        for number in range(rounds):
            say(f"第 {number + 1} 轮，共 {rounds} 轮 / round")
            for each, hub in zip(shelves, hubs, strict=True):
                each.ask(hub, answers, seconds)
            for each in shelves:
                each.read()
    return answers


@contextmanager
def _shelves(bank: Bank, enterprises: int) -> Iterator[Shelves]:
    with tempfile.TemporaryDirectory(prefix="hub-bench-size-") as name:
        ground = Ground(Path(name))
        try:
            shelves = Shelves(ground, bank, enterprises)
            say(f"准备 {enterprises:,} 户 × {MONTHS} 个月 / preparing")
            shelves.fill()
            yield shelves
        finally:
            ground.stop_servers()


def _all_taken(taken: Taken) -> Taken:
    if "疑问 0" not in taken.account:
        raise RuntimeError(f"rows in quarantine: {taken.account}")
    return taken


# --- in the database
# -----------------------------------------------------------------------------------------------------


def on_server(ground: Ground, do: "Callable[[asyncpg.Connection], Awaitable[object]]") -> None:
    async def carry_out() -> None:
        owner = await asyncpg.connect(ground.servers.owner_url)
        try:
            await do(owner)
        finally:
            await owner.close()

    asyncio.run(carry_out())


def _give_memory(ground: Ground) -> None:
    """A quarter of the machine's to PostgreSQL, as to a server in operation; those for a laptop have little."""
    quarter = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4_000_000

    async def give() -> None:
        superuser = await asyncpg.connect(ground.servers.superuser_url)
        try:
            await superuser.execute(f"ALTER SYSTEM SET shared_buffers = '{quarter}MB'")
        finally:
            await superuser.close()

    asyncio.run(give())
    ground.restart_servers()


async def _repeat_months(owner: asyncpg.Connection, months: int) -> None:
    """The first month again as those after it, without the program, which would take an hour for the full size.

    The index is made when they are there, as one does before the first large delivery of many years.
    """
    await owner.execute("SET maintenance_work_mem = '512MB'")
    await owner.execute("DROP INDEX current_of_tax")
    await owner.execute(
        "CREATE TEMP TABLE first_month AS SELECT uscc, part, body, intake_id FROM records_of_tax"
    )
    for month in range(1, months):
        period = f"{FIRST_YEAR + month // 12}-{month % 12 + 1:02d}"
        await owner.execute(
            """
            INSERT INTO records_of_tax (dataset, uscc, part, body, digest, as_of, intake_id)
            SELECT 'tax', uscc, $1, made.body, sha256(convert_to(made.body, 'UTF8')),
                (($1 || '-01')::date + interval '1 month - 1 day')::date, intake_id
            FROM first_month, replace(first_month.body, first_month.part, $1) AS made (body)
            """,
            period,
        )
    await owner.execute("SELECT keep_records_together('tax', true)")


async def _read_many(url: str, who: Sequence[str]) -> float:
    """Microseconds of one question within a batch, the median; about enterprises drawn at random."""
    connection = await asyncpg.connect(url, server_settings=SERVER_SETTINGS | HOT_SETTINGS)
    dice = random.Random()
    try:
        seconds = []
        for _ in range(BATCHES):
            asked = [_question(uscc) for uscc in dice.choices(who, k=BATCH)]
            started = time.perf_counter()
            found = await read_records(connection, asked)
            seconds.append(time.perf_counter() - started)
            assert all(len(tax.record_ids) == MONTHS for [tax] in found), "an enterprise without its months"
        return statistics.median(seconds) / BATCH * 1e6
    finally:
        await connection.close()


async def _warm_up(url: str, who: Sequence[str]) -> None:
    """Everybody once, as after some hours of work."""
    connection = await asyncpg.connect(url, server_settings=SERVER_SETTINGS | HOT_SETTINGS)
    try:
        for start in range(0, len(who), BATCH):
            await read_records(connection, [_question(uscc) for uscc in who[start : start + BATCH]])
    finally:
        await connection.close()


def _question(uscc: str) -> ShelfAsk:
    return ShelfAsk(USCC(uscc), (("tax", MONTHS),))


# --- what was found
# ------------------------------------------------------------------------------------------------------


def print_answers(answers: Answers) -> None:
    few, many = answers.sides
    lines: list[tuple[str, Callable[[Side], Sequence[float]], str]] = [
        ("答/秒 answers a second", lambda side: side.per_second, ",.0f"),
        ("每答 time an answer, µs", lambda side: [1e6 / rate for rate in side.per_second], ".0f"),
        ("p50, ms", lambda side: side.p50_ms, ".1f"),
        ("网关处理器 hub CPU, µs", lambda side: side.processor_us["hub"], ".0f"),
        ("数据库处理器 PostgreSQL CPU, µs", lambda side: side.processor_us["postgresql"], ".0f"),
        ("仅成批读取 group read alone, µs", lambda side: side.read_us, ".0f"),
    ]
    print(f"\n答问 / answers: 每答 {MONTHS} 条记录，随机企业，{CONNECTIONS} 个连接")
    print(f"  {'户 enterprises':<36}{few.enterprises:>12,}{many.enterprises:>12,}")
    print(f"  {'表与索引 table and indexes, MB':<36}{few.table_mb:>12,.0f}{many.table_mb:>12,.0f}")
    for name, series, form in lines:
        shown = "".join(f"{statistics.median(series(side)):>12{form}}" for side in (few, many))
        print(f"  {name:<36}{shown}{answers.ratio(series):>8.2f} ×")
    rows, memory = many.last_delivery_per_second, many.memory_mb
    print(f"  最后一个月的接收 last month taken in: {rows:,.0f} 行/秒（含启动），内存 {memory:.0f} MB")
    for what in answers.wrong:
        print(f"错误 / wrong: {what}", file=sys.stderr)


def say(text: str) -> None:
    print(f"• {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench_size", description=__doc__)
    parser.add_argument("--few", type=int, default=FEW, metavar="ENTERPRISES")
    parser.add_argument("--many", type=int, default=MANY, metavar="ENTERPRISES")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers to FILE")
    given = parser.parse_args()
    answers = compare(given.few, given.many)
    print_answers(answers)
    if given.json:
        given.json.write_text(json.dumps(asdict(answers), ensure_ascii=False, indent=1))
    return 1 if answers.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
