"""A workbook is read as its owner sees it, computes nothing, and can neither fill the memory nor the disk."""

import gzip
import io
import tracemalloc
import zipfile
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import CleanRow, DeliveryRefused, RowCleaner, load_catalogue
from datasets.delivery import ROW_BYTES_MAX, DeliveredRow, Delivery, inspect_delivery
from datasets.workbook_cells import figure
from datasets.workbook_parts import PROPORTION_MAX
from tests.datasets.workbooks import DATE, MONTH, TIME, YEAR, formula, number, sheet, text, workbook

REGISTRATION = load_catalogue().contracts["registration"]
USCC = "91350100M000100Y43"
HEADER = ("企业名称", "统一社会信用代码", "注册日期")
ROW = ("某公司", USCC, "2018-01-06")


def delivered(folder: Path, content: bytes) -> Delivery:
    path = folder / "delivered.xlsx"
    path.write_bytes(content)
    return inspect_delivery(path, lambda header: RowCleaner(REGISTRATION, header, date(2026, 11, 22)))


def read(folder: Path, *rows: tuple[object, ...], header: tuple[str, ...] = HEADER) -> list[DeliveredRow]:
    return list(delivered(folder, workbook(sheet([header, *rows]))).rows())  # type: ignore[list-item]


def refusal(folder: Path, content: bytes) -> DeliveryRefused:
    with pytest.raises(DeliveryRefused) as refused:
        list(delivered(folder, content).rows())
    return refused.value


# --- what a sheet shows


@pytest.mark.parametrize("compressed", [False, True])
def test_rows_are_read_with_the_numbers_that_the_spreadsheet_shows(tmp_path: Path, compressed: bool) -> None:
    content = workbook(sheet([HEADER, ROW, (None, None, None), (" ", None), ("乙公司", USCC, "20190930")]))
    found = delivered(tmp_path, gzip.compress(content) if compressed else content)
    assert (found.form, found.encoding, found.header) == ("xlsx", "utf-8", list(HEADER))
    assert [(row.line_number, row.cells) for row in found.rows()] == [
        (2, list(ROW)),
        (5, ["乙公司", USCC, "20190930"]),
    ]
    assert [row.line_number for row in found.rows(after_line=2)] == [5]


def test_a_row_of_a_sheet_becomes_a_record(tmp_path: Path) -> None:
    header = (*HEADER, "zczb")
    found = delivered(
        tmp_path, workbook(sheet([header, (*ROW[:2], number(43106, DATE), 50.000000000000007)]))
    )
    [row] = found.rows()
    record = found.cleaner.clean(row.cells)
    assert isinstance(record, CleanRow)
    assert (record.body["registration_date"], record.body["capital_fen"]) == ("2018-01-06", 50_000_000)


def test_the_original_of_a_row_is_its_cells_as_csv(tmp_path: Path) -> None:
    [row] = read(tmp_path, ('说"好",', USCC, number(43106, DATE)))
    assert row.original == f'"说""好"",",{USCC},2018-01-06'


