"""The shelf: one statement for many questions, newest first, from the exact versions when asked again."""

import json
import secrets
from collections.abc import AsyncIterator
from datetime import date
from importlib import import_module
from pathlib import Path

import asyncpg
import pytest

from datasets import (
    NOTHING_SHELVED,
    Catalogue,
    ShelfAsk,
    ShelfReask,
    Shelved,
    ingest,
    read_records,
    record_layout,
    reread_records,
)
from datasets.shelf import READ_RECORDS
from tests.datasets.conftest import Urls
from tests.datasets.made_up import tax_file, uscc
from tests.datasets.made_up import tax_row as row


async def take(connection: asyncpg.Connection, catalogue: Catalogue, folder: Path, rows: list[str]) -> None:
    path = folder / "tax.csv"
    path.write_text(tax_file(*rows), "utf-8")
    await ingest(connection, catalogue.contracts["tax"], path)


@pytest.fixture
async def stocked(connection: asyncpg.Connection, catalogue: Catalogue, tmp_path: Path) -> asyncpg.Connection:
    """Thirty months of enterprise 1, one month of enterprise 2, the registration of enterprise 1."""
    months = [f"{2024 + month // 12}{month % 12 + 1:02d}" for month in range(30)]
    shuffled = sorted(months, key=lambda month: month[::-1])
    await take(connection, catalogue, tmp_path, [*(row(1, month) for month in shuffled), row(2, "202603")])
    path = tmp_path / "registration.csv"
    path.write_text(f"统一社会信用代码,企业名称,注册日期\n{uscc(1)},某公司,2018-01-06\n", "utf-8")
    await ingest(connection, catalogue.contracts["registration"], path, as_of=date(2026, 11, 1))
    return connection


async def read(connection: asyncpg.Connection, *questions: tuple[str, int, int]) -> list[Shelved]:
    """Questions of one data set each."""
    asks = [ShelfAsk(uscc(number), ((dataset, most),)) for dataset, number, most in questions]
    return [shelved for [shelved] in await read_records(connection, asks)]


def explained() -> str:
    """The statement's parameters for 24 months of one enterprise."""
    return f"ARRAY['{uscc(1)}'], ARRAY[NULL::date], ARRAY[0], ARRAY[0], ARRAY[0], ARRAY['tax'], ARRAY[24]"


def periods(shelved: Shelved) -> list[str]:
    return [record["period"] for record in json.loads(shelved.bodies)]


async def test_each_question_gets_its_own_records_in_the_order_of_asking(stocked: asyncpg.Connection) -> None:
    found = await read(
        stocked, ("tax", 2, 24), ("registration", 1, 1), ("tax", 1, 24), ("tax", 3, 24), ("tax", 2, 24)
    )
    assert periods(found[0]) == periods(found[4]) == ["2026-03"]
    assert json.loads(found[1].bodies)[0]["name"] == "某公司"
    assert len(periods(found[2])) == 24
    assert found[3] == NOTHING_SHELVED
    assert [shelved.found for shelved in found] == [True, True, True, False, True]


async def test_one_question_may_draw_on_several_data_sets(stocked: asyncpg.Connection) -> None:
    """What has no record has its place all the same, and the limits of one list are not those of another."""
    both = (("registration", 1), ("gossip", 9), ("tax", 24))
    asks = [ShelfAsk(uscc(1), both), ShelfAsk(uscc(2), (("tax", 3),)), ShelfAsk(uscc(2), both)]
    asks += [ShelfAsk(uscc(1), both, since=date(2026, 6, 1)), ShelfAsk(uscc(1), ())]
    one, short, two, recent, none = await read_records(stocked, asks)
    assert [len(shelved.record_ids) for shelved in one] == [1, 0, 24]
    assert [len(shelved.record_ids) for shelved in short] == [1]
    assert [len(shelved.record_ids) for shelved in two] == [0, 0, 1]
    assert [periods(recent[2]), one[1], two[0]] == [["2026-06"], NOTHING_SHELVED, NOTHING_SHELVED]
    assert none == []
    assert one[2] == (await read(stocked, ("tax", 1, 24)))[0]


