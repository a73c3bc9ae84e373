"""The rows of a delivery in XLSX (ECMA-376), read as a stream from the one sheet that holds something.

Nothing is computed: a formula is a fault. Figures stay as they are written, but for the dust behind the 15 digits that
a spreadsheet keeps; dates are told by their cell's format. What is held: one row, 64 KiB of XML, the styles, eight bytes
per shared text (the texts themselves go to a temporary file). An archive that unpacks beyond all proportion is refused.
"""

import csv
import io
import os
import posixpath
import re
import struct
import zipfile
import zlib
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple
from xml.parsers import expat

from datasets.cleaning import DeliveryRefused, Fault
from datasets.lines import ROW_BYTES_MAX, DeliveredRow

PART_BYTES_MAX = 4 * 1024**3
"""of one part of the archive, unpacked"""
SMALL_PART_BYTES_MAX = 32 * 1024**2
"""of workbook, relations and styles, which are held as a whole"""
PROPORTION_MAX = 200
"""Bytes that one packed byte may become, beyond the first 16 MiB; sheets of real figures make 5 to 60."""
_PROPORTION_FROM = 16 * 1024**2
_DIRECTORY_BYTES_MAX = 1024**2
_DIRECTORY_END_MAX = 22 + 65_535 + 20 + 56
_TOKEN_BYTES_MAX = 4 * 1024**2
_CHUNK = 64 * 1024

ROWS_MAX, COLUMNS_MAX = 1_048_576, 16_384
SHARED_TEXTS_MAX = 12_000_000
_MERGED_MAX = 100_000


def _refused(message: str) -> DeliveryRefused:
    return DeliveryRefused("broken_spreadsheet", message)


def csv_line(cells: Iterable[str]) -> str:
    """The cells as one line of CSV, for people to read and for the correction file."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


class Workbook:
    """An open workbook and its one filled, visible sheet. A context; everything may raise `DeliveryRefused`.

    ``size``: bytes of the sheet, unpacked, as `rows` counts them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __enter__(self) -> "Workbook":
        with _broken_is_refused():
            _refuse_huge_directory(self._file)
            self._archive = _Archive(self._file)
            self._shared = _SharedTexts()
            try:
                self._open()
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._shared.close()
        self._archive.close()

    def _open(self) -> None:
        root = {kind: name for kind, _, name in self._archive.relations("")}
        workbook = root.get("officeDocument", "xl/workbook.xml")
        related = self._archive.relations(workbook)
        self._date_styles = _DateStyles()
        for kind, _, name in related:
            if kind == "styles":
                self._date_styles = _DateStyles(self._archive.elements(name))
            if kind == "sharedStrings":
                self._shared.read(self._archive.chunks(name))
        by_id = {identifier: name for kind, identifier, name in related if kind == "worksheet"}
        self._sheet = self._filled_sheet(self._archive.elements(workbook), by_id)
        self.size = self._archive.size(self._sheet)
        # Merged cells stand behind the rows: the sheet is read once before it is read for its rows, and is known
        # to be complete and well-formed then.
        self._merged = _merged_rows(_fed(_parser(), self._archive.chunks(self._sheet)))

    def _filled_sheet(self, workbook: Iterable["_Element"], by_id: dict[str, str]) -> str:
        """The visible sheet with something in it: two of them would be two deliveries."""
        visible = []
        self._since_1904 = False
        for tag, attributes in workbook:
            if tag == "workbookPr":
                self._since_1904 = attributes.get("date1904") in ("1", "true")
            if tag == "sheet" and attributes.get("state", "visible") == "visible":
                identifier = next((value for name, value in attributes.items() if name.endswith(":id")), "")
                visible.append(by_id.get(identifier, ""))
        filled = [name for name in visible if name and any(self._rows_of(name))]
        if len(filled) > 1:
            raise DeliveryRefused("several_sheets", "文件里有多张有内容的工作表，请每个文件只放一张")
        if not filled:
            raise DeliveryRefused("empty_file", "工作簿里没有内容")
        return filled[0]

    def rows(self) -> Iterator[DeliveredRow]:
        """Every row with something in it, the header among them; cells are missing nowhere up to the header's width."""
        width = 0
        with _broken_is_refused():
            for row in self._rows_of(self._sheet):
                cells = row.cells + [""] * (width - len(row.cells))
                width = width or len(cells)
                fault = row.fault
                if fault is None and row.number in self._merged:
                    fault = Fault("merged_cell", None, "这一行有合并的单元格，请取消合并，逐行填写")
                yield DeliveredRow(row.number, cells, csv_line(cells), fault, self._bytes_read)

    def _rows_of(self, part: str) -> Iterator["_Row"]:
        sheet = _Sheet(self._shared, self._date_styles, since_1904=self._since_1904)
        self._bytes_read = 0
        for chunk in _fed(sheet.parser, self._archive.chunks(part)):
            self._bytes_read += len(chunk)
            while sheet.rows:
                yield sheet.rows.popleft()


