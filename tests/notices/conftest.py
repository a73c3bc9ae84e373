"""A bank with a receiver on a real socket, and the postman that the worker has."""

import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from joserfc.jwk import KeySet

from adapters import WebhookSender, written_secret
from consent import Signatory, Webhook, open_webhook, revoke
from core.clock import now
from core.master_secret import load_master_secret
from gateway.hub import Hub
from gateway.notices.delivery import Postman
from gateway.notices.sending import secret_of
from sandbox.receiver import Receiver, build
from tests.conftest import ENTERPRISE, signatory_of
from tests.support.bank import Bank
from tests.support.receiver import listening

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@dataclass
class Hands:
    """A clock that can be put forward."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return now() + self.ahead

    def forward(self, **by: float) -> None:
        self.ahead += timedelta(**by)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def new_postman(hub: Hub, hands: Hands) -> Callable[[], Postman]:
    def make() -> Postman:
        return Postman(
            database=hub.database,
            sender=WebhookSender(networks=LOOPBACK, timeout_seconds=2),
            key=lambda: hub.keys["artefacts"],
            master=load_master_secret(hub.settings.var_dir / "keys"),
            issuer=hub.settings.public_url,
            clock=hands,
        )

    return make


@pytest.fixture
def postman(new_postman: Callable[[], Postman]) -> Postman:
    return new_postman()


async def with_webhook(hub: Hub, participant_id: str, url: str) -> Webhook:
    async with hub.database.transaction() as tx:
        return await open_webhook(tx, participant_id, url, at=now())


def receiver_of(hub: Hub, participant_id: str, *, secret_number: int = 1) -> Receiver:
    master = load_master_secret(hub.settings.var_dir / "keys")
    return Receiver(
        secrets=[written_secret(secret_of(master, participant_id, secret_number))],
        issuer=hub.settings.public_url,
        audience=participant_id,
        keys=lambda: KeySet.import_key_set(hub.keys.public_jwks()),  # type: ignore[arg-type]
    )


@pytest.fixture
def receiver_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
async def receiver(hub: Hub, bank: Bank, receiver_port: int, hands: Hands) -> AsyncIterator[Receiver]:
    """Of the test bank, registered and listening."""
    found = receiver_of(hub, bank.client_id)
    found.clock = lambda: hands().timestamp()
    await with_webhook(hub, bank.client_id, f"http://127.0.0.1:{receiver_port}/notices")
    async with listening(build(found), receiver_port):
        yield found


async def revoked(hub: Hub, consent_id: UUID, signatory: Signatory | None = None) -> None:
    async with hub.database.transaction() as tx:
        await revoke(tx, signatory or signatory_of(ENTERPRISE), consent_id, reason="不再需要", at=now())
