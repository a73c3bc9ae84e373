"""The Redis client: busy is not away."""

import asyncio
from contextlib import aclosing

from core.redis import connect_redis


async def test_more_callers_than_connections_wait_for_their_turn(redis_url: str) -> None:
    async with aclosing(connect_redis(redis_url)) as client:
        answers = await asyncio.gather(*(client.ping() for _ in range(300)))
    assert all(answers)
