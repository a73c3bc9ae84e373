"""How often the ways in may be tried: OAuth endpoints by their proven client, and, before anybody is proven, by address.

Kept by each process in its memory, so it costs no round trip and does not need Redis. By address, so that nobody is
kept out by somebody else who uses their name. An address is generous: behind the trusted proxy it is the one that the
proxy saw, behind any other it is the proxy's own, and all share it.
"""

import time

from fastapi import Request

from core.errors import TooManyRequests
from core.settings import Settings
from gateway.queries.admission import LocalRates

BURST_SECONDS = 5.0


class Rates:
    def __init__(self, settings: Settings) -> None:
        self._trusted_proxy = settings.certificate_header_from
        self._by_client = _rates(settings.token_rate_per_second)
        self._by_address = _rates(settings.address_rate_per_second)

    def of_client(self, client_id: str) -> None:
        """Raise `TooManyRequests` if the client, which is proven, calls too often."""
        _spend(self._by_client, client_id)

    def of_address(self, request: Request) -> None:
        """Raise `TooManyRequests` if too much comes from where the request comes from."""
        _spend(self._by_address, self._address(request))

    def _address(self, request: Request) -> str:
        address = request.client.host if request.client else ""
        forwarded = request.headers.getlist("x-forwarded-for")
        if not forwarded or address != self._trusted_proxy:
            return address
        return (
            forwarded[-1].rpartition(",")[2].strip()[:64]
        )  # what our proxy added; the rest anybody can write


def _rates(per_second: float) -> LocalRates:
    return LocalRates(1 / per_second, BURST_SECONDS)


def _spend(rates: LocalRates, key: str) -> None:
    wait_seconds = rates.spend(key, time.monotonic())
    if wait_seconds > 0:
        raise TooManyRequests("rate_exceeded", wait_seconds)
