"""Intake: received = accepted + unchanged + superseded + quarantined, whatever the file and whatever happens."""

import asyncio
import signal
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import asyncpg
import pytest

import datasets.batches
import datasets.intake
from core.database import SERVER_SETTINGS
from datasets import Catalogue, Contract, DeliveryRefused, IntakeBusy, Progress, ingest
from tests.datasets.conftest import PROJECT, Urls
from tests.datasets.made_up import TAX_HEADER, tax_file, uscc
from tests.datasets.made_up import tax_row as row
from tests.datasets.taking import Intake, account


async def test_first_versions_are_accepted_and_taken_in_again_they_change_nothing(
    intake: Intake, batch_size: int
) -> None:
    rows = [row(number, month) for number in range(4) for month in ("202609", "202610")]
    assert account(await intake(rows)) == (8, 8, 0, 0, 0)
    before = await intake.current()
    assert account(await intake(rows)) == (8, 0, 8, 0, 0)
    assert await intake.current() == before


async def test_a_changed_row_supersedes_and_the_past_stays(intake: Intake, batch_size: int) -> None:
    await intake([row(1), row(2)])
    assert account(await intake([row(1, vat=7), row(2)])) == (2, 0, 1, 1, 0)
    assert account(await intake([row(1, vat=7), row(2)])) == (2, 0, 2, 0, 0)
    versions = await intake.connection.fetch(
        "SELECT body, recorded_at, superseded_at FROM records WHERE uscc = $1 ORDER BY recorded_at", uscc(1)
    )
    assert len(versions) == 2
    assert versions[0]["superseded_at"] == versions[1]["recorded_at"]
    assert versions[1]["superseded_at"] is None
    assert '"vat_payable_fen":7000000' in versions[1]["body"]


async def test_a_value_that_comes_back_is_a_new_version(intake: Intake, batch_size: int) -> None:
    for vat in (1, 2, 1):
        await intake([row(1, vat=vat)])
    assert await intake.connection.fetchval("SELECT count(*) FROM records") == 3
    assert len(await intake.current()) == 1


async def test_the_same_row_twice_in_a_file_is_unchanged(intake: Intake, batch_size: int) -> None:
    assert account(await intake([row(1), row(2), row(1), row(1)])) == (4, 2, 2, 0, 0)


async def test_a_row_that_contradicts_its_own_file_is_quarantined(intake: Intake, batch_size: int) -> None:
    rows = [row(1, vat=1), row(2), row(1, vat=2), row(1, vat=1), row(1, vat=3)]
    assert account(await intake(rows)) == (5, 2, 1, 0, 2)
    assert await intake.quarantined() == [(4, "conflicting_duplicate"), (6, "conflicting_duplicate")]
    original = await intake.connection.fetchval("SELECT original FROM quarantined_rows WHERE line_number = 4")
    assert original == rows[2]


async def test_a_contradiction_stays_one_when_the_file_is_taken_in_again(
    intake: Intake, batch_size: int
) -> None:
    """The second time its first row is unchanged and writes nothing; the second row must not replace it."""
    rows = [row(1, vat=1), row(2), row(1, vat=2)]
    await intake(rows)
    before = await intake.current()
    assert account(await intake(rows)) == (3, 0, 2, 0, 1)
    assert await intake.current() == before


async def test_a_contradiction_is_one_even_if_it_says_what_was_stored_before(
    intake: Intake, batch_size: int
) -> None:
    await intake([row(1, vat=2)])
    rows = [row(1, vat=1), row(2), row(1, vat=2)]
    assert account(await intake(rows)) == (3, 1, 0, 1, 1)
    assert account(await intake(rows)) == (3, 0, 2, 0, 1)


