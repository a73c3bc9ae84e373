"""``python -m gateway webhook …`` and ``notices …``, and the worker as operators start it: also one that is killed."""

import asyncio
import ipaddress
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from core.errors import InvalidInput, NotFound, Unavailable
from core.settings import Settings
from gateway.hub import Hub
from gateway.notices import commands
from sandbox.receiver import Receiver, build
from tests.conftest import PROJECT, Consents
from tests.notices.conftest import receiver_of, revoked
from tests.support.bank import Bank
from tests.support.receiver import listening


@pytest.fixture
def allowing(settings: Settings) -> Settings:
    """Settings under which a receiver on this machine may be called."""
    return settings.model_copy(update={"webhook_networks": (ipaddress.ip_network("127.0.0.0/8"),)})


@pytest.fixture
def taker(hub: Hub, bank: Bank) -> Receiver:
    return receiver_of(hub, bank.client_id)


@pytest.fixture
async def url(taker: Receiver, receiver_port: int) -> AsyncIterator[str]:
    async with listening(build(taker), receiver_port):
        yield f"http://127.0.0.1:{receiver_port}/notices"


async def test_an_operator_enters_tries_changes_and_closes_a_webhook(
    allowing: Settings, taker: Receiver, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await commands.register(allowing, "test-bank", url)
    assert taker.secrets[0] in capsys.readouterr().out
    await commands.try_out(allowing, "test-bank")
    [told] = taker.heard.values()
    assert told["type"] == "webhook.trial"
    assert "2xx" in capsys.readouterr().out
    await commands.new_secret(allowing, "test-bank")
    assert taker.secrets[0] not in capsys.readouterr().out
    await commands.show_webhooks(allowing)
    assert capsys.readouterr().out == f"test-bank  {url}\n"
    await commands.close(allowing, "test-bank")
    await commands.show_webhooks(allowing)
    assert "已关闭" in capsys.readouterr().out
    with pytest.raises(InvalidInput):
        await commands.try_out(allowing, "test-bank")


async def test_an_address_inside_is_not_entered(settings: Settings, bank: Bank, url: str) -> None:
    with pytest.raises(InvalidInput, match="inside"):
        await commands.register(settings, "test-bank", url)
    with pytest.raises(NotFound):
        await commands.try_out(settings, "test-bank")


async def test_a_receiver_that_does_not_take_the_trial_is_told_of(
    allowing: Settings, taker: Receiver, url: str
) -> None:
    await commands.register(allowing, "test-bank", url)
    taker.secrets = ["whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCBvZiAzMg=="]
    with pytest.raises(Unavailable, match="status_400"):
        await commands.try_out(allowing, "test-bank")


async def test_what_could_not_be_delivered_is_listed_until_a_person_has_seen_to_it(
    hub: Hub,
    allowing: Settings,
    taker: Receiver,
    url: str,
    consents: Consents,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await commands.register(allowing, "test-bank", url)
    consent_id = await consents.active()
    async with hub.database.transaction() as tx:
        await tx.execute(
            text(
                "UPDATE notices SET state = 'given_up', attempts = 19, fault = 'timeout', settled_at = now()"
                " WHERE consent_id = :consent"
            ),
            {"consent": consent_id},
        )
        event_id = await tx.scalar(text("SELECT event_id FROM notices"))
    assert event_id is not None
    capsys.readouterr()
    await commands.show_undelivered(allowing)
    line = capsys.readouterr().out
    for word in (str(event_id), "测试银行", str(consent_id), "19", "timeout"):
        assert word in line
    await commands.again(allowing, "test-bank")
    await commands.show_undelivered(allowing)
    assert capsys.readouterr().out.splitlines() == ["1 条通知将重新发送", "没有未送达的通知"]
    with pytest.raises(NotFound):
        await commands.handled(allowing, event_id, by="王五")


# --- the worker as a process


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator["asyncio.subprocess.Process"]:
    environment = {
        "HUB_DATABASE_URL": settings.database_url,
        "HUB_REDIS_URL": settings.redis_url,
        "HUB_VAR_DIR": str(settings.var_dir),
        "HUB_PUBLIC_URL": settings.public_url,
        "HUB_WEBHOOK_NETWORKS": "127.0.0.0/8",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        "worker",
        cwd=PROJECT,
        env={**os.environ, **{name: value for name, value in environment.items() if value}},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=None,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 20)


async def until(ready: Callable[[], object], *, seconds: float = 50) -> None:
    async with asyncio.timeout(seconds):
        while not ready():
            await asyncio.sleep(0.05)


async def test_a_worker_that_is_killed_while_it_sends_loses_nothing(
    hub: Hub, allowing: Settings, taker: Receiver, url: str, consents: Consents
) -> None:
    await commands.register(allowing, "test-bank", url)
    taker.arrived.clear()
    taker.manner.pause_seconds = 600
    consent_id = await consents.active()
    await revoked(hub, consent_id)
    async with worker(allowing) as first:
        await until(lambda: taker.arrived)
        first.kill()
        await first.wait()
    assert taker.heard == {}
    taker.manner.pause_seconds = 0
    async with hub.database.transaction() as tx:  # a minute passes
        await tx.execute(text("UPDATE notices SET claimed_until = now() WHERE claimed_until IS NOT NULL"))
    async with worker(allowing) as second:
        await until(lambda: len(taker.heard) == 2)
    assert second.returncode == 0
    assert [told["type"] for told in taker.heard.values()] == ["consent.approved", "consent.revoked"]
    assert taker.arrived[0] == taker.arrived[1] == next(iter(taker.heard))
