"""Sending to an address that a stranger named: it arrives, it is signed, and it reaches nothing inside."""

import asyncio
import base64
import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from adapters import Outcome, WebhookSender, standard_headers, written_secret
from adapters.addresses import Address
from core.errors import InvalidInput
from sandbox.certificates import write_certificates
from tests.support.receiver import listening

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
OPEN: Address = ipaddress.ip_address("1.1.1.1")
INSIDE: Address = ipaddress.ip_address("127.0.0.1")


@dataclass
class Site:
    """Answers as told, and notes who called."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    pause_seconds: float = 0.0
    calls: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def app(self) -> FastAPI:
        site = FastAPI()

        @site.api_route("/{path:path}", methods=["GET", "POST"])
        async def answer(path: str, request: Request) -> Response:
            self.calls.append((path, dict(request.headers), await request.body()))
            await asyncio.sleep(self.pause_seconds)
            return Response(self.body, self.status, self.headers)

        return site


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
async def url(site: Site, free_port: int) -> AsyncIterator[str]:
    async with listening(site.app(), free_port):
        yield f"http://127.0.0.1:{free_port}/notices"


@pytest.fixture
async def sender() -> AsyncIterator[WebhookSender]:
    """As in the demo: its receivers are on this machine."""
    opened = WebhookSender(networks=LOOPBACK, timeout_seconds=2)
    yield opened
    await opened.close()


def leading_to(*answers: Sequence[Address]) -> Callable[[str, int], Any]:
    """A name service that gives these answers one after the other, the last one for ever."""
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[Address]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


async def outcome_of(url: str, **how: Any) -> Outcome:
    sender = WebhookSender(**{"timeout_seconds": 2, **how})
    try:
        return await sender.post(url, headers={}, body=b"{}")
    finally:
        await sender.close()


# --- it arrives


async def test_what_is_sent_arrives_as_it_is(sender: WebhookSender, site: Site, url: str) -> None:
    assert await sender.post(url, headers={"webhook-id": "one"}, body=b'{"a": 1}') == Outcome(None)
    [(path, headers, body)] = site.calls
    assert (path, headers["webhook-id"], body) == ("notices", "one", b'{"a": 1}')
    assert headers["host"] == url.split("/")[2]


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_any_other_answer_than_2xx_is_a_failure(
    sender: WebhookSender, site: Site, url: str, status: int
) -> None:
    site.status = status
    assert await sender.post(url, headers={}, body=b"") == Outcome(f"status_{status}")


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("99999999", 86400.0), ("-1", None), ("Fri, 01", None)]
)
async def test_a_receiver_may_ask_for_a_pause(
    sender: WebhookSender, site: Site, url: str, text: str, seconds: float | None
) -> None:
    site.status, site.headers = 503, {"retry-after": text}
    assert (await sender.post(url, headers={}, body=b"")).retry_after_seconds == seconds


async def test_a_receiver_may_ask_to_be_left_alone(sender: WebhookSender, site: Site, url: str) -> None:
    site.status = 410
    assert (await sender.post(url, headers={}, body=b"")).gone


async def test_one_that_takes_too_long_is_left(site: Site, url: str) -> None:
    site.pause_seconds = 30
    began = time.monotonic()
    assert await outcome_of(url, networks=LOOPBACK, timeout_seconds=0.3) == Outcome("timeout")
    assert time.monotonic() - began < 5


async def test_nothing_of_a_huge_answer_is_read(sender: WebhookSender, site: Site, url: str) -> None:
    site.body = b"x" * 50_000_000
    assert await sender.post(url, headers={}, body=b"") == Outcome(None)


async def test_where_nobody_listens_is_a_failure(sender: WebhookSender, free_port: int) -> None:
    assert (await sender.post(f"http://127.0.0.1:{free_port}/", headers={}, body=b"")).fault == "ConnectError"


# --- it reaches nothing inside (server-side request forgery)


async def test_a_redirect_to_an_inside_address_is_not_followed(
    sender: WebhookSender, site: Site, url: str
) -> None:
    site.status, site.headers = 307, {"location": url.replace("/notices", "/inside")}
    assert await sender.post(url, headers={}, body=b"secret") == Outcome("status_307")
    assert [path for path, _, _ in site.calls] == ["notices"]


async def test_without_leave_nothing_on_this_machine_is_called(site: Site, url: str) -> None:
    assert await outcome_of(url) == Outcome("address_forbidden")
    assert site.calls == []


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0"],
)
async def test_no_way_of_writing_an_inside_address_helps(host: str, free_port: int) -> None:
    outcome = await outcome_of(f"https://{host}:{free_port}/")
    assert outcome.fault in {"address_forbidden", "name_unknown"}


async def test_a_name_that_leads_inside_is_refused(site: Site, url: str, free_port: int) -> None:
    outcome = await outcome_of(f"https://bank.example:{free_port}/", resolve=leading_to([INSIDE]))
    assert outcome == Outcome("address_forbidden")
    assert site.calls == []


async def test_one_address_inside_among_good_ones_is_enough_to_refuse(free_port: int) -> None:
    outcome = await outcome_of(f"https://bank.example:{free_port}/", resolve=leading_to([OPEN, INSIDE]))
    assert outcome == Outcome("address_forbidden")


async def test_a_name_that_changes_its_mind_gains_nothing(site: Site, free_port: int) -> None:
    """DNS rebinding: judged while it leads to 127.0.0.2, it leads to 127.0.0.1 when asked again. It is not asked
    again: where nobody listens stays where nobody listens."""
    resolve = leading_to([ipaddress.ip_address("127.0.0.2")], [INSIDE])
    async with listening(site.app(), free_port):
        outcome = await outcome_of(f"http://bank.example:{free_port}/", networks=LOOPBACK, resolve=resolve)
    assert outcome.fault == "ConnectError"
    assert site.calls == []


async def test_plain_http_is_for_this_machine_only() -> None:
    lines = (ipaddress.ip_network("10.20.0.0/16"),)
    for address in (OPEN, ipaddress.ip_address("10.20.0.1")):
        outcome = await outcome_of("http://bank.example/", networks=lines, resolve=leading_to([address]))
        assert outcome == Outcome("https_needed")


@pytest.mark.parametrize(
    "url",
    [
        "", "bank.example", "ftp://bank.example/", "file:///etc/passwd", "https://", "https:///x",
        "https://user:pass@bank.example/", "https://bank.example/#here", "https://bank.example:99999/",
        "https://bank.example:0/", "https://bank.example/ x", "https://bank.example\\@inside/", "https://银行.example/",
        "https://[::1/", "https://bank.example/" + "x" * 500,
    ],
)  # fmt: skip
async def test_what_is_no_usable_address_is_refused(url: str) -> None:
    sender = WebhookSender()
    with pytest.raises(InvalidInput) as refused:
        await sender.check(url)
    assert refused.value.reason == "webhook_url"
    assert await sender.post(url, headers={}, body=b"") == Outcome("address_invalid")
    await sender.close()


async def test_an_address_is_judged_when_it_is_registered(sender: WebhookSender, url: str) -> None:
    await sender.check(url)
    strict = WebhookSender()
    with pytest.raises(InvalidInput, match="HUB_WEBHOOK_NETWORKS"):
        await strict.check(url)
    await strict.close()


# --- TLS: to the address that was judged, under the name that was given


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Of a server called localhost."""
    write_certificates(tmp_path / "certificates", "bank")
    return tmp_path / "certificates"