# --- the archive
# ------------------------------------------------------------------------------------------------


@contextmanager
def _broken_is_refused() -> Iterator[None]:
    """Whatever a damaged archive makes its readers say becomes one word."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        expat.ExpatError,
        EOFError,
        struct.error,
        NotImplementedError,  # a compression that nobody uses
        RuntimeError,  # a part behind a password
        KeyError,
        ValueError,
        OSError,
    ) as error:
        raise _refused("表格文件不完整、已加密或已损坏，请重新另存为 XLSX，或改用 CSV 报送") from error


def _refuse_huge_directory(file: BinaryIO) -> None:
    """`zipfile` reads the directory of an archive as a whole. Its size stands in the last records (APPNOTE 4.3)."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _DIRECTORY_END_MAX))
    tail = file.read()
    file.seek(0)
    end, end64 = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    directory = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if b"PK\x06\x07" in tail:
        directory = max(directory, int.from_bytes(tail[end64 + 40 : end64 + 48], "little") if end64 >= 0 else size)
    # What stands there may be a lie; the directory cannot be larger than the file though.
    if min(directory, size) > _DIRECTORY_BYTES_MAX:
        raise DeliveryRefused("archive_suspicious", "压缩包的目录太大，不像是 XLSX，未予接收")


_Element = tuple[str, dict[str, str]]
"""The name of an element, without prefix, and its attributes."""


class _Archive:
    """The parts of an XLSX file, each read as a stream and never more than it may be."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file)

    def close(self) -> None:
        self._zip.close()

    def size(self, part: str) -> int:
        return self._zip.getinfo(part).file_size

    def chunks(self, part: str) -> Iterator[bytes]:
        info = self._zip.getinfo(part)
        most = max(_PROPORTION_FROM, PROPORTION_MAX * info.compress_size)
        read = 0
        with self._zip.open(info) as file:
            while chunk := file.read(_CHUNK):
                read += len(chunk)
                if read > min(most, PART_BYTES_MAX):
                    hint = "文件解压后大得不合常理，未予接收；请改用 CSV 报送"
                    raise DeliveryRefused("archive_suspicious", hint)
                yield chunk

    def elements(self, part: str) -> Iterator[_Element]:
        """Every element of a small part as it opens."""
        if self.size(part) > SMALL_PART_BYTES_MAX:
            raise _refused("工作簿的样式或目录过大，请另存为新的工作簿")
        opened: list[_Element] = []
        parser = _parser()
        parser.StartElementHandler = lambda name, attributes: opened.append((_local(name), attributes))
        for _ in _fed(parser, self.chunks(part)):
            yield from opened
            opened.clear()

    def relations(self, part: str) -> list[tuple[str, str, str]]:
        """Kind, id and name of every part to which this one refers (``""``: the archive itself), as far as they exist."""
        folder, name = posixpath.split(part)
        found = []
        for tag, attributes in self.elements(posixpath.join(folder, "_rels", f"{name}.rels")):
            if tag == "Relationship" and attributes.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", ""))).lstrip("/")
                kind = attributes.get("Type", "").rpartition("/")[2]
                if target in self._zip.NameToInfo:
                    found.append((kind, attributes.get("Id", ""), target))
        return found


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _parser() -> expat.XMLParserType:
    """Of UTF-8 without document types: so there are no entities, inside or outside."""

    def refuse(*_: object) -> None:
        raise _refused("表格文件含有文档类型声明，未予接收")

    def only_utf8(version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "us-ascii"):
            raise _refused("表格文件不是 UTF-8 编码，请重新另存为 XLSX")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.XmlDeclHandler = only_utf8
    return parser


def _fed(parser: expat.XMLParserType, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Feed the parser and hand each chunk on after it. A single tag must not be endless: the parser would hold it."""
    fed = 0
    for chunk in chunks:
        parser.Parse(chunk, False)
        fed += len(chunk)
        if fed - parser.CurrentByteIndex > _TOKEN_BYTES_MAX:
            raise _refused("表格文件里有一个标记过长，未予接收")
        yield chunk
    parser.Parse(b"", True)
    yield b""


