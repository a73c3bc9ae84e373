"""The correction file: an owner gets back what was not taken, opens it without danger, and what he corrects passes."""

import csv
import io
from datetime import date
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NotFound
from datasets import Catalogue, DeliveryRefused, RowCleaner, ingest, load_catalogue, write_corrections
from datasets.corrections import (
    QuarantinedRow,
    correction_header,
    correction_line,
    defuse,
    original_cells,
    undefuse,
)
from datasets.delivery import Delivery, inspect_delivery
from tests.datasets.made_up import TAX_HEADER, tax_file, tax_row, uscc
from tests.datasets.workbooks import sheet, workbook

CONTRACTS = load_catalogue().contracts
REGISTRATION = CONTRACTS["registration"]
HEADER = ["企业名称", "uscc", "注册日期"]


def quarantined(original: str, line: int = 7) -> QuarantinedRow:
    return QuarantinedRow(
        line, "old_registration_number", "uscc", "这是旧工商注册号，请换成 18 位代码", original
    )


def file_of(*rows: QuarantinedRow, form: str = "csv", header: list[str] | None = None) -> str:
    header = header or HEADER
    return correction_header(header) + "".join(
        correction_line(REGISTRATION, form, header, row) for row in rows
    )


def returned(folder: Path, text: str | bytes) -> Delivery:
    path = folder / "returned"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8-sig"))
    return inspect_delivery(path, lambda header: RowCleaner(REGISTRATION, header, date(2026, 11, 22)))


# --- what a spreadsheet would do with it


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+1",
        "-1+cmd|'/C calc'!A0",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "＝1+1",
        "＠x",
        "'=1",
        "913205830000000001",
        "0512",
        "12E3",
        "3-4",
        "1/2",
    ],
)
def test_what_a_spreadsheet_would_compute_or_change_is_written_behind_an_apostrophe(cell: str) -> None:
    assert defuse(cell) == f"'{cell}"
    assert undefuse(defuse(cell)) == cell


@pytest.mark.parametrize(
    "cell", ["", "某公司", "-12.5", "-1,036.20", "2018-01-06", "1036.2", "'", "it's", "'某"]
)
def test_what_is_harmless_is_left_alone(cell: str) -> None:
    assert defuse(cell) == undefuse(cell) == cell


@given(st.text(max_size=12) | st.text("'=+-@\t\r0123456789eE/.,＝", max_size=12))
def test_defusing_can_always_be_undone_and_leaves_nothing_to_compute(cell: str) -> None:
    assert undefuse(defuse(cell)) == cell
    assert not defuse(cell).startswith(("=", "+", "@", "\t", "\r", "＝", "＋", "－", "＠"))


# --- what is in it


def test_a_row_says_where_it_stood_why_and_what_was_delivered() -> None:
    text = file_of(quarantined('"某,公司",320300400002113,2018-01-06'))
    header, row = csv.reader(io.StringIO(text, newline=""))
    assert header == ["_line", "_reason", "_field", "_hint", "_original", *HEADER]
    assert row == [
        "7",
        "填的是旧工商注册号",
        "统一社会信用代码",
        "这是旧工商注册号，请换成 18 位代码",
        "",
        "某,公司",
        "'320300400002113",
        "2018-01-06",
    ]


@pytest.mark.parametrize("original", ['"没有收尾的引号,x,y', "只有一列", "a,b,c,d"])
def test_a_row_that_cannot_be_split_is_shown_as_it_was(original: str) -> None:
    [_, row] = csv.reader(io.StringIO(file_of(quarantined(original)), newline=""))
    assert row[4:] == [original, "", "", ""]


def test_the_cells_of_json_lines_are_found_by_name() -> None:
    assert original_cells("jsonl", HEADER, '{"uscc": "1", "企业名称": "某", "other": 2}') == ["某", "1", ""]
    assert original_cells("jsonl", HEADER, "{broken") is None


# --- on its way back


