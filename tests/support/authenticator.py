"""A person's device in software: an authenticator app, and a passkey that answers as WebAuthn says, or wrongly."""

import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.support.bank import b64, new_key

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def code_at(secret: bytes, seconds: float) -> str:
    """What an app shows (RFC 6238)."""
    return TOTP(secret, 6, SHA1(), 30).generate(int(seconds)).decode()


@dataclass
class Passkey:
    rp_id: str
    origin: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    credential_id: bytes = b"a credential of a test"
    count: int = 0
    flags: int = PRESENT | VERIFIED

    def make(self, options: str, **changes: Any) -> str:
        """The answer to `navigator.credentials.create`, without attestation."""
        numbers = self.key.public_key().public_numbers()
        x, y = (value.to_bytes(32, "big") for value in (numbers.x, numbers.y))
        public_key = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        named = struct.pack(">H", len(self.credential_id)) + self.credential_id
        attested = self._data(ATTESTED) + bytes(16) + named + public_key
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": attested})
        said = self._said("webauthn.create", options, changes)
        return self._answer({"clientDataJSON": b64(said), "attestationObject": b64(statement)})

    def use(self, options: str, **changes: Any) -> str:
        """The answer to `navigator.credentials.get`; ``changes`` to what the browser said of it."""
        self.count += 1
        said, data = self._said("webauthn.get", options, changes), self._data(0)
        signature = self.key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {"clientDataJSON": b64(said), "authenticatorData": b64(data), "signature": b64(signature)}
        )

    def _data(self, more_flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(
            ">BI", self.flags | more_flags, self.count
        )

    def _said(self, kind: str, options: str, changes: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": json.loads(options)["challenge"], "origin": self.origin}
        return json.dumps({**said, "crossOrigin": False, **changes}).encode()

    def _answer(self, response: dict[str, str]) -> str:
        name = b64(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
