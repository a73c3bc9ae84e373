"""Demonstrating proof of possession (RFC 9449): who uses a token shows that it holds the token's key.

A proof comes with every call, so checking one is made cheap: what its header says is remembered by its very
octets (a caller's stays the same), the signature is checked by the C library, and the claims are decoded as what
they must be. Some 60 µs, of which 55 are the signature.
"""

import base64
import hashlib
import json
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from core.errors import NotAuthenticated
from gateway.oauth.nonces import Nonces

AHEAD_SECONDS_MAX = 10
"""FAPI 2.0 §5.3.2.1: a proof from up to 10 seconds ahead is accepted …"""
AGE_SECONDS_MAX = 60
"""… and one older than this is refused."""
PROOF_CHARACTERS_MAX = 4096
JTI_CHARACTERS_MAX = 256
ES256 = ec.ECDSA(hashes.SHA256())
COORDINATE_OCTETS = 32


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


REPLAY_SECONDS = AGE_SECONDS_MAX + AHEAD_SECONDS_MAX + 2
CLAIMS = msgspec.json.Decoder(Claims)
MALFORMED = (
    msgspec.MsgspecError,
    InvalidSignature,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
)
"""what checking a proof of any content may raise"""


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
    if len(proof) > PROOF_CHARACTERS_MAX:
        raise ValueError("too long")
    signed, _, signature = proof.rpartition(".")
    header, _, payload = signed.partition(".")
    key, jkt = _public_key(header)
    octets = _decoded(signature)
    if len(octets) != 2 * COORDINATE_OCTETS:
        raise ValueError("not an ES256 signature")
    r, s = octets[:COORDINATE_OCTETS], octets[COORDINATE_OCTETS:]
    key.verify(encode_dss_signature(int.from_bytes(r), int.from_bytes(s)), signed.encode("ascii"), ES256)
    return jkt, CLAIMS.decode(_decoded(payload))


def _check(claims: Claims, method: str, urls: Sequence[str], token: str | None) -> None:
    if claims.htm != method or claims.htu.partition("?")[0].partition("#")[0] not in urls:
        raise ValueError("htm or htu is not of this request")
    now = time.time()
    if not now - AGE_SECONDS_MAX <= claims.iat <= now + AHEAD_SECONDS_MAX:
        raise ValueError("iat is too far from now")
    if token is not None and claims.ath != token_hash(token):
        raise ValueError("ath is not of this token")
    if not 8 <= len(claims.jti) <= JTI_CHARACTERS_MAX:
        raise ValueError("jti must be 8 to 256 characters")


@lru_cache(maxsize=4096)
def _public_key(header: str) -> tuple[ec.EllipticCurvePublicKey, str]:
    """The key in a header (as it came, base64url) and its thumbprint, remembered as long as it is in use."""
    fields: dict[str, Any] = json.loads(_decoded(header))
    if fields.get("typ") != "dpop+jwt" or fields.get("alg") != "ES256":
        raise ValueError("typ must be dpop+jwt and alg ES256")
    if "crit" in fields:
        raise ValueError("crit is not understood")  # RFC 7515 §4.1.11
    jwk = fields["jwk"]
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or "d" in jwk:
        raise ValueError("jwk must be a public P-256 key")
    x, y = _decoded(jwk["x"]), _decoded(jwk["y"])
    if len(x) != COORDINATE_OCTETS or len(y) != COORDINATE_OCTETS:
        raise ValueError("a coordinate of P-256 has 32 octets")
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1())
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}  # RFC 7638 §3.2
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return numbers.public_key(), _base64url(hashlib.sha256(canonical.encode()).digest())


def token_hash(token: str) -> str:
    """`ath`: RFC 9449 §4.2."""
    return _base64url(hashlib.sha256(token.encode()).digest())


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Base64url without padding (RFC 7515 §2), and nothing else between its characters."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
