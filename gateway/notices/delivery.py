"""The postman of the worker: takes what banks are to hear to their webhooks, until they have heard it.

Each bank has a round of its own, so that one that does not answer keeps nobody else waiting. A round takes a few
notices at a time, of each consent the oldest, and goes on until nothing is due; it stops early when the bank does not
answer at all. No transaction is open during a call.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import asyncpg
import structlog
from joserfc.jwk import ECKey
from sqlalchemy.exc import SQLAlchemyError

from adapters import Outcome, WebhookSender, open_sender
from consent import (
    Claimed,
    Webhook,
    claim_notices,
    close_webhook,
    find_webhook,
    keep_to_be_polled,
    note_heard,
    note_unheard,
    who_waits,
)
from core.clock import Clock
from core.database import AWAY, Database
from core.errors import HubError
from core.keys import Keys
from core.master_secret import MasterSecret, load_master_secret
from core.settings import Settings
from gateway.notices.sending import body_of, number_of, signed_headers

LOOK_EVERY_SECONDS = 1.0
AT_ONCE = 4
"""calls to one bank; its systems, not ours, set the limit"""

log = structlog.stdlib.get_logger()


class Postman:
    """``key``: the key that signs consents, asked for each time, as it may be rotated."""

    def __init__(
        self,
        *,
        database: Database,
        sender: WebhookSender,
        key: Callable[[], ECKey],
        master: MasterSecret,
        issuer: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._sender = sender
        self._key = key
        self._master = master
        self._issuer = issuer
        self._clock = clock
        self._rounds: dict[str, asyncio.Task[None]] = {}

    async def watch(self) -> None:
        """Endless. What fails is tried again; a round that is broken off is sent again later."""
        try:
            while True:
                await self._start_rounds()
                await asyncio.sleep(LOOK_EVERY_SECONDS)
        finally:
            rounds = list(self._rounds.values())
            for task in rounds:
                task.cancel()
            await asyncio.gather(*rounds, return_exceptions=True)
            await self._sender.close()

    async def _start_rounds(self) -> None:
        try:
            async with self._database.transaction() as tx:
                waiting = await who_waits(tx, at=self._clock())
        except (*AWAY, HubError, SQLAlchemyError, asyncpg.PostgresError) as error:
            log.warning("notices_not_sent", error=type(error).__name__)
            return
        for participant_id in waiting:
            if participant_id not in self._rounds:
                task = asyncio.create_task(self._go_round(participant_id))
                self._rounds[participant_id] = task
                task.add_done_callback(partial(self._end_round, participant_id))

    def _end_round(self, participant_id: str, task: asyncio.Task[None]) -> None:
        del self._rounds[participant_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("notices_failed", participant=participant_id, exc_info=error)

    async def _go_round(self, participant_id: str) -> None:
        try:
            sent = await self.go_round(participant_id)
        except (*AWAY, HubError, SQLAlchemyError, asyncpg.PostgresError) as error:
            log.warning("notices_not_sent", participant=participant_id, error=type(error).__name__)
        else:
            if sent:
                log.info("notices_sent", participant=participant_id, sent=sent)

    async def go_round(self, participant_id: str) -> int:
        """Send this bank all that is due; how many it has heard."""
        heard = 0
        while True:
            async with self._database.transaction() as tx:
                webhook = await find_webhook(tx, participant_id)
                if webhook.closed_at is not None:  # closed while the event was being noted
                    await keep_to_be_polled(tx, participant_id)
                    return heard
                claimed = await claim_notices(tx, participant_id, at=self._clock(), limit=AT_ONCE)
            calls = (self._send(webhook, one) for one in claimed)
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            heard += outcomes.count(True)
            if True not in outcomes:
                return heard

    async def _send(self, webhook: Webhook, claimed: Claimed) -> bool:
        at = self._clock()
        body = body_of(claimed.told, issuer=self._issuer, key=self._key())
        headers = signed_headers(number_of(claimed.told), body, webhook, self._master, at)
        outcome = await self._sender.post(webhook.url, headers=headers, body=body)
        return await self._settle(webhook, claimed, outcome)

    async def _settle(self, webhook: Webhook, claimed: Claimed, outcome: Outcome) -> bool:
        at = self._clock()
        async with self._database.transaction() as tx:
            if outcome.fault is None:
                await note_heard(tx, claimed, at=at)
                return True
            if outcome.gone:
                await close_webhook(tx, webhook.participant_id, because="gone", at=at)
                log.warning("webhook_gone", participant=webhook.participant_id)
                return False
            pause = outcome.retry_after_seconds
            not_before = at + timedelta(seconds=pause) if pause is not None else None
            given_up = await note_unheard(tx, claimed, fault=outcome.fault, at=at, not_before=not_before)
        if given_up:
            log.error(
                "notice_given_up",
                participant=webhook.participant_id,
                event_id=claimed.told.event_id,
                fault=outcome.fault,
            )
        return False


def open_postman(settings: Settings, database: Database, keys: Keys, clock: Clock) -> Postman:
    return Postman(
        database=database,
        sender=open_sender(settings),
        key=lambda: keys["artefacts"],
        master=load_master_secret(settings.var_dir / "keys"),
        issuer=settings.public_url,
        clock=clock,
    )
