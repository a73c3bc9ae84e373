"""One-time log-in codes and sessions of operators, in Redis: short, known by their digests only, lost without harm."""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import TooManyRequests, Unavailable
from core.redis import AWAY, Redis

CODE_OCTETS = 20
"""160 bits: 32 letters and digits"""
CODE_SECONDS = 5 * 60
IDLE_SECONDS = 15 * 60
"""without a click"""
SESSION_SECONDS = 8 * 3600
"""in all, however busy"""
TRIES_PER_MINUTE = 10
"""of one operator id; of all together ten times as many"""

_MISREAD = str.maketrans({"0": "O", "1": "I", "8": "B"})
_GAPS = str.maketrans("", "", "- \t\u3000\u2010\u2011\u2013")


@dataclass(frozen=True)
class KeptSession:
    operator_id: str
    csrf: str
    """must come back with every form (synchroniser token)"""


class OperatorSessions:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def issue_code(self, operator_id: str) -> str:
        """A code that logs this operator in once, in groups of four for reading and typing."""
        code = base64.b32encode(secrets.token_bytes(CODE_OCTETS)).decode()
        try:
            await self._redis.set(_code_key(operator_id, code), operator_id, ex=CODE_SECONDS)
        except AWAY as error:
            raise Unavailable("redis_away") from error
        return "-".join(code[at : at + 4] for at in range(0, len(code), 4))

    async def redeem(self, operator_id: str, typed: str) -> bool:
        """Whether ``typed`` is an unused code of this operator; it is used now. Raises `TooManyRequests`.

        It is looked up by its digest, so how long that takes says nothing about how near a guess came, and a wrong
        guess does not use up the right code.
        """
        try:
            await self._count_try(operator_id)
            found = await self._redis.getdel(_code_key(operator_id, read_code(typed)))
        except AWAY as error:
            raise Unavailable("redis_away") from error
        return hmac.compare_digest(_octets(found or b""), operator_id.encode())

    async def _count_try(self, operator_id: str) -> None:
        own = f"console-tries:{hashlib.sha256(operator_id.encode()).hexdigest()}"
        async with self._redis.pipeline(transaction=True) as pipeline:
            for key in (own, "console-tries"):
                pipeline.set(key, 0, nx=True, ex=60)
                pipeline.incr(key)
                pipeline.ttl(key)
            _, tries, left, _, of_all, left_of_all = await pipeline.execute()
        if tries > TRIES_PER_MINUTE or of_all > 10 * TRIES_PER_MINUTE:
            raise TooManyRequests("login_rate_exceeded", max(left, left_of_all, 1))

    async def open(self, operator_id: str, *, at: datetime) -> str:
        """A new session; the cookie value."""
        cookie = secrets.token_urlsafe(32)
        ends_at = at + timedelta(seconds=SESSION_SECONDS)
        kept = {
            "operator_id": operator_id,
            "csrf": secrets.token_urlsafe(24),
            "ends_at": ends_at.isoformat(),
        }
        try:
            await self._redis.set(_session_key(cookie), json.dumps(kept), ex=IDLE_SECONDS)
        except AWAY as error:
            raise Unavailable("redis_away") from error
        return cookie

    async def find(self, cookie: str, *, at: datetime) -> KeptSession | None:
        """The session, its idle time begun anew; None when it is over."""
        try:
            found = await self._redis.getex(_session_key(cookie), ex=IDLE_SECONDS)
        except AWAY as error:
            raise Unavailable("redis_away") from error
        if not found:
            return None
        kept = json.loads(found)
        if at >= datetime.fromisoformat(kept["ends_at"]):
            await self.close(cookie)
            return None
        return KeptSession(kept["operator_id"], kept["csrf"])

    async def close(self, cookie: str) -> None:
        try:
            await self._redis.delete(_session_key(cookie))
        except AWAY as error:
            raise Unavailable("redis_away") from error


def read_code(typed: str) -> str:
    """A code as people type it: without gaps, in capitals; the digits that no code has are misread letters."""
    return typed.translate(_GAPS).strip().upper().translate(_MISREAD)


def _code_key(operator_id: str, code: str) -> str:
    return "console-code:" + hashlib.sha256(b"\0".join((operator_id.encode(), code.encode()))).hexdigest()


def _session_key(cookie: str) -> str:
    return f"console-session:{hashlib.sha256(cookie.encode()).hexdigest()}"


def _octets(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
