"""Consent on the enterprise's own device (CIBA, OpenID Connect Client-Initiated Backchannel Authentication 1.0).

The bank says which enterprise it asks (`login_hint` is the USCC) and for what (`authorization_details`); the
enterprise finds the request in its portal; the bank polls the token endpoint, or is pinged and then fetches the
tokens once. The request is a consent request like any other: the same states, the same artefact.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from consent import (
    MESSAGE_CHARACTERS_MAX,
    Client,
    Consent,
    file_request,
    find_backchannel_client,
    find_consent,
    keep_refresh_token,
    note_backchannel_request,
)
from core.errors import NotFound, Unavailable
from core.identifiers import InvalidUSCC, parse_uscc
from core.master_secret import MasterSecret
from core.redis import AWAY
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.oauth.clients import AuthenticatedForm, form_of
from gateway.oauth.codes import LIVING
from gateway.oauth.details import details_of, terms_of
from gateway.oauth.refusals import NO_STORE, OAuthRefusal, OAuthRoute
from gateway.oauth.request_objects import backchannel_parameters
from gateway.oauth.tokens import TokenGrant

GRANT_TYPE = "urn:openid:params:grant-type:ciba"
EXPIRES_SECONDS = 3600
"""how long a request waits for its answer, unless told"""
EXPIRES_SECONDS_MAX = 30 * 86_400
INTERVAL_SECONDS = 5
SLOWER_SECONDS = 5
"""added to the interval each time that a client polls too early (CIBA §11)"""
EARLY_SECONDS = 0.5
"""by which a poll may come early: clocks and networks are not exact"""
BINDING_CHARACTERS_MAX = 40
NOTIFICATION_TOKEN_MAX = 1024
MAC_OCTETS = 16

FORM = form_of(
    ["login_hint", "authorization_details"],
    {
        "login_hint": {"type": "string", "description": "the USCC of the enterprise that is asked"},
        "authorization_details": {"type": "string", "description": "RFC 9396, one object: xinyi_consent"},
        "binding_message": {"type": "string", "maxLength": BINDING_CHARACTERS_MAX},
        "requested_expiry": {"type": "integer", "minimum": 1, "maximum": EXPIRES_SECONDS_MAX},
        "client_notification_token": {"type": "string", "maxLength": NOTIFICATION_TOKEN_MAX},
        "scope": {"type": "string", "description": "not used"},
        "request": {"type": "string", "description": "instead of all these: a signed request (CIBA §7.1.1)"},
    },
)
UNSUPPORTED_HINTS = ("login_hint_token", "id_token_hint")

router = APIRouter(tags=["令牌 OAuth"], route_class=OAuthRoute)


@router.post(
    "/oauth/bc-authorize", summary="向企业自己的设备申请授权 CIBA", openapi_extra=FORM, response_model=None
)
async def begin(asked: AuthenticatedForm, hub: HubDep) -> JSONResponse:
    """Ask an enterprise that is not here: it answers in its portal, on a device of its own."""
    client = asked.client
    form = await backchannel_parameters(asked.form, client, hub)
    expires_in = _expiry(form.get("requested_expiry"))
    terms = terms_of(
        form.get("authorization_details", ""),
        issuer=hub.settings.public_url,
        catalogue=hub.catalogue,
        participant_class=client.participant_class,
    )
    terms = replace(terms, message=_message(form.get("binding_message", ""), terms.message))
    if _hinted(form) != terms.uscc:
        raise OAuthRefusal("invalid_request", "login_hint and authorization_details name two enterprises")
    notification_token = _notification_token(form, client)
    at = hub.clock()
    async with hub.database.transaction() as tx:
        consent = await file_request(
            tx, client.participant_id, terms, at=at, answer_within=timedelta(seconds=expires_in)
        )
        await note_backchannel_request(
            tx, consent.consent_id, client_id=client.client_id, notification_token=notification_token, at=at
        )
    answer = {
        "auth_req_id": auth_req_id_of(consent.consent_id, hub.master_secret),
        "expires_in": expires_in,
        "interval": INTERVAL_SECONDS,
        "consent_id": str(consent.consent_id),
        "approval_url": f"{hub.settings.public_url}/portal/requests/{consent.consent_id}",
        "qr_url": f"{hub.settings.public_url}/qr/{consent.consent_id}",
    }
    return JSONResponse(answer, headers=NO_STORE)


def _expiry(text: str | None) -> int:
    if text is None:
        return EXPIRES_SECONDS
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= EXPIRES_SECONDS_MAX:
        raise OAuthRefusal(
            "invalid_request",
            f"requested_expiry is a whole number of seconds from 1 to {EXPIRES_SECONDS_MAX}",
        )
    return int(text)


def _hinted(form: dict[str, str]) -> str:
    """CIBA §7.1: exactly one hint, of which we take the one."""
    if any(name in form for name in UNSUPPORTED_HINTS) or "login_hint" not in form:
        raise OAuthRefusal("invalid_request", "give one hint, which is login_hint: the USCC")
    try:
        return parse_uscc(form["login_hint"])
    except InvalidUSCC as error:
        raise OAuthRefusal("unknown_user_id", f"login_hint: {error}") from error


def _message(binding_message: str, message: str) -> str:
    """What the enterprise reads on its device: first what the bank shows on its own, so that both can be compared."""
    if len(binding_message) > BINDING_CHARACTERS_MAX or not binding_message.isprintable():
        raise OAuthRefusal(
            "invalid_binding_message", f"at most {BINDING_CHARACTERS_MAX} printable characters, on one line"
        )
    said = " · ".join(part for part in (binding_message, message) if part)
    if len(said) > MESSAGE_CHARACTERS_MAX:
        raise OAuthRefusal(
            "invalid_binding_message", f"with the message, at most {MESSAGE_CHARACTERS_MAX} characters"
        )
    return said


def _notification_token(form: dict[str, str], client: Client) -> str | None:
    """CIBA §7.1: whoever is pinged says with which token; whoever polls needs none."""
    if client.notification_url is None:
        return None
    token = form.get("client_notification_token", "")
    if not 1 <= len(token) <= NOTIFICATION_TOKEN_MAX or not all("!" <= letter <= "~" for letter in token):
        raise OAuthRefusal(
            "invalid_request",
            f"client_notification_token: 1 to {NOTIFICATION_TOKEN_MAX} visible ASCII characters",
        )
    return token


# --- auth_req_id ------------------------------------------------------------------------------------------------


def auth_req_id_of(consent_id: UUID, master_secret: MasterSecret) -> str:
    """Not stored but made: the request's id, and a mark that nobody else can make (128 bits)."""
    return base64.urlsafe_b64encode(consent_id.bytes + _mark(consent_id, master_secret)).rstrip(b"=").decode()


