"""CIBA ping: the client hears that its request was answered, at its own address, and nowhere inside."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from adapters import open_sender
from consent import PING_ATTEMPTS_MAX, reject
from consent.models import clients
from core.clock import now
from core.settings import Settings
from gateway.hub import Hub
from gateway.oauth.pings import Pinger
from tests.conftest import ENTERPRISE, Consents, signatory_of
from tests.support.backchannel import begin, error_of, poll
from tests.support.bank import Bank

TOKEN = "notify-me-8f3a"


class Receiver:
    """A client's notification endpoint; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.status = 204
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.heard.append((lines[0], headers, body))
        writer.write(f"HTTP/1.1 {self.status} x\r\ncontent-length: 0\r\nlocation: /else\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    played = Receiver()
    server = await asyncio.start_server(played.serve, "127.0.0.1", 0)
    played.port = server.sockets[0].getsockname()[1]
    async with server:
        yield played


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_networks": (ip_network("127.0.0.0/8"),)})


@pytest.fixture
async def pinging_bank(bank: Bank, hub: Hub, receiver: Receiver) -> Bank:
    url = f"http://127.0.0.1:{receiver.port}/ciba"
    async with hub.database.transaction() as tx:
        await tx.execute(
            update(clients).where(clients.c.client_id == bank.client_id).values(notification_url=url)
        )
    return bank


class Time:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> Any:
        return now() + self.ahead


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def pinger(hub: Hub, settings: Settings, time: Time) -> AsyncIterator[Pinger]:
    sender = open_sender(settings)
    yield Pinger(hub.database, sender, hub.master_secret, time)
    await sender.close()


async def test_ciba_10_2_the_client_is_pinged_once_and_fetches_its_tokens(
    pinging_bank: Bank, consents: Consents, pinger: Pinger, receiver: Receiver
) -> None:
    begun = (await begin(pinging_bank, client_notification_token=TOKEN)).json()
    assert await pinger.send_due() == 0, "nothing was answered yet"
    await consents.approved(UUID(begun["consent_id"]))
    assert await pinger.send_due() == 1
    [(line, headers, body)] = receiver.heard
    assert line == "POST /ciba HTTP/1.1"
    assert headers["authorization"] == f"bearer {TOKEN}"
    assert body == {"auth_req_id": begun["auth_req_id"]}, "and nothing of the answer"
    assert (await poll(pinging_bank, body["auth_req_id"])).status_code == 200
    assert await pinger.send_due() == 0


async def test_a_no_is_pinged_as_well(
    pinging_bank: Bank, hub: Hub, pinger: Pinger, receiver: Receiver
) -> None:
    begun = (await begin(pinging_bank, client_notification_token=TOKEN)).json()
    async with hub.database.transaction() as tx:
        await reject(tx, signatory_of(ENTERPRISE), UUID(begun["consent_id"]), reason="", at=now())
    await pinger.send_due()
    assert len(receiver.heard) == 1
    assert error_of(await poll(pinging_bank, begun["auth_req_id"])) == "access_denied"


@pytest.mark.parametrize("status", [500, 302])
async def test_a_ping_that_does_not_arrive_is_sent_again_after_a_pause_and_then_given_up(
    pinging_bank: Bank,
    hub: Hub,
    consents: Consents,
    pinger: Pinger,
    receiver: Receiver,
    time: Time,
    status: int,
) -> None:
    receiver.status = status
    begun = (await begin(pinging_bank, client_notification_token=TOKEN)).json()
    await consents.approved(UUID(begun["consent_id"]))
    assert await pinger.send_due() == 1
    assert await pinger.send_due() == 0, "not at once"
    for _ in range(2 * PING_ATTEMPTS_MAX):
        time.ahead += timedelta(minutes=10)
        await pinger.send_due()
    assert len(receiver.heard) == PING_ATTEMPTS_MAX, "no redirect is followed"
    kept = await hub.database.hot.fetchval("SELECT notification_token FROM backchannel_requests")
    assert kept is None
    assert (await poll(pinging_bank, begun["auth_req_id"])).status_code == 200, "it can poll all the same"


async def test_two_workers_ping_once(
    pinging_bank: Bank, consents: Consents, pinger: Pinger, receiver: Receiver
) -> None:
    begun = (await begin(pinging_bank, client_notification_token=TOKEN)).json()
    await consents.approved(UUID(begun["consent_id"]))
    await asyncio.gather(*(pinger.send_due() for _ in range(4)))
    assert len(receiver.heard) == 1


@pytest.fixture(params=["", "with a blank", "x" * 1025])
def bad_token(request: pytest.FixtureRequest) -> Iterator[str]:
    return request.param  # type: ignore[no-any-return]


async def test_ciba_7_1_a_client_that_is_pinged_must_say_with_which_token(
    pinging_bank: Bank, bad_token: str
) -> None:
    assert error_of(await begin(pinging_bank, client_notification_token=bad_token)) == "invalid_request"


async def test_an_address_inside_is_never_called(
    bank: Bank, hub: Hub, consents: Consents, settings: Settings, receiver: Receiver
) -> None:
    closed = open_sender(settings.model_copy(update={"webhook_networks": ()}))
    pinger = Pinger(hub.database, closed, hub.master_secret, now)
    async with hub.database.transaction() as tx:
        url = f"http://127.0.0.1:{receiver.port}/ciba"
        await tx.execute(update(clients).values(notification_url=url))
    begun = (await begin(bank, client_notification_token=TOKEN)).json()
    await consents.approved(UUID(begun["consent_id"]))
    assert await pinger.send_due() == 1
    assert receiver.heard == []
    await closed.close()
