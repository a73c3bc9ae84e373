"""Proof by bank transfer: an amount that only the account tells, said in time, at most three times, by this person."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import (
    BUSINESS_LICENCE,
    Signatory,
    TransferProof,
    account_in,
    answer_transfer,
    fen_in,
    note_returned,
    order_transfer,
    transfers_of,
    vouched,
)
from consent.identity import AMOUNT_FEN_MAX, ANSWER_WITHIN, GOOD_FOR, TRANSFERS_PER_DAY, TRANSFERS_PER_MONTH
from core.clock import now
from core.errors import Conflict, HubError, InvalidInput, NotFound, Refused
from core.identifiers import HALF_WIDTH, new_id
from gateway.hub import Hub
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, signatory_of

KEY = b"of the amounts"
ACCOUNT = "3200000000000012345"
OWNER = replace(signatory_of(ENTERPRISE), assurance="urn:xinyi:loa:2", proven_by=BUSINESS_LICENCE)
AGENT = replace(OWNER, role="agent", name="钱小满", subject="agent-1")
FULL_WIDTH = {half: full for full, half in HALF_WIDTH.items()}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Till:
    """Each step in a transaction of its own, as the pages do it."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.at = now()

    async def order(self, person: Signatory = OWNER, at: datetime | None = None) -> tuple[TransferProof, int]:
        async with self.hub.database.transaction() as tx:
            return await order_transfer(tx, person, ACCOUNT, key=KEY, at=at or self.at)

    async def answer(
        self, proof_id: UUID, fen: int, person: Signatory = OWNER, *, at: datetime | None = None
    ) -> TransferProof:
        async with self.hub.database.transaction() as tx:
            return await answer_transfer(tx, person, proof_id, fen, key=KEY, at=at or self.at)

    async def standing(self, person: Signatory = OWNER, at: datetime | None = None) -> Signatory:
        async with self.hub.database.transaction() as tx:
            return await vouched(tx, person, at or self.at)

    async def all(self, uscc: str = ENTERPRISE) -> Sequence[TransferProof]:
        async with self.hub.database.transaction() as tx:
            return await transfers_of(tx, uscc)


@pytest.fixture
def till(hub: Hub) -> Till:
    return Till(hub)


def another(amount_fen: int) -> int:
    return amount_fen % AMOUNT_FEN_MAX + 1


# --- the way it should go ---------------------------------------------------------------------------------------


async def test_the_right_amount_raises_the_assurance_of_this_person_for_a_year(till: Till) -> None:
    proof, amount = await till.order()
    assert 1 <= amount <= AMOUNT_FEN_MAX
    assert await till.standing() == OWNER
    proven = await till.answer(proof.proof_id, amount)
    assert proven.state_at(till.at) == "proven"
    assert await till.standing() == replace(
        OWNER, assurance="urn:xinyi:loa:3", proven_by="business_licence+bank_transfer"
    )
    assert await till.standing(AGENT) == AGENT
    assert await till.standing(replace(OWNER, uscc=OTHER_ENTERPRISE)) == replace(OWNER, uscc=OTHER_ENTERPRISE)
    assert (await till.standing(at=till.at + GOOD_FOR)).assurance == "urn:xinyi:loa:2"


async def test_who_is_sure_enough_already_stays_as_they_are(till: Till) -> None:
    proof, amount = await till.order()
    await till.answer(proof.proof_id, amount)
    strong = signatory_of(ENTERPRISE)
    assert await till.standing(strong) == strong


async def test_the_enterprise_sees_every_transfer_with_its_end(till: Till) -> None:
    mine, amount = await till.order()
    await till.answer(mine.proof_id, amount)
    await till.order(AGENT)
    theirs, own = await till.all()
    assert [theirs.person_name, own.person_name] == ["钱小满", "张三丰"]
    assert [theirs.state_at(till.at), own.state_at(till.at)] == ["waiting", "proven"]
    assert theirs.state_at(till.at + ANSWER_WITHIN) == "lapsed"
    assert own.account_tail == "2345"
    assert await till.all(OTHER_ENTERPRISE) == []


# --- guessing, waiting, pressing twice ---------------------------------------------------------------------------


async def test_after_three_wrong_amounts_the_right_one_comes_too_late(till: Till) -> None:
    proof, amount = await till.order()
    for left in (2, 1, 0):
        told = await till.answer(proof.proof_id, another(amount))
        assert told.tries_left == left
    with pytest.raises(Conflict) as refused:
        await till.answer(proof.proof_id, amount)
    assert refused.value.reason == "transfer_state"
    assert await till.standing() == OWNER


async def test_three_tries_are_three_however_many_come_at_once(till: Till) -> None:
    proof, amount = await till.order()
    wrong = [fen for fen in range(1, 42) if fen != amount]
    told = await asyncio.gather(*(till.answer(proof.proof_id, fen) for fen in wrong), return_exceptions=True)
    assert sum(isinstance(one, TransferProof) for one in told) == 3
    assert all(isinstance(one, TransferProof | Conflict) for one in told)


