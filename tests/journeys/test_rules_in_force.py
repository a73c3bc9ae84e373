"""Other rules while the hub runs: obeyed within seconds, without a restart, and the past stays explainable."""

import asyncio
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from core.clock import china_day, now
from core.errors import Unavailable
from datasets import (
    RulesInForce,
    activate_rule_set,
    approve_rule_set,
    draft_rule_set,
    find_rule_set,
    load_active,
    read_rule_set,
)
from datasets.catalogue import RULES
from gateway.decisions import rules as watching
from gateway.decisions.rules import keep_current, replay_recorded, rules_at_start
from gateway.hub import Hub
from tests.conftest import ENTERPRISE, Consents
from tests.support.bank import Bank

SENSITIVE = 'id = "credit-review-sensitive"'
STRICTER = "2026-12"


def stricter() -> str:
    """The rules of the release, but a credit review no longer sees sensitive business data."""
    toml = (RULES / "2026-11.toml").read_text("utf-8").replace('id = "2026-11"', f'id = "{STRICTER}"', 1)
    before, rest = toml.split(SENSITIVE)
    return before + SENSITIVE + rest.replace('views = ["banded", "masked"]', "views = []", 1)


async def publish(hub: Hub) -> None:
    async with hub.database.transaction() as tx:
        await draft_rule_set(tx, stricter(), by="李起草", at=now())
        await approve_rule_set(tx, STRICTER, by="王批准", at=now())
        await activate_rule_set(tx, STRICTER, by="赵启用", at=now())


async def until_in_force(hub: Hub, rule_set_id: str) -> None:
    async with asyncio.timeout(10):
        while hub.catalogue.rule_set.id != rule_set_id:
            await asyncio.sleep(0.05)


def test_the_draft_is_what_it_says() -> None:
    changed = {rule["id"] for rule in tomllib.loads(stricter())["rules"] if not rule["views"]}
    assert "credit-review-sensitive" in changed


@pytest.mark.usefixtures("stocked")
async def test_published_rules_are_obeyed_and_what_was_before_stays_explainable(
    bank: Bank, consents: Consents, hub: Hub
) -> None:
    consent_id = await consents.active()
    before = await bank.query("tax", consent_id, ENTERPRISE, key="before")
    assert before.json()["views"]["sales_fen"] == "banded"
    await publish(hub)
    await until_in_force(hub, STRICTER)
    after = (await bank.query("tax", consent_id, ENTERPRISE)).json()
    assert "sales_fen" in after["withheld"]
    assert (await bank.query("tax", consent_id, ENTERPRISE, key="before")).content == before.content
    for answer, rule_set, view in ((before.json(), "2026-11", "banded"), (after, STRICTER, None)):
        told = (await bank.post("/v1/decisions/explain", {"decision_id": answer["decision_id"]})).json()
        sales = next(field for field in told["fields"] if field["field"] == "sales_fen")
        assert (told["rule_set"], sales["view"], sales["rule"]) == (rule_set, view, "credit-review-sensitive")


@pytest.mark.usefixtures("stocked")
async def test_a_replay_of_what_banks_asked_says_what_a_draft_would_change(
    bank: Bank, consents: Consents, hub: Hub
) -> None:
    consent_id = await consents.active(uses_max=20)
    for _ in range(3):
        await bank.query("tax", consent_id, ENTERPRISE)
    await bank.query("registration", consent_id, ENTERPRISE)
    await bank.query("tax", consent_id, ENTERPRISE, purpose="post_loan")  # refused: for another purpose
    await bank.query("tax", consent_id, ENTERPRISE, purpose="marketing")  # refused by a rule
    draft, today = read_rule_set(stricter()), china_day(now())
    replayed = await replay_recorded(hub.database, hub.catalogue, draft, today, today)
    assert (replayed.calls, replayed.refused_otherwise, replayed.incomparable) == (6, 1, 0)
    lines = {(c.participant_id, c.dataset, c.field): (c.was, c.becomes, c.calls) for c in replayed.changes}
    assert lines["test-bank", "tax", "sales_fen"] == ("banded", None, 3)
    assert replayed.changed == 3 + any(dataset == "registration" for _, dataset, _ in lines)
    earlier = today - timedelta(days=40)
    assert (await replay_recorded(hub.database, hub.catalogue, draft, earlier, today)).calls == 6
    assert (await replay_recorded(hub.database, hub.catalogue, draft, earlier, earlier)).calls == 0


# --- the watch ---


@asynccontextmanager
async def watched(hub: Hub, known: RulesInForce) -> AsyncIterator[list[str]]:
    """The ids of the rule sets that were taken up while the block runs."""
    taken: list[str] = []

    async def take(rules: RulesInForce) -> None:
        taken.append(rules.active.id)

    watch = asyncio.create_task(keep_current(hub.database, known, take, every_seconds=0.01))
    try:
        yield taken
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def test_rules_are_taken_up_once(hub: Hub) -> None:
    async with hub.database.transaction() as tx:
        known = await load_active(tx)
    async with watched(hub, known) as taken:
        await asyncio.sleep(0.1)
        assert taken == []
        await publish(hub)
        async with asyncio.timeout(5):
            while not taken:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
    assert taken == [STRICTER]


async def test_while_the_rules_cannot_be_read_the_known_ones_stay(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hub.database.transaction() as tx:
        known = await load_active(tx)
    real, failures = watching.active_mark, [0]

    async def away(tx: Any) -> str | None:
        failures[0] += 1
        if failures[0] <= 3:
            raise Unavailable("database_away")
        return await real(tx)

    monkeypatch.setattr(watching, "active_mark", away)
    await publish(hub)
    async with watched(hub, known) as taken:
        async with asyncio.timeout(5):
            while not taken:
                await asyncio.sleep(0.01)
    assert (taken, failures[0] > 3) == ([STRICTER], True)


async def test_a_hub_that_starts_again_goes_on_with_the_published_rules(hub: Hub) -> None:
    async with hub.database.transaction() as tx:
        stored = await find_rule_set(tx, "2026-11")
        assert (stored.state, stored.drafted_by, stored.approved_by) == ("active", "seed", "release")
        assert await tx.scalar(text("SELECT count(*) FROM rule_set_events")) == 1
    await publish(hub)
    rules = await rules_at_start(hub.database, now())
    assert (rules.active.id, [earlier.id for earlier in rules.earlier]) == (STRICTER, ["2026-11"])