# --- shared texts, styles, merged cells
# -------------------------------------------------------------------------


class _SharedTexts:
    """Texts to which cells refer by number, one behind the other in a temporary file."""

    _RECENT_MAX, _RECENT_CHARACTERS_MAX = 16_384, 200

    def __init__(self) -> None:
        self._file = TemporaryFile()
        self._ends = array("Q", [0])
        self._recent: dict[int, str] = {}

    def close(self) -> None:
        self._file.close()

    def read(self, chunks: Iterable[bytes]) -> None:
        text = _TextOf("si")
        for _ in _fed(text.parser, chunks):
            for found in text.found:
                self._file.write(encoded := found.encode())
                self._ends.append(self._ends[-1] + len(encoded))
            text.found.clear()
            if len(self._ends) > SHARED_TEXTS_MAX:
                raise _refused("表格文件的文字太多，请拆成几个文件，或改用 CSV 报送")
        self._file.flush()

    def __getitem__(self, number: int) -> str:
        text = self._recent.get(number)
        if text is None:
            if not 0 <= number < len(self._ends) - 1:
                raise KeyError(number)
            start, end = self._ends[number], self._ends[number + 1]
            text = os.pread(self._file.fileno(), end - start, start).decode()
            if len(text) <= self._RECENT_CHARACTERS_MAX:
                if len(self._recent) >= self._RECENT_MAX:
                    self._recent.clear()
                self._recent[number] = text
        return text


