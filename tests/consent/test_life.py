"""Every verb in the life of a consent: pause and resume, amend, give up, grant less, remind; and their events."""

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from consent import (
    Consent,
    ConsentTerms,
    approve,
    artefact_of,
    difference,
    digest_of,
    due_reminders,
    events_after,
    events_of,
    file_request,
    find_for_enterprise,
    give_up,
    list_waiting,
    pause,
    replaced_by,
    resume,
    revoke,
    sentences_of,
    settle_lapsed,
)
from core.clock import now
from core.errors import Conflict, InvalidInput, NotFound, Refused
from gateway.hub import Hub
from ledger import ConsentLook, look_at_consents
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, WORDING, Consents, signatory_of
from tests.support.bank import Bank

pytestmark = pytest.mark.usefixtures("bank")
OWNER = signatory_of(ENTERPRISE)

Say = Callable[..., Awaitable[Consent]]


@pytest.fixture
def say(hub: Hub) -> Say:
    """One verb of the enterprise in a transaction of its own."""

    async def said(verb: Callable[..., Awaitable[Consent]], consent_id: UUID, **more: Any) -> Consent:
        async with hub.database.transaction() as tx:
            return await verb(tx, OWNER, consent_id, reason="", **{"at": now(), **more})

    return said


async def agree(hub: Hub, consent_id: UUID, **more: Any) -> Consent:
    async with hub.database.transaction() as tx:
        signing = {"wording": WORDING, "levels": (), "key": hub.keys["artefacts"], "at": now()}
        return await approve(tx, OWNER, consent_id, **{**signing, **more})


async def standing(hub: Hub, consent_id: UUID) -> str | None:
    async with hub.database.hot.acquire() as connection:
        look = ConsentLook(consent_id, "test-bank", ENTERPRISE, "credit_review", "tax")
        return (await look_at_consents(connection, [look]))[0]


async def record_of(hub: Hub, consent_id: UUID) -> dict[str, Any]:
    async with hub.database.transaction() as tx:
        signed = await artefact_of(tx, consent_id)
    assert signed is not None
    payload = signed.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


# --- pause and resume ---


async def test_a_paused_consent_lets_nothing_out_until_it_is_resumed(
    hub: Hub, consents: Consents, say: Say
) -> None:
    consent_id = await consents.active()
    assert (await say(pause, consent_id)).state == "paused"
    assert await standing(hub, consent_id) == "consent_paused"
    assert (await say(resume, consent_id)).state == "active"
    assert await standing(hub, consent_id) is None
    with pytest.raises(Conflict):
        await say(resume, consent_id)


async def test_a_pause_does_not_stop_the_clock(hub: Hub, consents: Consents, say: Say) -> None:
    consent_id = await consents.active(term_days=10)
    await say(pause, consent_id)
    late = now() + timedelta(days=10)
    with pytest.raises(Conflict, match="time is over"):
        await say(resume, consent_id, at=late)
    async with hub.database.transaction() as tx:
        assert await settle_lapsed(tx, at=late) == 1
        assert (await find_for_enterprise(tx, ENTERPRISE, consent_id)).state == "expired"


async def test_a_paused_consent_past_its_term_stands_as_expired(
    hub: Hub, consents: Consents, say: Say
) -> None:
    consent_id = await consents.active(age_days=89)
    await say(pause, consent_id)
    async with hub.database.transaction() as tx:
        await tx.execute(text("UPDATE consents SET valid_until = now() - interval '1 second'"))
    assert await standing(hub, consent_id) == "consent_expired"


# --- the bank gives up ---


async def test_the_bank_gives_up_what_it_holds_or_asked_for(hub: Hub, consents: Consents) -> None:
    held, asked = await consents.active(), (await consents.asked()).consent_id
    for consent_id, state, verb in ((held, "revoked", "revoke"), (asked, "expired", "withdraw")):
        for _ in range(2):  # safe to repeat
            async with hub.database.transaction() as tx:
                given_up = await give_up(tx, "test-bank", consent_id, reason="不再需要", at=now())
            assert given_up.state == state
        async with hub.database.transaction() as tx:
            last = (await events_of(tx, consent_id))[-1]
        assert (last.verb, last.actor, last.reason) == (verb, "participant:test-bank", "不再需要")
    with pytest.raises(NotFound):
        async with hub.database.transaction() as tx:
            await give_up(tx, "other-bank", held, at=now())