def test_texts_are_shared_have_runs_and_no_pronunciation(tmp_path: Path) -> None:
    shared = [
        "<t>某</t>",
        "<r><t>乙</t></r><r><rPr/><t xml:space='preserve'> 公司</t></r><rPh><t>yi</t></rPh>",
        "<t>a_x000D_b_xD800_</t>",
        "<t/>",
    ]
    rows = [HEADER, *((f' t="s"><v>{at}</v>', USCC, "2018-01-06") for at in range(4))]
    found = delivered(tmp_path, workbook(sheet(rows), shared=shared))
    assert [row.cells[0] for row in found.rows()] == ["某", "乙 公司", "a\rb\ufffd", ""]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (number(43106, DATE), "2018-01-06"),
        (number("43106.5208333333", DATE), "2018-01-06 12:30:00"),
        (number("43105.9999999999", DATE), "2018-01-06"),
        (number(60, DATE), "1900-02-29"),
        (number(59, DATE), "1900-02-28"),
        (number(61, DATE), "1900-03-01"),
        (number(0, DATE), "1900-01-00"),
        (number(2958465, DATE), "9999-12-31"),
        (number(2958466, DATE), "2958466"),
        (number(-3, DATE), "-3"),
        (number("0.5", DATE), "0.5"),
        (number(43106, YEAR), "2018"),
        (number(43106, MONTH), "2018-01-06"),
        (number(43106, TIME), "43106"),
        (number(43106), "43106"),
        (number("2.3650000000000002"), "2.365"),
        (number("0.30000000000000004"), "0.3"),
        (number("1E-3"), "0.001"),
        (number("1.2E5"), "120000"),
        (number("-0.0"), "0"),
        (number("123456789012345"), "123456789012345"),
        (number("913501000001000043"), "9.13501000001000E+17"),
        (number("1E400"), "1E400"),
        (number("NaN"), "NaN"),
        (' t="b"><v>1</v>', "TRUE"),
        (' t="b"><v>0</v>', "FALSE"),
        (' t="d"><v>2018-01-06</v>', "2018-01-06"),
        (' t="str"><v>got</v>', "got"),
        (" t='inlineStr'><is><r><t>a</t></r><r><t>b</t></r><rPh><t>c</t></rPh></is>", "ab"),
    ],
)
def test_a_cell_is_read_by_its_type_and_format(tmp_path: Path, cell: str, shown: str) -> None:
    rows = [HEADER, ("x", USCC, cell.replace(" t='", ' t="').replace("'>", '">'))]
    [row] = delivered(tmp_path, workbook(sheet(rows))).rows()
    assert (row.cells[2], row.fault) == (shown, None)


def test_a_workbook_may_count_its_days_from_1904(tmp_path: Path) -> None:
    found = delivered(tmp_path, workbook(sheet([HEADER, (*ROW[:2], number(41644, DATE))]), since_1904=True))
    assert [row.cells[2] for row in found.rows()] == ["2018-01-06"]


@given(day=st.dates(date(1900, 3, 1), date(9999, 12, 31)))
def test_every_day_comes_back_from_its_number(day: date) -> None:
    assert figure(str((day - date(1899, 12, 30)).days), "date") == day.isoformat()
    assert figure(
        str((day - date(1904, 1, 1)).days), "date", since_1904=True
    ) == day.isoformat() or day < date(1904, 1, 1)


@given(st.decimals(-(10**9), 10**9, allow_nan=False, places=4))
def test_a_figure_with_fifteen_digits_survives_the_dust_of_floating_point(written: Decimal) -> None:
    assert Decimal(figure(repr(float(written)))) == written


@given(st.text(max_size=30))
def test_whatever_stands_in_place_of_a_figure_is_a_text(written: str) -> None:
    assert isinstance(figure(written, "date"), str)


# --- what costs its row


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (formula("1+1"), "formula_cell"),
        (formula('HYPERLINK("http://example.com","x")'), "formula_cell"),
        ('><f t="shared" si="0"/><v>1</v>', "formula_cell"),
        (' t="e"><v>#REF!</v>', "spreadsheet_error"),
    ],
)
def test_a_formula_or_an_error_costs_its_row_only(tmp_path: Path, cell: str, reason: str) -> None:
    rows = read(tmp_path, (cell, USCC, "2018-01-06"), ROW)
    assert [row.fault and row.fault.reason for row in rows] == [reason, None]


def test_a_formula_is_shown_to_its_owner_not_its_result(tmp_path: Path) -> None:
    [row] = read(tmp_path, (formula("A1&B1"), USCC, "2018-01-06"))
    assert row.cells[0] == "=A1&B1"


def test_a_text_that_looks_like_a_formula_is_not_taken_as_a_name(tmp_path: Path) -> None:
    found = delivered(tmp_path, workbook(sheet([HEADER, ("=cmd|' /C calc'!A0", USCC, "2018-01-06")])))
    faults = found.cleaner.clean(next(found.rows()).cells)
    assert isinstance(faults, list)
    assert [(fault.reason, fault.field) for fault in faults] == [("formula_text", "name")]


