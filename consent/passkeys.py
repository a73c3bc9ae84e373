"""Passkeys (W3C Web Authentication, level 2): a key pair in the person's device, which asks for a finger, face or PIN.

User verification is always required: the device knows who holds it, so a found telephone confirms nothing.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import options_to_json_dict
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from core.errors import Refused

TIMEOUT_MILLISECONDS = 120_000
REQUIRED = UserVerificationRequirement.REQUIRED


class Passkey(NamedTuple):
    credential_id: bytes
    public_key: bytes
    sign_count: int


@dataclass(frozen=True)
class RelyingParty:
    """Who we are to the person's device: it signs for this name and no other, so nobody else's page can ask it."""

    rp_id: str
    origin: str
    name: str

    @classmethod
    def of(cls, public_url: str, name: str) -> Self | None:
        """None where browsers offer no passkeys: an IP address instead of a name, or no TLS (but for localhost)."""
        parts = urlsplit(public_url)
        host = parts.hostname or ""
        if _is_address(host) or (parts.scheme != "https" and host != "localhost"):
            return None
        return cls(host, f"{parts.scheme}://{parts.netloc}", name)

    def creation(
        self, challenge: bytes, *, person: bytes, account: str, known: Sequence[bytes]
    ) -> dict[str, Any]:
        """What the browser needs to make a passkey (`navigator.credentials.create`), octets as Base64url.

        ``person``: an opaque handle. ``known``: credential ids that this person has already.
        """
        options = webauthn.generate_registration_options(
            rp_id=self.rp_id,
            rp_name=self.name,
            user_name=account,
            user_id=person,
            challenge=challenge,
            timeout=TIMEOUT_MILLISECONDS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED, user_verification=REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
        )
        return options_to_json_dict(options)

    def request(self, challenge: bytes, known: Sequence[bytes]) -> dict[str, Any]:
        """What the browser needs to use one of these passkeys (`navigator.credentials.get`)."""
        options = webauthn.generate_authentication_options(
            rp_id=self.rp_id,
            challenge=challenge,
            timeout=TIMEOUT_MILLISECONDS,
            allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
            user_verification=REQUIRED,
        )
        return options_to_json_dict(options)

    def made(self, challenge: bytes, answer: str) -> Passkey:
        """The new passkey (WebAuthn §7.1). Raises `Refused` for an answer that is not good."""
        with _refusing():
            good = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=self.origin,
                require_user_verification=True,
            )
        return Passkey(good.credential_id, good.credential_public_key, good.sign_count)

    def used(self, challenge: bytes, answer: str, passkey: Passkey) -> int:
        """The new count of signatures (WebAuthn §7.2). Raises `Refused`, also when the count went back: a copy."""
        with _refusing():
            good = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=self.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        return good.new_sign_count


def credential_in(answer: str) -> bytes:
    """Which passkey an answer speaks of. Raises `Refused` for what is no answer of a browser."""
    with _refusing():
        return webauthn.helpers.parse_authentication_credential_json(answer).raw_id


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (WebAuthnException, ValueError) as error:
        raise Refused(
            "confirmation_failed", f"the passkey's answer is not good: {error}", fault="passkey"
        ) from error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
