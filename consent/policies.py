"""The rules of a consent's life, as values in, decision out: one state table, and the limits of a request."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from core.errors import Conflict, InvalidInput

State = Literal[
    "draft",
    "awaiting",
    "partially_approved",
    "active",
    "paused",
    "revoked",
    "expired",
    "used_up",
    "superseded",
    "rejected",
]
Verb = Literal[
    "submit",
    "approve_in_part",
    "approve",
    "reject",
    "pause",
    "resume",
    "revoke",
    "expire",
    "use_up",
    "supersede",
]

STATES: tuple[State, ...] = get_args(State)

TRANSITIONS: dict[State, dict[Verb, State]] = {
    "draft": {"submit": "awaiting"},
    "awaiting": {
        "approve": "active",
        "approve_in_part": "partially_approved",
        "reject": "rejected",
        "expire": "expired",
    },
    "partially_approved": {"approve": "active", "reject": "rejected", "expire": "expired"},
    "active": {
        "pause": "paused",
        "revoke": "revoked",
        "expire": "expired",
        "use_up": "used_up",
        "supersede": "superseded",
    },
    "paused": {"resume": "active", "revoke": "revoked", "expire": "expired", "supersede": "superseded"},
    "revoked": {},
    "expired": {},
    "used_up": {},
    "superseded": {},
    "rejected": {},
}
"""What may happen in each state, and what it leads to. Whatever is not here cannot be done."""

MAY_APPROVE = frozenset({"legal_representative"})
"""Roles in which a person says yes for an enterprise; agents will come with a mandate that says what they may."""

TERM_DAYS_MAX = 365
USES_MAX = 10_000
RETENTION_DAYS_MAX = 3 * 365
MESSAGE_CHARACTERS_MAX = 200


def next_state(state: State, verb: Verb) -> State:
    """The state after ``verb``. Raises `Conflict` when that cannot be done in this state."""
    try:
        return TRANSITIONS[state][verb]
    except KeyError:
        raise Conflict(
            "consent_state", f"a consent that is {state} cannot {verb}", state=state, verb=verb
        ) from None


@dataclass(frozen=True)
class ConsentTerms:
    """What a bank asks an enterprise to agree to."""

    uscc: str
    purpose: str
    datasets: tuple[str, ...]
    term_days: int
    uses_max: int
    retention_days: int
    message: str


def check_terms(terms: ConsentTerms, *, purposes: Collection[str], answerable: Collection[str]) -> None:
    """Raise `InvalidInput` naming every field that is out of bounds.

    ``answerable`` are the data sets of which some rule lets this participant see something for this purpose:
    nobody is asked to consent to nothing.
    """
    faults = {
        "purpose": None if terms.purpose in purposes else "no such purpose; /v1/catalogue lists them",
        "datasets": _fault_of_datasets(terms.datasets, answerable),
        "term_days": _outside(terms.term_days, TERM_DAYS_MAX),
        "uses_max": _outside(terms.uses_max, USES_MAX),
        "retention_days": _outside(terms.retention_days, RETENTION_DAYS_MAX),
        "message": None
        if len(terms.message) <= MESSAGE_CHARACTERS_MAX and terms.message.isprintable()
        else f"at most {MESSAGE_CHARACTERS_MAX} printable characters, on one line",
    }
    errors = {field: fault for field, fault in faults.items() if fault}
    if errors:
        raise InvalidInput("consent_terms", "; ".join(f"{k}: {v}" for k, v in errors.items()), errors=errors)


def _outside(value: int, most: int) -> str | None:
    return None if 1 <= value <= most else f"a whole number from 1 to {most}"


def _fault_of_datasets(datasets: tuple[str, ...], answerable: Collection[str]) -> str | None:
    if not datasets:
        return "name at least one data set"
    if len(set(datasets)) != len(datasets):
        return "a data set is named twice"
    missing = sorted(set(datasets) - set(answerable))
    return f"no data may be shared for this purpose from: {', '.join(missing)}" if missing else None