# --- granting less ---


async def test_the_enterprise_grants_less_than_was_asked_and_the_artefact_says_both(
    hub: Hub, consents: Consents
) -> None:
    asked = await consents.asked()
    less = asked.terms.narrowed(datasets=["tax"], term_days=30, uses_max=5)
    granted = await agree(hub, asked.consent_id, granted=less)
    assert (granted.terms, granted.asked) == (less, asked.terms)
    assert granted.valid_from is not None
    assert granted.valid_until == granted.valid_from + timedelta(days=30)
    record = await record_of(hub, asked.consent_id)
    [purpose] = record["pii_processing"]["purposes"]
    assert [item["pii_type"] for item in purpose["pii_information"]] == ["tax"]
    assert purpose["uses_max"] == 5
    assert record["asked"]["datasets"] == ["registration", "tax"]
    assert any(
        "少于申请：对方申请的是企业登记基本信息、纳税信息、90 天、20 次" in sentence
        for sentence in record["pii_processing"]["privacy_notice"]
    )
    async with hub.database.transaction() as tx:
        last = (await events_of(tx, asked.consent_id))[-1]
    assert last.facts["granted"]["uses_max"] == 5
    assert last.facts["asked"]["uses_max"] == 20


@pytest.mark.parametrize(
    "more",
    [
        {"datasets": ["tax", "water"]},
        {"datasets": []},
        {"term_days": 91},
        {"uses_max": 21},
        {"uses_max": 0},
    ],
    ids=str,
)
async def test_more_than_was_asked_can_never_be_granted(
    hub: Hub, consents: Consents, more: dict[str, Any]
) -> None:
    asked = await consents.asked()
    with pytest.raises(InvalidInput):
        asked.terms.narrowed(**more)
    if "datasets" in more:
        more = {"datasets": tuple(more["datasets"])}
    with pytest.raises(InvalidInput):
        await agree(hub, asked.consent_id, granted=replace(asked.terms, **more))


async def test_what_cannot_be_narrowed_cannot_be_changed_either(hub: Hub, consents: Consents) -> None:
    asked = await consents.asked(uses_max_day=3)
    for change in ({"purpose": "post_loan"}, {"uses_max_day": None}, {"uscc": OTHER_ENTERPRISE}):
        with pytest.raises(InvalidInput):
            await agree(hub, asked.consent_id, granted=replace(asked.terms, **change))  # type: ignore[arg-type]


async def test_sentences_that_changed_since_they_were_read_are_not_signed(
    hub: Hub, consents: Consents
) -> None:
    asked = await consents.asked()
    with pytest.raises(Refused, match="have changed"):
        await agree(hub, asked.consent_id, read="0" * 64)


# --- amending ---


async def ask_to_amend(hub: Hub, earlier: UUID, **changes: Any) -> Consent:
    async with hub.database.transaction() as tx:
        terms = replace((await find_for_enterprise(tx, ENTERPRISE, earlier)).terms, **changes)
        return await file_request(tx, "test-bank", terms, at=now(), supersedes=earlier)


async def test_an_amendment_takes_the_place_of_the_consent_in_one_moment(
    hub: Hub, consents: Consents
) -> None:
    earlier = await consents.active()
    amended = await ask_to_amend(hub, earlier, datasets=("tax", "customs"), term_days=180, uses_max_day=3)
    assert await standing(hub, earlier) is None  # until the enterprise has agreed
    async with hub.database.transaction() as tx:
        replaced = await replaced_by(tx, amended, now())
    said = "".join(sentences_of(amended, WORDING, replaced=replaced))
    assert (
        "与原授权相比：新增customs，不再包括企业登记基本信息；期限由 90 天变为 180 天；每天次数由不限变为 3 次。"
        in said
    )
    await agree(hub, amended.consent_id)
    assert await standing(hub, earlier) == "consent_superseded"
    assert await standing(hub, amended.consent_id) is None
    record = await record_of(hub, amended.consent_id)
    assert record["supersedes"]["record_id"] == str(earlier)
    assert [change["field"] for change in record["supersedes"]["difference"]] == [
        "datasets",
        "term_days",
        "uses_max_day",
    ]
    async with hub.database.transaction() as tx:
        last = (await events_of(tx, earlier))[-1]
    assert (last.verb, last.facts) == ("supersede", {"superseded_by": str(amended.consent_id)})


