"""The port by which an enterprise proves who it is, and what its adapters share: OAuth's code flow in a browser.

`Login` is the port. Whatever the way, the browser leaves with a question and comes back with a code, which the hub
redeems from program to program (RFC 6749 §4.1): PKCE S256 (RFC 7636), state, nonce, `private_key_jwt` with the issuer
as audience (RFC 7523), and the issuer named in the answer (RFC 9207). Every outside call has 5 seconds and is not
repeated: the person can press the button again.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args
from urllib.parse import urlencode

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from consent import Signatory
from core.errors import NotAuthenticated, Unavailable

LoginWay = Literal["government", "licence"]
LOGIN_WAYS: tuple[LoginWay, ...] = get_args(LoginWay)

SubjectOf = Callable[[str, str], str]
"""From USCC and the person's identifier to how the hub names that person, the same whichever way they came."""

TIMEOUT_SECONDS = 5.0
METADATA_SECONDS = 600
ANSWER_OCTETS_MAX = 1024 * 1024
CLOCK_SKEW_SECONDS = 60
"""by which the other side's clock may differ from ours"""
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class LoginStart:
    """What must be kept, for this browser only, until the person comes back."""

    way: LoginWay
    state: str
    nonce: str
    verifier: str
    begun_at: float
    """Unix seconds"""


@dataclass(frozen=True)
class LoginAnswer:
    """What the browser brought back in its address; anybody may have written it."""

    state: str
    code: str
    error: str
    issuer: str

    def belongs_to(self, start: LoginStart) -> bool:
        return hmac.compare_digest(start.state.encode(), self.state.encode())


class Login(Protocol):
    """One way in. The person is vouched for by somebody whom the hub trusts, with an assurance of theirs."""

    async def begin(self) -> tuple[str, LoginStart]:
        """The address to send the browser to, and what to keep. Raises `Unavailable`."""

    async def finish(self, answer: LoginAnswer, start: LoginStart) -> Signatory:
        """Who it is. Raises `NotAuthenticated` or `Refused` when it is not good, `Unavailable` when nobody answers."""

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Metadata:
    authorization_endpoint: str
    token_endpoint: str
    keys: KeySet
    names_itself: bool
    """``iss`` comes with every answer (RFC 9207 §3)"""
    fetched_at: float


