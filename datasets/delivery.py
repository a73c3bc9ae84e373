"""A delivered file as it came: its digest, its encoding, its rows with their original text.

Reading is streamed and bounded: whatever the file, no more than one row's limit is held. Rows are found at
byte level, which is safe for UTF-8 and GB18030 alike: no byte of a Chinese character is a line end, comma or
quote.
"""

import codecs
import csv
import gzip
import hashlib
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from datasets.cleaning import DeliveryRefused, Fault, RowCleaner

ROW_BYTES_MAX = 1024 * 1024
ORIGINAL_KEPT = 2_000
"""Characters of an over-long row that are kept in quarantine."""

_CHUNK = 1024 * 1024
_BROKEN = re.compile("[\ud800-\udfff]")
_GZIP_MAGIC = b"\x1f\x8b"
_NOT_TEXT = {
    b"PK\x03\x04": "这是 XLSX 或 ZIP 文件，请另存为 CSV（UTF-8）",
    b"\xd0\xcf\x11\xe0": "这是旧版 XLS 文件，请另存为 CSV（UTF-8）",
    b"\xff\xfe": "这是 UTF-16 编码，请另存为 UTF-8",
    b"\xfe\xff": "这是 UTF-16 编码，请另存为 UTF-8",
    b"%PDF": "这是 PDF 文件，请提供 CSV（UTF-8）",
}


# The reader's own limit is a setting of the whole process; the limit of a row is ours and is lower or equal.
csv.field_size_limit(ROW_BYTES_MAX)


class DeliveredRow(NamedTuple):
    """``fault`` is set when the row cannot be split into cells.

    ``line_number`` is that of its first line, the header being line 1.
    """

    line_number: int
    cells: list[str]
    original: str
    fault: Fault | None
    bytes_read: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file that can be taken. ``digest``: SHA-256 of the file; ``size``: bytes of its text, uncompressed."""

    path: Path
    digest: bytes
    size: int
    encoding: str
    header: list[str]
    cleaner: RowCleaner

    def rows(self) -> Iterator[DeliveredRow]:
        """Every row after the header, in order; blank lines are no rows."""
        with _open_text(self.path) as file:
            reader = _RowReader(file, self.encoding, len(self.header), self.cleaner.is_row)
            next(reader.rows(), None)
            yield from reader.rows()


def inspect_delivery(path: Path, cleaner_for: Callable[[list[str]], RowCleaner]) -> Delivery:
    """Read the file once from end to end and decide whether it can be taken at all.

    ``cleaner_for`` makes the cleaner from the header and refuses a header that will not do.
    Raises `DeliveryRefused`; nothing has been stored then.
    """
    digest, size, is_utf8 = _scan(path)
    if size == 0:
        raise DeliveryRefused("empty_file", "文件是空的")
    if is_utf8:
        header = _header(path, "utf-8")
        return Delivery(path, digest, size, "utf-8", header, cleaner_for(header))
    is_gb18030 = _decodes(path, "gb18030")
    # Where both are broken UTF-8 goes first: it shows what is broken, GB18030 would make other characters of it.
    # The rows with broken characters then go to quarantine one by one.
    refusals: list[str] = []
    for encoding in ("gb18030", "utf-8") if is_gb18030 else ("utf-8", "gb18030"):
        try:
            header = _header(path, encoding)
            return Delivery(path, digest, size, encoding, header, cleaner_for(header))
        except DeliveryRefused as error:
            refusals.append(f"按 {encoding.upper()}：{error}")
    raise DeliveryRefused("undecodable", f"文件读不懂，请用 UTF-8 重新导出为 CSV。{'；'.join(refusals)}")


def _open_text(path: Path) -> BinaryIO:
    """The bytes of the text, uncompressed on the fly."""
    with path.open("rb") as probe:
        compressed = probe.read(2) == _GZIP_MAGIC
    return cast(BinaryIO, gzip.open(path, "rb")) if compressed else path.open("rb")


def _scan(path: Path) -> tuple[bytes, int, bool]:
    """SHA-256 of the file, size of its text, whether that is UTF-8 throughout."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        with _open_text(path) as text:
            beginning = text.read(4)
            _refuse_other_formats(beginning)
            size, is_utf8 = _measure(text, beginning)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DeliveryRefused("broken_gzip", "压缩文件不完整或已损坏，请重新上传") from error
    except OSError as error:
        raise DeliveryRefused("file_unreadable", f"文件打不开：{error.strerror or error}") from error
    return digest, size, is_utf8


def _measure(text: BinaryIO, beginning: bytes) -> tuple[int, bool]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    size, is_utf8, chunk = 0, True, beginning
    while chunk:
        size += len(chunk)
        if is_utf8:
            is_utf8 = _feeds(decoder, chunk)
        chunk = text.read(_CHUNK)
    return size, is_utf8 and _feeds(decoder, b"", final=True)


