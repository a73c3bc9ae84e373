"""Every change of a consent reaches the bank: signed, in order, at least once, and if it cannot, a person."""

import asyncio
import json
import random
import socket
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from consent import (
    close_webhook,
    find_webhook,
    note_handled,
    pause,
    reject,
    renew_secret,
    resume,
    send_again,
    undelivered,
)
from consent.notices import GIVE_UP_AFTER, LONGEST_PAUSE, pause_after
from consent.policies import TRANSITIONS
from consent.security_events import EVENT_OF_VERB
from core.clock import now
from core.errors import NotFound
from gateway.hub import Hub
from gateway.notices.delivery import AT_ONCE, Postman
from sandbox.receiver import Receiver, build
from tests.conftest import ENTERPRISE, Consents, signatory_of
from tests.notices.conftest import Hands, receiver_of, revoked, with_webhook
from tests.support.bank import Bank
from tests.support.receiver import listening


async def states_of_notices(hub: Hub) -> dict[str, int]:
    async with hub.database.transaction() as tx:
        rows = await tx.execute(text("SELECT state, count(*) FROM notices GROUP BY state"))
        return {row[0]: row[1] for row in rows}


def types(receiver: Receiver) -> list[str]:
    return [told["type"] for told in receiver.heard.values()]


# --- what is told


async def test_a_revocation_reaches_the_bank_with_both_proofs(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents
) -> None:
    consent_id = await consents.active()
    await revoked(hub, consent_id)
    assert await postman.go_round("test-bank") == 2
    assert types(receiver) == ["consent.approved", "consent.revoked"]
    number, told = list(receiver.heard.items())[-1]
    assert told["data"]["consent_id"] == str(consent_id)
    assert (told["data"]["state"], told["data"]["by"]) == ("revoked", "enterprise")
    claims = told["claims"]
    assert claims["jti"] == number == f"consent-event-{told['data']['event_id']}"
    assert claims["sub_id"] == {"format": "opaque", "id": str(consent_id)}
    assert list(claims["events"]) == ["urn:xinyi:event:consent-revoked"]
    assert claims["toe"] == claims["iat"]


async def test_no_enterprise_no_person_and_no_reason_leaves(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents
) -> None:
    await revoked(hub, await consents.active())
    await postman.go_round("test-bank")
    sent = json.dumps(list(receiver.heard.values()), ensure_ascii=False)
    signatory = signatory_of(ENTERPRISE)
    for secret in (ENTERPRISE, signatory.name, signatory.subject, signatory.enterprise_name, "不再需要"):
        assert secret not in sent


async def test_each_step_is_told_in_the_order_in_which_it_happened(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents
) -> None:
    consent_id, signatory = await consents.active(), signatory_of(ENTERPRISE)
    for verb in (pause, resume, pause, resume):
        async with hub.database.transaction() as tx:
            await verb(tx, signatory, consent_id, reason="", at=now())
    await revoked(hub, consent_id)
    await postman.go_round("test-bank")
    steps = ["approved", "paused", "resumed", "paused", "resumed", "revoked"]
    assert types(receiver) == [f"consent.{step}" for step in steps]
    numbers = [told["data"]["event_id"] for told in receiver.heard.values()]
    assert numbers == sorted(numbers)


async def test_what_did_not_happen_is_not_told(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents
) -> None:
    asked = await consents.asked()
    async with hub.database.transaction() as tx:
        await reject(tx, signatory_of(ENTERPRISE), asked.consent_id, reason="", at=now())
        await tx.rollback()
    assert await postman.go_round("test-bank") == 0
    assert receiver.calls == []


def test_every_step_but_the_banks_own_request_has_a_name() -> None:
    verbs = {verb for steps in TRANSITIONS.values() for verb in steps}
    assert verbs - {"submit"} == set(EVENT_OF_VERB)


