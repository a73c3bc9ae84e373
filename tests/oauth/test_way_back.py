"""Where several persons must agree, the browser that a bank sent goes back when the last has answered, not before."""

from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from consent import set_approvals_needed
from core.clock import now
from core.settings import Settings
from gateway.hub import Hub
from gateway.portal.sessions import Sessions
from tests.conftest import ENTERPRISE, signatory_of
from tests.support.authorization import Browser, Redirect, answer_in
from tests.support.bank import Bank


@pytest.fixture
async def browser(hub: Hub, settings: Settings) -> AsyncIterator[Browser]:
    """Of the first signatory, who comes from the bank."""
    found = Browser(settings.public_url)
    await found.log_in(hub)
    async with hub.database.transaction() as tx:
        await set_approvals_needed(tx, signatory_of(ENTERPRISE), needed=2, at=now())
    yield found
    await found.http.aclose()


@pytest.fixture
async def other_browser(hub: Hub, settings: Settings) -> AsyncIterator[Browser]:
    """Of the second signatory, who comes by the inbox."""
    found = Browser(settings.public_url)
    cookie = await Sessions(hub.redis).open(
        replace(signatory_of(ENTERPRISE), subject="the-other", name="李四光")
    )
    found.http.cookies.set("hub_session", cookie, domain="127.0.0.1", path="/portal")
    yield found
    await found.http.aclose()


async def agreed_by_the_first(browser: Browser, redirect: Redirect) -> str:
    """Where the first signatory is led after its yes: the consent's page."""
    page = await browser.see(await browser.go(await redirect.address()))
    return await browser.go(await browser.press(page, "/approve"))


async def test_a_yes_that_others_must_join_answers_nothing_to_the_bank_yet(
    browser: Browser, other_browser: Browser, bank: Bank
) -> None:
    redirect = Redirect(bank)
    address = await agreed_by_the_first(browser, redirect)
    assert urlsplit(address).path.startswith("/portal/requests/")
    page = await browser.see(address)
    assert "已有 1 人同意，共需 2 人" in page.text
    assert "还要等其他签署人" in page.text
    assert "答复后会自动返回" not in page.text
    assert await browser.go(f"{address}/return") == address, "not by the address either"

    last = await other_browser.see(address)
    after = await other_browser.press(last, "/approve")
    assert after == address, "who did not come from the bank is not sent there"

    again = await browser.see(address)
    assert f"{urlsplit(address).path}/return" in {urlsplit(link).path for link in again.links}
    back = await browser.go(f"{address}/return")
    assert back.startswith(bank.redirect_uri)
    answer = answer_in(back)
    assert answer["state"] == redirect.state
    token = await redirect.exchange(answer["code"])
    assert token.status_code == 200, token.text


async def test_the_no_of_another_person_is_what_the_bank_gets(
    browser: Browser, other_browser: Browser, bank: Bank
) -> None:
    address = await agreed_by_the_first(browser, Redirect(bank))
    await other_browser.press(await other_browser.see(address), "/reject", reason="不需要")
    back = answer_in(await browser.go(f"{address}/return"))
    assert back["error"] == "access_denied"
    assert "code" not in back