def test_a_returned_file_is_read_as_the_rows_that_it_corrects(tmp_path: Path) -> None:
    text = file_of(quarantined("=某,320300400002113,2018-01-06"), quarantined("乙,12,2018-01-06", line=9))
    found = returned(tmp_path, text)
    assert found.is_correction
    assert found.header == HEADER
    assert found.cleaner.ignored_columns == ()
    assert [(row.line_number, row.corrects_line, row.cells) for row in found.rows()] == [
        (2, 7, ["=某", "320300400002113", "2018-01-06"]),
        (3, 9, ["乙", "12", "2018-01-06"]),
    ]


def test_it_may_come_back_as_a_workbook_with_its_columns_moved(tmp_path: Path) -> None:
    content = workbook(
        sheet([("uscc", "_line", "企业名称", "_hint", "注册日期"), (uscc(1), 7, "'=某", "x", "20180106")])
    )
    [row] = returned(tmp_path, content).rows()
    assert (row.corrects_line, row.cells) == (7, [uscc(1), "=某", "20180106"])


@pytest.mark.parametrize("line", ["", "x", "-7", "7.5", "٧"])
def test_a_row_without_its_line_number_is_a_fault(tmp_path: Path, line: str) -> None:
    found = returned(tmp_path, f"_line,uscc,企业名称,注册日期\n{line},{uscc(1)},某,2018-01-06\n")
    [row] = found.rows()
    assert row.fault is not None
    assert (row.fault.reason, row.corrects_line) == ("correction_line", None)


def test_a_row_that_lost_a_column_is_a_fault(tmp_path: Path) -> None:
    [row] = returned(tmp_path, "_line,uscc,企业名称,注册日期\n7,x,y\n").rows()
    assert row.fault is not None
    assert row.fault.reason == "wrong_column_count"


def test_two_line_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefused) as refusal:
        returned(tmp_path, "_line,_LINE,uscc,企业名称,注册日期\n")
    assert refusal.value.reason == "duplicate_header"


def test_an_ordinary_file_is_no_correction(tmp_path: Path) -> None:
    found = returned(tmp_path, f"uscc,企业名称,注册日期\n{uscc(1)},'=某,2018-01-06\n")
    assert not found.is_correction
    assert [row.cells[1] for row in found.rows()] == ["'=某"]


# --- the whole way


async def test_what_the_owner_corrects_passes_and_the_rest_stays(
    connection: asyncpg.Connection, catalogue: Catalogue, tmp_path: Path
) -> None:
    tax = catalogue.contracts["tax"]
    delivered = tmp_path / "tax.csv"
    delivered.write_text(tax_file(tax_row(1), tax_row(2, "202613"), tax_row(3, vat="=1+1"), '"open,x,y,z'))
    first = await ingest(connection, tax, delivered)
    assert (first.accepted, first.quarantined) == (1, 3)

    path = tmp_path / "corrections.csv"
    assert await write_corrections(connection, catalogue.contracts, first.intake_id, path) == 3
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    text = path.read_text("utf-8-sig")
    assert TAX_HEADER in text.splitlines()[0]
    assert "'=1+1" in text
    path.write_text(text.replace("202613", "202609").replace("'=1+1", "5").replace(uscc(3), uscc(3).lower()))

    second = await ingest(connection, tax, path, corrects=first.intake_id, source="correction")
    assert (second.received, second.accepted, second.quarantined) == (3, 2, 1)
    assert await write_corrections(connection, catalogue.contracts, first.intake_id, path) == 1
    assert "open,x,y,z" in path.read_text("utf-8-sig")


async def test_there_is_no_correction_file_of_an_intake_that_never_was(
    connection: asyncpg.Connection, catalogue: Catalogue, tmp_path: Path
) -> None:
    with pytest.raises(NotFound) as missing:
        await write_corrections(connection, catalogue.contracts, 404, tmp_path / "x.csv")
    assert missing.value.reason == "intake_unknown"
    assert list(tmp_path.iterdir()) == []
