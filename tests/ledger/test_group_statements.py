"""The two statements of the ledger against each other, and what is settled when a later round meets a lock."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import date
from uuid import UUID, uuid4

import asyncpg
import pytest

from core.clock import now
from core.database import HOT_SETTINGS, SERVER_SETTINGS
from core.errors import Unavailable
from core.identifiers import new_id
from gateway.hub import Hub, on_database
from ledger import Entry, Remembered, recall, remember
from ledger.remember import Connection
from tests.conftest import ENTERPRISE, Consents, DatabaseUrls
from tests.support.bank import Bank
from tests.support.truth import Truth

pytestmark = pytest.mark.usefixtures("bank")


def entry(consent_id: UUID, key: str) -> Entry:
    return Entry(
        decision_id=new_id(),
        at=now(),
        participant_id="test-bank",
        uscc=ENTERPRISE,
        dataset="tax",
        purpose="credit_review",
        mode="collected",
        consent_id=consent_id,
        idempotency_key=key,
        question_digest=b"d" * 32,
        forbidden=None,
        view_id="view",
        record_ids="{1}",
        price_fen=50,
        salt=b"s" * 16,
        answer_digest=b"a" * 32,
        request_id="r",
    )


@pytest.fixture
async def holder(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else, to hold locks with."""
    connection = await asyncpg.connect(database_urls.owner)
    yield connection
    await connection.close()


async def test_many_processes_at_once_spend_and_count_exactly(
    bank: Bank, hub: Hub, consents: Consents, truth: Truth, database_urls: DatabaseUrls
) -> None:
    """Eight backends, few consents, few keys: each batch waits for others and works on rows changed meanwhile."""
    uses = {await consents.active(uses_max=most): most for most in (1, 2, 5, 40, 400)}
    outcomes: Counter[str] = Counter()

    async def process(number: int) -> None:
        chance = random.Random(number)
        connection = await asyncpg.connect(database_urls.app, server_settings=SERVER_SETTINGS | HOT_SETTINGS)
        for _ in range(40):
            batch = [
                entry(chance.choice([*uses]), f"key-{chance.randint(0, 800)}")
                for _ in range(chance.randint(1, 40))
            ]
            batch += chance.choices(batch, k=chance.randint(0, 3))
            batch = [one._replace(decision_id=new_id()) for one in batch]
            for outcome in await remember(connection, batch):
                assert isinstance(outcome, Remembered)
                outcomes[outcome.outcome] += 1
        await connection.close()

    await asyncio.gather(*(process(number) for number in range(8)))
    rows = await truth.disclosures()
    disclosed = Counter(row.consent_id for row in rows if row.outcome == "disclosed")
    refused = {row.consent_id for row in rows if row.outcome == "refused"}
    for consent_id, most in uses.items():
        assert await truth.uses_spent(consent_id) == disclosed[consent_id] <= most
        assert consent_id not in refused or disclosed[consent_id] == most
    assert await truth.count("answered_questions") == disclosed.total() == outcomes["disclosed"]
    assert (await truth.usage())[:3] == (outcomes["disclosed"], 0, outcomes["refused"])
    assert (await truth.usage()).price_fen == 50 * outcomes["disclosed"]


async def test_retries_and_new_questions_do_not_deadlock(hub: Hub, consents: Consents) -> None:
    """Both lock consents; retries come in any order."""
    consent_ids = sorted([await consents.active(uses_max=1000) for _ in range(20)])
    keys = [("test-bank", f"key-{number}") for number in range(20)]
    async with hub.database.hot.acquire() as one, hub.database.hot.acquire() as other:
        await remember(one, [entry(i, key) for i, (_, key) in zip(consent_ids, keys, strict=True)])

        async def ask_again() -> None:
            for _ in range(60):
                assert None not in await recall(one, keys[::-1])

        async def ask_anew() -> None:
            for _ in range(60):
                await remember(other, [entry(consent_id, uuid4().hex) for consent_id in consent_ids])

        await asyncio.gather(ask_again(), ask_anew())


