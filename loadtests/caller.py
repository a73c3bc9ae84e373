"""The bank that the benchmark plays: its keys, its certificate, its tokens, its proofs."""

import base64
import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loadtests.ground import PARTICIPANT, PURPOSE, Target

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    x, y = (_base64url(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


@dataclass
class Caller:
    """One bank. Its requests come as if through a TLS proxy that read its certificate, or with DPoP proofs."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    certificate_header: str = ""

    def __post_init__(self) -> None:
        self.certificate_header = quote(_self_signed(self.key))

    @property
    def jwks(self) -> str:
        return json.dumps({"keys": [{**_public_jwk(self.key), "kid": "1", "use": "sig", "alg": "ES256"}]})

    def token(self, hub: str, *, with_proof: bool = False) -> str:
        """A fresh access token, bound to the certificate or to the key of the proofs."""
        url = f"{hub}/oauth/token"
        now = int(time.time())
        claims = {
            "iss": PARTICIPANT,
            "sub": PARTICIPANT,
            "aud": hub,
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + 60,
        }
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": "1"}),
        }
        shown = {"DPoP": self.proof(url, None)} if with_proof else {"X-SSL-Client-Cert": self.certificate_header}
        answer = httpx.post(url, data=form, headers=shown, trust_env=False)
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    def proof(self, url: str, token: str | None) -> str:
        """A DPoP proof (RFC 9449 §4.2) for one POST, good for about a minute."""
        claims: dict[str, Any] = {
            "htm": "POST",
            "htu": url,
            "iat": int(time.time()),
            "jti": uuid.uuid4().hex,
        }
        if token is not None:
            claims["ath"] = _base64url(hashlib.sha256(token.encode()).digest())
        header = {"typ": "dpop+jwt", "jwk": _public_jwk(self.key)}
        return jwt.encode(claims, self.key, algorithm="ES256", headers=header)

    def headers(self, token: str) -> dict[str, str]:
        """What every question over the proxy carries."""
        return {
            "Authorization": f"Bearer {token}",
            "X-SSL-Client-Cert": self.certificate_header,
            "Content-Type": "application/json",
        }


def question(target: Target) -> dict[str, str]:
    """The body of a question."""
    return {"consent_id": str(target.consent_id), "uscc": target.uscc, "purpose": PURPOSE}


def _self_signed(key: ec.EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PARTICIPANT)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
