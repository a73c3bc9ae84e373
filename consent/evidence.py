"""Checking a signed consent offline: nothing but the artefact and the published key sets is needed."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import rfc8785
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from consent.artefact import SCHEMA, TYPE
from core.errors import InvalidInput
from core.sm2 import ALGORITHM as SM2
from core.sm2 import CURVE, SM2Key

ES256 = "ES256"


class Evidence(NamedTuple):
    record: dict[str, Any]
    """what was agreed, exactly as it was signed"""
    sm2: Literal["good", "unchecked", "none"]
    """the second signature; unchecked: there is one, and no SM2 key was given"""


class Signature(NamedTuple):
    """One member of ``signatures``, RFC 7515 §7.2.1; the parts of a compact JWS, but for its payload."""

    header: Mapping[str, Any]
    protected: str
    value: str


def verify_artefact(
    text: str, jwks: Mapping[str, Any], sm2_jwks: Mapping[str, Any] | None = None
) -> Evidence:
    """Check an artefact in the compact or in the JSON form. Raises `InvalidInput` unless a key of ``jwks`` signed it.

    ``sm2_jwks``: the published SM2 keys; with them, a second signature that is not genuine is refused as well.
    """
    payload, signatures = _taken_apart(text.strip())
    _check_es256(payload, signatures[ES256], _key_set(jwks))
    record = _record(_octets(payload))
    second = signatures.get(SM2)
    if second is None:
        return Evidence(record, "none")
    if sm2_jwks is None:
        return Evidence(record, "unchecked")
    _check_sm2(payload, second, _sm2_keys(sm2_jwks))
    return Evidence(record, "good")


def _taken_apart(text: str) -> tuple[str, dict[str, Signature]]:
    """The payload as it travels, and the signatures by algorithm: one by ES256, at most one by SM2."""
    if text.startswith("{"):
        payload, parts = _json_form(text)
    else:
        protected, payload, value = _three(text)
        parts = [(protected, value)]
    signatures = {}
    for protected, value in parts:
        one = Signature(_header(protected), protected, value)
        signatures[one.header["alg"]] = one
    if len(signatures) < len(parts) or not {ES256} <= set(signatures) <= {ES256, SM2}:
        raise InvalidInput(
            "artefact_invalid", "it should have one signature by ES256, and at most one by SM2"
        )
    return payload, signatures


def _three(text: str) -> list[str]:
    parts = text.split(".")
    if len(parts) != 3:
        raise InvalidInput("artefact_invalid", "not a compact JWS (RFC 7515): three parts with dots between")
    return parts


def _json_form(text: str) -> tuple[str, list[tuple[str, str]]]:
    try:
        found = json.loads(text)
        payload = found["payload"]
        parts = [(one["protected"], one["signature"]) for one in found["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(
            "artefact_invalid", "not a JWS in the general JSON form (RFC 7515 §7.2.1)"
        ) from error
    if not all(isinstance(member, str) for member in (payload, *(part for pair in parts for part in pair))):
        raise InvalidInput("artefact_invalid", "not a JWS in the general JSON form (RFC 7515 §7.2.1)")
    return payload, parts


def _header(protected: str) -> dict[str, Any]:
    try:
        header = json.loads(_octets(protected))
    except (ValueError, RecursionError) as error:
        raise InvalidInput("artefact_invalid", "its header is not JSON") from error
    if not isinstance(header, dict) or header.get("typ") != TYPE or "crit" in header:
        raise InvalidInput("artefact_invalid", f"not a consent: its header should say {TYPE}")
    if not all(isinstance(header.get(name), str) for name in ("alg", "kid")):
        raise InvalidInput("artefact_invalid", "its header names no algorithm or no key")
    return header


def _check_es256(payload: str, signature: Signature, keys: KeySet) -> None:
    kid = signature.header["kid"]
    if kid not in {key.kid for key in keys.keys}:
        raise _unknown("/jwks", kid)
    try:
        jws.deserialize_compact(
            f"{signature.protected}.{payload}.{signature.value}", keys, algorithms=[ES256]
        )
    except (JoseError, ValueError) as error:
        raise _does_not_fit("signature") from error


def _check_sm2(payload: str, signature: Signature, keys: Mapping[str, SM2Key]) -> None:
    kid = signature.header["kid"]
    if kid not in keys:
        raise _unknown("/jwks/sm2", kid)
    if not keys[kid].verifies(f"{signature.protected}.{payload}".encode(), _octets(signature.value)):
        raise _does_not_fit("SM2 signature")


def _unknown(where: str, kid: object) -> InvalidInput:
    detail = f"signed with a key that the key set does not hold: fetch the hub's {where} anew"
    return InvalidInput("artefact_key_unknown", detail, kid=kid)


def _does_not_fit(what: str) -> InvalidInput:
    return InvalidInput("artefact_invalid", f"the {what} does not fit: it was changed, or cut")


def _key_set(jwks: Mapping[str, Any]) -> KeySet:
    try:
        return KeySet.import_key_set(dict(jwks))  # type: ignore[arg-type]  # checked by the library
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput("jwks", 'not a JSON Web Key Set (RFC 7517): {"keys": […]}') from error


def _sm2_keys(jwks: Mapping[str, Any]) -> dict[str, SM2Key]:
    try:
        keys = [SM2Key.import_key(jwk) for jwk in jwks["keys"] if jwk.get("crv") == CURVE]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput("jwks", 'not a JSON Web Key Set (RFC 7517) of SM2 keys: {"keys": […]}') from error
    return {key.kid: key for key in keys}


def _octets(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)
    except ValueError as error:
        raise InvalidInput("artefact_invalid", "a part of it is not base64url (RFC 7515 §2)") from error


def _record(payload: bytes) -> dict[str, Any]:
    record = json.loads(payload)
    if rfc8785.dumps(record) != payload or record.get("schema_version") != SCHEMA:
        raise InvalidInput("artefact_invalid", f"signed, but not a record of the form {SCHEMA} (RFC 8785)")
    return dict(record)
