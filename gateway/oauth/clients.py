"""Which client calls an OAuth endpoint: `private_key_jwt` (RFC 7523) in the form, and the key its tokens are bound to."""

from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl

from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from fastapi import Depends, Request

from consent import Client
from core.errors import ProofReplayed
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.oauth.assertions import ASSERTION_SECONDS_MAX, Assertion, read_assertion
from gateway.oauth.dpop import REPLAY_SECONDS, check_proof
from gateway.oauth.refusals import OAuthRefusal
from gateway.oauth.server import TokenClient, TokenRequest
from gateway.queries.door import credentials_of

MEDIA_TYPE = "application/x-www-form-urlencoded"
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
    content = {MEDIA_TYPE: {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


async def read_form(request: Request) -> dict[str, str]:
    """The parameters that were sent, each at most once (RFC 6749 §3.2); those without a value were not sent."""
    body = await request.body()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and media_type != MEDIA_TYPE:
        raise OAuthRefusal("invalid_request", f"send a form: {MEDIA_TYPE}")
    try:
        sent = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise OAuthRefusal("invalid_request", "the form cannot be read") from error
    form = dict(sent)
    if len(form) < len(sent):
        raise OAuthRefusal("invalid_request", "a parameter is sent more than once")
    return {name: value for name, value in form.items() if value}


FormDep = Annotated[dict[str, str], Depends(read_form)]


async def claimed_client(form: dict[str, str], hub: Hub) -> tuple[Client | None, Assertion]:
    """The client that the assertion names, which is not yet proven, and what the assertion says."""
    said = read_assertion(form.get("client_assertion", ""))
    if form.get("client_id", said.sub) != said.sub:
        raise OAuthRefusal("invalid_client", "client_id and the assertion name two clients", 401)
    if not said.sub.isprintable():  # PostgreSQL would choke on a NUL
        return None, said
    client = await hub.clients.ask(said.sub)
    return (None if client is None or client.suspended else client), said


async def spend_once(said: Assertion, proof: str | None, hub: Hub) -> None:
    """An assertion works once, and so does a proof (its replay key). Only for those that were found good."""
    keys = {f"assertion:{said.sub}:{said.jti}": ASSERTION_SECONDS_MAX + 60}
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
    client, said = await claimed_client(form, hub)
    known = TokenClient(client, {}) if client else None
    proven = hub.token_server.authenticated(TokenRequest(form, said, known))
    await spend_once(said, None, hub)
    hub.rates.of_client(proven.client.client_id)
    return proven.client


class Authenticated(NamedTuple):
    client: Client
    form: dict[str, str]


async def authenticated_form(form: FormDep, request: Request, hub: HubDep) -> Authenticated:
    hub.rates.of_address(request)
    return Authenticated(await authenticate(form, hub), form)


AuthenticatedForm = Annotated[Authenticated, Depends(authenticated_form)]


class Confirmation(NamedTuple):
    """What a token for a request is bound to, and the one-time proof to spend for it."""

    cnf: dict[str, str]
    """{} when the request brought nothing to bind a token to"""
    replay_key: str | None


async def confirmation_of(request: Request, hub: HubDep) -> Confirmation:
    """Raises `NotAuthenticated` for a proof that is not good.

    Asked before the client is proven: a refusal for want of a nonce leaves the assertion as good as it was.
    """
    headers = dict(request.scope["headers"])
    credentials = credentials_of(request.scope, headers, hub.settings.certificate_header_from)
    if credentials.dpop is not None:
        urls = [url + request.url.path for url in hub.settings.own_urls]
        proof = check_proof(credentials.dpop, method="POST", urls=urls, token=None, nonces=hub.nonces)
        return Confirmation({"jkt": proof.jkt}, proof.replay_key)
    if credentials.certificate is not None:
        return Confirmation({"x5t#S256": credentials.certificate}, None)
    return Confirmation({}, None)


ConfirmationDep = Annotated[Confirmation, Depends(confirmation_of)]
