"""Log-in sessions of persons, in Redis: short, bound to the browser, listed and closable, lost without harm."""

import hashlib
import json
import secrets
from collections.abc import Awaitable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec

from adapters import LoginStart
from consent import Signatory
from core.clock import Clock, now
from core.errors import Unavailable
from core.redis import AWAY, Redis
from gateway.portal.browsers import Browser, browser_of

SESSION_SECONDS = 20 * 60
"""without a click; every page view starts it anew"""
SESSION_HOURS = 8
"""after this it is over, however many clicks there were"""
LOGIN_SECONDS = 10 * 60
FRESH_FOR = timedelta(minutes=10)
"""how long a log-in still says that the person is there"""

Kept = TypeVar("Kept", bound=msgspec.Struct)
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class BegunLogin:
    start: LoginStart
    opening: UUID | None
    """the consent to open afterwards"""
    page: str = ""
    """or another page of the portal"""

    @property
    def leads_to(self) -> str:
        if self.opening:
            return f"/portal/requests/{self.opening}"
        return f"/portal/{self.page or 'requests'}"


@dataclass(frozen=True)
class Session:
    """A person logged in with one browser. ``session_id``: its name, of no use as a cookie."""

    session_id: str
    signatory: Signatory
    csrf: str
    """must come back with every form (synchroniser token)"""
    opened_at: datetime
    browser: Browser

    def fresh(self, at: datetime) -> bool:
        return at - self.opened_at <= FRESH_FOR


@dataclass(frozen=True)
class OpenSession:
    """As the person sees it in the list."""

    session: Session
    seen_at: datetime


