"""The correction file: quarantined rows go back to their owner, who corrects them and returns the file.

One row of CSV for each quarantined row: where it stood (`_line`), why it was not taken, and its cells as they were
delivered. Spreadsheets are where such files are read: what they would compute, or silently change, is written behind
an apostrophe, which is taken off again on return.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from core.errors import NotFound
from datasets.amounts import shown
from datasets.cleaning import REASONS, DeliveryRefused, Fault
from datasets.contract import Contract, normalised_header
from datasets.json_rows import JsonFault, flat_object
from datasets.lines import DeliveredRow
from datasets.shelf import Connection

LINE_COLUMN = "_line"
OWN_COLUMNS = (LINE_COLUMN, "_reason", "_field", "_hint", "_original")
"""``_original`` holds the text of a row that could not be split into cells; its cells are to be written anew."""

# What a spreadsheet computes (OWASP: = + - @, tab, return, and their full-width forms), and what it changes when it saves:
# long numbers, leading noughts, 12E3, 3-4. Plain negative amounts are left as they are.
_TO_BE_DEFUSED = re.compile(
    r"'*(?:[=+@\t\r\n＝＋－＠]|-(?![0-9][0-9,]*(?:\.[0-9]+)?\Z)|[0-9]{12,}\Z|0[0-9]+\Z|[0-9]+[eE][0-9]+\Z|[0-9]{1,2}[-/][0-9]{1,2}\Z)"
)


def defuse(cell: str) -> str:
    """The cell as a spreadsheet may safely open it. `undefuse` gives it back exactly."""
    return f"'{cell}" if _TO_BE_DEFUSED.match(cell) else cell


def undefuse(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _TO_BE_DEFUSED.match(cell) else cell


# --- on the way back
# ---------------------------------------------------------------------------------------------


def correction_columns(columns: Sequence[str]) -> tuple[int | None, list[str]]:
    """Where `_line` stands, None in an ordinary delivery; and the columns without those of the correction file."""
    names = [normalised_header(column) for column in columns]
    if LINE_COLUMN not in names:
        return None, list(columns)
    if names.count(LINE_COLUMN) > 1:
        raise DeliveryRefused("duplicate_header", f"表头有重复的列：{LINE_COLUMN}；请每列只用一个名称")
    kept = [column for column, name in zip(columns, names, strict=True) if name not in OWN_COLUMNS]
    return names.index(LINE_COLUMN), kept


class CorrectionRows:
    """Turns the rows of a returned correction file into rows of the file that it corrects."""

    def __init__(self, columns: Sequence[str], form: str) -> None:
        self._form = form
        line_column, _ = correction_columns(columns)
        assert line_column is not None
        self._line_column = line_column
        self._kept = [at for at, name in enumerate(columns) if normalised_header(name) not in OWN_COLUMNS]
        self._width = len(columns)

    def read(self, rows: Iterator[DeliveredRow]) -> Iterator[DeliveredRow]:
        for row in rows:
            yield self._corrected(row)

    def _corrected(self, row: DeliveredRow) -> DeliveredRow:
        if row.fault is not None:
            return row
        if len(row.cells) != self._width:
            hint = f"应有 {self._width} 列，实有 {len(row.cells)} 列"
            return row._replace(fault=Fault("wrong_column_count", None, hint))
        line = undefuse(row.cells[self._line_column].strip())
        cells = [undefuse(row.cells[at]) for at in self._kept]
        if not re.fullmatch("[0-9]{1,12}", line, re.ASCII):
            hint = f"{LINE_COLUMN} 列应保留原来的行号，收到“{shown(line)}”"
            return row._replace(cells=cells, fault=Fault("correction_line", None, hint))
        # Kept as a row of the corrected file, so that it can be given back for correction once more.
        original = row.original if self._form == "jsonl" else _as_delivered(cells)
        return row._replace(cells=cells, original=original, corrects_line=int(line))


# --- on the way out
# ----------------------------------------------------------------------------------------------


class QuarantinedRow(NamedTuple):
    """As it is kept: ``field`` is a field's name, the contract's key, or None."""

    line_number: int
    reason: str
    field: str | None
    hint: str
    original: str


def correction_header(header: Sequence[str]) -> str:
    """First line of the file, to be written as UTF-8 with BOM: a spreadsheet expects it."""
    return _line([*OWN_COLUMNS, *header])


def correction_line(contract: Contract, form: str, header: Sequence[str], row: QuarantinedRow) -> str:
    cells = original_cells(form, header, row.original)
    field = contract.field_by_name.get(row.field or "")
    title = field.title if field else ("统一社会信用代码" if row.field == contract.key else "")
    why = [str(row.line_number), REASONS.get(row.reason, row.reason), title, row.hint]
    return _line([*why, "" if cells else row.original, *(cells or [""] * len(header))])


def original_cells(form: str, header: Sequence[str], original: str) -> list[str] | None:
    """The cells of a row as it was delivered; None if they cannot be told apart."""
    if form == "jsonl":
        try:
            found = flat_object(original)
        except JsonFault:
            return None
        return [found.get(name, "") for name in header]
    try:
        rows = list(csv.reader(io.StringIO(original, newline=""), strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 and len(rows[0]) == len(header) else None


def _line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(map(defuse, cells))
    return line.getvalue()


def _as_delivered(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


# --- from the database
# --------------------------------------------------------------------------------------------


async def write_corrections(
    connection: Connection, contracts: Mapping[str, Contract], intake_id: int, path: Path
) -> int:
    """Write the correction file of an intake: its quarantined rows that no later file has corrected. Returns how many.

    The connection must be outside a transaction. Raises `NotFound`. The file appears when it is complete.
    """
    intake = await connection.fetchrow(
        "SELECT dataset, form, header FROM intakes WHERE intake_id = $1", intake_id
    )
    if intake is None or intake["dataset"] not in contracts:
        raise NotFound("intake_unknown", f"there is no intake {intake_id}")
    contract, form, header = contracts[intake["dataset"]], intake["form"], intake["header"]
    rows = 0
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8-sig", newline="") as file:
        file.write(correction_header(header))
        async with connection.transaction(readonly=True):
            async for record in connection.cursor(_OPEN_ROWS, intake_id, prefetch=1_000):
                file.write(correction_line(contract, form, header, QuarantinedRow(*record)))
                rows += 1
    unfinished.replace(path)
    return rows


_OPEN_ROWS = """
    SELECT line_number, reason, field, hint, original FROM quarantined_rows
    WHERE intake_id = $1 AND resolved_by IS NULL ORDER BY line_number
"""
