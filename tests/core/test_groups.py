"""Group operations: whoever arrives while a batch is under way shares the next one."""

import asyncio
from collections.abc import Sequence

import pytest

from core.errors import Unavailable
from core.groups import GroupOperation


class Recorder:
    """Doubles numbers, slowly, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.gate = asyncio.Event()

    async def perform(self, asks: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(asks))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.gate.wait()
        self.under_way -= 1
        if 13 in asks:
            raise RuntimeError("thirteen")
        return [ValueError("seven") if ask == 7 else ask * 2 for ask in asks]


async def asked(group: GroupOperation[int, int], numbers: Sequence[int]) -> list[asyncio.Future[int]]:
    tasks = [group.ask(number) for number in numbers]
    await asyncio.sleep(0.01)
    return tasks


async def test_those_of_one_turn_travel_together_and_later_ones_share_the_next_batch() -> None:
    recorder = Recorder()
    group = GroupOperation(recorder.perform, batches_max=1)
    first = await asked(group, [1, 2, 3])
    second = await asked(group, [4])
    third = await asked(group, [5, 6])
    recorder.gate.set()
    assert await asyncio.gather(*first, *second, *third) == [2, 4, 6, 8, 10, 12]
    assert recorder.batches == [[1, 2, 3], [4, 5, 6]]


async def test_no_more_batches_are_under_way_than_allowed_and_none_is_too_large() -> None:
    recorder = Recorder()
    group = GroupOperation(recorder.perform, batches_max=2, batch_size_max=3)
    tasks = await asked(group, list(range(100, 111)))
    recorder.gate.set()
    assert await asyncio.gather(*tasks) == [number * 2 for number in range(100, 111)]
    assert recorder.most_under_way == 2
    assert max(len(batch) for batch in recorder.batches) == 3


async def test_one_askers_failure_is_its_own() -> None:
    recorder = Recorder()
    recorder.gate.set()
    group = GroupOperation(recorder.perform)
    results = await asyncio.gather(*(group.ask(n) for n in (6, 7, 8)), return_exceptions=True)
    assert results[0] == 12
    assert isinstance(results[1], ValueError)
    assert results[2] == 16


async def test_a_failed_batch_reaches_all_of_its_askers_and_nobody_else() -> None:
    recorder = Recorder()
    recorder.gate.set()
    group = GroupOperation(recorder.perform)
    failed = await asyncio.gather(*(group.ask(n) for n in (12, 13)), return_exceptions=True)
    assert [type(result) for result in failed] == [RuntimeError, RuntimeError]
    assert await group.ask(14) == 28


async def test_an_asker_that_went_away_does_not_disturb_the_others() -> None:
    recorder = Recorder()
    group = GroupOperation(recorder.perform, batches_max=1)
    gone, stays = await asked(group, [1, 2])
    gone.cancel()
    recorder.gate.set()
    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_whoever_finds_the_queue_full_is_told_at_once() -> None:
    recorder = Recorder()
    group = GroupOperation(recorder.perform, batches_max=1, waiting_max=2)
    under_way = await asked(group, [1])
    waiting = await asked(group, [2, 3])
    with pytest.raises(Unavailable) as refused:
        await group.ask(4)
    assert refused.value.reason == "too_busy"
    recorder.gate.set()
    assert await asyncio.gather(*under_way, *waiting) == [2, 4, 6]
