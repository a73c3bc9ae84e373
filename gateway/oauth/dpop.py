"""Demonstrating proof of possession (RFC 9449): who uses a token shows that it holds the token's key.

A proof comes with every call, so checking one is made cheap (`gateway.oauth.jws`), and its claims are decoded as what
they must be. Some 60 µs, of which 55 are the signature.
"""

import hashlib
import math
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from core.errors import NotAuthenticated
from gateway.oauth.jws import (
    MALFORMED,
    base64url,
    check_signature,
    decoded,
    header_fields,
    public_key,
    split,
    thumbprint,
)
from gateway.oauth.nonces import Nonces

AHEAD_SECONDS_MAX = 10
"""FAPI 2.0 §5.3.2.1: a proof from up to 10 seconds ahead is accepted …"""
AGE_SECONDS_MAX = 60
"""… and one older than this is refused."""
PROOF_CHARACTERS_MAX = 4096
JTI_CHARACTERS_MAX = 256


class Proof(NamedTuple):
    jkt: str
    """RFC 7638 thumbprint of the key"""
    replay_key: str
    """what must not come twice within `REPLAY_SECONDS`"""


class Claims(msgspec.Struct):
    """RFC 9449 §4.2."""

    htm: str
    htu: str
    iat: float
    jti: str
    ath: str | None = None
    nonce: str | None = None
    nbf: float = 0.0
    exp: float = math.inf


REPLAY_SECONDS = AGE_SECONDS_MAX + AHEAD_SECONDS_MAX + 2
CLAIMS = msgspec.json.Decoder(Claims)


def check_proof(
    proof: str, *, method: str, urls: Sequence[str], token: str | None, nonces: Nonces | None = None
) -> Proof:
    """Check everything of a proof but its uniqueness, which only Redis knows. Raises `NotAuthenticated`.

    ``urls`` are the addresses under which this endpoint is reachable; ``token`` is the access token sent along,
    None at the token endpoint. With ``nonces`` the proof must carry a fresh one; one that is good but for that is
    refused as `nonce_required`.
    """
    try:
        jkt, claims = _signed(proof)
        _check(claims, method, urls, token)
    except MALFORMED as error:
        raise NotAuthenticated("proof_invalid", str(error) or "the signature does not fit") from error
    if nonces is not None and not nonces.accepts(claims.nonce):
        raise NotAuthenticated("nonce_required", "sign the proof with the nonce of the DPoP-Nonce header")
    return Proof(jkt, f"dpop:{jkt}:{hashlib.sha256(claims.jti.encode()).hexdigest()[:32]}")


def _signed(proof: str) -> tuple[str, Claims]:
    jws = split(proof, PROOF_CHARACTERS_MAX)
    key, jkt = _key_in(jws.header)
    check_signature(jws, key)
    return jkt, CLAIMS.decode(decoded(jws.payload))


def _check(claims: Claims, method: str, urls: Sequence[str], token: str | None) -> None:
    if claims.htm != method or not _is_one_of(claims.htu, urls):
        raise ValueError("htm or htu is not of this request")
    now = time.time()
    if not now - AGE_SECONDS_MAX <= claims.iat <= now + AHEAD_SECONDS_MAX:
        raise ValueError("iat is too far from now")
    if claims.nbf > now + AHEAD_SECONDS_MAX or claims.exp <= now:
        raise ValueError("nbf is not yet, or exp is over")
    if token is not None and claims.ath != token_hash(token):
        raise ValueError("ath is not of this token")
    if not 8 <= len(claims.jti) <= JTI_CHARACTERS_MAX:
        raise ValueError("jti must be 8 to 256 characters")


def _is_one_of(htu: str, urls: Sequence[str]) -> bool:
    """Without its query and fragment, and however its scheme, host and default port are written (RFC 9449 §4.3)."""
    address = htu.partition("?")[0].partition("#")[0]
    return address in urls or _plain(address) in urls


def _plain(address: str) -> str:
    """RFC 3986 §6.2.2.1 and §6.2.3. Raises `ValueError` for what is no address."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port
    if port is not None and (parts.scheme, port) not in (("https", 443), ("http", 80)):
        host = f"{host}:{port}"
    return f"{parts.scheme}://{host}{parts.path}"


@lru_cache(maxsize=4096)
def _key_in(header: str) -> tuple[ec.EllipticCurvePublicKey, str]:
    """The key in a header (as it came, base64url) and its thumbprint, remembered as long as it is in use."""
    fields = header_fields(header)
    if fields.get("typ") != "dpop+jwt":
        raise ValueError("typ must be dpop+jwt")
    return public_key(fields["jwk"]), thumbprint(fields["jwk"])


def token_hash(token: str) -> str:
    """`ath`: RFC 9449 §4.2."""
    return base64url(hashlib.sha256(token.encode()).digest())
