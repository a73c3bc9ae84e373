"""The pings of CIBA (§10.2): a client that wants to is told that its request was answered, and fetches the tokens.

A ping says which request, and nothing of the answer. One that does not arrive is sent again a few times in ten
minutes; after that the client has to poll, which it can do at any time.
"""

import asyncio
from uuid import UUID

import asyncpg
import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from adapters import WebhookSender
from consent import PING_ATTEMPTS_MAX, Ping, claim_pings, note_pinged
from core.clock import Clock
from core.database import AWAY, Database
from core.master_secret import MasterSecret
from gateway.oauth.backchannel import auth_req_id_of

LOOK_SECONDS = 2.0

log = structlog.stdlib.get_logger()


class Pinger:
    def __init__(
        self, database: Database, sender: WebhookSender, master_secret: MasterSecret, clock: Clock
    ) -> None:
        self._database = database
        self._sender = sender
        self._master_secret = master_secret
        self._clock = clock

    async def watch(self) -> None:
        """Send what is due, for ever."""
        try:
            while True:
                await self._round()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self._sender.close()

    async def _round(self) -> None:
        try:
            await self.send_due()
        except (*AWAY, SQLAlchemyError, asyncpg.PostgresError) as error:
            log.warning("pings_failed", error=type(error).__name__)

    async def send_due(self) -> int:
        """Send each ping that is due once; returns how many were tried. No transaction is open during a call."""
        async with self._database.transaction() as tx:
            pings = await claim_pings(tx, at=self._clock())
        await asyncio.gather(*(self._send(ping) for ping in pings))
        return len(pings)

    async def _send(self, ping: Ping) -> None:
        body = orjson.dumps({"auth_req_id": auth_req_id_of(ping.consent_id, self._master_secret)})
        headers = {
            "authorization": f"Bearer {ping.notification_token}",
            "content-type": "application/json",
        }
        outcome = await self._sender.post(ping.notification_url, headers=headers, body=body)
        if outcome.fault is None:
            await self._note(ping.consent_id, arrived=True)
        elif outcome.gone or ping.number >= PING_ATTEMPTS_MAX:
            log.warning("ping_given_up", consent_id=str(ping.consent_id), fault=outcome.fault)
            await self._note(ping.consent_id, arrived=False)

    async def _note(self, consent_id: UUID, *, arrived: bool) -> None:
        async with self._database.transaction() as tx:
            await note_pinged(tx, consent_id, at=self._clock() if arrived else None)
