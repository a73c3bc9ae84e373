"""Token introspection (RFC 7662), also as a signed answer (RFC 9701): is this token good, and what does it say.

A client learns of its own tokens only: of others' it hears what it hears of nonsense, that they are not active.
"""

import time
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from joserfc import jwt

from consent import Client, find_refresh_token
from core.errors import NotAuthenticated
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.oauth.clients import AuthenticatedForm, form_of
from gateway.oauth.codes import grant_for
from gateway.oauth.refusals import NO_STORE, OAuthRefusal, OAuthRoute

SIGNED_TYPE = "token-introspection+jwt"
SIGNED = f"application/{SIGNED_TYPE}"
SAID = ("client_id", "participant_id", "iss", "aud", "sub", "iat", "exp", "jti", "cnf", "grant_id")
"""claims of an access token that are repeated as they are"""
INACTIVE: dict[str, Any] = {"active": False}  # RFC 7662 §2.2: and nothing of why

FORM = form_of(["token"], {"token": {"type": "string"}, "token_type_hint": {"type": "string"}})

router = APIRouter(tags=["令牌 OAuth"], route_class=OAuthRoute)


@router.post("/oauth/introspect", summary="令牌内省 RFC 7662", openapi_extra=FORM, response_model=None)
async def introspect(asked: AuthenticatedForm, request: Request, hub: HubDep) -> Response:
    """Whether a token of yours is good. With `Accept: application/token-introspection+jwt`, signed (RFC 9701)."""
    if "token" not in asked.form:
        raise OAuthRefusal("invalid_request", "token is missing")
    about = await about_token(asked.form["token"], asked.client, hub)
    if SIGNED in request.headers.get("accept", ""):
        return Response(_signed(about, asked.client, hub), media_type=SIGNED, headers=NO_STORE)
    return JSONResponse(about, headers=NO_STORE)


async def about_token(token: str, client: Client, hub: Hub) -> dict[str, Any]:
    """What there is to say to this client; whatever the hint says, a token is what it turns out to be."""
    try:
        hub.tokens.check(token)
        claims = hub.tokens.claims_of(token)
    except NotAuthenticated:
        return await _about_refresh_token(token, client, hub)
    if claims["client_id"] != client.client_id:
        return INACTIVE
    about = {name: claims[name] for name in SAID if name in claims}
    about |= {"active": True, "token_type": "DPoP" if "jkt" in claims["cnf"] else "Bearer"}
    if "grant_id" not in claims:
        return about
    return await _with_grant(about, client, claims["grant_id"], hub)


async def _about_refresh_token(token: str, client: Client, hub: Hub) -> dict[str, Any]:
    async with hub.database.transaction() as tx:
        found = await find_refresh_token(tx, token)
    if found is None or found.client_id != client.client_id:
        return INACTIVE
    about = {"active": True, "client_id": client.client_id, "iss": hub.settings.public_url}
    return await _with_grant(about, client, str(found.consent_id), hub)


async def _with_grant(about: dict[str, Any], client: Client, grant_id: str, hub: Hub) -> dict[str, Any]:
    """What the token is for, as it stands now: without its consent a token is good for nothing."""
    grant = await grant_for(client.participant_id, UUID(grant_id), hub)
    if grant is None:
        return INACTIVE
    return {**about, "grant_id": grant_id, "authorization_details": grant.authorization_details}


def _signed(about: dict[str, Any], client: Client, hub: Hub) -> str:
    """RFC 9701 §5."""
    key = hub.keys["tokens"]
    header = {"alg": "ES256", "kid": key.kid, "typ": SIGNED_TYPE}
    claims = {
        "iss": hub.settings.public_url,
        "aud": client.client_id,
        "iat": int(time.time()),
        "token_introspection": about,
    }
    return jwt.encode(header, claims, key)