def request_of(auth_req_id: str, hub: Hub) -> UUID | None:
    """The request whose `auth_req_id` this is; None if it is not one of ours."""
    try:
        octets = base64.b64decode(auth_req_id + "=" * (-len(auth_req_id) % 4), altchars=b"-_", validate=True)
        consent_id = UUID(bytes=octets[:16])
    except (ValueError, binascii.Error):
        return None
    return consent_id if hmac.compare_digest(octets[16:], _mark(consent_id, hub.master_secret)) else None


def _mark(consent_id: UUID, master_secret: MasterSecret) -> bytes:
    return master_secret.derive("auth_req_id", consent_id.hex)[:MAC_OCTETS]


# --- the token endpoint -----------------------------------------------------------------------------------------

Pending = Literal["authorization_pending", "slow_down", "expired_token", "access_denied"]


@dataclass(frozen=True)
class KeptBackchannelRequest:
    """A request as it stands when its client asks for the tokens."""

    consent_id: UUID
    client_id: str
    grant: TokenGrant | None
    """None: there are no tokens, and ``pending`` says why"""
    pending: Pending | None


class BackchannelRequests:
    """The grant type of CIBA at the token endpoint, around what Authlib checks."""

    grant_type = GRANT_TYPE

    async def look_up(self, form: dict[str, str], hub: Hub) -> KeptBackchannelRequest | None:
        consent_id = request_of(form.get("auth_req_id", ""), hub)
        if consent_id is None:
            return None
        try:
            async with hub.database.transaction() as tx:
                consent = await find_consent(tx, consent_id)
                client_id = await find_backchannel_client(tx, consent_id)
        except NotFound:
            return None
        if client_id is None:
            return None
        pending = _pending(consent, hub)
        if pending == "authorization_pending" and await _polls_too_early(consent_id, hub):
            pending = "slow_down"
        details = details_of(consent, hub.settings.public_url)
        grant = None if pending else TokenGrant(str(consent_id), details)
        return KeptBackchannelRequest(consent_id, client_id, grant, pending)

    async def spend(
        self,
        kept: KeptBackchannelRequest,
        client: Client,
        form: dict[str, str],
        answer: dict[str, str],
        hub: Hub,
    ) -> None:
        """Everything was good: one refresh token per request, so the tokens are handed out once."""
        async with hub.database.transaction() as tx:
            fresh = await keep_refresh_token(
                tx,
                answer["refresh_token"],
                origin=f"auth_req_id:{kept.consent_id}",
                client_id=client.client_id,
                consent_id=kept.consent_id,
                at=hub.clock(),
            )
        if not fresh:
            raise OAuthRefusal("invalid_grant", "the auth_req_id was used before")

    async def refused(
        self, kept: KeptBackchannelRequest, client: Client, form: dict[str, str], hub: Hub
    ) -> None:
        """Nothing to take back: the first use was the client's own."""


def _pending(consent: Consent, hub: Hub) -> Pending | None:
    """Why there are no tokens yet, or never will be (CIBA §11)."""
    state = consent.state_at(hub.clock())
    if state in LIVING:
        return None
    if state in ("awaiting", "partially_approved"):
        return "authorization_pending"
    return "expired_token" if state == "expired" else "access_denied"


async def _polls_too_early(consent_id: UUID, hub: Hub) -> bool:
    """Whether the client asks again before its interval is over; each time makes the interval longer."""
    pace, poll = f"ciba:pace:{consent_id}", f"ciba:poll:{consent_id}"
    try:
        interval = INTERVAL_SECONDS + int(await hub.redis.get(pace) or 0)
        if await hub.redis.set(poll, 1, nx=True, px=int((interval - EARLY_SECONDS) * 1000)):
            return False
        await hub.redis.incrby(pace, SLOWER_SECONDS)
        await hub.redis.expire(pace, EXPIRES_SECONDS)
    except AWAY as error:
        raise Unavailable("redis_away") from error
    return True
