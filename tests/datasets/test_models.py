"""The tables as this room believes them to be are the tables that the migration makes; rights are by column."""

import asyncpg
import pytest

from datasets import metadata

COLUMNS = """
    SELECT column_name, data_type, is_nullable = 'YES' AS nullable
    FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position
"""
TYPES = {
    "BIGINT": "bigint",
    "INTEGER": "integer",
    "TEXT": "text",
    "BLOB": "bytea",
    "BOOLEAN": "boolean",
    "ARRAY": "ARRAY",
    "DATE": "date",
    "DATETIME": "timestamp with time zone",
}


@pytest.mark.parametrize("name", metadata.tables)
async def test_models_and_migration_agree(connection: asyncpg.Connection, name: str) -> None:
    stored = {(row[0], row[1], row[2]) for row in await connection.fetch(COLUMNS, name)}
    believed = {
        (column.name, TYPES[str(column.type).split()[0]], bool(column.nullable))
        for column in metadata.tables[name].columns
    }
    assert stored == believed


async def test_one_current_version_per_enterprise_and_part(connection: asyncpg.Connection) -> None:
    insert = (
        "INSERT INTO records (dataset, uscc, part, body, digest, as_of, intake_id)"
        " VALUES ('tax', 'X', '2026-10', '{}', '', now(), 1)"
    )
    await connection.execute(insert)
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(insert)
    await connection.execute("UPDATE records SET superseded_at = now() WHERE uscc = 'X'")
    await connection.execute(insert)


async def test_an_account_that_does_not_add_up_is_refused(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(
            "INSERT INTO intakes (dataset, contract_version, file_name, file_digest, as_of, received, accepted)"
            " VALUES ('tax', 1, 'f', '', now(), 10, 9)"
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = '{}'",
        "UPDATE records SET as_of = now()",
        "DELETE FROM records",
        "TRUNCATE records",
        "UPDATE quarantined_rows SET original = ''",
        "DELETE FROM quarantined_rows",
        "UPDATE records SET mark = NULL",
        "UPDATE record_events SET reason = ''",
        "DELETE FROM record_events",
        "DELETE FROM intakes",
    ],
)
async def test_the_program_may_not_rewrite_what_was_delivered(
    connection: asyncpg.Connection, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
