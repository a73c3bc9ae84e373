"""The OAuth door: token endpoint, metadata and key set."""

from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from consent import Client
from core.errors import NotAuthenticated
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.oauth.backchannel import BackchannelRequests
from gateway.oauth.clients import claimed_client, confirmation_of, form_of, read_form, spend_once
from gateway.oauth.codes import Codes
from gateway.oauth.metadata import GRANT_TYPES, metadata_of
from gateway.oauth.refreshing import RefreshTokens
from gateway.oauth.refusals import NO_STORE, OAuthRefusal, OAuthRoute
from gateway.oauth.server import NotYetError, TokenClient, TokenRequest

TOKEN_FORM = form_of(
    ["grant_type"],
    {
        "grant_type": {"enum": list(GRANT_TYPES)},
        "code": {"type": "string", "description": "authorization_code: as it came to the redirect_uri"},
        "redirect_uri": {"type": "string", "description": "authorization_code: as it was pushed"},
        "code_verifier": {"type": "string", "description": "authorization_code: RFC 7636"},
        "refresh_token": {"type": "string", "description": "refresh_token: stays the same"},
        "auth_req_id": {"type": "string", "description": "CIBA: as /oauth/bc-authorize gave it"},
    },
)

NOT_ASKED_HERE = {
    "scope": "invalid_scope",  # RFC 6749 §3.3: to ignore it would give more than was asked
    "authorization_details": "invalid_authorization_details",  # RFC 9396 §6
}

router = APIRouter(tags=["令牌 OAuth"], route_class=OAuthRoute)


class GrantKind(Protocol):
    """What happens around Authlib's checks for one ``grant_type``: fetch what is kept, then use it up."""

    grant_type: str

    async def look_up(self, form: dict[str, str], hub: Hub) -> Any:
        """What is kept for the form, or None. The client is not proven yet: nothing may be used up."""

    async def spend(
        self, kept: Any, client: Client, form: dict[str, str], answer: dict[str, str], hub: Hub
    ) -> None:
        """Everything was found good, and ``answer`` is about to leave. Raises `OAuthRefusal`."""

    async def refused(self, kept: Any, client: Client, form: dict[str, str], hub: Hub) -> None:
        """The proven client got `invalid_grant`."""


GRANT_KINDS: dict[str, GrantKind] = {
    kind.grant_type: kind for kind in (Codes(), RefreshTokens(), BackchannelRequests())
}


@router.get("/.well-known/oauth-authorization-server", summary="元数据 RFC 8414")
async def metadata(hub: HubDep) -> dict[str, Any]:
    """What this authorization server can do, and where."""
    return metadata_of(hub.settings)


@router.get("/jwks", summary="本平台的公钥集")
async def jwks(hub: HubDep) -> dict[str, Any]:
    """The hub's public keys: access tokens, consent artefacts, its own client assertions."""
    return hub.keys.public_jwks()


@router.get("/jwks/sm2", summary="本平台的 SM2 公钥集")
async def sm2_jwks(hub: HubDep) -> dict[str, Any]:
    """The SM2 public keys, for the second signature of consent artefacts: `crv` is `SM2`, as no standard names one."""
    return hub.keys.sm2_jwks()


@router.post("/oauth/token", summary="取得访问令牌", openapi_extra=TOKEN_FORM, response_model=None)
async def token(request: Request) -> JSONResponse:
    """An access token for a bank: for itself, for a code, or anew for a consent; bound by DPoP or by certificate."""
    # FastAPI would take longer to hand over what the request depends on than the signatures take to be checked.
    hub: Hub = request.app.state.hub
    hub.rates.of_address(request)
    form = await read_form(request)
    for name, error in NOT_ASKED_HERE.items():
        if name in form:
            raise OAuthRefusal(error, f"{name} cannot be asked for here: a token is for all that was granted")
    confirmed = await confirmation_of(request, hub)
    if not confirmed.cnf:
        raise NotAuthenticated(
            "proof_missing", "tokens are bound to a key: send a DPoP proof, or use mutual TLS"
        )
    client, said = await claimed_client(form, hub)
    known = None if client is None else TokenClient(client, confirmed.cnf)
    kind = GRANT_KINDS.get(form.get("grant_type", ""))
    kept = await kind.look_up(form, hub) if kind else None
    status, body = hub.token_server.answer(TokenRequest(form, said, known, kept))
    if client and kind and kept and body.get("error") == "invalid_grant":
        await kind.refused(kept, client, form, hub)
    if client and (status == 200 or body.get("error") in NotYetError.DESCRIPTIONS):
        # Everything else was good: now the proof, the assertion and what was kept are used up, each works once.
        await spend_once(said, confirmed.replay_key, hub)
        hub.rates.of_client(client.client_id)
        if kind and status == 200:
            await kind.spend(kept, client, form, body, hub)
    if status != 200:
        raise OAuthRefusal(body["error"], body.get("error_description") or body["error"], status)
    return JSONResponse(body, headers=NO_STORE)
