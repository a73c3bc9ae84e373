"""Noting how far requests got, behind the visitor's back: no page waits for it, and none fails with it."""

import asyncio
from uuid import UUID

import asyncpg
import structlog

from consent import Reached, Step
from core.clock import Clock
from core.errors import HubError
from core.groups import GroupOperation

LAST_SECONDS = 2.0
"""how long the end of the program waits for what is still being written"""

log = structlog.stdlib.get_logger()


class Steps:
    """What cannot be written at once, or comes too thick, is lost with a line in the log: it only counts visitors."""

    def __init__(self, keep: GroupOperation[Reached, None], clock: Clock) -> None:
        self._keep = keep
        self._clock = clock
        self._under_way: set[asyncio.Task[None]] = set()

    def note(self, consent_id: UUID, step: Step) -> None:
        """Returns at once. Only the first time of a step counts, so it may be noted again and again."""
        task = asyncio.create_task(self._note(Reached(consent_id, step, self._clock())))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _note(self, reached: Reached) -> None:
        try:
            await self._keep.ask(reached)
        except (HubError, asyncpg.PostgresError) as error:
            log.warning("step_not_noted", step=reached.step, error=type(error).__name__)

    async def settled(self) -> None:
        """Until all that was noted is written or given up, but not for long."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=LAST_SECONDS)
