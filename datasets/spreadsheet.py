"""The rows of a delivery in XLSX, read as a stream from the one sheet that holds something.

Nothing is computed: a formula is a fault. Figures stay as they are written, but for the dust behind the 15 digits that
a spreadsheet keeps; dates are told by their cell's format. What is held: one row, 64 KiB of XML, the styles, eight bytes
per shared text (the texts themselves go to a temporary file).
"""

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from datasets.cleaning import DeliveryRefused, Fault
from datasets.lines import ROW_BYTES_MAX, DeliveredRow
from datasets.workbook_cells import DateStyles, SharedTexts, figure, merged_rows, unescaped
from datasets.workbook_parts import (
    Archive,
    Element,
    broken_is_refused,
    fed,
    local_name,
    refuse_huge_directory,
    refused,
    utf8_parser,
)

ROWS_MAX, COLUMNS_MAX = 1_048_576, 16_384


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
        with broken_is_refused():
            refuse_huge_directory(self._file)
            self._archive = Archive(self._file)
            self._shared = SharedTexts()
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
        self._date_styles = DateStyles()
        for kind, _, name in related:
            if kind == "styles":
                self._date_styles = DateStyles(self._archive.elements(name))
            if kind == "sharedStrings":
                self._shared.read(self._archive.chunks(name))
        by_id = {identifier: name for kind, identifier, name in related if kind == "worksheet"}
        self._sheet = self._filled_sheet(self._archive.elements(workbook), by_id)
        self.size = self._archive.size(self._sheet)
        # Merged cells stand behind the rows: the sheet is read once before it is read for its rows, and is known
        # to be complete and well-formed then.
        self._merged = merged_rows(fed(utf8_parser(), self._archive.chunks(self._sheet)))

    def _filled_sheet(self, workbook: Iterable["Element"], by_id: dict[str, str]) -> str:
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
        with broken_is_refused():
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
        for chunk in fed(sheet.parser, self._archive.chunks(part)):
            self._bytes_read += len(chunk)
            while sheet.rows:
                yield sheet.rows.popleft()


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

    def __init__(self, shared: SharedTexts, styles: DateStyles, *, since_1904: bool) -> None:
        self.parser = utf8_parser()
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
        local = name if ":" not in name else local_name(name)
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
            raise refused(f"表格的行号不对（第 {self._number} 行之后），请重新另存为 XLSX")
        self._number, self._cells, self._fault, self._size = number, [], None, 0

    def _start_cell(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r")
        if reference is not None:
            column = _column_of(reference)
            if not len(self._cells) <= column < COLUMNS_MAX:
                raise refused(f"表格第 {self._number} 行的单元格次序不对，请重新另存为 XLSX")
            self._cells.extend([""] * (column - len(self._cells)))
        elif len(self._cells) >= COLUMNS_MAX:
            raise refused(f"表格第 {self._number} 行的单元格太多")
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
        local = name if ":" not in name else local_name(name)
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
        return unescaped(written)


def _column_of(reference: str) -> int:
    """A1 → 0, AB7 → 27."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise refused(f"表格里的单元格位置“{reference[:12]}”不对")
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - 64
    return column - 1
