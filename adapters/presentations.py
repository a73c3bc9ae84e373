"""Presented credentials, checked: SD-JWT with key binding (RFC 9901), and the issuer's list of which still hold.

A credential is signed by its issuer and bound to a key of its holder. The holder discloses some of its claims, and
signs with that key for whom, in answer to what, and when: `read_presentation` believes nothing else. Whether the
credential was revoked stands in a Token Status List (draft-ietf-oauth-status-list): `status_in` reads one entry.

Everything here raises ``ValueError`` (or joserfc's ``JoseError``) for what is not good.
"""

import base64
import binascii
import hashlib
import hmac
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from adapters.logins import CLOCK_SKEW_SECONDS, within_skew

CHARACTERS_MAX = 32 * 1024
DISCLOSURES_MAX = 50
STATUS_OCTETS_MAX = 4 * 1024 * 1024
"""unpacked: with one bit each, 33 million credentials on one list"""
BINDING_SECONDS = 60.0
"""from the holder's signature until it is here: as long as a code lives"""
NEVER_DISCLOSED = frozenset({"_sd", "...", "_sd_alg", "iss", "nbf", "exp", "iat", "cnf", "vct", "status"})


@dataclass(frozen=True)
class Presentation:
    credential: Mapping[str, Any]
    """what the issuer says, with the claims that the holder disclosed; its ``exp`` and status are still to be judged"""
    binding: Mapping[str, Any]
    """what the holder's key signed, for us, just now"""


def read_presentation(
    text: str,
    *,
    issuer: str,
    issuer_keys: KeySet,
    vct: str,
    audience: str,
    nonce: str,
    clock: Callable[[], float],
) -> Presentation:
    """A presentation of a credential of type ``vct`` to ``audience``, in answer to ``nonce``. RFC 9901 §7.3."""
    if len(text) > CHARACTERS_MAX:
        raise ValueError("too large")
    signed, *disclosures, binding = text.split("~")
    credential = jwt.decode(signed, issuer_keys, algorithms=["ES256"])
    if credential.header.get("typ") != "dc+sd-jwt":
        raise ValueError("typ of the credential")
    claims = dict(credential.claims)
    jwt.JWTClaimsRegistry(
        now=lambda: int(clock()),
        leeway=CLOCK_SKEW_SECONDS,
        iss={"essential": True, "value": issuer},
        vct={"essential": True, "value": vct},
    ).validate({name: value for name, value in claims.items() if name != "exp"})
    disclosed = _disclosed(claims, disclosures)
    bound = _binding(binding, claims, text.removesuffix(binding), audience, nonce, clock)
    return Presentation({**claims, **disclosed}, bound)


def _disclosed(claims: Mapping[str, Any], disclosures: Sequence[str]) -> dict[str, Any]:
    """RFC 9901 §7.1, for claims at the top; what belongs to no digest, or to one that stands twice, refuses all."""
    digests = claims.get("_sd", [])
    if claims.get("_sd_alg", "sha-256") != "sha-256" or not isinstance(digests, list):
        raise ValueError("digests of the credential")
    if len(disclosures) > DISCLOSURES_MAX or len(set(map(str, digests))) != len(digests):
        raise ValueError("too many disclosures, or digests twice")
    found: dict[str, Any] = {}
    for disclosure in disclosures:
        if _base64url(hashlib.sha256(disclosure.encode()).digest()) not in digests:
            raise ValueError("a disclosure without its digest")
        salt_name_value = json.loads(_decoded(disclosure))
        if not isinstance(salt_name_value, list) or len(salt_name_value) != 3:
            raise ValueError("a disclosure is no claim")
        _, name, value = salt_name_value
        if not isinstance(name, str) or name in NEVER_DISCLOSED or name in claims or name in found:
            raise ValueError("a disclosure of what stands there already")
        found[name] = value
    return found


def _binding(
    text: str,
    claims: Mapping[str, Any],
    presented: str,
    audience: str,
    nonce: str,
    clock: Callable[[], float],
) -> Mapping[str, Any]:
    """RFC 9901 §4.3 and §7.3: signed by the holder's key, for us, in answer to our nonce, over this very text."""
    confirmation = claims.get("cnf")
    if not isinstance(confirmation, dict) or not isinstance(confirmation.get("jwk"), dict):
        raise ValueError("the credential is bound to no key")
    token = jwt.decode(text, ECKey.import_key(confirmation["jwk"]), algorithms=["ES256"])
    if token.header.get("typ") != "kb+jwt":
        raise ValueError("typ of the key binding")
    binding = token.claims
    if binding.get("aud") != audience:
        raise ValueError("presented to somebody else")
    if not _same(binding.get("nonce"), nonce):
        raise ValueError("presented in answer to another question")
    if not _same(binding.get("sd_hash"), _base64url(hashlib.sha256(presented.encode()).digest())):
        raise ValueError("the key was bound to another presentation")
    if not within_skew(binding.get("iat"), clock, age_seconds=BINDING_SECONDS):
        raise ValueError("not presented now")
    return binding


def status_in(token: str, *, uri: str, index: object, issuer_keys: KeySet, clock: Callable[[], float]) -> int:
    """Entry ``index`` of the status list at ``uri``; 0 means valid. draft-ietf-oauth-status-list §5.1, §8.3."""
    decoded = jwt.decode(token, issuer_keys, algorithms=["ES256"])
    if decoded.header.get("typ") != "statuslist+jwt":
        raise ValueError("typ of the status list")
    jwt.JWTClaimsRegistry(
        now=lambda: int(clock()),
        leeway=CLOCK_SKEW_SECONDS,
        sub={"essential": True, "value": uri},
        iat={"essential": True},
    ).validate(decoded.claims)
    listed = decoded.claims.get("status_list")
    if not isinstance(listed, dict) or listed.get("bits") not in (1, 2, 4, 8):
        raise ValueError("no status list")
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise ValueError("no entry of the status list")
    octets, bits = _unpacked(_decoded(str(listed.get("lst", "")))), int(listed["bits"])
    entry, place = divmod(index * bits, 8)
    if entry >= len(octets):
        raise ValueError("the status list ends before this credential")
    return octets[entry] >> place & (1 << bits) - 1


def _unpacked(octets: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(octets, STATUS_OCTETS_MAX)
    except zlib.error as error:
        raise ValueError("the status list cannot be unpacked") from error
    if not unpacking.eof:
        raise ValueError("the status list is too large, or cut off")
    return unpacked


def _same(given: object, wanted: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), wanted.encode())


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
