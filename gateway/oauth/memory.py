"""What the OAuth door keeps for a minute or an hour, in Redis: pushed requests, begun authorizations, codes.

Everything stands under the digest of a secret that is not kept, so that whoever reads Redis cannot use it. Lost with
Redis without harm: the bank sends the enterprise once more.
"""

import hashlib
from typing import TypeVar

import msgspec

from core.errors import Unavailable
from core.redis import AWAY, Redis

Kept = TypeVar("Kept", bound=msgspec.Struct)


class Memory:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def keep(self, secret: str, value: msgspec.Struct, seconds: int) -> bool:
        """Keep ``value`` under ``secret``; False, and nothing done, if something of its kind is there already."""
        try:
            written = await self._redis.set(
                _key(type(value), secret), msgspec.json.encode(value), ex=seconds, nx=True
            )
        except AWAY as error:
            raise Unavailable("redis_away") from error
        return bool(written)

    async def find(self, kind: type[Kept], secret: str) -> Kept | None:
        try:
            found = await self._redis.get(_key(kind, secret))
        except AWAY as error:
            raise Unavailable("redis_away") from error
        return msgspec.json.decode(found, type=kind) if found else None

    async def exchange(self, secret: str, value: Kept, seconds: int) -> Kept | None:
        """Put ``value`` in the place of what is kept there, and return that; None, and nothing done, if it is gone.

        Of two who come at once, one gets what was kept and the other what the first one put there.
        """
        try:
            before = await self._redis.set(
                _key(type(value), secret), msgspec.json.encode(value), ex=seconds, xx=True, get=True
            )
        except AWAY as error:
            raise Unavailable("redis_away") from error
        # redis-py's types know of `get=True` only what SET returns without it.
        return msgspec.json.decode(before, type=type(value)) if isinstance(before, bytes) else None

    async def forget(self, kind: type[msgspec.Struct], secret: str) -> None:
        try:
            await self._redis.delete(_key(kind, secret))
        except AWAY as error:
            raise Unavailable("redis_away") from error


def _key(kind: type[msgspec.Struct], secret: str) -> str:
    return f"oauth:{kind.__name__}:{hashlib.sha256(secret.encode()).hexdigest()}"
