"""An owner's answer: cleaned as any delivery, stored whole or not at all, its account exact, marks kept."""

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import SERVER_SETTINGS
from core.errors import Unavailable
from core.identifiers import parse_uscc
from datasets import (
    Catalogue,
    CleanAnswer,
    Contract,
    Lease,
    LeaseLost,
    LiveCheck,
    LiveKey,
    ShelfAsk,
    ShelfReask,
    claim_ask,
    clean_answer,
    keep_answer,
    read_live_checks,
    read_records,
    release_ask,
    reread_records,
)
from datasets.marks import Mark, mark_records
from tests.conftest import DatabaseUrls

USCC = parse_uscc("91350100M000100Y43")
OTHER = parse_uscc("91110108551385082Q")
DATASET = "real_estate_seizures"
AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ROW = {
    "tyshxydm": USCC,
    "bdcdyh": "320583001001GB00001F00010001",
    "cfwh": "（2026）苏0583执1号",
    "cfqssj": "2026-03-01 00:00:00",
    "cfjssj": "2029-02-28",
    "cflx": "1",
    "cfjg": "苏州市示例人民法院",
    "zl": "江苏省苏州市示例路1号",
}
Row = dict[str, str]


def row(number: int = 1, **changes: str) -> Row:
    return ROW | {"cfwh": f"（2026）苏0583执{number}号"} | changes


@pytest.fixture
def contract(catalogue: Catalogue) -> Contract:
    return catalogue.contracts[DATASET]


@pytest.fixture(scope="session")
def session_contract(catalogue: Catalogue) -> Contract:
    return catalogue.contracts[DATASET]


# --- cleaning
# ---------------------------------------------------------------------------------------------------


def test_the_registers_columns_become_the_contracts_fields(contract: Contract) -> None:
    answer = clean_answer(contract, USCC, [row()], AT)
    [record] = answer.records
    assert answer.usable
    assert '"kind":"查封"' in record.body
    assert '"seized_until":"2029-02-28"' in record.body
    assert str(record.as_of) == "2026-11-22"
    assert (answer.received, answer.cells, answer.filled) == (1, len(contract.fields), 7)


def test_the_day_of_the_answer_is_chinas(contract: Contract) -> None:
    [record] = clean_answer(contract, USCC, [row()], datetime(2026, 11, 22, 17, tzinfo=UTC)).records
    assert str(record.as_of) == "2026-11-23"


def test_an_owner_that_has_nothing_says_so(contract: Contract) -> None:
    answer = clean_answer(contract, USCC, [], AT)
    assert (answer.usable, answer.received, answer.records) == (True, 0, ())


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([row(tyshxydm=OTHER)], "wrong_enterprise"),
        ([row(), row(2, tyshxydm=OTHER.lower())], "wrong_enterprise"),
        ([row(tyshxydm=OTHER, cfqssj="?")], "wrong_enterprise"),
        ([{name: cell for name, cell in ROW.items() if name != "tyshxydm"}], "missing_key_column"),
        ([{name: cell for name, cell in ROW.items() if name != "cfwh"}], "missing_required_column"),
        ([row() | {"查封文号": "x"}], "duplicate_header"),
        ([row(number) for number in range(1001)], "too_many_rows"),
    ],
)
def test_an_answer_of_which_nothing_may_be_kept(contract: Contract, rows: Sequence[Row], fault: str) -> None:
    with pytest.raises(Unavailable) as refused:
        clean_answer(contract, USCC, rows, AT)
    assert (refused.value.reason, refused.value.facts["fault"]) == ("owner_answer_unusable", fault)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tyshxydm": ""}, "key_missing"),
        ({"tyshxydm": "913501**********43"}, "masked_uscc"),
        ({"cfqssj": "去年"}, "date_unreadable"),
        ({"cfqssj": "2027-01-01"}, "in_future"),
        ({"cflx": "9"}, "not_in_code_list"),
        ({"cfwh": "暂无"}, "required_missing"),
        ({"cfjg": "法院" * 80, "zl": "半\ud800"}, "undecodable"),
    ],
)
def test_a_row_that_cannot_be_taken_makes_the_answer_unusable(
    contract: Contract, changes: Row, reason: str
) -> None:
    answer = clean_answer(contract, USCC, [row(1), row(2, **changes)], AT)
    assert not answer.usable
    assert {fault for one in answer.quarantined for fault in (one.reason,)} <= {reason, "too_long"}
    assert [one.line_number for one in answer.quarantined] == [2]
    assert len(answer.records) == 1


