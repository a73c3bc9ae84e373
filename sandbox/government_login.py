"""江苏政务服务网 legal-person log-in, played: a small OpenID Connect provider with the real one's manners.

Authorization code with PKCE (S256 only), state and nonce required; the hub proves itself with a signed
assertion (private_key_jwt, ES256), no shared secret. Codes and pending log-ins live in memory only.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode

import httpx
import orjson
from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from sandbox.keys import load_or_create, public_set
from sandbox.pages import new_site, templates

CODE_SECONDS: Final = 60
LOG_IN_SECONDS: Final = 600
ID_TOKEN_SECONDS: Final = 120
ASSERTION_SECONDS: Final = 60
SKEW_SECONDS: Final = 8
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AGENT_NAME: Final = "钱小满"
"""every enterprise's agent (经办人); synthetic, as all persons here"""
LEVEL_OF_ASSURANCE: Final = "urn:xinyi:loa:3"
LISTED: Final = 20
REFETCH_SECONDS: Final = 5

FetchJwks = Callable[[], Awaitable[dict[str, Any]]]


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


@dataclass(frozen=True)
class Issued:
    """What a code stands for."""

    request: LogInRequest
    enterprise: Enterprise
    agent: bool
    """logged in as 经办人, not as the legal representative"""
    authenticated_at: int
    expires_at: float


