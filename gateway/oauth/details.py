"""What is asked of an enterprise, as ``authorization_details`` (RFC 9396) of the one type `xinyi_consent`."""

from datetime import date
from typing import Any, Literal

import msgspec

from consent import Consent, ConsentTerms, check_terms
from core.errors import InvalidInput
from core.identifiers import InvalidUSCC, parse_uscc
from datasets import Catalogue
from gateway.oauth.refusals import OAuthRefusal

TYPE: Literal["xinyi_consent"] = "xinyi_consent"
REFUSED = "invalid_authorization_details"
RETENTION_DAYS = 365
"""how long what is got may be kept, unless told"""


class ConsentDetail(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The terms of a consent. ``locations``: where it is used, which can only be this hub."""

    type: Literal["xinyi_consent"]
    uscc: str
    purpose: str
    datasets: list[str]
    term_days: int
    uses_max: int
    retention_days: int = RETENTION_DAYS
    message: str = ""
    uses_max_day: int | None = None
    uses_max_month: int | None = None
    data_from: date | None = None
    locations: list[str] | None = None


DECODER = msgspec.json.Decoder(list[ConsentDetail])


def terms_of(details: str, *, issuer: str, catalogue: Catalogue, participant_class: str) -> ConsentTerms:
    """What the details ask for, found acceptable. Raises `OAuthRefusal` (RFC 9396 §5)."""
    detail = _read(details)
    if detail.locations not in (None, [issuer]):
        raise OAuthRefusal(REFUSED, "locations can only be the issuer")
    try:
        terms = ConsentTerms(
            uscc=parse_uscc(detail.uscc),
            purpose=detail.purpose,
            datasets=tuple(detail.datasets),
            term_days=detail.term_days,
            uses_max=detail.uses_max,
            retention_days=detail.retention_days,
            message=detail.message,
            uses_max_day=detail.uses_max_day,
            uses_max_month=detail.uses_max_month,
            data_from=detail.data_from,
        )
        answerable = catalogue.answerable(participant_class, terms.purpose)
        check_terms(terms, purposes=catalogue.purposes, answerable=answerable)
    except (InvalidUSCC, InvalidInput) as error:
        raise OAuthRefusal(REFUSED, str(error)) from error
    return terms


def _read(details: str) -> ConsentDetail:
    try:
        found = DECODER.decode(details)
    except (msgspec.DecodeError, RecursionError) as error:
        raise OAuthRefusal(REFUSED, f"not a list of objects of the type {TYPE}: {error}") from error
    if len(found) != 1:
        raise OAuthRefusal(REFUSED, "one object at a time: each consent is given for itself")
    return found[0]


def details_of(consent: Consent, issuer: str) -> list[dict[str, Any]]:
    """What the enterprise granted (RFC 9396 §7): its own terms, which may be less than what was asked."""
    terms = consent.terms
    detail = ConsentDetail(
        type=TYPE,
        locations=[issuer],
        uscc=terms.uscc,
        purpose=terms.purpose,
        datasets=list(terms.datasets),
        term_days=terms.term_days,
        uses_max=terms.uses_max,
        retention_days=terms.retention_days,
        uses_max_day=terms.uses_max_day,
        uses_max_month=terms.uses_max_month,
        data_from=terms.data_from,
    )
    granted: dict[str, Any] = {
        **msgspec.to_builtins(detail),
        "retention_days": terms.retention_days,
        "consent_id": str(consent.consent_id),
    }
    if consent.valid_until is not None:
        granted["valid_until"] = consent.valid_until.isoformat()
    return [granted]
