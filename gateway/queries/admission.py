"""May it ask now (design.md §4, step 2): one-time proofs and rates, in Redis, one round trip per batch.

Redis holds nothing that cannot be lost. When it is away, rates are kept by this process alone, at a share of
what a participant may have, and whoever needs the replay protection of a one-time proof is refused: calls over
mutual TLS need none and go on.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple

import structlog

from core.errors import ProofReplayed, TooManyRequests, Unavailable
from core.groups import GroupOperation
from core.redis import AWAY, Redis
from gateway.oauth.dpop import REPLAY_SECONDS

log = structlog.stdlib.get_logger()

# Generic cell rate algorithm: one number per key, the time at which its bucket will be empty again.
# KEYS: rate keys. ARGV: seconds per question, burst in seconds, then how many are asked per key.
# Returns per key how many may pass, then how many microseconds until the next may.
GCRA = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local reply = {}
for i, key in ipairs(KEYS) do
    local asked = tonumber(ARGV[2 + i])
    local empty_at = math.max(tonumber(redis.call('GET', key) or now), now)
    local passed = math.max(0, math.min(asked, math.floor((burst - (empty_at - now)) / interval + 0.000001)))
    empty_at = empty_at + passed * interval
    if passed > 0 then
        redis.call('SET', key, string.format('%.6f', empty_at), 'PX', math.ceil((empty_at - now) * 1000) + 1)
    end
    reply[2 * i - 1] = passed
    reply[2 * i] = math.max(0, math.ceil((empty_at + interval - burst - now) * 1000000))
end
return reply
"""

LOCAL_SHARE = 0.25
"""of the rate, while Redis is away and the processes cannot know of each other"""
TRY_AGAIN_SECONDS = 1.0
RATE_KEYS_MAX = 10_000


class Knock(NamedTuple):
    """One question at the door."""

    rate_key: str
    replay_key: str | None


class Admission:
    def __init__(self, redis: Redis, *, rate_per_second: float, burst: int) -> None:
        self._redis = redis
        self._interval = 1.0 / rate_per_second
        self._burst_seconds = burst * self._interval
        self._local = LocalRates(self._interval / LOCAL_SHARE, self._burst_seconds)
        self._away_until = 0.0
        self._group: GroupOperation[Knock, None] = GroupOperation(
            self._admit_together, batches_max=1, batch_size_max=256
        )

        self._spending: GroupOperation[Mapping[str, int], Sequence[bool]] = GroupOperation(
            self._spend_together, batches_max=1, batch_size_max=256
        )

    @property
    def redis_is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def admit(self, knock: Knock) -> Awaitable[None]:
        """Await it: returns if the question may be asked now. Raises `TooManyRequests`, `ProofReplayed`, `Unavailable`."""
        return self._group.ask(knock)

    async def spend_once(self, key: str, seconds: int) -> None:
        """Raise `ProofReplayed` if ``key`` was spent within ``seconds``, `Unavailable` when nobody can tell."""
        if not all(await self.spend({key: seconds})):
            raise ProofReplayed("proof_replayed")

    async def spend(self, keys: Mapping[str, int]) -> Sequence[bool]:
        """Whether each key was fresh, and is now spent for that many seconds. Raises `Unavailable`."""
        return await self._spending.ask(keys)

    async def _spend_together(self, asks: Sequence[Mapping[str, int]]) -> Sequence[Sequence[bool]]:
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for keys in asks:
                    for key, seconds in keys.items():
                        pipeline.set(key, 1, nx=True, ex=seconds)
                fresh = iter(await pipeline.execute())
        except AWAY as error:
            raise Unavailable("redis_away") from error
        return [[bool(next(fresh)) for _ in keys] for keys in asks]

    async def _admit_together(self, knocks: Sequence[Knock]) -> Sequence[Exception | None]:
        if not self.redis_is_away:
            try:
                return await self._ask_redis(knocks)
            except AWAY as error:
                log.warning("redis_away", error=type(error).__name__)
                self._away_until = time.monotonic() + TRY_AGAIN_SECONDS
        return [self._admit_alone(knock) for knock in knocks]

    async def _ask_redis(self, knocks: Sequence[Knock]) -> Sequence[Exception | None]:
        asked = Counter(knock.rate_key for knock in knocks)
        proofs = [knock.replay_key for knock in knocks if knock.replay_key is not None]
        arguments = [f"{self._interval:.9f}", f"{self._burst_seconds:.6f}", *map(str, asked.values())]
        # EVAL with its text and not EVALSHA: a kilobyte a batch, and never a second round trip for an unknown script.
        if not proofs:
            return self._pass(knocks, asked, await self._redis.eval(GCRA, len(asked), *asked, *arguments), {})
        async with self._redis.pipeline(transaction=False) as pipeline:
            for proof in proofs:
                pipeline.set(proof, 1, nx=True, ex=REPLAY_SECONDS)
            pipeline.eval(GCRA, len(asked), *asked, *arguments)
            *fresh, rates = await pipeline.execute()
        seen: dict[str, list[bool]] = {}
        for proof, first in zip(proofs, fresh, strict=True):
            seen.setdefault(proof, []).append(bool(first))
        return self._pass(knocks, asked, rates, seen)

    def _pass(
        self, knocks: Sequence[Knock], asked: Counter[str], rates: Sequence[int], fresh: dict[str, list[bool]]
    ) -> Sequence[Exception | None]:
        left = dict(zip(asked, rates[0::2], strict=True))
        wait = dict(zip(asked, rates[1::2], strict=True))
        verdicts: list[Exception | None] = []
        for knock in knocks:
            if left[knock.rate_key] <= 0:
                verdicts.append(TooManyRequests("rate_exceeded", wait[knock.rate_key] / 1_000_000))
                continue
            left[knock.rate_key] -= 1
            used = knock.replay_key is not None and not fresh[knock.replay_key].pop(0)
            verdicts.append(ProofReplayed("proof_replayed") if used else None)
        return verdicts

    def _admit_alone(self, knock: Knock) -> Exception | None:
        if knock.replay_key is not None:
            return Unavailable("redis_away", "replay protection is away")
        wait_seconds = self._local.spend(knock.rate_key, time.monotonic())
        return TooManyRequests("rate_exceeded", wait_seconds) if wait_seconds > 0 else None


class LocalRates:
    """The same algorithm in the memory of one process."""

    def __init__(self, interval_seconds: float, burst_seconds: float) -> None:
        self._interval = interval_seconds
        self._burst = max(burst_seconds, interval_seconds)
        self._empty_at: dict[str, float] = {}

    def spend(self, key: str, now: float) -> float:
        """0 when the question may pass, else the seconds to wait."""
        if len(self._empty_at) > RATE_KEYS_MAX:
            self._empty_at = {name: at for name, at in self._empty_at.items() if at > now}
        empty_at = max(self._empty_at.get(key, now), now) + self._interval
        if empty_at - now > self._burst:
            return empty_at - now - self._burst
        self._empty_at[key] = empty_at
        return 0.0
