"""Golden rows: what one line of a real source looks like, by its own column names, and what must be stored of it."""

from datetime import date
from typing import NamedTuple

from datasets import CleanRow, Contract, Fault, RowCleaner

USCC = "91350100M000100Y43"
"""The worked example of GB 32100-2015."""

DELIVERED = date(2026, 11, 22)

Stored = str | int | bool


class Golden(NamedTuple):
    """One made-up row of ``dataset``, as ``source`` writes it.

    ``stored`` names every field that is not null afterwards; ``known_by`` is the enterprise's other key where the
    row has no USCC.
    """

    dataset: str
    source: str
    cells: dict[str, str]
    stored: dict[str, Stored]
    as_of: date = DELIVERED
    known_by: tuple[tuple[str, str], ...] = ()


def cleaned(contract: Contract, cells: dict[str, str]) -> CleanRow | list[Fault]:
    return RowCleaner(contract, list(cells), DELIVERED).clean(list(cells.values()))
