"""A client's addresses are entered with it, and stay when it is entered again without them."""

from pathlib import Path
from typing import Any

import pytest

from consent import find_clients
from core.database import connect_database
from core.errors import InvalidInput
from gateway.enrolment import enrol
from tests.conftest import DatabaseUrls
from tests.support.bank import Bank

HERE, THERE = "https://bank.example/callback", "http://127.0.0.1:8002/callback"
PING = "https://bank.example/ping"


async def entered(url: str, jwks: Path, **addresses: Any) -> tuple[tuple[str, ...], str | None]:
    """The client's addresses after it was entered."""
    about = {"participant_id": "a-bank", "name": "某银行", "participant_class": "bank", "client_id": "a-bank"}
    await enrol(url, **about, jwks=jwks, **addresses)
    database = await connect_database(url, connections=2)
    try:
        async with database.hot.acquire() as connection:
            [client] = await find_clients(connection, ["a-bank"])
    finally:
        await database.close()
    assert client is not None
    return client.redirect_uris, client.notification_url


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    file = tmp_path / "jwks.json"
    file.write_text(Bank(http=None, base="").jwks)  # type: ignore[arg-type]  # it only makes a key
    return file


async def test_addresses_stay_until_others_are_given(database_urls: DatabaseUrls, jwks: Path) -> None:
    url = database_urls.app
    assert await entered(url, jwks) == ((), None)
    both = {"redirect_uris": [HERE, THERE], "notification_url": PING}
    assert await entered(url, jwks, **both) == ((HERE, THERE), PING)
    assert await entered(url, jwks) == ((HERE, THERE), PING)
    assert await entered(url, jwks, redirect_uris=[THERE], notification_url="") == ((THERE,), None)


async def test_an_address_that_nobody_may_be_sent_to_changes_nothing(
    database_urls: DatabaseUrls, jwks: Path
) -> None:
    url = database_urls.app
    await entered(url, jwks, redirect_uris=[HERE])
    for addresses in (
        {"redirect_uris": ["http://bank.example/"]},
        {"notification_url": "ftp://bank.example/"},
    ):
        with pytest.raises(InvalidInput):
            await entered(url, jwks, **addresses)
    assert await entered(url, jwks) == ((HERE,), None)
