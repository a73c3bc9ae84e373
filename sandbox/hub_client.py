"""How a bank talks to Xinyi Hub (信易枢纽): the reference an integration team may copy.

Three things make up the integration, and each is a few lines below:

1. **Who we are.** Every token request carries a *client assertion*: a JWT signed with the bank's ES256 key
   (RFC 7523). There is no shared secret; the hub knows only the public key.
2. **Nobody else can use our token.** A token is bound to a key: by a *DPoP proof* sent with every request
   (RFC 9449), or, on the mutually authenticated address, by the bank's TLS certificate (RFC 8705). A stolen
   token is worth nothing.
3. **Asking twice is safe.** What is posted carries an `Idempotency-Key`. After a time-out send the same again
   with the same key: the hub answers the same bytes and charges nothing more.

Thread-safe. Refusals of the hub come back as an `Answer`; only a missing answer is an exception.
"""

import base64
import hashlib
import secrets
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import orjson
from joserfc import jwt
from joserfc.jwk import ECKey

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS: Final = 60
RENEW_BEFORE_SECONDS: Final = 30
PAUSES: Final = (0.2, 0.8)  # seconds before the second and third attempt
LONGEST_PAUSE: Final = 5.0
WORTH_RETRYING: Final = frozenset({429, 500, 502, 503, 504})


class HubUnreachableError(Exception):
    """No usable answer came, after all attempts. Ask again later, with the same Idempotency-Key."""


class TokenRefusedError(Exception):
    """The hub gave no access token. `error` is the OAuth code (RFC 6749 §5.2), e.g. invalid_client."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error, self.description = error, description


@dataclass(frozen=True)
class Answer:
    """What the hub said, byte for byte. Status 4xx/5xx: the body is a problem document (RFC 9457)."""

    status: int
    content_type: str
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """The body as an object. HubUnreachableError if it is not JSON, e.g. a proxy's error page."""
        try:
            content: dict[str, Any] = orjson.loads(self.body)
        except ValueError as error:
            raise HubUnreachableError(f"answer {self.status} is not JSON") from error
        return content


@dataclass(frozen=True)
class MutualTls:
    """The hub's mutually authenticated address and what it takes to enter: CA, certificate, key."""

    address: str
    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True)
class Token:
    """An access token, kept until shortly before it expires. `renew_at` is on the monotonic clock."""

    value: str = field(repr=False)
    kind: str  # "DPoP" or "Bearer"
    expires_in: int
    renew_at: float


