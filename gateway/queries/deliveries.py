"""Since when the hub has had a data set at all: without any delivery, "none" would be a lie (promise 7)."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

import asyncpg
import structlog

from core.database import AWAY
from datasets import first_deliveries

LOOK_EVERY_SECONDS = 2.0
_CERTAIN_AFTER = timedelta(seconds=10)
"""by then every process has seen a first delivery, so that a retry anywhere computes the same answer"""

log = structlog.stdlib.get_logger()


class Deliveries:
    """The instant of every data set's first completed delivery; it never changes once it is there."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._first: dict[str, datetime] = {}

    def known_at(self, at: datetime) -> Collection[str]:
        """The data sets that had been delivered by an instant: the same for ever, so that a retry says the same."""
        return {dataset for dataset, first in self._first.items() if first + _CERTAIN_AFTER <= at}

    async def look(self) -> None:
        async with self._pool.acquire() as connection:
            self._first |= await first_deliveries(connection, tuple(self._first))

    async def keep_looking(self) -> None:
        """Endless; what was known stays known while the database is away."""
        while True:
            try:
                await self.look()
            except (*AWAY, asyncpg.PostgresError) as error:
                log.warning("deliveries_not_read", error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_SECONDS)
