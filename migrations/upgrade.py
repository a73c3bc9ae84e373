"""Bring a database to the newest shape, as its owner. One linear history; safe to call at every start."""

from collections.abc import Mapping
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from core.database import AWAY
from core.errors import Unavailable

ONE_AT_A_TIME = 7_302_026  # advisory lock: two programs starting together migrate one after the other


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def newest_revision() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    connection.exec_driver_sql(f"SELECT pg_advisory_lock({ONE_AT_A_TIME})")
    connection.commit()
    command.upgrade(config, "head")


async def upgrade(owner_url: str, datasets: Mapping[str, bool] | None = None) -> None:
    """Migrate the database at ``postgresql://…`` and give each of ``datasets`` its partition of records.

    With each data set stands whether the records of an enterprise are to lie together (`datasets.record_layout`).

    Raises `Unavailable` when the database does not answer or forbids it.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://" + owner_url.split("://", 1)[1],
        connect_args={"server_settings": {"lock_timeout": "30s", "timezone": "UTC"}, "timeout": 5},
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade)
            for dataset, together in (datasets or {}).items():
                await connection.execute(
                    text(
                        "SELECT ensure_record_partition(:dataset), keep_records_together(:dataset, :together)"
                    ),
                    {"dataset": dataset, "together": together},
                )
            await connection.commit()
    except asyncpg.InsufficientPrivilegeError as error:
        raise Unavailable("database_role", f"the migrating role may not do that: {error}") from error
    except AWAY as error:
        raise Unavailable("database_away", f"PostgreSQL does not answer: {type(error).__name__}") from error
    finally:
        await engine.dispose()
