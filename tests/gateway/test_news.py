"""What an enterprise is told in the portal: all that happened to its consents, new to whoever did not do it."""

import re
from dataclasses import replace

import pytest

from consent import Signatory, news_of
from gateway.hub import Hub
from gateway.portal import news
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents
from tests.gateway.test_portal import Visitor
from tests.gateway.test_portal_life import OWNER, LogIn, log_in, owner
from tests.support.bank import Bank

__all__ = ["log_in", "owner"]

pytestmark = pytest.mark.usefixtures("bank")
COLLEAGUE: Signatory = replace(OWNER, name="李四海", subject="another-person")


async def unread(visitor: Visitor) -> int:
    """As the inbox tells it."""
    found = re.search(r"有 (\d+) 条新通知", (await visitor.see("/portal/requests")).html)
    return int(found[1]) if found else 0


async def test_what_banks_and_colleagues_do_is_news_and_what_one_did_oneself_is_not(
    log_in: LogIn, owner: Visitor, consents: Consents, bank: Bank
) -> None:
    asked = await consents.asked()
    assert await unread(owner) == 1
    await owner.press(await owner.see(f"/portal/requests/{asked.consent_id}"), "/approve")
    assert await unread(owner) == 1, "its own yes is no news to it"
    colleague = await log_in(COLLEAGUE)
    assert await unread(colleague) == 2
    await colleague.press(
        await colleague.see(f"/portal/requests/{asked.consent_id}"), "/pause", reason="先看看"
    )
    await bank._send("DELETE", f"/v1/consent-requests/{asked.consent_id}", {})
    page = (await owner.see("/portal/news")).html
    for said in (
        "测试银行提出申请",
        "贵企业同意，授权生效",
        "贵企业暂停授权",
        "原因：先看看",
        "测试银行主动放弃了授权",
        "李*海",
    ):
        assert said in page, said
    assert page.count('<span class="count">新</span>') == 3
    assert await unread(owner) == 0, "it has been read"
    assert '<span class="count">新</span>' not in (await owner.see("/portal/news")).html
    assert await unread(colleague) == 3, "for each person apart"


async def test_another_enterprises_news_are_its_own(owner: Visitor, consents: Consents) -> None:
    await consents.active(uscc=OTHER_ENTERPRISE)
    assert await unread(owner) == 0
    assert "还没有通知" in (await owner.see("/portal/news")).html


async def test_every_page_of_the_news_is_reached_and_nothing_comes_twice(
    owner: Visitor, consents: Consents, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "ROWS", 3)
    for _ in range(4):
        await consents.active()
    address, seen = "/portal/news", []
    while address:
        page = await owner.see(address)
        seen += re.findall(r"授权生效|提出申请", page.html)
        address = next((link for link in page.links if "before=" in link and "lang" not in link), "")
    assert sorted(seen) == ["授权生效"] * 4 + ["提出申请"] * 4
    async with hub.database.transaction() as tx:
        numbers = [one.event_id for one in await news_of(tx, ENTERPRISE)]
    assert numbers == sorted(set(numbers), reverse=True)
