"""JSON Lines: one flat object a line, figures as they are written, one bad line costs itself."""

import gzip
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import CleanRow, DeliveryRefused, RowCleaner, load_catalogue
from datasets.delivery import ROW_BYTES_MAX, Delivery, inspect_delivery

TAX = load_catalogue().contracts["tax"]
USCC = "91350100M000100Y43"
ROW = f'{{"uscc": "{USCC}", "RKYF": "202610", "sale_inco": 1234.50}}\n'


def delivered(folder: Path, content: bytes | str) -> Delivery:
    path = folder / "delivered.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return inspect_delivery(path, lambda header: RowCleaner(TAX, header, date(2026, 11, 22)))


def outcomes(folder: Path, content: bytes | str) -> list[list[str] | str]:
    return [row.fault.reason if row.fault else row.cells for row in delivered(folder, content).rows()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("compressed", [False, True])
def test_objects_are_rows_and_their_names_the_columns(
    tmp_path: Path, encoding: str, compressed: bool
) -> None:
    content = (ROW + "\n" + f'{{"RKYF": "202611", "uscc": "{USCC}", "备注": "补报"}}').encode(encoding)
    found = delivered(tmp_path, gzip.compress(content) if compressed else content)
    assert (found.form, found.header) == ("jsonl", ["uscc", "RKYF", "sale_inco", "备注"])
    assert [(row.line_number, row.cells) for row in found.rows()] == [
        (1, [USCC, "202610", "1234.50", ""]),
        (3, [USCC, "202611", "", "补报"]),
    ]
    assert [row.line_number for row in found.rows(after_line=1)] == [3]
    assert found.cleaner.ignored_columns == ("备注",)


def test_an_object_becomes_a_record_in_fen(tmp_path: Path) -> None:
    found = delivered(tmp_path, ROW)
    record = found.cleaner.clean(next(found.rows()).cells)
    assert isinstance(record, CleanRow)
    assert (record.part, record.body["sales_fen"]) == ("2026-10", 123_450)


@pytest.mark.parametrize(
    ("written", "cell"),
    [
        ("0.1", "0.1"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        ("1e5", "1e5"),
        ("-0", "-0"),
        ("true", "TRUE"),
        ("false", "FALSE"),
        ("null", ""),
        ('"a\\u4e2d\\nb"', "a中\nb"),
        ('"\\ud800"', "\ud800"),
        ('"tab\tin it"', "tab\tin it"),
    ],
)
def test_values_are_taken_to_the_letter(tmp_path: Path, written: str, cell: str) -> None:
    line = ROW.replace("1234.50", written)
    assert outcomes(tmp_path, ROW + line)[1] == [USCC, "202610", cell]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"uscc": "x"', "unreadable_row"),
        ('{"uscc": "x"} {"uscc": "y"}', "unreadable_row"),
        ("[1, 2]", "unreadable_row"),
        ('"text"', "unreadable_row"),
        ("17", "unreadable_row"),
        ("null", "unreadable_row"),
        ("某公司,x,202610", "unreadable_row"),
        ('{"uscc": NaN}', "unreadable_row"),
        ('{"uscc": "x", "uscc": "y"}', "unreadable_row"),
        ('{"uscc": ["x"]}', "nested_value"),
        ('{"uscc": {"code": "x"}}', "nested_value"),
        ('{"a":' * 100_000, "unreadable_row"),
        ("[" * 900_000, "unreadable_row"),
        ('{"uscc": "\x00"}', "nul_byte"),
        ('{"uscc": "' + "x" * ROW_BYTES_MAX + '"}', "row_too_long"),
    ],
)
def test_a_line_that_is_no_flat_object_costs_itself_only(tmp_path: Path, line: str, reason: str) -> None:
    assert outcomes(tmp_path, ROW + line + "\n" + ROW) == [
        [USCC, "202610", "1234.50"],
        reason,
        [USCC, "202610", "1234.50"],
    ]


def test_a_broken_character_costs_its_own_line_only(tmp_path: Path) -> None:
    assert outcomes(tmp_path, ROW.encode() + b'{"uscc": "\xff"}\n' + ROW.encode())[1] == "undecodable"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[" + ROW.strip() + "]", "not_text"),
        ("{}\n", "empty_file"),
        ('{"a": \n', "empty_file"),
        ('{"a": 1}\n', "missing_key_column"),
        ("".join(f'{{"column{at}": 1}}\n' for at in range(2_001)), "too_many_columns"),
        (ROW + '{"统一社会信用代码": "x"}', "duplicate_header"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(DeliveryRefused) as refusal:
        delivered(tmp_path, content)
    assert refusal.value.reason == reason


@given(
    st.lists(st.dictionaries(st.sampled_from(["RKYF", "sale_inco", "x"]), st.text(max_size=8)), max_size=6)
)
def test_whatever_a_careful_sender_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, str]]
) -> None:
    lines = [json.dumps(written, ensure_ascii=True) + "\n" for written in objects]
    found = delivered(tmp_path_factory.mktemp("read"), ROW + "".join(lines))
    rows = [dict(zip(found.header, row.cells, strict=True)) for row in found.rows()][1:]
    assert rows == [dict.fromkeys(found.header, "") | written for written in objects]


@given(st.binary(max_size=300))
def test_whatever_bytes_follow_every_line_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    found = delivered(tmp_path_factory.mktemp("bytes"), ROW.encode() + content)
    lines = content.decode(found.encoding, "surrogateescape").split("\n")
    assert len(list(found.rows())) == 1 + sum(1 for line in lines if line and not line.isspace())
