"""The allowance of verifications, in a real database: spent exactly, by whoever may ask, and by nobody else."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import asyncpg
import pytest

from core.database import HOT_SETTINGS, SERVER_SETTINGS
from core.identifiers import new_id
from datasets import (
    Probe,
    Statement,
    Verdict,
    check_statements,
    compile_view,
    load_contract,
    probes_of,
    verify,
)
from datasets.catalogue import CONTRACTS, RULES
from datasets.sharing import load_rule_set
from datasets.verification import Kind, bounds_of
from ledger import REMEMBER, Entry, ProbeClaim, Remembered, claim_probes, remember
from ledger.probes import CLAIM_PROBES, GUESSES_ALL_MAX, GUESSES_OWN_MAX, RETRY_HOURS, month_of
from ledger.upkeep import IDEMPOTENCY_KEYS_KEPT
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, DatabaseUrls

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)
BANKS = ["bank-a", "bank-b", "bank-c", "bank-d", "bank-e"]
SPENT = "verification_budget_spent"


@pytest.fixture
async def owner(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.owner)
    yield connection
    await connection.close()


async def connect(urls: DatabaseUrls) -> asyncpg.Connection:
    return await asyncpg.connect(urls.app, server_settings=SERVER_SETTINGS | HOT_SETTINGS)


@pytest.fixture
async def connection(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    """As the program is connected."""
    connected = await connect(database_urls)
    yield connected
    await connected.close()


@pytest.fixture
async def consents(owner: asyncpg.Connection) -> dict[str, UUID]:
    """Each of five banks has the enterprise's consent to see its tax for a credit review."""
    return {bank: await consent_of(owner, bank) for bank in BANKS}


async def consent_of(
    owner: asyncpg.Connection, bank: str, uscc: str = ENTERPRISE, state: str = "active"
) -> UUID:
    consent_id = uuid4()
    await owner.execute(
        "INSERT INTO participants VALUES ($1, '银行', 'bank', now()) ON CONFLICT DO NOTHING", bank
    )
    await owner.execute(
        """
        INSERT INTO consents (consent_id, participant_id, uscc, purpose, datasets, term_days, uses_max, uses_spent,
            retention_days, message, state, requested_at, answer_by, valid_from, valid_until)
        VALUES ($1, $2, $3, 'credit_review', '{tax}', 90, 1000, 0, 30, '', $4, now(), now(), now(),
            now() + interval '1 hour')
        """,
        consent_id,
        bank,
        uscc,
        state,
    )
    return consent_id


def probe(field: str = "sales_fen", part: str = "2026-10", **changes: object) -> Probe:
    values = {
        "number": 0,
        "kind": "at_least",
        "cost": 1,
        "own_max": 6,
        "all_max": 24,
        "guess": False,
    } | changes
    return Probe(field=field, part=part, **values)  # type: ignore[arg-type]


def claim(consent_id: UUID, *probes: Probe, bank: str = "bank-a", **changes: object) -> ProbeClaim:
    numbered = tuple(one._replace(number=number) for number, one in enumerate(probes or (probe(),)))
    plain = ProbeClaim(
        participant_id=bank,
        uscc=ENTERPRISE,
        dataset="tax",
        purpose="credit_review",
        consent_id=consent_id,
        idempotency_key=uuid4().hex,
        question_digest=b"d" * 32,
        at=NOON,
        probes=numbered,
    )
    return plain._replace(**changes)  # type: ignore[arg-type]


async def spent(owner: asyncpg.Connection) -> int:
    return int(await owner.fetchval("SELECT coalesce(sum(cost), 0) FROM probes"))


# --- the allowance ---


async def test_a_bank_may_ask_six_times_about_a_figure_in_a_month_of_china(
    connection: asyncpg.Connection, consents: dict[str, UUID]
) -> None:
    mine = consents["bank-a"]
    for _ in range(6):
        assert await claim_probes(connection, [claim(mine)]) == [None]
    assert await claim_probes(connection, [claim(mine)]) == [SPENT]
    assert await claim_probes(connection, [claim(mine, probe(part="2026-09"))]) == [SPENT]
    other_field, next_bank = claim(mine, probe("vat_paid_fen")), claim(consents["bank-b"], bank="bank-b")
    assert await claim_probes(connection, [other_field, next_bank]) == [None, None]
    still_november = datetime(2026, 11, 30, 15, 59, tzinfo=UTC)
    december_in_china = still_november + timedelta(minutes=1)
    assert await claim_probes(connection, [claim(mine, at=still_november)]) == [SPENT]
    assert await claim_probes(connection, [claim(mine, at=december_in_china)]) == [None]


