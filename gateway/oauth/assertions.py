"""Client assertions, `private_key_jwt`: RFC 7523 §3 as FAPI 2.0 §5.3.2.1 demands it."""

import time

import msgspec
from authlib.oauth2.rfc6749.errors import InvalidClientError

from consent import Client
from gateway.oauth.jws import MALFORMED, Compact, check_signed_by, decoded, split

CLOCK_AHEAD_SECONDS_MAX = 10
"""FAPI 2.0 §5.3.2.1: `iat` and `nbf` may be so far ahead"""
ASSERTION_SECONDS_MAX = 300
CHARACTERS_MAX = 8192
TYPES = (None, "JWT", "client-authentication+jwt")


class Assertion(msgspec.Struct):
    """What an assertion says; ``aud`` as one string."""

    iss: str
    sub: str
    aud: str
    exp: float
    jti: str
    iat: float | None = None
    nbf: float | None = None


DECODER = msgspec.json.Decoder(Assertion)


def read_assertion(text: str) -> Assertion:
    """What it says, not verified: to know whose keys to fetch. Raises `InvalidClientError`."""
    try:
        return DECODER.decode(decoded(_split(text).payload))
    except MALFORMED as error:
        raise InvalidClientError(description=f"client_assertion: {error}") from error


def check_assertion(text: str, said: Assertion, client: Client, issuer: str) -> None:
    """Raise `InvalidClientError` unless ``client`` signed it for ``issuer``, now. Used up later, by the endpoint."""
    try:
        check_signed_by(_split(text), client.jwks, TYPES)
        _check(said, client, issuer)
    except MALFORMED as error:
        raise InvalidClientError(description=f"client_assertion: {error}") from error


def _split(text: str) -> Compact:
    return split(text, CHARACTERS_MAX)


def _check(said: Assertion, client: Client, issuer: str) -> None:
    if not said.iss == said.sub == client.client_id:
        raise ValueError("iss and sub must both be the client")
    if said.aud != issuer:
        raise ValueError("aud must be the issuer")
    now = time.time()
    if not now < said.exp <= now + ASSERTION_SECONDS_MAX:
        raise ValueError(f"exp must be within {ASSERTION_SECONDS_MAX} seconds")
    if any(
        instant is not None and instant > now + CLOCK_AHEAD_SECONDS_MAX for instant in (said.iat, said.nbf)
    ):
        raise ValueError("iat or nbf is in the future: look at the clock")
    if not 8 <= len(said.jti) <= 256:
        raise ValueError("jti must have 8 to 256 characters")
