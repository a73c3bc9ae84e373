"""How far requests get is noted behind the pages: once per step, without a name, and at nobody's cost."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from consent import RequestsAlike, note_steps, reject, requests_alike
from consent.life import append_event
from consent.steps import Reached
from core.clock import now
from core.settings import Settings
from gateway.hub import Hub
from tests.conftest import ENTERPRISE, Consents, DatabaseUrls, signatory_of
from tests.support.authorization import Browser, Redirect
from tests.support.backchannel import begin
from tests.support.bank import Bank


@pytest.fixture
async def browser(settings: Settings) -> AsyncIterator[Browser]:
    found = Browser(settings.public_url)
    yield found
    await found.http.aclose()


async def steps_of(hub: Hub, consent_id: UUID) -> dict[str, Any]:
    await hub.steps.settled()
    async with hub.database.hot.acquire() as connection:
        rows = await connection.fetch("SELECT step, at FROM consent_steps WHERE consent_id = $1", consent_id)
    return dict(rows)


async def all_alike(hub: Hub, **later: float) -> list[RequestsAlike]:
    await hub.steps.settled()
    at = now() + timedelta(**later)
    async with hub.database.transaction() as tx:
        return list(await requests_alike(tx, at - timedelta(days=300), at, at=at))


async def test_a_request_is_followed_from_its_link_to_the_answer(
    hub: Hub, browser: Browser, bank: Bank, consents: Consents
) -> None:
    asked = await consents.asked()
    page = f"/portal/requests/{asked.consent_id}"
    [one] = await all_alike(hub)
    assert (one.participant_id, one.way, one.stage, one.end) == ("test-bank", "request", "asked", "waiting")
    await browser.http.get(page, follow_redirects=True)
    [one] = await all_alike(hub)
    assert (one.stage, one.end) == ("opened", "waiting")
    await browser.log_in(hub)
    await browser.see(page)
    assert (await all_alike(hub))[0][2:5] == ("read", "waiting", False)
    shown = await browser.see(f"{page}?less=1&datasets=tax&term_days=30&uses_max=1")
    assert (await all_alike(hub))[0][2:5] == ("read", "waiting", True)
    await browser.press(shown, "/approve")
    [one] = await all_alike(hub)
    assert (one.stage, one.end, one.less, one.requests) == ("decided", "approved", True, 1)
    assert set(await steps_of(hub, asked.consent_id)) == {"opened", "read", "less"}


async def test_only_the_first_time_counts_and_nothing_is_noted_after_the_answer(
    hub: Hub, browser: Browser, bank: Bank, consents: Consents
) -> None:
    asked = await consents.asked()
    page = f"/portal/requests/{asked.consent_id}"
    await browser.log_in(hub)
    await browser.see(page)
    first = await steps_of(hub, asked.consent_id)
    await browser.see(page)
    assert await steps_of(hub, asked.consent_id) == first
    answered = await consents.active()
    await browser.see(f"/portal/requests/{answered}")
    assert await steps_of(hub, answered) == {}


async def test_the_four_ways_of_asking_are_told_apart(
    hub: Hub, browser: Browser, bank: Bank, consents: Consents
) -> None:
    await consents.asked()
    counter = await consents.asked()
    await browser.see(f"/qr/{counter.consent_id}")
    await browser.go(await Redirect(bank).address())
    began = await begin(bank)
    assert began.status_code == 200, began.text
    ways = {one.way: one.stage for one in await all_alike(hub)}
    assert ways == {"request": "asked", "qr": "asked", "redirect": "asked", "ciba": "asked"}


async def test_the_ends_are_told_apart_and_add_up(hub: Hub, bank: Bank, consents: Consents) -> None:
    rejected, lapsed, withdrawn, _ = [(await consents.asked()).consent_id for _ in range(4)]
    await consents.active()
    async with hub.database.transaction() as tx:
        await reject(tx, signatory_of(ENTERPRISE), rejected, reason="", at=now())
    await bank.http.delete(
        f"{bank.base}/v1/consent-requests/{withdrawn}",
        headers=await bank.headers("DELETE", f"/v1/consent-requests/{withdrawn}"),
    )
    async with hub.database.hot.acquire() as connection:
        await connection.execute("UPDATE consents SET answer_by = now() WHERE consent_id = $1", lapsed)
        # Opened when it was too late: that is not how far it got.
        await note_steps(connection, [Reached(lapsed, "opened", now() + timedelta(seconds=1))])
    found = await all_alike(hub)
    assert sum(one.requests for one in found) == 5
    assert {one.end: one.stage for one in found} == {
        "approved": "decided", "rejected": "decided", "lapsed": "asked", "withdrawn": "asked", "waiting": "asked",
    }  # fmt: skip
    later = {one.end for one in await all_alike(hub, days=40)}
    assert later == {"approved", "rejected", "lapsed", "withdrawn"}, "who does not answer lets it lapse"


async def test_a_request_whose_signed_form_was_handed_in_goes_another_way(
    hub: Hub, bank: Bank, consents: Consents
) -> None:
    by_form = await consents.asked()
    await consents.asked()
    async with hub.database.transaction() as tx:
        await append_event(
            tx, by_form.consent_id, "hand_in", "awaiting", actor="participant:test-bank", at=now()
        )
    assert sum(one.requests for one in await all_alike(hub)) == 1


async def test_what_is_no_consent_reaches_nothing(hub: Hub, browser: Browser) -> None:
    nobody = uuid.uuid4()
    answer = await browser.http.get(f"/portal?request={nobody}")
    assert answer.status_code == 200
    assert await steps_of(hub, nobody) == {}


async def test_a_page_does_not_fail_when_its_step_cannot_be_noted(
    hub: Hub,
    browser: Browser,
    bank: Bank,
    consents: Consents,
    database_urls: DatabaseUrls,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = await consents.asked()
    owner = await asyncpg.connect(database_urls.owner)
    try:
        await owner.execute("REVOKE INSERT ON consent_steps FROM hub_app")
    finally:
        await owner.close()
    await browser.log_in(hub)
    await browser.see(f"/portal/requests/{asked.consent_id}")
    assert await steps_of(hub, asked.consent_id) == {}
    [said] = [record.msg for record in caplog.records if record.name == "gateway.steps"]
    assert isinstance(said, dict)
    assert (said["event"], said["error"]) == ("step_not_noted", "InsufficientPrivilegeError")
    assert ENTERPRISE not in str(said)


async def test_a_page_does_not_wait_for_its_step(
    hub: Hub, browser: Browser, bank: Bank, consents: Consents, database_urls: DatabaseUrls
) -> None:
    asked = await consents.asked()
    await browser.log_in(hub)
    owner = await asyncpg.connect(database_urls.owner)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE consent_steps IN ACCESS EXCLUSIVE MODE")
            await browser.see(f"/portal/requests/{asked.consent_id}")  # with the table locked
        async with asyncio.timeout(30):
            while "read" not in await steps_of(hub, asked.consent_id):
                await asyncio.sleep(0.01)
    finally:
        await owner.close()


async def test_steps_can_only_be_appended(hub: Hub) -> None:
    async with hub.database.hot.acquire() as connection:
        for statement in ("DELETE FROM consent_steps", "UPDATE consent_steps SET at = now()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