async def test_all_banks_together_have_a_ceiling(
    connection: asyncpg.Connection, consents: dict[str, UUID]
) -> None:
    for bank in BANKS[:4]:
        assert await claim_probes(connection, [claim(consents[bank], *[probe()] * 6, bank=bank)]) == [None]
    assert await claim_probes(connection, [claim(consents["bank-e"], bank="bank-e")]) == [SPENT]


async def test_a_question_is_granted_whole_or_spends_nothing(
    connection: asyncpg.Connection, consents: dict[str, UUID], owner: asyncpg.Connection
) -> None:
    mine = consents["bank-a"]
    assert await claim_probes(connection, [claim(mine, probe("vat_paid_fen"), *[probe()] * 7)]) == [SPENT]
    names = probe("name", kind="member", cost=4, own_max=6)
    assert await claim_probes(connection, [claim(mine, names, names._replace(number=1))]) == [SPENT]
    assert await spent(owner) == 0
    assert await claim_probes(connection, [claim(mine, names), claim(mine, names)]) == [None, SPENT]
    assert await spent(owner) == 4


async def test_a_figure_is_guessed_three_times_by_one_bank_and_twelve_times_by_all_within_a_year(
    connection: asyncpg.Connection, consents: dict[str, UUID]
) -> None:
    guess = probe(kind="exact", guess=True)
    for month in range(GUESSES_OWN_MAX):
        for bank in BANKS[:4]:
            asked = claim(consents[bank], guess, bank=bank, at=NOON + timedelta(days=31 * month))
            assert await claim_probes(connection, [asked]) == [None]
    later = NOON + timedelta(days=31 * GUESSES_OWN_MAX)
    assert GUESSES_ALL_MAX == GUESSES_OWN_MAX * 4
    assert await claim_probes(connection, [claim(consents["bank-a"], guess, at=later)]) == [SPENT]
    assert await claim_probes(connection, [claim(consents["bank-e"], guess, bank="bank-e", at=later)]) == [
        SPENT
    ]
    of_another_month = guess._replace(part="2026-11")
    assert await claim_probes(connection, [claim(consents["bank-a"], of_another_month, at=later)]) == [None]
    assert await claim_probes(connection, [claim(consents["bank-a"], at=later)]) == [None]  # no guess
    a_year_on = NOON + timedelta(days=366 + 62)
    assert await claim_probes(connection, [claim(consents["bank-a"], guess, at=a_year_on)]) == [None]


async def test_many_processes_at_once_spend_the_allowance_exactly(
    consents: dict[str, UUID], owner: asyncpg.Connection, database_urls: DatabaseUrls
) -> None:
    """Six backends, batches of claims of five banks about three fields in every order: none too many, no deadlock."""
    fields = ["sales_fen", "vat_paid_fen", "cit_paid_fen"]

    async def process(number: int) -> int:
        connected = await connect(database_urls)
        granted = 0
        for turn in range(15):
            order = [*BANKS[number % 5 :], *BANKS[: number % 5]]
            batch = [
                claim(consents[bank], probe(fields[(turn + number) % 3]), bank=bank, uscc=uscc)
                for bank in order
                for uscc in (ENTERPRISE, OTHER_ENTERPRISE)
            ]
            granted += (await claim_probes(connected, batch)).count(None)
        await connected.close()
        return granted

    granted = sum(await asyncio.gather(*(process(number) for number in range(6))))
    rows = await owner.fetch("SELECT uscc, field, sum(cost) AS cost FROM probes GROUP BY uscc, field")
    assert {row["field"]: row["cost"] for row in rows} == dict.fromkeys(fields, 24)
    assert {row["uscc"] for row in rows} == {ENTERPRISE}
    assert granted == 24 * len(fields)
    most = await owner.fetchval(
        "SELECT max(cost) FROM (SELECT sum(cost) AS cost FROM probes GROUP BY participant_id, field) s"
    )
    assert most <= 6


# --- a retry ---


async def test_a_retry_spends_nothing_also_when_the_month_is_over_or_spent(
    connection: asyncpg.Connection, consents: dict[str, UUID], owner: asyncpg.Connection
) -> None:
    first = claim(consents["bank-a"], *[probe()] * 6, at=datetime(2026, 11, 30, 15, 59, tzinfo=UTC))
    again = first._replace(at=first.at + timedelta(hours=RETRY_HOURS - 1))
    assert await claim_probes(connection, [first, first]) == [None, None]
    assert await claim_probes(connection, [again]) == [None]
    assert await spent(owner) == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"question_digest": b"e" * 32},
        {"probes": (probe(part="2026-11"),)},
        {"at": NOON + timedelta(hours=RETRY_HOURS)},
        {"participant_id": "bank-b"},
    ],
    ids=["other statements", "a newer record", "a day later", "another bank"],
)
async def test_a_key_used_for_something_else_is_no_retry(
    connection: asyncpg.Connection,
    consents: dict[str, UUID],
    owner: asyncpg.Connection,
    changes: dict[str, object],
) -> None:
    first = claim(consents["bank-a"], idempotency_key="k")
    other = first._replace(**changes)  # type: ignore[arg-type]
    other = other._replace(consent_id=consents[other.participant_id])
    assert await claim_probes(connection, [first, other]) == [None, None]
    assert await spent(owner) == 2


