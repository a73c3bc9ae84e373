"""A bank without a webhook asks what became of its consents, in order, and misses nothing."""

import asyncio

import jwt
import pytest
from joserfc import jwt as jose
from joserfc.jwk import KeySet

from consent import approve, reject
from core.clock import now
from gateway.hub import Hub
from tests.conftest import ENTERPRISE, WORDING, Consents, signatory_of
from tests.notices.conftest import revoked
from tests.support.bank import Bank


async def polled(bank: Bank, **query: int) -> dict[str, object]:
    answer = await bank.get("/v1/events", **{name: str(value) for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_a_bank_reads_what_became_of_its_consents(hub: Hub, bank: Bank, consents: Consents) -> None:
    consent_id = await consents.active()
    await revoked(hub, consent_id)
    found = await polled(bank)
    events = found["events"]
    assert isinstance(events, list)
    told = [(e["type"], e["state"], e["by"], e["consent_id"]) for e in events]
    assert told == [
        ("consent.approved", "active", "enterprise", str(consent_id)),
        ("consent.revoked", "revoked", "enterprise", str(consent_id)),
    ]
    assert events[0]["valid_until"] is not None
    assert found["next"] == events[-1]["event_id"]
    assert found["more"] is False
    assert (await polled(bank, after=events[-1]["event_id"]))["events"] == []


async def test_every_event_can_be_checked_with_the_published_keys(
    hub: Hub, bank: Bank, consents: Consents
) -> None:
    await consents.active()
    [event] = (await polled(bank))["events"]  # type: ignore[misc]
    published = (await bank.http.get(f"{bank.base}/jwks")).json()
    token = jose.decode(event["set"], KeySet.import_key_set(published), algorithms=["ES256"])
    assert token.header["typ"] == "secevent+jwt"
    assert token.claims["aud"] == bank.client_id
    assert token.claims["iss"] == bank.base
    assert token.claims["jti"] == f"consent-event-{event['event_id']}"


async def test_an_event_is_no_token_and_opens_nothing(hub: Hub, bank: Bank, consents: Consents) -> None:
    """RFC 8417 §4: a Security Event Token must not be taken for an access token or an assertion."""
    await consents.active()
    [event] = (await polled(bank))["events"]  # type: ignore[misc]
    assert "exp" not in jwt.decode(event["set"], options={"verify_signature": False})
    answer = await bank.http.get(
        f"{bank.base}/v1/events", headers={"Authorization": f"Bearer {event['set']}"}
    )
    assert answer.status_code == 401
    refused = await bank.ask_token(assertion=event["set"])
    assert refused.status_code in (400, 401)


async def test_pages_follow_each_other_without_gap_or_repetition(
    hub: Hub, bank: Bank, consents: Consents
) -> None:
    ids = [str(await consents.active()) for _ in range(7)]
    seen, after, more = [], 0, True
    while more:
        page = await polled(bank, after=after, limit=3)
        seen += [event["consent_id"] for event in page["events"]]  # type: ignore[attr-defined]
        after, more = page["next"], page["more"]  # type: ignore[assignment]
    assert seen == ids


async def test_whoever_polls_while_consents_change_misses_nothing(
    hub: Hub, bank: Bank, consents: Consents
) -> None:
    """Events become visible in the order of their numbers, however the transactions overlap."""
    asked = [await consents.asked() for _ in range(12)]
    seen: list[str] = []
    after = 0

    async def answer(number: int) -> None:
        async with hub.database.transaction() as tx:
            await asyncio.sleep(0.002 * (number % 3))
            signatory = signatory_of(ENTERPRISE)
            if number % 2:
                await reject(tx, signatory, asked[number].consent_id, reason="", at=now())
            else:
                await approve(
                    tx,
                    signatory,
                    asked[number].consent_id,
                    wording=WORDING,
                    levels=(),
                    key=hub.keys["artefacts"],
                    at=now(),
                )
            await asyncio.sleep(0.002 * (number % 4))

    changing = asyncio.gather(*(answer(number) for number in range(len(asked))))
    while True:
        finished = changing.done()
        page = await polled(bank, after=after, limit=2)
        after = page["next"]  # type: ignore[assignment]
        seen += [event["consent_id"] for event in page["events"]]  # type: ignore[attr-defined]
        if finished and not page["events"]:
            break
    await changing
    assert sorted(seen) == sorted(str(one.consent_id) for one in asked)


async def test_a_bank_reads_nothing_of_another(bank: Bank, other_bank: Bank, consents: Consents) -> None:
    await consents.active()
    assert (await polled(other_bank))["events"] == []


@pytest.mark.parametrize("query", [{"after": "-1"}, {"limit": "0"}, {"limit": "201"}, {"after": "x"}])
async def test_an_unreadable_question_is_a_problem(bank: Bank, query: dict[str, str]) -> None:
    answer = await bank.get("/v1/events", **query)
    assert answer.status_code == 400
    assert answer.json()["type"].endswith("request-invalid")
