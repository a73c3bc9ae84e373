"""Sharing rules: participant class × purpose × sharing class × mode × field level → views. Default deny.

A rule set is one versioned file under `rules/`. Two rules that decide the same cell are a contradiction,
refused at start: what a rule says never depends on where in the file it stands.
"""

import hashlib
import tomllib
from collections.abc import Iterator
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from datasets.contract import VIEWS_OF_LEVEL, ContractError, Mode, SharingClass, ViewKind


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Cell(NamedTuple):
    """What a rule decides about."""

    participant_class: str
    purpose: str
    sharing_class: SharingClass
    mode: Mode
    level: int


class ParticipantClass(_Strict, frozen=True):
    title: str
    title_en: str


class Purpose(_Strict, frozen=True):
    """``explanation`` is for the owner of the enterprise, who decides about a consent for this purpose."""

    title: str
    title_en: str
    explanation: str
    explanation_en: str = ""


class Rule(_Strict, frozen=True):
    """``views`` in the order of preference; none at all is a refusal that gives its reason."""

    id: str
    participants: tuple[str, ...]
    purposes: tuple[str, ...]
    sharing_classes: tuple[SharingClass, ...]
    levels: tuple[int, ...]
    views: tuple[ViewKind, ...]
    because: str
    because_en: str
    modes: tuple[Mode, ...] = ("collected",)

    def cells(self) -> Iterator[Cell]:
        return map(
            Cell._make,
            product(self.participants, self.purposes, self.sharing_classes, self.modes, self.levels),
        )


class RuleSet(_Strict, frozen=True, dict=True):
    id: str
    title: str
    title_en: str
    participants: dict[str, ParticipantClass]
    purposes: dict[str, Purpose]
    rules: tuple[Rule, ...]
    file: str = ""
    digest: str = ""

    @cached_property
    def _rule_of_cell(self) -> dict[Cell, Rule]:
        return {cell: rule for rule in self.rules for cell in rule.cells()}

    def rule_for(self, cell: Cell) -> Rule | None:
        """The one rule about a cell; None: nobody allowed it, so it stays inside."""
        return self._rule_of_cell.get(cell)


def load_rule_set(path: Path) -> RuleSet:
    """Read and check one rule file. Raises `ContractError`."""
    try:
        raw = path.read_bytes()
        data = tomllib.loads(raw.decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ContractError(path.name, None, f"cannot be read: {error}") from error
    return rule_set_from(data, file=path.name, digest=hashlib.sha256(raw).hexdigest())


def rule_set_from(data: dict[str, Any], *, file: str, digest: str = "") -> RuleSet:
    try:
        rule_set = msgspec.convert(data | {"file": file, "digest": digest}, RuleSet)
    except msgspec.ValidationError as error:
        raise ContractError(file, None, str(error)) from error
    if file != f"{rule_set.id}.toml":
        raise ContractError(file, None, "the file must be named after its id")
    _check_rules(rule_set)
    return rule_set


def _check_rules(rule_set: RuleSet) -> None:
    decided: dict[Cell, str] = {}
    ids: set[str] = set()
    for rule in rule_set.rules:
        complaint = _complaint_about(rule, rule_set)
        if rule.id in ids:
            complaint = "this id is used twice"
        ids.add(rule.id)
        for cell in rule.cells():
            other = decided.setdefault(cell, rule.id)
            if other != rule.id:
                complaint = f"decides {' × '.join(map(str, cell))}, which rule {other} decides already"
        if complaint:
            raise ContractError(rule_set.file, None, f"rule {rule.id}: {complaint}")


def _complaint_about(rule: Rule, rule_set: RuleSet) -> str:
    strangers = [
        *(name for name in rule.participants if name not in rule_set.participants),
        *(name for name in rule.purposes if name not in rule_set.purposes),
    ]
    if strangers:
        return f"names {', '.join(strangers)}, which this file does not define"
    if not all((rule.participants, rule.purposes, rule.sharing_classes, rule.modes, rule.levels)):
        return "an empty list decides nothing"
    if not set(rule.levels) <= set(VIEWS_OF_LEVEL):
        return "levels are 1 to 5"
    if "withheld" in rule.sharing_classes and rule.views:
        return "sharing class withheld never leaves, whatever a rule says"
    return ""
