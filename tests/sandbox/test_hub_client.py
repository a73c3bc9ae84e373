"""The reference client: proves itself anew each time, renews its token in time, asks twice without harm."""

import base64
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from sandbox.certificates import write_certificates
from sandbox.hub_client import HubClient, HubUnreachableError, MutualTls, TokenRefusedError

HUB = "http://hub.test"
CONSENT = "0197f3a0-0000-7000-8000-000000000001"
QUESTION = {"uscc": "91320583MYL6RD5N0B", "consent_id": CONSENT}
BANK_KEY = ECKey.generate_key("P-256", {"kid": "bank-1"})

Reaction = Callable[[httpx.Request], httpx.Response]


@dataclass
class PlayedHub:
    """A hub on the other end of the wire. `next` holds reactions to play before answering normally."""

    issuer: str = HUB
    lifetime: int = 300
    required_nonce: str | None = None
    seen: list[httpx.Request] = field(default_factory=list)
    next: list[Reaction] = field(default_factory=list)
    tokens_given: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        match request.url.path:
            case "/.well-known/oauth-authorization-server":
                return httpx.Response(
                    200, json={"issuer": self.issuer, "token_endpoint": f"{HUB}/oauth/token"}
                )
            case "/oauth/token":
                return self._token(request)
            case _:
                return self.next.pop(0)(request) if self.next else self._answer(request)

    def _token(self, request: httpx.Request) -> httpx.Response:
        proof = read_proof(request)
        if self.required_nonce and proof.get("nonce") != self.required_nonce:
            body = {"error": "use_dpop_nonce"}
            return httpx.Response(400, json=body, headers={"DPoP-Nonce": self.required_nonce})
        self.tokens_given += 1
        body = {"access_token": f"t{self.tokens_given}", "token_type": "DPoP", "expires_in": self.lifetime}  # type: ignore[dict-item]
        return httpx.Response(200, json=body)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        token = request.headers["Authorization"].removeprefix("DPoP ")
        digest = hashlib.sha256(token.encode()).digest()
        assert read_proof(request)["ath"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return httpx.Response(200, json={"disclosure_id": "d1"})

    def requests_to(self, path: str) -> list[httpx.Request]:
        return [request for request in self.seen if request.url.path == path]


def read_proof(request: httpx.Request) -> dict[str, Any]:
    """Verify a DPoP proof with the key it carries, as RFC 9449 §4.3 says, and answer its claims."""
    proof = request.headers["DPoP"]
    head = proof.split(".")[0]
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    assert header["typ"] == "dpop+jwt"
    assert header["alg"] == "ES256"
    assert "d" not in header["jwk"]
    claims = jwt.decode(proof, ECKey.import_key(header["jwk"]), algorithms=["ES256"]).claims
    assert claims["htm"] == request.method
    assert claims["htu"] == f"{HUB}{request.url.path}"
    assert abs(claims["iat"] - time.time()) < 5
    return dict(claims)


@pytest.fixture
def hub() -> PlayedHub:
    return PlayedHub()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(hub: PlayedHub, pauses: list[float]) -> HubClient:
    return HubClient(HUB, "demo-bank", BANK_KEY, transport=httpx.MockTransport(hub), sleep=pauses.append)


def say(status: int, **headers: str) -> Reaction:
    return lambda _: httpx.Response(status, json={"type": "/problems/x"}, headers=headers)


def fail(error: type[httpx.TransportError]) -> Reaction:
    def react(request: httpx.Request) -> httpx.Response:
        raise error("broken", request=request)

    return react


def test_a_token_request_proves_the_client_without_a_secret(hub: PlayedHub, client: HubClient) -> None:
    client.access_token()
    form = parse_qs(hub.requests_to("/oauth/token")[0].content.decode())
    token = jwt.decode(form["client_assertion"][0], BANK_KEY, algorithms=["ES256"])
    assert form["grant_type"] == ["client_credentials"]
    assert token.header["kid"] == "bank-1"
    assert (token.claims["iss"], token.claims["sub"], token.claims["aud"]) == ("demo-bank", "demo-bank", HUB)
    assert token.claims["exp"] - token.claims["iat"] <= 60


def test_every_request_carries_its_own_proof(hub: PlayedHub, client: HubClient) -> None:
    client.ask("tax", **QUESTION)
    client.ask("tax", **QUESTION)
    asked = hub.requests_to("/v1/datasets/tax/queries")
    assert len({read_proof(request)["jti"] for request in asked}) == 2
    assert json.loads(asked[0].content) == {**QUESTION, "purpose": "credit_review"}


def test_the_query_part_of_an_address_stays_out_of_the_proof(client: HubClient) -> None:
    assert client.usage("2026-11-01", "2026-11-22").ok


def test_a_token_is_kept_while_it_lives(hub: PlayedHub, client: HubClient) -> None:
    for _ in range(3):
        client.ask("tax", **QUESTION)
    assert hub.tokens_given == 1


def test_a_token_is_renewed_before_it_expires(hub: PlayedHub, client: HubClient) -> None:
    hub.lifetime = 0
    client.ask("tax", **QUESTION)
    client.ask("tax", **QUESTION)
    assert hub.tokens_given == 2


def test_a_refused_token_is_replaced_once(hub: PlayedHub, client: HubClient) -> None:
    hub.next = [say(401)]
    assert client.ask("tax", **QUESTION).ok
    assert hub.tokens_given == 2
    hub.next = [say(401), say(401)]
    assert client.ask("tax", **QUESTION).status == 401


def test_a_nonce_is_taken_up_at_the_token_endpoint_and_later(hub: PlayedHub, client: HubClient) -> None:
    hub.required_nonce = "n1"
    assert client.access_token().value == "t1"
    hub.next = [say(401, **{"DPoP-Nonce": "n2", "WWW-Authenticate": 'DPoP error="use_dpop_nonce"'})]
    assert client.ask("tax", **QUESTION).ok
    assert read_proof(hub.seen[-1])["nonce"] == "n2"
    assert hub.tokens_given == 1


def test_a_question_is_repeated_with_the_same_key_and_the_same_bytes(
    hub: PlayedHub, client: HubClient, pauses: list[float]
) -> None:
    hub.next = [fail(httpx.ReadTimeout), say(503, **{"Retry-After": "2"})]
    assert client.ask("tax", **QUESTION).ok
    asked = hub.requests_to("/v1/datasets/tax/queries")
    assert len(asked) == 3
    assert len({request.headers["Idempotency-Key"] for request in asked}) == 1
    assert len({request.content for request in asked}) == 1
    assert len({read_proof(request)["jti"] for request in asked}) == 3
    assert pauses == [0.2, 2.0]


def test_two_questions_have_two_keys(hub: PlayedHub, client: HubClient) -> None:
    client.ask("tax", **QUESTION)
    client.ask("tax", **QUESTION)
    asked = hub.requests_to("/v1/datasets/tax/queries")
    assert len({request.headers["Idempotency-Key"] for request in asked}) == 2


def test_patience_ends(hub: PlayedHub, client: HubClient) -> None:
    hub.next = [fail(httpx.ConnectError)] * 3
    with pytest.raises(HubUnreachableError):
        client.ask("tax", **QUESTION)
    hub.next = [say(503)] * 3
    assert client.ask("tax", **QUESTION).status == 503


def test_a_refusal_is_an_answer_and_is_not_repeated(hub: PlayedHub, client: HubClient) -> None:
    hub.next = [say(403)]
    answer = client.ask("tax", **QUESTION)
    assert (answer.status, answer.ok) == (403, False)
    assert len(hub.requests_to("/v1/datasets/tax/queries")) == 1


def test_a_consent_request_too_keeps_its_key(hub: PlayedHub, client: HubClient) -> None:
    hub.next = [fail(httpx.ReadTimeout)]
    assert client.request_consent(uscc=QUESTION["uscc"], datasets=["tax"]).ok
    filed = hub.requests_to("/v1/consent-requests")
    assert len(filed) == 2
    assert len({request.headers["Idempotency-Key"] for request in filed}) == 1


def test_a_form_travels_with_what_was_read_on_it_and_again_as_it_was(
    hub: PlayedHub, client: HubClient
) -> None:
    hub.next = [say(503)]
    said = {"signed_on": "2026-11-20", "enterprise_name": "苏州示例公司", "signatory_name": "张三"}
    client.hand_in_form(CONSENT, b"%PDF-1.7 \xff", **said)
    first, again = [request for request in hub.seen if request.url.path.startswith("/v1/")]
    assert first.url.path == f"/v1/consent-requests/{CONSENT}/signed-forms"
    assert first.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert (again.content, again.headers["Content-Type"]) == (first.content, first.headers["Content-Type"])
    assert all(part in first.content for part in (b"%PDF-1.7 \xff", b'name="signed_on"', "张三".encode()))


def test_a_hub_that_names_itself_otherwise_is_not_trusted(hub: PlayedHub, client: HubClient) -> None:
    hub.issuer = "http://elsewhere.test"
    with pytest.raises(HubUnreachableError):
        client.access_token()
    assert hub.requests_to("/oauth/token") == []


def test_the_reason_of_a_refused_token_is_told(client: HubClient, hub: PlayedHub) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            return httpx.Response(401, json={"error": "invalid_client", "error_description": "unknown key"})
        return hub(request)

    refused = HubClient(HUB, "demo-bank", BANK_KEY, transport=httpx.MockTransport(refuse))
    with pytest.raises(TokenRefusedError, match="invalid_client: unknown key"):
        refused.access_token()


@pytest.mark.parametrize("consent_id", ["", "../usage", "x"])
def test_a_consent_id_cannot_lead_elsewhere(client: HubClient, consent_id: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        client.consent(consent_id)


class TlsHub(BaseHTTPRequestHandler):
    """A hub behind real mutual TLS that answers with what it saw of the caller."""

    def do_GET(self) -> None:
        if self.path == "/.well-known/oauth-authorization-server":
            self._say({"issuer": HUB, "token_endpoint": f"{HUB}/oauth/token"})
        else:
            self._say({"headers": dict(self.headers), "subject": self._subject()})

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        bound = "DPoP" not in self.headers and "client_assertion" in form
        self._say(
            {"access_token": self._subject(), "token_type": "Bearer", "expires_in": 300} if bound else {}
        )

    def _subject(self) -> str:
        assert isinstance(self.connection, ssl.SSLSocket)
        certificate = self.connection.getpeercert()
        assert certificate
        return dict(part[0] for part in certificate["subject"])["commonName"]  # type: ignore[misc]

    def _say(self, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def mutual_tls(tmp_path: Path) -> Iterator[MutualTls]:
    write_certificates(tmp_path, "demo-bank")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(tmp_path / "hub.pem", tmp_path / "hub.key")
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), TlsHub)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"https://127.0.0.1:{server.server_port}"
    yield MutualTls(address, tmp_path / "ca.pem", tmp_path / "bank.pem", tmp_path / "bank.key")
    server.shutdown()
    thread.join()
    server.server_close()


def test_over_mutual_tls_the_certificate_stands_for_the_proof(mutual_tls: MutualTls) -> None:
    client = HubClient(HUB, "demo-bank", BANK_KEY, mutual_tls=mutual_tls)
    seen = client.catalogue().json()
    client.close()
    assert seen["subject"] == "demo-bank"
    assert seen["headers"]["Authorization"] == "Bearer demo-bank"
    assert "DPoP" not in seen["headers"]


def test_demo_keys_are_private(tmp_path: Path) -> None:
    write_certificates(tmp_path, "demo-bank")
    assert {path.name for path in tmp_path.iterdir()} == {
        "ca.pem",
        "hub.pem",
        "hub.key",
        "bank.pem",
        "bank.key",
    }
    for name in ("hub.key", "bank.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
