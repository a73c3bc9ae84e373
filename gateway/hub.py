"""The objects of the running program, made here and handed down."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import TypeVar

import asyncpg
import structlog

from adapters import BankTransfer, Login, LoginWay, open_data_owners
from consent import Client, find_clients, note_steps
from core.clock import Clock, now
from core.database import AWAY, Database, connect_database
from core.errors import Unavailable
from core.groups import GroupOperation
from core.keys import Keys, load_keys
from core.master_secret import MasterSecret, load_master_secret
from core.redis import Redis, connect_redis
from core.settings import Settings
from core.sm2 import SM2Key
from datasets import Catalogue, RulesInForce, load_catalogue, read_live_checks, read_records, reread_records
from gateway.decisions.rules import contracts_at_start, keep_current, rules_at_start
from gateway.identity import open_bank_transfer, open_logins
from gateway.oauth.bearer import Doorkeeper
from gateway.oauth.denied import DeniedTokens
from gateway.oauth.nonces import Nonces
from gateway.oauth.rates import Rates
from gateway.oauth.server import TokenServer
from gateway.oauth.tokens import AccessTokens
from gateway.queries.admission import Admission
from gateway.queries.deliveries import Deliveries
from gateway.queries.live import LiveShelf
from gateway.queries.spine import Spine
from gateway.steps import Steps
from ledger import claim_probes, look_at_consents, recall, remember

Ask = TypeVar("Ask")
Reply = TypeVar("Reply")

FORMS_AT_ONCE = 2

log = structlog.stdlib.get_logger()


@dataclass
class Hub:
    """``catalogue`` is replaced as a whole when other rules come into force (`use`)."""

    settings: Settings
    database: Database
    redis: Redis
    keys: Keys
    master_secret: MasterSecret
    catalogue: Catalogue
    tokens: AccessTokens
    denied: DeniedTokens
    nonces: Nonces | None
    """None: no nonce is asked for"""
    token_server: TokenServer
    doorkeeper: Doorkeeper
    clients: GroupOperation[str, Client | None]
    """who calls an OAuth endpoint, by client_id"""
    admission: Admission
    rates: Rates
    availability_ration: Admission
    """for looks before a consent, apart from questions"""
    logins: Mapping[LoginWay, Login]
    """those that are there"""
    bank_transfer: BankTransfer | None
    spine: Spine
    steps: Steps
    clock: Clock
    form_turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FORMS_AT_ONCE))
    """for reading and looking into signed forms; whoever has no turn waits unread"""

    @property
    def sm2_key(self) -> SM2Key | None:
        """The key of the second signature on consents; None where none is wanted."""
        return self.keys["sm2"] if self.settings.sm2_signature else None

    def use(self, catalogue: Catalogue) -> None:
        """From the next question on."""
        self.catalogue = self.spine.catalogue = catalogue


@asynccontextmanager
async def open_hub(settings: Settings, *, clock: Clock = now) -> AsyncIterator[Hub]:
    """Connect everything that ``settings`` names. Raises `Unavailable` when PostgreSQL does not answer."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    async with AsyncExitStack() as stack:
        database = await connect_database(settings.database_url, connections=settings.database_connections)
        stack.push_async_callback(database.close)
        redis = connect_redis(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        keys = load_keys(settings.var_dir / "keys")
        master_secret = load_master_secret(settings.var_dir / "keys")
        logins = open_logins(settings, keys, master_secret, clock)
        for login in logins.values():
            stack.push_async_callback(login.close)
        bank_transfer = open_bank_transfer(settings, keys, clock)
        if bank_transfer is not None:
            stack.push_async_callback(bank_transfer.close)
        rules = await rules_at_start(database, clock())
        catalogue = await contracts_at_start(database, catalogue_of_this_release(), clock())
        catalogue = await asyncio.to_thread(_compiled, catalogue, rules)
        owners = open_data_owners(settings.owners)
        live = LiveShelf(
            pool=database.hot,
            checks=GroupOperation(on_database(database.hot, read_live_checks)),
            owners=owners,
            contracts=catalogue.contracts,
            clock=clock,
        )
        stack.push_async_callback(live.close)
        deliveries = Deliveries(database.hot)
        await deliveries.look()
        denied = DeniedTokens(redis)
        tokens = AccessTokens(keys, settings.public_url, denied)
        nonces = Nonces(master_secret.derive("dpop-nonce")) if settings.dpop_nonce else None
        doorkeeper = Doorkeeper(tokens, settings.own_urls, nonces)
        admission = Admission(redis, rate_per_second=settings.rate_per_second, burst=settings.rate_burst)
        spine = Spine(
            doorkeeper=doorkeeper,
            admission=admission,
            catalogue=catalogue,
            shelf=GroupOperation(on_database(database.hot, read_records), batches_max=1, batch_size_max=256),
            shelf_again=GroupOperation(on_database(database.hot, reread_records)),
            live=live,
            deliveries=deliveries,
            look=GroupOperation(on_database(database.hot, look_at_consents)),
            claim_probes=GroupOperation(on_database(database.hot, claim_probes, part_of=attrgetter("uscc"))),
            remember=GroupOperation(on_database(database.hot, remember, part_of=attrgetter("consent_id"))),
            recall=GroupOperation(on_database(database.hot, recall)),
            clock=clock,
        )
        steps = Steps(
            GroupOperation(on_database(database.hot, note_steps), batches_max=1, waiting_max=1000), clock
        )
        stack.push_async_callback(steps.settled)
        hub = Hub(
            settings=settings,
            database=database,
            redis=redis,
            keys=keys,
            master_secret=master_secret,
            catalogue=catalogue,
            tokens=tokens,
            denied=denied,
            nonces=nonces,
            token_server=TokenServer(tokens, settings.public_url),
            doorkeeper=doorkeeper,
            admission=admission,
            clients=GroupOperation(on_database(database.hot, find_clients)),
            rates=Rates(settings),
            availability_ration=Admission(
                redis,
                rate_per_second=settings.availability_per_minute / 60,
                burst=max(1, int(settings.availability_per_minute)),
            ),
            logins=logins,
            bank_transfer=bank_transfer,
            spine=spine,
            steps=steps,
            clock=clock,
        )

        async def take(current: RulesInForce) -> None:
            hub.use(await asyncio.to_thread(_compiled, hub.catalogue, current))

        async with _in_background(
            keys.keep_looking(),
            denied.keep_listening(),
            deliveries.keep_looking(),
            keep_current(database, rules, take),
        ):
            yield hub


@cache
def catalogue_of_this_release() -> Catalogue:
    """The contracts that came with the program: read once, they do not change under it."""
    return load_catalogue()


def _compiled(catalogue: Catalogue, rules: RulesInForce) -> Catalogue:
    return catalogue.under(rules.active, rules.earlier).compiled()


@asynccontextmanager
async def _in_background(*endless: Coroutine[None, None, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in endless]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def on_database(
    pool: asyncpg.Pool,
    statement: Callable[
        [asyncpg.pool.PoolConnectionProxy, Sequence[Ask]], Awaitable[Sequence[Reply | Exception]]
    ],
    *,
    part_of: Callable[[Ask], Hashable] = id,
) -> Callable[[Sequence[Ask]], Awaitable[Sequence[Reply | Exception]]]:
    """A group statement on a connection of the pool, its failures told as ours.

    A batch that met a lock it could not get is done again in parts, the asks of one ``part_of`` together: one
    stuck consent must not hold up the questions that happened to travel with it.
    """

    async def perform(asks: Sequence[Ask]) -> Sequence[Reply | Exception]:
        try:
            async with pool.acquire() as connection:
                try:
                    return await statement(connection, asks)
                except AWAY:
                    connection.terminate()  # whatever state it is in, nobody shall get it again
                    raise
        except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError) as error:
            parts = _numbers_by_part([part_of(ask) for ask in asks])
            if len(parts) == 1:
                raise Unavailable("database_away", "a row stayed locked too long") from error
        except AWAY as error:
            log.warning("database_away", error=type(error).__name__, batch=len(asks))
            raise Unavailable("database_away", f"{type(error).__name__}") from error
        replies: dict[int, Reply | Exception] = {}
        for numbers in parts:
            replies |= zip(numbers, await apart([asks[number] for number in numbers]), strict=True)
        return [replies[number] for number in range(len(asks))]

    async def apart(asks: Sequence[Ask]) -> Sequence[Reply | Exception]:
        try:
            return await perform(asks)
        except Unavailable as error:
            return [error] * len(asks)

    return perform


def _numbers_by_part(parts: Iterable[Hashable]) -> Collection[list[int]]:
    numbers: dict[Hashable, list[int]] = {}
    for number, part in enumerate(parts):
        numbers.setdefault(part, []).append(number)
    return numbers.values()
