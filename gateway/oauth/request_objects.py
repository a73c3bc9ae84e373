"""Signed authorization requests (RFC 9101), as FAPI 2.0 Message Signing §5.3.1 wants them: ES256, pushed, short-lived."""

import time
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from consent import Client
from gateway.oauth.refusals import OAuthRefusal
from gateway.oauth.server import ALGORITHMS, CLOCK_AHEAD_SECONDS_MAX

REFUSED = "invalid_request_object"
TYPES = (None, "JWT", "jwt", "oauth-authz-req+jwt")
CHARACTERS_MAX = 32 * 1024
SECONDS_MAX = 3600
"""between now and `nbf`, and between `nbf` and `exp`"""

OF_THE_JWT = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})


def parameters_in(request_object: str, client: Client, issuer: str) -> dict[str, str]:
    """The authorization request inside; whatever stood beside it does not count (RFC 9101 §6.3).

    Raises `OAuthRefusal`.
    """
    claims = _verified(request_object, client)
    _check_claims(claims, client, issuer)
    return {
        name: value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in claims.items()
        if name not in OF_THE_JWT and value is not None
    }


def _verified(request_object: str, client: Client) -> dict[str, Any]:
    if len(request_object) > CHARACTERS_MAX:
        raise OAuthRefusal(REFUSED, "the request object is too long")
    keys = KeySet.import_key_set(client.jwks)  # type: ignore[arg-type]  # checked at enrolment
    try:
        token = jwt.decode(request_object, keys, algorithms=ALGORITHMS)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise OAuthRefusal(
            REFUSED, "the signature does not fit the client's keys; sign with ES256"
        ) from error
    if token.header.get("typ") not in TYPES:  # RFC 9101 §10.8: no other JWT of the client's passes for one
        raise OAuthRefusal(REFUSED, "typ must be oauth-authz-req+jwt")
    if not isinstance(token.claims, dict):
        raise OAuthRefusal(REFUSED, "not a JWT with claims")
    return token.claims


def _check_claims(claims: dict[str, Any], client: Client, issuer: str) -> None:
    if claims.get("iss") != client.client_id or claims.get("client_id") != client.client_id:
        raise OAuthRefusal(REFUSED, "iss and client_id must be the client")
    if claims.get("aud") not in (issuer, [issuer]):
        raise OAuthRefusal(REFUSED, "aud must be the issuer")
    if {"request", "request_uri"} & claims.keys() or claims.get("sub") == client.client_id:
        raise OAuthRefusal(REFUSED, "no request or request_uri within, and no sub that is the client")
    begins, ends = claims.get("nbf"), claims.get("exp")
    if not isinstance(begins, int | float) or not isinstance(ends, int | float):
        raise OAuthRefusal(REFUSED, "nbf and exp are needed")
    now = time.time()
    if not now - SECONDS_MAX <= begins <= now + CLOCK_AHEAD_SECONDS_MAX:
        raise OAuthRefusal(REFUSED, "nbf is in the future, or more than an hour ago")
    if not now < ends <= begins + SECONDS_MAX:
        raise OAuthRefusal(REFUSED, "exp is over, or more than an hour after nbf")
