"""The played register: strict at the exchange, simple at the desk, and the same at every start."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from adapters import DataOwner as DataOwnerPort
from adapters import OwnerRow, open_data_owners
from core.errors import Unavailable
from core.identifiers import parse_uscc
from core.settings import Settings
from sandbox import data_owner
from sandbox.data_owner import DataOwner, Enterprise
from tests.conftest import PROJECT
from tests.support.owner import ENTERPRISE, KEY, OTHER_ENTERPRISE, SEIZURES, played_register

PAGE = {"Accept": "text/html"}


@pytest.fixture
def register() -> DataOwner:
    return played_register()


@pytest.fixture
async def http(register: DataOwner) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(data_owner.build(register))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8003") as client:
        yield client


async def test_a_call_without_the_exchanges_signature_gets_nothing(http: httpx.AsyncClient) -> None:
    answer = (await http.post("/exchange", json={"tyshxydm": ENTERPRISE})).json()
    assert answer == {"code": "E-106", "msg": "请求者未获该服务的授权"}


async def test_a_body_that_is_no_json_is_refused(http: httpx.AsyncClient) -> None:
    assert (await http.post("/exchange", content=b"{")).json()["code"] == "-1"


async def test_a_clerk_enters_a_seizure_and_lifts_it(http: httpx.AsyncClient, register: DataOwner) -> None:
    entered = await http.post("/seizures", data={"uscc": OTHER_ENTERPRISE})
    assert entered.status_code == 303
    [row] = register.seizures[OTHER_ENTERPRISE]
    desk = (await http.get("/", headers=PAGE)).text
    assert row["cfwh"] in desk
    lifted = await http.post("/seizures/lift", data={"uscc": OTHER_ENTERPRISE, "document": row["cfwh"]})
    assert lifted.status_code == 303
    assert register.seizures[OTHER_ENTERPRISE] == []
    assert row["cfwh"] not in (await http.get("/", headers=PAGE)).text


async def test_the_desk_finds_enterprises_without_a_seizure_too(http: httpx.AsyncClient) -> None:
    assert "南京示例食品有限公司" not in (await http.get("/")).text
    assert "南京示例食品有限公司" in (await http.get("/", params={"q": "食品"})).text
    assert "没有找到" in (await http.get("/", params={"q": "<b>"})).text


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/seizures", {"uscc": "unknown"}, 404),
        ("/seizures", {"uscc": ENTERPRISE, "kind": "7"}, 422),
        ("/seizures/lift", {"uscc": ENTERPRISE, "document": "unknown"}, 404),
        ("/manner", {"manner": "rude"}, 422),
    ],
)
async def test_what_cannot_be_done_is_said(
    http: httpx.AsyncClient, path: str, form: dict[str, str], status: int
) -> None:
    assert (await http.post(path, data=form)).status_code == status


async def test_a_form_on_another_site_changes_nothing(http: httpx.AsyncClient, register: DataOwner) -> None:
    for path, form in (("/seizures", {"uscc": OTHER_ENTERPRISE}), ("/manner", {"manner": "failing"})):
        answer = await http.post(path, data=form, headers={"Origin": "http://evil.test"})
        assert answer.status_code == 403
    assert register.seizures.get(OTHER_ENTERPRISE) is None
    assert register.manner == "well"


async def test_the_exchange_behaves_as_it_was_told(http: httpx.AsyncClient, register: DataOwner) -> None:
    await http.post("/manner", data={"manner": "failing"})
    assert (await http.post("/exchange", json={})).status_code == 500
    assert "答 500" in (await http.get("/")).text


def test_the_register_begins_the_same_at_every_start() -> None:
    known = {
        uscc: Enterprise(uscc, "示例", "南京") for uscc in (f"9132010{number:011d}" for number in range(300))
    }
    first, second = (DataOwner(known, KEY, today=lambda: played_register().today()) for _ in range(2))
    first.populate()
    second.populate()
    assert first.seizures == second.seizures
    assert 30 < len(first.seizures) < 100
    assert all(len(row["bdcdyh"]) == 28 for rows in first.seizures.values() for row in rows)


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    key = data_owner.exchange_key(tmp_path / "state")
    assert data_owner.exchange_key(tmp_path / "state") == key
    assert len(key) == 64
    assert (tmp_path / "state" / data_owner.KEY_FILE).stat().st_mode & 0o777 == 0o600


async def test_a_hub_set_as_the_owners_process_says_reaches_it(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    enterprises = tmp_path / "enterprises.json"
    enterprises.write_text(json.dumps([{"uscc": ENTERPRISE, "name": "示例", "city": "苏州"}]))
    command = [sys.executable, "-m", "sandbox", "data-owner", "--enterprises", str(enterprises)]
    command += ["--state", str(tmp_path / "owner"), "--port", str(free_port)]
    process = await asyncio.create_subprocess_exec(*command, cwd=PROJECT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    said = [(await process.stdout.readline()).decode().strip() for _ in range(2)]
    name, _, value = said[1].partition("=")
    monkeypatch.setenv(name, value.strip("'"))
    owner = open_data_owners(Settings().owners)["real_estate_register"]
    try:
        async with asyncio.timeout(20):
            assert await rows_once_it_listens(owner) is not None
    finally:
        await owner.close()
        process.terminate()
        await process.wait()


async def rows_once_it_listens(owner: DataOwnerPort) -> list[OwnerRow]:
    while True:
        try:
            return await owner.rows_about(SEIZURES, parse_uscc(ENTERPRISE), timeout_seconds=5)
        except Unavailable as error:
            if error.facts["fault"] != "ConnectError":
                raise
        await asyncio.sleep(0.05)
