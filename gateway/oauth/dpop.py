"""Demonstrating proof of possession (RFC 9449): who uses a token shows that it holds the token's key."""

import base64
import hashlib
import json
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
from jwt.algorithms import ECAlgorithm

from core.errors import NotAuthenticated

AHEAD_SECONDS_MAX = 8
"""FAPI 2.0: a proof from up to 8 seconds ahead is accepted …"""
AGE_SECONDS_MAX = 60
"""… and one older than this is refused."""
PROOF_CHARACTERS_MAX = 4096
JTI_CHARACTERS_MAX = 256


class Proof(NamedTuple):
    jkt: str
    """RFC 7638 thumbprint of the key"""
    replay_key: str
    """what must not come twice within `REPLAY_SECONDS`"""


REPLAY_SECONDS = AGE_SECONDS_MAX + AHEAD_SECONDS_MAX + 2


def check_proof(proof: str, *, method: str, urls: Sequence[str], token: str | None) -> Proof:
    """Check everything of a proof but its uniqueness, which only Redis knows. Raises `NotAuthenticated`.

    ``urls`` are the addresses under which this endpoint is reachable; ``token`` is the access token sent along,
    None at the token endpoint.
    """
    try:
        return _check(proof, method, urls, token)
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotAuthenticated("proof_invalid", str(error)) from error


def _check(proof: str, method: str, urls: Sequence[str], token: str | None) -> Proof:
    if len(proof) > PROOF_CHARACTERS_MAX:
        raise ValueError("too long")
    header = jwt.get_unverified_header(proof)
    if header.get("typ") != "dpop+jwt" or header.get("alg") != "ES256":
        raise ValueError("typ must be dpop+jwt and alg ES256")
    key, jkt = _public_key(json.dumps(header["jwk"], sort_keys=True))
    claims = jwt.decode(
        proof,
        key,
        algorithms=["ES256"],
        options={"verify_aud": False, "verify_iat": False, "require": ["iat", "jti"]},
    )
    if claims["htm"] != method or str(claims["htu"]).partition("?")[0].partition("#")[0] not in urls:
        raise ValueError("htm or htu is not of this request")
    now = time.time()
    if not now - AGE_SECONDS_MAX <= claims["iat"] <= now + AHEAD_SECONDS_MAX:
        raise ValueError("iat is too far from now")
    if token is not None and claims.get("ath") != token_hash(token):
        raise ValueError("ath is not of this token")
    jti = claims["jti"]
    if not isinstance(jti, str) or not 8 <= len(jti) <= JTI_CHARACTERS_MAX:
        raise ValueError("jti must be 8 to 256 characters")
    return Proof(jkt, f"dpop:{jkt}:{hashlib.sha256(jti.encode()).hexdigest()[:32]}")


@lru_cache(maxsize=4096)
def _public_key(jwk: str) -> tuple[Any, str]:
    fields = json.loads(jwk)
    if fields.get("kty") != "EC" or fields.get("crv") != "P-256" or "d" in fields:
        raise ValueError("jwk must be a public P-256 key")
    key = ECAlgorithm.from_jwk(fields)
    members = {name: fields[name] for name in ("crv", "kty", "x", "y")}  # RFC 7638 §3.2
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return key, _base64url(hashlib.sha256(canonical.encode()).digest())


def token_hash(token: str) -> str:
    """`ath`: RFC 9449 §4.2."""
    return _base64url(hashlib.sha256(token.encode()).digest())


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