async def test_the_newest_records_come_first_and_no_more_than_asked(stocked: asyncpg.Connection) -> None:
    [three] = await read(stocked, ("tax", 1, 3))
    assert periods(three) == ["2026-06", "2026-05", "2026-04"]
    assert len(three.record_ids) == 3
    assert (three.as_of, three.as_of_newest) == (date(2026, 4, 30), date(2026, 6, 30))


async def test_a_data_set_that_nobody_knows_has_nothing(stocked: asyncpg.Connection) -> None:
    assert await read(stocked, ("gossip", 1, 9)) == [NOTHING_SHELVED]


async def test_no_question_is_no_answer(stocked: asyncpg.Connection) -> None:
    assert await read_records(stocked, []) == []
    assert await reread_records(stocked, []) == []


async def test_only_current_versions_are_read(
    stocked: asyncpg.Connection, catalogue: Catalogue, tmp_path: Path
) -> None:
    await take(stocked, catalogue, tmp_path, [row(2, "202603", vat=9)])
    [shelved] = await read(stocked, ("tax", 2, 24))
    assert [record["vat_payable_fen"] for record in json.loads(shelved.bodies)] == [9_000_000]


async def test_an_earlier_answer_is_read_again_byte_for_byte(
    stocked: asyncpg.Connection, catalogue: Catalogue, tmp_path: Path
) -> None:
    """Also after its records were superseded."""
    before = await read(stocked, ("tax", 1, 24), ("tax", 2, 24), ("registration", 1, 1))
    months = json.loads(before[0].bodies)
    changed = [row(1, record["period"].replace("-", ""), vat=5) for record in months]
    await take(stocked, catalogue, tmp_path, [*changed, row(2, "202603", vat=5)])
    assert await read(stocked, ("tax", 1, 24)) != before[:1]
    again = await reread_records(
        stocked,
        [
            ShelfReask(("registration",), before[2].record_ids),
            ShelfReask(("tax",), before[0].record_ids),
            ShelfReask(("tax",), []),
            ShelfReask(("tax",), before[1].record_ids),
        ],
    )
    assert again == [[before[2]], [before[0]], [NOTHING_SHELVED], [before[1]]]


async def test_a_version_is_found_in_its_own_data_set_only(stocked: asyncpg.Connection) -> None:
    [shelved] = await read(stocked, ("tax", 2, 24))
    assert await reread_records(stocked, [ShelfReask(("registration",), shelved.record_ids)]) == [
        [NOTHING_SHELVED]
    ]


async def test_the_statement_walks_one_index_of_one_partition_per_question(
    stocked: asyncpg.Connection,
) -> None:
    """With the generic plan of a server that has never been analysed: no scan, no sort of records."""
    arguments = explained()
    await stocked.execute(
        f"PREPARE shelf (text[], date[], int[], int[], int[], text[], int[]) AS {READ_RECORDS}"
    )
    lines = await stocked.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE shelf ({arguments})")
    plan = "\n".join(line[0] for line in lines)
    assert "Seq Scan" not in plan
    assert "Sort Method" not in plan
    touched = [line for line in plan.split("\n") if "on records" in line and "never executed" not in line]
    assert len(touched) == 1
    assert "records_of_tax" in touched[0]
    assert "Scan Backward using" in touched[0]


