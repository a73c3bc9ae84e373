"""Codes of an authenticator app: RFC 6238 with HMAC-SHA-1, six digits, thirty seconds, which every app can do."""

import base64
import hmac
import unicodedata
from datetime import datetime
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SECRET_OCTETS = 20
"""RFC 4226 §4 R6 recommends 160 bits"""
DIGITS = 6
STEP_SECONDS = 30
STEPS_APART = 1
"""how far the app's clock may be off: RFC 6238 §5.2 recommends one step"""


def step_of(secret: bytes, code: str, at: datetime) -> int | None:
    """Which step (of 30 seconds since 1970) the code belongs to, around ``at``; None if to none of them."""
    typed = "".join(unicodedata.normalize("NFKC", code).split()).encode()
    app = TOTP(secret, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - as an HMAC, RFC 6238 §1.2
    now = int(at.timestamp()) // STEP_SECONDS
    steps = range(now - STEPS_APART, now + STEPS_APART + 1)
    good = [step for step in steps if hmac.compare_digest(app.generate(step * STEP_SECONDS), typed)]
    return good[-1] if good else None


def typed_secret(secret: bytes) -> str:
    """For those who cannot scan: Base32, in groups of four."""
    text = base64.b32encode(secret).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def app_address(secret: bytes, *, issuer: str, account: str) -> str:
    """What the QR code holds: the `otpauth` address that authenticator apps read."""
    label = quote(f"{issuer}:{account}", safe=":")
    given = {
        "secret": base64.b32encode(secret).decode(),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{label}?{urlencode(given, quote_via=quote)}"
