"""入库率, timeliness and completeness: the numbers of the intakes, added up by data set and China's day."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import connect_database
from datasets import (
    Account,
    Catalogue,
    Contract,
    accounts_by_day,
    first_deliveries,
    intakes_to_correct,
    newest_deliveries,
    open_rows,
)
from tests.datasets.conftest import Urls
from tests.datasets.made_up import tax_row
from tests.datasets.taking import Intake

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)  # in China


# --- pure -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "received", "below"),
    [
        (95, 100, False),
        (94, 100, True),
        (949_999, 1_000_000, True),
        (950_000, 1_000_000, False),
        (0, 0, False),
        (0, 1, True),
    ],
)
def test_the_goal_is_kept_from_95_percent_on(taken: int, received: int, below: bool) -> None:
    account = Account(received=received, accepted=taken, quarantined=received - taken)
    assert account.below_goal == below


def test_where_nothing_came_there_is_no_rate() -> None:
    assert (Account().rate, Account().timeliness, Account().completeness) == (None, None, None)


numbers = st.integers(0, 10**12)
some_accounts = st.lists(st.builds(Account, *[numbers] * 10), max_size=5)


@given(some_accounts, some_accounts)
def test_adding_up_is_adding_up(one: list[Account], other: list[Account]) -> None:
    assert Account.of([Account.of(one), Account.of(other)]) == Account.of([*one, *other])
    assert Account.of(one).taken == sum(account.taken for account in one)


# --- from the intakes -------------------------------------------------------------------------------------------


@pytest.fixture
async def tx(database_urls: Urls, connection: asyncpg.Connection) -> AsyncIterator[AsyncConnection]:
    database = await connect_database(database_urls.app, connections=2)
    async with database.transaction() as transaction:
        yield transaction
    await database.close()


async def enter(
    connection: asyncpg.Connection,
    dataset: str = "tax",
    *,
    started_at: datetime = NOON,
    as_of: date = DAY,
    ended_after: timedelta | None = timedelta(minutes=5),
    withdraws: bool = False,
) -> int:
    """An intake of ten rows: 4 new, 3 unchanged, 2 updated, 1 in quarantine; 27 of 36 fields filled."""
    number: int = await connection.fetchval(
        """
        INSERT INTO intakes (dataset, contract_version, file_name, file_digest, as_of, started_at, finished_at,
            received, accepted, unchanged, superseded, quarantined, cells, filled, withdraws)
        VALUES ($1, 1, 'file.csv', '', $2, $3, $4, 10, 4, 3, 2, 1, 36, 27, $5) RETURNING intake_id
        """,
        dataset, as_of, started_at, started_at + ended_after if ended_after is not None else None, withdraws,
    )  # fmt: skip
    return number


async def test_intakes_are_added_up_by_data_set_and_chinas_day(
    connection: asyncpg.Connection, tx: AsyncConnection, catalogue: Catalogue
) -> None:
    for hours in (0, 1, 11, 12):  # noon, one, 23:00, midnight
        await enter(connection, started_at=NOON + timedelta(hours=hours))
    await enter(connection, "registration")
    wanted = {name: catalogue.contracts[name] for name in ("tax", "registration")}
    found = await accounts_by_day(tx, wanted, DAY, DAY + timedelta(days=1))
    assert [(one.dataset, one.day, one.account.intakes) for one in found] == [
        ("registration", DAY, 1),
        ("tax", DAY, 3),
        ("tax", DAY + timedelta(days=1), 1),
    ]
    account = found[1].account
    assert account == Account(3, 3, 3, 30, 12, 9, 6, 3, 108, 81)
    assert (account.rate, account.completeness) == (0.9, 0.75)
    assert await accounts_by_day(tx, wanted, DAY - timedelta(days=9), DAY - timedelta(days=1)) == []
    assert [one.dataset for one in await accounts_by_day(tx, {"tax": wanted["tax"]}, DAY, DAY)] == ["tax"]
    assert await accounts_by_day(tx, {}, DAY, DAY) == []


async def test_in_time_is_up_to_the_last_day_of_the_promise(
    connection: asyncpg.Connection, tx: AsyncConnection, tax: Contract
) -> None:
    await enter(connection, as_of=DAY - timedelta(days=tax.refresh_days))
    await enter(connection, as_of=DAY - timedelta(days=tax.refresh_days + 1))
    await enter(connection, as_of=DAY, ended_after=None)
    [found] = await accounts_by_day(tx, {"tax": tax}, DAY, DAY)
    assert (found.account.intakes, found.account.ended, found.account.timely) == (3, 2, 1)
    assert found.account.timeliness == 0.5


async def test_the_newest_data_and_when_the_next_are_due(
    connection: asyncpg.Connection, tx: AsyncConnection, tax: Contract
) -> None:
    await enter(connection, as_of=date(2026, 9, 30))
    await enter(connection, as_of=date(2026, 10, 31), started_at=NOON - timedelta(days=3))
    await enter(connection, as_of=DAY, ended_after=None)
    await enter(connection, as_of=DAY, withdraws=True)
    found = await newest_deliveries(tx, ["tax", "registration"])
    assert set(found) == {"tax"}
    assert (found["tax"].as_of, found["tax"].arrived_at) == (date(2026, 10, 31), NOON + timedelta(minutes=5))
    assert found["tax"].due(tax) == date(2026, 12, 1)


BAD = "91350100M000100Y44,202601,1,100"


async def test_what_is_open_in_quarantine_stays_until_it_is_corrected(
    intake: Intake, connection: asyncpg.Connection, tx: AsyncConnection
) -> None:
    first = await intake([tax_row(1), BAD, BAD.replace("202601", "202602")])
    second = await intake([tax_row(2), tax_row(3, month="202699")])
    reasons = {(one.dataset, one.reason): one.rows for one in await open_rows(tx, ["tax", "registration"])}
    assert sum(reasons.values()) == first.quarantined + second.quarantined == 3
    assert reasons["tax", "uscc_check_digit"] == 2
    assert await open_rows(tx, ["registration"]) == []
    found = await intakes_to_correct(tx, ["tax"], limit=10)
    assert [(one.intake_id, one.quarantined, one.open_rows) for one in found] == [
        (second.intake_id, 1, 1),
        (first.intake_id, 2, 2),
    ]
    assert [one.intake_id for one in await intakes_to_correct(tx, ["tax"], limit=1)] == [second.intake_id]
    older = await intakes_to_correct(tx, ["tax"], before=second.intake_id, limit=10)
    assert [one.intake_id for one in older] == [first.intake_id]

    await connection.execute(
        "UPDATE quarantined_rows SET resolved_by = $1 WHERE intake_id = $2 AND line_number = 3",
        second.intake_id, first.intake_id,
    )  # fmt: skip
    [_, still] = await intakes_to_correct(tx, ["tax"], limit=10)
    assert (still.quarantined, still.open_rows) == (2, 1)
    assert sum(one.rows for one in await open_rows(tx, ["tax"])) == 2


async def test_the_first_delivery_of_a_data_set_is_the_first_that_ended(
    connection: asyncpg.Connection,
) -> None:
    await enter(connection, ended_after=None, started_at=NOON - timedelta(days=9))
    await enter(connection)
    await enter(connection, started_at=NOON + timedelta(days=1))
    await enter(connection, "registration")
    assert await first_deliveries(connection, ["registration"]) == {"tax": NOON + timedelta(minutes=5)}
