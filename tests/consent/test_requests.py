"""The life of a consent in the database: every change is an event, the yes is signed, what ended is written down."""

import asyncio
import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from joserfc import jws
from joserfc.jwk import KeySet
from sqlalchemy import text

from consent import (
    approve,
    artefact_of,
    find_for_enterprise,
    find_for_participant,
    reject,
    revoke,
    settle_lapsed,
    settle_used_up,
)
from core.clock import now
from core.errors import Conflict, NotFound, Refused
from gateway.hub import Hub
from gateway.worker import CHORES, do_chore
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, WORDING, Consents, signatory_of
from tests.support.bank import Bank

pytestmark = pytest.mark.usefixtures("bank")
SIGNING = {"wording": WORDING, "levels": ()}


async def events(hub: Hub) -> list[tuple[str, str, str, str]]:
    async with hub.database.transaction() as tx:
        rows = await tx.execute(
            text("SELECT verb, from_state, to_state, actor FROM consent_events ORDER BY consent_id, number")
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]


async def test_every_change_is_an_event_with_its_actor(hub: Hub, consents: Consents) -> None:
    consent_id = await consents.active()
    async with hub.database.transaction() as tx:
        await revoke(tx, signatory_of(ENTERPRISE), consent_id, reason="换了银行", at=now())
    assert await events(hub) == [
        ("submit", "draft", "awaiting", "participant:test-bank"),
        ("approve", "awaiting", "active", "signatory:subject-of-0Y43"),
        ("revoke", "active", "revoked", "signatory:subject-of-0Y43"),
    ]


async def test_only_who_may_sign_for_the_enterprise_says_yes(hub: Hub, consents: Consents) -> None:
    asked = await consents.asked()
    clerk = replace(signatory_of(ENTERPRISE), role="accountant")
    with pytest.raises(Refused, match="accountant"):
        async with hub.database.transaction() as tx:
            await approve(
                tx,
                clerk,
                asked.consent_id,
                key=hub.keys["artefacts"],
                at=now(),
                **SIGNING,  # type: ignore[arg-type]
            )
    assert [verb for verb, *_ in await events(hub)] == ["submit"]


async def test_the_artefact_can_be_checked_offline_with_the_published_keys(
    hub: Hub, consents: Consents, bank: Bank
) -> None:
    consent_id = await consents.active()
    async with hub.database.transaction() as tx:
        signed = await artefact_of(tx, consent_id)
        digest = await tx.scalar(text("SELECT digest FROM consent_artefacts"))
    assert signed is not None
    keys = KeySet.import_key_set((await bank.http.get(f"{bank.base}/jwks")).json())
    verified = jws.deserialize_compact(signed, keys, algorithms=["ES256"])
    record = json.loads(verified.payload)
    assert record["record_id"] == str(consent_id)
    assert record["principal"]["uscc"] == ENTERPRISE
    [purpose] = record["pii_processing"]["purposes"]
    assert [item["pii_type"] for item in purpose["pii_information"]] == ["registration", "tax"]
    assert purpose["recipient_third_parties"] == [{"participant_id": "test-bank", "name": "测试银行"}]
    assert any("授信审批" in sentence for sentence in record["pii_processing"]["privacy_notice"])
    payload = base64.urlsafe_b64decode(signed.split(".")[1] + "==")
    assert hashlib.sha256(payload).digest() == digest


async def test_nobody_answers_for_another_enterprise(hub: Hub, consents: Consents) -> None:
    asked = await consents.asked()
    for act in (reject, revoke):
        with pytest.raises(NotFound):
            async with hub.database.transaction() as tx:
                await act(tx, signatory_of(OTHER_ENTERPRISE), asked.consent_id, reason="", at=now())
    with pytest.raises(NotFound):
        async with hub.database.transaction() as tx:
            await find_for_enterprise(tx, OTHER_ENTERPRISE, asked.consent_id)
    with pytest.raises(NotFound):
        async with hub.database.transaction() as tx:
            await find_for_participant(tx, "other-bank", asked.consent_id)


async def test_of_two_answers_at_once_one_counts(hub: Hub, consents: Consents) -> None:
    asked = await consents.asked()

    async def yes() -> None:
        async with hub.database.transaction() as tx:
            await approve(
                tx,
                signatory_of(ENTERPRISE),
                asked.consent_id,
                key=hub.keys["artefacts"],
                at=now(),
                **SIGNING,  # type: ignore[arg-type]
            )

    async def no() -> None:
        async with hub.database.transaction() as tx:
            await reject(tx, signatory_of(ENTERPRISE), asked.consent_id, reason="", at=now())

    results = await asyncio.gather(yes(), no(), yes(), no(), return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 3
    assert len(await events(hub)) == 2


async def test_a_request_that_waited_too_long_cannot_be_approved(hub: Hub, consents: Consents) -> None:
    asked = await consents.asked()
    with pytest.raises(Conflict):
        async with hub.database.transaction() as tx:
            await approve(
                tx,
                signatory_of(ENTERPRISE),
                asked.consent_id,
                key=hub.keys["artefacts"],
                at=asked.answer_by + timedelta(seconds=1),
                **SIGNING,  # type: ignore[arg-type]
            )


async def test_the_worker_writes_down_what_time_and_use_have_ended(hub: Hub, consents: Consents) -> None:
    await consents.active(age_days=91)
    await consents.active()
    unanswered = await consents.asked()
    used = await consents.active(uses_max=1)
    async with hub.database.transaction() as tx:
        await tx.execute(
            text("UPDATE consents SET uses_spent = 1 WHERE consent_id = :consent_id"), {"consent_id": used}
        )
    async with hub.database.transaction() as tx:
        assert await settle_lapsed(tx, at=now()) == 1
    async with hub.database.transaction() as tx:
        assert await settle_used_up(tx, at=now()) == 1
    async with hub.database.transaction() as tx:
        assert await settle_lapsed(tx, at=unanswered.answer_by) == 1
    verbs = sorted(event[0] for event in await events(hub) if event[3] == "hub")
    assert verbs == ["expire", "expire", "use_up"]


async def test_every_chore_of_the_worker_runs_as_the_program_itself(hub: Hub) -> None:
    for chore in CHORES:
        assert await do_chore(chore, hub.database, now) == 0
