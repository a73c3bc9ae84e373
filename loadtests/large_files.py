"""Large synthetic deliveries in every form that is taken in, to see how much memory they cost."""

import gzip
import json
import zipfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO, NamedTuple

from loadtests.deliveries import HEADER, tax_rows, usccs
from sandbox.province import make_uscc

SCOPE = "精密零件、模具、自动化设备的研发、生产、销售及售后服务；货物及技术进出口业务。" * 24
"""business scopes are the longest texts that come; about 2.8 kB of UTF-8"""
REGISTRATION_HEADER = ("企业名称", "统一社会信用代码", "注册日期", "经营范围")
DISTRICT = "320585"
SHEET_ROWS = 1_048_575
"""with the header, as many as a sheet has"""
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_LINES_AT_ONCE = 10_000


class Large(NamedTuple):
    """How to write one file and what it holds. ``write`` gets the path and returns the rows."""

    name: str
    dataset: str
    write: Callable[[Path], int]


def large_files(megabytes: int) -> list[Large]:
    """Long rows, in CSV also half the size and packed; and a sheet, from 210 MB on the largest there can be."""
    octets = megabytes * 1_000_000
    rows = min(SHEET_ROWS, megabytes * 5_000)
    return [
        Large(f"{megabytes // 2}.csv", "registration", lambda path: write_csv(path, octets // 2)),
        Large(f"{megabytes}.csv", "registration", lambda path: write_csv(path, octets)),
        Large(f"{megabytes}.csv.gz", "registration", lambda path: write_packed_csv(path, octets)),
        Large(f"{megabytes}.jsonl", "registration", lambda path: write_json_lines(path, octets)),
        Large(f"{megabytes}.xlsx", "tax", lambda path: write_workbook(path, rows)),
    ]


def registrations() -> Iterator[tuple[str, str, str, str]]:
    """Without end, no two rows the same."""
    for number in count():
        scope = f"{number * 7_919 % 10**9:09d}号许可：{SCOPE}"
        yield f"苏州测试{number:07d}有限公司", make_uscc(DISTRICT, number), "2019-03-04", scope


def write_csv(path: Path, octets: int) -> int:
    with path.open("wb") as file:
        return _write_csv(file, octets)


def write_packed_csv(path: Path, octets: int) -> int:
    """``octets`` before packing."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        return _write_csv(file, octets)


def _write_csv(file: BinaryIO | gzip.GzipFile, octets: int) -> int:
    file.write(f"{','.join(REGISTRATION_HEADER)}\n".encode())
    return _write_lines(file, octets, (",".join(row) for row in registrations()))


def write_json_lines(path: Path, octets: int) -> int:
    objects = (dict(zip(REGISTRATION_HEADER, row, strict=True)) for row in registrations())
    with path.open("wb") as file:
        return _write_lines(file, octets, (json.dumps(one, ensure_ascii=False) for one in objects))


def _write_lines(file: BinaryIO | gzip.GzipFile, octets: int, lines: Iterator[str]) -> int:
    """As many as fill so many octets; how many they were."""
    written = 0
    for number, line in enumerate(lines):
        if written >= octets:
            return number
        written += file.write(f"{line}\n".encode())
    raise AssertionError("registrations do not end")


# --- XLSX (ECMA-376)
# -------------------------------------------------------------------------------------------------


def write_workbook(path: Path, rows: int) -> int:
    """Months of tax, texts shared as spreadsheet programs do, figures as figures."""
    months = 24
    who = usccs(-(-rows // months), first=2_000_000)
    texts = [*HEADER.strip().split(","), *who]
    number_of = {text: number for number, text in enumerate(texts)}
    shared = "".join(f"<si><t>{text}</t></si>" for text in texts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("_rels/.rels", _relations(("officeDocument", "xl/workbook.xml")))
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            _relations(("worksheet", "worksheets/sheet1.xml"), ("sharedStrings", "sharedStrings.xml")),
        )
        sheets = '<sheets><sheet name="税" sheetId="1" r:id="rId1"/></sheets>'
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{MAIN}" xmlns:r="{KINDS}">{sheets}</workbook>')
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{shared}</sst>')
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for part in _sheet(who, months, rows, number_of):
                sheet.write(part.encode())
    return rows


def _sheet(who: list[str], months: int, rows: int, number_of: dict[str, int]) -> Iterator[str]:
    yield f'<worksheet xmlns="{MAIN}"><sheetData>'
    header = "".join(f'<c t="s"><v>{number_of[name]}</v></c>' for name in HEADER.strip().split(","))
    lines = [f"<row>{header}</row>"]
    for number, (uscc, *figures) in enumerate(tax_rows(who, range(months))):
        if number == rows:
            break
        cells = "".join(f"<c><v>{figure}</v></c>" for figure in figures)
        lines.append(f'<row><c t="s"><v>{number_of[uscc]}</v></c>{cells}</row>')
        if len(lines) == _LINES_AT_ONCE:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines) + "</sheetData></worksheet>"


def _relations(*targets: tuple[str, str]) -> str:
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{KINDS}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{RELATIONS}">{relations}</Relationships>'
