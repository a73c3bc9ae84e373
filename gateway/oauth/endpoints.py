"""The OAuth door: token endpoint, metadata and key set."""

from typing import Any
from uuid import uuid4

import anyio.to_thread
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from consent import find_client
from core.errors import NotAuthenticated, ProofReplayed, Unavailable
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.oauth.bearer import Credentials
from gateway.oauth.dpop import REPLAY_SECONDS, check_proof
from gateway.oauth.server import (
    ASSERTION_SECONDS_MAX,
    AUTH_METHOD,
    GRANT_TYPE,
    TokenClient,
    TokenRequest,
    claims_of,
)
from gateway.queries.door import credentials_of

NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}  # RFC 6749 §5.1

TOKEN_FORM = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["grant_type", "client_assertion_type", "client_assertion"],
                "properties": {
                    "grant_type": {"const": GRANT_TYPE},
                    "client_assertion_type": {"const": ASSERTION_TYPE},
                    "client_assertion": {
                        "type": "string",
                        "description": "ES256 JWT, aud = issuer, exp ≤ 300 s",
                    },
                },
            }
        }
    },
}

router = APIRouter(tags=["令牌 OAuth"])


@router.get("/.well-known/oauth-authorization-server", summary="元数据 RFC 8414")
async def metadata(hub: HubDep) -> dict[str, Any]:
    """RFC 8414, with RFC 9449 §5.1 and RFC 8705 §3.3."""
    issuer = hub.settings.public_url
    about: dict[str, Any] = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "jwks_uri": f"{issuer}/jwks",
        "grant_types_supported": [GRANT_TYPE],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": [AUTH_METHOD],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "tls_client_certificate_bound_access_tokens": hub.settings.mtls_url is not None,
        "service_documentation": f"{issuer}/docs",
    }
    if hub.settings.mtls_url is not None:
        about["mtls_endpoint_aliases"] = {"token_endpoint": f"{hub.settings.mtls_url}/oauth/token"}
    return about


@router.get("/jwks", summary="本平台的公钥集")
async def jwks(hub: HubDep) -> dict[str, Any]:
    """The hub's public keys: access tokens, consent artefacts, its own client assertions."""
    return hub.keys.public_jwks()


@router.post("/oauth/token", summary="取得访问令牌", openapi_extra={"requestBody": TOKEN_FORM})
async def token(request: Request, hub: HubDep) -> JSONResponse:
    """An access token for a bank: `client_credentials`, `private_key_jwt`, bound by DPoP or by certificate."""
    form = {name: str(value) for name, value in (await request.form(max_files=0, max_fields=20)).items()}
    headers = dict(request.scope["headers"])
    try:
        credentials = credentials_of(request.scope, headers, hub.settings.certificate_header_from)
        return await _grant(form, credentials, request.url.path, hub)
    except ProofReplayed:
        return _error(
            400, "invalid_dpop_proof", "the DPoP proof was used before; sign a new one with a new jti"
        )
    except NotAuthenticated as error:
        return _error(400, "invalid_dpop_proof", str(error))
    except InvalidRequestError as error:
        return _error(400, "invalid_request", error.description)
    except Unavailable:
        return _error(
            503, "temporarily_unavailable", "replay protection or the database is away; try again soon"
        )


async def _grant(form: dict[str, str], credentials: Credentials, path: str, hub: Hub) -> JSONResponse:
    confirmation, replay_key = _confirmation(credentials, [url + path for url in hub.settings.own_urls])
    claims = claims_of(form.get("client_assertion", ""))
    client_id = str(claims.get("sub", ""))
    client = None
    if client_id.isprintable():  # PostgreSQL would choke on a NUL
        async with hub.database.transaction() as tx:
            client = await find_client(tx, client_id)
    known = None if client is None or client.suspended else TokenClient(client, confirmation)
    status, body = await anyio.to_thread.run_sync(hub.token_server.answer, TokenRequest(form, known))
    if status == 200:
        # Everything else was good: now the assertion and the proof are spent, each works once.
        if replay_key is not None:
            await hub.admission.spend_once(replay_key, REPLAY_SECONDS)
        try:
            await hub.admission.spend_once(
                f"assertion:{claims['sub']}:{claims['jti']}", ASSERTION_SECONDS_MAX + 60
            )
        except ProofReplayed:
            return _error(
                401, "invalid_client", "the client assertion was used before; sign a new one with a new jti"
            )
    return JSONResponse(body, status, headers=NO_STORE)


def _confirmation(credentials: Credentials, urls: list[str]) -> tuple[dict[str, str], str | None]:
    """What the token will be bound to, and the one-time proof to spend for it. Raises `NotAuthenticated`."""
    if credentials.dpop is not None:
        proof = check_proof(credentials.dpop, method="POST", urls=urls, token=None)
        return {"jkt": proof.jkt}, proof.replay_key
    if credentials.certificate is not None:
        return {"x5t#S256": credentials.certificate}, None
    raise NotAuthenticated(
        "proof_missing", "send a DPoP proof, or come over mutual TLS: tokens are bound to a key"
    )


def _error(status: int, error: str, description: str) -> JSONResponse:
    """RFC 6749 §5.2. The trace id is in the header, as everywhere."""
    # §5.2 allows only printable ASCII without quotes and backslashes in a description.
    text = "".join(c if 0x20 <= ord(c) < 0x7F and c not in '"\\' else "'" for c in description)
    headers = {**NO_STORE, "x-request-id": uuid4().hex}
    return JSONResponse({"error": error, "error_description": text}, status, headers=headers)