_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def _unescaped(text: str) -> str:
    """Characters that XML does not permit are written _x000D_; halves of characters are not let in that way."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(
        lambda match: "\ufffd" if 0xD800 <= (code := int(match[1], 16)) < 0xE000 else chr(code), text
    )


class _TextOf:
    """The text within each element of a name: all its runs, without the pronunciation beside them (rPh)."""

    def __init__(self, element: str) -> None:
        self.parser = _parser()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.found: list[str] = []
        self._element = element
        self._pieces: list[str] = []
        self._size = 0
        self._within_t = self._within_pronunciation = False

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = _local(name)
        if local == self._element:
            self._pieces, self._size = [], 0
        self._within_t = local == "t" and not self._within_pronunciation
        self._within_pronunciation |= local == "rPh"

    def _end(self, name: str) -> None:
        local = _local(name)
        self._within_t = False
        if local == "rPh":
            self._within_pronunciation = False
        if local == self._element:
            self.found.append(_unescaped("".join(self._pieces)))

    def _text(self, text: str) -> None:
        if self._within_t:
            self._size += len(text)
            if self._size > ROW_BYTES_MAX:
                raise _refused("表格文件里有一格文字过长，未予接收")
            self._pieces.append(text)


# Formats 14 to 22, and those for dates in Chinese; their codes are not written down in a file (ECMA-376 18.8.30).
_DATE_FORMATS = frozenset({*range(14, 18), 22, *range(27, 32), 36, *range(50, 55), 57, 58})
_NO_FORMAT = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')


class _DateStyles:
    """Which cell styles show a figure as a date, and which of them as a mere year."""

    def __init__(self, elements: Iterable[_Element] = ()) -> None:
        codes: dict[str, str] = {}
        formats: list[str] = []
        container = ""
        for tag, attributes in elements:
            if tag in ("numFmts", "cellStyleXfs", "cellXfs", "cellStyles", "dxfs"):
                container = tag
            if tag == "numFmt" and container == "numFmts":
                codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
            if tag == "xf" and container == "cellXfs":
                formats.append(attributes.get("numFmtId", "0"))
        shown = {number: _shows(codes[number]) for number in codes}
        shown |= {str(number): "date" for number in _DATE_FORMATS if str(number) not in codes}
        self._of_style = {
            str(style): kind for style, number in enumerate(formats) if (kind := shown.get(number, ""))
        }

    def get(self, style: str) -> str:
        """``date``, ``year`` or nothing."""
        return self._of_style.get(style, "")


def _shows(format_code: str) -> str:
    letters = set(_NO_FORMAT.sub("", format_code.split(";")[0]).lower())
    if not letters & set("ymd") or letters & set("#0?"):
        return ""
    if "y" not in letters and "d" not in letters and letters & set("hs"):
        return ""  # mm:ss
    return "year" if not letters & set("md") else "date"


_MERGED_CELL = re.compile(
    rb"<(?:[A-Za-z_][\w.-]*:)?mergeCell\s[^>]*?ref\s*=\s*[\"'][A-Z]{1,3}([0-9]{1,7})(?::[A-Z]{1,3}([0-9]{1,7}))?[\"']"
)


class _MergedRows:
    """The rows that merged cells touch."""

    def __init__(self, ranges: list[tuple[int, int]]) -> None:
        self._starts, self._ends = array("L"), array("L")
        for first, last in sorted(ranges):
            if self._ends and first <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], last)
            else:
                self._starts.append(first)
                self._ends.append(last)

    def __contains__(self, row: int) -> bool:
        at = bisect_right(self._starts, row) - 1
        return at >= 0 and row <= self._ends[at]


def _merged_rows(chunks: Iterable[bytes]) -> _MergedRows:
    ranges: list[tuple[int, int]] = []
    rest = b""
    for chunk in chunks:
        text, done = rest + chunk, 0
        for match in _MERGED_CELL.finditer(text):
            first, last = int(match[1]), int(match[2] or match[1])
            ranges.append((first, last))
            done = match.end()
        if len(ranges) > _MERGED_MAX:
            raise _refused("表格里合并的单元格太多，请取消合并后报送")
        rest = text[max(done, len(text) - 512) :]
    return _MergedRows(ranges)


# --- the sheet
# --------------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    number: int
    cells: list[str]
    fault: Fault | None


_REFERENCE = re.compile(r"([A-Z]{1,3})[0-9]{1,7}")
_FORMULA = Fault("formula_cell", None, "这一行有单元格是公式；公式不会被计算，请复制后“粘贴为数值”再报送")
_ERROR = Fault("spreadsheet_error", None, "这一行有单元格是错误值（如 #REF!），请更正后再报送")
_TOO_LONG = Fault("row_too_long", None, f"这一行超过上限 {ROW_BYTES_MAX} 字；原文只保留了开头")


class _Sheet:
    """Collects the rows of a worksheet while its parser is fed; ``rows`` are those complete so far."""

    def __init__(self, shared: _SharedTexts, styles: _DateStyles, *, since_1904: bool) -> None:
        self.parser = _parser()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.rows: deque[_Row] = deque()
        self._shared = shared
        self._styles = styles
        self._since_1904 = since_1904
        self._number = 0
        self._cells: list[str] = []
        self._fault: Fault | None = None
        self._size = 0
        self._type = self._style = ""
        self._pieces: list[str] = []
        self._formula: list[str] | None = None
        self._collects = self._within_pronunciation = self._within_formula = False

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name if ":" not in name else _local(name)
        if local == "c":
            self._start_cell(attributes)
        elif local in ("v", "t"):
            self._collects = not self._within_pronunciation
        elif local == "row":
            self._start_row(attributes)
        elif local == "f":
            self._fault = self._fault or _FORMULA
            self._formula = []
            self._within_formula = True
        elif local == "rPh":
            self._within_pronunciation = True

    def _start_row(self, attributes: dict[str, str]) -> None:
        number = int(attributes.get("r", self._number + 1))
        if not self._number < number <= ROWS_MAX:
            raise _refused(f"表格的行号不对（第 {self._number} 行之后），请重新另存为 XLSX")
        self._number, self._cells, self._fault, self._size = number, [], None, 0

    def _start_cell(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r")
        if reference is not None:
            column = _column_of(reference)
            if not len(self._cells) <= column < COLUMNS_MAX:
                raise _refused(f"表格第 {self._number} 行的单元格次序不对，请重新另存为 XLSX")
            self._cells.extend([""] * (column - len(self._cells)))
        elif len(self._cells) >= COLUMNS_MAX:
            raise _refused(f"表格第 {self._number} 行的单元格太多")
        self._cells.append("")
        self._type, self._style = attributes.get("t", "n"), attributes.get("s", "")
        self._pieces, self._formula = [], None

    def _text(self, text: str) -> None:
        pieces = self._formula if self._within_formula else self._pieces if self._collects else None
        if pieces is not None:
            self._size += len(text)
            if self._size > ROW_BYTES_MAX:
                self._fault = _TOO_LONG
            else:
                pieces.append(text)

    def _end(self, name: str) -> None:
        local = name if ":" not in name else _local(name)
        if local in ("v", "t"):
            self._collects = False
        elif local == "rPh":
            self._within_pronunciation = False
        elif local == "f":
            self._within_formula = False
        elif local == "c":
            if self._formula is not None:
                self._cells[-1] = "=" + "".join(self._formula)
            elif self._pieces:
                self._cells[-1] = self._value("".join(self._pieces))
        elif local == "row":
            self._end_row()

    def _end_row(self) -> None:
        cells = self._cells
        while cells and not cells[-1].strip():
            cells.pop()
        if cells or self._fault:
            self.rows.append(_Row(self._number, cells, self._fault))

    def _value(self, written: str) -> str:
        """The cell's content as text; by its type (18.18.11) and, for a figure, by its format."""
        if self._type == "n":
            return figure(written, self._styles.get(self._style), since_1904=self._since_1904)
        if self._type == "s":
            text = self._shared[int(written)]
            self._size += len(text)
            if self._size > ROW_BYTES_MAX:
                self._fault = _TOO_LONG
                return ""
            return text
        if self._type == "b":
            return "TRUE" if written.strip() == "1" else "FALSE"
        if self._type == "e":
            self._fault = self._fault or _ERROR
        return _unescaped(written)


