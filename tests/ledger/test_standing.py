"""A look at a consent says what the commit would say at this instant, and changes nothing."""

import re
from uuid import UUID, uuid4

import pytest

from gateway.hub import Hub
from ledger import REMEMBER, ConsentLook, look_at_consents
from ledger.standing import LOOK
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents
from tests.support.bank import Bank


async def looked(hub: Hub, consent_id: UUID, **changes: str) -> str | None:
    asked = {"participant_id": "test-bank", "uscc": ENTERPRISE, "purpose": "credit_review", "dataset": "tax"}
    async with hub.database.hot.acquire() as connection:
        [reason] = await look_at_consents(connection, [ConsentLook(consent_id, **{**asked, **changes})])
    return reason


async def test_a_consent_that_stands_for_this_question_has_no_reason_against_it(
    hub: Hub, bank: Bank, consents: Consents
) -> None:
    assert await looked(hub, await consents.active()) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"participant_id": "other-bank"}, "consent_of_another_participant"),
        ({"uscc": OTHER_ENTERPRISE}, "consent_of_another_enterprise"),
        ({"purpose": "post_loan"}, "consent_for_another_purpose"),
        ({"dataset": "water"}, "consent_without_dataset"),
    ],
)
async def test_a_consent_for_something_else_is_told_apart(
    hub: Hub, bank: Bank, consents: Consents, changes: dict[str, str], reason: str
) -> None:
    assert await looked(hub, await consents.active(), **changes) == reason


async def test_a_consent_that_does_not_stand_says_how_it_stands(
    hub: Hub, bank: Bank, consents: Consents
) -> None:
    assert await looked(hub, uuid4()) == "consent_unknown"
    assert await looked(hub, (await consents.asked()).consent_id) == "consent_awaiting"
    assert await looked(hub, await consents.active(age_days=91)) == "consent_expired"


async def test_several_looks_are_answered_in_order(hub: Hub, bank: Bank, consents: Consents) -> None:
    stands = await consents.active()
    looks = [
        ConsentLook(consent_id, "test-bank", ENTERPRISE, "credit_review", "tax")
        for consent_id in (stands, uuid4(), stands)
    ]
    async with hub.database.hot.acquire() as connection:
        assert await look_at_consents(connection, looks) == [None, "consent_unknown", None]


def test_its_words_are_those_of_the_commit() -> None:
    words = set(re.findall(r"'(consent_[a-z_]+)'", LOOK))
    assert words
    assert words <= set(re.findall(r"'(consent_[a-z_]+)'", REMEMBER))