def test_the_same_row_twice_is_one_record_and_a_different_one_contradicts_it(contract: Contract) -> None:
    answer = clean_answer(contract, USCC, [row(), row(), row(zl="别处")], AT)
    assert (len(answer.records), answer.unchanged) == (1, 1)
    assert [one.reason for one in answer.quarantined] == ["conflicting_duplicate"]


cells = st.dictionaries(
    st.sampled_from([*ROW, "mj", "备注"]),
    st.sampled_from([*ROW.values(), "", "9999-9-9", "2"]) | st.text(max_size=20),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(cells.map(lambda changes: ROW | changes), max_size=6))
def test_every_row_of_any_answer_is_accounted_for(session_contract: Contract, rows: list[Row]) -> None:
    reason, answer = None, None
    try:
        answer = clean_answer(session_contract, USCC, rows, AT)
    except Unavailable as error:
        reason = error.reason
    if answer is None:
        assert reason == "owner_answer_unusable"
        return
    assert answer.received == len(answer.records) + answer.unchanged + len(answer.quarantined)
    assert answer.filled <= answer.cells
    for one in answer.quarantined:
        one.original.encode("utf-8")
        assert "\x00" not in one.original


# --- storing
# ----------------------------------------------------------------------------------------------------


async def claimed(connection: asyncpg.Connection, contract: Contract, at: datetime = AT) -> Lease | None:
    return await claim_ask(
        connection,
        contract,
        USCC,
        at=at,
        arrived=at,
        oldest=at - timedelta(minutes=5),
        abandoned_before=at - timedelta(seconds=10),
    )


async def kept(
    connection: asyncpg.Connection, contract: Contract, rows: Sequence[Row], at: datetime = AT
) -> CleanAnswer:
    lease = await claimed(connection, contract, at)
    assert lease is not None
    answer = clean_answer(contract, USCC, rows, at)
    await keep_answer(connection, contract, USCC, lease, answer, at=at)
    return answer


async def check(connection: asyncpg.Connection) -> LiveCheck:
    [found] = await read_live_checks(connection, [LiveKey(DATASET, USCC)])
    assert found is not None
    return found


async def accounts(connection: asyncpg.Connection) -> list[tuple[int, ...]]:
    rows = await connection.fetch(
        "SELECT received, accepted, unchanged, superseded, quarantined FROM intakes ORDER BY intake_id"
    )
    return [tuple(one) for one in rows]


async def current(connection: asyncpg.Connection) -> list[tuple[str, str, str | None]]:
    rows = await connection.fetch(
        "SELECT body::json->>'document_number', as_of::text, mark FROM records"
        " WHERE dataset = $1 AND uscc = $2 AND superseded_at IS NULL ORDER BY part",
        DATASET,
        USCC,
    )
    return [(one[0], one[1], one[2]) for one in rows]


def later(*, days: int = 0, minutes: int = 0) -> datetime:
    return AT + timedelta(days=days, minutes=minutes)


async def test_what_the_owner_has_is_what_the_shelf_has(
    connection: asyncpg.Connection, contract: Contract
) -> None:
    await kept(connection, contract, [row(1), row(2)])
    await kept(connection, contract, [row(1, zl="江苏省苏州市新路2号"), row(3)], later(minutes=6))
    documents = [one[0] for one in await current(connection)]
    assert documents == ["（2026）苏0583执1号", "（2026）苏0583执3号"]
    assert await accounts(connection) == [(2, 2, 0, 0, 0), (2, 1, 0, 1, 0)]
    [[shelved]] = await read_records(connection, [ShelfAsk(USCC, ((DATASET, 100),))])
    assert "新路2号" in shelved.bodies
    assert "执2号" not in shelved.bodies


async def test_an_unchanged_row_costs_no_version_on_the_same_day_and_one_on_the_next(
    connection: asyncpg.Connection, contract: Contract
) -> None:
    await kept(connection, contract, [row()])
    await kept(connection, contract, [row()], later(minutes=6))
    assert await connection.fetchval("SELECT count(*) FROM records") == 1
    await kept(connection, contract, [row()], later(days=1))
    assert await connection.fetchval("SELECT count(*) FROM records") == 2
    assert [one[1] for one in await current(connection)] == ["2026-11-23"]
    assert await accounts(connection) == [(1, 1, 0, 0, 0), (1, 0, 1, 0, 0), (1, 0, 1, 0, 0)]


