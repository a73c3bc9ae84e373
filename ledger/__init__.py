"""What was disclosed, counted, charged and (in a later issue) proved.

Others use this room through the names below. It owns ``disclosures``, ``answered_questions``, ``usage``, ``probes`` and
``availability_checks``;
of consents it knows only the view ``live_consents``.
"""

from ledger.availability import (
    AvailabilityCheck,
    ChecksAlike,
    availability_checks_of,
    checks_between,
    note_availability_check,
)
from ledger.decisions import Decision, QuestionsAlike, find_decision, questions_between
from ledger.history import (
    CallsAlike,
    Look,
    LooksOfDay,
    calls_between,
    first_look_at,
    looks_at,
    looks_per_day,
    uses_between,
)
from ledger.models import metadata
from ledger.probes import ProbeClaim, claim_probes
from ledger.recall import Earlier, recall
from ledger.remember import REMEMBER, Entry, Remembered, remember
from ledger.standing import ConsentLook, look_at_consents
from ledger.upkeep import ensure_partitions, purge_answered_questions
from ledger.usage import Usage, UsageLine, usage_of

__all__ = [
    "REMEMBER",
    "AvailabilityCheck",
    "CallsAlike",
    "ChecksAlike",
    "ConsentLook",
    "Decision",
    "Earlier",
    "Entry",
    "Look",
    "LooksOfDay",
    "ProbeClaim",
    "QuestionsAlike",
    "Remembered",
    "Usage",
    "UsageLine",
    "availability_checks_of",
    "calls_between",
    "checks_between",
    "claim_probes",
    "ensure_partitions",
    "find_decision",
    "first_look_at",
    "look_at_consents",
    "looks_at",
    "looks_per_day",
    "metadata",
    "note_availability_check",
    "purge_answered_questions",
    "questions_between",
    "recall",
    "remember",
    "usage_of",
    "uses_between",
]
