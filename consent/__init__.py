"""Who allowed whom to see what, for which purpose, until when.

Others use this room through the names below; the ledger reads and spends consents through the database view
``live_consents``, described in `consent.models`.
"""

from consent.artefact import notice
from consent.enterprises import Signatory, note_login
from consent.history import ConsentEvent, events_of, signed_notice
from consent.models import metadata
from consent.participants import (
    Client,
    check_jwks,
    classes_of,
    find_client,
    names_of,
    register_client,
    register_participant,
)
from consent.policies import ConsentTerms, State, check_terms
from consent.requests import (
    Consent,
    approve,
    artefact_of,
    file_request,
    find_for_enterprise,
    find_for_participant,
    list_for_enterprise,
    list_waiting,
    reject,
    revoke,
    settle_lapsed,
    settle_used_up,
)

__all__ = [
    "Client",
    "Consent",
    "ConsentEvent",
    "ConsentTerms",
    "Signatory",
    "State",
    "approve",
    "artefact_of",
    "check_jwks",
    "check_terms",
    "classes_of",
    "events_of",
    "file_request",
    "find_client",
    "find_for_enterprise",
    "find_for_participant",
    "list_for_enterprise",
    "list_waiting",
    "metadata",
    "names_of",
    "note_login",
    "notice",
    "register_client",
    "register_participant",
    "reject",
    "revoke",
    "settle_lapsed",
    "settle_used_up",
    "signed_notice",
]
