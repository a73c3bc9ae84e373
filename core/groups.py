"""Group operations: concurrent asks inside one process are carried out together, without a timer.

While a batch is under way the next one gathers; it leaves as soon as there is a place for it. One caller
alone waits for nobody, a thousand callers share one round trip.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from core.errors import Unavailable

Ask = TypeVar("Ask")
Reply = TypeVar("Reply")


class GroupOperation(Generic[Ask, Reply]):
    """``perform`` gets the asks of one batch and returns as many replies, in order.

    A reply that is an exception is raised to its asker only; an exception raised by ``perform`` reaches all.
    More than ``waiting_max`` asks do not queue: whoever comes then is told at once, with `Unavailable`.
    """

    def __init__(
        self,
        perform: Callable[[Sequence[Ask]], Awaitable[Sequence[Reply | Exception]]],
        *,
        batches_max: int = 2,
        batch_size_max: int = 128,
        waiting_max: int = 10_000,
    ) -> None:
        self._perform = perform
        self._batches_max = batches_max
        self._batch_size_max = batch_size_max
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[Ask, asyncio.Future[Reply]]] = deque()
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._start_is_due = False

    def ask(self, ask: Ask) -> "asyncio.Future[Reply]":
        """The reply to come. Raises `Unavailable` at once when too many wait."""
        if len(self._waiting) >= self._waiting_max:
            raise Unavailable("too_busy", "too many questions are waiting")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        self._waiting.append((ask, future))
        if not self._start_is_due and self._under_way < self._batches_max:
            self._start_is_due = True
            # Not at once: whoever arrived in the same turn of the loop comes along.
            loop.call_soon(self._start)
        return future

    def _start(self) -> None:
        self._start_is_due = False
        while self._waiting and self._under_way < self._batches_max:
            size = min(len(self._waiting), self._batch_size_max)
            batch = [self._waiting.popleft() for _ in range(size)]
            self._under_way += 1
            task = asyncio.ensure_future(self._carry_out(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, batch: list[tuple[Ask, asyncio.Future[Reply]]]) -> None:
        replies: Sequence[Reply | Exception]
        try:
            replies = await self._perform([ask for ask, _ in batch])
            assert len(replies) == len(batch), "a group operation must reply to every ask"
        except Exception as error:  # noqa: BLE001 - whatever it was, each asker is told and decides
            replies = [error] * len(batch)
        finally:
            self._under_way -= 1
            self._start()  # the next batch is on its way before these replies are handed over
        for (_, future), reply in zip(batch, replies, strict=True):
            if future.done():  # its asker went away
                continue
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)