async def test_dirty_rows_are_quarantined_with_original_reason_and_hint(
    intake: Intake, batch_size: int
) -> None:
    rows = [
        row(1),
        "320300400002113,202610,1,1",
        f"{uscc(2)},202613,1,1",
        f"{uscc(3)},202610,abc,x\x00",
        f"{uscc(4)},202610",
        f'"{uscc(5)},202610,1,1',
        f"{uscc(6)},202613,lots,1",
        row(7),
    ]
    report = await intake(rows)
    assert account(report) == (8, 2, 0, 0, 6)
    assert await intake.quarantined() == [
        (3, "old_registration_number"),
        (4, "date_impossible"),
        (5, "nul_byte"),
        (6, "wrong_column_count"),
        (7, "unreadable_row"),
        (8, "date_impossible"),
    ]
    assert report.reasons == Counter(reason for _, reason in await intake.quarantined())
    stored = await intake.connection.fetch(
        "SELECT field, hint, original FROM quarantined_rows ORDER BY line_number"
    )
    assert stored[0]["field"] == "uscc"
    assert "18 位" in stored[0]["hint"]
    assert [kept["original"] for kept in stored] == [line.replace("\x00", "␀") for line in rows[1:7]]
    assert stored[5]["hint"].count("；") == 1  # both faults of the row


async def test_undecodable_bytes_are_kept_visibly(intake: Intake, tax: Contract, tmp_path: Path) -> None:
    path = tmp_path / "cut.csv"
    path.write_bytes(f"{TAX_HEADER}\n{row(1)}\n".encode() + f"{uscc(2)},202610,1,元".encode()[:-1] + b"\n")
    assert account(await ingest(intake.connection, tax, path)) == (2, 1, 0, 0, 1)
    assert "\\udce5" in await intake.connection.fetchval("SELECT original FROM quarantined_rows")


async def test_the_account_in_the_database_is_the_one_reported(intake: Intake) -> None:
    report = await intake([row(1), row(1), "x,y,z,0"], as_of=date(2026, 11, 20))
    stored = await intake.connection.fetchrow("SELECT * FROM intakes")
    assert stored is not None
    for name in (
        "intake_id",
        "dataset",
        "file_name",
        "as_of",
        "received",
        "accepted",
        "unchanged",
        "superseded",
        "quarantined",
    ):
        assert stored[name] == getattr(report, name)
    assert stored["file_digest"].hex() == report.file_digest
    assert stored["contract_version"] == intake.contract.version
    assert stored["finished_at"] >= stored["started_at"]
    assert report.file_name == "delivery.csv"


async def test_a_tax_record_speaks_for_the_end_of_its_month_a_registration_for_its_delivery(
    intake: Intake, catalogue: Catalogue, tmp_path: Path
) -> None:
    await intake([row(1, "202602")])
    path = tmp_path / "registration.csv"
    path.write_text(f"统一社会信用代码,企业名称,注册日期\n{uscc(1)},某公司,2018-01-06\n", "utf-8")
    await ingest(intake.connection, catalogue.contracts["registration"], path, as_of=date(2026, 11, 1))
    found = await intake.connection.fetch("SELECT dataset, as_of FROM records ORDER BY dataset")
    assert [tuple(one) for one in found] == [("registration", date(2026, 11, 1)), ("tax", date(2026, 2, 28))]


async def test_progress_is_told_batch_by_batch_up_to_the_end(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.batches, "ROWS_PER_BATCH", 2)
    told: list[Progress] = []
    await intake([row(number) for number in range(5)], progress=told.append)
    assert [progress.received for progress in told] == [2, 4, 5]
    assert told[-1].bytes_read == told[-1].bytes_total


