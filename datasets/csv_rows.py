"""The rows of a delivery in CSV (RFC 4180). One bad row costs itself, never its neighbours."""

import csv
from collections.abc import Callable, Iterator
from typing import BinaryIO

from datasets.cleaning import Fault
from datasets.lines import ROW_BYTES_MAX, DeliveredRow, Lines

# The reader's own limit is a setting of the whole process; the limit of a row is ours and is lower or equal.
csv.field_size_limit(ROW_BYTES_MAX)

_UNREADABLE = Fault(
    "unreadable_row", None, "读不出各列，多半是引号没有成对；内容里的引号请写成两个，整格再加引号"
)


class CsvRows(Lines):
    """Every row, the header among them; blank lines are no rows.

    A quote that never closes costs its own line, not the rest of the file.
    """

    def __init__(
        self,
        file: BinaryIO,
        encoding: str,
        width: int | None = None,
        is_row: Callable[[str], bool] = lambda line: False,
    ) -> None:
        """``is_row`` tells a line that is a row by itself, so that no stray quote swallows it."""
        super().__init__(file, encoding)
        self._width = width
        self._is_row = is_row

    def rows(self) -> Iterator[DeliveredRow]:
        while self._at < len(self._texts) or self._load(self._at):
            text = self._texts[self._at]
            number = self._first + self._at
            self._at += 1
            if not text or text.isspace():
                continue
            if self._sound and '"' not in text:
                yield DeliveredRow(number, text.split(","), text, None, self._bytes_read)
            else:
                yield self._odd_row(number, text)

    def _odd_row(self, number: int, text: str) -> DeliveredRow:
        if fault := self._fault_of(number, text):
            return self._faulty(number, text, fault)
        if '"' in text:
            return self._quoted_row(number, text)
        return DeliveredRow(number, text.split(","), text, None, self._bytes_read)

    def _quoted_row(self, number: int, text: str) -> DeliveredRow:
        """A row with quotes may go on over several lines."""
        taken = [text]
        try:
            cells = next(csv.reader(self._lines_of_row(taken), strict=True))
        except (csv.Error, StopIteration):
            complete = False
        else:
            # Another enterprise's row inside a cell: two stray quotes have met.
            swallowed = any(self._is_row(line) for line in taken[1:])
            complete = len(taken) == 1 or (self._width in (None, len(cells)) and not swallowed)
        if complete:
            self._at += len(taken) - 1
            return DeliveredRow(number, cells, "\n".join(taken), None, self._bytes_read)
        # Not a row of several lines after all: only the first line is at fault, the others are read by themselves.
        return self._faulty(number, text, _UNREADABLE)

    def _lines_of_row(self, taken: list[str]) -> Iterator[str]:
        """What the CSV reader pulls for one row, remembered in ``taken``; ends at the limit of a row."""
        yield taken[0] + "\n"
        size = len(taken[0])
        while (line := self._line_ahead(len(taken) - 1)) is not None:
            size += len(line)
            if size > ROW_BYTES_MAX:
                return
            taken.append(line)
            yield line + "\n"

    def _line_ahead(self, ahead: int) -> str | None:
        """A line behind the one that is being read, without passing over it; None at the end and for a spoilt one."""
        if self._at + ahead == len(self._texts) and not self._load(self._at):
            return None
        line = self._texts[self._at + ahead]
        spoilt = not self._sound and self._fault_of(self._first + self._at + ahead, line)
        return None if spoilt else line
