"""What the cells of a workbook refer to: shared texts, the styles that make a figure a date, merged areas; and figures."""

import os
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Context, Decimal, InvalidOperation
from tempfile import TemporaryFile

from datasets.lines import ROW_BYTES_MAX
from datasets.workbook_parts import Element, fed, local_name, refused, utf8_parser

SHARED_TEXTS_MAX = 12_000_000
_MERGED_MAX = 100_000


class SharedTexts:
    """Texts to which cells refer by number, one behind the other in a temporary file."""

    _RECENT_MAX, _RECENT_CHARACTERS_MAX = 16_384, 200

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed with the workbook
        self._ends = array("Q", [0])
        self._recent: dict[int, str] = {}

    def close(self) -> None:
        self._file.close()

    def read(self, chunks: Iterable[bytes]) -> None:
        text = _TextOf("si")
        for _ in fed(text.parser, chunks):
            for found in text.found:
                self._file.write(encoded := found.encode())
                self._ends.append(self._ends[-1] + len(encoded))
            text.found.clear()
            if len(self._ends) > SHARED_TEXTS_MAX:
                raise refused("表格文件的文字太多，请拆成几个文件，或改用 CSV 报送")
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


def unescaped(text: str) -> str:
    """Characters that XML does not permit are written _x000D_; halves of characters are not let in that way."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(
        lambda match: "\ufffd" if 0xD800 <= (code := int(match[1], 16)) < 0xE000 else chr(code), text
    )


class _TextOf:
    """The text within each element of a name: all its runs, without the pronunciation beside them (rPh)."""

    def __init__(self, element: str) -> None:
        self.parser = utf8_parser()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.found: list[str] = []
        self._element = element
        self._pieces: list[str] = []
        self._size = 0
        self._within_t = self._within_pronunciation = False

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = local_name(name)
        if local == self._element:
            self._pieces, self._size = [], 0
        self._within_t = local == "t" and not self._within_pronunciation
        self._within_pronunciation |= local == "rPh"

    def _end(self, name: str) -> None:
        local = local_name(name)
        self._within_t = False
        if local == "rPh":
            self._within_pronunciation = False
        if local == self._element:
            self.found.append(unescaped("".join(self._pieces)))

    def _text(self, text: str) -> None:
        if self._within_t:
            self._size += len(text)
            if self._size > ROW_BYTES_MAX:
                raise refused("表格文件里有一格文字过长，未予接收")
            self._pieces.append(text)


# Formats 14 to 22, and those for dates in Chinese; their codes are not written down in a file (ECMA-376 18.8.30).
_DATE_FORMATS = frozenset({*range(14, 18), 22, *range(27, 32), 36, *range(50, 55), 57, 58})
_NO_FORMAT = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')


class DateStyles:
    """Which cell styles show a figure as a date, and which of them as a mere year."""

    def __init__(self, elements: Iterable[Element] = ()) -> None:
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


class MergedRows:
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


def merged_rows(chunks: Iterable[bytes]) -> MergedRows:
    ranges: list[tuple[int, int]] = []
    rest = b""
    for chunk in chunks:
        text, done = rest + chunk, 0
        for match in _MERGED_CELL.finditer(text):
            first, last = int(match[1]), int(match[2] or match[1])
            ranges.append((first, last))
            done = match.end()
        if len(ranges) > _MERGED_MAX:
            raise refused("表格里合并的单元格太多，请取消合并后报送")
        rest = text[max(done, len(text) - 512) :]
    return MergedRows(ranges)


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
    first_day = (
        date(1904, 1, 1) if since_1904 else date(1899, 12, 30 if serial > _LEAP_DAY_THAT_WAS_NOT else 31)
    )
    days, seconds = divmod(round(serial * 86_400), 86_400)
    try:
        day = first_day + timedelta(days=days)
    except OverflowError:
        return None
    if not seconds:
        return day.isoformat()
    return f"{day} {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