async def test_another_bank_hears_nothing_of_it(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents, other_bank: Bank
) -> None:
    await consents.active(other_bank.client_id)
    assert await postman.go_round("test-bank") == 0
    assert receiver.calls == []


# --- until it is heard


async def test_a_receiver_that_fails_is_tried_again_under_the_same_number(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents, hands: Hands
) -> None:
    receiver.manner.statuses = [500, 503, 204]
    await consents.active()
    heard = []
    for seconds in (0, 15, 60):
        hands.forward(seconds=seconds)
        heard.append(await postman.go_round("test-bank"))
    assert heard == [0, 0, 1]
    assert len(receiver.calls) == 3
    assert set(receiver.calls) == set(receiver.heard)


async def test_it_is_left_in_peace_between_two_attempts(
    postman: Postman, receiver: Receiver, consents: Consents, hands: Hands
) -> None:
    receiver.manner.statuses = [500]
    await consents.active()
    await postman.go_round("test-bank")
    hands.forward(seconds=5)
    await postman.go_round("test-bank")
    assert len(receiver.calls) == 1


async def test_a_receiver_that_asks_for_a_pause_gets_it(
    postman: Postman, receiver: Receiver, consents: Consents, hands: Hands
) -> None:
    receiver.manner.statuses, receiver.manner.headers = [429, 204], {"retry-after": "3600"}
    await consents.active()
    for minutes in (0, 50):
        hands.forward(minutes=minutes)
        assert await postman.go_round("test-bank") == 0
    hands.forward(minutes=11)
    assert await postman.go_round("test-bank") == 1
    assert len(receiver.calls) == 2


async def test_when_it_hears_again_it_hears_everything(
    postman: Postman, receiver: Receiver, consents: Consents, hands: Hands
) -> None:
    """Whoever was away for hours does not wait for hours more."""
    receiver.manner.statuses = [500]
    await consents.active()
    for _ in range(7):
        await postman.go_round("test-bank")
        hands.forward(hours=1)
    await consents.active()
    hands.forward(seconds=1)
    receiver.manner.statuses = [204]
    assert await postman.go_round("test-bank") == 2


async def test_one_notice_that_is_not_taken_holds_up_its_own_consent_only(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents, hands: Hands
) -> None:
    receiver.manner.statuses = [400, 204]
    stuck = await consents.active()
    await postman.go_round("test-bank")
    await revoked(hub, stuck)
    other = await consents.active()
    assert await postman.go_round("test-bank") == 1
    assert [told["data"]["consent_id"] for told in receiver.heard.values()] == [str(other)]
    hands.forward(seconds=15)
    assert await postman.go_round("test-bank") == 2
    assert types(receiver)[1:] == ["consent.approved", "consent.revoked"]


async def test_a_postman_that_was_killed_while_sending_is_followed_by_another(
    hub: Hub,
    new_postman: Callable[[], Postman],
    receiver: Receiver,
    consents: Consents,
    hands: Hands,
) -> None:
    """kill -9 between the claim and the end of the call: nothing is lost, and it comes under the same number."""
    receiver.manner.pause_seconds = 30
    await consents.active()
    killed = asyncio.create_task(new_postman().go_round("test-bank"))
    await asyncio.sleep(0.3)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    receiver.manner.pause_seconds = 0
    second = new_postman()
    assert await second.go_round("test-bank") == 0  # it may still be under way
    hands.forward(seconds=61)
    assert await second.go_round("test-bank") == 1
    assert types(receiver) == ["consent.approved"]


async def test_two_postmen_at_once_send_everything_once_and_in_order(
    hub: Hub, new_postman: Callable[[], Postman], receiver: Receiver, consents: Consents
) -> None:
    ids = [await consents.active() for _ in range(3 * AT_ONCE)]
    for consent_id in ids:
        await revoked(hub, consent_id)
    await asyncio.gather(*(new_postman().go_round("test-bank") for _ in range(4)))
    assert await states_of_notices(hub) == {"delivered": 2 * len(ids)}
    assert len(receiver.calls) == len(set(receiver.calls)) == 2 * len(ids)
    for consent_id in map(str, ids):
        told = [t["type"] for t in receiver.heard.values() if t["data"]["consent_id"] == consent_id]
        assert told == ["consent.approved", "consent.revoked"]


