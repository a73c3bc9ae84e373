"""What the sandbox's two log-ins share: OAuth's code flow as a provider, and the persons of the synthetic province.

Authorization code with PKCE (S256 only), state and nonce required; the hub proves itself with a signed assertion
(private_key_jwt, ES256), no shared secret. Codes and pending log-ins live in memory only.
"""

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from sandbox.hub_keys import HubAway, HubKeys, KeyUnknown
from sandbox.keys import public_set
from sandbox.pages import dead_end

CODE_SECONDS: Final = 60
LOG_IN_SECONDS: Final = 600
ASSERTION_SECONDS: Final = 60
SKEW_SECONDS: Final = 8
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AGENT_NAME: Final = "钱小满"
"""every enterprise's agent (经办人); synthetic, as all persons here"""
LISTED: Final = 20


@dataclass(frozen=True)
class Enterprise:
    """One row of the log-in page."""

    uscc: str
    name: str
    signatory_name: str
    city: str


@dataclass(frozen=True)
class LogInRequest:
    """A checked authorization request, waiting for its log-in and then for its code to be exchanged."""

    redirect_uri: str
    state: str
    nonce: str
    code_challenge: str
    expires_at: float
    question: dict[str, str] = field(default_factory=dict)
    """all of its parameters"""


@dataclass(frozen=True)
class Issued:
    """What a code stands for."""

    request: LogInRequest
    enterprise: Enterprise
    agent: bool
    """came as 经办人, not as the legal representative"""
    level: int
    """of assurance: 3 with the face, 2 with a password only"""
    authenticated_at: int
    expires_at: float

    @property
    def person(self) -> str:
        return AGENT_NAME if self.agent else self.enterprise.signatory_name

    @property
    def role(self) -> str:
        return "agent" if self.agent else "legal_representative"

    @property
    def acr(self) -> str:
        return f"urn:xinyi:loa:{self.level}"


