"""What was disclosed, counted, charged and (in a later issue) proved.

Others use this room through the names below. It owns ``disclosures``, ``answered_questions``, ``usage``, ``probes`` and
``availability_checks``;
of consents it knows only the view ``live_consents``.
"""

from ledger.availability import AvailabilityCheck, availability_checks_of, note_availability_check
from ledger.decisions import Decision, QuestionsAlike, find_decision, questions_between
from ledger.history import Look, LooksOfDay, looks_at, looks_per_day
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
    "claim_probes",
    "ensure_partitions",
    "find_decision",
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
]
