"""What can be shared and by which rule: contracts, sharing rules, views, collected records and their intake.

Other rooms use what stands here. Nothing in this room knows who asks or whether there is a consent.
"""

from datasets.catalogue import (
    ABSENCE_NOTE,
    VIEW_TITLES,
    Catalogue,
    NoRule,
    Preview,
    PreviewField,
    answer_schema,
    example_answer,
    load_catalogue,
    readable,
)
from datasets.cleaning import REASONS, CleanRow, DeliveryRefused, Fault, RowCleaner
from datasets.contract import Contract, ContractError, Field, Mode, SharingClass, ViewKind, load_contract
from datasets.intake import IntakeBusy, IntakeReport, Progress, ingest
from datasets.masks import mask_person_name
from datasets.models import metadata
from datasets.sharing import ParticipantClass, Purpose, Rule, RuleSet, load_rule_set
from datasets.shelf import NOTHING_SHELVED, ShelfAsk, ShelfReask, Shelved, read_records, reread_records
from datasets.views import FieldDecision, View, compile_view

__all__ = [
    "ABSENCE_NOTE",
    "NOTHING_SHELVED",
    "REASONS",
    "VIEW_TITLES",
    "Catalogue",
    "CleanRow",
    "Contract",
    "ContractError",
    "DeliveryRefused",
    "Fault",
    "Field",
    "FieldDecision",
    "IntakeBusy",
    "IntakeReport",
    "Mode",
    "NoRule",
    "ParticipantClass",
    "Preview",
    "PreviewField",
    "Progress",
    "Purpose",
    "RowCleaner",
    "Rule",
    "RuleSet",
    "SharingClass",
    "ShelfAsk",
    "ShelfReask",
    "Shelved",
    "View",
    "ViewKind",
    "answer_schema",
    "compile_view",
    "example_answer",
    "ingest",
    "load_catalogue",
    "load_contract",
    "load_rule_set",
    "mask_person_name",
    "metadata",
    "read_records",
    "readable",
    "reread_records",
]
