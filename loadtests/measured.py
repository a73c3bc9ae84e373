"""Requests that Locust counts: one transport for every HTTP client in the simulation.

Locust's own clients would have to learn what the sandbox's reference bank and its browser know already (proofs,
retries, forms), so those are used, and the transport under them reports.
"""

import re
import time
from collections.abc import Callable

import httpx
from locust.env import Environment

from sandbox.browser import Browser, PageError
from sandbox.hub_client import HubUnreachableError, TokenRefusedError

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")


class UnexpectedError(Exception):
    """The hub did what it must not do."""


class MeasuredTransport(httpx.BaseTransport):
    """Reports each request by who sent it and where it went; 429 and 5xx are failures."""

    def __init__(self, environment: Environment, who: str) -> None:
        self._environment = environment
        self._who = who
        self._transport = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        started, octets = time.perf_counter(), 0
        failure: Exception | None = None
        try:
            response = self._transport.handle_request(request)
            octets = len(response.read())
            if response.status_code >= 500 or response.status_code == 429:
                failure = UnexpectedError(f"status {response.status_code}")
        except httpx.TransportError as error:
            failure = error
            raise
        finally:
            self._report(request, time.perf_counter() - started, octets, failure)
        return response

    def close(self) -> None:
        self._transport.close()

    def _report(self, request: httpx.Request, seconds: float, octets: int, failure: Exception | None) -> None:
        at_hub = str(request.url).startswith(f"{self._environment.host}/")
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=f"{self._who} {request.method}",
            name=("" if at_hub else "(log-in) ") + ID.sub("{id}", request.url.path),
            response_time=seconds * 1000,
            response_length=octets,
            exception=failure,
            context={},
        )


class MeasuredBrowser(Browser):
    """The sandbox's browser over a measured transport."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._http = httpx.Client(transport=transport, timeout=10.0, trust_env=False)


def expect(right: object, otherwise: str) -> None:
    if not right:
        raise UnexpectedError(otherwise)


def attempt(environment: Environment, who: str, what: str, act: Callable[[], object]) -> bool:
    """Do it; what goes wrong without a status code (wrong data, a missing form) is entered as a failed check."""
    try:
        act()
    except (
        UnexpectedError,
        HubUnreachableError,
        TokenRefusedError,
        PageError,
        httpx.TransportError,
    ) as error:
        environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=f"{who} CHECK",
            name=what,
            response_time=0.0,
            response_length=0,
            exception=error,
            context={},
        )
        return False
    return True
