"""Real PostgreSQL and Redis for every test that touches them: built by the real migrations, each test its own copy."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest
import redis.asyncio as redis
import uvicorn

from consent import (
    Consent,
    ConsentTerms,
    Signatory,
    Wording,
    approve,
    file_request,
    register_client,
    register_participant,
)
from core.clock import now
from core.log import configure_log
from core.private_servers import PrivateServers, private_servers
from core.settings import Settings
from datasets import ingest
from gateway.hub import Hub
from gateway.main import build_app
from gateway.queries.door import QuestionDoor
from migrations.upgrade import upgrade
from tests.support.bank import Bank
from tests.support.truth import Truth

ENTERPRISE = "91350100M000100Y43"  # the worked example of GB 32100-2015
OTHER_ENTERPRISE = "91110108551385082Q"
PROJECT = Path(__file__).parent.parent

WORDING = Wording({"credit_review": "授信审批"}, {"registration": "企业登记基本信息", "tax": "纳税信息"})

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def log() -> None:
    """As in operation: also what a failing test prints says nothing about an enterprise."""
    configure_log(form="console", level="info")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServers]:
    with private_servers(tmp_path_factory.mktemp("servers"), throwaway=True) as running:
        yield running


def named(url: str, database: str) -> str:
    """The same address with another database."""
    return f"{url.rsplit('/', 1)[0]}/{database}"


async def _as_superuser(servers: PrivateServers, statement: str) -> None:
    connection = await asyncpg.connect(servers.superuser_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def migrated(servers: PrivateServers) -> str:
    """A database made by the real migrations, never used itself: each test gets a copy."""
    asyncio.run(_as_superuser(servers, "CREATE DATABASE pristine OWNER hub_owner"))
    asyncio.run(upgrade(named(servers.owner_url, "pristine")))
    return "pristine"


@dataclass(frozen=True)
class DatabaseUrls:
    app: str
    owner: str
    superuser: str


@pytest.fixture
async def database_urls(servers: PrivateServers, migrated: str) -> AsyncIterator[DatabaseUrls]:
    name = f"test_{next(_numbers)}"
    await _as_superuser(servers, f"CREATE DATABASE {name} OWNER hub_owner TEMPLATE {migrated}")
    yield DatabaseUrls(
        named(servers.app_url, name), named(servers.owner_url, name), named(servers.superuser_url, name)
    )
    await _as_superuser(servers, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
async def redis_url(servers: PrivateServers) -> str:
    """The running Redis, emptied."""
    async with redis.Redis.from_url(servers.redis_url) as client:
        await client.flushall()
    return servers.redis_url


@pytest.fixture
def settings(database_urls: DatabaseUrls, redis_url: str, tmp_path: Path, free_port: int) -> Settings:
    return Settings(
        database_url=database_urls.app,
        owner_database_url=database_urls.owner,
        redis_url=redis_url,
        var_dir=tmp_path / "var",
        host="127.0.0.1",
        port=free_port,
        public_url=f"http://127.0.0.1:{free_port}",
        certificate_header_from="127.0.0.1",
        log_format="console",
    )


@asynccontextmanager
async def running(app: QuestionDoor, port: int) -> AsyncIterator[None]:
    """The application under a real server on a real socket, in this event loop."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, access_log=False, proxy_headers=False, ws="none"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[QuestionDoor]:
    built = build_app(settings)
    async with running(built, settings.port):
        yield built


@pytest.fixture
def hub(app: QuestionDoor) -> Hub:
    """The objects inside the running application."""
    found: Hub = app.others.state.hub  # type: ignore[attr-defined]
    return found


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
async def bank(hub: Hub, settings: Settings, http: httpx.AsyncClient) -> Bank:
    """A registered bank, talking to the running hub."""
    return await registered(Bank(http, settings.public_url), hub, name="测试银行")


@pytest.fixture
async def other_bank(hub: Hub, settings: Settings, http: httpx.AsyncClient) -> Bank:
    return await registered(Bank(http, settings.public_url, client_id="other-bank"), hub, name="另一家银行")


