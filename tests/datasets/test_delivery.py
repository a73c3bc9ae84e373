"""A delivered file is read row by row whatever it looks like; one bad row costs itself, never its neighbours."""

import gzip
import hashlib
import pickle
import tracemalloc
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import Contract, DeliveryRefused, RowCleaner, load_catalogue
from datasets.delivery import ROW_BYTES_MAX, DeliveredRow, Delivery, inspect_delivery

REGISTRATION = load_catalogue().contracts["registration"]
USCC = "91350100M000100Y43"
HEADER = "企业名称,统一社会信用代码,注册日期\n"
ROW = f"某公司,{USCC},2018-01-06\n"


def inspect(path: Path, contract: Contract = REGISTRATION) -> Delivery:
    return inspect_delivery(path, lambda header: RowCleaner(contract, header, date(2026, 11, 22)))


def delivered(folder: Path, content: bytes) -> Delivery:
    path = folder / "delivered.csv"
    path.write_bytes(content)
    return inspect(path)


def read(folder: Path, text: str, encoding: str = "utf-8") -> list[DeliveredRow]:
    return list(delivered(folder, (HEADER + text).encode(encoding)).rows())


def outcome(row: DeliveredRow) -> list[str] | str:
    return row.fault.reason if row.fault else row.cells


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
@pytest.mark.parametrize("compressed", [False, True])
def test_encodings_of_real_files_are_recognised(tmp_path: Path, encoding: str, compressed: bool) -> None:
    content = (HEADER + ROW).encode(encoding)
    found = delivered(tmp_path, gzip.compress(content) if compressed else content)
    assert found.encoding == ("utf-8" if "utf" in encoding else "gb18030")
    assert [row.cells for row in found.rows()] == [["某公司", USCC, "2018-01-06"]]
    assert found.size == len(content)
    assert found.digest == hashlib.sha256(found.path.read_bytes()).digest()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_are_no_rows_and_lines_are_counted_as_an_editor_does(tmp_path: Path, end: str) -> None:
    rows = read(tmp_path, f"{end}a,b,c{end}   {end}{end}d,e,f")
    assert [(row.line_number, row.cells) for row in rows] == [(3, ["a", "b", "c"]), (6, ["d", "e", "f"])]


def test_quotes_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    rows = read(tmp_path, '"1,036.2(万元)",b,c\n"say ""hi""",b,c\n"two\nlines",b,c\nlast,b,c\n')
    assert [(row.line_number, row.cells) for row in rows] == [
        (2, ["1,036.2(万元)", "b", "c"]),
        (3, ['say "hi"', "b", "c"]),
        (4, ["two\nlines", "b", "c"]),
        (6, ["last", "b", "c"]),
    ]
    assert rows[2].original == '"two\nlines",b,c'


def test_a_quote_within_a_cell_is_a_character(tmp_path: Path) -> None:
    assert [outcome(row) for row in read(tmp_path, '5" pipe,b,c\nd,e,f\n')] == [
        ['5" pipe', "b", "c"],
        ["d", "e", "f"],
    ]


def test_two_stray_quotes_do_not_swallow_the_rows_between_them(tmp_path: Path) -> None:
    """They look like one cell of several lines; but then it would hold other enterprises' rows."""
    rows = read(tmp_path, f'"某公司,{USCC},2018-01-06\n{ROW}某公司,{USCC},"2018-01-06\n{ROW}')
    assert [outcome(row) for row in rows] == [
        "unreadable_row",
        ["某公司", USCC, "2018-01-06"],
        "unreadable_row",
        ["某公司", USCC, "2018-01-06"],
    ]
    merged = read(tmp_path, f'甲公司,{USCC},"2018\n乙公司,{USCC},01"\n{ROW}')
    assert [outcome(row) for row in merged] == [
        "unreadable_row",
        ["乙公司", USCC, '01"'],
        ["某公司", USCC, "2018-01-06"],
    ]


def test_a_quote_that_never_closes_costs_its_own_line_only(tmp_path: Path) -> None:
    rows = read(tmp_path, '"open,b,c\nd,e,f\ng,"1,036",i\nj,k,l\n')
    assert [(row.line_number, outcome(row)) for row in rows] == [
        (2, "unreadable_row"),
        (3, ["d", "e", "f"]),
        (4, ["g", "1,036", "i"]),
        (5, ["j", "k", "l"]),
    ]
    assert rows[0].original == '"open,b,c'


def test_a_quote_closed_in_the_middle_of_a_cell_is_not_guessed_at(tmp_path: Path) -> None:
    assert [outcome(row) for row in read(tmp_path, '"某"公司,b,c\nd,e,f\n')] == [
        "unreadable_row",
        ["d", "e", "f"],
    ]


def test_a_quote_that_never_closes_does_not_swallow_a_long_file(tmp_path: Path) -> None:
    many = ROW_BYTES_MAX // 5
    rows = read(tmp_path, '"open,b,c\n' + "d,e,f\n" * many)
    assert outcome(rows[0]) == "unreadable_row"
    assert len(rows) == 1 + many
    assert rows[-1].line_number == 2 + many


def test_nul_costs_its_own_line_only(tmp_path: Path) -> None:
    rows = read(tmp_path, 'a\x00b,b,c\nd,e,f\n"open\n\x00",b,c\ng,h,i\n')
    assert [outcome(row) for row in rows] == [
        "nul_byte",
        ["d", "e", "f"],
        "unreadable_row",
        "nul_byte",
        ["g", "h", "i"],
    ]


