"""The played corporate accounts: what the hub sent can be read by whoever looks into the account."""

from collections.abc import AsyncIterator

import httpx
import pytest

from sandbox import bank_transfer as transfers
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE
from tests.support.counterparts import KNOWN, hub_keys

URL = "http://127.0.0.1:8005"


@pytest.fixture
def service() -> transfers.TransferService:
    return transfers.TransferService(URL, "xinyi-hub", KNOWN, hub_keys(), clock=lambda: 1_790_000_000.0)


@pytest.fixture
async def http(service: transfers.TransferService) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(transfers.build(service))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        yield client


async def test_the_account_shows_what_came_in_and_nothing_of_others(
    http: httpx.AsyncClient, service: transfers.TransferService
) -> None:
    account = transfers.account_of(ENTERPRISE)
    service.transfers["1"] = transfers.Transfer(account, 327, service.clock())
    service.transfers["2"] = transfers.Transfer(account, 999, service.clock(), "account_name")
    page = (await http.get("/", params={"q": "精密"})).text
    assert "3.27 元" in page
    assert "2026-09-21 22:13:20" in page
    assert "9.99" not in page
    assert account in page
    assert "3.27" not in (await http.get("/", params={"q": OTHER_ENTERPRISE})).text


def test_every_enterprise_has_an_account_of_its_own() -> None:
    accounts = {transfers.account_of(one.uscc) for one in KNOWN}
    assert len(accounts) == len(KNOWN)
    assert all(len(account) == 19 and account.isdecimal() for account in accounts)


@pytest.mark.parametrize("signed", ["", "nonsense", "é", "e30.e30."])
async def test_an_order_that_nobody_signed_is_refused(http: httpx.AsyncClient, signed: str) -> None:
    assert (await http.post("/orders", content=signed.encode())).status_code == 400
    assert (await http.post("/progress", content=signed.encode())).status_code == 400
