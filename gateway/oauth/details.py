"""What is asked of an enterprise, as ``authorization_details`` (RFC 9396) of the one type `xinyi_consent`."""

from dataclasses import fields, replace
from typing import Any

import msgspec

from consent import Consent, ConsentTerms, check_terms, terms_as_json
from core.errors import InvalidInput
from core.identifiers import InvalidUSCC, parse_uscc
from datasets import Catalogue
from gateway.oauth.refusals import OAuthRefusal

TYPE = "xinyi_consent"
REFUSED = "invalid_authorization_details"
OF_THE_TYPE = {"type", "locations"}
"""besides the terms of a consent; ``locations``: where it is used, which can only be this hub"""
TERMS = {field.name for field in fields(ConsentTerms)}

DECODER = msgspec.json.Decoder(list[dict[str, Any]])


def terms_of(details: str, *, issuer: str, catalogue: Catalogue, participant_class: str) -> ConsentTerms:
    """What the details ask for, found acceptable. Raises `OAuthRefusal` (RFC 9396 §5)."""
    try:
        detail = _read(details, issuer)
        terms = msgspec.convert(detail, ConsentTerms)
        terms = replace(terms, uscc=parse_uscc(terms.uscc))
        answerable = catalogue.answerable(participant_class, terms.purpose)
        check_terms(terms, purposes=catalogue.purposes, answerable=answerable)
    except (msgspec.MsgspecError, InvalidUSCC, InvalidInput, RecursionError) as error:
        raise OAuthRefusal(REFUSED, str(error)) from error
    return terms


def _read(details: str, issuer: str) -> dict[str, Any]:
    """The terms in the one object there may be. Raises `InvalidInput`, or msgspec's own errors."""
    found = DECODER.decode(details)
    if len(found) != 1 or found[0].get("type") != TYPE:
        raise InvalidInput(REFUSED, f"one object of the type {TYPE}: each consent is given for itself")
    [detail] = found
    if detail.get("locations") not in (None, [issuer]):
        raise InvalidInput(REFUSED, "locations can only be the issuer")
    unknown = detail.keys() - TERMS - OF_THE_TYPE
    if unknown:
        raise InvalidInput(REFUSED, f"unknown: {', '.join(sorted(unknown))}")
    return {name: value for name, value in detail.items() if name in TERMS}


def details_of(consent: Consent, issuer: str) -> list[dict[str, Any]]:
    """What the enterprise granted (RFC 9396 §7): its own terms, which may be less than what was asked."""
    terms = {name: value for name, value in terms_as_json(consent.terms).items() if value is not None}
    del terms["message"]  # it was for the enterprise
    granted = {"type": TYPE, "locations": [issuer], **terms, "consent_id": str(consent.consent_id)}
    if consent.valid_until is not None:
        granted["valid_until"] = consent.valid_until.isoformat()
    return [granted]
