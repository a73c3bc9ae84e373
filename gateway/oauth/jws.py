"""What callers sign: compact JWS with ES256 and nothing else (RFC 7515 §3.1, RFC 7518 §3.4, FAPI 2.0 §5.4.1).

One comes with every call, so reading them is made cheap: what a header says, and whose keys fit it, is remembered by
its very octets, which stay the same as long as the caller keeps its key; the signature is checked by the C library.
"""

import base64
import hashlib
import json
from collections.abc import Collection
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

ALGORITHM = "ES256"
ES256 = ec.ECDSA(hashes.SHA256())
COORDINATE_OCTETS = 32
MALFORMED = (msgspec.MsgspecError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""what reading octets of any content may raise"""


class Compact(NamedTuple):
    """The three parts as they came, base64url."""

    header: str
    payload: str
    signature: str


def split(text: str, characters_max: int) -> Compact:
    """Raises `ValueError`."""
    if len(text) > characters_max:
        raise ValueError(f"longer than {characters_max} characters")
    parts = text.split(".")
    if len(parts) != 3:
        raise ValueError("not a signed JWT of three parts")
    return Compact(*parts)


def check_signature(jws: Compact, key: ec.EllipticCurvePublicKey) -> None:
    """Raises `ValueError`."""
    octets = decoded(jws.signature)
    if len(octets) != 2 * COORDINATE_OCTETS:
        raise ValueError("not an ES256 signature")
    r, s = octets[:COORDINATE_OCTETS], octets[COORDINATE_OCTETS:]
    der = encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
    try:
        key.verify(der, f"{jws.header}.{jws.payload}".encode("ascii"), ES256)
    except InvalidSignature as error:
        raise ValueError("the signature does not fit") from error


def check_signed_by(jws: Compact, jwks: str, types: Collection[str | None]) -> None:
    """Raise `ValueError` unless the JWS is of a type in ``types`` and a key of the set ``jwks`` (RFC 7517) signed it."""
    typ, keys = _signers(jws.header, jwks)
    if typ not in types:  # RFC 8725 §3.11: nothing else that the client signs passes for this
        raise ValueError(f"typ is not one of {', '.join(filter(None, types))}")
    for number, key in enumerate(keys, 1):
        try:
            check_signature(jws, key)
            break
        except ValueError:
            if number == len(keys):  # FAPI 2.0 §5.4.3: several keys may have the same kid
                raise


@lru_cache(maxsize=1024)
def _signers(header: str, jwks: str) -> tuple[str | None, tuple[ec.EllipticCurvePublicKey, ...]]:
    """The type that a header names, and the keys that may have signed: those of its ``kid``, or all if it has none."""
    fields = header_fields(header)
    keys = [jwk for jwk in json.loads(jwks)["keys"] if _signs(jwk)]
    if "kid" in fields:
        keys = [jwk for jwk in keys if jwk.get("kid") == fields["kid"]]
    if not keys:
        raise ValueError("no registered key has this kid and is for ES256 signatures")
    return fields.get("typ"), tuple(public_key(jwk) for jwk in keys)


def _signs(jwk: dict[str, Any]) -> bool:
    curve = jwk.get("kty"), jwk.get("crv")
    return (
        curve == ("EC", "P-256") and jwk.get("use", "sig") == "sig" and jwk.get("alg", ALGORITHM) == ALGORITHM
    )


def header_fields(header: str) -> dict[str, Any]:
    """Raises one of `MALFORMED`."""
    fields: dict[str, Any] = json.loads(decoded(header))
    if fields.get("alg") != ALGORITHM:
        raise ValueError(f"alg must be {ALGORITHM}")
    if "crit" in fields:
        raise ValueError("crit is not understood")  # RFC 7515 §4.1.11
    return fields


def public_key(jwk: dict[str, Any]) -> ec.EllipticCurvePublicKey:
    """Raises one of `MALFORMED`."""
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or "d" in jwk:
        raise ValueError("the key must be a public P-256 key")
    x, y = decoded(jwk["x"]), decoded(jwk["y"])
    if len(x) != COORDINATE_OCTETS or len(y) != COORDINATE_OCTETS:
        raise ValueError("a coordinate of P-256 has 32 octets")
    return ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1()).public_key()


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638 §3, of an EC key."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return base64url(hashlib.sha256(canonical.encode()).digest())


def base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Base64url without padding (RFC 7515 §2), and nothing else between its characters."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
