"""Marks: said at once, kept by what comes later, obeyed by retries, and explainable afterwards."""

import asyncio
import json

import asyncpg
import pytest

from core.database import SERVER_SETTINGS
from datasets import (
    ShelfAsk,
    ShelfReask,
    Shelved,
    mark_records,
    read_records,
    reread_records,
    unmark_records,
    withdraw_records,
)
from tests.datasets.conftest import Urls
from tests.datasets.made_up import tax_row as row
from tests.datasets.made_up import uscc
from tests.datasets.taking import Intake, account

WHO = {"actor": "clerk-7", "reason": "异议受理 2026-118"}


@pytest.fixture
async def stocked(intake: Intake) -> Intake:
    await intake([row(1, "202608"), row(1, "202609"), row(1, "202610"), row(2, "202610")])
    return intake


async def read(intake: Intake, number: int = 1) -> Shelved:
    [[shelved]] = await read_records(intake.connection, [ShelfAsk(uscc(number), (("tax", 24),))])
    return shelved


async def again(intake: Intake, before: Shelved) -> Shelved:
    [[shelved]] = await reread_records(intake.connection, [ShelfReask(("tax",), before.record_ids)])
    return shelved


def periods(shelved: Shelved) -> list[str]:
    return [record["period"] for record in json.loads(shelved.bodies)]


async def test_a_disputed_record_leaves_with_that_word(stocked: Intake) -> None:
    before = await read(stocked)
    assert await mark_records(stocked.connection, "tax", uscc(1), "disputed", part="2026-09", **WHO) == 1
    after = await read(stocked)
    assert after.bodies == before.bodies
    assert after.disputed == [after.record_ids[1]]
    assert await again(stocked, before) == before, "what was answered before is shown as it was"
    assert await again(stocked, after) == after


async def test_a_withheld_record_does_not_leave_and_not_even_again(stocked: Intake) -> None:
    before = await read(stocked)
    assert await mark_records(stocked.connection, "tax", uscc(1), "withheld", part="2026-09", **WHO) == 1
    assert periods(await read(stocked)) == ["2026-10", "2026-08"]
    kept = await again(stocked, before)
    assert kept.held_back == (before.record_ids[1],)
    assert periods(kept) == ["2026-10", "2026-08"]
    assert await unmark_records(stocked.connection, "tax", uscc(1), **WHO) == 1
    assert (await read(stocked)).bodies == before.bodies
    assert await again(stocked, before) == before


async def test_withheld_as_a_whole_nothing_is_found(stocked: Intake) -> None:
    before = await read(stocked)
    assert await mark_records(stocked.connection, "tax", uscc(1), "withheld", **WHO) == 3
    assert not (await read(stocked)).found
    assert (await read(stocked, 2)).found
    assert (await again(stocked, before)).held_back == tuple(before.record_ids)


async def test_an_older_version_of_a_withheld_record_stays_inside_as_well(stocked: Intake) -> None:
    before = await read(stocked, 2)
    await stocked([row(2, "202610", vat=8)])
    await mark_records(stocked.connection, "tax", uscc(2), "withheld", **WHO)
    assert (await again(stocked, before)).held_back == tuple(before.record_ids)


async def test_a_withdrawn_record_is_gone_until_it_is_delivered_again(stocked: Intake) -> None:
    before = await read(stocked, 2)
    assert await withdraw_records(stocked.connection, "tax", uscc(2), **WHO) == 1
    assert await withdraw_records(stocked.connection, "tax", uscc(2), **WHO) == 0
    assert not (await read(stocked, 2)).found
    assert (await again(stocked, before)).held_back == tuple(before.record_ids)
    assert account(await stocked([row(2, "202610")])) == (1, 1, 0, 0, 0)
    assert (await read(stocked, 2)).found
    assert await again(stocked, before) == before


async def test_a_record_that_its_owner_no_longer_has_can_still_be_shown_as_it_was(stocked: Intake) -> None:
    """As after a live answer: superseded without successor, and nobody withdrew it."""
    before = await read(stocked, 2)
    await stocked.connection.execute("UPDATE records SET superseded_at = now() WHERE uscc = $1", uscc(2))
    assert await again(stocked, before) == before


