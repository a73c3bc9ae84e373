"""Data that is asked from its owner at call time (接口调用; design.md §4, step 4).

`refresh` makes the stored copy of one enterprise fresh, and the question then reads it as any other: so a retry
finds the very versions that were handed over. A copy that cannot be made fresh is not given: the question ends with
`Unavailable`, unrecorded and uncharged. No connection and no transaction is held while the owner thinks.

Identical questions at the same time cost one ask: in this process they share a task, and of several processes one
holds the lease in ``live_checks`` while the others look whether it has finished.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

import asyncpg
import structlog

from adapters import DataOwner, HealthGate, OwnerRow
from core.clock import Clock
from core.database import AWAY
from core.errors import Unavailable
from core.groups import GroupOperation
from core.identifiers import USCC
from datasets import (
    Contract,
    Failure,
    Lease,
    LeaseLost,
    LiveCheck,
    LiveKey,
    claim_ask,
    clean_answer,
    keep_answer,
    release_ask,
)

LEASE_SPARE_SECONDS = 5
"""for cleaning and storing, after the owner's own time: then a lease counts as abandoned"""
LOOK_AGAIN_SECONDS = 0.05

log = structlog.stdlib.get_logger()


class LiveShelf:
    """``contracts``: all of the catalogue; those without ``[live]`` are of no concern here."""

    def __init__(
        self,
        *,
        pool: asyncpg.Pool,
        checks: GroupOperation[LiveKey, LiveCheck | None],
        owners: Mapping[str, DataOwner],
        contracts: Mapping[str, Contract],
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._checks = checks
        self._owners = owners
        self._clock = clock
        named = sorted({contract.live.owner for contract in contracts.values() if contract.live})
        self._gates = {owner: HealthGate() for owner in named}
        self._flights: dict[LiveKey, asyncio.Task[None]] = {}

    async def close(self) -> None:
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        for owner in self._owners.values():
            await owner.close()

    def owners_health(self) -> dict[str, str]:
        """Owner → ``ok``, ``away``, ``probing`` as this process sees it, or ``not_configured``."""
        return {
            owner: gate.health if owner in self._owners else "not_configured"
            for owner, gate in self._gates.items()
        }

    async def refresh(self, contract: Contract, uscc: USCC) -> None:
        """Ask the owner, unless the stored copy is younger than the contract's ``fresh_minutes``.

        Raises `Unavailable`: ``owner_away``, ``owner_answer_unusable`` or ``database_away``.
        """
        if contract.live is None:
            return
        key = LiveKey(contract.id, uscc)
        known = await self._checks.ask(key)
        if known is not None and known.is_fresh(contract, self._oldest(contract)):
            return
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fetch(contract, key))
            self._flights[key] = flight
            flight.add_done_callback(partial(self._land, key))
        # Whoever goes away takes nothing from the others who wait for the same answer.
        await asyncio.shield(flight)

    def _land(self, key: LiveKey, flight: asyncio.Task[None]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # seen, also when everybody who waited has gone

    def _oldest(self, contract: Contract) -> datetime:
        assert contract.live is not None
        return self._clock() - timedelta(minutes=contract.live.fresh_minutes)

    # --- one ask, for everybody who wants the same

    async def _fetch(self, contract: Contract, key: LiveKey) -> None:
        assert contract.live is not None
        arrived, oldest = self._clock(), self._oldest(contract)
        owner, gate = self._owners.get(contract.live.owner), self._gates[contract.live.owner]
        if owner is None:
            raise self._noted(contract, Unavailable("owner_away", fault="not_configured"))
        give_up = time.monotonic() + 2 * (contract.live.timeout_seconds + LEASE_SPARE_SECONDS)
        while time.monotonic() < give_up:
            if not gate.lets_pass:
                raise self._noted(contract, Unavailable("owner_away", fault="gate_shut"))
            lease = await self._claim(contract, key, arrived, oldest)
            if lease is not None:
                try:
                    await self._ask(contract, key, lease, owner, gate)
                except LeaseLost:
                    continue  # it took so long that another process asks again, or has already
                return
            known = await self._checks.ask(key)
            if known is not None and known.is_fresh(contract, oldest):
                return
            if known is not None and known.failed_since(arrived):
                reason = "owner_away" if known.outcome == "away" else "owner_answer_unusable"
                raise self._noted(contract, Unavailable(reason, fault="seen_by_another_process"))
            if known is not None and known.asking_since is not None:
                oldest = min(
                    oldest, known.asking_since
                )  # its answer will do, although it was asked for before
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        raise self._noted(contract, Unavailable("owner_away", fault="asked_elsewhere_too_long"))

    async def _claim(
        self, contract: Contract, key: LiveKey, arrived: datetime, oldest: datetime
    ) -> Lease | None:
        assert contract.live is not None
        lease_life = timedelta(seconds=contract.live.timeout_seconds + LEASE_SPARE_SECONDS)
        at = self._clock()
        async with self._connection() as connection:
            return await claim_ask(
                connection,
                contract,
                key.uscc,
                at=at,
                arrived=arrived,
                oldest=oldest,
                abandoned_before=at - lease_life,
            )

    async def _ask(
        self, contract: Contract, key: LiveKey, lease: Lease, owner: DataOwner, gate: HealthGate
    ) -> None:
        try:
            rows = await self._rows(contract, key, owner, gate)
            answer = clean_answer(contract, key.uscc, rows, lease.asked_at)
        except Unavailable as error:
            self._noted(contract, error)
            outcome: Failure = "away" if error.reason == "owner_away" else "unusable"
            async with self._connection() as connection:
                await release_ask(connection, key, lease, outcome, at=self._clock())
            raise
        async with self._connection() as connection:
            await keep_answer(connection, contract, key.uscc, lease, answer, at=self._clock())
        if not answer.usable:
            reasons = sorted({row.reason for row in answer.quarantined})
            raise self._noted(
                contract, Unavailable("owner_answer_unusable", fault=f"quarantined: {', '.join(reasons)}")
            )

    async def _rows(
        self, contract: Contract, key: LiveKey, owner: DataOwner, gate: HealthGate
    ) -> list[OwnerRow]:
        assert contract.live is not None
        before = gate.health
        try:
            with gate.passage():
                return await owner.rows_about(
                    key.dataset, key.uscc, timeout_seconds=contract.live.timeout_seconds
                )
        finally:
            if gate.health == "away" and before == "ok":
                log.error("owner_shut_out", owner=contract.live.owner)
            elif gate.health == "ok" and before != "ok":
                log.info("owner_back", owner=contract.live.owner)

    def _noted(self, contract: Contract, error: Unavailable) -> Unavailable:
        """Names the owner and the kind of trouble; never the enterprise, never a row."""
        assert contract.live is not None
        log.warning(
            "owner_failed",
            owner=contract.live.owner,
            dataset=contract.id,
            reason=error.reason,
            fault=error.facts.get("fault"),
        )
        return error

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        """Of the pool, failures told as ours. Raises `Unavailable`."""
        try:
            async with self._pool.acquire() as connection:
                try:
                    yield connection
                except AWAY:
                    connection.terminate()  # whatever state it is in, nobody shall get it again
                    raise
        except (*AWAY, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            raise Unavailable("database_away", type(error).__name__) from error
