"""The worker process: what must happen without anybody asking, each at its own pace."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters import open_sender
from consent import due_reminders, settle_lapsed, settle_used_up
from core.clock import Clock, now
from core.database import AWAY, Database, connect_database
from core.keys import load_keys
from core.master_secret import load_master_secret
from core.settings import Settings
from datasets import load_catalogue
from gateway.inbox import Inbox
from gateway.notices.delivery import open_postman
from gateway.oauth.pings import Pinger
from ledger import ensure_partitions, purge_answered_questions

log = structlog.stdlib.get_logger()


async def _make_partitions(tx: AsyncConnection, at: datetime) -> int:
    await ensure_partitions(tx)
    return 0


async def _settle_lapsed(tx: AsyncConnection, at: datetime) -> int:
    return await settle_lapsed(tx, at=at)


async def _settle_used_up(tx: AsyncConnection, at: datetime) -> int:
    return await settle_used_up(tx, at=at)


async def _due_reminders(tx: AsyncConnection, at: datetime) -> int:
    return await due_reminders(tx, at=at)


@dataclass(frozen=True)
class Chore:
    """``do`` returns how many things it changed; it is repeated at once while that is not 0."""

    name: str
    every_seconds: float
    do: Callable[[AsyncConnection, datetime], Awaitable[int]]


CHORES = (
    Chore("make_partitions", 3600, _make_partitions),
    Chore("settle_lapsed_consents", 30, _settle_lapsed),
    Chore("remind_of_ending_consents", 3600, _due_reminders),
    Chore("settle_used_up_consents", 600, _settle_used_up),
    Chore("purge_answered_questions", 600, purge_answered_questions),
)
ROUNDS_MAX = 1000


async def work(settings: Settings, *, clock: Clock = now) -> None:
    """Run every chore, send banks their notices, and watch the intake directory if there is one, until SIGINT or
    SIGTERM."""
    assert settings.database_url is not None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    database = await connect_database(settings.database_url, connections=8)
    try:
        log.info("worker_started", chores=[chore.name for chore in CHORES])
        chores = [_repeat(chore, database, clock, stop) for chore in CHORES]
        if settings.inbox_dir is not None:
            inbox = Inbox(settings.inbox_dir, load_catalogue().contracts, database, clock)
            chores.append(_until(stop, inbox.watch()))
        keys = load_keys(settings.var_dir / "keys")
        postman = open_postman(settings, database, keys, clock)
        master_secret = load_master_secret(settings.var_dir / "keys")
        pinger = Pinger(database, open_sender(settings), master_secret, clock)
        chores += [
            _until(stop, keys.keep_looking()),
            _until(stop, postman.watch()),
            _until(stop, pinger.watch()),
        ]
        await asyncio.gather(*chores)
    finally:
        await database.close()
    log.info("worker_stopped")


async def _until(stop: asyncio.Event, endless: Coroutine[None, None, None]) -> None:
    """Run what never ends by itself; an intake under way is broken off and goes on with the next worker."""
    running, stopping = asyncio.create_task(endless), asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, stopping):
        task.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def _repeat(chore: Chore, database: Database, clock: Clock, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await do_chore(chore, database, clock)
        except (*AWAY, SQLAlchemyError, asyncpg.PostgresError) as error:
            log.warning("chore_failed", chore=chore.name, error=type(error).__name__)
        try:
            await asyncio.wait_for(stop.wait(), chore.every_seconds)
        except TimeoutError:
            continue


async def do_chore(chore: Chore, database: Database, clock: Clock) -> int:
    """One turn, in as many short transactions as it takes; returns how many things changed."""
    total = 0
    for _ in range(ROUNDS_MAX):
        async with database.transaction() as tx:
            changed = await chore.do(tx, clock())
        total += changed
        if changed == 0:
            break
    if total:
        log.info("chore_done", chore=chore.name, changed=total)
    return total