async def test_a_lifted_seizure_is_gone_and_the_earlier_answer_still_reproducible(
    connection: asyncpg.Connection, contract: Contract
) -> None:
    await kept(connection, contract, [row()])
    [[before]] = await read_records(connection, [ShelfAsk(USCC, ((DATASET, 100),))])
    await kept(connection, contract, [], later(minutes=6))
    [[after]] = await read_records(connection, [ShelfAsk(USCC, ((DATASET, 100),))])
    assert not after.found
    [[again]] = await reread_records(connection, [ShelfReask((DATASET,), before.record_ids)])
    assert (again.bodies, again.record_ids, again.as_of) == (before.bodies, before.record_ids, before.as_of)
    assert await accounts(connection) == [(1, 1, 0, 0, 0)]
    assert (await check(connection)).outcome == "nothing"


async def test_a_dirty_row_is_quarantined_once_and_nothing_counts_as_checked(
    connection: asyncpg.Connection, contract: Contract
) -> None:
    await kept(connection, contract, [row(1)])
    dirty = [row(2), row(3, cfqssj="去年")]
    await kept(connection, contract, dirty, later(minutes=6))
    seen = await check(connection)
    assert (seen.outcome, seen.checked_at) == ("unusable", AT)
    # What is missing from an unusable answer may be among its bad rows: it is not taken for lifted.
    assert [one[0][-2:] for one in await current(connection)] == ["1号", "2号"]
    [quarantined] = await connection.fetch(
        "SELECT line_number, reason, field, original FROM quarantined_rows"
    )
    assert tuple(quarantined)[:3] == (2, "date_unreadable", "seized_from")
    assert "（2026）苏0583执3号" in quarantined["original"]
    await kept(connection, contract, dirty, later(minutes=7))
    assert await accounts(connection) == [(1, 1, 0, 0, 0), (2, 1, 0, 0, 1)]
    await kept(connection, contract, [row(2), row(3)], later(minutes=8))
    assert (await check(connection)).outcome == "records"
    assert await accounts(connection) == [(1, 1, 0, 0, 0), (2, 1, 0, 0, 1), (2, 1, 1, 0, 0)]


async def test_a_mark_is_kept_by_the_next_version(connection: asyncpg.Connection, contract: Contract) -> None:
    await kept(connection, contract, [row(1), row(2)])
    await put_mark(connection, "（2026）苏0583执1号", "disputed")
    await put_mark(connection, "（2026）苏0583执2号", "withheld")
    await kept(connection, contract, [row(1, zl="新"), row(2, zl="新")], later(minutes=6))
    assert [one[2] for one in await current(connection)] == ["disputed", "withheld"]


async def test_a_withheld_record_stays_withheld_when_it_comes_back(
    connection: asyncpg.Connection, contract: Contract
) -> None:
    await kept(connection, contract, [row()])
    await put_mark(connection, "（2026）苏0583执1号", "withheld")
    await kept(connection, contract, [], later(minutes=6))
    await kept(connection, contract, [row(zl="新")], later(minutes=12))
    assert [one[2] for one in await current(connection)] == ["withheld"]
    [[shelved]] = await read_records(connection, [ShelfAsk(USCC, ((DATASET, 100),))])
    assert not shelved.found


async def part_of(connection: asyncpg.Connection, document: str) -> str:
    part = await connection.fetchval(
        "SELECT part FROM records WHERE superseded_at IS NULL AND body::json->>'document_number' = $1",
        document,
    )
    assert isinstance(part, str)
    return part


async def put_mark(connection: asyncpg.Connection, document: str, mark: Mark) -> None:
    part = await part_of(connection, document)
    marked = await mark_records(
        connection, DATASET, USCC, mark, part=part, actor="clerk", reason="objection 1"
    )
    assert marked == 1


async def test_a_mark_that_is_set_while_an_answer_is_stored_is_not_lost(
    connection: asyncpg.Connection, contract: Contract, database_urls: DatabaseUrls
) -> None:
    await kept(connection, contract, [row()])
    marker = await asyncpg.connect(database_urls.app, server_settings=SERVER_SETTINGS)
    try:
        marking = marker.transaction()
        await marking.start()
        await put_mark(marker, "（2026）苏0583执1号", "disputed")
        storing = asyncio.create_task(kept(connection, contract, [row(zl="新")], later(minutes=6)))
        await asyncio.sleep(0.2)
        assert not storing.done()
        await marking.commit()
        await storing
    finally:
        await marker.close()
    assert [one[2] for one in await current(connection)] == ["disputed"]
    assert await accounts(connection) == [(1, 1, 0, 0, 0), (1, 0, 0, 1, 0)]


