"""Pushed authorization requests (RFC 9126): the only way to begin an authorization (FAPI 2.0 §5.3.2.2)."""

import re
import secrets
from uuid import UUID

import msgspec
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from consent import Client, ConsentTerms, find_for_participant
from core.errors import NotFound
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.oauth.clients import AuthenticatedForm, ConfirmationDep, form_of
from gateway.oauth.details import terms_of
from gateway.oauth.dpop import REPLAY_SECONDS
from gateway.oauth.memory import Memory
from gateway.oauth.refusals import NO_STORE, OAuthRefusal, OAuthRoute
from gateway.oauth.request_objects import pushed_parameters

PREFIX = "urn:ietf:params:oauth:request_uri:"
PUSHED_SECONDS = 60
STATE_CHARACTERS_MAX = 2048
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of a SHA-256, of a challenge as of a thumbprint

FORM = form_of(
    ["response_type", "redirect_uri", "code_challenge", "code_challenge_method", "authorization_details"],
    {
        "response_type": {"const": "code"},
        "redirect_uri": {
            "type": "string",
            "description": "one of the client's registered addresses, exactly",
        },
        "state": {"type": "string", "maxLength": STATE_CHARACTERS_MAX, "description": "comes back unchanged"},
        "code_challenge": {"type": "string", "description": "RFC 7636"},
        "code_challenge_method": {"const": "S256"},
        "authorization_details": {"type": "string", "description": "RFC 9396, one object: xinyi_consent"},
        "dpop_jkt": {"type": "string", "description": "binds the code to a DPoP key (RFC 9449 §10)"},
        "grant_management_action": {"enum": ["create", "replace"]},
        "grant_id": {"type": "string", "description": "the consent to be replaced"},
        "request": {"type": "string", "description": "instead of all these: a request object (RFC 9101)"},
    },
)

router = APIRouter(tags=["令牌 OAuth"], route_class=OAuthRoute)


class PushedRequest(msgspec.Struct):
    """An authorization request that was found good."""

    client_id: str
    participant_id: str
    redirect_uri: str
    state: str | None
    code_challenge: str
    dpop_jkt: str | None
    terms: ConsentTerms
    supersedes: UUID | None


@router.post(
    "/oauth/par", status_code=201, summary="推送授权请求 RFC 9126", openapi_extra=FORM, response_model=None
)
async def push(confirmed: ConfirmationDep, asked: AuthenticatedForm, hub: HubDep) -> JSONResponse:
    """Push an authorization request; the `request_uri` in the answer goes into the browser's address."""
    (confirmation, replay_key), (client, form) = confirmed, asked
    if "request_uri" in form:
        raise OAuthRefusal("invalid_request", "a request_uri cannot be pushed (RFC 9126 section 2.1)")
    form = pushed_parameters(form, client, hub)
    pushed = PushedRequest(
        client_id=client.client_id,
        participant_id=client.participant_id,
        redirect_uri=_redirect_uri(form, client),
        state=_state(form),
        code_challenge=_challenge(form),
        dpop_jkt=_dpop_jkt(form, confirmation.get("jkt")),
        terms=_terms(form, client, hub),
        supersedes=await _superseded(form, client, hub),
    )
    if replay_key is not None:
        await hub.admission.spend_once(replay_key, REPLAY_SECONDS)
    request_uri = PREFIX + secrets.token_urlsafe(32)
    await Memory(hub.redis).keep(request_uri, pushed, PUSHED_SECONDS)
    body = {"request_uri": request_uri, "expires_in": PUSHED_SECONDS}
    return JSONResponse(body, 201, headers=NO_STORE)


def _redirect_uri(form: dict[str, str], client: Client) -> str:
    address = form.get("redirect_uri")
    if address is None:
        raise OAuthRefusal("invalid_request", "redirect_uri is missing")
    if address not in client.redirect_uris:
        raise OAuthRefusal(
            "invalid_request", "redirect_uri is not registered for this client, character by character"
        )
    return address


def _state(form: dict[str, str]) -> str | None:
    state = form.get("state")
    if state is not None and not (
        len(state) <= STATE_CHARACTERS_MAX and state.isascii() and state.isprintable()
    ):
        raise OAuthRefusal(
            "invalid_request", f"state has at most {STATE_CHARACTERS_MAX} printable ASCII characters"
        )
    return state


def _challenge(form: dict[str, str]) -> str:
    if form.get("response_type") != "code":
        raise OAuthRefusal(*_about_response_type(form.get("response_type")))
    if form.get("response_mode", "query") != "query":
        raise OAuthRefusal("invalid_request", "the only response_mode is query")
    if form.get("scope"):
        raise OAuthRefusal("invalid_scope", "there are no scopes; authorization_details say what is asked")
    if form.get("code_challenge_method") != "S256":
        raise OAuthRefusal("invalid_request", "code_challenge_method must be S256")
    challenge = form.get("code_challenge", "")
    if not CHALLENGE.fullmatch(challenge):
        raise OAuthRefusal("invalid_request", "code_challenge must be the base64url of a SHA-256")
    return challenge


def _about_response_type(given: str | None) -> tuple[str, str]:
    if given is None:
        return "invalid_request", "response_type is missing"
    return "unsupported_response_type", "the only response_type is code"


def _dpop_jkt(form: dict[str, str], of_proof: str | None) -> str | None:
    """The key that the code will be bound to (RFC 9449 §10): said, shown by a proof, or both."""
    said = form.get("dpop_jkt")
    if said is not None and not CHALLENGE.fullmatch(said):
        raise OAuthRefusal("invalid_request", "dpop_jkt must be the base64url of a SHA-256")
    if said is not None and of_proof is not None and said != of_proof:
        raise OAuthRefusal("invalid_request", "dpop_jkt is not the key of the DPoP proof")
    return said or of_proof


def _terms(form: dict[str, str], client: Client, hub: Hub) -> ConsentTerms:
    if "authorization_details" not in form:
        raise OAuthRefusal("invalid_request", "authorization_details are missing (RFC 9396)")
    return terms_of(
        form["authorization_details"],
        issuer=hub.settings.public_url,
        catalogue=hub.catalogue,
        participant_class=client.participant_class,
    )


async def _superseded(form: dict[str, str], client: Client, hub: Hub) -> UUID | None:
    """The consent that the new one is to replace (Grant Management for OAuth 2.0)."""
    action, grant_id = form.get("grant_management_action"), form.get("grant_id")
    if action in (None, "create") and grant_id is None:
        return None
    if action != "replace" or grant_id is None:
        raise OAuthRefusal("invalid_request", "grant_management_action is create, or replace with a grant_id")
    try:
        consent_id = UUID(grant_id)
        async with hub.database.transaction() as tx:
            found = await find_for_participant(tx, client.participant_id, consent_id)
    except (ValueError, NotFound) as error:
        raise OAuthRefusal("invalid_grant_id", "there is no such grant of this client") from error
    if found.state_at(hub.clock()) not in ("active", "paused"):
        raise OAuthRefusal("invalid_grant_id", "the grant is over; ask for a new one")
    return consent_id
