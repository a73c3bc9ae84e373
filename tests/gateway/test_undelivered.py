"""What banks did not take is before an operator's eyes until somebody has seen to it."""

from uuid import UUID

import pytest
from sqlalchemy import text

from consent import close_webhook, deeds, told_after, undelivered
from core.clock import now
from gateway.console.undelivered import ROWS
from gateway.hub import Hub
from tests.conftest import Consents
from tests.gateway.test_console import AtDesk, desk_of
from tests.notices.conftest import with_webhook
from tests.support.bank import Bank

__all__ = ["desk_of"]  # the fixture

GIVE_UP = text(
    "UPDATE notices SET state = 'given_up', attempts = 19, fault = 'status_503', settled_at = now()"
    " WHERE state = 'waiting'"
)


@pytest.fixture
async def given_up(hub: Hub, bank: Bank, consents: Consents) -> list[UUID]:
    """Two approvals that the bank did not take for three days."""
    await with_webhook(hub, bank.client_id, "http://127.0.0.1:1/notices")
    found = [await consents.active() for _ in range(2)]
    async with hub.database.transaction() as tx:
        await tx.execute(GIVE_UP)
    return found


async def still_open(hub: Hub) -> list[int]:
    async with hub.database.transaction() as tx:
        return [notice.event_id for notice in await undelivered(tx)]


async def done(hub: Hub) -> list[tuple[str, str]]:
    async with hub.database.transaction() as tx:
        return [(deed.verb, deed.about) for deed in await deeds(tx, operator_id="system-admin", limit=10)]


async def test_nothing_undelivered_is_said_so(desk_of: AtDesk, hub: Hub) -> None:
    assert "没有未送达的通知" in (await (await desk_of("system_admin")).see("/console/notices")).text


async def test_an_operator_tells_the_bank_and_notes_it(
    desk_of: AtDesk, hub: Hub, given_up: list[UUID]
) -> None:
    desk = await desk_of("system_admin")
    page = await desk.see("/console/notices")
    for words in ("测试银行", "2 条", "授权生效", "status_503", "试了 19 次", *map(str, given_up)):
        assert words in page.text, words
    first, second = await still_open(hub)
    answer = await desk.press(page, f"/{first}/handled")
    assert answer.headers["location"] == "/console/notices?done=handled"
    assert await still_open(hub) == [second]
    again = await desk.press(page, f"/{first}/handled")
    assert again.headers["location"] == "/console/notices?done=gone", "somebody was quicker"
    assert (await done(hub))[0] == ("handled", f"notice {first}")
    async with hub.database.transaction() as tx:
        told = await told_after(tx, "test-bank", 0, limit=10)
    assert first in {one.event_id for one in told}, "it can still be polled"


async def test_an_operator_has_all_of_a_bank_sent_again(
    desk_of: AtDesk, hub: Hub, given_up: list[UUID]
) -> None:
    desk = await desk_of("system_admin")
    answer = await desk.press(await desk.see("/console/notices"), "/again")
    assert answer.headers["location"] == "/console/notices?done=resend"
    assert await still_open(hub) == []
    assert (await done(hub))[0] == ("resend", "test-bank")
    page = await desk.see("/console/notices?done=resend")
    assert "将再试三天" in page.text


async def test_to_a_closed_webhook_nothing_is_sent_again(
    desk_of: AtDesk, hub: Hub, given_up: list[UUID]
) -> None:
    async with hub.database.transaction() as tx:
        await close_webhook(tx, "test-bank", because="gone", at=now())
    page = await (await desk_of("system_admin")).see("/console/notices")
    assert "接收地址已关闭" in page.text
    assert not any(form.action.endswith("/again") for form in page.forms)


async def test_the_auditor_sees_it_and_has_no_buttons(desk_of: AtDesk, given_up: list[UUID]) -> None:
    page = await (await desk_of("audit_admin")).see("/console/notices")
    assert "测试银行" in page.text
    assert [form.action for form in page.forms] == ["/console/logout"]


async def test_many_come_in_pages(desk_of: AtDesk, hub: Hub, bank: Bank, consents: Consents) -> None:
    await with_webhook(hub, bank.client_id, "http://127.0.0.1:1/notices")
    for _ in range(ROWS + 1):
        await consents.active()
    async with hub.database.transaction() as tx:
        await tx.execute(GIVE_UP)
    numbers = await still_open(hub)
    desk = await desk_of("system_admin")
    first = await desk.see("/console/notices")
    second = await desk.see(next(link for link in first.links if "after=" in link))
    assert f"通知 {numbers[-1]}" not in first.text
    assert f"通知 {numbers[-1]}" in second.text
    assert f"{ROWS + 1} 条" in second.text
    for wrong in ("after=-1", "after=x", "done=x"):
        await desk.see(f"/console/notices?{wrong}", 400)
