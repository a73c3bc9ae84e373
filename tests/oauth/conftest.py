from collections.abc import AsyncIterator

import pytest

from gateway.hub import Hub
from tests.support.authorization import Browser, Redirect
from tests.support.bank import Bank


@pytest.fixture
def redirect(bank: Bank) -> Redirect:
    return Redirect(bank)


@pytest.fixture
async def browser(bank: Bank, hub: Hub) -> AsyncIterator[Browser]:
    """The enterprise's, logged in."""
    opened = Browser(bank.base)
    await opened.log_in(hub)
    yield opened
    await opened.http.aclose()


@pytest.fixture
async def other_browser(bank: Bank, hub: Hub) -> AsyncIterator[Browser]:
    """The same person's on another device."""
    opened = Browser(bank.base)
    await opened.log_in(hub)
    yield opened
    await opened.http.aclose()
