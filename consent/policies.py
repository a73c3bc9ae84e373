"""The rules of a consent's life, as values in, decision out: one state table, and the limits of a request."""

import re
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Literal, NamedTuple, Self, get_args

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
    "hand_in",
    "send_back",
    "approve_in_part",
    "approve",
    "reject",
    "pause",
    "resume",
    "revoke",
    "expire",
    "use_up",
    "supersede",
    "withdraw",
    "remind",
]

STATES: tuple[State, ...] = get_args(State)

TRANSITIONS: dict[State, dict[Verb, State]] = {
    "draft": {"submit": "awaiting"},
    "awaiting": {
        "hand_in": "awaiting",
        "send_back": "awaiting",
        "approve": "active",
        "approve_in_part": "partially_approved",
        "reject": "rejected",
        "withdraw": "expired",
        "expire": "expired",
    },
    "partially_approved": {
        "approve": "active",
        "approve_in_part": "partially_approved",
        "reject": "rejected",
        "withdraw": "expired",
        "expire": "expired",
    },
    "active": {
        "remind": "active",
        "pause": "paused",
        "revoke": "revoked",
        "expire": "expired",
        "use_up": "used_up",
        "supersede": "superseded",
    },
    "paused": {
        "remind": "paused",
        "resume": "active",
        "revoke": "revoked",
        "expire": "expired",
        "supersede": "superseded",
    },
    "revoked": {},
    "expired": {},
    "used_up": {},
    "superseded": {},
    "rejected": {},
}
"""What may happen in each state, and what it leads to. Whatever is not here cannot be done."""

LEGAL_REPRESENTATIVE = "legal_representative"
AGENT = "agent"
"""Roles in which a person acts for an enterprise; an agent (经办人) needs a mandate that says what it may."""

TERM_DAYS_MAX = 365
USES_MAX = 10_000
RETENTION_DAYS_MAX = 3 * 365
RETENTION_DAYS = 365
"""how long the bank may keep what it gets, unless told"""
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
    """What a bank asks an enterprise to agree to. None: no such limit."""

    uscc: str
    purpose: str
    datasets: tuple[str, ...]
    term_days: int
    uses_max: int
    retention_days: int = RETENTION_DAYS
    message: str = ""
    uses_max_day: int | None = None
    uses_max_month: int | None = None
    data_from: date | None = None
    """first day of the oldest month whose data may be seen"""

    def narrowed(
        self,
        *,
        datasets: Collection[str] | None = None,
        term_days: int | None = None,
        uses_max: int | None = None,
    ) -> Self:
        """The same with less: some of the data sets, a shorter term, fewer uses. Raises `InvalidInput` for more."""
        less = replace(
            self,
            datasets=self.datasets if datasets is None else tuple(d for d in self.datasets if d in datasets),
            term_days=self.term_days if term_days is None else term_days,
            uses_max=self.uses_max if uses_max is None else uses_max,
        )
        if datasets is not None and not set(datasets) <= set(self.datasets):
            raise InvalidInput("granted_more", "a data set that was not asked for")
        if not less.within(self):
            raise InvalidInput("granted_more", "at least one data set, and nothing beyond what was asked")
        return less

    def within(self, asked: "ConsentTerms") -> bool:
        """Whether this is what was asked, or less of it; the rest of the terms cannot be changed."""
        same = replace(self, datasets=asked.datasets, term_days=asked.term_days, uses_max=asked.uses_max)
        return (
            same == asked
            and len(self.datasets) > 0
            and set(self.datasets) <= set(asked.datasets)
            and 1 <= self.term_days <= asked.term_days
            and 1 <= self.uses_max <= asked.uses_max
        )


class Change(NamedTuple):
    """One term of an amendment. Of data sets, ``before`` and ``after`` hold only those that go or come."""

    field: str
    before: object
    after: object


NOT_COMPARED = ("uscc", "message")


def difference(old: ConsentTerms, new: ConsentTerms) -> tuple[Change, ...]:
    """What an amendment changes, field by field; empty if nothing."""
    changes = []
    for field in fields(ConsentTerms):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.name in NOT_COMPARED or before == after:
            continue
        if field.name == "datasets":
            before, after = (
                tuple(one for one in before if one not in new.datasets),
                tuple(one for one in after if one not in old.datasets),
            )
        if before != after:  # not for the same data sets in another order
            changes.append(Change(field.name, before, after))
    return tuple(changes)


SENSITIVE_LEVEL = 4
ASSURANCE_MOST = 3
_ASSURANCE = re.compile(r"urn:xinyi:loa:([1-9])")


def is_sensitive(levels: Collection[int]) -> bool:
    return any(level >= SENSITIVE_LEVEL for level in levels)


def assurance_needed(levels: Collection[int]) -> int:
    """How sure the log-in must be of the person who approves data of these levels (JR/T 0197): 2, or 3 from 4 on."""
    return ASSURANCE_MOST if is_sensitive(levels) else 2


def assurance_of(acr: str) -> int:
    """The level that a log-in vouched for (``urn:xinyi:loa:N``); 0 for what we do not know."""
    found = _ASSURANCE.fullmatch(acr)
    return int(found[1]) if found else 0


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
        "uses_max_day": _outside_if_given(terms.uses_max_day, terms.uses_max),
        "uses_max_month": _outside_if_given(terms.uses_max_month, terms.uses_max),
        "data_from": None
        if terms.data_from is None or terms.data_from.day == 1
        else "the first day of a month",
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


def _outside_if_given(value: int | None, uses_max: int) -> str | None:
    if value is None or 1 <= value <= uses_max:
        return None
    return "a whole number from 1 to uses_max"


def _fault_of_datasets(datasets: tuple[str, ...], answerable: Collection[str]) -> str | None:
    if not datasets:
        return "name at least one data set"
    if len(set(datasets)) != len(datasets):
        return "a data set is named twice"
    missing = sorted(set(datasets) - set(answerable))
    return f"no data may be shared for this purpose from: {', '.join(missing)}" if missing else None
