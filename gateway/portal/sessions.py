"""Log-in sessions of enterprises, in Redis: short, in a cookie that scripts cannot read, lost without harm."""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from uuid import UUID

from adapters import LoginStart
from consent import Signatory
from core.errors import Unavailable
from core.redis import AWAY, Redis

SESSION_SECONDS = 20 * 60
"""without a click; every page view starts it anew"""
LOGIN_SECONDS = 10 * 60


@dataclass(frozen=True)
class BegunLogin:
    start: LoginStart
    opening: UUID | None
    """the consent to open afterwards"""


@dataclass(frozen=True)
class Session:
    signatory: Signatory
    csrf: str
    """must come back with every form (synchroniser token)"""


class Sessions:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def start_login(self, start: LoginStart, *, opening: UUID | None) -> str:
        """Keep what the log-in needs until the person returns; the cookie value that binds it to this browser."""
        begun = {"start": asdict(start), "opening": str(opening) if opening else None}
        return await self._keep("login", json.dumps(begun), LOGIN_SECONDS)

    async def take_login(self, cookie: str) -> BegunLogin | None:
        """What was kept, once: a log-in response that comes again finds nothing."""
        try:
            kept = await self._redis.getdel(_key("login", cookie))
        except AWAY as error:
            raise Unavailable("redis_away") from error
        if not kept:
            return None
        begun = json.loads(kept)
        return BegunLogin(LoginStart(**begun["start"]), UUID(begun["opening"]) if begun["opening"] else None)

    async def open(self, signatory: Signatory) -> str:
        """A new session; the cookie value."""
        csrf = secrets.token_urlsafe(24)
        return await self._keep(
            "session", json.dumps({"signatory": asdict(signatory), "csrf": csrf}), SESSION_SECONDS
        )

    async def find(self, cookie: str) -> Session | None:
        try:
            kept = await self._redis.getex(_key("session", cookie), ex=SESSION_SECONDS)
        except AWAY as error:
            raise Unavailable("redis_away") from error
        if not kept:
            return None
        fields = json.loads(kept)
        return Session(Signatory(**fields["signatory"]), fields["csrf"])

    async def close(self, cookie: str) -> None:
        try:
            await self._redis.delete(_key("session", cookie))
        except AWAY as error:
            raise Unavailable("redis_away") from error

    async def _keep(self, kind: str, value: str, seconds: int) -> str:
        cookie = secrets.token_urlsafe(32)
        try:
            await self._redis.set(_key(kind, cookie), value, ex=seconds)
        except AWAY as error:
            raise Unavailable("redis_away") from error
        return cookie


def _key(kind: str, cookie: str) -> str:
    # The digest, so that whoever reads Redis cannot take over a session.
    return f"{kind}:{hashlib.sha256(cookie.encode()).hexdigest()}"
