"""One linear history; what the rooms believe of their tables, and what the docs say of rights, is what it makes."""

import re
from collections import defaultdict
from typing import NamedTuple

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Column
from sqlalchemy.dialects import postgresql

from consent import metadata as consent
from datasets import metadata as datasets
from ledger import metadata as ledger
from tests.conftest import PROJECT, DatabaseUrls

TABLES = {table.name: table for metadata in (consent, datasets, ledger) for table in metadata.sorted_tables}

COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull AS nullable
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.attnum > 0 AND NOT a.attisdropped
"""
RIGHTS = """
    SELECT c.relname, acl.privilege_type, NULL AS attname
    FROM pg_class c, aclexplode(c.relacl) acl
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
      AND acl.grantee = 'hub_app'::regrole
    UNION ALL
    SELECT c.relname, acl.privilege_type, a.attname
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) acl
    WHERE c.relnamespace = 'public'::regnamespace AND acl.grantee = 'hub_app'::regrole
"""
ORDER = ("SELECT", "INSERT", "UPDATE", "DELETE")
DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class Shape(NamedTuple):
    name: str
    type: str
    nullable: bool


def shape_of(column: Column[object]) -> Shape:
    written = column.type.compile(DIALECT).lower().partition(" collate")[0]
    return Shape(column.name, written, bool(column.nullable))


def test_the_history_is_one_line_with_one_end() -> None:
    history = ScriptDirectory(str(PROJECT / "migrations"))
    assert len(history.get_heads()) == 1
    assert len(history.get_bases()) == 1
    revisions = list(history.walk_revisions())
    assert all(
        revision.down_revision is None or isinstance(revision.down_revision, str) for revision in revisions
    )
    assert len({revision.down_revision for revision in revisions}) == len(revisions)


async def test_the_rooms_know_every_table_and_column_as_it_is(database_urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(database_urls.owner)
    try:
        stored: dict[str, set[Shape]] = defaultdict(set)
        for table, *shape in await connection.fetch(COLUMNS):
            stored[table].add(Shape(*shape))
    finally:
        await connection.close()
    stored.pop("alembic_version")
    assert set(stored) == set(TABLES)
    for name, table in TABLES.items():
        assert {shape_of(column) for column in table.columns} == stored[name], name


async def test_the_rights_in_the_docs_are_the_rights_in_the_database(database_urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(database_urls.owner)
    try:
        granted: dict[str, list[str]] = defaultdict(list)
        for table, right, column in await connection.fetch(RIGHTS):
            granted[table].append(f"{right} ({column})" if column else right)
    finally:
        await connection.close()
    real = {table: ", ".join(sorted(rights, key=rank)) for table, rights in granted.items()}
    text = (PROJECT / "docs" / "ARCHITECTURE.md").read_text()
    rooms = "consent|ledger|datasets|migrations"
    assert dict(re.findall(rf"^\| `(\w+)` \| (?:{rooms}) \| ([A-Z].*) \|$", text, re.MULTILINE)) == real


def rank(right: str) -> tuple[int, str]:
    return ORDER.index(right.partition(" ")[0]), right


async def test_append_only_tables_can_only_be_appended_to(database_urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(database_urls.app)
    try:
        for table in (
            "disclosures",
            "disclosures_default",
            "consent_events",
            "consent_artefacts",
            "signed_form_files",
        ):
            for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}", f"DROP TABLE {table}"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
    finally:
        await connection.close()
