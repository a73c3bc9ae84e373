"""Checking a signed consent offline: nothing but the artefact and a published key set is needed."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import rfc8785
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from consent.artefact import SCHEMA, TYPE
from core.errors import InvalidInput


def verify_artefact(text: str, jwks: Mapping[str, Any]) -> dict[str, Any]:
    """What was agreed, exactly as it was signed. Raises `InvalidInput` unless a key of ``jwks`` signed it."""
    try:
        keys = KeySet.import_key_set(dict(jwks))  # type: ignore[arg-type]  # checked by the library
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput("jwks", 'not a JSON Web Key Set (RFC 7517): {"keys": […]}') from error
    header = _header(text)
    if header.get("typ") != TYPE or header.get("alg") != "ES256":
        raise InvalidInput("artefact_invalid", f"not a consent: its header should say {TYPE} and ES256")
    if header.get("kid") not in {key.kid for key in keys.keys}:
        raise InvalidInput(
            "artefact_key_unknown",
            "signed with a key that the key set does not hold: fetch the hub's /jwks anew",
            kid=header.get("kid"),
        )
    try:
        payload = jws.deserialize_compact(text.strip(), keys, algorithms=["ES256"]).payload
    except (JoseError, ValueError) as error:
        raise InvalidInput(
            "artefact_invalid", "the signature does not fit: it was changed, or cut"
        ) from error
    return _record(payload)


def _header(text: str) -> dict[str, Any]:
    try:
        first = text.strip().split(".")[0]
        header = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, binascii.Error) as error:
        raise InvalidInput("artefact_invalid", "not a compact JWS (RFC 7515)") from error
    if not isinstance(header, dict):
        raise InvalidInput("artefact_invalid", "not a compact JWS (RFC 7515)")
    return header


def _record(payload: bytes) -> dict[str, Any]:
    record = json.loads(payload)
    if rfc8785.dumps(record) != payload or record.get("schema_version") != SCHEMA:
        raise InvalidInput("artefact_invalid", f"signed, but not a record of the form {SCHEMA} (RFC 8785)")
    return dict(record)
