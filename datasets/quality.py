"""What the intake achieved: since when a data set is delivered, and how well, by owner, data set and day.

入库率 (intake rate) = rows taken / rows received, where taken = accepted + unchanged + superseded; timeliness =
intakes that ended within ``refresh_days`` after the date of their data; completeness = fields filled / fields of the
rows taken. A day is the day on which the intake began, in China's time.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import NamedTuple, Self

from sqlalchemy import ARRAY, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import CHINA
from datasets.contract import Contract
from datasets.shelf import Connection

INTAKE_RATE_GOAL = 0.95
"""信息入库率 ≥ 95 %: the province's goal"""


@dataclass(frozen=True)
class Account:
    """What came in, added up: received = accepted + unchanged + superseded + quarantined.

    ``ended``: intakes that went through to the end of their file; ``timely``: of these.
    """

    intakes: int = 0
    ended: int = 0
    timely: int = 0
    received: int = 0
    accepted: int = 0
    unchanged: int = 0
    superseded: int = 0
    quarantined: int = 0
    cells: int = 0
    filled: int = 0

    @classmethod
    def of(cls, accounts: "Iterable[Account]") -> Self:
        """The sum of several."""
        found = list(accounts)
        return cls(*(sum(getattr(one, field.name) for one in found) for field in fields(cls)))

    @property
    def taken(self) -> int:
        return self.accepted + self.unchanged + self.superseded

    @property
    def rate(self) -> float | None:
        """入库率; None where nothing was received."""
        return self.taken / self.received if self.received else None

    @property
    def below_goal(self) -> bool:
        # In whole numbers: 95 of 100 rows are 95 %.
        return self.taken * 100 < self.received * round(INTAKE_RATE_GOAL * 100)

    @property
    def timeliness(self) -> float | None:
        return self.timely / self.ended if self.ended else None

    @property
    def completeness(self) -> float | None:
        return self.filled / self.cells if self.cells else None


class AccountOfDay(NamedTuple):
    dataset: str
    day: date
    account: Account


class Delivered(NamedTuple):
    """How far a data set has come: the date of its newest data, and when something last arrived."""

    dataset: str
    as_of: date
    arrived_at: datetime

    def due(self, contract: Contract) -> date:
        """The last day on which its next data may arrive, by the promise of its owner."""
        return self.as_of + timedelta(days=contract.refresh_days)


class OpenRows(NamedTuple):
    """Rows in quarantine that nobody has corrected yet."""

    dataset: str
    reason: str
    rows: int


class OpenIntake(NamedTuple):
    """An intake with rows to correct. ``open_rows``: those that no later file has corrected."""

    intake_id: int
    dataset: str
    file_name: str
    started_at: datetime
    quarantined: int
    open_rows: int


async def first_deliveries(connection: Connection, known: Collection[str]) -> dict[str, datetime]:
    """The instant of the first completed delivery of every data set but those ``known``."""
    rows = await connection.fetch(
        "SELECT dataset, min(finished_at) FROM intakes"
        " WHERE finished_at IS NOT NULL AND dataset <> ALL ($1) GROUP BY dataset",
        list(known),
    )
    return dict(map(tuple, rows))


_BY_DAY = text("""
    SELECT i.dataset, (i.started_at AT TIME ZONE 'Asia/Shanghai')::date AS day,
        count(*) AS intakes,
        count(i.finished_at) AS ended,
        count(*) FILTER (
            WHERE (i.finished_at AT TIME ZONE 'Asia/Shanghai')::date <= i.as_of + promised.refresh_days
        ) AS timely,
        sum(i.received)::bigint AS received, sum(i.accepted)::bigint AS accepted,
        sum(i.unchanged)::bigint AS unchanged, sum(i.superseded)::bigint AS superseded,
        sum(i.quarantined)::bigint AS quarantined, sum(i.cells)::bigint AS cells, sum(i.filled)::bigint AS filled
    FROM intakes i
    JOIN unnest(:datasets, :refresh_days) AS promised(dataset, refresh_days) ON promised.dataset = i.dataset
    WHERE i.started_at >= :since AND i.started_at < :until
    GROUP BY i.dataset, day ORDER BY day, i.dataset
""").bindparams(bindparam("datasets", type_=ARRAY(Text)), bindparam("refresh_days", type_=ARRAY(Integer)))


async def accounts_by_day(
    tx: AsyncConnection, contracts: Mapping[str, Contract], first_day: date, last_day: date
) -> Sequence[AccountOfDay]:
    """What came in of these data sets from the first to the last day, both included; days without any are left out."""
    rows = await tx.execute(
        _BY_DAY,
        {
            "datasets": list(contracts),
            "refresh_days": [contract.refresh_days for contract in contracts.values()],
            "since": datetime.combine(first_day, time(), CHINA),
            "until": datetime.combine(last_day + timedelta(days=1), time(), CHINA),
        },
    )
    return [AccountOfDay(dataset, day, Account(*counts)) for dataset, day, *counts in rows]


_DELIVERED = text("""
    SELECT dataset, max(as_of), max(finished_at) FROM intakes
    WHERE dataset = ANY (:datasets) AND finished_at IS NOT NULL AND NOT withdraws GROUP BY dataset
""").bindparams(bindparam("datasets", type_=ARRAY(Text)))


async def newest_deliveries(tx: AsyncConnection, datasets: Collection[str]) -> dict[str, Delivered]:
    """By data set; without those that never came."""
    rows = await tx.execute(_DELIVERED, {"datasets": list(datasets)})
    return {row[0]: Delivered(*row) for row in rows}


_OPEN_BY_REASON = text("""
    SELECT i.dataset, q.reason, count(*) FROM quarantined_rows q JOIN intakes i USING (intake_id)
    WHERE q.resolved_by IS NULL AND q.corrects_line IS NULL AND i.dataset = ANY (:datasets)
    GROUP BY i.dataset, q.reason ORDER BY count(*) DESC, i.dataset, q.reason
""").bindparams(bindparam("datasets", type_=ARRAY(Text)))


async def open_rows(tx: AsyncConnection, datasets: Collection[str]) -> Sequence[OpenRows]:
    """What is open in quarantine, by data set and reason, the most frequent first."""
    return [OpenRows(*row) for row in await tx.execute(_OPEN_BY_REASON, {"datasets": list(datasets)})]


_OPEN_INTAKES = text("""
    SELECT i.intake_id, i.dataset, i.file_name, i.started_at, i.quarantined, q.open_rows
    FROM intakes i
    JOIN (
        SELECT intake_id, count(*) AS open_rows FROM quarantined_rows
        WHERE resolved_by IS NULL AND corrects_line IS NULL GROUP BY intake_id
    ) q USING (intake_id)
    WHERE i.dataset = ANY (:datasets) AND i.intake_id < :before
    ORDER BY i.intake_id DESC LIMIT :limit
""").bindparams(bindparam("datasets", type_=ARRAY(Text)))

_NO_INTAKE_YET = 2**62


async def intakes_to_correct(
    tx: AsyncConnection, datasets: Collection[str], *, before: int | None = None, limit: int
) -> Sequence[OpenIntake]:
    """Intakes with open rows, the newest first, further back than the intake ``before``."""
    wanted = {"datasets": list(datasets), "before": before or _NO_INTAKE_YET, "limit": limit}
    return [OpenIntake(*row) for row in await tx.execute(_OPEN_INTAKES, wanted)]
