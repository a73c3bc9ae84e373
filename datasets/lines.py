"""The lines of a delivered text, bounded: no more than a block and one row's limit is held, whatever comes.

Lines are found at byte level, which is safe for UTF-8 and GB18030 alike: no byte of a Chinese character is a
line end, comma or quote.
"""

import codecs
import re
from typing import BinaryIO, NamedTuple

from datasets.cleaning import Fault

ROW_BYTES_MAX = 1024 * 1024
ORIGINAL_KEPT = 2_000
"""Characters of an over-long row that are kept in quarantine."""

_BLOCK = 256 * 1024
_SKIP = 1024 * 1024
_BROKEN = re.compile("[\ud800-\udfff]")


class DeliveredRow(NamedTuple):
    """``fault`` is set when the row cannot be split into cells, ``original`` is its text as delivered.

    ``line_number`` is that of its first line, or its row in a spreadsheet; the first is 1. ``bytes_read``: how far
    the file has been read, at least. ``corrects_line``: in a correction file, the line in the file it corrects.
    """

    line_number: int
    cells: list[str]
    original: str
    fault: Fault | None
    bytes_read: int
    corrects_line: int | None = None


class Lines:
    """A byte stream, line by line. Readers of rows derive from it.

    ``_texts`` are the lines at hand, ``_first`` is the number of the first of them, ``_at`` the next to be read.
    They are ``_sound`` if every character could be decoded, none is NUL and none of them is too long.
    """

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self._texts: list[str] = []
        self._first = 1
        self._at = 0
        self._sound = True
        self._too_long: dict[int, int] = {}
        self._bytes_read = 0

    def _load(self, keep_from: int) -> bool:
        """Read one more block of whole lines behind those at hand, of which those before ``keep_from`` may go."""
        data = self._file.read(_BLOCK)
        if not data:
            return False
        if not data.endswith(b"\n"):
            data += self._file.readline(ROW_BYTES_MAX + 1)
        at_start = self._bytes_read == 0
        self._bytes_read += len(data)
        kept = self._texts[keep_from:]
        self._first += keep_from
        self._at -= keep_from
        data = self._cut_too_long(data, self._first + len(kept))
        texts, sound = self._decoded(data.removeprefix(codecs.BOM_UTF8) if at_start else data)
        self._sound = sound and not self._too_long and (self._sound or not kept)
        self._texts = kept + texts
        return True

    def _cut_too_long(self, data: bytes, number_of_first: int) -> bytes:
        """Only the last line of a block can be too long; its rest is passed over."""
        self._too_long = {number: size for number, size in self._too_long.items() if number >= self._first}
        start = data.rfind(b"\n", 0, -1) + 1
        size = len(data) - start
        if size <= ROW_BYTES_MAX + 1 and (size <= ROW_BYTES_MAX or data.endswith(b"\n")):
            return data
        if not data.endswith(b"\n"):
            size += self._skip_rest_of_line()
        self._too_long[number_of_first + data.count(b"\n", 0, start)] = size
        return data[: start + 4 * ORIGINAL_KEPT]

    def _skip_rest_of_line(self) -> int:
        skipped = 0
        while part := self._file.readline(_SKIP):
            skipped += len(part)
            if part.endswith(b"\n"):
                break
        self._bytes_read += skipped
        return skipped

    def _decoded(self, data: bytes) -> tuple[list[str], bool]:
        try:
            text = data.decode(self._encoding)
        except UnicodeDecodeError:
            # Line by line, so that a character cut in half takes nothing of the next line with it.
            lines = [line.decode(self._encoding, "surrogateescape") for line in data.split(b"\n")]
            sound = False
        else:
            lines = text.split("\n")
            sound = "\x00" not in text
        if not lines[-1] and data.endswith(b"\n"):
            lines.pop()
        return [line.rstrip("\r") for line in lines] if b"\r" in data else lines, sound

    def _fault_of(self, number: int, text: str) -> Fault | None:
        """What is wrong with a line as such."""
        if number in self._too_long:
            size = self._too_long[number]
            hint = f"这一行有 {size} 字节，超过上限 {ROW_BYTES_MAX} 字节；原文只保留了开头"
            return Fault("row_too_long", None, hint)
        if "\x00" in text:
            return Fault("nul_byte", None, "这一行含有空字符（NUL），请用文本方式重新导出")
        if _BROKEN.search(text):
            hint = "这一行含有无法解码的字符（多半是被截断），请用 UTF-8 重新导出"
            return Fault("undecodable", None, hint)
        return None

    def _faulty(self, number: int, text: str, fault: Fault) -> DeliveredRow:
        original = text[:ORIGINAL_KEPT] + "…" if fault.reason == "row_too_long" else text
        return DeliveredRow(number, [], original, fault, self._bytes_read)