async def test_a_right_amount_among_many_guesses_at_once_counts_once(till: Till) -> None:
    proof, amount = await till.order()
    told = await asyncio.gather(
        *(till.answer(proof.proof_id, amount) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(one, TransferProof) and one.proven_at is not None for one in told) == 1


async def test_after_72_hours_the_amount_is_worth_nothing(till: Till) -> None:
    proof, amount = await till.order()
    with pytest.raises(Conflict):
        await till.answer(proof.proof_id, amount, at=till.at + ANSWER_WITHIN)
    proven = await till.answer(proof.proof_id, amount, at=till.at + ANSWER_WITHIN - timedelta(seconds=1))
    assert proven.proven_at is not None


async def test_an_amount_that_was_said_cannot_be_said_again(till: Till) -> None:
    proof, amount = await till.order()
    await till.answer(proof.proof_id, amount)
    with pytest.raises(Conflict):
        await till.answer(proof.proof_id, amount)


async def test_nobody_else_answers_it(till: Till) -> None:
    proof, amount = await till.order()
    for stranger in (AGENT, replace(OWNER, uscc=OTHER_ENTERPRISE)):
        with pytest.raises(NotFound):
            await till.answer(proof.proof_id, amount, stranger)
    with pytest.raises(NotFound):
        await till.answer(new_id(), amount)
    assert [one.tries for one in await till.all()] == [0]


async def test_what_came_back_proves_nothing(till: Till, hub: Hub) -> None:
    proof, amount = await till.order()
    async with hub.database.transaction() as tx:
        await note_returned(tx, proof.proof_id, till.at)
    with pytest.raises(Conflict):
        await till.answer(proof.proof_id, amount)
    assert [one.state_at(till.at) for one in await till.all()] == ["returned"]


async def test_a_late_return_does_not_take_back_what_was_proven(till: Till, hub: Hub) -> None:
    proof, amount = await till.order()
    await till.answer(proof.proof_id, amount)
    async with hub.database.transaction() as tx:
        await note_returned(tx, proof.proof_id, till.at)
    assert (await till.standing()).assurance == "urn:xinyi:loa:3"


# --- how many transfers ------------------------------------------------------------------------------------------


async def test_a_person_waits_for_one_amount_at_a_time(till: Till) -> None:
    await till.order()
    with pytest.raises(Conflict):
        await till.order()
    await till.order(AGENT)


async def test_of_many_presses_at_once_one_is_carried_out(till: Till) -> None:
    told = await asyncio.gather(*(till.order() for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(one, tuple) for one in told) == 1
    assert len(await till.all()) == 1


async def test_an_enterprise_gets_so_many_transfers_a_day_and_a_month(till: Till) -> None:
    people = [replace(AGENT, subject=f"agent-{number}") for number in range(20)]
    at = till.at - 29 * DAY
    for number in range(TRANSFERS_PER_MONTH):
        await till.order(people[number], at + number // TRANSFERS_PER_DAY * (DAY + HOUR))
        if number == TRANSFERS_PER_DAY - 1:
            with pytest.raises(Refused, match="too many") as refused:
                await till.order(people[19], at + 23 * HOUR)
            assert refused.value.reason == "transfer_limit"
    with pytest.raises(Refused, match="too many"):
        await till.order(people[19])
    await till.order(replace(people[19], uscc=OTHER_ENTERPRISE))
    await till.order(people[19], at + 31 * DAY)


# --- what is kept ------------------------------------------------------------------------------------------------


async def test_neither_the_amount_nor_the_account_is_kept_or_logged(
    till: Till, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    proof, amount = await till.order()
    await till.answer(proof.proof_id, another(amount))
    [row] = await hub.database.hot.fetch("SELECT * FROM transfer_proofs")
    assert ACCOUNT not in str(dict(row))
    assert str(amount).encode() != row["amount_digest"]
    assert len(row["amount_digest"]) == 32
    assert ACCOUNT not in caplog.text


async def test_the_program_can_neither_delete_a_proof_nor_change_whose_it_is(till: Till, hub: Hub) -> None:
    await till.order()
    for statement in (
        "DELETE FROM transfer_proofs",
        "UPDATE transfer_proofs SET subject = 'somebody'",
        "UPDATE transfer_proofs SET amount_digest = decode(repeat('00', 32), 'hex')",
        "UPDATE transfer_proofs SET ordered_at = now()",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await hub.database.hot.execute(statement)


# --- what people type --------------------------------------------------------------------------------------------


@given(st.integers(0, 999_999))
def test_every_amount_is_read_to_the_fen(fen: int) -> None:
    yuan = f"{Decimal(fen) / 100:.2f}"
    for typed in (yuan, f" {yuan}元 ", f"¥{yuan}", yuan.replace(".", "。"), yuan.translate(FULL_WIDTH)):
        assert fen_in(typed) == fen
    if fen % 10 == 0:
        assert fen_in(yuan[:-1]) == fen


@given(st.text(max_size=12))
def test_what_is_no_amount_is_told_so(typed: str) -> None:
    try:
        fen = fen_in(typed)
    except InvalidInput:
        return
    assert 0 <= fen < 1_000_000


@pytest.mark.parametrize("typed", ["", "3.271", "-1", "1e3", "3,27", "0x1", "٣", "12345", ".5", "nan"])
def test_an_amount_is_written_in_one_way(typed: str) -> None:
    with pytest.raises(HubError):
        fen_in(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "3200 0000 0000 0012 345",
        "3200-0000-0000-0012-345",
        f" {ACCOUNT}\u3000",
        ACCOUNT.translate(FULL_WIDTH),
    ],
)
def test_an_account_is_read_with_its_blanks(typed: str) -> None:
    assert account_in(typed) == ACCOUNT


@pytest.mark.parametrize("typed", ["", "1234567", "1" * 33, "12345678a", "٣" * 12])
def test_what_is_no_account_is_told_so(typed: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        account_in(typed)
    assert typed not in str(refused.value) or not typed
