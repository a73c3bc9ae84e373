"""对公打款: a transfer service pays a small amount into an enterprise's corporate account, so that it can be read there.

`BankTransfer` is the port. `TransferService` speaks to a service in the manner of the banks' direct links (银企直联): an
order or a question is a JWS of ours (ES256, RFC 7515), for that service, good for a minute; the answer is JSON. An
order is carried out once, however often it comes. The account's name goes along, and a bank returns what was sent to an
account of another name: so whoever can read the amount is let into the account of this very enterprise.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from core.errors import Unavailable

TIMEOUT_SECONDS = 5.0
ANSWER_OCTETS_MAX = 16 * 1024
ORDER_SECONDS = 60

Progress = Literal["under_way", "paid", "returned", "unknown"]
"""``returned``: the account is of another name, closed, or not there. ``unknown``: the service never got the order."""
_PROGRESS: dict[object, Progress] = {"accepted": "under_way", "paid": "paid", "returned": "returned"}


@dataclass(frozen=True)
class TransferOrder:
    """What is to be paid, and to whom. ``account``: digits; it is passed on and nowhere kept."""

    order_id: UUID
    account_name: str
    account: str
    bank_name: str
    amount_fen: int


class BankTransfer(Protocol):
    async def order(self, order: TransferOrder) -> Progress:
        """Have it paid; the same order again pays nothing. Raises `Unavailable`: then it may have been taken, or not."""

    async def progress(self, order_id: UUID) -> Progress:
        """How far it is. Raises `Unavailable`."""

    async def close(self) -> None: ...


class TransferService:
    def __init__(
        self,
        *,
        url: str,
        client_id: str,
        key: Callable[[], ECKey],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._client_id = client_id
        self._key = key
        self._clock = clock
        # No proxy or netrc of the environment: this counterpart is reached directly.
        self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def order(self, order: TransferOrder) -> Progress:
        told = {
            "account_name": order.account_name,
            "account": order.account,
            "bank_name": order.bank_name,
            "amount_fen": order.amount_fen,
        }
        return await self._ask("/orders", "transfer-order+jwt", order.order_id, order=told)

    async def progress(self, order_id: UUID) -> Progress:
        return await self._ask("/progress", "transfer-progress+jwt", order_id)

    async def _ask(self, path: str, kind: str, order_id: UUID, **more: object) -> Progress:
        answer = await self._call(path, self._signed(kind, order_id, more))
        if answer.get("order_id") != str(order_id):
            raise _away("it answers another question")
        return _PROGRESS.get(answer.get("state"), "unknown")

    def _signed(self, kind: str, order_id: UUID, more: dict[str, object]) -> str:
        at = int(self._clock())
        claims: dict[str, Any] = {
            "iss": self._client_id,
            "aud": self._url,
            "iat": at,
            "exp": at + ORDER_SECONDS,
            "order_id": str(order_id),
            **more,
        }
        key = self._key()
        return jwt.encode({"alg": "ES256", "typ": kind, "kid": key.kid}, claims, key)

    async def _call(self, path: str, signed: str) -> dict[str, Any]:
        headers = {"content-type": "application/jose", "accept-encoding": "identity"}
        try:
            async with self._http.stream(
                "POST", f"{self._url}{path}", content=signed, headers=headers
            ) as response:
                body = bytearray()
                async for octets in response.aiter_raw():
                    body += octets
                    if len(body) > ANSWER_OCTETS_MAX:
                        raise _away("its answer is too large")
            answer = json.loads(bytes(body))
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            raise _away(type(error).__name__) from error
        if response.status_code != 200 or not isinstance(answer, dict):
            raise _away(f"it answers {response.status_code}")
        return answer


def _away(why: str) -> Unavailable:
    return Unavailable("transfer_away", f"the transfer service: {why}")