def test_a_huge_line_is_cut_counted_and_passed_over(tmp_path: Path) -> None:
    rows = read(tmp_path, "x" * (5 * ROW_BYTES_MAX) + ",b,c\nd,e,f\n")
    assert [outcome(row) for row in rows] == ["row_too_long", ["d", "e", "f"]]
    assert rows[0].fault is not None
    assert str(5 * ROW_BYTES_MAX + 5) in rows[0].fault.hint
    assert len(rows[0].original) < 3_000


def test_memory_is_bounded_by_one_row(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write((HEADER + ROW).encode())
        for _ in range(200):
            file.write(b"x" * ROW_BYTES_MAX)
        file.write(("\n" + ROW).encode())
    tracemalloc.start()
    kept = [outcome(row) for row in inspect(path).rows()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept == [["某公司", USCC, "2018-01-06"], "row_too_long", ["某公司", USCC, "2018-01-06"]]
    assert peak < 20 * ROW_BYTES_MAX


def test_a_broken_character_costs_its_own_row_only(tmp_path: Path) -> None:
    cut = "公司".encode()[:-1]
    rows = list(delivered(tmp_path, HEADER.encode() + cut + b",b,c\n" + ROW.encode()).rows())
    assert [outcome(row) for row in rows] == ["undecodable", ["某公司", USCC, "2018-01-06"]]


def test_a_broken_character_in_gb18030_too(tmp_path: Path) -> None:
    found = delivered(tmp_path, (HEADER + ROW).encode("gb18030") + b"\xff\xff,b,c\n" + ROW.encode("gb18030"))
    assert found.encoding == "gb18030"
    assert [outcome(row) for row in found.rows()][1] == "undecodable"


@pytest.mark.parametrize(
    ("content", "reason", "said"),
    [
        (b"", "empty_file", "空"),
        (b"\n\n  \n", "empty_file", "表头"),
        (b"PK\x03\x04....", "broken_spreadsheet", "XLSX"),
        (b"Rar!\x1a\x07", "not_text", "RAR"),
        (gzip.compress(gzip.compress(ROW.encode(), mtime=0), mtime=0), "not_text", "两次"),
        (b'[{"uscc": 1}]', "not_text", "JSON"),
        (b"\xd0\xcf\x11\xe0....", "not_text", "XLS"),
        ((HEADER + ROW).encode("utf-16"), "not_text", "UTF-16"),
        (b"%PDF-1.7", "not_text", "PDF"),
        (gzip.compress((HEADER + ROW * 100).encode(), mtime=0)[:-20], "broken_gzip", "重新上传"),
        (b"\x1f\x8b garbage", "broken_gzip", "重新上传"),
        (bytes(range(128, 256)) * 10, "undecodable", "UTF-8"),
        ("名称,日期\n".encode(), "missing_key_column", "统一社会信用代码"),
        ("名称,日期\n".encode("gb18030"), "undecodable", "统一社会信用代码"),
        ((HEADER.strip() + ",企业名称\n").encode(), "duplicate_header", "重复"),
        (("a," * 3_000 + "b\n").encode(), "too_many_columns", "2000"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_in_plain_words(
    tmp_path: Path, content: bytes, reason: str, said: str
) -> None:
    with pytest.raises(DeliveryRefused) as refusal:
        delivered(tmp_path, content)
    assert refusal.value.reason == reason
    assert said in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefused) as refusal:
        inspect(tmp_path / "nowhere.csv")
    assert refusal.value.reason == "file_unreadable"


def test_a_delivery_can_be_read_in_another_process_and_from_any_line_on(tmp_path: Path) -> None:
    found = delivered(tmp_path, (HEADER + ROW + '"two\nlines",b,c\n' + ROW).encode())
    there: Delivery = pickle.loads(pickle.dumps(found))
    assert list(there.rows()) == list(found.rows())
    assert [row.line_number for row in there.rows(after_line=2)] == [3, 5]
    assert there.cleaner.clean(next(there.rows()).cells) == found.cleaner.clean(next(found.rows()).cells)


def test_a_row_may_reach_over_the_blocks_in_which_the_file_is_read(tmp_path: Path) -> None:
    lines = "x" * 1_000 + "\n"
    rows = read(tmp_path, ROW * 3 + f'"{lines * 600}",b,c\n' + ROW * 3)
    assert [len(row.cells[0]) for row in rows] == [3, 3, 3, 600 * 1_001, 3, 3, 3]
    assert [row.line_number for row in rows] == [2, 3, 4, 5, 606, 607, 608]


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n"), max_size=12)


@given(
    rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8),
    encoding=st.sampled_from(["utf-8", "gb18030"]),
)
def test_whatever_a_careful_sender_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], encoding: str
) -> None:
    quoted = ["".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row)) for row in rows]
    found = read(tmp_path_factory.mktemp("read"), "".join(line + "\n" for line in quoted), encoding)
    assert [row.cells for row in found] == rows


@given(content=st.binary(max_size=400))
def test_whatever_bytes_follow_the_header_every_line_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    found = delivered(tmp_path_factory.mktemp("bytes"), HEADER.encode() + content)
    originals = sum(row.original.count("\n") + 1 for row in found.rows())
    lines = content.decode(found.encoding, "surrogateescape").split("\n")
    assert originals == sum(1 for line in lines if line.rstrip("\r") and not line.rstrip("\r").isspace())
