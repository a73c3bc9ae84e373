"""Live data over real HTTP and a real database: fresh or refused, asked once, never a stale copy in silence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from adapters import DataOwner, OwnerRow
from core.database import HOT_SETTINGS, SERVER_SETTINGS
from core.errors import Unavailable
from core.groups import GroupOperation
from core.identifiers import USCC, parse_uscc
from datasets import Catalogue, Contract, ShelfAsk, Shelved, load_catalogue, read_live_checks, read_records
from gateway.hub import on_database
from gateway.queries.live import LiveShelf
from sandbox.data_owner import DataOwner as Register
from tests.conftest import DatabaseUrls
from tests.support.owner import ENTERPRISE, SEIZURES, exchange_owner, played_register, serving

USCC_ = parse_uscc(ENTERPRISE)
OWNER = "real_estate_register"


class Clock:
    """Time that passes only when told, but for a microsecond at every look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def passes(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def contract(catalogue: Catalogue) -> Contract:
    return catalogue.contracts[SEIZURES]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def register() -> Register:
    return played_register()


@pytest.fixture
async def url(register: Register, free_port: int) -> AsyncIterator[str]:
    async with serving(register, free_port) as address:
        yield address


@pytest.fixture
async def pool(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(
        database_urls.app, min_size=0, max_size=4, server_settings=SERVER_SETTINGS | HOT_SETTINGS
    ) as opened:
        yield opened


NewShelf = Callable[..., LiveShelf]


@pytest.fixture
async def new_shelf(
    pool: asyncpg.Pool, catalogue: Catalogue, clock: Clock, url: str
) -> AsyncIterator[NewShelf]:
    """Each as one more process of the hub would have it: nothing shared but the database."""
    async with AsyncExitStack() as stack:

        def make(owner: DataOwner | None = None, **contracts: Contract) -> LiveShelf:
            shelf = LiveShelf(
                pool=pool,
                checks=GroupOperation(on_database(pool, read_live_checks)),
                owners={OWNER: owner or exchange_owner(url)},
                contracts=contracts or catalogue.contracts,
                clock=clock,
            )
            stack.push_async_callback(shelf.close)
            return shelf

        yield make


@pytest.fixture
def live(new_shelf: NewShelf) -> LiveShelf:
    return new_shelf()


async def shelved(pool: asyncpg.Pool) -> Shelved:
    async with pool.acquire() as connection:
        [[found]] = await read_records(connection, [ShelfAsk(USCC_, ((SEIZURES, 100),))])
    return found


async def refused(live: LiveShelf, contract: Contract) -> tuple[str, str]:
    with pytest.raises(Unavailable) as failure:
        await live.refresh(contract, USCC_)
    return failure.value.reason, str(failure.value.facts.get("fault"))


class CountingOwner:
    """An owner that answers when it is let, and counts how often it was asked."""

    def __init__(self, *answers: list[OwnerRow] | Unavailable) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def rows_about(self, dataset: str, uscc: USCC, *, timeout_seconds: float) -> list[OwnerRow]:
        self.asked += 1
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        await self.may_answer.wait()
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    async def close(self) -> None:
        self.may_answer.set()


# --- fresh or asked
# ---------------------------------------------------------------------------------------------


async def test_the_copy_is_asked_for_once_and_again_when_it_is_no_longer_fresh(
    live: LiveShelf, contract: Contract, register: Register, clock: Clock, pool: asyncpg.Pool
) -> None:
    await live.refresh(contract, USCC_)
    assert len((await shelved(pool)).record_ids) == 1
    register.enter(ENTERPRISE)
    clock.passes(minutes=4, seconds=59)
    await live.refresh(contract, USCC_)
    assert (register.asked, len((await shelved(pool)).record_ids)) == (1, 1)
    clock.passes(seconds=1)
    await live.refresh(contract, USCC_)
    assert (register.asked, len((await shelved(pool)).record_ids)) == (2, 2)


async def test_a_seizure_that_was_lifted_is_not_given_any_more(
    live: LiveShelf, contract: Contract, register: Register, clock: Clock, pool: asyncpg.Pool
) -> None:
    await live.refresh(contract, USCC_)
    [row] = register.seizures[ENTERPRISE]
    assert register.lift(ENTERPRISE, row["cfwh"])
    clock.passes(minutes=6)
    await live.refresh(contract, USCC_)
    assert not (await shelved(pool)).found


async def test_a_data_set_that_is_not_live_is_no_concern(
    live: LiveShelf, catalogue: Catalogue, register: Register
) -> None:
    await live.refresh(catalogue.contracts["tax"], USCC_)
    assert register.asked == 0


# --- single flight
# ----------------------------------------------------------------------------------------------


async def test_a_hundred_questions_at_once_cost_one_ask(new_shelf: NewShelf, contract: Contract) -> None:
    owner = CountingOwner([])
    live = new_shelf(owner)
    asking = [asyncio.create_task(live.refresh(contract, USCC_)) for _ in range(100)]
    await asyncio.sleep(0.2)
    owner.may_answer.set()
    await asyncio.gather(*asking)
    assert owner.asked == 1


async def test_of_several_processes_one_asks_and_the_others_wait_for_it(
    new_shelf: NewShelf, contract: Contract
) -> None:
    owner = CountingOwner([])
    asking = [asyncio.create_task(new_shelf(owner).refresh(contract, USCC_)) for _ in range(5)]
    await asyncio.sleep(0.3)
    owner.may_answer.set()
    await asyncio.gather(*asking)
    assert owner.asked == 1


async def test_a_failure_is_told_to_all_processes_that_wait(new_shelf: NewShelf, contract: Contract) -> None:
    owner = CountingOwner(Unavailable("owner_away", fault="status_500"), [])
    asking = [asyncio.create_task(new_shelf(owner).refresh(contract, USCC_)) for _ in range(3)]
    await asyncio.sleep(0.3)
    owner.may_answer.set()
    ends = await asyncio.gather(*asking, return_exceptions=True)
    assert [end.reason for end in ends if isinstance(end, Unavailable)] == ["owner_away"] * 3
    assert owner.asked == 1


async def test_without_any_freshness_each_question_asks_and_simultaneous_ones_share(
    new_shelf: NewShelf, contract: Contract
) -> None:
    assert contract.live is not None
    spec = type(contract.live)(owner=OWNER, fresh_minutes=0, timeout_seconds=5)
    always = type(contract)(
        **{name: getattr(contract, name) for name in contract.__struct_fields__} | {"live": spec}
    )
    owner = CountingOwner([])
    owner.may_answer.set()
    live, other = new_shelf(owner, a=always), new_shelf(owner, a=always)
    await live.refresh(always, USCC_)
    owner.may_answer.clear()
    asking = [asyncio.create_task(shelf.refresh(always, USCC_)) for shelf in (live, live, other, other)]
    await asyncio.sleep(0.2)
    owner.may_answer.set()
    await asyncio.gather(*asking)
    assert owner.asked == 2


async def test_who_goes_away_takes_nothing_from_the_others(new_shelf: NewShelf, contract: Contract) -> None:
    owner = CountingOwner([])
    live = new_shelf(owner)
    first, second = (asyncio.create_task(live.refresh(contract, USCC_)) for _ in range(2))
    await asyncio.sleep(0.1)
    first.cancel()
    owner.may_answer.set()
    await second
    assert (first.cancelled(), owner.asked) == (True, 1)


async def test_a_process_that_died_while_asking_holds_nobody_up_for_long(
    live: LiveShelf, contract: Contract, clock: Clock, pool: asyncpg.Pool, register: Register
) -> None:
    await pool.execute(
        "INSERT INTO live_checks (dataset, uscc, asking, asking_since) VALUES ($1, $2, 1, $3)",
        SEIZURES,
        USCC_,
        clock.now - timedelta(seconds=11),
    )
    await live.refresh(contract, USCC_)
    assert register.asked == 1


async def test_no_connection_is_held_while_the_owner_thinks(
    new_shelf: NewShelf, contract: Contract, pool: asyncpg.Pool
) -> None:
    owner = CountingOwner([])
    asking = asyncio.create_task(new_shelf(owner).refresh(contract, USCC_))
    await asyncio.sleep(0.2)
    assert owner.asked == 1
    assert pool.get_idle_size() == pool.get_size()
    owner.may_answer.set()
    await asking


# --- bad days
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manner", "told"),
    [
        ("failing", ("owner_away", "status_500")),
        ("truncated", ("owner_answer_unusable", "not_json")),
        ("another_enterprise", ("owner_answer_unusable", "wrong_enterprise")),
        (
            "dirty",
            (
                "owner_answer_unusable",
                "quarantined: pattern_mismatch",
            ),
        ),
    ],
)
async def test_a_bad_answer_ends_the_question_and_the_next_good_one_is_given(
    live: LiveShelf,
    contract: Contract,
    register: Register,
    pool: asyncpg.Pool,
    clock: Clock,
    manner: str,
    told: tuple[str, str],
) -> None:
    await live.refresh(contract, USCC_)
    clock.passes(minutes=6)
    register.manner = manner  # type: ignore[assignment]
    reason, fault = await refused(live, contract)
    assert (reason, fault.partition(":")[0]) == (told[0], told[1].partition(":")[0])
    register.manner = "well"
    await live.refresh(contract, USCC_)
    assert len((await shelved(pool)).record_ids) == 1


async def test_nothing_about_another_enterprise_is_kept(
    live: LiveShelf, contract: Contract, register: Register, pool: asyncpg.Pool
) -> None:
    register.seizures = {}
    register.manner = "another_enterprise"
    assert await refused(live, contract) == ("owner_answer_unusable", "wrong_enterprise")
    for table in ("records", "intakes", "quarantined_rows"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_an_owner_that_stays_away_is_not_waited_for_and_let_in_again_when_it_answers(
    new_shelf: NewShelf, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = CountingOwner(*[Unavailable("owner_away", fault="TimeoutError")] * 5, [])
    owner.may_answer.set()
    live = new_shelf(owner)
    told = [(await refused(live, contract))[1] for _ in range(7)]
    assert told == ["TimeoutError"] * 5 + ["gate_shut"] * 2
    assert (owner.asked, live.owners_health()) == (5, {OWNER: "away"})
    monkeypatch.setattr(live._gates[OWNER], "_pause_seconds", 0)
    await live.refresh(contract, USCC_)
    assert (owner.asked, live.owners_health()) == (6, {OWNER: "ok"})


async def test_dirty_rows_are_no_reason_to_shut_the_owner_out(
    live: LiveShelf, contract: Contract, register: Register
) -> None:
    register.manner = "dirty"
    for _ in range(6):
        assert (await refused(live, contract))[0] == "owner_answer_unusable"
    assert live.owners_health() == {OWNER: "ok"}


async def test_an_owner_that_nobody_configured_is_away(
    pool: asyncpg.Pool, catalogue: Catalogue, contract: Contract, clock: Clock
) -> None:
    live = LiveShelf(
        pool=pool,
        checks=GroupOperation(on_database(pool, read_live_checks)),
        owners={},
        contracts=catalogue.contracts,
        clock=clock,
    )
    assert await refused(live, contract) == ("owner_away", "not_configured")
    assert live.owners_health() == {OWNER: "not_configured"}


async def test_the_log_names_owner_and_trouble_and_no_enterprise(
    live: LiveShelf, contract: Contract, register: Register, caplog: pytest.LogCaptureFixture
) -> None:
    register.manner = "dirty"
    await refused(live, contract)
    written = caplog.text
    assert "owner_failed" in written
    for content in (ENTERPRISE, "苏州", "去年", register.seizures[ENTERPRISE][0]["cfwh"]):
        assert content not in written