class OAuthError(Exception):
    """An RFC 6749 error: `error` code, description for developers, HTTP status at the token endpoint."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


@dataclass
class GovernmentLogin:
    """The provider's rules and memory, without HTTP. `clock` answers Unix seconds."""

    issuer: str
    client_id: str
    redirect_uri: str
    enterprises: list[Enterprise]
    key: ECKey
    fetch_jwks: FetchJwks
    clock: Callable[[], float] = time.time
    _waiting: dict[str, LogInRequest] = field(default_factory=dict)
    _codes: dict[str, Issued] = field(default_factory=dict)
    _seen_assertions: dict[str, float] = field(default_factory=dict)
    _client_keys: KeySet | None = None
    _client_keys_fetched_at: float = float("-inf")

    def metadata(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "scopes_supported": ["openid"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "acr_values_supported": [LEVEL_OF_ASSURANCE],
            "claims_supported": [
                "iss", "sub", "aud", "nonce", "iat", "exp", "auth_time", "acr",
                "uscc", "enterprise_name", "signatory_name", "signatory_role",
            ],
            "authorization_response_iss_parameter_supported": True,
            "request_uri_parameter_supported": False,
        }  # fmt: skip

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
        if "openid" not in parameters.get("scope", "").split():
            raise OAuthError("invalid_scope", "scope must contain openid")
        if not parameters.get("state") or not parameters.get("nonce"):
            raise OAuthError("invalid_request", "state and nonce are required")
        if parameters.get("code_challenge_method") != "S256":
            raise OAuthError("invalid_request", "code_challenge_method must be S256")
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}", parameters.get("code_challenge", "")):
            raise OAuthError("invalid_request", "code_challenge must be the base64url of a SHA-256")
        if parameters.get("prompt") == "none":
            raise OAuthError("login_required", "nobody stays logged in here")
        self._forget()
        handle = secrets.token_urlsafe(32)
        self._waiting[handle] = LogInRequest(
            redirect_uri=parameters["redirect_uri"],
            state=parameters["state"],
            nonce=parameters["nonce"],
            code_challenge=parameters["code_challenge"],
            expires_at=self.clock() + LOG_IN_SECONDS,
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

    def choose(self, handle: str, uscc: str, *, agent: bool = False) -> str:
        """Log in for `uscc`, as its legal representative or its agent: where to send the browser.

        KeyError for an unknown enterprise or handle.
        """
        self._forget()
        enterprise = next((one for one in self.enterprises if one.uscc == uscc), None)
        if enterprise is None:
            raise KeyError(uscc)
        request = self._waiting.pop(handle)
        code, now = secrets.token_urlsafe(32), self.clock()
        self._codes[code] = Issued(request, enterprise, agent, int(now), now + CODE_SECONDS)
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
        challenge = _base64url(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if not secrets.compare_digest(challenge, issued.request.code_challenge):
            raise OAuthError("invalid_grant", "code_verifier does not match code_challenge")
        return {
            # OAuth wants an access token in the answer. There is no userinfo here, so nothing accepts it.
            "access_token": secrets.token_urlsafe(32),
            "token_type": "Bearer",
            "expires_in": ID_TOKEN_SECONDS,
            "scope": "openid",
            "id_token": self._id_token(issued),
        }

    def _id_token(self, issued: Issued) -> str:
        now, enterprise = int(self.clock()), issued.enterprise
        claims = {
            "iss": self.issuer,
            "sub": self._subject(enterprise, AGENT_NAME if issued.agent else enterprise.signatory_name),
            "aud": self.client_id,
            "nonce": issued.request.nonce,
            "iat": now,
            "exp": now + ID_TOKEN_SECONDS,
            "auth_time": issued.authenticated_at,
            "acr": LEVEL_OF_ASSURANCE,
            "uscc": enterprise.uscc,
            "enterprise_name": enterprise.name,
            "signatory_name": AGENT_NAME if issued.agent else enterprise.signatory_name,
            "signatory_role": "agent" if issued.agent else "legal_representative",
        }
        return jwt.encode({"alg": "ES256", "typ": "JWT", "kid": self.key.kid}, claims, self.key)

    def _subject(self, enterprise: Enterprise, person: str) -> str:
        """An opaque name, the same at every log-in, from which neither person nor enterprise can be read."""
        secret = str(self.key.as_dict(private=True)["d"]).encode()
        text = f"{enterprise.uscc}|{person}".encode()
        return _base64url(hmac.new(secret, text, hashlib.sha256).digest())

    async def _authenticate(self, form: dict[str, str]) -> None:
        """RFC 7523 client authentication. OAuthError says what is wrong with the assertion."""
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise OAuthError("invalid_client", "client_assertion_type must be jwt-bearer", 401)
        if form.get("client_id", self.client_id) != self.client_id:
            raise OAuthError("invalid_client", "client_id differs from the assertion", 401)
        assertion = form.get("client_assertion", "")
        kid = _kid_of(assertion)
        keys = await self._keys_for(kid)
        try:
            claims = jwt.decode(assertion, keys, algorithms=["ES256"]).claims
        except (JoseError, ValueError) as error:
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

    async def _keys_for(self, kid: str) -> KeySet:
        """The client's published keys, fetched anew when `kid` is unknown, but at most every few seconds."""
        if self._client_keys is not None and any(key.kid == kid for key in self._client_keys.keys):
            return self._client_keys
        now = self.clock()
        if self._client_keys is None or now - self._client_keys_fetched_at > REFETCH_SECONDS:
            try:
                self._client_keys = KeySet.import_key_set(await self.fetch_jwks())  # type: ignore[arg-type]
            except (httpx.HTTPError, JoseError, ValueError, KeyError) as error:
                raise OAuthError(
                    "temporarily_unavailable", "the client's JWKS cannot be fetched", 503
                ) from error
            self._client_keys_fetched_at = now
        if any(key.kid == kid for key in self._client_keys.keys):
            return self._client_keys
        raise OAuthError("invalid_client", "assertion names a key the client does not publish", 401)

    def _forget(self) -> None:
        """Drop what has expired, so that memory stays small and late codes are unknown codes."""
        now = self.clock()
        self._waiting = {handle: one for handle, one in self._waiting.items() if one.expires_at > now}
        self._codes = {code: one for code, one in self._codes.items() if one.expires_at > now}
        self._seen_assertions = {jti: until for jti, until in self._seen_assertions.items() if until > now}


def build(login: GovernmentLogin) -> FastAPI:
    """The provider's web site."""
    site = new_site("江苏政务服务网（沙箱）")
    _add_hub_side(site, login)
    _add_browser_side(site, login)
    return site


def _add_hub_side(site: FastAPI, login: GovernmentLogin) -> None:
    @site.get("/.well-known/openid-configuration")
    async def discovery() -> dict[str, Any]:
        return login.metadata()

    @site.get("/jwks")
    async def jwks() -> dict[str, Any]:
        return public_set(login.key)

    @site.post("/token")
    async def token(request: Request) -> Response:
        try:
            answer = await login.exchange(_once_each((await request.form()).multi_items()))
        except OAuthError as refused:
            body = {"error": refused.error, "error_description": refused.description}
            return JSONResponse(body, refused.status)
        return JSONResponse(answer, headers={"Pragma": "no-cache"})


def _add_browser_side(site: FastAPI, login: GovernmentLogin) -> None:
    @site.api_route("/authorize", methods=["GET", "POST"])
    async def authorize(request: Request) -> Response:
        try:
            parameters = await _parameters(request)
        except OAuthError as refused:
            return _dead_end(request, refused.description)
        if not login.knows_client(parameters):
            return _dead_end(request, "client_id 或 redirect_uri 与登记不符")
        try:
            handle = login.begin(parameters)
        except OAuthError as refused:
            answer = {"error": refused.error, "error_description": refused.description}
            if "state" in parameters:
                answer["state"] = parameters["state"]
            return RedirectResponse(login.answer_address(login.redirect_uri, answer), 303)
        return _log_in_page(request, login, handle, "")

    @site.post("/log-in")
    async def log_in(
        request: Request,
        log_in: Annotated[str, Form()] = "",
        uscc: Annotated[str, Form()] = "",
        agent: Annotated[str, Form()] = "",
        q: Annotated[str, Form()] = "",
    ) -> Response:
        if not login.is_waiting(log_in):
            return _dead_end(request, "登录已超时或已使用，请回到信易枢纽重新登录")
        if not uscc and not agent:
            return _log_in_page(request, login, log_in, q)
        try:
            return RedirectResponse(login.choose(log_in, uscc or agent, agent=not uscc), 303)
        except KeyError:
            return _dead_end(request, "没有这家企业")


def open_provider(
    *, issuer: str, redirect_uri: str, enterprises: Path, state: Path, hub_jwks: str, client_id: str
) -> FastAPI:
    """The provider as the command line starts it: enterprises from a file, its key under `state`."""

    async def fetch_jwks() -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            response = await client.get(hub_jwks)
            response.raise_for_status()
            content: dict[str, Any] = orjson.loads(response.content)
            return content

    login = GovernmentLogin(
        issuer=issuer,
        client_id=client_id,
        redirect_uri=redirect_uri,
        enterprises=read_enterprises(enterprises),
        key=load_or_create(state / "login-key.jwk.json"),
        fetch_jwks=fetch_jwks,
    )
    return build(login)


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


def _log_in_page(request: Request, login: GovernmentLogin, handle: str, words: str) -> Response:
    found = login.search(words)
    return templates.TemplateResponse(
        request, "log_in.html", {"log_in": handle, "q": words, "enterprises": found, "listed": LISTED}
    )


def _dead_end(request: Request, message: str) -> Response:
    return templates.TemplateResponse(request, "dead_end.html", {"message": message}, status_code=400)


def _kid_of(assertion: str) -> str:
    """The key name in the header of a JWT, read before anything is verified."""
    head = assertion.partition(".")[0]
    try:
        kid = orjson.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))).get("kid")
    except (ValueError, AttributeError) as error:
        raise OAuthError("invalid_client", "client_assertion is not a JWT", 401) from error
    if not isinstance(kid, str):
        raise OAuthError("invalid_client", "assertion header must name its key (kid)", 401)
    return kid


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
