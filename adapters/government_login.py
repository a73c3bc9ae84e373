"""Legal-person log-in of the government service network (省政务服务网 法人登录), as an OpenID Connect relying party.

Authorization code flow with PKCE (RFC 7636), state and nonce; the hub authenticates with `private_key_jwt`
(RFC 7523), audience the issuer. Every outside call has 5 seconds and is not repeated: the person can press
the button again.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from consent import Signatory
from core.errors import NotAuthenticated, Unavailable
from core.identifiers import InvalidUSCC, parse_uscc

TIMEOUT_SECONDS = 5.0
METADATA_SECONDS = 600
CLOCK_SKEW_SECONDS = 60
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class LoginStart:
    """What must be kept, for this browser only, until the person comes back."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Metadata:
    authorization_endpoint: str
    token_endpoint: str
    keys: KeySet
    fetched_at: float


class GovernmentLogin:
    def __init__(self, *, issuer: str, client_id: str, redirect_uri: str, key: Callable[[], ECKey]) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._redirect_uri = redirect_uri
        self._key = key
        self._metadata: Metadata | None = None
        # No proxy or netrc of the environment: this counterpart is reached directly.
        self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def begin(self) -> tuple[str, LoginStart]:
        """The address to send the browser to, and what to keep. Raises `Unavailable`."""
        metadata = await self._discover()
        start = LoginStart(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(start.verifier.encode()).digest()).rstrip(b"=")
        question = urlencode(
            {
                "response_type": "code",
                "client_id": self._client_id,
                "redirect_uri": self._redirect_uri,
                "scope": "openid",
                "state": start.state,
                "nonce": start.nonce,
                "code_challenge": challenge.decode(),
                "code_challenge_method": "S256",
            }
        )
        return f"{metadata.authorization_endpoint}?{question}", start

    async def finish(self, code: str, start: LoginStart) -> Signatory:
        """Who logged in. Raises `NotAuthenticated` when the log-in is not good, `Unavailable` when it is away."""
        metadata = await self._discover()
        answer = await self._call(
            "POST",
            metadata.token_endpoint,
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._redirect_uri,
                "code_verifier": start.verifier,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": self._assertion(),
            },
        )
        return self._signatory(answer.get("id_token", ""), metadata.keys, start.nonce)

    def _assertion(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + 60,
        }
        key = self._key()
        return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)

    def _signatory(self, id_token: str, keys: KeySet, nonce: str) -> Signatory:
        try:
            claims = jwt.decode(id_token, keys, algorithms=["ES256"]).claims
            jwt.JWTClaimsRegistry(
                leeway=CLOCK_SKEW_SECONDS,
                iss={"essential": True, "value": self._issuer},
                aud={"essential": True, "value": self._client_id},
                nonce={"essential": True, "value": nonce},
                exp={"essential": True},
                iat={"essential": True},
            ).validate(claims)
            return Signatory(
                uscc=parse_uscc(claims["uscc"]),
                enterprise_name=str(claims["enterprise_name"]),
                name=str(claims["signatory_name"]),
                role=str(claims["signatory_role"]),
                assurance=str(claims["acr"]),
                subject=str(claims["sub"]),
            )
        except (JoseError, InvalidUSCC, KeyError, ValueError) as error:
            raise NotAuthenticated(
                "login_failed", f"the ID token is not good: {type(error).__name__}"
            ) from error

    async def _discover(self) -> Metadata:
        if self._metadata is None or time.monotonic() - self._metadata.fetched_at > METADATA_SECONDS:
            about = await self._call("GET", f"{self._issuer}/.well-known/openid-configuration")
            if about.get("issuer") != self._issuer:
                raise Unavailable("login_failed", "the log-in names another issuer than configured")
            keys = await self._call("GET", str(about["jwks_uri"]))
            self._metadata = Metadata(
                str(about["authorization_endpoint"]),
                str(about["token_endpoint"]),
                KeySet.import_key_set(keys),  # type: ignore[arg-type]  # checked by the library
                time.monotonic(),
            )
        return self._metadata

    async def _call(self, method: str, url: str, **content: Any) -> dict[str, Any]:
        try:
            response = await self._http.request(method, url, **content)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(
                "login_failed", f"the log-in does not answer: {type(error).__name__}"
            ) from error
        if response.status_code >= 500:
            raise Unavailable("login_failed", f"the log-in answers {response.status_code}")
        if response.status_code >= 400 or not isinstance(answer, dict):
            raise NotAuthenticated("login_failed", f"the log-in refuses: {response.status_code}")
        return answer
