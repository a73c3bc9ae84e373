"""江苏政务服务网 legal-person log-in, played: a small OpenID Connect provider with the real one's manners."""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse
from joserfc import jwt

from sandbox.code_provider import (
    LISTED,
    CodeProvider,
    Issued,
    OAuthError,
    add_authorize,
    add_hub_side,
    base64url,
    person_id,
    read_enterprises,
)
from sandbox.hub_keys import keys_at
from sandbox.keys import load_or_create
from sandbox.pages import dead_end, new_site, templates

ID_TOKEN_SECONDS: Final = 120


@dataclass
class GovernmentLogin(CodeProvider):
    metadata_at: ClassVar[str] = "/.well-known/openid-configuration"

    def metadata(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0."""
        return {
            **super().metadata(),
            "scopes_supported": ["openid"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "prompt_values_supported": ["login"],
            "acr_values_supported": ["urn:xinyi:loa:3"],
            "claims_supported": [
                "iss", "sub", "aud", "nonce", "iat", "exp", "auth_time", "acr",
                "uscc", "enterprise_name", "signatory_name", "signatory_role", "person_id",
            ],
        }  # fmt: skip

    def check_question(self, parameters: dict[str, str]) -> None:
        if "openid" not in parameters.get("scope", "").split():
            raise OAuthError("invalid_scope", "scope must contain openid")
        if parameters.get("prompt") == "none":
            raise OAuthError("login_required", "nobody stays logged in here")

    def answer_to(self, issued: Issued) -> dict[str, Any]:
        now, enterprise = int(self.clock()), issued.enterprise
        claims = {
            "iss": self.issuer,
            "sub": self._subject(issued),
            "aud": self.client_id,
            "nonce": issued.request.nonce,
            "iat": now,
            "exp": now + ID_TOKEN_SECONDS,
            "auth_time": issued.authenticated_at,
            "acr": issued.acr,
            "uscc": enterprise.uscc,
            "enterprise_name": enterprise.name,
            "signatory_name": issued.person,
            "signatory_role": issued.role,
            "person_id": person_id(enterprise.uscc, issued.person),
        }
        header = {"alg": "ES256", "typ": "JWT", "kid": self.key.kid}
        return {"scope": "openid", "id_token": jwt.encode(header, claims, self.key)}

    def _subject(self, issued: Issued) -> str:
        """An opaque name, the same at every log-in, from which neither person nor enterprise can be read."""
        secret = str(self.key.as_dict(private=True)["d"]).encode()
        text = f"{issued.enterprise.uscc}|{issued.person}".encode()
        return base64url(hmac.new(secret, text, hashlib.sha256).digest())


def build(login: GovernmentLogin) -> FastAPI:
    """The provider's web site."""
    site = new_site("江苏政务服务网（沙箱）")
    add_hub_side(site, login)
    _add_browser_side(site, login)
    return site


def _add_browser_side(site: FastAPI, login: GovernmentLogin) -> None:
    add_authorize(site, login, lambda request, handle: _log_in_page(request, login, handle, ""))

    @site.post("/log-in")
    async def log_in(
        request: Request,
        log_in: Annotated[str, Form()] = "",
        uscc: Annotated[str, Form()] = "",
        agent: Annotated[str, Form()] = "",
        q: Annotated[str, Form()] = "",
    ) -> Response:
        if not login.is_waiting(log_in):
            return dead_end(request, "登录已超时或已使用，请回到信易枢纽重新登录")
        if not uscc and not agent:
            return _log_in_page(request, login, log_in, q)
        try:
            return RedirectResponse(login.choose(log_in, uscc or agent, agent=not uscc), 303)
        except KeyError:
            return dead_end(request, "没有这家企业")


def open_provider(
    *, issuer: str, redirect_uri: str, enterprises: Path, state: Path, hub_jwks: str, client_id: str
) -> FastAPI:
    """The provider as the command line starts it: enterprises from a file, its key under `state`."""
    login = GovernmentLogin(
        issuer=issuer,
        client_id=client_id,
        redirect_uri=redirect_uri,
        enterprises=read_enterprises(enterprises),
        key=load_or_create(state / "login-key.jwk.json"),
        hub_keys=keys_at(hub_jwks),
    )
    return build(login)


def _log_in_page(request: Request, login: GovernmentLogin, handle: str, words: str) -> Response:
    found = login.search(words)
    return templates.TemplateResponse(
        request, "log_in.html", {"log_in": handle, "q": words, "enterprises": found, "listed": LISTED}
    )