async def test_the_same_key_at_once_in_many_processes_spends_once(
    consents: dict[str, UUID], owner: asyncpg.Connection, database_urls: DatabaseUrls
) -> None:
    asked = claim(consents["bank-a"], *[probe()] * 6)
    connections = [await connect(database_urls) for _ in range(6)]
    replies = await asyncio.gather(*(claim_probes(one, [asked]) for one in connections))
    assert replies == [[None]] * 6
    assert await spent(owner) == 6
    for one in connections:
        await one.close()


def entry_of(asked: ProbeClaim, forbidden: str | None) -> Entry:
    return Entry(
        decision_id=new_id(),
        at=asked.at,
        participant_id=asked.participant_id,
        uscc=asked.uscc,
        dataset=asked.dataset,
        purpose=asked.purpose,
        mode="verify",
        consent_id=asked.consent_id,
        idempotency_key=asked.idempotency_key,
        question_digest=asked.question_digest,
        forbidden=forbidden,
        view_id="view",
        record_ids="{1}",
        price_fen=10,
        salt=b"s" * 16,
        answer_digest=b"a" * 32,
        request_id="r",
    )


async def test_a_spent_allowance_is_a_recorded_refusal_and_no_obstacle_to_a_retry(
    connection: asyncpg.Connection, consents: dict[str, UUID], owner: asyncpg.Connection
) -> None:
    answered, late = claim(consents["bank-a"], *[probe()] * 6), claim(consents["bank-a"])
    [granted] = await claim_probes(connection, [answered])
    [remembered] = await remember(connection, [entry_of(answered, granted)])
    assert remembered == Remembered("disclosed", None)
    [refusal] = await claim_probes(connection, [late])
    assert await remember(connection, [entry_of(late, refusal)]) == [Remembered("refused", SPENT)]
    # The last records are newer by now, so this is not the same claim; but it was answered.
    renewed = answered._replace(probes=(probe(part="2026-11"),), at=NOON + timedelta(minutes=1))
    [again] = await claim_probes(connection, [renewed])
    assert again is None
    assert await remember(connection, [entry_of(renewed, again)]) == [
        Remembered("already_answered", "already_answered")
    ]
    assert await spent(owner) == 6
    assert (
        await owner.fetchval("SELECT uses_spent FROM consents WHERE consent_id = $1", answered.consent_id)
        == 1
    )


def test_a_claim_is_forgotten_well_before_its_key() -> None:
    """Else a key that was just forgotten, and may be answered anew, would find its claim paid."""
    assert timedelta(hours=RETRY_HOURS) < IDEMPOTENCY_KEYS_KEPT - timedelta(hours=12)


# --- the consent ---


async def test_without_a_consent_nothing_is_spent_and_the_refusal_is_that_of_the_commit(
    connection: asyncpg.Connection, consents: dict[str, UUID], owner: asyncpg.Connection
) -> None:
    """Somebody without a consent must not use up the enterprise's allowance; and a consent given between the claim
    and the commit must not let out what was not claimed: the claim's word is handed on."""
    states = ("revoked", "paused", "awaiting", "expired")
    claims = [
        claim(uuid4()),
        claim(consents["bank-b"]),
        claim(consents["bank-a"], uscc=OTHER_ENTERPRISE),
        claim(consents["bank-a"], purpose="post_loan"),
        claim(consents["bank-a"], dataset="customs"),
        *[claim(await consent_of(owner, "bank-a", state=state)) for state in states],
    ]
    refusals = await claim_probes(connection, claims)
    assert refusals == [
        "consent_unknown",
        "consent_of_another_participant",
        "consent_of_another_enterprise",
        "consent_for_another_purpose",
        "consent_without_dataset",
        *[f"consent_{state}" for state in states],
    ]
    assert await spent(owner) == 0
    for forbidden in (refusals, [None] * len(claims)):
        entries = [entry_of(one, refusal) for one, refusal in zip(claims, forbidden, strict=True)]
        assert [it.reason for it in await remember(connection, entries) if it.reason] == refusals  # type: ignore[union-attr]