class HubClient:
    """One bank's connection with the hub.

    hub: the hub's public address, exactly as its metadata names itself (`issuer`).
    key: the ES256 key whose public half the hub registered for `client_id`.
    mutual_tls: if given, everything goes over that address, and the certificate binds tokens instead of DPoP.
    """

    def __init__(
        self,
        hub: str,
        client_id: str,
        key: ECKey,
        *,
        mutual_tls: MutualTls | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._issuer = hub.rstrip("/")
        self._address = mutual_tls.address.rstrip("/") if mutual_tls else self._issuer
        self._client_id = client_id
        self._key = key
        # The DPoP key is another key than the client's, made anew at every start and never stored.
        self._dpop_key = None if mutual_tls else ECKey.generate_key("P-256")
        self._dpop_nonce: str | None = None
        self._token: Token | None = None
        self._token_endpoint: str | None = None
        self._lock = threading.Lock()
        self._sleep = sleep
        self._http = httpx.Client(
            verify=mutual_tls.context() if mutual_tls else True,
            transport=transport,
            timeout=httpx.Timeout(10.0, connect=3.0),
            trust_env=False,
        )

    # -- what a bank does ------------------------------------------------------------------------------------

    def request_consent(
        self,
        *,
        uscc: str,
        datasets: list[str],
        purpose: str = "credit_review",
        term_days: int = 90,
        uses_max: int = 20,
        retention_days: int = 365,
        message: str = "",
        idempotency_key: str | None = None,
    ) -> Answer:
        """Ask an enterprise for its consent. Give it the answer's `approval_url`, as a link or QR code."""
        body = {
            "uscc": uscc,
            "purpose": purpose,
            "datasets": datasets,
            "term_days": term_days,
            "uses_max": uses_max,
            "retention_days": retention_days,
            "message": message,
        }
        return self._call("POST", "/v1/consent-requests", body=body, idempotency_key=idempotency_key)

    def consent(self, consent_id: str) -> Answer:
        """How a consent stands: awaiting, active, rejected, revoked, expired, used_up …"""
        return self._call("GET", f"/v1/consent-requests/{uuid.UUID(consent_id)}")

    def ask(
        self,
        dataset: str,
        *,
        uscc: str,
        consent_id: str,
        purpose: str = "credit_review",
        idempotency_key: str | None = None,
        **more: Any,
    ) -> Answer:
        """Ask for one data set of one enterprise. Keep the answer's `disclosure_id` with your loan file.

        `more`: `fields` for some of it, `statements` to have them verified, `mode` where there are several.
        """
        body = {"consent_id": consent_id, "uscc": uscc, "purpose": purpose, **more}
        path = f"/v1/datasets/{dataset}/queries"
        return self._call("POST", path, body=body, idempotency_key=idempotency_key)

    def hand_in_form(
        self, consent_id: str, form: bytes, *, signed_on: str, enterprise_name: str, signatory_name: str
    ) -> Answer:
        """City platforms: the form (PDF, JPEG, PNG) that the enterprise signed for this request. Safe to repeat."""
        address = f"{self._address}/v1/consent-requests/{uuid.UUID(consent_id)}/signed-forms"
        said = {"signed_on": signed_on, "enterprise_name": enterprise_name, "signatory_name": signatory_name}
        written = httpx.Request("POST", address, data=said, files={"file": ("form", form)})
        content, headers = written.read(), {"Content-Type": written.headers["Content-Type"]}
        return self._patiently(lambda: self._send("POST", address, content, headers))

    def usage(self, first_day: str, last_day: str) -> Answer:
        """What we were given and charged, by data set and day (YYYY-MM-DD, both included)."""
        return self._call("GET", f"/v1/usage?from={first_day}&to={last_day}")

    def catalogue(self) -> Answer:
        """The data sets on offer, their fields, and how each field is shown for which purpose."""
        return self._call("GET", "/v1/catalogue")

    def access_token(self, *, fresh: bool = False) -> Token:
        """The current access token, renewed in time. `fresh` throws the current one away."""
        with self._lock:
            if fresh or self._token is None or time.monotonic() >= self._token.renew_at:
                self._token = self._obtain_token()
            return self._token

    def close(self) -> None:
        self._http.close()

    # -- 1. who we are ---------------------------------------------------------------------------------------

    def _client_assertion(self) -> str:
        """RFC 7523. `aud` is the hub's issuer as a plain string: no list, not the token endpoint."""
        now = int(time.time())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        return jwt.encode({"alg": "ES256", "kid": self._key.kid}, claims, self._key)

    def _obtain_token(self) -> Token:
        """RFC 6749 §4.4, client credentials. TokenRefusedError carries the hub's reason."""
        endpoint = self._find_token_endpoint()
        answer = self._patiently(lambda: self._request_token(endpoint))
        content = answer.json()
        if not answer.ok:
            raise TokenRefusedError(
                content.get("error", f"status {answer.status}"), content.get("error_description", "")
            )
        lifetime = int(content["expires_in"])
        renew_in = lifetime - min(RENEW_BEFORE_SECONDS, lifetime // 2)
        return Token(content["access_token"], content["token_type"], lifetime, time.monotonic() + renew_in)

    def _request_token(self, endpoint: str) -> httpx.Response:
        def send() -> httpx.Response:
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": self._client_assertion(),  # used once, so a new one at every attempt
            }
            return self._http.post(endpoint, data=form, headers=self._proof("POST", endpoint))

        response = send()
        if self._lacked_nonce(response):
            response = send()
        return response

    def _find_token_endpoint(self) -> str:
        """RFC 8414 metadata, read once. The issuer in it must be the hub we meant."""
        if self._token_endpoint is None:
            address = f"{self._address}/.well-known/oauth-authorization-server"
            answer = self._patiently(lambda: self._http.get(address))
            metadata = answer.json()
            if not answer.ok or metadata.get("issuer") != self._issuer:
                raise HubUnreachableError(f"{address} does not describe the issuer {self._issuer}")
            self._token_endpoint = str(metadata["token_endpoint"])
            if self._dpop_key is None:
                aliases = metadata.get("mtls_endpoint_aliases", {})
                self._token_endpoint = str(aliases.get("token_endpoint", f"{self._address}/oauth/token"))
        return self._token_endpoint

    # -- 2. nobody else can use our token --------------------------------------------------------------------

    def _proof(self, method: str, address: str, token: str | None = None) -> dict[str, str]:
        """The DPoP header for one request (RFC 9449 §4.2); nothing on the mutually authenticated address."""
        if self._dpop_key is None:
            return {}
        claims: dict[str, Any] = {
            "htm": method,
            "htu": urlunsplit(urlsplit(address)._replace(query="", fragment="")),
            "iat": int(time.time()),
            "jti": secrets.token_urlsafe(16),
        }
        if token is not None:  # `ath` ties the proof to this very token
            claims["ath"] = _base64url(hashlib.sha256(token.encode("ascii")).digest())
        if self._dpop_nonce is not None:
            claims["nonce"] = self._dpop_nonce
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self._dpop_key.as_dict(private=False)}
        return {"DPoP": jwt.encode(header, claims, self._dpop_key)}

    def _lacked_nonce(self, response: httpx.Response) -> bool:
        """RFC 9449 §8, §9: keep the nonce the hub hands out. True if that was all the request lacked."""
        self._dpop_nonce = response.headers.get("DPoP-Nonce", self._dpop_nonce)
        if response.status_code == 400:
            return b"use_dpop_nonce" in response.content
        return response.status_code == 401 and "use_dpop_nonce" in response.headers.get(
            "WWW-Authenticate", ""
        )

    def _send(
        self, method: str, address: str, body: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """One authorised request. A refused token or a new nonce is answered by one second attempt."""

        def send(token: Token) -> httpx.Response:
            proof = self._proof(method, address, token.value)
            authorization = {"Authorization": f"{token.kind} {token.value}"}
            return self._http.request(
                method, address, content=body, headers={**headers, **authorization, **proof}
            )

        response = send(self.access_token())
        lacked_nonce = self._lacked_nonce(response)
        if response.status_code == 401:  # nothing was done yet, so sending again is safe
            response = send(self.access_token(fresh=not lacked_nonce))
            self._lacked_nonce(response)
        return response

    # -- 3. asking twice is safe -----------------------------------------------------------------------------

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """One call, however many attempts it takes. What is posted keeps its bytes and its key."""
        headers, content = {"Accept": "application/json"}, None
        if body is not None:
            content = orjson.dumps(body)
            headers["Content-Type"] = "application/json"
            headers["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
        return self._patiently(lambda: self._send(method, f"{self._address}{path}", content, headers))

    def _patiently(self, send: Callable[[], httpx.Response]) -> Answer:
        """Send, and again while network or hub are busy. HubUnreachableError if no answer came."""
        for pause in (*PAUSES, None):
            try:
                response = send()
            except httpx.TransportError as error:
                if pause is None:
                    raise HubUnreachableError(f"{type(error).__name__}: {error}") from error
            else:
                if pause is None or response.status_code not in WORTH_RETRYING:
                    content_type = response.headers.get("Content-Type", "")
                    return Answer(response.status_code, content_type, response.content)
                pause = max(pause, _retry_after(response))
            self._sleep(pause)
        raise AssertionError("the last attempt answers or raises")


def _retry_after(response: httpx.Response) -> float:
    """Seconds the hub asks us to wait; a date or nonsense counts as none."""
    value = response.headers.get("Retry-After", "")
    return min(float(value), LONGEST_PAUSE) if value.isdigit() else 0.0


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