async def test_after_a_vacuum_the_months_of_an_enterprise_are_read_from_the_index_alone(
    stocked: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    """Where they lie beside each other, however many deliveries they came in."""
    await owner.execute("VACUUM ANALYZE records_of_tax")
    arguments = explained()
    # As on the connections of the path.
    await stocked.execute("SET enable_seqscan = off")
    await stocked.execute(
        f"PREPARE shelf (text[], date[], int[], int[], int[], text[], int[]) AS {READ_RECORDS}"
    )
    lines = await stocked.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE shelf ({arguments})")
    plan = "\n".join(line[0] for line in lines)
    assert "Index Only Scan Backward using current_of_tax on records_of_tax" in plan
    assert "Heap Fetches: 0" in plan


def test_records_lie_together_where_the_largest_fits_into_an_index_entry(catalogue: Catalogue) -> None:
    layout = record_layout(catalogue.contracts)
    assert layout["tax"]
    assert not layout["registration"], "one record has nothing to lie beside"
    assert not layout["penalties"], "its documents may be long"


async def test_the_largest_record_that_is_to_lie_together_can_be_stored(
    connection: asyncpg.Connection, catalogue: Catalogue
) -> None:
    """Incompressible, and as large as PostgreSQL lets an index entry be after the program's own limit."""
    for dataset, together in record_layout(catalogue.contracts).items():
        if together:
            await connection.execute(
                "INSERT INTO records (dataset, uscc, part, body, digest, as_of, intake_id)"
                " VALUES ($1, $2, '2026-10', $3, '', now(), 1)",
                dataset,
                uscc(1),
                secrets.token_urlsafe(1_800)[:2_390],
            )


INDEX_OF = """
    SELECT index.relname, indisunique, pg_get_indexdef(indexrelid) LIKE '%INCLUDE (body, record_id, as_of, mark)%'
    FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
    WHERE indrelid = ('records_of_' || $1)::regclass AND NOT indisprimary
"""


async def test_a_data_set_whose_records_became_large_no_longer_lies_together(
    connection: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    for together in (False, False, True, True):
        await owner.execute("SELECT keep_records_together('tax', $1)", together)
        assert await owner.fetch(INDEX_OF, "tax") == [("current_of_tax", True, together)]


async def test_where_an_older_database_had_two_indexes_it_has_one(
    stocked: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    partitions = ("tax", "registration", "real_estate_seizures")
    await owner.execute("DROP INDEX records_default_current, current_of_" + ", current_of_".join(partitions))
    await owner.execute(
        "CREATE UNIQUE INDEX records_current ON records (dataset, uscc, part) WHERE superseded_at IS NULL;"
        "CREATE INDEX together_tax ON records_of_tax (dataset, uscc, part) INCLUDE (body, record_id, as_of, mark)"
        " WHERE superseded_at IS NULL"
    )
    for statement in import_module("migrations.versions.0018_one_index_of_current_records").STATEMENTS:
        await owner.execute(statement)
    for name in partitions:
        assert await owner.fetch(INDEX_OF, name) == [(f"current_of_{name}", True, name == "tax")]
    assert await owner.fetchval("SELECT to_regclass('records_current')") is None


@pytest.fixture
async def owner(database_urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    connected = await asyncpg.connect(database_urls.owner)
    yield connected
    await connected.close()


async def test_a_partition_made_late_takes_its_records_along(
    connection: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    for number in range(3):
        await connection.execute(
            "INSERT INTO records (dataset, uscc, part, body, digest, as_of, intake_id)"
            " VALUES ('water', $1, '', '{}', '', now(), 1)",
            uscc(number),
        )
    before = await read(connection, ("water", 1, 1))
    for _ in range(2):
        await owner.execute("SELECT ensure_record_partition('water')")
    assert await owner.fetchval("SELECT count(*) FROM records_of_water") == 3
    assert await owner.fetchval("SELECT count(*) FROM records_default") == 0
    assert await read(connection, ("water", 1, 1)) == before


@pytest.mark.parametrize("name", ["", "Water", "water; drop table records", "a", "1st"])
async def test_a_partition_is_made_for_a_data_set_id_only(owner: asyncpg.Connection, name: str) -> None:
    with pytest.raises(asyncpg.RaiseError, match="not a data set id"):
        await owner.execute("SELECT ensure_record_partition($1)", name)
