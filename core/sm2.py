"""SM2 signatures with SM3 (GB/T 32918.2, GM/T 0003.2), on the curve of GB/T 32918.5, by GmSSL.

Keys travel in the form of RFC 7517 with ``crv`` ``SM2``, signatures in that of RFC 7518 §3.4: r and s, 32 octets
each, one after the other. No standard has registered SM2 for JOSE, so the algorithm goes by its object identifier
of GM/T 0006, which RFC 7515 §4.1.1 allows for names that are meant to be unique. The signer's identity, which is
hashed before the message, is the default of GM/T 0009 §10.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import gmssl_pyx
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

ALGORITHM = "urn:oid:1.2.156.10197.1.501"
"""SM2 signature with SM3, GM/T 0006"""
CURVE = "SM2"
SIGNER_ID = b"1234567812345678"
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
"""n of GB/T 32918.5: how many points the curve has"""
OCTETS = 32


@dataclass(frozen=True)
class SM2Key:
    """``point``: x and y, 64 octets; ``secret``: 32 octets, None where only the public half is known."""

    point: bytes
    secret: bytes | None = field(default=None, repr=False)

    @classmethod
    def generate(cls) -> Self:
        return cls(*gmssl_pyx.sm2_key_generate())

    @classmethod
    def import_key(cls, jwk: Mapping[str, Any]) -> Self:
        """From its JWK. Raises `ValueError` for anything that is not a point of the curve."""
        if jwk.get("kty") != "EC" or jwk.get("crv") != CURVE:
            raise ValueError("not an SM2 key")
        try:
            point = gmssl_pyx.normalize_sm2_public_key(_number(jwk, "x") + _number(jwk, "y"))
        except gmssl_pyx.InvalidValueError as error:
            raise ValueError("not a point of the curve") from error
        return cls(point, _number(jwk, "d") if "d" in jwk else None)

    @property
    def kid(self) -> str:
        """The thumbprint of RFC 7638."""
        members = {
            "crv": CURVE,
            "kty": "EC",
            "x": _text(self.point[:OCTETS]),
            "y": _text(self.point[OCTETS:]),
        }
        return _text(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())

    @property
    def is_private(self) -> bool:
        return self.secret is not None

    def as_dict(self, *, private: bool) -> dict[str, Any]:
        """As a JWK. ``private``: with the private half, if there is one."""
        jwk = {
            "kty": "EC",
            "crv": CURVE,
            "x": _text(self.point[:OCTETS]),
            "y": _text(self.point[OCTETS:]),
            "kid": self.kid,
            "use": "sig",
            "alg": ALGORITHM,
        }
        return jwk | {"d": _text(self.secret)} if private and self.secret else jwk

    def sign(self, message: bytes) -> bytes:
        """64 octets, after some 2.5 ms."""
        assert self.secret is not None
        pair = decode_dss_signature(gmssl_pyx.sm2_sign(self.secret, self.point, message, SIGNER_ID))
        return b"".join(number.to_bytes(OCTETS) for number in pair)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the private half of this key signed exactly ``message``."""
        if len(signature) != 2 * OCTETS:
            return False
        r, s = int.from_bytes(signature[:OCTETS]), int.from_bytes(signature[OCTETS:])
        if not (0 < r < ORDER and 0 < s < ORDER):
            return False
        return bool(gmssl_pyx.sm2_verify(self.point, message, encode_dss_signature(r, s), SIGNER_ID))


def _number(jwk: Mapping[str, Any], name: str) -> bytes:
    try:
        octets = base64.b64decode(jwk[name] + "=" * (-len(jwk[name]) % 4), b"-_", validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name} is not base64url") from error
    if len(octets) != OCTETS:
        raise ValueError(f"{name} has not {OCTETS} octets")
    return octets


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