async def test_an_amendment_of_what_has_ended_meanwhile_replaces_nothing_and_must_be_read_again(
    hub: Hub, consents: Consents, say: Say
) -> None:
    earlier = await consents.active()
    amended = await ask_to_amend(hub, earlier, term_days=180)
    async with hub.database.transaction() as tx:
        replaced = await replaced_by(tx, amended, now())
    read = digest_of(sentences_of(amended, WORDING, replaced=replaced))
    await say(revoke, earlier)
    with pytest.raises(Refused):
        await agree(hub, amended.consent_id, read=read)
    await agree(hub, amended.consent_id)
    assert (await record_of(hub, amended.consent_id))["supersedes"] is None
    assert await standing(hub, earlier) == "consent_revoked"


async def test_only_a_running_consent_of_the_same_two_can_be_amended(
    hub: Hub, consents: Consents, other_bank: Bank
) -> None:
    waiting = (await consents.asked()).consent_id
    of_others = await consents.active("other-bank")
    of_another = await consents.active(uscc=OTHER_ENTERPRISE)
    terms = ConsentTerms(ENTERPRISE, "credit_review", ("tax",), 90, 20, 365, "")
    for earlier in (waiting, of_others, of_another):
        async with hub.database.transaction() as tx:
            with pytest.raises(InvalidInput, match="not a consent of yours"):
                await file_request(tx, "test-bank", terms, at=now(), supersedes=earlier)


def test_the_difference_names_every_field_that_changes() -> None:
    old = ConsentTerms(ENTERPRISE, "credit_review", ("tax", "water"), 90, 20, 365, "")
    new = ConsentTerms(ENTERPRISE, "post_loan", ("tax", "gas"), 91, 21, 366, "x", 1, 2, date(2025, 1, 1))
    assert {change.field: (change.before, change.after) for change in difference(old, new)} == {
        "purpose": ("credit_review", "post_loan"),
        "datasets": (("water",), ("gas",)),
        "term_days": (90, 91),
        "uses_max": (20, 21),
        "retention_days": (365, 366),
        "uses_max_day": (None, 1),
        "uses_max_month": (None, 2),
        "data_from": (None, date(2025, 1, 1)),
    }
    assert difference(old, replace(old, datasets=("water", "tax"), message="anders")) == ()


# --- events, reminders, paging ---


async def test_events_come_in_the_order_of_commits_with_what_there_is_to_know(
    hub: Hub, consents: Consents, say: Say
) -> None:
    one, other = await consents.active(), await consents.active()
    await say(pause, other)
    await say(revoke, one)
    async with hub.database.transaction() as tx:
        first = await events_after(tx, 0, limit=4)
        rest = await events_after(tx, first[-1].event_id)
    told = [(change.consent_id, change.verb) for change in (*first, *rest)]
    assert told == [
        (one, "submit"), (one, "approve"), (other, "submit"), (other, "approve"), (other, "pause"), (one, "revoke"),
    ]  # fmt: skip
    ids = [change.event_id for change in (*first, *rest)]
    assert ids == sorted(set(ids))
    assert {(change.participant_id, change.uscc) for change in first} == {("test-bank", ENTERPRISE)}


async def test_of_a_consent_that_ends_within_a_week_both_are_reminded_once(
    hub: Hub, consents: Consents
) -> None:
    soon = await consents.active(age_days=84)
    await consents.active(age_days=82)
    await consents.active(term_days=5)  # shorter than the week: nobody has forgotten it yet
    for reminded in (1, 0):
        async with hub.database.transaction() as tx:
            assert await due_reminders(tx, at=now()) == reminded
    async with hub.database.transaction() as tx:
        last = (await events_of(tx, soon))[-1]
    assert (last.verb, last.to_state, last.actor) == ("remind", "active", "hub")


async def test_the_requests_that_wait_are_listed_page_by_page(hub: Hub, consents: Consents) -> None:
    for _ in range(5):
        await consents.asked()
    seen: list[UUID] = []
    after = None
    for _ in range(3):
        async with hub.database.transaction() as tx:
            page = await list_waiting(tx, ENTERPRISE, at=now(), after=after, limit=2)
        seen += [consent.consent_id for consent in page]
        after = (page[-1].answer_by, page[-1].consent_id)
    assert len(set(seen)) == 5
