"""What was disclosed, counted, charged and (in a later issue) proved.

Others use this room through the names below. It owns ``disclosures``, ``answered_questions`` and ``usage``;
of consents it knows only the view ``live_consents``.
"""

from ledger.history import Look, LooksOfDay, looks_at, looks_per_day
from ledger.models import metadata
from ledger.recall import Earlier, recall
from ledger.remember import REMEMBER, Entry, Remembered, remember
from ledger.upkeep import ensure_partitions, purge_answered_questions
from ledger.usage import Usage, UsageLine, usage_of

__all__ = [
    "REMEMBER",
    "Earlier",
    "Entry",
    "Look",
    "LooksOfDay",
    "Remembered",
    "Usage",
    "UsageLine",
    "ensure_partitions",
    "looks_at",
    "looks_per_day",
    "metadata",
    "purge_answered_questions",
    "recall",
    "remember",
    "usage_of",
]
