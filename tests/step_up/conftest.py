"""Persons with browsers and devices at a hub whose clock the test moves."""

from collections.abc import AsyncIterator

import httpx
import pytest

from consent import Signatory, note_login
from core.clock import now
from core.settings import Settings
from gateway.hub import Hub
from gateway.portal.sessions import Sessions
from tests.support.authenticator import Passkey
from tests.support.person import FIREFOX, OWNER, Arrive, Person, Time, arrive


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a name instead of an address: browsers offer no passkeys to an address."""
    return settings.model_copy(update={"public_url": f"http://localhost:{settings.port}"})


@pytest.fixture
def time(hub: Hub) -> Time:
    hub.clock = Time()
    return hub.clock


@pytest.fixture
async def comes(hub: Hub, settings: Settings, time: Time) -> AsyncIterator[Arrive]:
    opened: list[httpx.AsyncClient] = []

    async def arrived(person: Signatory = OWNER, user_agent: str = FIREFOX) -> Person:
        async with hub.database.transaction() as tx:
            await note_login(tx, person, now())
        http = httpx.AsyncClient(
            base_url=settings.public_url,
            headers={"user-agent": user_agent},
            follow_redirects=True,
            trust_env=False,
            timeout=30,
        )
        opened.append(http)
        return await arrive(http, Sessions(hub.redis, time), person, time, user_agent)

    yield arrived
    for http in opened:
        await http.aclose()


@pytest.fixture
async def owner(comes: Arrive) -> Person:
    return await comes()


@pytest.fixture
def passkey(settings: Settings) -> Passkey:
    return Passkey("localhost", settings.public_url)
