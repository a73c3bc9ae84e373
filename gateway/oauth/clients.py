"""Which client calls an OAuth endpoint: `private_key_jwt` (RFC 7523) in the form, and the key its tokens are bound to."""

from typing import Annotated, Any, NamedTuple

from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from consent import Client
from core.errors import NotAuthenticated, ProofReplayed
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.oauth.dpop import REPLAY_SECONDS, check_proof
from gateway.oauth.refusals import OAuthRefusal
from gateway.oauth.server import ASSERTION_SECONDS_MAX, TokenClient, TokenRequest, claims_of
from gateway.queries.door import credentials_of

FIELDS_MAX = 30

AUTHENTICATION = {
    "client_assertion_type": {"const": ASSERTION_TYPE},
    "client_assertion": {"type": "string", "description": "ES256 JWT, aud = issuer, exp ≤ 300 s"},
}
"""the part of every form that says who sends it, for the guide"""


def form_of(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    """How a form of ours looks, for the guide (OpenAPI)."""
    schema = {
        "type": "object",
        "required": [*required, *AUTHENTICATION],
        "properties": {**properties, **AUTHENTICATION},
    }
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


async def read_form(request: Request) -> dict[str, str]:
    """The parameters that were sent, each at most once (RFC 6749 §3.2); those without a value were not sent."""
    try:
        form = await request.form(max_files=0, max_fields=FIELDS_MAX)
    except HTTPException as error:
        if error.status_code == 413:
            raise
        raise OAuthRefusal("invalid_request", "the form cannot be read") from error
    parameters: dict[str, str] = {}
    for name, value in form.multi_items():
        if name in parameters:
            raise OAuthRefusal("invalid_request", f"{name} is sent more than once")
        parameters[name] = str(value)
    return {name: value for name, value in parameters.items() if value}


FormDep = Annotated[dict[str, str], Depends(read_form)]


async def claimed_client(form: dict[str, str], hub: Hub) -> tuple[Client | None, dict[str, Any]]:
    """The client that the assertion names, which is not yet proven, and the assertion's claims."""
    claims = claims_of(form.get("client_assertion", ""))
    client_id = str(claims.get("sub", ""))
    if form.get("client_id", client_id) != client_id:
        raise OAuthRefusal("invalid_client", "client_id and the assertion name two clients", 401)
    if not client_id.isprintable():  # PostgreSQL would choke on a NUL
        return None, claims
    client = await hub.clients.ask(client_id)
    return (None if client is None or client.suspended else client), claims


async def spend_once(claims: dict[str, Any], proof: str | None, hub: Hub) -> None:
    """An assertion works once, and so does a proof (its replay key). Only for those that were found good."""
    keys = {f"assertion:{claims['sub']}:{claims['jti']}": ASSERTION_SECONDS_MAX + 60}
    if proof is not None:
        keys[proof] = REPLAY_SECONDS
    assertion_is_fresh, *proof_is_fresh = await hub.admission.spend(keys)
    if not all(proof_is_fresh):
        raise ProofReplayed("proof_replayed")
    if not assertion_is_fresh:
        raise OAuthRefusal(
            "invalid_client", "the client assertion was used before; sign a new one with a new jti", 401
        )


async def authenticate(form: dict[str, str], hub: Hub) -> Client:
    """The proven client of a form. Raises `OAuthRefusal` or Authlib's own error (`invalid_client`)."""
    client, claims = await claimed_client(form, hub)
    known = TokenClient(client, {}) if client else None
    proven = hub.token_server.authenticated(TokenRequest(form, known))
    await spend_once(claims, None, hub)
    hub.rates.of_client(proven.client.client_id)
    return proven.client


class Authenticated(NamedTuple):
    client: Client
    form: dict[str, str]


async def authenticated_form(form: FormDep, hub: HubDep) -> Authenticated:
    return Authenticated(await authenticate(form, hub), form)


AuthenticatedForm = Annotated[Authenticated, Depends(authenticated_form)]


def confirmation_of(request: Request, hub: Hub) -> tuple[dict[str, str], str | None]:
    """What a token for this request is bound to (`cnf`), and the one-time proof to spend for it.

    Nothing to bind to gives ``{}``. Raises `NotAuthenticated` for a proof that is not good.
    """
    headers = dict(request.scope["headers"])
    credentials = credentials_of(request.scope, headers, hub.settings.certificate_header_from)
    if credentials.dpop is not None:
        urls = [url + request.url.path for url in hub.settings.own_urls]
        proof = check_proof(credentials.dpop, method="POST", urls=urls, token=None, nonces=hub.nonces)
        return {"jkt": proof.jkt}, proof.replay_key
    if credentials.certificate is not None:
        return {"x5t#S256": credentials.certificate}, None
    return {}, None


def bound_to(request: Request, hub: Hub) -> tuple[dict[str, str], str | None]:
    """The same where there must be something: every token of ours is bound to a key."""
    confirmation, replay_key = confirmation_of(request, hub)
    if not confirmation:
        raise NotAuthenticated(
            "proof_missing", "send a DPoP proof, or come over mutual TLS: tokens are bound to a key"
        )
    return confirmation, replay_key