class Sessions:
    def __init__(self, redis: Redis, clock: Clock = now) -> None:
        self._redis = redis
        self._clock = clock

    # --- log-ins under way ---

    async def start_login(self, start: LoginStart, *, opening: UUID | None, page: str = "") -> str:
        """Keep what the log-in needs until the person returns; the cookie value that binds it to this browser."""
        begun = {"start": asdict(start), "opening": str(opening) if opening else None, "page": page}
        cookie = secrets.token_urlsafe(32)
        await _told(self._redis.set(f"login:{_digest(cookie)}", json.dumps(begun), ex=LOGIN_SECONDS))
        return cookie

    async def take_login(self, cookie: str) -> BegunLogin | None:
        """What was kept, once: a log-in response that comes again finds nothing."""
        kept = await _told(self._redis.getdel(f"login:{_digest(cookie)}"))
        if not kept:
            return None
        begun = json.loads(kept)
        opening = UUID(begun["opening"]) if begun["opening"] else None
        return BegunLogin(LoginStart(**begun["start"]), opening, begun["page"])

    # --- sessions ---

    async def open(self, signatory: Signatory, *, user_agent: str = "") -> str:
        """A new session; the cookie value. It works only in a browser of this ``user_agent``, if that is given."""
        cookie = secrets.token_urlsafe(32)
        session_id, mine = _digest(cookie), _list_of(signatory)
        kept = {
            "signatory": asdict(signatory),
            "csrf": secrets.token_urlsafe(24),
            "opened_at": self._clock().isoformat(),
            "browser": browser_of(user_agent)._asdict(),
            "bound_to": _digest(user_agent) if user_agent else None,
        }
        async with self._redis.pipeline(transaction=True) as together:
            together.set(f"session:{session_id}", json.dumps(kept), ex=SESSION_SECONDS)
            together.sadd(mine, session_id)
            together.expire(mine, SESSION_HOURS * 3600)
            await _told(together.execute())
        return cookie

    async def find(self, cookie: str, *, user_agent: str = "") -> Session | None:
        """The session of this browser, until it is left alone for 20 minutes, or 8 hours old.

        A cookie that turns up in another browser ends it: somebody copied it.
        """
        session_id = _digest(cookie)
        text = await _told(self._redis.getex(f"session:{session_id}", ex=SESSION_SECONDS))
        if not text:
            return None
        kept = json.loads(text)
        session = _session(session_id, kept)
        if self._is_over(session) or kept["bound_to"] not in (None, _digest(user_agent)):
            await self.end(session)
            return None
        return session

    async def vouch(self, session: Session, signatory: Signatory) -> None:
        """The same person is proven better than at the log-in, which gets no fresher by that."""
        place = f"session:{session.session_id}"
        text = await _told(self._redis.get(place))
        if text:
            kept = {**json.loads(text), "signatory": asdict(signatory)}
            # xx: a session that was closed meanwhile stays closed
            await _told(self._redis.set(place, json.dumps(kept), keepttl=True, xx=True))

    async def list(self, signatory: Signatory) -> Sequence[OpenSession]:
        """Where this person is logged in for this enterprise, the latest log-in first."""
        mine = _list_of(signatory)
        ids = sorted(
            one.decode() for one in await _told(cast("Awaitable[set[bytes]]", self._redis.smembers(mine)))
        )
        async with self._redis.pipeline(transaction=False) as together:
            for session_id in ids:
                together.get(f"session:{session_id}")
                together.ttl(f"session:{session_id}")
            answers = await _told(together.execute())
        at, found, gone = self._clock(), [], []
        for session_id, text, seconds in zip(ids, answers[::2], answers[1::2], strict=True):
            session = _session(session_id, json.loads(text)) if text else None
            if session is None or self._is_over(session):
                gone.append(session_id)
            else:
                found.append(OpenSession(session, at - timedelta(seconds=SESSION_SECONDS - seconds)))
        if gone:
            await _told(self._redis.srem(mine, *gone))
        return sorted(found, key=lambda one: one.session.opened_at, reverse=True)

    async def close(self, cookie: str) -> None:
        """Log out. The list forgets it when it is next looked at."""
        await _told(self._redis.delete(f"session:{_digest(cookie)}"))

    async def end(self, session: Session) -> None:
        await self.end_one(session.signatory, session.session_id)

    async def end_one(self, signatory: Signatory, session_id: str) -> None:
        """From now on that browser is logged out; nothing happens if the session is not this person's."""
        if await _told(self._redis.srem(_list_of(signatory), session_id)):
            await _told(self._redis.delete(f"session:{session_id}"))

    async def end_others(self, session: Session) -> None:
        for other in await self.list(session.signatory):
            if other.session.session_id != session.session_id:
                await self.end(other.session)

    def _is_over(self, session: Session) -> bool:
        return self._clock() - session.opened_at >= timedelta(hours=SESSION_HOURS)

    # --- what belongs to a session for some minutes ---

    async def keep(self, session: Session, ticket: str, value: msgspec.Struct, seconds: int) -> None:
        """Keep ``value`` for this session under a ticket; what was there of its kind is replaced."""
        await _told(
            self._redis.set(_place(session, ticket, type(value)), msgspec.json.encode(value), ex=seconds)
        )

    async def look(self, session: Session, ticket: str, kind: type[Kept]) -> Kept | None:
        """What is kept under the ticket; None for another session's, and when its time is over."""
        text = await _told(self._redis.get(_place(session, ticket, kind)))
        return msgspec.json.decode(text, type=kind) if text else None

    async def take(self, session: Session, ticket: str, kind: type[Kept]) -> Kept | None:
        """The same, once: of two who come at the same moment one gets it."""
        text = await _told(self._redis.getdel(_place(session, ticket, kind)))
        return msgspec.json.decode(text, type=kind) if text else None


def _session(session_id: str, kept: dict[str, Any]) -> Session:
    return Session(
        session_id,
        Signatory(**kept["signatory"]),
        kept["csrf"],
        datetime.fromisoformat(kept["opened_at"]),
        Browser(**kept["browser"]),
    )


async def _told(answer: Awaitable[Answer]) -> Answer:
    """The answer of Redis. Raises `Unavailable`."""
    try:
        return await answer
    except AWAY as error:
        raise Unavailable("redis_away") from error


def _digest(secret: str) -> str:
    # Redis knows digests only, so that whoever reads it cannot take over a session.
    return hashlib.sha256(secret.encode()).hexdigest()


def _list_of(signatory: Signatory) -> str:
    return f"sessions:{_digest(f'{signatory.uscc} {signatory.subject}')}"


def _place(session: Session, ticket: str, kind: type[msgspec.Struct]) -> str:
    return f"{kind.__name__.lower()}:{_digest(f'{session.session_id} {ticket}')}"
