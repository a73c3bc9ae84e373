"""The meter, read: what a participant asked and owes, by data set and day. A projection of disclosures."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.models import usage


class UsageLine(NamedTuple):
    dataset: str
    day: date
    disclosed: int
    nothing_found: int
    refused: int
    charged_fen: int


@dataclass(frozen=True)
class Usage:
    participant_id: str
    first_day: date
    last_day: date
    lines: list[UsageLine]

    @property
    def total(self) -> dict[str, int]:
        return {
            "disclosed": sum(line.disclosed for line in self.lines),
            "nothing_found": sum(line.nothing_found for line in self.lines),
            "refused": sum(line.refused for line in self.lines),
            "charged_fen": sum(line.charged_fen for line in self.lines),
        }


async def usage_of(tx: AsyncConnection, participant_id: str, first_day: date, last_day: date) -> Usage:
    """Usage of the days from ``first_day`` to ``last_day``, both included (China's time)."""
    rows = await tx.execute(
        select(
            usage.c.dataset,
            usage.c.day,
            func.sum(usage.c.disclosed),
            func.sum(usage.c.nothing_found),
            func.sum(usage.c.refused),
            func.sum(usage.c.price_fen),
        )
        .where(usage.c.participant_id == participant_id, usage.c.day.between(first_day, last_day))
        .group_by(usage.c.dataset, usage.c.day)
        .order_by(usage.c.day, usage.c.dataset)
    )
    lines = [UsageLine(row[0], row[1], *(int(value) for value in row[2:])) for row in rows]
    return Usage(participant_id, first_day, last_day, lines)
