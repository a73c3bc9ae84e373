"""Concurrency, kill -9 and missing parts: no answer without its record, no record charged twice."""

import asyncio
import os
import signal
import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from consent import revoke
from core.clock import now
from core.private_servers import PrivateServers, private_servers
from core.settings import Settings
from gateway.hub import Hub
from gateway.main import build_app
from gateway.oauth.bearer import thumbprint
from migrations.upgrade import upgrade
from tests.conftest import (
    ENTERPRISE,
    Consents,
    DatabaseUrls,
    registered,
    running,
    signatory_of,
    stock,
)
from tests.support.authorization import Redirect
from tests.support.bank import Bank
from tests.support.truth import Truth

CERTIFICATE = b"any DER will do: the listener, not the hub, decides whom to believe"


async def take_back(hub: Hub, consent_id: uuid.UUID) -> None:
    async with hub.database.transaction() as tx:
        await revoke(tx, signatory_of(ENTERPRISE), consent_id, reason="", at=now())


@pytest.mark.usefixtures("stocked")
async def test_a_revocation_during_a_slow_call_wins(
    bank: Bank, hub: Hub, consents: Consents, truth: Truth, database_urls: DatabaseUrls
) -> None:
    """The question has read its data already; the consent is taken back before it commits: no data leaves."""
    consent_id = await consents.active()
    async with hub.database.transaction() as tx:
        await revoke(tx, signatory_of(ENTERPRISE), consent_id, reason="", at=now())
        question = asyncio.create_task(bank.query("tax", consent_id, ENTERPRISE))
        await until_somebody_waits_for_a_lock(database_urls)
        assert not question.done()
    answer = await question
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/consent-revoked"
    [row] = await truth.disclosures()
    assert row.outcome == "refused"
    assert await truth.uses_spent(consent_id) == 0


