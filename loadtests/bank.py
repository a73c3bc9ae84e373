"""The bank that the benchmark plays: its keys, its certificate, its tokens, its proofs."""

import base64
import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
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


@dataclass(eq=False)
class Bank:
    """Its requests come as if through a TLS proxy that has seen its certificate, or with DPoP proofs."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    nonce: str | None = None
    """for proofs, if the hub asks for one (RFC 9449 §8); good for two minutes and more"""

    @property
    def jwks(self) -> str:
        return json.dumps({"keys": [{**self._public_jwk, "kid": "1", "use": "sig", "alg": "ES256"}]})

    @property
    def jkt(self) -> str:
        """RFC 7638 thumbprint of the key."""
        canonical = json.dumps(self._public_jwk, separators=(",", ":"), sort_keys=True)
        return _base64url(hashlib.sha256(canonical.encode()).digest())

    @cached_property
    def certificate_header(self) -> str:
        """URL-encoded PEM, as nginx hands it on (``$ssl_client_escaped_cert``)."""
        return quote(self._certificate.public_bytes(serialization.Encoding.PEM))

    @cached_property
    def certificate_thumbprint(self) -> str:
        return _base64url(hashlib.sha256(self._certificate.public_bytes(serialization.Encoding.DER)).digest())

    def token(self, hub: str, *, with_proof: bool = False) -> str:
        """A fresh access token, bound to the certificate or to the key of the proofs."""
        answer = self._ask_token(hub, with_proof=with_proof)
        if answer.status_code == 400 and "DPoP-Nonce" in answer.headers:
            self.nonce = answer.headers["DPoP-Nonce"]
            answer = self._ask_token(hub, with_proof=with_proof)
        answer.raise_for_status()
        self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
        token: str = answer.json()["access_token"]
        return token

    def _ask_token(self, hub: str, *, with_proof: bool) -> httpx.Response:
        url = f"{hub}/oauth/token"
        shown = (
            {"DPoP": self.proof(url, None)} if with_proof else {"X-SSL-Client-Cert": self.certificate_header}
        )
        return httpx.post(url, data=self.token_form(hub), headers=shown, trust_env=False)

    def token_form(self, hub: str) -> dict[str, str]:
        """What a token request says; good once, for four minutes."""
        now = int(time.time())
        claims = {"iss": PARTICIPANT, "sub": PARTICIPANT, "aud": hub, "iat": now, "exp": now + 240}
        return {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._signed({**claims, "jti": uuid.uuid4().hex}, {"kid": "1"}),
        }

    def proof(self, url: str, token: str | None) -> str:
        """A DPoP proof (RFC 9449 §4.2) for one POST, good for about a minute."""
        claims: dict[str, Any] = {
            "htm": "POST",
            "htu": url,
            "iat": int(time.time()),
            "jti": uuid.uuid4().hex,
        }
        if self.nonce is not None:
            claims["nonce"] = self.nonce
        if token is not None:
            claims["ath"] = _base64url(hashlib.sha256(token.encode()).digest())
        return self._signed(claims, {"typ": "dpop+jwt", "jwk": self._public_jwk})

    def headers(self, token: str) -> dict[str, str]:
        """What every question over the proxy carries, except for its idempotency key."""
        return {
            "Authorization": f"Bearer {token}",
            "X-SSL-Client-Cert": self.certificate_header,
            "Content-Type": "application/json",
        }

    def question(self, target: Target) -> dict[str, str]:
        """The body of a question."""
        return {"consent_id": str(target.consent_id), "uscc": target.uscc, "purpose": PURPOSE}

    def _signed(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        return jwt.encode(claims, self.key, algorithm="ES256", headers=header)

    @cached_property
    def _public_jwk(self) -> dict[str, str]:
        numbers = self.key.public_key().public_numbers()
        x, y = (_base64url(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    @cached_property
    def _certificate(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PARTICIPANT)])
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
