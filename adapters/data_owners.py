"""Owners of live data sets, asked at call time through a data exchange (接口调用).

`DataOwner` is the port. `ExchangeOwner` speaks in the manner of the national exchange (国家数据共享交换平台): headers
``gjgxjhpt_rid`` who asks, ``gjgxjhpt_sid`` which service, ``gjgxjhpt_rtime`` milliseconds, ``gjgxjhpt_sign`` =
Base64(HMAC-SHA256(key, sid + rid + rtime)); the answer ``{"code": "0", "msg": …, "data": [row, …]}``. The exchange's
step before that, in which an appkey buys a signing secret for some hours, is not here: the key is read from a file.

The enterprise stands in the body, never in the address. One call, not repeated: the bank asks again.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import httpx

from core.errors import InvalidInput, Unavailable
from core.identifiers import USCC
from core.settings import OwnerSettings

ANSWER_OCTETS_MAX = 1024 * 1024
CONNECTIONS_MAX = 32
"""to one owner from one process; whoever finds all taken waits within his time"""

OwnerRow: TypeAlias = dict[str, str]
"""Column name → cell as text, as the owner wrote it: figures keep every digit, nothing is empty text."""


class DataOwner(Protocol):
    """Whom a live data set is asked from."""

    async def rows_about(self, dataset: str, uscc: USCC, *, timeout_seconds: float) -> list[OwnerRow]:
        """All that the owner has about the enterprise. Raises `Unavailable`: ``owner_away`` without an answer,
        ``owner_answer_unusable`` with one that cannot be read; fact ``fault`` says what happened, without content.
        """

    async def close(self) -> None: ...


def open_data_owners(settings: Mapping[str, OwnerSettings]) -> dict[str, DataOwner]:
    """Raises `InvalidInput` as `exchange_keys` does."""
    keys = exchange_keys(settings)
    return {
        name: ExchangeOwner(url=owner.url, requester=owner.requester, key=keys[name], services=owner.services)
        for name, owner in settings.items()
    }


def exchange_keys(settings: Mapping[str, OwnerSettings]) -> dict[str, bytes]:
    """The key that we share with each owner. Raises `InvalidInput` for a file that is empty or cannot be read."""
    keys = {}
    for name, owner in settings.items():
        try:
            keys[name] = owner.key_file.read_bytes().strip()
        except OSError as error:
            raise InvalidInput("owner_key", f"HUB_OWNERS, {name}: {type(error).__name__}") from error
        if not keys[name]:
            raise InvalidInput("owner_key", f"HUB_OWNERS, {name}: the key file is empty")
    return keys


class ExchangeOwner:
    def __init__(
        self,
        *,
        url: str,
        requester: str,
        key: bytes,
        services: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._requester = requester
        self._key = key
        self._services = dict(services)
        self._clock = clock
        # No proxy or netrc of the environment: this counterpart is reached directly. The time limit is one for the
        # whole call (below); httpx's own start anew with every octet that drips in.
        self._http = httpx.AsyncClient(
            timeout=None,  # noqa: S113
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def rows_about(self, dataset: str, uscc: USCC, *, timeout_seconds: float) -> list[OwnerRow]:
        service = self._services.get(dataset)
        if service is None:
            raise _away("no_service")
        try:
            async with asyncio.timeout(timeout_seconds):
                return _rows_in(await self._call(service, {"tyshxydm": uscc}))
        except (httpx.HTTPError, TimeoutError) as error:
            raise _away(type(error).__name__) from error

    async def _call(self, service: str, parameters: dict[str, str]) -> bytes:
        request = self._http.build_request("POST", self._url, json=parameters, headers=self._signed(service))
        response = await self._http.send(request, stream=True)
        try:
            if response.status_code != 200:
                raise _away(f"status_{response.status_code}")
            body = bytearray()
            async for octets in response.aiter_raw():  # raw: nothing unpacks to more than was counted
                body += octets
                if len(body) > ANSWER_OCTETS_MAX:
                    raise _unusable("too_large")
            return bytes(body)
        finally:
            await response.aclose()

    def _signed(self, service: str) -> dict[str, str]:
        at = str(int(self._clock() * 1000))
        signature = hmac.digest(self._key, f"{service}{self._requester}{at}".encode(), hashlib.sha256)
        return {
            "gjgxjhpt_rid": self._requester,
            "gjgxjhpt_sid": service,
            "gjgxjhpt_rtime": at,
            "gjgxjhpt_sign": base64.b64encode(signature).decode(),
            "accept-encoding": "identity",
        }


def _away(fault: str) -> Unavailable:
    return Unavailable("owner_away", f"the owner does not answer: {fault}", fault=fault)


def _unusable(fault: str) -> Unavailable:
    return Unavailable("owner_answer_unusable", f"the owner's answer cannot be read: {fault}", fault=fault)


def _rows_in(body: bytes) -> list[OwnerRow]:
    try:
        answer = json.loads(
            body, parse_int=str, parse_float=str, parse_constant=_refuse_constant, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        raise _unusable("not_json") from error
    if not isinstance(answer, dict) or not isinstance(code := answer.get("code"), str):
        raise _unusable("no_envelope")
    if code != "0":
        raise _away(f"code_{code[:20]}" if code.isascii() and code.isprintable() else "code_unreadable")
    rows = answer.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _unusable("no_rows")
    return [{name: _cell(value) for name, value in row.items()} for row in rows]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse_constant(name: str) -> str:
    raise ValueError(f"{name} is no JSON")


def _cell(value: object) -> str:
    """Numbers came through the decoder as their own text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, str):
        return value
    raise _unusable("nested_value")