def _column_of(reference: str) -> int:
    """A1 → 0, AB7 → 27."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise _refused(f"表格里的单元格位置“{reference[:12]}”不对")
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - 64
    return column - 1


# --- figures
# ----------------------------------------------------------------------------------------------------

_PLAIN = re.compile(r"-?[0-9]{1,15}")
_DIGITS_KEPT = Context(prec=15)
_EXACT_BELOW = 15
"""A figure with more digits than this before the point has lost some when the spreadsheet stored it."""


def figure(written: str, shows: str = "", *, since_1904: bool = False) -> str:
    """A figure of a cell as text: 2.3650000000000002 → 2.365; with a date's format, 43106 → 2018-01-06.

    One with more than 15 digits before the point stays in scientific notation, so that cleaning sees the loss.
    """
    if not shows and _PLAIN.fullmatch(written):
        return written
    try:
        number = Decimal(written)
    except InvalidOperation:
        return written
    if not number.is_finite() or abs(number.adjusted()) > 30:
        return written
    if shows and (day := _day(number, since_1904=since_1904)):
        return day[:4] if shows == "year" else day
    number = _DIGITS_KEPT.plus(number)
    if number.adjusted() >= _EXACT_BELOW:
        return f"{number:.14E}"
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


_LEAP_DAY_THAT_WAS_NOT = 60
_LAST_DAY = 2_958_465  # 9999-12-31


def _day(serial: Decimal, *, since_1904: bool) -> str | None:
    """The day, and the time if there is one, that a spreadsheet counts from 1900 (with a 29 February that was none)
    or from 1904; None for a mere time of day and for what no spreadsheet shows as a date.
    """
    if not 1 <= serial <= _LAST_DAY and not (since_1904 and 0 <= serial <= _LAST_DAY):
        return "1900-01-00" if serial == 0 else None
    if not since_1904 and int(serial) == _LEAP_DAY_THAT_WAS_NOT:
        return "1900-02-29"
    if since_1904:
        start = datetime(1904, 1, 1)  # noqa: DTZ001 - a day on the wall, in no zone
    else:
        start = datetime(1899, 12, 30 if serial > _LEAP_DAY_THAT_WAS_NOT else 31)  # noqa: DTZ001
    try:
        at = start + timedelta(seconds=round(serial * 86_400))
    except OverflowError:
        return None
    return at.strftime("%Y-%m-%d %H:%M:%S") if at.time().isoformat() != "00:00:00" else at.date().isoformat()