async def until_somebody_waits_for_a_lock(urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(urls.superuser)
    try:
        for _ in range(500):
            if await connection.fetchval(
                "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                " WHERE NOT l.granted AND a.datname = current_database()"
            ):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("nobody waits")
    finally:
        await connection.close()


@pytest.mark.usefixtures("stocked")
async def test_of_a_thousand_calls_none_is_disclosed_after_the_revocation_returned(
    bank: Bank, hub: Hub, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active(uses_max=5000)
    hub.admission._interval = 0.0001  # this test is not about rates
    hub.admission._burst_seconds = 1.0
    gate = asyncio.Semaphore(100)
    await bank.token()

    async def ask() -> int:
        async with gate:
            return (await bank.query("registration", consent_id, ENTERPRISE)).status_code

    calls = [asyncio.create_task(ask()) for _ in range(1000)]
    while len(await truth.disclosures()) < 100:
        await asyncio.sleep(0.005)
    await take_back(hub, consent_id)
    disclosed_by_then = sum(row.outcome == "disclosed" for row in await truth.disclosures())
    statuses = await asyncio.gather(*calls)
    rows = await truth.disclosures()
    assert sum(row.outcome == "disclosed" for row in rows) == disclosed_by_then
    assert statuses.count(200) == disclosed_by_then
    assert statuses.count(403) == 1000 - disclosed_by_then > 0
    assert len(rows) == 1000


@pytest.mark.usefixtures("stocked")
async def test_a_retry_after_the_revocation_gets_no_data_either(
    bank: Bank, hub: Hub, consents: Consents
) -> None:
    consent_id = await consents.active()
    assert (await bank.query("tax", consent_id, ENTERPRISE, key="k")).status_code == 200
    await take_back(hub, consent_id)
    again = await bank.query("tax", consent_id, ENTERPRISE, key="k")
    assert again.json()["type"] == "/problems/consent-revoked"


@pytest.mark.usefixtures("stocked")
async def test_a_hundred_calls_at_once_spend_exactly_the_uses_there_are(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active(uses_max=30)
    answers = await asyncio.gather(*(bank.query("tax", consent_id, ENTERPRISE) for _ in range(100)))
    assert sorted(answer.status_code for answer in answers) == [200] * 30 + [403] * 70
    assert await truth.uses_spent(consent_id) == 30
    usage = await truth.usage()
    assert (usage.disclosed, usage.refused, usage.price_fen) == (30, 70, 30 * 50)


@pytest.mark.usefixtures("stocked")
async def test_one_question_sent_fifty_times_at_once_is_one_disclosure(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active(uses_max=1)
    answers = await asyncio.gather(
        *(bank.query("tax", consent_id, ENTERPRISE, key="the-same") for _ in range(50))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert await truth.uses_spent(consent_id) == 1
    assert len(await truth.disclosures()) == 1


@pytest.mark.usefixtures("stocked")
async def test_one_stuck_consent_does_not_hold_up_the_others(
    bank: Bank, hub: Hub, consents: Consents, database_urls: DatabaseUrls
) -> None:
    stuck, free = await consents.active(), await consents.active()
    holder = await asyncpg.connect(database_urls.owner)
    try:
        async with holder.transaction():
            await holder.execute("SELECT 1 FROM consents WHERE consent_id = $1 FOR UPDATE", stuck)
            *slow, quick = await asyncio.gather(
                *(bank.query("tax", stuck, ENTERPRISE) for _ in range(20)),
                bank.query("tax", free, ENTERPRISE),
            )
    finally:
        await holder.close()
    assert {answer.json()["type"] for answer in slow} == {"/problems/database-away"}
    assert quick.status_code == 200


# --- parts that die; each of these tests has servers of its own ---


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[PrivateServers]:
    """Durable ones: what they said they stored must be there after kill -9."""
    with private_servers(tmp_path / "servers") as servers:
        yield servers


@pytest.fixture
async def own_settings(own_servers: PrivateServers, tmp_path: Path, free_port: int) -> Settings:
    await upgrade(own_servers.owner_url, {"registration": False, "tax": True})
    return Settings(
        database_url=own_servers.app_url,
        redis_url=own_servers.redis_url,
        var_dir=tmp_path / "var",
        port=free_port,
        public_url=f"http://127.0.0.1:{free_port}",
        log_format="console",
        rate_per_second=100_000,
    )


def certificate_bound(hub: Hub) -> str:
    return hub.tokens.issue(
        client_id="test-bank",
        participant_id="test-bank",
        participant_class="bank",
        confirmation={"x5t#S256": thumbprint(CERTIFICATE)},
    )


async def test_postgresql_killed_in_the_middle_loses_and_doubles_nothing(
    own_servers: PrivateServers, own_settings: Settings, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    """kill -9 under load; every caller retries with its key until it has its answer."""
    app = build_app(own_settings)
    async with running(app, own_settings.port):
        hub: Hub = app.others.state.hub  # type: ignore[attr-defined]
        bank = await registered(Bank(http, own_settings.public_url), hub, name="测试银行")
        await stock(hub, tmp_path)
        consent_id = await Consents(hub).active(uses_max=5000)
        first_answers: dict[str, bytes] = {}
        failures: list[str] = []
        await bank.token()
        gate = asyncio.Semaphore(64)

        async def ask(key: str) -> None:
            for _ in range(300):
                async with gate:
                    answer = await bank.query("registration", consent_id, ENTERPRISE, key=key)
                if answer.status_code == 200:
                    first_answers[key] = answer.content
                    return
                assert answer.status_code == 503, answer.text
                failures.append(answer.json()["type"])
                await asyncio.sleep(0.1)
            raise AssertionError("PostgreSQL did not come back")

        callers = [asyncio.create_task(ask(f"key-{number}")) for number in range(400)]
        while len(first_answers) < 100:
            await asyncio.sleep(0.005)
        victim = own_servers.postgres_pid
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        while not failures:
            await asyncio.sleep(0.005)
        assert (await http.get(f"{own_settings.public_url}/health")).status_code == 503
        with private_servers(own_servers.folder):  # starts what is not running, on the same port
            await asyncio.gather(*callers)
            truth = Truth(hub)
            rows = {
                str(row.decision_id): row for row in await truth.disclosures() if row.outcome == "disclosed"
            }
            assert set(failures) == {"/problems/database-away"}
            assert len(rows) == len(callers)
            assert await truth.uses_spent(consent_id) == len(callers)
            assert (await truth.usage()).disclosed == len(callers)
            assert (await truth.usage()).price_fen == 10 * len(callers)
            for key, content in first_answers.items():
                again = await bank.query("registration", consent_id, ENTERPRISE, key=key)
                assert again.content == content
                assert again.json()["disclosure_id"] in rows
            assert (await http.get(f"{own_settings.public_url}/health")).json()["status"] == "ok"


async def test_redis_gone_refuses_one_time_proofs_and_keeps_serving_mutual_tls(
    own_servers: PrivateServers, own_settings: Settings, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    settings = own_settings.model_copy(update={"certificate_header_from": "127.0.0.1"})
    app = build_app(settings)
    async with running(app, settings.port):
        hub: Hub = app.others.state.hub  # type: ignore[attr-defined]
        bank = await registered(Bank(http, settings.public_url), hub, name="测试银行")
        await stock(hub, tmp_path)
        consent_id = await Consents(hub).active()
        assert (await bank.query("tax", consent_id, ENTERPRISE)).status_code == 200
        victim = own_servers.redis_pid
        assert victim is not None
        os.kill(victim, signal.SIGKILL)

        refused = await bank.query("tax", consent_id, ENTERPRISE)
        assert refused.status_code == 503
        assert refused.json()["type"] == "/problems/redis-away"
        assert "records" not in refused.json()
        assert (await bank.ask_token()).json()["error"] == "temporarily_unavailable"
        assert (await Redirect(bank).push()).json()["error"] == "temporarily_unavailable"

        health = (await http.get(f"{settings.public_url}/health")).json()
        assert (health["status"], health["redis"]) == ("degraded", "away")
        assert health["degraded"]

        served = await http.post(
            f"{settings.public_url}/v1/datasets/tax/queries",
            json={"consent_id": str(consent_id), "uscc": ENTERPRISE, "purpose": "credit_review"},
            headers={
                "Authorization": f"Bearer {certificate_bound(hub)}",
                "Idempotency-Key": "over-mutual-tls",
                "X-SSL-Client-Cert": quote(ssl.DER_cert_to_PEM_cert(CERTIFICATE)),
            },
        )
        assert served.status_code == 200, served.text