class OAuthError(Exception):
    """An RFC 6749 error: `error` code, description for developers, HTTP status at the token endpoint."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


@dataclass
class CodeProvider:
    """The rules and memory of a provider, without HTTP. `clock` answers Unix seconds."""

    issuer: str
    client_id: str
    redirect_uri: str
    enterprises: list[Enterprise]
    key: ECKey
    hub_keys: HubKeys
    clock: Callable[[], float] = time.time
    _waiting: dict[str, LogInRequest] = field(default_factory=dict)
    _codes: dict[str, Issued] = field(default_factory=dict)
    _seen_assertions: dict[str, float] = field(default_factory=dict)

    metadata_at: ClassVar[str]
    """where its metadata stands"""

    def metadata(self) -> dict[str, Any]:
        """RFC 8414; each provider adds its own."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "request_uri_parameter_supported": False,
        }

    def check_question(self, parameters: dict[str, str]) -> None:
        """What this provider wants to be asked besides. Raises OAuthError."""
        raise NotImplementedError

    def answer_to(self, issued: Issued) -> dict[str, Any]:
        """What the token answer holds besides its access token."""
        raise NotImplementedError

    # -- the browser's way in and out ------------------------------------------------------------------------

    def knows_client(self, parameters: dict[str, str]) -> bool:
        """Whether an error may be sent to the redirect address at all: both must be exactly as registered."""
        return (
            parameters.get("client_id") == self.client_id
            and parameters.get("redirect_uri") == self.redirect_uri
        )

    def begin(self, parameters: dict[str, str]) -> str:
        """Check an authorization request and answer the handle of its log-in. Raises OAuthError."""
        if "request" in parameters:
            raise OAuthError("request_not_supported", "request objects are not supported")
        if "request_uri" in parameters:
            raise OAuthError("request_uri_not_supported", "request_uri is not supported")
        if parameters.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response_type must be code")
        self.check_question(parameters)
        if not parameters.get("state") or not parameters.get("nonce"):
            raise OAuthError("invalid_request", "state and nonce are required")
        if parameters.get("code_challenge_method") != "S256":
            raise OAuthError("invalid_request", "code_challenge_method must be S256")
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}", parameters.get("code_challenge", "")):
            raise OAuthError("invalid_request", "code_challenge must be the base64url of a SHA-256")
        self._forget()
        handle = secrets.token_urlsafe(32)
        self._waiting[handle] = LogInRequest(
            redirect_uri=parameters["redirect_uri"],
            state=parameters["state"],
            nonce=parameters["nonce"],
            code_challenge=parameters["code_challenge"],
            expires_at=self.clock() + LOG_IN_SECONDS,
            question=parameters,
        )
        return handle

    def is_waiting(self, handle: str) -> bool:
        self._forget()
        return handle in self._waiting

    def search(self, words: str) -> list[Enterprise]:
        """The first enterprises whose name, code, city or signatory contains `words`."""
        wanted = words.strip()
        found = (
            one for one in self.enterprises
            if wanted in one.name or wanted.upper() in one.uscc or wanted in (one.city, one.signatory_name)
        )  # fmt: skip
        return [one for one, _ in zip(found, range(LISTED), strict=False)]

    def choose(self, handle: str, uscc: str, *, agent: bool = False, level: int = 3) -> str:
        """Log in for `uscc`, as its legal representative or its agent: where to send the browser.

        KeyError for an unknown enterprise or handle.
        """
        self._forget()
        enterprise = next((one for one in self.enterprises if one.uscc == uscc), None)
        if enterprise is None:
            raise KeyError(uscc)
        request = self._waiting.pop(handle)
        code, now = secrets.token_urlsafe(32), self.clock()
        self._codes[code] = Issued(request, enterprise, agent, level, int(now), now + CODE_SECONDS)
        return self.answer_address(request.redirect_uri, {"code": code, "state": request.state})

    def answer_address(self, redirect_uri: str, parameters: dict[str, str]) -> str:
        """The redirect address with an authorization response; `iss` (RFC 9207) tells providers apart."""
        joiner = "&" if "?" in redirect_uri else "?"
        return f"{redirect_uri}{joiner}{urlencode({**parameters, 'iss': self.issuer})}"

    # -- the hub's way in ------------------------------------------------------------------------------------

    async def exchange(self, form: dict[str, str]) -> dict[str, Any]:
        """A token request: client assertion first, then the code, which dies in any case."""
        await self._authenticate(form)
        if form.get("grant_type") != "authorization_code":
            raise OAuthError("unsupported_grant_type", "grant_type must be authorization_code")
        self._forget()
        issued = self._codes.pop(form.get("code", ""), None)
        if issued is None:
            raise OAuthError("invalid_grant", "code unknown, used or expired")
        if form.get("redirect_uri") != issued.request.redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri differs from the authorization request")
        challenge = base64url(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if not secrets.compare_digest(challenge, issued.request.code_challenge):
            raise OAuthError("invalid_grant", "code_verifier does not match code_challenge")
        return {
            # OAuth wants an access token in the answer. There is nothing here that accepts it.
            "access_token": secrets.token_urlsafe(32),
            "token_type": "Bearer",
            "expires_in": CODE_SECONDS,
            **self.answer_to(issued),
        }

    async def _authenticate(self, form: dict[str, str]) -> None:
        """RFC 7523 client authentication. OAuthError says what is wrong with the assertion."""
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise OAuthError("invalid_client", "client_assertion_type must be jwt-bearer", 401)
        if form.get("client_id", self.client_id) != self.client_id:
            raise OAuthError("invalid_client", "client_id differs from the assertion", 401)
        assertion = form.get("client_assertion", "")
        try:
            keys = await self.hub_keys.for_token(assertion, self.clock())
            claims = jwt.decode(assertion, keys, algorithms=["ES256"]).claims
        except HubAway as error:
            raise OAuthError("temporarily_unavailable", str(error), 503) from error
        except (KeyUnknown, JoseError, ValueError) as error:
            raise OAuthError(
                "invalid_client", "assertion is not signed by a key of the client", 401
            ) from error
        fault = self._fault_of(claims)
        if fault is not None:
            raise OAuthError("invalid_client", fault, 401)
        self._forget()
        if claims["jti"] in self._seen_assertions:
            raise OAuthError("invalid_client", "assertion was used before", 401)
        self._seen_assertions[claims["jti"]] = claims["exp"] + SKEW_SECONDS

    def _fault_of(self, claims: dict[str, Any]) -> str | None:
        now = self.clock()
        if claims.get("iss") != self.client_id or claims.get("sub") != self.client_id:
            return "iss and sub must be the client_id"
        if claims.get("aud") != self.issuer:
            return "aud must be the issuer, as a string"
        if not isinstance(claims.get("jti"), str) or not claims["jti"]:
            return "jti is required"
        if not _is_number(claims.get("exp")) or not _is_number(claims.get("iat", now)):
            return "exp is required; exp and iat are numbers"
        if claims["exp"] <= now - SKEW_SECONDS:
            return "assertion has expired"
        if claims["exp"] > now + ASSERTION_SECONDS + SKEW_SECONDS:
            return f"assertion lives longer than {ASSERTION_SECONDS} s"
        if max(claims.get("iat", now), claims.get("nbf", now)) > now + SKEW_SECONDS:
            return "assertion is from the future"
        return None

    def _forget(self) -> None:
        """Drop what has expired, so that memory stays small and late codes are unknown codes."""
        now = self.clock()
        self._waiting = {handle: one for handle, one in self._waiting.items() if one.expires_at > now}
        self._codes = {code: one for code, one in self._codes.items() if one.expires_at > now}
        self._seen_assertions = {jti: until for jti, until in self._seen_assertions.items() if until > now}


def add_hub_side(site: FastAPI, provider: CodeProvider) -> None:
    """Metadata, keys and the token endpoint."""

    @site.get(provider.metadata_at)
    async def metadata() -> dict[str, Any]:
        return provider.metadata()

    @site.get("/jwks")
    async def jwks() -> dict[str, Any]:
        return public_set(provider.key)

    @site.post("/token")
    async def token(request: Request) -> Response:
        try:
            answer = await provider.exchange(_once_each((await request.form()).multi_items()))
        except OAuthError as refused:
            body = {"error": refused.error, "error_description": refused.description}
            return JSONResponse(body, refused.status)
        return JSONResponse(answer, headers={"Pragma": "no-cache"})


def add_authorize(site: FastAPI, provider: CodeProvider, show: Callable[[Request, str], Response]) -> None:
    """The authorization endpoint; ``show`` makes the page of the log-in with the handle that it is given."""

    @site.api_route("/authorize", methods=["GET", "POST"])
    async def authorize(request: Request) -> Response:
        try:
            parameters = await _parameters(request)
        except OAuthError as refused:
            return dead_end(request, refused.description)
        if not provider.knows_client(parameters):
            return dead_end(request, "client_id 或 redirect_uri 与登记不符")
        try:
            handle = provider.begin(parameters)
        except OAuthError as refused:
            answer = {"error": refused.error, "error_description": refused.description}
            if "state" in parameters:
                answer["state"] = parameters["state"]
            return RedirectResponse(provider.answer_address(provider.redirect_uri, answer), 303)
        return show(request, handle)


def person_id(uscc: str, name: str) -> str:
    """As the 网号 of the national identity service: opaque, one per person, the same at whatever log-in they come."""
    return hashlib.sha256(f"synthetic person|{uscc}|{name}".encode()).hexdigest()


def read_enterprises(path: Path) -> list[Enterprise]:
    rows = orjson.loads(path.read_bytes())
    return [Enterprise(row["uscc"], row["name"], row["signatory_name"], row["city"]) for row in rows]


async def _parameters(request: Request) -> dict[str, str]:
    if request.method == "POST":
        return _once_each((await request.form()).multi_items())
    return _once_each(parse_qsl(request.url.query, keep_blank_values=True))


def _once_each(items: list[tuple[str, Any]]) -> dict[str, str]:
    """RFC 6749 §3.1: no parameter more than once. Files and other odd values are dropped."""
    found = {name: value for name, value in items if isinstance(value, str)}
    if len(found) != len(items):
        raise OAuthError("invalid_request", "a parameter is repeated or not text")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
