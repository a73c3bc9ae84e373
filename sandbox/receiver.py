"""通知接收 Webhook receiver: how a bank takes the hub's notices, checked as the interface guide tells it to.

Two proofs are checked, each by itself: the signature of Standard Webhooks (a secret that the bank shares with the hub)
and the Security Event Token inside (RFC 8417), against the hub's published keys. A notice that came before is taken
as known. In tests it can be told to behave badly.
"""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request, Response
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

TOLERANCE_SECONDS: Final = 300
TYPE: Final = "secevent+jwt"


class NotGenuineError(Exception):
    """The notice is not the hub's, not for us, or too old; the message says which."""


@dataclass
class Manner:
    """How the receiver behaves: it answers ``statuses`` one after the other, the last of them for ever."""

    statuses: list[int] = field(default_factory=lambda: [204])
    headers: dict[str, str] = field(default_factory=dict)
    pause_seconds: float = 0.0

    def next_status(self) -> int:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@dataclass
class Receiver:
    """``secrets`` as the hub wrote them (``whsec_…``), given or in a file; ``keys`` gives the hub's key set."""

    issuer: str
    audience: str
    keys: Callable[[], KeySet]
    secrets: Sequence[str] = ()
    secret_file: Path | None = None
    """read anew for every notice; lines of secrets"""
    clock: Callable[[], float] = time.time
    manner: Manner = field(default_factory=Manner)
    heard: dict[str, dict[str, Any]] = field(default_factory=dict)
    """what was told, by its number, in the order in which it was first told"""
    arrived: list[str] = field(default_factory=list)
    """the number of every notice that came, as often as it came"""
    calls: list[str] = field(default_factory=list)
    """of those, the ones that were answered"""

    def take(self, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        """What the notice says. Raises `NotGenuineError`."""
        self._check_signature(body, headers)
        content = orjson.loads(body)
        claims = self._checked_event(content["data"]["set"])
        if claims["jti"] != headers["webhook-id"]:
            raise NotGenuineError("the signed event is another than the notice's")
        return {**content, "claims": claims}

    def _check_signature(self, body: bytes, headers: dict[str, str]) -> None:
        try:
            number, at = headers["webhook-id"], headers["webhook-timestamp"]
            given = [one.split(",", 1) for one in headers["webhook-signature"].split(" ")]
            age = abs(self.clock() - int(at))
        except (KeyError, ValueError) as error:
            raise NotGenuineError("a header is missing") from error
        if age > TOLERANCE_SECONDS:
            raise NotGenuineError("too old, or from the future")
        signed = f"{number}.{at}.".encode() + body
        for secret in self._known_secrets():
            octets = base64.b64decode(secret.removeprefix("whsec_"))
            expected = base64.b64encode(hmac.digest(octets, signed, hashlib.sha256)).decode()
            if any(kind == "v1" and hmac.compare_digest(expected, one) for kind, one in given):
                return
        raise NotGenuineError("no signature fits")

    def _known_secrets(self) -> Sequence[str]:
        if self.secret_file is None or not self.secret_file.exists():
            return self.secrets
        return [*self.secrets, *self.secret_file.read_text().split()]

    def _checked_event(self, token: str) -> dict[str, Any]:
        try:
            read = jwt.decode(token, self.keys(), algorithms=["ES256"])
            jwt.JWTClaimsRegistry(
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self.audience},
                jti={"essential": True},
                iat={"essential": True},
            ).validate(read.claims)
        except (JoseError, ValueError) as error:
            raise NotGenuineError("the event's token is not good") from error
        if read.header.get("typ") != TYPE or "exp" in read.claims:
            raise NotGenuineError("this is a token, but no security event")
        return read.claims


def build(receiver: Receiver) -> FastAPI:
    """A site that does nothing else."""
    site = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_receiver(site, receiver, lambda told: None)
    return site


def add_receiver(site: FastAPI, receiver: Receiver, note: Callable[[dict[str, Any]], None]) -> None:
    """``POST /notices`` for the hub, ``GET /notices`` for whoever wants to see; ``note`` gets what is new."""

    @site.post("/notices")
    async def take(request: Request) -> Response:
        number = request.headers.get("webhook-id", "")
        receiver.arrived.append(number)
        await asyncio.sleep(receiver.manner.pause_seconds)
        status = receiver.manner.next_status()
        receiver.calls.append(number)
        if not 200 <= status < 300:
            return Response(status_code=status, headers=receiver.manner.headers)
        try:
            # It may have to fetch the hub's keys.
            told = await asyncio.to_thread(receiver.take, await request.body(), dict(request.headers))
        except NotGenuineError as error:
            return Response(str(error), 400)
        if number not in receiver.heard:  # a repetition changes nothing
            receiver.heard[number] = told
            note(told)
        return Response(status_code=status)

    @site.get("/notices")
    def heard() -> list[dict[str, Any]]:
        return list(receiver.heard.values())