class CodeFlow:
    """The code flow with one authorization server. ``metadata_at``: its metadata under the issuer (RFC 8414, OIDC)."""

    def __init__(
        self,
        way: LoginWay,
        *,
        issuer: str,
        client_id: str,
        redirect_uri: str,
        key: Callable[[], ECKey],
        metadata_at: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self.clock = clock
        self._way = way
        self._redirect_uri = redirect_uri
        self._key = key
        self._metadata_at = metadata_at
        self._metadata: Metadata | None = None
        # No proxy or netrc of the environment: this counterpart is reached directly.
        self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def begin(self, **asked: str) -> tuple[str, LoginStart]:
        """``asked``: what this server wants to be asked besides. Raises `Unavailable`."""
        metadata = await self._discover()
        start = LoginStart(
            self._way,
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(48),
            self.clock(),
        )
        question = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self._redirect_uri,
            "state": start.state,
            "nonce": start.nonce,
            "code_challenge": _base64url(hashlib.sha256(start.verifier.encode()).digest()),
            "code_challenge_method": "S256",
            **asked,
        }
        return f"{metadata.authorization_endpoint}?{urlencode(question)}", start

    async def redeem(self, answer: LoginAnswer, start: LoginStart) -> dict[str, Any]:
        """The token answer. Raises `NotAuthenticated`, `Unavailable`."""
        metadata = await self._discover()
        if not answer.belongs_to(start):
            raise refused("the answer is to another question (state)")
        if answer.issuer != self.issuer and (answer.issuer or metadata.names_itself):
            raise refused("another issuer answered, or none (RFC 9207)")
        if not answer.code:
            raise refused("it came back without a code")
        return await self.call(
            "POST",
            metadata.token_endpoint,
            data={
                "grant_type": "authorization_code",
                "code": answer.code,
                "redirect_uri": self._redirect_uri,
                "code_verifier": start.verifier,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": self._assertion(),
            },
        )

    async def keys_for(self, token: object) -> KeySet:
        """The issuer's keys, read anew if they lack the one that ``token``, just had from it, is signed with."""
        metadata = await self._discover()
        if not _has_key_of(token, metadata.keys):
            self._metadata = None  # it has rotated them
            metadata = await self._discover()
        return metadata.keys

    def _assertion(self) -> str:
        at = int(self.clock())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": at,
            "exp": at + 60,
        }
        key = self._key()
        return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)

    async def _discover(self) -> Metadata:
        if self._metadata is None or time.monotonic() - self._metadata.fetched_at > METADATA_SECONDS:
            about = await self.call("GET", f"{self.issuer}{self._metadata_at}")
            if about.get("issuer") != self.issuer:
                raise Unavailable("login_away", "the log-in names another issuer than configured")
            try:
                keys = KeySet.import_key_set(await self.call("GET", str(about["jwks_uri"])))  # type: ignore[arg-type]
                self._metadata = Metadata(
                    str(about["authorization_endpoint"]),
                    str(about["token_endpoint"]),
                    keys,
                    about.get("authorization_response_iss_parameter_supported") is True,
                    time.monotonic(),
                )
            except (JoseError, KeyError, TypeError, ValueError) as error:
                raise Unavailable("login_away", f"its metadata: {type(error).__name__}") from error
        return self._metadata

    async def call(self, method: str, url: str, **content: Any) -> dict[str, Any]:
        """The JSON object that it answers. Raises `NotAuthenticated` where it refuses, `Unavailable`."""
        status, body = await self.fetch(method, url, **content)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Unavailable("login_away", "the log-in does not answer in JSON") from error
        if status >= 400 or not isinstance(answer, dict):
            raise refused(f"the log-in refuses: {status}")
        return answer

    async def fetch(self, method: str, url: str, **content: Any) -> tuple[int, bytes]:
        """Status and body, at most 1 MB of it. Raises `Unavailable`."""
        headers = {"accept-encoding": "identity"}  # nothing unpacks to more than was counted
        try:
            async with self._http.stream(method, url, headers=headers, **content) as response:
                body = bytearray()
                async for octets in response.aiter_raw():
                    body += octets
                    if len(body) > ANSWER_OCTETS_MAX:
                        raise Unavailable("login_away", "the log-in's answer is too large")
        except httpx.HTTPError as error:
            raise Unavailable("login_away", f"the log-in does not answer: {type(error).__name__}") from error
        if response.status_code >= 500:
            raise Unavailable("login_away", f"the log-in answers {response.status_code}")
        return response.status_code, bytes(body)


def refused(why: str) -> NotAuthenticated:
    """``why`` is for the log: no person or enterprise in it."""
    return NotAuthenticated("login_failed", why)


def signatory(claims: Mapping[str, Any], uscc: str, *, proven_by: str, subject_of: SubjectOf) -> Signatory:
    """The person whom checked claims speak of. Raises `KeyError`, `ValueError` for claims that do not say who."""
    person_id = claims["person_id"]
    if not isinstance(person_id, str) or not 16 <= len(person_id) <= 255:
        raise ValueError("person_id is not an identifier")
    return Signatory(
        uscc=uscc,
        enterprise_name=str(claims["enterprise_name"]),
        name=str(claims["signatory_name"]),
        role=str(claims["signatory_role"]),
        assurance=str(claims["acr"]),
        subject=subject_of(uscc, person_id),
        proven_by=proven_by,
    )


def within_skew(claimed_at: object, clock: Callable[[], float], *, age_seconds: float = 0) -> bool:
    """Whether an instant in Unix seconds is now, or at most ``age_seconds`` ago, as far as clocks agree."""
    if isinstance(claimed_at, bool) or not isinstance(claimed_at, int | float):
        return False
    return -CLOCK_SKEW_SECONDS <= clock() - claimed_at <= CLOCK_SKEW_SECONDS + age_seconds


def _has_key_of(token: object, keys: KeySet) -> bool:
    """True also for what is no token: then there is nothing to look for."""
    try:
        kid = jws.extract_compact(str(token).encode()).headers().get("kid")
    except (JoseError, ValueError):
        return True
    return any(key.kid == kid for key in keys.keys)


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
