"""What can be shared and by which rule: contracts, sharing rules, views, collected records and their intake.

Other rooms use what stands here. Nothing in this room knows who asks or whether there is a consent.
"""

from datasets.catalogue import (
    ABSENCE_NOTE,
    VIEW_TITLES,
    Catalogue,
    NoRule,
    example_of,
    load_catalogue,
    readable,
)
from datasets.cleaning import REASONS, CleanRow, DeliveryRefused, Fault, RowCleaner
from datasets.contract import Contract, ContractError, Field, Mode, SharingClass, ViewKind, load_contract
from datasets.intake import IntakeBusy, IntakeReport, IntakeSource, Progress, ingest
from datasets.live_checks import Failure, Lease, LiveCheck, LiveKey, claim_ask, read_live_checks, release_ask
from datasets.live_records import CleanAnswer, LeaseLost, clean_answer, keep_answer
from datasets.marks import Mark, mark_records, unmark_records, withdraw_records
from datasets.masks import mask_person_name
from datasets.models import metadata
from datasets.published import answer_schema, catalogue_json, dataset_json
from datasets.quality import first_deliveries
from datasets.reference import reference_text
from datasets.replay import AskedAlike, FieldChange, Replay, replay
from datasets.rule_sets import (
    RuleSetEvent,
    RulesInForce,
    StoredRuleSet,
    activate_rule_set,
    active_mark,
    approve_rule_set,
    draft_rule_set,
    events_of_rule_set,
    find_rule_set,
    list_rule_sets,
    load_active,
    read_rule_set,
    seed_rule_sets,
    withdraw_rule_set,
)
from datasets.sharing import ParticipantClass, Purpose, Rule, RuleSet, load_rule_set
from datasets.shelf import NOTHING_SHELVED, ShelfAsk, ShelfReask, Shelved, read_records, reread_records
from datasets.verification import (
    Checks,
    Probe,
    Statement,
    Verdict,
    answers_anything,
    check_statements,
    probes_of,
    verify,
)
from datasets.views import FieldDecision, View, compile_view

__all__ = [
    "ABSENCE_NOTE",
    "NOTHING_SHELVED",
    "REASONS",
    "VIEW_TITLES",
    "AskedAlike",
    "Catalogue",
    "Checks",
    "CleanAnswer",
    "CleanRow",
    "Contract",
    "ContractError",
    "DeliveryRefused",
    "Failure",
    "Fault",
    "Field",
    "FieldChange",
    "FieldDecision",
    "IntakeBusy",
    "IntakeReport",
    "IntakeSource",
    "Lease",
    "LeaseLost",
    "LiveCheck",
    "LiveKey",
    "Mark",
    "Mode",
    "NoRule",
    "ParticipantClass",
    "Probe",
    "Progress",
    "Purpose",
    "Replay",
    "RowCleaner",
    "Rule",
    "RuleSet",
    "RuleSetEvent",
    "RulesInForce",
    "SharingClass",
    "ShelfAsk",
    "ShelfReask",
    "Shelved",
    "Statement",
    "StoredRuleSet",
    "Verdict",
    "View",
    "ViewKind",
    "activate_rule_set",
    "active_mark",
    "answer_schema",
    "answers_anything",
    "approve_rule_set",
    "catalogue_json",
    "check_statements",
    "claim_ask",
    "clean_answer",
    "compile_view",
    "dataset_json",
    "draft_rule_set",
    "events_of_rule_set",
    "example_of",
    "find_rule_set",
    "first_deliveries",
    "ingest",
    "keep_answer",
    "list_rule_sets",
    "load_active",
    "load_catalogue",
    "load_contract",
    "load_rule_set",
    "mark_records",
    "mask_person_name",
    "metadata",
    "probes_of",
    "read_live_checks",
    "read_records",
    "read_rule_set",
    "readable",
    "reference_text",
    "release_ask",
    "replay",
    "reread_records",
    "seed_rule_sets",
    "unmark_records",
    "verify",
    "withdraw_records",
    "withdraw_rule_set",
]
