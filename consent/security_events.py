"""Events of a consent as Security Event Tokens (RFC 8417): statements of the hub that anybody with its published keys
can check, now and years later.

The claims of an event are always the same, however often it is sent or polled; the subject is the number of the
consent (RFC 9493, format ``opaque``): no enterprise and no person is named.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from consent.notices import Told
from consent.policies import Verb

TYPE = "secevent+jwt"
URI = "urn:xinyi:event:consent-"

EVENT_OF_VERB: dict[Verb, str] = {
    "hand_in": "form_handed_in",
    "send_back": "form_sent_back",
    "approve": "approved",
    "approve_in_part": "approved_in_part",
    "reject": "rejected",
    "withdraw": "withdrawn",
    "pause": "paused",
    "resume": "resumed",
    "revoke": "revoked",
    "expire": "expired",
    "use_up": "used_up",
    "supersede": "superseded",
    "remind": "reminded",
}
"""What a bank is told, by what happened."""

BY = {"participant": "participant", "signatory": "enterprise", "operator": "hub", "hub": "hub"}
NAMES_ITS_END: tuple[Verb, ...] = ("approve", "remind")


def event_number(event_id: int) -> str:
    """The same for an event for ever: ``jti`` of its token, ``webhook-id`` of every attempt to send it."""
    return f"consent-event-{event_id}"


def event_type(told: Told) -> str:
    """As webhooks name it: ``consent.revoked``."""
    return f"consent.{EVENT_OF_VERB[told.verb]}"


def event_content(told: Told) -> dict[str, Any]:
    content: dict[str, Any] = {
        "consent_id": str(told.consent_id),
        "state": told.state,
        "by": BY[told.actor.partition(":")[0]],
    }
    if told.verb in NAMES_ITS_END and told.valid_until is not None:
        content["valid_until"] = told.valid_until.isoformat()
    if "superseded_by" in told.facts:
        content["superseded_by"] = told.facts["superseded_by"]
    return content


def security_event(told: Told, *, issuer: str, key: ECKey) -> str:
    """The signed token, compact."""
    name = EVENT_OF_VERB[told.verb].replace("_", "-")
    content = {**event_content(told), "event_timestamp": _seconds(told.at)}
    return sign_event(
        {f"{URI}{name}": content},
        number=event_number(told.event_id),
        about=str(told.consent_id),
        audience=told.participant_id,
        at=told.at,
        issuer=issuer,
        key=key,
    )


def sign_event(
    events: Mapping[str, Mapping[str, Any]],
    *,
    number: str,
    about: str,
    audience: str,
    at: datetime,
    issuer: str,
    key: ECKey,
) -> str:
    """A token of one event (one URI) about one subject."""
    claims = {
        "iss": issuer,
        "aud": audience,
        "jti": number,
        "iat": _seconds(at),
        "toe": _seconds(at),
        "sub_id": {"format": "opaque", "id": about},
        "events": {uri: dict(content) for uri, content in events.items()},
    }
    return jwt.encode({"alg": "ES256", "kid": key.kid, "typ": TYPE}, claims, key)


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
