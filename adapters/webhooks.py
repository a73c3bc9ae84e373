"""Sending to an address that somebody outside has named: a bank's webhook, a client's notification endpoint.

The name is resolved once, every address behind it is judged (`adapters.addresses`), and the connection is made to the
very address that was judged, while TLS checks the certificate against the name: a name that changes its mind between
the look and the connection (DNS rebinding) gains nothing. No redirect is followed, nothing of the answer but its
status and ``Retry-After`` is used, and the whole call has one time limit.

Signatures follow Standard Webhooks 1.0 (symmetric, ``v1``), so that a bank can check them with any of its libraries.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import httpx

from adapters.addresses import Address, Network, may_connect
from core.errors import InvalidInput
from core.settings import Settings

TIMEOUT_SECONDS = 15.0
CONNECTIONS_MAX = 64
URL_CHARACTERS_MAX = 500
RETRY_AFTER_MAX_SECONDS = 24 * 3600.0

SECRET_PREFIX = "whsec_"  # noqa: S105

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]


@dataclass(frozen=True)
class Outcome:
    """How a call ended. ``fault`` is a stable word, None if the receiver has it (2xx)."""

    fault: str | None
    retry_after_seconds: float | None = None

    @property
    def gone(self) -> bool:
        """410: the receiver asks never to be called again."""
        return self.fault == "status_410"


class WebhookSender:
    """``networks``: private networks that may be reached all the same; of those, plain HTTP is allowed to loopback
    addresses. ``resolve`` gives all addresses of a host, or raises `OSError`."""

    def __init__(
        self,
        *,
        networks: Sequence[Network] = (),
        ca: Path | None = None,
        resolve: Resolve | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._networks = tuple(networks)
        self._resolve = resolve or _resolve
        self._timeout_seconds = timeout_seconds
        trusted = httpx.create_ssl_context(trust_env=False)
        if ca is not None:
            trusted.load_verify_locations(ca)
        # No proxy or netrc of the environment, and no connection kept: the next call is judged anew.
        self._http = httpx.AsyncClient(
            verify=trusted,
            timeout=None,  # noqa: S113  # one limit for the whole call, below
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def check(self, url: str) -> None:
        """Raise `InvalidInput` with what is wrong with an address, as far as can be told without calling it."""
        place = checked_url(url)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                fault = await self._find(place)
        except (OSError, TimeoutError) as error:
            raise InvalidInput("webhook_url", f"{place.hostname} cannot be resolved") from error
        if isinstance(fault, str):
            raise InvalidInput("webhook_url", WORDS[fault])

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Deliver once. What goes wrong outside is in the outcome, not raised."""
        try:
            place = checked_url(url)
            async with asyncio.timeout(self._timeout_seconds):
                found = await self._find(place)
                return (
                    Outcome(found)
                    if isinstance(found, str)
                    else await self._deliver(place, found, headers, body)
                )
        except InvalidInput:
            return Outcome("address_invalid")
        except TimeoutError:
            return Outcome("timeout")
        except socket.gaierror:
            return Outcome("name_unknown")
        except (httpx.HTTPError, OSError) as error:
            return Outcome("certificate" if _is_about_certificate(error) else type(error).__name__)

    async def _find(self, place: SplitResult) -> Address | str:
        """The address to connect to, or why there is none. One bad address among good ones is enough to refuse."""
        assert place.hostname is not None
        found = await self._resolve(place.hostname, _port(place))
        if not found:
            return "name_unknown"
        if not all(may_connect(address, self._networks) for address in found):
            return "address_forbidden"
        if place.scheme == "http" and not all(address.is_loopback for address in found):
            return "https_needed"
        return found[0]

    async def _deliver(
        self, place: SplitResult, address: Address, headers: Mapping[str, str], body: bytes
    ) -> Outcome:
        pinned = httpx.URL(place.geturl()).copy_with(host=str(address))
        request = self._http.build_request(
            "POST",
            pinned,
            headers={"user-agent": "xinyi-hub", **headers, "host": place.netloc},
            content=body,
            extensions={"sni_hostname": place.hostname},
        )
        response = await self._http.send(request, stream=True)
        await response.aclose()  # unread
        if response.is_success:
            return Outcome(None)
        return Outcome(
            f"status_{response.status_code}", _retry_after(response.headers.get("retry-after", ""))
        )


def open_sender(settings: Settings) -> WebhookSender:
    return WebhookSender(networks=settings.webhook_networks, ca=settings.webhook_ca)


WORDS = {
    "name_unknown": "this name leads to no address",
    "address_forbidden": "this name leads to an address inside; HUB_WEBHOOK_NETWORKS names those that are allowed",
    "https_needed": "give an https address",
}


def checked_url(url: str) -> SplitResult:
    """The parts of a usable address. Raises `InvalidInput`."""
    try:
        place = urlsplit(url)
        port = place.port
    except ValueError as error:
        raise InvalidInput("webhook_url", "this is no address") from error
    if (
        len(url) > URL_CHARACTERS_MAX
        or not url.isascii()
        or not url.isprintable()
        or " " in url
        or "\\" in url
    ):
        raise InvalidInput("webhook_url", f"give at most {URL_CHARACTERS_MAX} printable ASCII characters")
    if place.scheme not in ("https", "http") or not place.hostname or port == 0:
        raise InvalidInput("webhook_url", "give an https address")
    if "@" in place.netloc or place.fragment:
        raise InvalidInput("webhook_url", "give an address without user, password and fragment")
    return place


def standard_headers(
    number: str, body: bytes, secrets: Sequence[bytes], *, at: float | None = None
) -> dict[str, str]:
    """The headers of Standard Webhooks; with several secrets, a signature of each, for a change without a gap."""
    timestamp = str(int(time.time() if at is None else at))
    signed = b".".join((number.encode(), timestamp.encode(), body))
    signatures = (
        base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets
    )
    return {
        "webhook-id": number,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        "content-type": "application/json",
    }


def written_secret(secret: bytes) -> str:
    """As a bank gets it: ``whsec_…``."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def _port(place: SplitResult) -> int:
    return place.port or (443 if place.scheme == "https" else 80)


async def _resolve(host: str, port: int) -> Sequence[Address]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # An IPv6 address may come with a zone (fe80::1%eth0): ip_address keeps it, and it is judged without.
    return [ipaddress.ip_address(str(entry[4][0])) for entry in found]


def _retry_after(text: str) -> float | None:
    """Seconds only: the other form of the header, a date, is taken as none."""
    return min(float(text), RETRY_AFTER_MAX_SECONDS) if text.isascii() and text.isdigit() else None


def _is_about_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
