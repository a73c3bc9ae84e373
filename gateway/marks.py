"""``python -m gateway mark``: dispute, withhold or withdraw the records of an enterprise, or take that back."""

from enum import StrEnum
from typing import NamedTuple

from core.database import connect_database
from core.identifiers import USCC
from datasets import Mark, mark_records, unmark_records, withdraw_records


class Marking(StrEnum):
    """``none`` takes a mark away; ``withdrawn`` can only be undone by a new delivery."""

    disputed = "disputed"
    withheld = "withheld"
    none = "none"
    withdrawn = "withdrawn"


class MarkErrand(NamedTuple):
    """``part`` None means all records of the enterprise in the data set."""

    dataset: str
    uscc: USCC
    part: str | None
    marking: Marking
    actor: str
    reason: str


async def mark(url: str, errand: MarkErrand) -> int:
    """Carry it out; returns how many records it changed."""
    database = await connect_database(url, connections=2)
    dataset, uscc, part, marking, actor, reason = errand
    try:
        async with database.hot.acquire() as connection:
            if marking is Marking.withdrawn:
                return await withdraw_records(
                    connection, dataset, uscc, part=part, actor=actor, reason=reason
                )
            if marking is Marking.none:
                return await unmark_records(connection, dataset, uscc, part=part, actor=actor, reason=reason)
            said: Mark = "disputed" if marking is Marking.disputed else "withheld"
            return await mark_records(connection, dataset, uscc, said, part=part, actor=actor, reason=reason)
    finally:
        await database.close()
