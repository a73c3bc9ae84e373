"""How long a replay of the rules takes: ``python -m loadtests.bench_replay [--questions 1000000]``.

On private servers of its own, filled with made-up disclosures of one month: 13 banks, every data set, purpose and
mode. The draft that is replayed withholds what the active rules show as a band, so that much changes. Prints seconds.
"""

import argparse
import asyncio
import tempfile
import time
from datetime import date, datetime
from pathlib import Path

import asyncpg

from core.clock import CHINA
from core.database import connect_database
from core.private_servers import PrivateServers, private_servers
from datasets import Catalogue, load_catalogue, read_rule_set
from datasets.catalogue import RULES
from gateway.decisions.rules import replay_recorded, rules_at_start
from migrations.upgrade import upgrade

BANKS = 13
FIRST_DAY, LAST_DAY = date(2026, 10, 1), date(2026, 10, 31)
BEGINS = datetime(2026, 10, 1, tzinfo=CHINA)

ENTER = """
    INSERT INTO participants
    SELECT 'bank-' || n, '银行 ' || n, 'bank', now() FROM generate_series(1, $1::int) n
"""
# Every tenth question found nothing, every tenth was refused by its consent.
FILL = """
    INSERT INTO disclosures
    SELECT gen_random_uuid(), $1::timestamptz + interval '31 days' * (n - 1) / $2::bigint, 'bank-' || n % $3::int + 1,
        '91320000' || lpad(n::text, 10, '0'), k.dataset, k.purpose, k.mode, gen_random_uuid(),
        CASE n % 10 WHEN 0 THEN 'nothing_found' WHEN 1 THEN 'refused' ELSE 'disclosed' END,
        CASE n % 10 WHEN 1 THEN 'consent_expired' END, k.view_id,
        CASE WHEN n % 10 > 1 THEN ARRAY[n] ELSE '{}' END, 0, '', '', ''
    FROM generate_series(1, $2::bigint) n
    JOIN unnest($4::text[], $5::text[], $6::text[], $7::text[]) WITH ORDINALITY
        AS k(dataset, purpose, mode, view_id, number) ON k.number = n % $8::int + 1
"""


def kinds_of(catalogue: Catalogue) -> list[tuple[str, str, str, str]]:
    """Data set, purpose, mode and view of every question that a bank can ask and gets something from."""
    return [
        (view.dataset, view.purpose, view.mode, view.view_id)
        for purpose in catalogue.purposes
        for dataset in catalogue.contracts
        for view in catalogue.views_about("bank", purpose, dataset)
    ]


async def fill(servers: PrivateServers, catalogue: Catalogue, questions: int) -> int:
    """Returns how many kinds of questions there are."""
    kinds = kinds_of(catalogue)
    columns = [list(column) for column in zip(*kinds, strict=True)]
    owner = await asyncpg.connect(servers.owner_url)
    try:
        await owner.execute(ENTER, BANKS)
        await owner.execute(FILL, BEGINS, questions, BANKS, *columns, len(kinds), timeout=600)
    finally:
        await owner.close()
    return len(kinds) * BANKS


async def measure(servers: PrivateServers, questions: int) -> None:
    await upgrade(servers.owner_url)
    draft = read_rule_set(
        (RULES / "2026-11.toml")
        .read_text("utf-8")
        .replace('id = "2026-11"', 'id = "draft"', 1)
        .replace('"banded"', '"masked"')
    )
    database = await connect_database(servers.app_url, connections=2)
    try:
        rules = await rules_at_start(database, BEGINS)
        catalogue = load_catalogue().under(rules.active, rules.earlier)
        kinds = await fill(servers, catalogue, questions)
        begin = time.perf_counter()
        replayed = await replay_recorded(database, catalogue, draft, FIRST_DAY, LAST_DAY)
        seconds = time.perf_counter() - begin
    finally:
        await database.close()
    print(f"{replayed.calls:,} recorded questions of at most {kinds:,} kinds, {BANKS} banks")
    print(
        f"would change: {replayed.changed:,} calls, {len(replayed.changes):,} lines by bank, data set and field"
    )
    print(f"replayed in {seconds:.2f} s: {replayed.calls / seconds:,.0f} questions a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=1_000_000)
    questions: int = parser.parse_args().questions
    with tempfile.TemporaryDirectory() as folder, private_servers(Path(folder), throwaway=True) as servers:
        asyncio.run(measure(servers, questions))


if __name__ == "__main__":
    main()