async def test_every_mark_is_a_version_and_an_event(stocked: Intake) -> None:
    connection = stocked.connection
    await mark_records(connection, "tax", uscc(2), "disputed", **WHO)
    assert await mark_records(connection, "tax", uscc(2), "disputed", **WHO) == 0
    await mark_records(connection, "tax", uscc(2), "withheld", **WHO)
    await unmark_records(connection, "tax", uscc(2), **WHO)
    await withdraw_records(connection, "tax", uscc(2), **WHO)
    versions = await connection.fetch(
        "SELECT record_id, mark, body, superseded_at FROM records WHERE uscc = $1 ORDER BY record_id", uscc(2)
    )
    assert [version["mark"] for version in versions] == [None, "disputed", "withheld", None]
    assert len({version["body"] for version in versions}) == 1
    assert None not in [version["superseded_at"] for version in versions]
    ids = [version["record_id"] for version in versions]
    events = await connection.fetch(
        "SELECT verb, mark, record_id, successor_id, actor, reason FROM record_events ORDER BY event_id"
    )
    who = tuple(WHO.values())
    assert [tuple(event) for event in events] == [
        ("mark", "disputed", ids[0], ids[1], *who),
        ("mark", "withheld", ids[1], ids[2], *who),
        ("unmark", None, ids[2], ids[3], *who),
        ("withdraw", None, ids[3], None, *who),
    ]


@pytest.mark.parametrize("who", [{"actor": "", "reason": "x"}, {"actor": "x", "reason": ""}])
async def test_nobody_marks_without_a_name_and_a_reason(stocked: Intake, who: dict[str, str]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await mark_records(stocked.connection, "tax", uscc(1), "withheld", **who)
    assert (await read(stocked)).disputed == []


async def test_a_mark_meets_an_intake_under_way_and_none_is_lost(
    stocked: Intake, database_urls: Urls
) -> None:
    """Whoever is first, the version that is current in the end carries the mark."""
    clerk = await asyncpg.connect(database_urls.app, server_settings=SERVER_SETTINGS)
    try:
        async with stocked.connection.transaction():
            # An intake has superseded the record and has not committed yet.
            await stocked.connection.execute(
                "UPDATE records SET superseded_at = now() WHERE uscc = $1 AND superseded_at IS NULL", uscc(2)
            )
            await stocked.connection.execute(
                "INSERT INTO records (dataset, uscc, part, body, digest, as_of, intake_id)"
                " SELECT dataset, uscc, part, '{}', digest, as_of, intake_id FROM records WHERE uscc = $1",
                uscc(2),
            )
            marking = asyncio.create_task(mark_records(clerk, "tax", uscc(2), "withheld", **WHO))
            await asyncio.sleep(0.2)
            assert not marking.done()
        assert await marking == 1
        assert not (await read(stocked, 2)).found
    finally:
        await clerk.close()


async def test_an_intake_meets_a_mark_under_way_and_keeps_it(stocked: Intake, database_urls: Urls) -> None:
    clerk = await asyncpg.connect(database_urls.app, server_settings=SERVER_SETTINGS)
    try:
        async with clerk.transaction():
            await mark_records(clerk, "tax", uscc(2), "withheld", **WHO)
            taking = asyncio.create_task(stocked([row(2, "202610", vat=8)]))
            await asyncio.sleep(0.3)
            assert not taking.done()
        assert account(await taking) == (1, 0, 0, 1, 0)
        assert not (await read(stocked, 2)).found
    finally:
        await clerk.close()


async def test_an_answer_from_several_data_sets_is_read_again_in_their_order(stocked: Intake) -> None:
    before = [await read(stocked), await read(stocked, 2)]
    ids = [*before[0].record_ids, *before[1].record_ids]
    [shelves, [alone]] = await reread_records(
        stocked.connection,
        [ShelfReask(("registration", "tax", "water"), ids), ShelfReask(("tax",), before[1].record_ids)],
    )
    assert [shelved.record_ids for shelved in shelves] == [[], ids, []]
    assert alone == before[1]