async def test_tls_is_checked_against_the_name_and_not_the_address(
    site: Site, certificates: Path, free_port: int
) -> None:
    async with listening(site.app(), free_port, certificates=certificates):
        good, other = [
            await outcome_of(
                f"https://{name}:{free_port}/",
                networks=LOOPBACK,
                ca=certificates / "ca.pem",
                resolve=leading_to([INSIDE]),
            )
            for name in ("localhost", "bank.example")
        ]
    assert (good, other) == (Outcome(None), Outcome("certificate"))
    assert [headers["host"] for _, headers, _ in site.calls] == [f"localhost:{free_port}"]


async def test_an_authority_that_nobody_named_is_not_believed(
    site: Site, certificates: Path, free_port: int
) -> None:
    async with listening(site.app(), free_port, certificates=certificates):
        assert await outcome_of(f"https://localhost:{free_port}/", networks=LOOPBACK) == Outcome(
            "certificate"
        )
    assert site.calls == []


# --- signatures


def test_the_signature_is_the_one_of_standard_webhooks() -> None:
    """The example with which the specification's own libraries are tested."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = standard_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', [secret], at=1614265330.9
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"
    assert written_secret(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_while_a_secret_is_changed_both_sign() -> None:
    both = standard_headers("one", b"{}", [b"new" * 10, b"old" * 10], at=1.0)["webhook-signature"].split(" ")
    each = [
        standard_headers("one", b"{}", [secret * 10], at=1.0)["webhook-signature"]
        for secret in (b"new", b"old")
    ]
    assert both == each