def _feeds(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_other_formats(beginning: bytes) -> None:
    for magic, message in _NOT_TEXT.items():
        if beginning.startswith(magic):
            raise DeliveryRefused("not_text", message)


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with _open_text(path) as text:
        while chunk := text.read(_CHUNK):
            if not _feeds(decoder, chunk):
                return False
    return _feeds(decoder, b"", final=True)


def _header(path: Path, encoding: str) -> list[str]:
    with _open_text(path) as file:
        first = next(_RowReader(file, encoding).rows(), None)
    if first is None or first.fault is not None:
        raise DeliveryRefused("empty_file", "文件没有可读的表头")
    return first.cells


class _TooLongError(Exception):
    """The row under way does not end within the limit."""


class _Line(NamedTuple):
    number: int
    text: str
    size: int
    too_long: bool


class _RowReader:
    """Splits a byte stream into rows. A quote that never closes costs its own line, not the rest of the file."""

    def __init__(
        self,
        file: BinaryIO,
        encoding: str,
        width: int | None = None,
        is_row: Callable[[str], bool] = lambda line: False,
    ) -> None:
        self._file = file
        self._encoding = encoding
        self._width = width
        self._is_row = is_row
        self._pushed_back: deque[_Line] = deque()
        self._line_number = 0
        self._bytes_read = 0

    def rows(self) -> Iterator[DeliveredRow]:
        while (line := self._next_line()) is not None:
            if not line.text or line.text.isspace():
                continue
            yield self._row_from(line)

    def _row_from(self, line: _Line) -> DeliveredRow:
        if line.too_long:
            hint = f"这一行有 {line.size} 字节，超过上限 {ROW_BYTES_MAX} 字节；原文只保留了开头"
            return self._faulty(
                line.number, line.text[:ORIGINAL_KEPT] + "…", Fault("row_too_long", None, hint)
            )
        if "\x00" in line.text:
            hint = "这一行含有空字符（NUL），请用文本方式重新导出"
            return self._faulty(line.number, line.text, Fault("nul_byte", None, hint))
        if _BROKEN.search(line.text):
            hint = "这一行含有无法解码的字符（多半是被截断），请用 UTF-8 重新导出"
            return self._faulty(line.number, line.text, Fault("undecodable", None, hint))
        if '"' in line.text:
            return self._quoted_row(line)
        return DeliveredRow(line.number, line.text.split(","), line.text, None, self._bytes_read)

    def _quoted_row(self, first: _Line) -> DeliveredRow:
        """A row with quotes may go on over several lines."""
        lines = _LinesOfRow(first, self._next_line)
        try:
            cells = next(csv.reader(lines, strict=True))
            # Another enterprise's row inside a cell: two stray quotes have met.
            swallowed = any(self._is_row(line.text) for line in lines.taken[1:])
            complete = len(lines.taken) == 1 or (self._width in (None, len(cells)) and not swallowed)
        except (csv.Error, _TooLongError, StopIteration):
            complete = False
        if complete:
            original = "\n".join(line.text for line in lines.taken)
            return DeliveredRow(first.number, cells, original, None, self._bytes_read)
        # Not a row of several lines after all: only the first line is at fault, the others are read again.
        self._pushed_back.extendleft(reversed(lines.taken[1:]))
        hint = "读不出各列，多半是引号没有成对；内容里的引号请写成两个，整格再加引号"
        return self._faulty(first.number, first.text, Fault("unreadable_row", None, hint))

    def _faulty(self, line_number: int, original: str, fault: Fault) -> DeliveredRow:
        return DeliveredRow(line_number, [], original, fault, self._bytes_read)

    def _next_line(self) -> _Line | None:
        if self._pushed_back:
            return self._pushed_back.popleft()
        raw = self._file.readline(ROW_BYTES_MAX + 1)
        if not raw:
            return None
        size, too_long = len(raw), len(raw) > ROW_BYTES_MAX and not raw.endswith(b"\n")
        if too_long:
            size += self._skip_rest_of_line()
            raw = raw[: 4 * ORIGINAL_KEPT]
        self._bytes_read += size
        self._line_number += 1
        if self._line_number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        text = raw.decode(self._encoding, "surrogateescape").rstrip("\r\n")
        return _Line(self._line_number, text, size, too_long)

    def _skip_rest_of_line(self) -> int:
        skipped = 0
        while part := self._file.readline(_CHUNK):
            skipped += len(part)
            if part.endswith(b"\n"):
                break
        return skipped


def _spoilt(text: str) -> bool:
    return "\x00" in text or _BROKEN.search(text) is not None


class _LinesOfRow:
    """What the CSV reader pulls for one row, remembered, and stopped at the limit of a row."""

    def __init__(self, first: _Line, next_line: Callable[[], _Line | None]) -> None:
        self.taken = [first]
        self._next_line = next_line
        self._handed = 0
        self._size = first.size

    def __iter__(self) -> "_LinesOfRow":
        return self

    def __next__(self) -> str:
        if self._handed == len(self.taken):
            line = self._next_line()
            if line is None:
                raise _TooLongError
            self.taken.append(line)
            self._size += line.size
            if self._size > ROW_BYTES_MAX or _spoilt(line.text):
                raise _TooLongError
        self._handed += 1
        return self.taken[self._handed - 1].text + "\n"
