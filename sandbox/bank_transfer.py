"""对公打款, played: a service that pays small amounts, and the corporate accounts into which they go.

An order is a JWS of the hub (ES256, `typ` ``transfer-order+jwt``, for this service, a minute old at most) and is carried
out once. What is sent to an account that is not there, or of another name, comes back. The enterprise's page (``/``)
shows what came in, as its online bank would. Everything in memory. No log-in: serve it on the loopback address only.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.errors import JoseError

from sandbox.code_provider import LISTED, Enterprise, read_enterprises
from sandbox.hub_keys import HubAway, HubKeys, KeyUnknown, keys_at
from sandbox.pages import new_site, templates

SKEW_SECONDS: Final = 8
ORDER_SECONDS: Final = 60
BANK_NAME: Final = "沙箱银行苏州分行"


class Refusal(Exception):
    """The order cannot be believed; the message says why."""


@dataclass(frozen=True)
class Transfer:
    """One order as it was carried out."""

    account: str
    amount_fen: int
    at: float
    """Unix seconds"""
    returned_because: str = ""

    @property
    def state(self) -> str:
        return "returned" if self.returned_because else "paid"


@dataclass
class TransferService:
    """The service and its bank, without HTTP. `clock` answers Unix seconds."""

    url: str
    client_id: str
    enterprises: list[Enterprise]
    hub_keys: HubKeys
    clock: Callable[[], float] = time.time
    transfers: dict[str, Transfer] = field(default_factory=dict)

    async def order(self, signed: str) -> dict[str, str]:
        """Pay, once. Raises Refusal."""
        claims = await self._read(signed, "transfer-order+jwt")
        order, order_id = claims.get("order"), claims["order_id"]
        if (
            not isinstance(order, dict)
            or not isinstance(order.get("amount_fen"), int)
            or order["amount_fen"] < 1
        ):
            raise Refusal("no order, or no amount")
        if order_id not in self.transfers:
            account = str(order.get("account"))
            because = self._why_returned(account, order.get("account_name"))
            self.transfers[order_id] = Transfer(account, order["amount_fen"], self.clock(), because)
        return self._told(order_id)

    async def progress(self, signed: str) -> dict[str, str]:
        """Raises Refusal."""
        claims = await self._read(signed, "transfer-progress+jwt")
        return self._told(claims["order_id"])

    def received(self, uscc: str) -> list[Transfer]:
        """What came into the account of an enterprise, the newest first."""
        mine = account_of(uscc)
        paid = [one for one in self.transfers.values() if one.account == mine and one.state == "paid"]
        return sorted(paid, key=lambda one: one.at, reverse=True)

    def search(self, words: str) -> list[Enterprise]:
        found = (one for one in self.enterprises if words in one.name or words.upper() in one.uscc)
        return [one for one, _ in zip(found, range(LISTED), strict=False)]

    def _why_returned(self, account: str, name: object) -> str:
        owner = next((one for one in self.enterprises if account_of(one.uscc) == account), None)
        if owner is None:
            return "account_unknown"
        return "" if owner.name == name else "account_name"

    def _told(self, order_id: str) -> dict[str, str]:
        transfer = self.transfers.get(order_id)
        if transfer is None:
            return {"order_id": order_id, "state": "unknown"}
        return {"order_id": order_id, "state": transfer.state, "reason": transfer.returned_because}

    async def _read(self, signed: str, kind: str) -> dict[str, Any]:
        try:
            keys = await self.hub_keys.for_token(signed, self.clock())
            token = jwt.decode(signed, keys, algorithms=["ES256"])
        except (HubAway, KeyUnknown, JoseError, ValueError) as error:
            raise Refusal("not signed by a key of the client") from error
        claims, now = token.claims, self.clock()
        if token.header.get("typ") != kind:
            raise Refusal(f"typ must be {kind}")
        if claims.get("iss") != self.client_id or claims.get("aud") != self.url:
            raise Refusal("from somebody else, or for somebody else")
        issued_at = claims.get("iat")
        if (
            not isinstance(issued_at, int)
            or not -SKEW_SECONDS <= now - issued_at <= ORDER_SECONDS + SKEW_SECONDS
        ):
            raise Refusal("not of now")
        if not isinstance(claims.get("order_id"), str):
            raise Refusal("order_id is required")
        return claims


def account_of(uscc: str) -> str:
    """The corporate account of an enterprise: 19 digits, the same at every start."""
    return f"32{int.from_bytes(hashlib.sha256(uscc.encode()).digest()[:8]) % 10**17:017d}"


def build(service: TransferService) -> FastAPI:
    site = new_site("对公打款（沙箱）")

    @site.post("/orders")
    async def orders(request: Request) -> Response:
        return await _answered(request, service.order)

    @site.post("/progress")
    async def progress(request: Request) -> Response:
        return await _answered(request, service.progress)

    @site.get("/")
    def accounts(request: Request, q: str = "") -> Response:
        shown = {
            "q": q,
            "accounts": [
                (one, account_of(one.uscc), service.received(one.uscc)) for one in service.search(q.strip())
            ],
            "bank_name": BANK_NAME,
            "listed": LISTED,
        }
        return templates.TemplateResponse(request, "accounts.html", shown)

    return site


async def _answered(request: Request, does: Callable[[str], Any]) -> Response:
    try:
        return JSONResponse(await does((await request.body()).decode("ascii", "replace")))
    except Refusal as refusal:
        return JSONResponse({"error": str(refusal)}, 400)


def open_service(*, url: str, enterprises: Path, hub_jwks: str, client_id: str) -> FastAPI:
    """The service as the command line starts it."""
    return build(TransferService(url, client_id, read_enterprises(enterprises), keys_at(hub_jwks)))