async def registered(bank: Bank, hub: Hub, *, name: str) -> Bank:
    async with hub.database.transaction() as tx:
        await register_participant(
            tx, participant_id=bank.client_id, name=name, participant_class="bank", at=now()
        )
        await register_client(
            tx,
            client_id=bank.client_id,
            participant_id=bank.client_id,
            jwks=bank.jwks,
            redirect_uris=[bank.redirect_uri],
            at=now(),
        )
    bank.nonce = hub.nonces.current if hub.nonces else None  # as if it had called before
    return bank


def signatory_of(uscc: str) -> Signatory:
    return Signatory(
        uscc=uscc,
        enterprise_name="苏州示例精密机械有限公司",
        name="张三丰",
        role="legal_representative",
        assurance="urn:xinyi:loa:3",
        subject="subject-of-" + uscc[-4:],
    )


class Consents:
    """Makes consents the way the hub makes them, without the pages in between."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def asked(
        self, participant_id: str = "test-bank", uscc: str = ENTERPRISE, **changes: object
    ) -> Consent:
        terms = {
            "uscc": uscc,
            "purpose": "credit_review",
            "datasets": ("registration", "tax"),
            "term_days": 90,
            "uses_max": 20,
            "retention_days": 365,
            "message": "",
        }
        async with self._hub.database.transaction() as tx:
            return await file_request(tx, participant_id, ConsentTerms(**{**terms, **changes}), at=now())  # type: ignore[arg-type]

    async def active(
        self,
        participant_id: str = "test-bank",
        uscc: str = ENTERPRISE,
        *,
        age_days: int = 0,
        **changes: object,
    ) -> UUID:
        asked = await self.asked(participant_id, uscc, **changes)
        return await self.approved(asked.consent_id, uscc, age_days=age_days)

    async def approved(self, consent_id: UUID, uscc: str = ENTERPRISE, *, age_days: int = 0) -> UUID:
        async with self._hub.database.transaction() as tx:
            consent = await approve(
                tx,
                signatory_of(uscc),
                consent_id,
                wording=WORDING,
                levels=(),
                key=self._hub.keys["artefacts"],
                second_key=self._hub.sm2_key,
                at=now() - timedelta(days=age_days),
            )
        return consent.consent_id


@pytest.fixture
def truth(hub: Hub) -> Truth:
    return Truth(hub)


@pytest.fixture
def consents(hub: Hub) -> Consents:
    return Consents(hub)


REGISTRATION_CSV = """\
统一社会信用代码,企业名称,注册日期,企业类型,注册资金,经营范围,所在省份,地区,法定代表人,法定代表人证件号,联系电话,登记状态
{uscc},苏州示例精密机械有限公司,2018-01-06,有限责任公司,500万人民币,精密机械制造,江苏,苏州,张三丰,320000190001010016,00012345678,存续
"""
TAX_HEADER = "统一社会信用代码,RKYF,ZZSYNSE,ZZSSJJE,SDSYNSE,SDSSJJE,sale_inco\n"
TAX_ROW = "{uscc},{month},2.365,2.365,0.84,0.84,526800.00\n"


@pytest.fixture
async def stocked(hub: Hub, tmp_path: Path) -> None:
    await stock(hub, tmp_path)


async def stock(hub: Hub, folder: Path) -> None:
    """One enterprise with its registration and 24 months of tax on the shelf, taken in as any other file."""
    months = [f"{2024 + month // 12}{month % 12 + 1:02d}" for month in range(24)]
    files = {
        "registration": REGISTRATION_CSV.format(uscc=ENTERPRISE),
        "tax": TAX_HEADER + "".join(TAX_ROW.format(uscc=ENTERPRISE, month=month) for month in months),
    }
    for dataset, content in files.items():
        file = folder / f"{dataset}.csv"
        file.write_text(content)
        async with hub.database.hot.acquire() as connection:
            report = await ingest(connection, hub.catalogue.contracts[dataset], file)
        assert report.quarantined == 0, report