def test_claim_and_commit_judge_a_consent_in_the_same_words_and_order() -> None:
    words = r"'(consent_[a-z_]+)'"
    said = [re.findall(words, sql) for sql in (CLAIM_PROBES, REMEMBER)]
    assert said[0] == [word for word in said[1] if word != "consent_expired"]


async def test_probes_can_only_be_appended(connection: asyncpg.Connection, consents: dict[str, UUID]) -> None:
    await claim_probes(connection, [claim(consents["bank-a"])])
    for statement in ("DELETE FROM probes", "TRUNCATE probes", "UPDATE probes SET cost = 1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_an_empty_batch_and_its_order(
    connection: asyncpg.Connection, consents: dict[str, UUID]
) -> None:
    """Whatever order the locks are taken in."""
    batch = [
        claim(consents[bank], bank=bank, uscc=uscc)
        for bank in BANKS
        for uscc in (ENTERPRISE, OTHER_ENTERPRISE)
    ]
    expected = [None, "consent_of_another_enterprise"] * len(BANKS)
    assert await claim_probes(connection, batch) == expected


# --- the attack, with everything in place ---


class Coalition:
    """Three banks after one figure. They share what they learn: it lies from ``low`` to below ``high``."""

    def __init__(self, connection: asyncpg.Connection, consents: dict[str, UUID], figure: int) -> None:
        contract = load_contract(CONTRACTS / "tax.toml")
        rules = load_rule_set(RULES / "2026-11.toml")
        self.bounds = [int(bound) for bound in bounds_of(contract, contract.field_by_name["sales_fen"])]
        self.low, self.high = self.bounds[0], self.bounds[-1]
        self.answers = self.guesses = 0
        self._contract, self._view = (
            contract,
            compile_view(contract, rules, "bank", "credit_review", "verify"),
        )
        self._connection, self._consents = connection, consents
        self._bodies = json.dumps([{"period": "2026-10", "sales_fen": figure}])

    async def ask(
        self, bank: str, at: datetime, kind: Kind, value: int, percent: int | None = None
    ) -> Verdict | None:
        """None when the allowance is spent."""
        statement = Statement("sales_fen", kind, value, tolerance_percent=percent, part="2026-10")
        checks = check_statements(self._contract, self._view, [statement])
        asked = claim(self._consents[bank], bank=bank, at=at)._replace(probes=probes_of(checks, self._bodies))
        if await claim_probes(self._connection, [asked]) != [None]:
            return None
        self.answers += 1
        return verify(checks, self._bodies)[0]

    async def try_everything(self, bank: str, at: datetime, turn: int) -> None:
        inside = [bound for bound in self.bounds if self.low < bound < self.high]
        if inside:
            await self._bisect(bank, at, inside[len(inside) // 2])
            return
        value = self.low + (self.high - self.low) * turn // 400
        if turn % 3:
            cut = await self.ask(bank, at, "tolerance", value, 10 + turn % 40)
            # Neither of the bounds that it was compared with lies within what is left.
            assert cut is None or not any(self.low < edge < self.high for edge in cut.between or ())  # type: ignore[operator]
        else:
            guess = await self.ask(bank, at, "exact", value)
            self.guesses += guess is not None
            assert guess is None or guess.result == "mismatch"

    async def _bisect(self, bank: str, at: datetime, bound: int) -> None:
        verdict = await self.ask(bank, at, "at_least", bound)
        if verdict is not None and verdict.result == "match":
            self.low = bound
        elif verdict is not None:
            self.high = bound


async def test_three_banks_that_bisect_a_tax_figure_for_a_year_learn_two_neighbouring_bounds(
    connection: asyncpg.Connection, consents: dict[str, UUID]
) -> None:
    """They bisect as far as the scale goes, then cut with tolerances of every width and guess what is left; each
    as long as its allowance lasts, every month."""
    figure = 52_680_017
    coalition = Coalition(connection, consents, figure)
    for turn in range(12 * 3 * 10):
        month, bank = divmod(turn // 10, 3)
        await coalition.try_everything(BANKS[bank], NOON + timedelta(days=30 * month), turn)
    neighbours = list(pairwise(coalition.bounds))
    assert (coalition.low, coalition.high) in neighbours
    assert coalition.low <= figure < coalition.high
    assert coalition.high >= 1.2 * coalition.low
    assert coalition.answers == 12 * 3 * 6
    assert coalition.guesses == 3 * GUESSES_OWN_MAX


def test_a_month_begins_at_midnight_in_china() -> None:
    assert month_of(datetime(2026, 10, 31, 16, tzinfo=UTC)).isoformat() == "2026-11-01"
    assert month_of(datetime(2026, 10, 31, 15, 59, tzinfo=UTC)).isoformat() == "2026-10-01"
