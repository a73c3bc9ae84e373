"""The ways in cannot be tried as often as anybody likes, and nobody is kept out by somebody else's trying."""

import asyncio

import pytest
from fastapi import Request

from core.errors import TooManyRequests
from core.settings import Settings
from gateway.oauth.rates import Rates
from tests.support.bank import Bank


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"token_rate_per_second": 1.0, "address_rate_per_second": 4.0})


async def test_a_client_that_asks_for_tokens_without_end_is_told_to_wait(
    bank: Bank, other_bank: Bank
) -> None:
    answers = await asyncio.gather(*(bank.ask_token() for _ in range(9)))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(answers) - len(refused) == 5, "what may come at once"
    for answer in refused:
        assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
    assert (await other_bank.ask_token()).status_code == 200, "another client is not kept waiting"


async def test_an_address_that_tries_log_ins_without_end_is_told_so_on_a_page(bank: Bank) -> None:
    pages = [await bank.http.get(f"{bank.base}/portal/login", follow_redirects=False) for _ in range(40)]
    refused = [page for page in pages if page.status_code == 429]
    assert refused
    assert "text/html" in refused[0].headers["Content-Type"]


async def test_who_pretends_to_be_a_client_does_not_use_up_its_rate(bank: Bank) -> None:
    for _ in range(8):
        forged = await bank.ask_token(assertion=bank.assertion(aud="https://else.example"))
        assert forged.status_code == 401
    assert (await bank.ask_token()).status_code == 200


def test_an_address_is_believed_from_the_trusted_proxy_only() -> None:
    rates = Rates(Settings(certificate_header_from="127.0.0.1", address_rate_per_second=4.0))

    def came(peer: str, forwarded: str) -> Request:
        headers = [(b"x-forwarded-for", forwarded.encode())]
        return Request({"type": "http", "client": (peer, 1), "headers": headers})

    assert rates._address(came("127.0.0.1", "10.0.0.1, 192.0.2.7")) == "192.0.2.7"
    assert rates._address(came("192.0.2.9", "10.0.0.1")) == "192.0.2.9"
    for _ in range(20):
        rates.of_address(came("127.0.0.1", "192.0.2.1"))
    with pytest.raises(TooManyRequests):
        rates.of_address(came("127.0.0.1", "192.0.2.1"))
    rates.of_address(came("127.0.0.1", "192.0.2.2"))
