"""A delivered file as it came: its digest, its form and encoding, its rows with their original text.

CSV, JSON Lines or XLSX, plain or within gzip; which one is told by the first bytes. Reading is streamed and bounded:
whatever the file, no more than one row's limit is held.
"""

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Literal, cast

from datasets.cleaning import DeliveryRefused, RowCleaner
from datasets.corrections import CorrectionRows, correction_columns
from datasets.csv_rows import CsvRows
from datasets.json_rows import JsonRows
from datasets.lines import ORIGINAL_KEPT, ROW_BYTES_MAX, DeliveredRow
from datasets.spreadsheet import Workbook

__all__ = ["ORIGINAL_KEPT", "ROW_BYTES_MAX", "DeliveredRow", "Delivery", "Form", "inspect_delivery"]

Form = Literal["csv", "jsonl", "xlsx"]

ARCHIVE_BYTES_MAX = 1024**3
"""of an XLSX file within gzip, unpacked once"""

_CHUNK = 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"
_BLANKS = b" \t\r\n"
_BEGINNING = 512
_NOT_TEXT = {
    b"\xd0\xcf\x11\xe0": "这是旧版 XLS 文件或有密码的表格，请另存为没有密码的 XLSX 或 CSV（UTF-8）",
    b"\xff\xfe": "这是 UTF-16 编码，请另存为 UTF-8",
    b"\xfe\xff": "这是 UTF-16 编码，请另存为 UTF-8",
    b"%PDF": "这是 PDF 文件，请提供 CSV（UTF-8）或 XLSX",
    b"Rar!": "这是 RAR 压缩包，请直接提供文件，或用 gzip 压缩",
    b"7z\xbc\xaf": "这是 7z 压缩包，请直接提供文件，或用 gzip 压缩",
    b"PK\x05\x06": "这是空的 ZIP 压缩包，请直接提供文件",
    _GZIP_MAGIC: "文件被压缩了两次，请只压缩一次",
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file that can be taken; can be pickled, for another process to read.

    ``digest``: SHA-256 of the file; ``size``: bytes of its rows, unpacked, as their ``bytes_read`` counts them.
    ``header`` and the rows' cells are without the columns that only a correction file has.
    """

    path: Path
    digest: bytes
    size: int
    encoding: str
    form: Form
    columns: list[str]
    header: list[str]
    cleaner: RowCleaner

    @property
    def is_correction(self) -> bool:
        return len(self.header) < len(self.columns)

    def rows(self, after_line: int = 0) -> Iterator[DeliveredRow]:
        """Every row after the header and after ``after_line``, in order; blank lines are no rows.

        Raises `DeliveryRefused` in the middle only if the file is no longer the one that was inspected.
        """
        rows = _READERS[self.form](self)
        if self.is_correction:
            rows = CorrectionRows(self.columns, self.form).read(rows)
        return dropwhile(lambda row: row.line_number <= after_line, rows) if after_line else rows


def inspect_delivery(path: Path, cleaner_for: Callable[[list[str]], RowCleaner]) -> Delivery:
    """Read the file once from end to end and decide whether it can be taken at all.

    ``cleaner_for`` makes the cleaner from the header and refuses a header that will not do.
    Raises `DeliveryRefused`; nothing has been stored then.
    """
    try:
        digest, size, is_utf8, beginning = _scan(path)
        form = _form_of(beginning)
        if size == 0:
            raise DeliveryRefused("empty_file", "文件是空的")

        def delivery(encoding: str, size: int = size) -> Delivery:
            columns = _columns(path, form, encoding)
            header = correction_columns(columns)[1]
            return Delivery(path, digest, size, encoding, form, columns, header, cleaner_for(header))

        if form == "xlsx":
            with _open_workbook(path) as workbook:
                size = workbook.size
            return delivery("utf-8", size)
        if is_utf8:
            return delivery("utf-8")
        return _in_some_encoding(delivery, is_gb18030=_decodes(path, "gb18030"))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DeliveryRefused("broken_gzip", "压缩文件不完整或已损坏，请重新上传") from error
    except OSError as error:
        raise DeliveryRefused("file_unreadable", f"文件打不开：{error.strerror or error}") from error


def _in_some_encoding(delivery: Callable[[str], Delivery], *, is_gb18030: bool) -> Delivery:
    # Where both are broken UTF-8 goes first: it shows what is broken, GB18030 would make other characters of it.
    # The rows with broken characters then go to quarantine one by one.
    refusals: list[str] = []
    for encoding in ("gb18030", "utf-8") if is_gb18030 else ("utf-8", "gb18030"):
        try:
            return delivery(encoding)
        except DeliveryRefused as error:
            refusals.append(f"按 {encoding.upper()}：{error}")
    raise DeliveryRefused("undecodable", f"文件读不懂，请用 UTF-8 重新导出为 CSV。{'；'.join(refusals)}")


# --- bytes
# ------------------------------------------------------------------------------------------------------


def open_unpacked(path: Path) -> BinaryIO:
    """The bytes of the file, unpacked on the fly if it is within gzip."""
    with path.open("rb") as probe:
        compressed = probe.read(2) == _GZIP_MAGIC
    return cast(BinaryIO, gzip.open(path, "rb")) if compressed else path.open("rb")


def _scan(path: Path) -> tuple[bytes, int, bool, bytes]:
    """SHA-256 of the file, size of its content, whether that is UTF-8 throughout, and its beginning."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    with open_unpacked(path) as text:
        beginning = text.read(_BEGINNING)
        _refuse_other_formats(beginning)
        size, is_utf8 = _measure(text, beginning)
    return digest, size, is_utf8, beginning


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


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_unpacked(path) as text:
        while chunk := text.read(_CHUNK):
            if not _feeds(decoder, chunk):
                return False
    return _feeds(decoder, b"", final=True)


def _refuse_other_formats(beginning: bytes) -> None:
    for magic, message in _NOT_TEXT.items():
        if beginning.startswith(magic):
            raise DeliveryRefused("not_text", message)


def _form_of(beginning: bytes) -> Form:
    if beginning.startswith(_ZIP_MAGIC):
        return "xlsx"
    text = beginning.removeprefix(codecs.BOM_UTF8).lstrip(_BLANKS)
    if text.startswith(b"["):
        raise DeliveryRefused("not_text", "这是 JSON 数组，请改为每行一个对象（JSON Lines）")
    return "jsonl" if text.startswith(b"{") else "csv"


# --- forms
# ------------------------------------------------------------------------------------------------------


@contextmanager
def _open_workbook(path: Path) -> Iterator[Workbook]:
    """An archive is read from its end: one within gzip is unpacked to a temporary file first."""
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if not compressed:
            with Workbook(file) as workbook:
                yield workbook
            return
    with open_unpacked(path) as packed, cast(BinaryIO, TemporaryFile()) as unpacked:
        _unpack(packed, unpacked)
        with Workbook(unpacked) as workbook:
            yield workbook


def _unpack(packed: BinaryIO, unpacked: BinaryIO) -> None:
    while chunk := packed.read(_CHUNK):
        if unpacked.tell() > ARCHIVE_BYTES_MAX:
            raise DeliveryRefused("archive_suspicious", "文件解压后过大，未予接收；请改用 CSV 报送")
        unpacked.write(chunk)


def _columns(path: Path, form: Form, encoding: str) -> list[str]:
    if form == "jsonl":
        with open_unpacked(path) as file:
            columns = JsonRows(file, encoding).columns()
        if not columns:
            raise DeliveryRefused("empty_file", "文件里没有可读的 JSON 对象")
        return columns
    if form == "xlsx":
        with _open_workbook(path) as workbook:
            first = next(workbook.rows(), None)
    else:
        with open_unpacked(path) as file:
            first = next(CsvRows(file, encoding).rows(), None)
    if first is None or (first.fault is not None and form == "csv"):
        raise DeliveryRefused("empty_file", "文件没有可读的表头")
    if first.fault is not None:
        raise DeliveryRefused("unreadable_header", f"表头读不出来：{first.fault.hint}")
    return first.cells


def _csv_rows(delivery: Delivery) -> Iterator[DeliveredRow]:
    with open_unpacked(delivery.path) as file:
        is_row = _no_row if delivery.is_correction else delivery.cleaner.is_row
        rows = CsvRows(file, delivery.encoding, len(delivery.columns), is_row).rows()
        next(rows, None)
        yield from rows


def _no_row(line: str) -> bool:
    """The cleaner knows the header without the columns of a correction file, not the lines with them."""
    return False


def _json_rows(delivery: Delivery) -> Iterator[DeliveredRow]:
    with open_unpacked(delivery.path) as file:
        yield from JsonRows(file, delivery.encoding).rows(delivery.columns)


def _sheet_rows(delivery: Delivery) -> Iterator[DeliveredRow]:
    with _open_workbook(delivery.path) as workbook:
        rows = workbook.rows()
        next(rows, None)
        yield from rows


_READERS: dict[Form, Callable[[Delivery], Iterator[DeliveredRow]]] = {
    "csv": _csv_rows,
    "jsonl": _json_rows,
    "xlsx": _sheet_rows,
}
