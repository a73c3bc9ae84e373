"""What a batch costs in round trips: the SQL statements that PostgreSQL counted, the commands that Redis counted.

PostgreSQL counts with pg_stat_statements, which slows it a little: this is measured apart from the speed.
"""

from typing import NamedTuple

import asyncpg
import redis

LIBRARY = "pg_stat_statements"
PROGRAM_ROLE = "hub_app"
SCRIPTS = {"eval", "evalsha"}
BY_THE_SCRIPT = {"time", "get", "set"}
"""called inside the rate script, on the server: no round trips"""
BY_US = {"info", "config|resetstat", "auth", "hello", "client|setinfo", "ping"}


class RoundTrips(NamedTuple):
    answers: int
    read_batches: int
    remember_batches: int
    other_statements: int
    """of the hub, besides its two group statements"""
    rate_batches: int
    other_commands: int

    @property
    def within_budget(self) -> bool:
        """Nothing per call outside of batches; a batch is one statement or one command.

        Every two seconds the hub looks for other rules and first deliveries, whoever asks or not.
        """
        return self.other_statements * 100 <= self.answers and self.other_commands == 0


async def load_counter(superuser_url: str) -> None:
    """Takes effect at the next start of PostgreSQL."""
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute(f"ALTER SYSTEM SET shared_preload_libraries = '{LIBRARY}'")
    finally:
        await connection.close()


async def begin_to_count(superuser_url: str, redis_url: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {LIBRARY}")
        await connection.execute("SELECT pg_stat_statements_reset()")
    finally:
        await connection.close()
    with redis.Redis.from_url(redis_url) as client:
        client.config_resetstat()


async def count_round_trips(superuser_url: str, redis_url: str) -> RoundTrips:
    """What was counted since `begin_to_count`."""
    connection = await asyncpg.connect(superuser_url)
    try:
        rows = await connection.fetch(
            f"SELECT query, calls, rows FROM {LIBRARY} WHERE userid = '{PROGRAM_ROLE}'::regrole"
        )
    finally:
        await connection.close()
    reads = sum(row["calls"] for row in rows if "FROM records" in row["query"])
    remembers = [row for row in rows if "INSERT INTO disclosures" in row["query"]]
    remember_batches = sum(row["calls"] for row in remembers)
    with redis.Redis.from_url(redis_url) as client:
        counted = client.info("commandstats").items()
    commands = {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in counted}
    others = commands.keys() - SCRIPTS - BY_THE_SCRIPT - BY_US
    return RoundTrips(
        answers=sum(row["rows"] for row in remembers),
        read_batches=reads,
        remember_batches=remember_batches,
        other_statements=sum(row["calls"] for row in rows) - reads - remember_batches,
        rate_batches=sum(commands.get(name, 0) for name in SCRIPTS),
        other_commands=sum(commands[name] for name in others),
    )
