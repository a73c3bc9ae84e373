"""Access tokens that are void before they expire: revoked by their client, or given for a code that was used twice.

Denied is one token, by its `jti`, or all that were given for a grant, by its id: for a code that came twice, or with a
refresh token that was revoked (RFC 6749 §4.1.2, RFC 7009 §2.1).

Asked on every call, so it is a set in memory. Redis tells the processes of each other's: the one that denies obeys
at once, the others as soon as Redis has told them, milliseconds later. One that has lost Redis learns it when
Redis is back; if Redis loses its memory, a token still ends after the 300 seconds that it lives at most.
"""

import asyncio
import time

import structlog

from core.errors import Unavailable
from core.redis import AWAY, Redis

KEY = "denied_tokens"
KEPT_SECONDS = 600
"""longer than any token lives"""
TRY_AGAIN_SECONDS = 1.0

log = structlog.stdlib.get_logger()


class DeniedTokens:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._until: dict[str, float] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._until

    async def deny(self, name: str, expires_at: float) -> None:
        """From now on no process takes what has this id. Raises `Unavailable` when the others cannot be told."""
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.zremrangebyscore(KEY, "-inf", time.time())
                pipeline.zadd(KEY, {name: expires_at})
                pipeline.expire(KEY, KEPT_SECONDS)
                pipeline.publish(KEY, name)
                await pipeline.execute()
        except AWAY as error:
            raise Unavailable("redis_away") from error
        self._add(name, expires_at)

    async def keep_listening(self) -> None:
        """Learn what other processes deny."""
        while True:
            try:
                await self._listen()
            except AWAY as error:
                log.warning("redis_away", error=type(error).__name__)
            await asyncio.sleep(TRY_AGAIN_SECONDS)

    async def _listen(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(KEY)
            # What was denied before we listened; what is denied while we read comes over the channel.
            for name in await self._redis.zrange(KEY, int(time.time()), "+inf", byscore=True):
                self._add(_text(name), time.time() + KEPT_SECONDS)
            async for message in channel.listen():
                self._add(_text(message["data"]), time.time() + KEPT_SECONDS)

    def _add(self, name: str, expires_at: float) -> None:
        now = time.time()
        self._until = {known: until for known, until in self._until.items() if until > now}
        self._until[name] = expires_at


def _text(told: object) -> str:
    return told.decode() if isinstance(told, bytes) else str(told)
