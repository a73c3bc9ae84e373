"""Operators: one role each for ever, and rights that do not overlap where something is changed."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import combinations

import asyncpg
import pytest

from consent import (
    RIGHTS,
    ROLES,
    VERBS,
    Operator,
    Role,
    add_operator,
    close_operator,
    deeds,
    find_operator,
    list_operators,
    note_deed,
    note_refused_login,
)
from core.clock import now
from core.database import Database, connect_database
from core.errors import Conflict, InvalidInput, NotFound
from tests.conftest import PROJECT, DatabaseUrls

AT = now()
CHANGING = {"fetch_corrections", "draft_rules", "approve_rules", "handle_notices", "review_forms"}


@pytest.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    connected = await connect_database(database_urls.app, connections=2)
    yield connected
    await connected.close()


async def enter(database: Database, operator_id: str, role: str = "audit_admin") -> None:
    async with database.transaction() as tx:
        await add_operator(tx, operator_id, name="沈计", role=role, at=AT)


# --- rights -----------------------------------------------------------------------------------------------------


def test_every_role_has_its_rights() -> None:
    assert set(RIGHTS) == set(ROLES)


def test_nobody_can_do_what_another_role_does() -> None:
    for one, other in combinations(ROLES, 2):
        assert not RIGHTS[one] & RIGHTS[other] & CHANGING


def test_the_auditor_changes_nothing_and_sees_what_both_others_see() -> None:
    seen = {right for role in ROLES for right in RIGHTS[role]} - CHANGING
    assert RIGHTS["audit_admin"] == seen


@pytest.mark.parametrize("role", ROLES)
def test_a_closed_operator_may_nothing(role: Role) -> None:
    closed = Operator("somebody", "某人", role, AT, AT + timedelta(hours=1))
    assert not any(closed.may(right) for rights in RIGHTS.values() for right in rights)


def test_the_operations_guide_gives_each_role_the_rights_it_has() -> None:
    rows = [line.split("|") for line in (PROJECT / "docs" / "operations.md").read_text().splitlines()]
    written = {
        row[1].strip(" `"): set(re.findall(r"`(\w+)`", row[2]))
        for row in rows
        if len(row) == 4 and row[1].strip(" `") in ROLES
    }
    assert written == RIGHTS


# --- who there is -----------------------------------------------------------------------------------------------


async def test_an_operator_is_entered_once_and_closed_for_ever(database: Database) -> None:
    await enter(database, "shen-ji")
    with pytest.raises(Conflict):
        await enter(database, "shen-ji", "system_admin")
    async with database.transaction() as tx:
        for hours in (1, 2):
            await close_operator(tx, "shen-ji", at=AT + timedelta(hours=hours))
    with pytest.raises(Conflict):
        await enter(database, "shen-ji")
    async with database.transaction() as tx:
        [operator] = await list_operators(tx)
        events = await deeds(tx, limit=10)
    assert (operator.role, operator.closed_at) == ("audit_admin", AT + timedelta(hours=1))
    assert [(event.verb, event.about) for event in events] == [("close", ""), ("add", "audit_admin")]


@pytest.mark.parametrize(
    ("operator_id", "name", "role"),
    [
        ("", "沈计", "audit_admin"),
        ("a", "沈计", "audit_admin"),
        ("-ab", "沈计", "audit_admin"),
        ("Shen", "沈计", "audit_admin"),
        ("shen ji", "沈计", "audit_admin"),
        ("x" * 41, "沈计", "audit_admin"),
        ("shen-ji", " ", "audit_admin"),
        ("shen-ji", "沈\x00计", "audit_admin"),
        ("shen-ji", "沈" * 41, "audit_admin"),
        ("shen-ji", "沈计", "admin"),
    ],
)
async def test_what_is_no_id_name_or_role_is_refused(
    database: Database, operator_id: str, name: str, role: str
) -> None:
    with pytest.raises(InvalidInput):
        async with database.transaction() as tx:
            await add_operator(tx, operator_id, name=name, role=role, at=AT)


async def test_nobody_unknown_is_found_or_closed(database: Database) -> None:
    async with database.transaction() as tx:
        with pytest.raises(NotFound):
            await find_operator(tx, "nobody")
        with pytest.raises(NotFound):
            await close_operator(tx, "nobody", at=AT)


# --- what they did ----------------------------------------------------------------------------------------------


async def test_the_history_comes_newest_first_in_pages_and_by_person(database: Database) -> None:
    for name in ("one", "two"):
        await enter(database, name)
    async with database.transaction() as tx:
        for number in range(5):
            await note_deed(tx, "one", "explain", str(number), at=AT)
        first = await deeds(tx, operator_id="one", limit=2)
        rest = await deeds(tx, operator_id="one", before=first[-1].number, limit=10)
    assert [event.about for event in (*first, *rest)] == ["4", "3", "2", "1", "0", "audit_admin"]


async def test_a_refused_login_is_kept_for_whoever_there_is(database: Database) -> None:
    await enter(database, "shen-ji")
    async with database.transaction() as tx:
        for name in ("shen-ji", "nobody"):
            await note_refused_login(tx, name, at=AT)
        assert [event.verb for event in await deeds(tx, limit=10)] == ["login_refused", "add"]


def test_no_verb_stands_twice() -> None:
    assert len(set(VERBS)) == len(VERBS)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE operator_events SET about = ''",
        "DELETE FROM operator_events",
        "TRUNCATE operator_events",
        "UPDATE operators SET role = 'security_admin'",
        "UPDATE operators SET name = 'x'",
        "DELETE FROM operators",
    ],
)
async def test_the_program_cannot_rewrite_who_did_what(database_urls: DatabaseUrls, statement: str) -> None:
    connection = await asyncpg.connect(database_urls.app)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()
