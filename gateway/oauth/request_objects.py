"""Signed requests: RFC 9101 where an authorization is pushed, CIBA Core §7.1.1 where the enterprise is asked elsewhere.

As FAPI 2.0 Message Signing §5.3.1 wants them: ES256, short-lived, for this hub.
"""

import time
from typing import Any

import msgspec
import orjson

from consent import Client
from gateway.hub import Hub
from gateway.oauth.assertions import CLOCK_AHEAD_SECONDS_MAX
from gateway.oauth.jws import MALFORMED, check_signed_by, decoded, split
from gateway.oauth.refusals import OAuthRefusal

REFUSED = "invalid_request_object"
REFUSED_BY_CIBA = "invalid_request"  # CIBA §13 knows no other
TYPES = (None, "JWT", "jwt", "oauth-authz-req+jwt")
CHARACTERS_MAX = 32 * 1024
SECONDS_MAX = 3600
"""between now and `nbf`, and between `nbf` and `exp`"""

OF_THE_JWT = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})
OF_THE_CLIENT = frozenset({"client_id", "client_assertion", "client_assertion_type"})
"""parameters that prove who sends a form, and may stand beside a signed request"""


class Times(msgspec.Struct):
    nbf: float
    exp: float
    iat: float = 0.0


def pushed_parameters(form: dict[str, str], client: Client, hub: Hub) -> dict[str, str]:
    """The authorization request of a form, signed or not; what stands beside a signed one does not count.

    RFC 9101 §6.3. Raises `OAuthRefusal`.
    """
    if "request" not in form:
        return _unsigned(form, hub)
    try:
        claims = _sound_claims(form["request"], client, hub.settings.public_url)
        if "client_id" not in claims:
            raise ValueError("client_id is missing")  # RFC 9101 §5
    except ValueError as error:
        raise OAuthRefusal(REFUSED, str(error)) from error
    return _parameters(claims)


async def backchannel_parameters(form: dict[str, str], client: Client, hub: Hub) -> dict[str, str]:
    """The request of a form, signed or not. A signed one works once (its `jti`), and has nothing beside it.

    Raises `OAuthRefusal`.
    """
    if "request" not in form:
        return _unsigned(form, hub)
    try:
        if form.keys() - OF_THE_CLIENT != {"request"}:
            raise ValueError("a signed request has no parameters beside it")
        claims = _sound_claims(form["request"], client, hub.settings.public_url)
        if "iat" not in claims or not isinstance(claims.get("jti"), str) or len(claims["jti"]) > 256:
            raise ValueError("iat and jti, of at most 256 characters, are needed")
        [fresh] = await hub.admission.spend({f"request:{client.client_id}:{claims['jti']}": SECONDS_MAX + 60})
        if not fresh:
            raise ValueError("the request was sent before; sign a new one with a new jti")
    except ValueError as error:
        raise OAuthRefusal(REFUSED_BY_CIBA, str(error)) from error
    return _parameters(claims)


def _unsigned(form: dict[str, str], hub: Hub) -> dict[str, str]:
    if hub.settings.signed_requests:
        raise OAuthRefusal("invalid_request", "sign the request, and send it as the one parameter request")
    return form


def _parameters(claims: dict[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in claims.items()
        if name not in OF_THE_JWT and value is not None
    }


def _sound_claims(request_object: str, client: Client, issuer: str) -> dict[str, Any]:
    """Signed by the client, for this hub, now. Raises `ValueError` in words for its developers."""
    claims = _signed_claims(request_object, client)
    if claims.get("iss") != client.client_id or claims.get("client_id", client.client_id) != client.client_id:
        raise ValueError("iss and client_id must be the client")
    audience = claims.get("aud")
    if audience != issuer and not (isinstance(audience, list) and issuer in audience):
        raise ValueError("aud must be the issuer, or a list with it")
    if {"request", "request_uri"} & claims.keys() or claims.get("sub") == client.client_id:
        raise ValueError("no request or request_uri within, and no sub that is the client")
    _check_times(msgspec.convert(claims, Times))
    return claims


def _signed_claims(request_object: str, client: Client) -> dict[str, Any]:
    try:
        jws = split(request_object, CHARACTERS_MAX)
        check_signed_by(jws, client.jwks, TYPES)
        claims = orjson.loads(decoded(jws.payload))
    except MALFORMED as error:
        raise ValueError(str(error)) from error
    if not isinstance(claims, dict):
        raise ValueError("not a JWT with claims")
    return claims


def _check_times(times: Times) -> None:
    now = time.time()
    if not now - SECONDS_MAX <= times.nbf <= now + CLOCK_AHEAD_SECONDS_MAX:
        raise ValueError("nbf is in the future, or more than an hour ago")
    if not now < times.exp <= times.nbf + SECONDS_MAX:
        raise ValueError("exp is over, or more than an hour after nbf")
    if times.iat > now + CLOCK_AHEAD_SECONDS_MAX:
        raise ValueError("iat is in the future")
