"""Whoever wrote a rule cannot approve it; one rule set is active; what was decided under an old one stays explainable."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, get_args

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import Database, connect_database
from core.errors import Conflict, InvalidInput, NotFound, Refused
from datasets import (
    ContractError,
    StoredRuleSet,
    activate_rule_set,
    active_mark,
    approve_rule_set,
    draft_rule_set,
    events_of_rule_set,
    find_rule_set,
    list_rule_sets,
    load_active,
    seed_rule_sets,
    withdraw_rule_set,
)
from datasets.catalogue import RULES
from datasets.rule_sets import TRANSITIONS, RuleSetState, RuleSetVerb
from tests.conftest import DatabaseUrls

AT = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
RELEASED = (RULES / "2026-11.toml").read_text("utf-8")


def renamed(rule_set_id: str, toml: str = RELEASED) -> str:
    return toml.replace('id = "2026-11"', f'id = "{rule_set_id}"', 1)


@pytest.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    connected = await connect_database(database_urls.app, connections=4)
    yield connected
    await connected.close()


@pytest.fixture
async def tx(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.transaction() as connection:
        yield connection


async def approved(tx: AsyncConnection, rule_set_id: str) -> None:
    await draft_rule_set(tx, renamed(rule_set_id), by="李起草", at=AT)
    await approve_rule_set(tx, rule_set_id, by="王批准", at=AT)


async def in_state(tx: AsyncConnection, state: RuleSetState) -> str:
    """A rule set that came to this state the proper way (to be retired: withdrawn)."""
    await seed_rule_sets(tx, at=AT)
    await draft_rule_set(tx, renamed("x"), by="李起草", at=AT)
    if state in ("approved", "active"):
        await approve_rule_set(tx, "x", by="王批准", at=AT)
    if state == "active":
        await activate_rule_set(tx, "x", by="赵启用", at=AT)
    if state == "retired":
        await withdraw_rule_set(tx, "x", by="李起草", at=AT, reason="写错了")
    return "x"


DO: dict[RuleSetVerb, Callable[[AsyncConnection, str], Any]] = {
    "approve": lambda tx, name: approve_rule_set(tx, name, by="王批准", at=AT),
    "activate": lambda tx, name: activate_rule_set(tx, name, by="赵启用", at=AT),
    "withdraw": lambda tx, name: withdraw_rule_set(tx, name, by="赵启用", at=AT, reason="不用了"),
}


async def test_from_draft_to_active_with_every_step_in_the_history(tx: AsyncConnection) -> None:
    await seed_rule_sets(tx, at=AT)
    drafted = await draft_rule_set(tx, renamed("2026-12"), by="李起草", at=AT)
    assert (drafted.state, drafted.toml, drafted.rule_set.id) == ("draft", renamed("2026-12"), "2026-12")
    assert (await load_active(tx)).active.id == "2026-11"
    await approve_rule_set(tx, "2026-12", by="王批准", at=AT, reason="已核对")
    active = await activate_rule_set(tx, "2026-12", by="赵启用", at=AT + timedelta(hours=1))
    assert (active.state, active.approved_by, active.activated_by) == ("active", "王批准", "赵启用")
    assert [(e.number, e.verb, e.from_state, e.to_state, e.actor, e.reason)
            for e in await events_of_rule_set(tx, "2026-12")] == [
        (1, "draft", None, "draft", "李起草", ""),
        (2, "approve", "draft", "approved", "王批准", "已核对"),
        (3, "activate", "approved", "active", "赵启用", ""),
    ]  # fmt: skip
    before = await find_rule_set(tx, "2026-11")
    assert (before.state, before.retired_at) == ("retired", AT + timedelta(hours=1))
    [seed, retire] = await events_of_rule_set(tx, "2026-11")
    assert (seed.actor, retire.verb, retire.actor) == ("seed", "retire", "赵启用")
    assert retire.reason == "2026-12 took its place"


@pytest.mark.parametrize("same", ["Li Wei", "li wei", " Li  Wei ", "Ｌｉ Ｗｅｉ"])
async def test_whoever_drafted_a_rule_set_cannot_approve_it(tx: AsyncConnection, same: str) -> None:
    await draft_rule_set(tx, renamed("2026-12"), by="Li Wei", at=AT)
    with pytest.raises(Refused, match="cannot approve"):
        await approve_rule_set(tx, "2026-12", by=same, at=AT)
    assert (await find_rule_set(tx, "2026-12")).state == "draft"


@pytest.mark.parametrize("nobody", ["", "   ", "x" * 101, "a\x00b"])
async def test_nobody_drafts_nothing(tx: AsyncConnection, nobody: str) -> None:
    with pytest.raises(InvalidInput):
        await draft_rule_set(tx, renamed("2026-12"), by=nobody, at=AT)


@pytest.mark.parametrize(("state", "verb"), list(product(get_args(RuleSetState), get_args(RuleSetVerb))))
async def test_in_each_state_only_what_the_table_says_can_be_done(
    tx: AsyncConnection, state: RuleSetState, verb: RuleSetVerb
) -> None:
    name = await in_state(tx, state)
    becomes = TRANSITIONS[state].get(verb)
    if becomes is None or state == "retired":  # this retired one was withdrawn, never active
        with pytest.raises(Conflict):
            await DO[verb](tx, name)
        assert (await find_rule_set(tx, name)).state == state
    else:
        assert (await DO[verb](tx, name)).state == becomes


async def test_the_way_back_to_the_rules_before(tx: AsyncConnection) -> None:
    await seed_rule_sets(tx, at=AT)
    await approved(tx, "2026-12")
    await activate_rule_set(tx, "2026-12", by="赵启用", at=AT)
    await activate_rule_set(tx, "2026-11", by="赵启用", at=AT + timedelta(minutes=5), reason="新规则有误")
    rules = await load_active(tx)
    assert (rules.active.id, [earlier.id for earlier in rules.earlier]) == ("2026-11", ["2026-12"])
    assert {stored.id: stored.state for stored in await list_rule_sets(tx)} == {
        "2026-11": "active",
        "2026-12": "retired",
    }


async def test_the_text_of_a_draft_never_changes(tx: AsyncConnection) -> None:
    first = await draft_rule_set(tx, renamed("2026-12"), by="李起草", at=AT)
    again = await draft_rule_set(tx, renamed("2026-12"), by="孙另人", at=AT + timedelta(days=1))
    assert again == first
    with pytest.raises(Conflict, match="another text"):
        await draft_rule_set(tx, renamed("2026-12") + "# anders\n", by="李起草", at=AT)


CLASH = """
[[rules]]
id = "one-too-many"
participants = ["bank"]
purposes = ["marketing"]
sharing_classes = ["open"]
levels = [1]
views = ["raw"]
because = "试"
because_en = "try"
"""


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (renamed("2026-12") + CLASH, "2026-12.toml: rule one-too-many: decides .* which rule marketing-nothing"),
        (renamed("2026-12").replace('levels = [1, 2]', 'levels = [1, 6]', 1), "2026-12.toml.*levels are 1 to 5"),
        ("id = ", "cannot be read"),
        (renamed("Bad Id"), "an id has"),
        ("title = '无名'", "rule-set.toml"),
    ],
)  # fmt: skip
async def test_a_draft_that_contradicts_itself_is_refused_with_file_rule_and_reason(
    tx: AsyncConnection, toml: str, said: str
) -> None:
    with pytest.raises(ContractError, match=said):
        await draft_rule_set(tx, toml, by="李起草", at=AT)
    assert list(await list_rule_sets(tx)) == []


async def test_what_is_not_there_is_not_found(tx: AsyncConnection) -> None:
    with pytest.raises(NotFound):
        await load_active(tx)
    assert await active_mark(tx) is None
    for verb in DO.values():
        with pytest.raises(NotFound):
            await verb(tx, "2026-12")


# --- the files of a release ---


def folder_with(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / f"{name}.toml").write_text(renamed(name), "utf-8")
    return tmp_path


def facts(stored: StoredRuleSet) -> tuple[str, str, str | None]:
    return stored.state, stored.drafted_by, stored.approved_by


async def test_a_new_database_begins_with_the_newest_file(tx: AsyncConnection, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "2026-11", "2027-01", "2026-06")
    assert await seed_rule_sets(tx, at=AT, folder=folder) == ()
    rules = await load_active(tx)
    assert rules.active.id == "2027-01"
    assert {earlier.id for earlier in rules.earlier} == {"2026-06", "2026-11"}
    assert facts(await find_rule_set(tx, "2027-01")) == ("active", "seed", "release")
    assert await seed_rule_sets(tx, at=AT + timedelta(days=1), folder=folder) == ()
    assert (await load_active(tx)) == rules


async def test_a_later_file_is_a_proposal_and_a_changed_one_changes_nothing(
    tx: AsyncConnection, tmp_path: Path
) -> None:
    folder = folder_with(tmp_path, "2026-11")
    await seed_rule_sets(tx, at=AT, folder=folder)
    (folder_with(tmp_path, "2027-01") / "2026-11.toml").write_text(renamed("2026-11") + "# anders\n", "utf-8")
    assert await seed_rule_sets(tx, at=AT, folder=folder) == ("2026-11",)
    assert facts(await find_rule_set(tx, "2027-01")) == ("draft", "release", None)
    rules = await load_active(tx)
    assert (rules.active.id, rules.earlier) == ("2026-11", ())
    assert (await find_rule_set(tx, "2026-11")).toml == renamed("2026-11")


async def test_a_file_that_contradicts_itself_stops_the_start(tx: AsyncConnection, tmp_path: Path) -> None:
    (tmp_path / "2027-01.toml").write_text(renamed("2027-01") + CLASH, "utf-8")
    with pytest.raises(ContractError, match=r"2027-01\.toml"):
        await seed_rule_sets(tx, at=AT, folder=tmp_path)


async def test_many_processes_start_at_once(database: Database) -> None:
    async def start() -> str:
        async with database.transaction() as tx:
            await seed_rule_sets(tx, at=AT)
            return (await load_active(tx)).mark

    assert len(set(await asyncio.gather(*(start() for _ in range(6))))) == 1


async def test_two_who_activate_at_once_do_it_one_after_the_other(database: Database) -> None:
    async with database.transaction() as tx:
        await seed_rule_sets(tx, at=AT)
        await approved(tx, "a")
        await approved(tx, "b")

    async def activate(name: str) -> None:
        async with database.transaction() as tx:
            await activate_rule_set(tx, name, by="赵启用", at=AT)

    await asyncio.gather(activate("a"), activate("b"))
    async with database.transaction() as tx:
        states = {stored.id: stored.state for stored in await list_rule_sets(tx)}
    assert sorted(states.values()) == ["active", "retired", "retired"]
    assert states["2026-11"] == "retired"


async def test_the_mark_changes_with_the_active_rules_and_with_nothing_else(tx: AsyncConnection) -> None:
    await seed_rule_sets(tx, at=AT)
    mark = await active_mark(tx)
    assert mark == (await load_active(tx)).mark
    await approved(tx, "2026-12")
    assert await active_mark(tx) == mark
    await activate_rule_set(tx, "2026-12", by="赵启用", at=AT)
    changed = await active_mark(tx)
    await activate_rule_set(tx, "2026-11", by="赵启用", at=AT + timedelta(seconds=1))
    assert len({mark, changed, await active_mark(tx)}) == 3


# --- what the database keeps, whoever asks it ---

ENTER = (
    "INSERT INTO rule_sets (rule_set_id, toml, digest, state, drafted_by, drafted_at, approved_by, approved_at,"
    " activated_by, activated_at) VALUES ('x', 't', sha256('t'), :state, 'li', now(), :approved_by,"
    " CASE WHEN cast(:approved_by AS text) IS NULL THEN NULL ELSE now() END, :activated_by,"
    " CASE WHEN cast(:activated_by AS text) IS NULL THEN NULL ELSE now() END)"
)


@pytest.mark.parametrize(
    ("state", "approved_by", "activated_by", "constraint"),
    [
        ("approved", "li", None, "rule_sets_approved_by_another"),
        ("approved", " LI ", None, "rule_sets_approved_by_another"),
        ("active", None, "zhao", "rule_sets_approved_first"),
        ("approved", None, None, "rule_sets_as_its_state_says"),
        ("active", "wang", None, "rule_sets_as_its_state_says"),
        ("draft", "wang", None, "rule_sets_as_its_state_says"),
        ("retired", "wang", None, "rule_sets_as_its_state_says"),
        ("new", None, None, "rule_sets_"),
    ],
)
async def test_the_database_takes_no_rule_set_that_did_not_come_the_proper_way(
    tx: AsyncConnection, state: str, approved_by: str | None, activated_by: str | None, constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        await tx.execute(
            text(ENTER), {"state": state, "approved_by": approved_by, "activated_by": activated_by}
        )


async def test_the_database_takes_no_text_under_the_digest_of_another(tx: AsyncConnection) -> None:
    with pytest.raises(IntegrityError, match="rule_sets_digest_of_text"):
        await tx.execute(
            text(ENTER.replace("'t', sha256", "'other', sha256")),
            {"state": "draft", "approved_by": None, "activated_by": None},
        )


async def test_the_database_takes_one_active_rule_set(tx: AsyncConnection) -> None:
    await seed_rule_sets(tx, at=AT)
    with pytest.raises(IntegrityError, match="rule_sets_one_active"):
        await tx.execute(text(ENTER), {"state": "active", "approved_by": "wang", "activated_by": "zhao"})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rule_sets SET toml = ''",
        "UPDATE rule_sets SET drafted_by = 'x'",
        "UPDATE rule_sets SET digest = ''",
        "DELETE FROM rule_sets",
        "TRUNCATE rule_sets CASCADE",
        "UPDATE rule_set_events SET actor = 'x'",
        "DELETE FROM rule_set_events",
    ],
)
async def test_the_program_has_no_right_to_rewrite_rules_or_their_history(
    connection: asyncpg.Connection, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