def test_merged_cells_cost_the_rows_that_they_touch(tmp_path: Path) -> None:
    content = workbook(sheet([HEADER, ROW, ROW, ROW, ROW], merged=["A3:A4", "B4:C4"]))
    rows = delivered(tmp_path, content).rows()
    assert [row.fault and row.fault.reason for row in rows] == [None, "merged_cell", "merged_cell", None]


def test_a_row_beyond_the_limit_costs_itself(tmp_path: Path) -> None:
    rows = read(tmp_path, ("x" * ROW_BYTES_MAX, "y", "z"), ROW)
    assert [row.fault and row.fault.reason for row in rows] == ["row_too_long", None]


def test_a_row_wider_than_the_header_is_a_fault_of_the_row(tmp_path: Path) -> None:
    found = delivered(tmp_path, workbook(sheet([HEADER, (*ROW, "多出来的"), (*ROW, "")])))
    outcomes = [found.cleaner.clean(row.cells) for row in found.rows()]
    assert [isinstance(outcome, CleanRow) for outcome in outcomes] == [False, True]


# --- what refuses the file


def test_the_one_filled_sheet_is_found_and_two_are_refused(tmp_path: Path) -> None:
    full, empty = sheet([HEADER, ROW]), sheet([])
    assert len(list(delivered(tmp_path, workbook(empty, full, empty)).rows())) == 1
    assert len(list(delivered(tmp_path, workbook(full, full, hidden=[2])).rows())) == 1
    assert refusal(tmp_path, workbook(full, full)).reason == "several_sheets"
    assert refusal(tmp_path, workbook(empty)).reason == "empty_file"


