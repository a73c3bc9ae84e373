"""Token revocation (RFC 7009): a client gives a token back, because it leaked or is no longer needed.

A refresh token ends in the database, and the access tokens that were given with it are denied (§2.1). Denied is a token
here at once, in the other processes when Redis has told them (`gateway.oauth.denied`). The consent itself stays: `DELETE
/grants/{grant_id}` gives that up.
"""

import time

from fastapi import APIRouter
from fastapi.responses import Response

from consent import Client, end_refresh_token, find_refresh_token
from core.errors import NotAuthenticated
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.oauth.clients import AuthenticatedForm, form_of
from gateway.oauth.refusals import NO_STORE, OAuthRefusal, OAuthRoute
from gateway.oauth.tokens import LIFETIME_SECONDS

FORM = form_of(["token"], {"token": {"type": "string"}, "token_type_hint": {"type": "string"}})

router = APIRouter(tags=["令牌 OAuth"], route_class=OAuthRoute)


@router.post("/oauth/revoke", summary="撤销令牌 RFC 7009", openapi_extra=FORM, response_model=None)
async def revoke(asked: AuthenticatedForm, hub: HubDep) -> Response:
    """Give a token of yours back. A token that is no good any more is as good as revoked: 200 (section 2.2)."""
    if "token" not in asked.form:
        raise OAuthRefusal("invalid_request", "token is missing")
    if not await _deny_access_token(asked.form["token"], asked.client, hub):
        await _end_refresh_token(asked.form["token"], asked.client, hub)
    return Response(headers=NO_STORE)


async def _deny_access_token(token: str, client: Client, hub: Hub) -> bool:
    """False if it is not an access token that is still good."""
    try:
        found = hub.tokens.check(token)
    except NotAuthenticated:
        return False
    _must_be_theirs(found.client_id, client)
    await hub.denied.deny(found.jti, found.expires_at)
    return True


async def _end_refresh_token(token: str, client: Client, hub: Hub) -> None:
    async with hub.database.transaction() as tx:
        found = await find_refresh_token(tx, token)
        if found is not None:
            _must_be_theirs(found.client_id, client)
            await end_refresh_token(tx, token, client_id=client.client_id, at=hub.clock())
    if found is not None:
        await hub.denied.deny(str(found.consent_id), time.time() + LIFETIME_SECONDS)


def _must_be_theirs(client_id: str, client: Client) -> None:
    """RFC 7009 §2.1: refused, and the client is told."""
    if client_id != client.client_id:
        raise OAuthRefusal("invalid_grant", "the token was issued to another client")