async def test_what_a_first_round_settled_stands_when_the_second_meets_a_lock(
    hub: Hub,
    consents: Consents,
    truth: Truth,
    holder: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last use is asked for twice in one batch, and the consent is locked between the two rounds."""
    consent_id = await consents.active(uses_max=1)
    rounds = 0

    async def remember_with_a_lock_between(
        connection: Connection, entries: Sequence[Entry]
    ) -> Sequence[Remembered | Unavailable]:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            await holder.execute("BEGIN")
            await holder.execute("SELECT FROM consents WHERE consent_id = $1 FOR UPDATE", consent_id)
        return await remember(connection, entries)

    monkeypatch.setattr(sys.modules["ledger.remember"], "remember", remember_with_a_lock_between)
    perform = on_database(hub.database.hot, remember_with_a_lock_between)
    unknown, first, second = await perform(
        [entry(uuid4(), "0"), entry(consent_id, "1"), entry(consent_id, "2")]
    )
    await holder.execute("ROLLBACK")

    assert unknown == Remembered("refused", "consent_unknown")
    assert first == Remembered("disclosed", None)
    assert isinstance(second, Unavailable)
    assert sorted(row.outcome for row in await truth.disclosures()) == ["disclosed", "refused"]
    assert (await truth.usage())[:3] == (1, 0, 1)
    assert await perform([entry(consent_id, "2")]) == [Remembered("refused", "consent_used_up")]


async def test_commits_are_durable_whatever_the_role_is_set_to(
    hub: Hub, database_urls: DatabaseUrls, holder: asyncpg.Connection
) -> None:
    """A role may change its own defaults: the program asks for what it promises."""
    name = await holder.fetchval("SELECT current_database()")
    await holder.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    app = await asyncpg.connect(database_urls.app)
    assert await app.fetchval("SHOW synchronous_commit") == "off"
    await app.close()
    for _ in range(3):
        async with hub.database.hot.acquire() as connection:
            assert await connection.fetchval("SHOW synchronous_commit") == "on"
            connection.terminate()


async def test_a_consent_that_ends_while_the_commit_waits_for_a_lock_lets_nothing_out(
    bank: Bank, hub: Hub, consents: Consents, truth: Truth, holder: asyncpg.Connection
) -> None:
    consent_id = await consents.active()
    await holder.execute(
        "UPDATE consents SET valid_until = now() + interval '400 milliseconds' WHERE consent_id = $1",
        consent_id,
    )
    async with holder.transaction():
        await holder.execute("SELECT FROM consents WHERE consent_id = $1 FOR UPDATE", consent_id)
        waiting = hub.spine.remember.ask(entry(consent_id, "at-the-end"))
        await asyncio.sleep(0.7)
        assert not waiting.done()
    assert await waiting == Remembered("refused", "consent_expired")


# --- limits per day and month, and the data range ---


async def count_of_day(holder: asyncpg.Connection, consent_id: UUID) -> tuple[int, int, int]:
    row = await holder.fetchrow(
        "SELECT uses_spent, spent_today, spent_this_month FROM live_consents WHERE consent_id = $1",
        consent_id,
    )
    assert row is not None
    return row[0], row[1], row[2]


async def test_many_processes_at_once_spend_a_days_uses_exactly(
    hub: Hub, consents: Consents, database_urls: DatabaseUrls, holder: asyncpg.Connection
) -> None:
    """Also in batches of which only the first few may go through."""
    consent_id = await consents.active(uses_max=500, uses_max_day=7, uses_max_month=300)
    outcomes: Counter[tuple[str, str | None]] = Counter()

    async def process(number: int) -> None:
        connection = await asyncpg.connect(database_urls.app, server_settings=SERVER_SETTINGS | HOT_SETTINGS)
        for turn in range(5):
            batch = [entry(consent_id, f"{number}-{turn}-{place}") for place in range(4)]
            for outcome in await remember(connection, batch):
                assert isinstance(outcome, Remembered)
                outcomes[outcome[:2]] += 1
        await connection.close()

    await asyncio.gather(*(process(number) for number in range(4)))
    assert outcomes == {("disclosed", None): 7, ("refused", "consent_used_up_today"): 73}
    assert await count_of_day(holder, consent_id) == (7, 7, 7)


@pytest.mark.parametrize(
    ("days_ago", "outcome"),
    [
        (0, Remembered("refused", "consent_used_up_today")),
        (-1, Remembered("refused", "consent_used_up_today")),  # a commit that waited across midnight
        (1, Remembered("disclosed", None)),
    ],
)
async def test_a_new_day_has_its_uses_again_and_an_old_one_never_comes_back(
    hub: Hub, consents: Consents, holder: asyncpg.Connection, days_ago: int, outcome: Remembered
) -> None:
    consent_id = await consents.active(uses_max_day=2)
    await holder.execute(
        "UPDATE consents SET uses_spent = 2, spent_that_day = 2, spent_that_month = 2,"
        " spent_on = (now() AT TIME ZONE 'Asia/Shanghai')::date - $2::int WHERE consent_id = $1",
        consent_id,
        days_ago,
    )
    async with hub.database.hot.acquire() as connection:
        assert await remember(connection, [entry(consent_id, "1")]) == [outcome]
    if outcome.outcome == "disclosed":
        assert (await count_of_day(holder, consent_id))[:2] == (3, 1)


@pytest.mark.parametrize(
    ("month", "outcome"),
    [
        ("0 months", Remembered("refused", "consent_used_up_this_month")),
        ("1 month", Remembered("disclosed", None)),
    ],
)
async def test_a_new_month_has_its_uses_again(
    hub: Hub, consents: Consents, holder: asyncpg.Connection, month: str, outcome: Remembered
) -> None:
    consent_id = await consents.active(uses_max_month=2)
    await holder.execute(
        "UPDATE consents SET uses_spent = 2, spent_that_day = 1, spent_that_month = 2, spent_on ="
        " (date_trunc('month', now() AT TIME ZONE 'Asia/Shanghai') - $2::text::interval)::date WHERE consent_id = $1",
        consent_id,
        month,
    )
    async with hub.database.hot.acquire() as connection:
        assert await remember(connection, [entry(consent_id, "1")]) == [outcome]
    if outcome.outcome == "disclosed":
        assert await count_of_day(holder, consent_id) == (3, 1, 1)


async def test_a_retry_that_waited_for_the_days_last_use_finds_its_answer(
    hub: Hub, consents: Consents, holder: asyncpg.Connection
) -> None:
    consent_id = await consents.active(uses_max_day=1)
    async with holder.transaction():
        await holder.execute("SELECT FROM consents WHERE consent_id = $1 FOR UPDATE", consent_id)
        tries = [
            asyncio.create_task(on_database(hub.database.hot, remember)([entry(consent_id, "same")]))
            for _ in range(2)
        ]
        await asyncio.sleep(0.3)
    assert sorted(outcome.outcome for [outcome] in await asyncio.gather(*tries)) == [
        "already_answered",
        "disclosed",
    ]


async def test_records_older_than_the_consent_allows_never_leave(
    hub: Hub, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active(data_from=date(2025, 1, 1))
    too_old = Remembered("out_of_range", "consent_data_range", date(2025, 1, 1))
    async with hub.database.hot.acquire() as connection:
        asked = entry(consent_id, "1")
        for oldest in (date(2024, 12, 31), None):
            assert await remember(connection, [asked._replace(oldest=oldest)]) == [too_old]
        assert await truth.disclosures() == []  # nothing recorded, nothing spent: it is asked again with less
        assert await truth.uses_spent(consent_id) == 0
        narrowed = asked._replace(oldest=date(2025, 1, 31))
        nothing = entry(consent_id, "2")._replace(record_ids="{}")
        assert await remember(connection, [narrowed, nothing]) == [
            Remembered("disclosed", None),
            Remembered("nothing_found", None),
        ]