async def test_the_watch_keeps_nobody_waiting_for_a_bank_that_is_away(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents, other_bank: Bank
) -> None:
    silent = receiver_of(hub, other_bank.client_id)
    silent.manner.pause_seconds = 60
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    async with listening(build(silent), port):
        await with_webhook(hub, other_bank.client_id, f"http://127.0.0.1:{port}/notices")
        for _ in range(2 * AT_ONCE):
            await consents.active(other_bank.client_id)
        watching = asyncio.create_task(postman.watch())
        await consents.active()
        try:
            async with asyncio.timeout(5):
                while not receiver.heard:
                    await asyncio.sleep(0.02)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    assert types(receiver) == ["consent.approved"]
    assert silent.calls == []


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_receiver_does_everything_arrives_and_in_order(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents, hands: Hands, seed: int
) -> None:
    """Five consents live, while the receiver answers as it likes for a day and then recovers."""
    dice = random.Random(seed)
    receiver.manner.statuses = [dice.choice([204, 204, 400, 429, 500, 302]) for _ in range(40)] + [204]
    signatory, ids = signatory_of(ENTERPRISE), [await consents.active() for _ in range(5)]
    for _ in range(12):
        consent_id = dice.choice(ids)
        async with hub.database.transaction() as tx:
            state = await tx.scalar(
                text("SELECT state FROM consents WHERE consent_id = :id"), {"id": consent_id}
            )
            await (pause if state == "active" else resume)(tx, signatory, consent_id, reason="", at=now())
        await postman.go_round("test-bank")
        hands.forward(minutes=dice.randrange(1, 90))
    for _ in range(12):
        await postman.go_round("test-bank")
        hands.forward(hours=5)
    assert await states_of_notices(hub) == {"delivered": 17}
    for consent_id in map(str, ids):
        numbers = [
            t["data"]["event_id"] for t in receiver.heard.values() if t["data"]["consent_id"] == consent_id
        ]
        assert numbers == sorted(numbers)
    assert len(receiver.heard) == 17


# --- or a person sees to it


async def given_up(postman: Postman, receiver: Receiver, consents: Consents, hands: Hands) -> None:
    receiver.manner.statuses = [500]
    await consents.active()
    await postman.go_round("test-bank")
    hands.forward(days=2, hours=23)
    await postman.go_round("test-bank")
    hands.forward(hours=8)
    await postman.go_round("test-bank")


async def test_after_three_days_it_is_shown_to_a_person(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents, hands: Hands
) -> None:
    await given_up(postman, receiver, consents, hands)
    assert len(receiver.calls) == 3
    async with hub.database.transaction() as tx:
        [notice] = await undelivered(tx)
        assert (notice.participant_id, notice.verb) == ("test-bank", "approve")
        assert (notice.attempts, notice.fault) == (3, "status_500")
        await note_handled(tx, notice.event_id, by="王五", at=now())
        assert await undelivered(tx) == []
        with pytest.raises(NotFound):
            await note_handled(tx, notice.event_id, by="王五", at=now())


async def test_or_sent_once_more_for_another_three_days(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents, hands: Hands
) -> None:
    await given_up(postman, receiver, consents, hands)
    async with hub.database.transaction() as tx:
        assert await send_again(tx, "test-bank", at=hands()) == 1
    assert await postman.go_round("test-bank") == 0
    async with hub.database.transaction() as tx:
        assert await undelivered(tx) == []
    receiver.manner.statuses = [204]
    hands.forward(minutes=1)
    assert await postman.go_round("test-bank") == 1


