"""Corrected rows come back to the very rows they correct: they pass or stay, one by one."""

from datetime import date

import pytest

from datasets import Catalogue, DeliveryRefused, IntakeReport, write_corrections
from tests.datasets.made_up import TAX_HEADER, uscc
from tests.datasets.made_up import tax_row as row
from tests.datasets.taking import Intake, account

DAY = date(2026, 10, 31)
BAD = ["320300400002113,202610,1,1", f"{uscc(2)},202613,1,1", f"{uscc(3)},202610,abc,1"]


@pytest.fixture
async def delivered(intake: Intake) -> IntakeReport:
    """One good row and, in lines 3 to 5, three that could not be taken."""
    return await intake([row(1), *BAD], as_of=DAY)


def correction(*rows: str) -> str:
    return "\n".join([f"_line,{TAX_HEADER}", *rows]) + "\n"


async def open_lines(intake: Intake, intake_id: int) -> list[int]:
    rows = await intake.connection.fetch(
        "SELECT line_number FROM quarantined_rows WHERE intake_id = $1 AND resolved_by IS NULL ORDER BY 1",
        intake_id,
    )
    return [one["line_number"] for one in rows]


async def test_corrected_rows_pass_or_stay(intake: Intake, delivered: IntakeReport, batch_size: int) -> None:
    file = correction(f"3,{row(7)}", f"4,{uscc(2)},202610,1,1", f"5,{uscc(3)},202610,xyz,1")
    report = await intake.file(file, corrects=delivered.intake_id, source="correction")
    assert account(report) == (3, 2, 0, 0, 1)
    assert (report.corrects, report.source, report.as_of) == (delivered.intake_id, "correction", DAY)
    assert await open_lines(intake, delivered.intake_id) == [5]
    assert await open_lines(intake, report.intake_id) == [4]
    resolved = await intake.connection.fetch("SELECT DISTINCT resolved_by FROM quarantined_rows ORDER BY 1")
    assert [one["resolved_by"] for one in resolved] == [report.intake_id, None]


async def test_a_correction_that_does_not_pass_is_corrected_in_its_turn(
    intake: Intake, delivered: IntakeReport, catalogue: Catalogue
) -> None:
    file = correction(f"5,{uscc(3)},202610,xyz,1", f"4,{uscc(2)},202613,1,1")
    second = await intake.file(file, corrects=delivered.intake_id)
    assert account(second) == (2, 0, 0, 0, 2)
    returned = intake.folder / "correction.csv"
    await write_corrections(intake.connection, catalogue.contracts, second.intake_id, returned)
    text = returned.read_text("utf-8-sig")
    assert f"{uscc(3)},202610,xyz,1" in text.replace("'", "")
    third = await intake.file(text.replace("xyz", "1"), corrects=second.intake_id)
    assert account(third) == (2, 1, 0, 0, 1)
    assert await open_lines(intake, delivered.intake_id) == [3, 4], (
        "line 5 has passed, by way of the second file"
    )


async def test_returned_again_it_changes_nothing(intake: Intake, delivered: IntakeReport) -> None:
    file = correction(f"3,{row(7)}")
    first = await intake.file(file, corrects=delivered.intake_id)
    again = await intake.file(file, corrects=delivered.intake_id)
    assert account(again) == (1, 0, 1, 0, 0)
    resolved = await intake.connection.fetchval(
        "SELECT resolved_by FROM quarantined_rows WHERE line_number = 3"
    )
    assert resolved == first.intake_id


async def test_a_line_that_was_not_in_quarantine_is_not_corrected(
    intake: Intake, delivered: IntakeReport
) -> None:
    report = await intake.file(correction(f"2,{row(1, vat=9)}"), corrects=delivered.intake_id)
    assert account(report) == (1, 0, 0, 0, 1)
    assert report.reasons == {"not_quarantined": 1}
    assert await open_lines(intake, delivered.intake_id) == [3, 4, 5]


async def test_a_correction_does_not_undo_what_was_delivered_later(
    intake: Intake, delivered: IntakeReport
) -> None:
    await intake([row(7, vat=5)], as_of=date(2026, 11, 20))
    report = await intake.file(correction(f"3,{row(7)}"), corrects=delivered.intake_id)
    assert report.reasons == {"older_than_stored": 1}
    later = await intake.file(
        correction(f"3,{row(7)}"), corrects=delivered.intake_id, as_of=date(2026, 11, 21)
    )
    assert account(later) == (1, 0, 0, 1, 0)


@pytest.mark.parametrize(
    ("file", "corrects", "reason"),
    [
        (f"{TAX_HEADER}\n{row(7)}\n", 1, "not_a_correction_file"),
        (correction(f"3,{row(7)}"), None, "correction_unaddressed"),
        (correction(f"3,{row(7)}"), 99, "corrects_unknown"),
    ],
)
async def test_a_correction_and_what_it_corrects_must_find_each_other(
    intake: Intake, delivered: IntakeReport, file: str, corrects: int | None, reason: str
) -> None:
    with pytest.raises(DeliveryRefused) as refused:
        await intake.file(file, corrects=corrects)
    assert refused.value.reason == reason
    assert await intake.connection.fetchval("SELECT count(*) FROM intakes") == 1
