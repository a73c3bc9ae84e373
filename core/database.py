"""PostgreSQL: a SQLAlchemy engine for ordinary work, an asyncpg pool for the group statements of the spine.

Every connection drops to the role ``hub_app``, which may only append to append-only tables, whoever logged in.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from core.errors import Unavailable

APP_ROLE = "hub_app"
APPEND_ONLY = (
    "disclosures",
    "consent_events",
    "consent_artefacts",
    "signed_forms",
    "signed_form_files",
    "signed_form_reviews",
    "consent_steps",
    "operator_events",
    "probes",
    "availability_checks",
    "rule_set_events",
    "contract_versions",
)

SERVER_SETTINGS = {
    "role": APP_ROLE,
    "application_name": "xinyi-hub",
    "timezone": "UTC",
    "jit": "off",
    # The group statements are planned once: their shape does not depend on who is asked about.
    "plan_cache_mode": "force_generic_plan",
    # "Remember before telling": an answer waits for its commit to be durable, whatever server or role are set to.
    "synchronous_commit": "on",
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
}

# The group statements look up a handful of rows by key, in tables that hold nothing today and 10^8 rows next year.
# Their plan is kept, so it must suit both; what a sequential scan of an empty table costs is no guide.
# A consent is locked for as long as a commit takes; one that is stuck must not keep whole batches waiting.
HOT_SETTINGS = {"enable_seqscan": "off", "lock_timeout": "2s"}

# What asyncpg raises when the server is gone, going, or never was there.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that broke in the middle of something
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


@dataclass(frozen=True)
class Database:
    engine: AsyncEngine
    hot: asyncpg.Pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One visible transaction: committed when the block ends, rolled back when it raises.

        Raises `Unavailable` when PostgreSQL is away, going, or a row stays locked; nothing was committed then,
        or the answer to the commit was lost.
        """
        try:
            async with self.engine.begin() as connection:
                yield connection
        except (*AWAY, PoolTimeoutError) as error:
            raise Unavailable("database_away", type(error).__name__) from error
        except DBAPIError as error:
            cause = error.orig.__cause__ if error.orig is not None else None
            if error.connection_invalidated or isinstance(cause, (*AWAY, asyncpg.LockNotAvailableError)):
                raise Unavailable("database_away", type(cause).__name__) from error
            raise

    async def close(self) -> None:
        self.hot.terminate()
        await self.engine.dispose()


async def connect_database(url: str, *, connections: int) -> Database:
    """Open both pools on ``postgresql://…``; half of the connections each. Raises `Unavailable`."""
    engine = create_async_engine(
        "postgresql+asyncpg://" + url.split("://", 1)[1],
        pool_size=connections // 2,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={"server_settings": SERVER_SETTINGS, "timeout": 5},
    )
    try:
        hot = await asyncpg.create_pool(
            url,
            min_size=0,
            max_size=connections - connections // 2,
            timeout=5,
            command_timeout=15,
            server_settings=SERVER_SETTINGS | HOT_SETTINGS,
            max_inactive_connection_lifetime=0,
            reset=_leave_as_it_is,
        )
        database = Database(engine, hot)
        await refuse_too_mighty_role(hot)
    except AWAY as error:
        await engine.dispose()
        raise Unavailable("database_away", f"PostgreSQL does not answer: {type(error).__name__}") from error
    return database


async def _leave_as_it_is(connection: asyncpg.Connection) -> None:
    """The group statements leave no session state behind, so a connection goes back without a RESET round trip."""


async def refuse_too_mighty_role(pool: asyncpg.Pool) -> None:
    """Refuse to run as a role that could rewrite history (design promise 5: append-only by right)."""
    mighty = await pool.fetch(
        """
        SELECT t.name FROM unnest($1::text[]) AS t(name)
        WHERE to_regclass(t.name) IS NOT NULL
          AND (has_table_privilege(t.name, 'UPDATE') OR has_table_privilege(t.name, 'DELETE')
               OR has_table_privilege(t.name, 'TRUNCATE'))
        """,
        list(APPEND_ONLY),
    )
    if mighty:
        names = ", ".join(row["name"] for row in mighty)
        raise Unavailable(
            "database_role", f"role {APP_ROLE} may change append-only tables ({names}); revoke that"
        )