async def test_what_was_given_up_does_not_hold_up_what_came_after_it(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents, hands: Hands
) -> None:
    receiver.manner.statuses = [400]
    consent_id = await consents.active()
    await postman.go_round("test-bank")
    hands.forward(days=3, hours=1)
    await postman.go_round("test-bank")
    await revoked(hub, consent_id)
    receiver.manner.statuses = [204]
    await postman.go_round("test-bank")
    assert types(receiver) == ["consent.revoked"]


@given(attempt=st.integers(1, 10_000), luck=st.floats(0, 1))
def test_pauses_grow_and_never_beyond_some_hours(attempt: int, luck: float) -> None:
    pause = pause_after(attempt, luck)
    assert timedelta(seconds=8) <= pause <= 1.2 * LONGEST_PAUSE
    assert pause_after(attempt, 1) / pause_after(attempt, 0) == pytest.approx(1.5)


def test_within_three_days_there_are_many_attempts_and_not_too_many() -> None:
    passed, attempts = timedelta(0), 0
    while passed < GIVE_UP_AFTER:
        attempts += 1
        passed += pause_after(attempts, 0.5)
    assert 15 <= attempts <= 25


# --- the webhook itself


async def test_without_a_webhook_nothing_is_sent_and_everything_can_be_polled(
    hub: Hub, bank: Bank, consents: Consents
) -> None:
    await consents.active()
    assert await states_of_notices(hub) == {"kept": 1}


async def test_who_answers_410_is_not_called_again(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents, hands: Hands
) -> None:
    receiver.manner.statuses = [410]
    await consents.active()
    await postman.go_round("test-bank")
    hands.forward(days=1)
    await consents.active()
    await postman.go_round("test-bank")
    assert len(receiver.calls) == 1
    assert await states_of_notices(hub) == {"kept": 2}
    async with hub.database.transaction() as tx:
        assert (await find_webhook(tx, "test-bank")).closed_because == "gone"


async def test_a_closed_webhook_is_not_called_even_if_a_notice_slipped_in(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents
) -> None:
    await consents.active()
    async with hub.database.transaction() as tx:
        await close_webhook(tx, "test-bank", because="operator", at=now())
        await tx.execute(text("UPDATE notices SET state = 'waiting'"))
    assert await postman.go_round("test-bank") == 0
    assert receiver.calls == []
    assert await states_of_notices(hub) == {"kept": 1}


async def test_after_a_new_secret_the_old_one_is_good_for_a_day(
    hub: Hub, postman: Postman, receiver: Receiver, consents: Consents, hands: Hands
) -> None:
    old, new = receiver.secrets, receiver_of(hub, "test-bank", secret_number=2).secrets
    async with hub.database.transaction() as tx:
        webhook = await renew_secret(tx, "test-bank", at=now())
    assert webhook.secret_numbers(now() + timedelta(hours=23)) == (2, 1)
    assert webhook.secret_numbers(now() + timedelta(hours=25)) == (2,)
    for secrets in (old, new):
        receiver.secrets = secrets
        await consents.active()
        assert await postman.go_round("test-bank") == 1


async def test_an_address_that_was_closed_gets_another_secret(hub: Hub, bank: Bank) -> None:
    first = await with_webhook(hub, bank.client_id, "https://bank.example/a")
    moved = await with_webhook(hub, bank.client_id, "https://bank.example/b")
    async with hub.database.transaction() as tx:
        await close_webhook(tx, bank.client_id, because="operator", at=now())
    again = await with_webhook(hub, bank.client_id, "https://bank.example/b")
    assert [one.secret_number for one in (first, moved, again)] == [1, 1, 2]
    assert (again.closed_at, again.closed_because) == (None, None)


async def test_a_webhook_needs_a_participant(hub: Hub) -> None:
    with pytest.raises(NotFound):
        await with_webhook(hub, "nobody", "https://bank.example/")
