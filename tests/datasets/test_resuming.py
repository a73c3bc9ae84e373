"""An intake that was cut off, and a file that comes again: the totals of one undisturbed run, whatever happens."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import asyncpg
import msgspec
import pytest

import datasets.batches
import datasets.intake
from datasets import Catalogue, DeliveryRefused, IntakeReport, Progress, mark_records
from tests.datasets.made_up import tax_row as row
from tests.datasets.made_up import uscc
from tests.datasets.taking import Intake, account

# New, unchanged, changed, twice the same, contradictions of new, unchanged and changed rows, and dirt.
STORED = [row(2), row(3), row(4), row(9)]
FILE = [
    row(1),
    row(2),
    "x,y,z,0",
    row(3, vat=7),
    row(1),
    row(2, vat=5),
    row(4),
    row(3, vat=7),
    row(5),
    row(1, vat=3),
    row(3, vat=8),
    row(4),
    row(4, vat=2),
]


def cut_off_after(rows: int) -> Callable[[Progress], None]:
    def stop(progress: Progress) -> None:
        if progress.received == rows:
            raise ConnectionResetError(rows)

    return stop


async def undisturbed(intake: Intake) -> tuple[tuple[int, ...], list[tuple[str, str, str]]]:
    """What one run gives, undone afterwards."""
    transaction = intake.connection.transaction()
    await transaction.start()
    await intake(STORED)
    report = await intake(FILE)
    current = await intake.current()
    await transaction.rollback()
    return account(report), current


@pytest.mark.parametrize("cut", range(1, len(FILE)))
async def test_cut_off_anywhere_it_goes_on_to_the_very_same_totals(
    intake: Intake, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    expected = await undisturbed(intake)
    assert expected[0] == (13, 2, 5, 1, 5)
    await intake(STORED)
    monkeypatch.setattr(datasets.batches, "ROWS_PER_BATCH", 1)
    with pytest.raises(ConnectionResetError):
        await intake(FILE, progress=cut_off_after(cut))
    monkeypatch.setattr(datasets.batches, "ROWS_PER_BATCH", 4)
    report = await intake(FILE)
    assert report.resumed
    assert (account(report), await intake.current()) == expected
    assert sum(report.reasons.values()) == report.quarantined
    assert await intake.connection.fetchval("SELECT count(*) FROM intakes") == 2


async def test_an_intake_of_another_day_or_recipe_is_not_continued(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.batches, "ROWS_PER_BATCH", 2)
    with pytest.raises(ConnectionResetError):
        await intake(FILE, as_of=date(2026, 11, 1), progress=cut_off_after(4))
    report = await intake(FILE, as_of=date(2026, 11, 2))
    assert not report.resumed
    with pytest.raises(ConnectionResetError):
        await intake([*FILE, row(8)], progress=cut_off_after(4))
    monkeypatch.setattr(datasets.intake, "_program", lambda: b"another release")
    assert not (await intake([*FILE, row(8)])).resumed


async def test_a_large_file_is_cleaned_in_a_process_of_its_own_with_the_same_result(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await undisturbed(intake)
    monkeypatch.setattr(datasets.batches, "OWN_PROCESS_FROM", 0)
    await intake(STORED)
    assert (account(await intake(FILE)), await intake.current()) == expected


async def test_an_error_in_that_process_is_an_error_here(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.batches, "OWN_PROCESS_FROM", 0)
    monkeypatch.setattr(datasets.intake.Encoder, "__reduce__", lambda self: (len, (1,)))
    with pytest.raises((TypeError, RuntimeError)):
        await intake(FILE)
    assert await intake.versions() == 0


# --- the same file again


async def repeated(intake: Intake, rows: list[str]) -> IntakeReport:
    await intake(rows)
    return await intake(rows)


async def test_a_stored_file_is_accounted_for_without_being_read_row_by_row(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    await intake(STORED)
    first = await intake(FILE)
    monkeypatch.setattr(datasets.intake, "batches_of", None)  # whoever reads rows now, fails
    before, quarantined = await intake.current(), await intake.quarantined()
    again = await intake(FILE)
    assert again.repeated
    assert account(again) == (13, 0, 8, 0, 5)
    assert (again.reasons, again.cells, again.filled) == (first.reasons, first.cells, first.filled)
    assert again.intake_id != first.intake_id
    assert await intake.current() == before
    assert await intake.quarantined() == [*quarantined, *quarantined]


async def test_row_by_row_the_account_is_the_same(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*arguments: object) -> None:
        return None

    await intake(STORED)
    await intake(FILE)
    monkeypatch.setattr(datasets.intake, "_repeat", never)
    again = await intake(FILE)
    assert not again.repeated
    assert account(again) == (13, 0, 8, 0, 5)


async def test_after_another_file_or_a_mark_the_rows_are_looked_at_again(intake: Intake) -> None:
    await intake(FILE)
    await intake([row(1, vat=99)])
    back = await intake(FILE)
    assert not back.repeated
    assert account(back)[3] == 1
    assert (await intake(FILE)).repeated
    await mark_records(intake.connection, "tax", uscc(1), "disputed", actor="clerk", reason="异议")
    assert not (await intake(FILE)).repeated


async def test_a_file_that_changed_nothing_in_between_does_not_matter(intake: Intake) -> None:
    await intake(FILE)
    await intake([row(1), "x,y,z,0"])
    assert (await intake(FILE)).repeated


async def test_by_another_release_or_contract_a_stored_file_is_read_again(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    await intake(FILE)
    monkeypatch.setattr(datasets.intake, "_program", lambda: b"another release")
    assert not (await intake(FILE)).repeated


async def test_rows_found_by_name_are_looked_for_again_when_registrations_came(
    intake: Intake, catalogue: Catalogue
) -> None:
    contract = msgspec.structs.replace(intake.contract, other_keys={"name": ("企业名称",)})
    file = "企业名称,RKYF,ZZSYNSE\n苏州示例精密机械有限公司,202610,1\n"
    assert account(await intake.file(file, contract)) == (1, 0, 0, 0, 1)
    registration = f"统一社会信用代码,企业名称,注册日期\n{uscc(1)},苏州示例精密机械有限公司,2018-01-06\n"
    await intake.file(registration, catalogue.contracts["registration"])
    again = await intake.file(file, contract)
    assert not again.repeated
    assert account(again) == (1, 1, 0, 0, 0)


# --- the file itself


async def test_the_day_of_a_known_file_is_that_of_its_first_delivery(intake: Intake) -> None:
    first = await intake(FILE, as_of=date(2026, 10, 1))
    assert (await intake(FILE)).as_of == first.as_of
    assert (await intake(FILE, as_of=date(2026, 11, 1))).as_of == date(2026, 11, 1)


async def test_a_file_that_is_not_the_announced_one_is_refused(intake: Intake) -> None:
    with pytest.raises(DeliveryRefused, match="摘要"):
        await intake(FILE, expected_digest=bytes(32))
    assert await intake.connection.fetchval("SELECT count(*) FROM intakes") == 0


async def test_a_file_that_changes_meanwhile_is_never_mixed(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.batches, "ROWS_PER_BATCH", 2)
    path: Path = intake.folder / "delivery.csv"

    def overwrite(progress: Progress) -> None:
        path.write_bytes(path.read_bytes().replace(b"202610", b"202609"))

    with pytest.raises(DeliveryRefused, match="被改动"):
        await intake([row(number) for number in range(20)], progress=overwrite)
    parts = await intake.connection.fetch("SELECT DISTINCT part FROM records")
    assert [part["part"] for part in parts] == ["2026-10"]


async def test_a_killed_intake_leaves_its_lock_to_the_next(
    intake: Intake, connection: asyncpg.Connection
) -> None:
    assert (await repeated(intake, FILE)).repeated
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