async def test_after_any_history_the_shelf_is_the_last_good_answer_and_every_earlier_one_can_be_read_again(
    connection: asyncpg.Connection, contract: Contract
) -> None:
    dice = random.Random(7)
    given: list[tuple[list[int], str]] = []
    received = 0
    for step in range(40):
        numbers = dice.sample(range(6), dice.randrange(5))
        rows = [row(number, zl=dice.choice(["甲路1号", "乙路2号"])) for number in numbers]
        dirty = [row(9, cfqssj="去年", cfwh=f"{step}号")] if dice.random() < 0.2 else []
        answer = await kept(connection, contract, rows + dirty, later(minutes=500 * step))
        received += answer.received
        [[shelved]] = await read_records(connection, [ShelfAsk(USCC, ((DATASET, 100),))])
        if answer.usable:
            assert sorted(one["document_number"] for one in json.loads(shelved.bodies)) == sorted(
                one["cfwh"] for one in rows
            )
            assert {one.as_of for one in answer.records} in (set(), {shelved.as_of})
        if shelved.found:
            given.append((shelved.record_ids, shelved.bodies))
    for record_ids, bodies in given:
        [[again]] = await reread_records(connection, [ShelfReask((DATASET,), record_ids)])
        assert again.bodies == bodies
    assert sum(one[0] for one in await accounts(connection)) == received


# --- the right to ask
# -------------------------------------------------------------------------------------------


async def test_one_asks_and_the_others_do_not(connection: asyncpg.Connection, contract: Contract) -> None:
    lease = await claimed(connection, contract)
    assert lease is not None
    assert await claimed(connection, contract) is None
    assert (await check(connection)).asking_since == AT
    await release_ask(connection, LiveKey(DATASET, USCC), lease, "away", at=later(minutes=1))
    seen = await check(connection)
    assert (seen.outcome, seen.asking_since, seen.failed_since(AT)) == ("away", None, True)
    # Who waited for that ask has his answer with it; who comes later asks anew.
    assert await claimed(connection, contract) is None
    assert await claimed(connection, contract, later(minutes=2)) is not None


async def test_nobody_asks_while_the_copy_is_fresh(
    connection: asyncpg.Connection, contract: Contract
) -> None:
    await kept(connection, contract, [row()])
    assert await claimed(connection, contract, later(minutes=5)) is None
    assert (await check(connection)).is_fresh(contract, AT)
    assert await claimed(connection, contract, later(minutes=6)) is not None


async def test_a_copy_of_another_version_of_the_contract_is_not_fresh(
    connection: asyncpg.Connection, contract: Contract
) -> None:
    await kept(connection, contract, [row()])
    await connection.execute("UPDATE live_checks SET contract_version = contract_version - 1")
    assert not (await check(connection)).is_fresh(contract, AT)
    assert await claimed(connection, contract, later(minutes=1)) is not None


async def test_who_takes_too_long_loses_the_right_and_stores_nothing(
    connection: asyncpg.Connection, contract: Contract
) -> None:
    slow = await claimed(connection, contract)
    assert slow is not None
    await kept(connection, contract, [row(2)], AT + timedelta(seconds=11))
    with pytest.raises(LeaseLost):
        await keep_answer(
            connection, contract, USCC, slow, clean_answer(contract, USCC, [row(1)], AT), at=later(minutes=1)
        )
    await release_ask(connection, LiveKey(DATASET, USCC), slow, "away", at=later(minutes=1))
    assert [one[0][-2:] for one in await current(connection)] == ["2号"]
    assert (await check(connection)).outcome == "records"


async def test_enterprises_that_nobody_asked_about_have_no_check(connection: asyncpg.Connection) -> None:
    assert await read_live_checks(connection, [LiveKey(DATASET, OTHER)] * 2) == [None, None]


async def test_a_check_is_whole(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(
            "INSERT INTO live_checks (dataset, uscc, asking) VALUES ($1, $2, 1)", DATASET, USCC
        )