GOOD = workbook(sheet([HEADER, *[ROW] * 50]))
ENTITY = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (GOOD[:-30], "broken_spreadsheet"),
        (GOOD[: len(GOOD) // 2], "broken_spreadsheet"),
        (b"PK\x03\x04" + b"garbage" * 50, "broken_spreadsheet"),
        (workbook(sheet([HEADER, ROW])[:-30]), "broken_spreadsheet"),
        (workbook(ENTITY + sheet([HEADER, ("&b;", USCC, "2018-01-06")])), "broken_spreadsheet"),
        (workbook('<?xml version="1.0" encoding="GBK"?>' + sheet([HEADER, ROW])), "broken_spreadsheet"),
        (workbook(sheet([HEADER, (' t="s"><v>7</v>',)])), "broken_spreadsheet"),
        (workbook(sheet([HEADER, ROW]).replace('r="A2"', 'r="2A"')), "broken_spreadsheet"),
        (workbook(sheet([HEADER, ROW]).replace('r="A2"', 'r="ZZZ2"')), "broken_spreadsheet"),
        (workbook(sheet([HEADER, ROW]).replace('r="C2"', 'r="A2"')), "broken_spreadsheet"),
        (workbook(sheet([HEADER, ROW]).replace('<row r="2">', '<row r="1">')), "broken_spreadsheet"),
        (workbook(sheet([HEADER, ROW]).replace('<row r="2">', '<row r="1048577">')), "broken_spreadsheet"),
        (
            workbook(sheet([HEADER, ROW]).replace('<row r="2">', f'<row r="{"9" * 5000}">')),
            "broken_spreadsheet",
        ),
        (workbook(sheet([HEADER]), parts={"xl/workbook.xml": None}), "broken_spreadsheet"),
        (workbook(sheet([HEADER]), parts={"xl/worksheets/sheet1.xml": None}), "empty_file"),
        (workbook(sheet([("企业名称", "注册日期"), ("某", "2018-01-06")])), "missing_key_column"),
        (workbook(sheet([(*HEADER, "企业名称"), ROW])), "duplicate_header"),
        (workbook(sheet([(formula("A1"), *HEADER[1:]), ROW])), "unreadable_header"),
        (workbook(sheet([HEADER, ROW], merged=["A1:C1"])), "unreadable_header"),
        (gzip.compress(gzip.compress(GOOD)), "not_text"),
        (gzip.compress(GOOD)[:-20], "broken_gzip"),
    ],
)
def test_what_is_no_sound_workbook_is_refused_in_plain_words(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    refused = refusal(tmp_path, content)
    assert refused.reason == reason
    assert str(refused)


def test_a_zip_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tax.csv", "a,b\n")
    assert refusal(tmp_path, file.getvalue()).reason == "broken_spreadsheet"


# --- what would fill memory or disk


def test_an_archive_that_unpacks_beyond_all_proportion_is_refused(tmp_path: Path) -> None:
    blanks = " " * (PROPORTION_MAX * 256 * 1024)
    content = workbook(sheet([HEADER, ROW]).replace("<sheetData>", f"<sheetData>{blanks}"))
    assert len(content) < len(blanks) / PROPORTION_MAX
    assert refusal(tmp_path, content).reason == "archive_suspicious"


def test_an_archive_of_too_many_parts_is_refused_before_they_are_listed(tmp_path: Path) -> None:
    file = io.BytesIO(GOOD)
    with zipfile.ZipFile(file, "a") as archive:
        for at in range(12_000):
            archive.writestr(f"{'x' * 40}{at}", b"")
    tracemalloc.start()
    refused = refusal(tmp_path, file.getvalue())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.reason == "archive_suspicious"
    assert peak < 4 * ROW_BYTES_MAX


@pytest.mark.parametrize("long", [f'<c r="A2" x="{"y" * 30_000_000}">', f"<!--{'y' * 30_000_000}-->"])
def test_a_tag_without_end_is_not_collected_in_memory(tmp_path: Path, long: str) -> None:
    content = workbook(sheet([HEADER, ROW]).replace("<sheetData>", f"<sheetData>{long}"))
    del long
    tracemalloc.start()
    refused = refusal(tmp_path, content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.reason in ("broken_spreadsheet", "archive_suspicious")
    assert peak < 20 * ROW_BYTES_MAX


def test_memory_is_bounded_whatever_the_number_of_rows_and_texts(tmp_path: Path) -> None:
    many = 6_000
    shared = [f"<t>{'司' * 400}{at}</t>" for at in range(many)]
    rows = [HEADER, *((f' t="s"><v>{at}</v>', USCC, "2018-01-06") for at in range(many))]
    content = workbook(sheet(rows), shared=shared)
    path = tmp_path / "many.xlsx"
    path.write_bytes(content)
    del content, shared, rows
    tracemalloc.start()
    found = inspect_delivery(path, lambda header: RowCleaner(REGISTRATION, header, date(2026, 11, 22)))
    assert sum(1 for row in found.rows() if len(row.cells[0]) > 400) == many
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * ROW_BYTES_MAX


# --- whatever comes


@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", min_codepoint=32), max_size=12), min_size=3, max_size=3
        ),
        max_size=8,
    )
)
def test_whatever_a_careful_sender_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    safe = [[text(cell.replace("_x", "x_")) for cell in row] for row in rows]
    found = read(tmp_path_factory.mktemp("read"), *map(tuple, safe))
    said = [[cell.replace("_x", "x_") for cell in row] for row in rows]
    # Of blank cells at the end of a row nothing can be said: sheets are full of them.
    assert [ended(row.cells) for row in found] == [
        ended(row) for row in said if any(cell.strip() for cell in row)
    ]


def ended(cells: list[str]) -> list[str]:
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    return cells


@given(data=st.data())
def test_a_damaged_workbook_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(DeliveryRefused):
        assert all(row.cells for row in delivered(tmp_path_factory.mktemp("damaged"), bytes(content)).rows())


@given(cells=st.lists(st.text("<>/&;\"'=ctvfisrowxd09A [!-]", max_size=40), max_size=4))
def test_whatever_stands_in_a_sheet_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> None:
    content = workbook(sheet([HEADER, ROW]).replace("</sheetData>", "".join(cells) + "</sheetData>"))
    with suppress(DeliveryRefused):
        assert len(list(delivered(tmp_path_factory.mktemp("wild"), content).rows())) >= 1


def test_what_is_escaped_is_unescaped(tmp_path: Path) -> None:
    [row] = read(tmp_path, ('<公司> & "co"', USCC, "2018-01-06"))
    assert row.cells[0] == '<公司> & "co"'
