"""Agents act within a mandate, several persons agree where the enterprise wants it, and strong log-ins are asked for."""

import asyncio
import base64
import json
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from consent import (
    Consent,
    Mandate,
    Signatory,
    appoint,
    approval_rules_of,
    approve,
    artefact_of,
    events_of,
    find_for_enterprise,
    mandates_of,
    note_login,
    pause,
    people_of,
    reject,
    resume,
    revoke,
    revoke_mandate,
    set_approvals_needed,
)
from consent.policies import assurance_needed, assurance_of
from core.clock import now
from core.errors import Conflict, InvalidInput, NotFound, Refused
from gateway.hub import Hub
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, WORDING, Consents, signatory_of

pytestmark = pytest.mark.usefixtures("bank")
OWNER = signatory_of(ENTERPRISE)
AGENT = replace(OWNER, role="agent", name="钱小满", subject="agent-1")
OTHER_AGENT = replace(OWNER, role="agent", name="李四", subject="agent-2")


class Office:
    """The enterprise's persons, each step in a transaction of its own."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    async def appoint(self, agent: Signatory = AGENT, *, by: Signatory = OWNER, **changes: Any) -> Mandate:
        limits = {
            "purposes": ["credit_review"],
            "datasets": ["registration", "tax"],
            "term_days_max": 90,
            "valid_until": now() + timedelta(days=30),
            "at": now(),
        }
        async with self.hub.database.transaction() as tx:
            await note_login(tx, agent, now())
            return await appoint(
                tx, by, agent_subject=agent.subject, key=self.hub.keys["artefacts"], **{**limits, **changes}
            )

    async def revoke(self, mandate: Mandate, by: Signatory = OWNER) -> Mandate:
        async with self.hub.database.transaction() as tx:
            return await revoke_mandate(tx, by, mandate.mandate_id, reason="", at=now())

    async def agree(
        self,
        consent_id: UUID,
        by: Signatory,
        *,
        at: datetime | None = None,
        levels: Collection[int] = (),
        **more: Any,
    ) -> Consent:
        async with self.hub.database.transaction() as tx:
            return await approve(
                tx,
                by,
                consent_id,
                wording=WORDING,
                levels=levels,
                key=self.hub.keys["artefacts"],
                at=at or now(),
                **{"confirmed_by": "fresh_login", **more},
            )

    async def need(self, needed: int, by: Signatory = OWNER, **what: Any) -> None:
        async with self.hub.database.transaction() as tx:
            await set_approvals_needed(tx, by, needed=needed, at=now(), **what)

    async def record(self, consent_id: UUID) -> dict[str, Any]:
        async with self.hub.database.transaction() as tx:
            signed = await artefact_of(tx, consent_id)
        assert signed is not None
        payload = signed.split(".")[1]
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return found


@pytest.fixture
def office(hub: Hub) -> Office:
    return Office(hub)


# --- mandates ---


async def test_an_agent_agrees_within_the_mandate_and_every_artefact_shows_it(
    hub: Hub, office: Office, consents: Consents
) -> None:
    asked = await consents.asked()
    with pytest.raises(Refused, match="needs a mandate"):
        await office.agree(asked.consent_id, AGENT)
    mandate = await office.appoint()
    assert (await office.agree(asked.consent_id, AGENT)).state == "active"
    signatory = (await office.record(asked.consent_id))["signatory"]
    assert (signatory["name"], signatory["role"]) == ("钱小满", "agent")
    assert signatory["mandate"]["mandate_id"] == str(mandate.mandate_id)
    assert signatory["mandate"]["appointed_by"]["name"] == "张三丰"
    keys = KeySet([hub.keys["artefacts"]])
    signed = json.loads(jws.deserialize_compact(mandate.jws, keys, algorithms=["ES256"]).payload)
    assert signed["agent"] == {"subject": "agent-1", "name": "钱小满"}


@pytest.mark.parametrize(
    "asked",
    [{"purpose": "post_loan"}, {"datasets": ("tax", "customs")}, {"term_days": 91}],
    ids=["purpose", "datasets", "term"],
)
async def test_beyond_the_mandate_an_agent_can_agree_to_nothing(
    office: Office, consents: Consents, asked: dict[str, Any]
) -> None:
    await office.appoint()
    request = await consents.asked(**asked)
    with pytest.raises(Refused, match="no mandate of this agent covers"):
        await office.agree(request.consent_id, AGENT)


async def test_an_agent_may_agree_to_as_much_as_the_mandate_covers(
    office: Office, consents: Consents
) -> None:
    await office.appoint()
    asked = await consents.asked(term_days=180, datasets=("tax", "customs"))
    less = asked.terms.narrowed(term_days=90, datasets=["tax"])
    assert (await office.agree(asked.consent_id, AGENT, granted=less)).state == "active"


async def test_a_mandate_ends_on_its_day_and_at_once_when_revoked(office: Office, consents: Consents) -> None:
    mandate = await office.appoint(valid_until=now() + timedelta(days=3))
    asked = await consents.asked()
    with pytest.raises(Refused):
        await office.agree(asked.consent_id, AGENT, at=now() + timedelta(days=3, seconds=1))
    assert (await office.revoke(mandate)).revoked_at is not None
    with pytest.raises(Refused):
        await office.agree(asked.consent_id, AGENT)
    with pytest.raises(Conflict):
        await office.revoke(mandate)


async def test_an_agent_may_stop_a_consent_that_it_may_not_begin(
    hub: Hub, office: Office, consents: Consents
) -> None:
    await office.appoint(term_days_max=30)
    consent_id = await consents.active(term_days=90)
    async with hub.database.transaction() as tx:
        await pause(tx, AGENT, consent_id, reason="", at=now())
    with pytest.raises(Refused):
        async with hub.database.transaction() as tx:
            await resume(tx, AGENT, consent_id, reason="", at=now())
    for verb in (revoke, reject, pause):
        with pytest.raises(Refused):
            async with hub.database.transaction() as tx:
                await verb(tx, OTHER_AGENT, consent_id, reason="", at=now())


async def test_only_the_legal_representative_appoints_revokes_and_sets_how_many_must_agree(
    office: Office,
) -> None:
    with pytest.raises(Refused):
        await office.appoint(by=OTHER_AGENT)
    mandate = await office.appoint()
    with pytest.raises(Refused):
        await office.revoke(mandate, by=AGENT)
    with pytest.raises(Refused):
        await office.need(1, by=AGENT)
    with pytest.raises(NotFound):
        await office.revoke(mandate, by=signatory_of(OTHER_ENTERPRISE))


@pytest.mark.parametrize(
    "wrong",
    [
        {"purposes": []},
        {"datasets": []},
        {"term_days_max": 0},
        {"term_days_max": 366},
        {"valid_until": now() - timedelta(days=1)},
        {"valid_until": now() + timedelta(days=500)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_a_mandate_has_bounds(office: Office, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        await office.appoint(**wrong)


async def test_only_who_has_logged_in_as_an_agent_of_this_enterprise_can_be_appointed(
    hub: Hub, office: Office
) -> None:
    stranger = replace(AGENT, uscc=OTHER_ENTERPRISE)
    with pytest.raises(InvalidInput):
        await office.appoint(stranger)
    with pytest.raises(InvalidInput):
        await office.appoint(replace(AGENT, role="accountant"))
    await office.appoint()
    async with hub.database.transaction() as tx:
        assert [one.name for one in await people_of(tx, ENTERPRISE)] == ["钱小满"]
        assert [one.agent_name for one in await mandates_of(tx, ENTERPRISE)] == ["钱小满"]
        assert await mandates_of(tx, OTHER_ENTERPRISE) == []


async def test_of_a_revoked_mandate_and_an_approval_at_once_the_first_to_commit_is_obeyed(
    office: Office, consents: Consents
) -> None:
    for _ in range(5):
        mandate, asked = await office.appoint(), await consents.asked()
        agreed, revoked = await asyncio.gather(
            office.agree(asked.consent_id, AGENT), office.revoke(mandate), return_exceptions=True
        )
        assert isinstance(revoked, Mandate)
        assert isinstance(agreed, Consent | Refused)


# --- several persons ---


async def test_where_two_must_agree_one_is_not_enough_and_does_not_count_twice(
    hub: Hub, office: Office, consents: Consents
) -> None:
    await office.need(2)
    await office.appoint()
    asked = await consents.asked()
    assert (await office.agree(asked.consent_id, OWNER)).state == "partially_approved"
    with pytest.raises(Conflict, match="agreed before"):
        await office.agree(asked.consent_id, OWNER)
    assert (await office.agree(asked.consent_id, AGENT)).state == "active"
    approvals = (await office.record(asked.consent_id))["approvals"]
    assert [(one["name"], one["mandate"] is not None) for one in approvals] == [
        ("张三丰", False),
        ("钱小满", True),
    ]
    async with hub.database.transaction() as tx:
        verbs = [
            (event.verb, event.facts.get("approvals")) for event in await events_of(tx, asked.consent_id)
        ]
    assert verbs == [("submit", None), ("approve_in_part", 1), ("approve", 2)]


async def test_two_approvers_at_once_are_counted_right(office: Office, consents: Consents) -> None:
    await office.need(3)
    for agent in (AGENT, OTHER_AGENT):
        await office.appoint(agent)
    asked = await consents.asked()
    everybody = [OWNER, AGENT, OTHER_AGENT, OWNER, AGENT, OTHER_AGENT]
    results = await asyncio.gather(
        *(office.agree(asked.consent_id, person) for person in everybody), return_exceptions=True
    )
    states = sorted(result.state for result in results if isinstance(result, Consent))
    assert states == ["active", "partially_approved", "partially_approved"]
    assert sum(isinstance(result, Conflict) for result in results) == 3
    assert len((await office.record(asked.consent_id))["approvals"]) == 3


async def test_an_approval_whose_mandate_ended_since_does_not_count_at_the_last_step(
    office: Office, consents: Consents
) -> None:
    await office.need(2)
    mandate, asked = await office.appoint(), await consents.asked()
    await office.agree(asked.consent_id, AGENT)
    await office.revoke(mandate)
    assert (await office.agree(asked.consent_id, OWNER)).state == "partially_approved"
    await office.appoint()
    assert (await office.agree(asked.consent_id, AGENT)).state == "active"


async def test_one_who_says_no_ends_it(hub: Hub, office: Office, consents: Consents) -> None:
    await office.need(2)
    await office.appoint()
    asked = await consents.asked()
    await office.agree(asked.consent_id, OWNER)
    async with hub.database.transaction() as tx:
        assert (await reject(tx, AGENT, asked.consent_id, reason="", at=now())).state == "rejected"
    with pytest.raises(Conflict):
        await office.agree(asked.consent_id, AGENT)


async def test_what_the_first_granted_the_second_can_only_take_or_leave(
    office: Office, consents: Consents
) -> None:
    await office.need(2)
    await office.appoint()
    asked = await consents.asked()
    less = asked.terms.narrowed(uses_max=5)
    partly = await office.agree(asked.consent_id, OWNER, granted=less)
    assert (partly.terms, partly.asked) == (less, asked.terms)
    for other in (asked.terms, less.narrowed(uses_max=4)):
        with pytest.raises(InvalidInput):
            await office.agree(asked.consent_id, AGENT, granted=other)
    done = await office.agree(asked.consent_id, AGENT)
    assert (done.state, done.terms, done.asked) == ("active", less, asked.terms)


async def test_the_strictest_setting_that_applies_counts_and_the_newest_replaces(
    hub: Hub, office: Office, consents: Consents
) -> None:
    await office.need(2, purpose="post_loan")
    await office.need(3, level_from=4)
    await office.need(2, level_from=4)
    asked = [await consents.asked() for _ in range(2)]
    assert (await office.agree(asked[0].consent_id, OWNER, levels={3})).state == "active"
    assert (await office.agree(asked[1].consent_id, OWNER, levels={2, 4})).state == "partially_approved"
    async with hub.database.transaction() as tx:
        assert {rule[:] for rule in await approval_rules_of(tx, ENTERPRISE)} == {
            ("post_loan", None, 2),
            (None, 4, 2),
        }
    for wrong in (0, 6):
        with pytest.raises(InvalidInput):
            await office.need(wrong)


# --- assurance ---


async def test_sensitive_data_needs_a_strong_log_in(hub: Hub, office: Office, consents: Consents) -> None:
    asked = await consents.asked()
    for weak in ("urn:xinyi:loa:2", "urn:xinyi:loa:33", "high", ""):
        with pytest.raises(Refused, match="stronger log-in"):
            await office.agree(asked.consent_id, replace(OWNER, assurance=weak), levels={1, 4})
    async with hub.database.transaction() as tx:
        assert (await find_for_enterprise(tx, ENTERPRISE, asked.consent_id)).state == "awaiting"
    weak_but_enough = replace(OWNER, assurance="urn:xinyi:loa:2")
    assert (await office.agree(asked.consent_id, weak_but_enough, levels={3})).state == "active"


def test_assurance_is_a_number_only_where_we_know_its_name() -> None:
    assert [assurance_needed(levels) for levels in ((), (1, 3), (4,), (5, 1))] == [2, 2, 3, 3]
    assert [assurance_of(acr) for acr in ("urn:xinyi:loa:1", "urn:xinyi:loa:3", "loa:3", "0")] == [1, 3, 0, 0]
