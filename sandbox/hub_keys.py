"""The hub's published keys, as a counterpart keeps them: fetched when a token names one that it does not know."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

REFETCH_SECONDS: Final = 5

FetchJwks = Callable[[], Awaitable[dict[str, Any]]]


class KeyUnknown(Exception):
    """The token names no key, or one that the hub does not publish; the message says which."""


class HubAway(Exception):
    """The key set cannot be fetched."""


@dataclass
class HubKeys:
    fetch: FetchJwks
    _keys: KeySet | None = None
    _fetched_at: float = float("-inf")

    async def for_token(self, token: str, now: float) -> KeySet:
        """Keys among which is the one that the JWS ``token`` names; fetched at most every few seconds.

        ``now``: Unix seconds. Raises KeyUnknown, HubAway.
        """
        kid = _kid_of(token)
        if self._keys is not None and _has(self._keys, kid):
            return self._keys
        if self._keys is None or now - self._fetched_at > REFETCH_SECONDS:
            try:
                self._keys = KeySet.import_key_set(await self.fetch())  # type: ignore[arg-type]
            except (httpx.HTTPError, JoseError, ValueError, KeyError) as error:
                raise HubAway("the client's JWKS cannot be fetched") from error
            self._fetched_at = now
        if _has(self._keys, kid):
            return self._keys
        raise KeyUnknown("it names a key the client does not publish")


def keys_at(url: str) -> HubKeys:
    """Those that a hub publishes at ``url``."""

    async def fetch() -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            response = await client.get(url)
            response.raise_for_status()
            content: dict[str, Any] = orjson.loads(response.content)
            return content

    return HubKeys(fetch)


def _has(keys: KeySet, kid: str) -> bool:
    return any(key.kid == kid for key in keys.keys)


def _kid_of(token: str) -> str:
    """The key name in the header of a JWS, read before anything is verified."""
    head = token.partition(".")[0]
    try:
        kid = orjson.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))).get("kid")
    except (ValueError, AttributeError) as error:
        raise KeyUnknown("it is no JWS") from error
    if not isinstance(kid, str):
        raise KeyUnknown("its header must name its key (kid)")
    return kid