async def test_a_file_that_cannot_be_taken_stores_nothing(
    intake: Intake, tax: Contract, tmp_path: Path
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("RKYF,ZZSYNSE\n202610,1\n", "utf-8")
    with pytest.raises(DeliveryRefused, match="统一社会信用代码"):
        await ingest(intake.connection, tax, path)
    assert await intake.connection.fetchval("SELECT count(*) FROM intakes") == 0


async def test_a_file_with_a_header_only_is_an_account_of_nothing(intake: Intake) -> None:
    assert account(await intake([])) == (0, 0, 0, 0, 0)


async def test_one_intake_per_data_set_at_a_time(intake: Intake, database_urls: Urls) -> None:
    other = await asyncpg.connect(database_urls.app, server_settings=SERVER_SETTINGS)
    try:
        await other.fetchval("SELECT pg_advisory_lock($1, hashtext('tax'))", datasets.intake.LOCK_NAMESPACE)
        with pytest.raises(IntakeBusy):
            await intake([row(1)])
        assert await intake.connection.fetchval("SELECT count(*) FROM intakes") == 0
    finally:
        await other.close()
    assert account(await intake([row(1)])) == (1, 1, 0, 0, 0)


async def test_an_intake_gives_back_what_it_took(intake: Intake) -> None:
    """The lock is free, whether it went well or not."""
    await intake([row(1)])
    with pytest.raises(RuntimeError):
        await intake([row(2)], progress=fail)
    assert await intake.connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    assert account(await intake([row(3)])) == (1, 1, 0, 0, 0)


def fail(progress: Progress) -> None:
    raise RuntimeError(progress.received)


async def test_an_error_between_batches_leaves_exact_accounts_and_the_file_can_be_taken_in_again(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.batches, "ROWS_PER_BATCH", 2)
    rows = [row(1), "x,y,z,0", row(2), row(3), row(1, vat=9), row(4)]

    def stop(progress: Progress) -> None:
        if progress.received == 4:
            raise RuntimeError("stop here")

    with pytest.raises(RuntimeError, match="stop here"):
        await intake(rows, progress=stop)
    stored = await intake.connection.fetchrow("SELECT * FROM intakes")
    assert stored is not None
    assert stored["finished_at"] is None
    assert [stored[name] for name in ("received", "accepted", "quarantined")] == [4, 3, 1]
    assert len(await intake.current()) == 3
    report = await intake(rows)
    assert report.resumed
    assert account(report) == (6, 4, 0, 0, 2)


async def test_killed_at_any_moment_the_accounts_are_exact(
    intake: Intake, database_urls: Urls, tax: Contract
) -> None:
    rows = [row(number) if number % 10 else f"x{number},y,z,0" for number in range(20_000)]
    path = intake.folder / "tax.csv"
    path.write_text(tax_file(*rows), "utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        INGEST_LOUDLY,
        database_urls.app,
        str(path),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    for _ in range(3):
        await asyncio.wait_for(process.stdout.readline(), 60)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await backends_gone(intake.connection)

    stored = await intake.connection.fetchrow("SELECT * FROM intakes")
    assert stored is not None
    assert stored["finished_at"] is None
    assert 0 < stored["received"] < len(rows)
    assert stored["received"] == stored["accepted"] + stored["quarantined"]
    assert stored["accepted"] == await intake.connection.fetchval("SELECT count(*) FROM records")
    assert stored["quarantined"] == await intake.connection.fetchval("SELECT count(*) FROM quarantined_rows")

    report = await ingest(intake.connection, tax, path)
    assert report.resumed
    assert report.intake_id == stored["intake_id"]
    assert account(report) == (20_000, 18_000, 0, 0, 2_000)
    assert await intake.connection.fetchval("SELECT count(*) FROM records") == 18_000


INGEST_LOUDLY = """
import asyncio, sys
from pathlib import Path
import asyncpg
import datasets.batches
from core.database import SERVER_SETTINGS
from datasets import ingest, load_catalogue

datasets.batches.ROWS_PER_BATCH = 500

async def main():
    connection = await asyncpg.connect(sys.argv[1], server_settings=SERVER_SETTINGS)
    tax = load_catalogue().contracts["tax"]
    await ingest(connection, tax, Path(sys.argv[2]), progress=lambda progress: print(progress, flush=True))

asyncio.run(main())
"""


async def backends_gone(connection: asyncpg.Connection) -> None:
    """Wait until PostgreSQL noticed that the killed process is gone, and rolled back what it had begun."""
    async with asyncio.timeout(30):
        while await connection.fetchval(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ):
            await asyncio.sleep(0.02)
