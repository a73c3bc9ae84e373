"""The transfer service over real HTTP: an order is paid once, to an account of that very name, or comes back."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from fastapi import FastAPI
from fastapi.responses import Response
from joserfc.jwk import ECKey

from adapters import TransferOrder, TransferService
from core.errors import Unavailable
from core.identifiers import new_id
from sandbox import bank_transfer as transfers
from tests.conftest import ENTERPRISE
from tests.support.counterparts import HUB_KEY, KNOWN, hub_keys, serving_site


@pytest.fixture
async def service(free_port: int) -> AsyncIterator[transfers.TransferService]:
    played = transfers.TransferService(f"http://127.0.0.1:{free_port}", "xinyi-hub", KNOWN, hub_keys())
    async with serving_site(transfers.build(played), free_port):
        yield played


@pytest.fixture
async def bank(service: transfers.TransferService) -> AsyncIterator[TransferService]:
    opened = reached(service.url)
    yield opened
    await opened.close()


def reached(
    url: str, *, key: ECKey = HUB_KEY, client_id: str = "xinyi-hub", clock: Callable[[], float] = time.time
) -> TransferService:
    return TransferService(url=url, client_id=client_id, key=lambda: key, clock=clock)


def an_order() -> TransferOrder:
    return TransferOrder(
        order_id=new_id(),
        account_name="苏州示例精密机械有限公司",
        account=transfers.account_of(ENTERPRISE),
        bank_name="沙箱银行苏州分行",
        amount_fen=327,
    )


async def test_an_order_is_paid_once_however_often_it_comes(
    bank: TransferService, service: transfers.TransferService
) -> None:
    order = an_order()
    for _ in range(2):
        assert await bank.order(order) == "paid"
    [received] = service.received(ENTERPRISE)
    assert received.amount_fen == 327
    assert await bank.progress(order.order_id) == "paid"


@pytest.mark.parametrize(
    "changes", [{"account_name": "苏州示例精密机械公司"}, {"account": "3200000000000000000"}]
)
async def test_what_goes_to_an_account_of_another_name_comes_back(
    bank: TransferService, service: transfers.TransferService, changes: dict[str, str]
) -> None:
    order = replace(an_order(), **changes)  # type: ignore[arg-type]  # text fields only
    assert await bank.order(order) == "returned"
    assert await bank.progress(order.order_id) == "returned"
    assert service.received(ENTERPRISE) == []


async def test_an_order_that_never_arrived_is_unknown(bank: TransferService) -> None:
    assert await bank.progress(new_id()) == "unknown"


async def test_nobody_else_can_order(bank: TransferService, service: transfers.TransferService) -> None:
    strangers = [
        reached(service.url, key=ECKey.generate_key("P-256", {"kid": "hub-1"})),
        reached(service.url, client_id="somebody"),
        reached(service.url, clock=lambda: time.time() - 90),
        reached(service.url, clock=lambda: time.time() + 90),
    ]
    for stranger in strangers:
        with pytest.raises(Unavailable) as refused:
            await stranger.order(an_order())
        assert refused.value.reason == "transfer_away"
        await stranger.close()
    assert service.transfers == {}


ANSWERS = {
    "another order": b'{"order_id": "7", "state": "paid"}',
    "not JSON": b"<html>",
    "no object": b"[]",
    "too much": b" " * 20_000,
}


@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_that_cannot_be_used_is_none(free_port: int, body: bytes) -> None:
    site = FastAPI(openapi_url=None)

    @site.post("/orders")
    def orders() -> Response:
        return Response(body)

    bank = reached(f"http://127.0.0.1:{free_port}")
    async with serving_site(site, free_port):
        with pytest.raises(Unavailable):
            await bank.order(an_order())
    await bank.close()


async def test_nobody_there_is_told_as_away(free_port: int) -> None:
    bank = reached(f"http://127.0.0.1:{free_port}")
    with pytest.raises(Unavailable) as away:
        await bank.progress(new_id())
    assert away.value.reason == "transfer_away"
    await bank.close()
