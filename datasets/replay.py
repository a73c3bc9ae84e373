"""Replay: what a draft of the rules would have changed about the questions that were recorded. Pure.

Questions are counted by kind before they come here (participant, data set, purpose, mode, view, outcome), so a
million of them are a few hundred comparisons of views.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from datasets.catalogue import Catalogue, NoRule
from datasets.contract import Mode, ViewKind
from datasets.sharing import RuleSet
from datasets.views import FieldDecision, View, compile_view

REFUSED_BY_RULES = "no_rule"
"""the recorded reason of a question of which the rules let nothing out"""


class AskedAlike(NamedTuple):
    """How many questions of one kind were recorded, and how they ended.

    ``participant_class`` counts where the recorded view is no longer known; else the view says it.
    """

    participant_id: str
    participant_class: str
    dataset: str
    purpose: str
    mode: Mode
    view_id: str
    outcome: str
    reason: str | None
    calls: int


@dataclass(frozen=True)
class FieldChange:
    """One field that would leave in another way. ``was``, ``becomes``: a view, or None where it stays inside."""

    participant_id: str
    dataset: str
    purpose: str
    mode: Mode
    field: str
    title: str
    was: ViewKind | None
    becomes: ViewKind | None
    was_rule: str | None
    becomes_rule: str | None
    calls: int
    disclosed: int
    """of the calls: those that had records to show"""


@dataclass(frozen=True)
class Replay:
    """Counts of calls. calls = unchanged + changed + refused_otherwise + incomparable."""

    rule_set_id: str
    digest: str
    calls: int
    unchanged: int
    changed: int
    opened: int
    """of the changed: refused by the rules then, something would leave now, as far as the consent allows it"""
    closed: int
    """of the changed: answered then, nothing would leave now"""
    refused_otherwise: int
    """by the consent, mostly: no data under either rules"""
    incomparable: int
    """neither the recorded view nor the data set, purpose or mode is in the catalogue any more"""
    approximate: int
    """of the compared: by a view that is no longer known, so compared with what the active rules say today"""
    changes: tuple[FieldChange, ...]


def replay(catalogue: Catalogue, draft: RuleSet, asked: Iterable[AskedAlike]) -> Replay:
    """Compare what each kind of question got with what it would get under ``draft``, by the same contract.

    A question that the draft would answer is not judged by its consent again: only the rules are replayed.
    """

    @cache
    def under_draft(view_id: str) -> View:
        was = catalogue.view_by_id(view_id)
        assert was is not None, "compared is what is known"
        return compile_view(was.contract, draft, was.participant_class, was.purpose, was.mode)

    tally: Counter[str] = Counter()
    calls_of: Counter[FieldChange] = Counter()
    disclosed_of: Counter[FieldChange] = Counter()
    for kind in asked:
        tally["calls"] += kind.calls
        if kind.outcome == "refused" and kind.reason != REFUSED_BY_RULES:
            tally["refused_otherwise"] += kind.calls
            continue
        was = catalogue.view_by_id(kind.view_id)
        if was is None:
            was = _as_of_today(catalogue, kind)
            tally["approximate"] += kind.calls if was else 0
        if was is None:
            tally["incomparable"] += kind.calls
            continue
        whole = under_draft(was.view_id.partition(":")[0])
        becomes = whole.only([decision.field for decision in was.decisions])
        changes = _changes(kind, was, becomes)
        tally[_how_it_ends(was, becomes, changes)] += kind.calls
        for change in changes:
            calls_of[change] += kind.calls
            disclosed_of[change] += kind.calls if kind.outcome == "disclosed" else 0
    return Replay(
        rule_set_id=draft.id,
        digest=draft.digest,
        calls=tally["calls"],
        unchanged=tally["unchanged"],
        changed=tally["changed"] + tally["opened"] + tally["closed"],
        opened=tally["opened"],
        closed=tally["closed"],
        refused_otherwise=tally["refused_otherwise"],
        incomparable=tally["incomparable"],
        approximate=tally["approximate"],
        changes=tuple(
            replace(change, calls=calls, disclosed=disclosed_of[change])
            for change, calls in sorted(calls_of.items(), key=lambda item: _order(item[0]))
        ),
    )


def _as_of_today(catalogue: Catalogue, kind: AskedAlike) -> View | None:
    """What the active rules say of such a question; of the same fields, as far as the contract still has them."""
    try:
        view = catalogue.view_for(kind.participant_class, kind.purpose, kind.dataset, kind.mode)
    except NoRule:
        return None
    _, narrowed, names = kind.view_id.partition(":")
    if not narrowed:
        return view
    return view.only([name for name in names.split(",") if name in view.contract.field_by_name])


def _how_it_ends(was: View, becomes: View, changes: list[FieldChange]) -> str:
    if not changes:
        return "unchanged"
    if becomes.lets_out and not was.lets_out:
        return "opened"
    if was.lets_out and not becomes.lets_out:
        return "closed"
    return "changed"


def _changes(kind: AskedAlike, was: View, becomes: View) -> list[FieldChange]:
    pairs = zip(was.decisions, becomes.decisions, strict=True)
    return [_change(kind, before, after) for before, after in pairs if before.view != after.view]


def _change(kind: AskedAlike, before: FieldDecision, after: FieldDecision) -> FieldChange:
    """Without the counts, so that equal changes are added up."""
    return FieldChange(
        participant_id=kind.participant_id,
        dataset=kind.dataset,
        purpose=kind.purpose,
        mode=kind.mode,
        field=before.field,
        title=before.title,
        was=before.view,
        becomes=after.view,
        was_rule=before.rule_id,
        becomes_rule=after.rule_id,
        calls=0,
        disclosed=0,
    )


def _order(change: FieldChange) -> tuple[str, ...]:
    return (
        change.participant_id,
        change.dataset,
        change.purpose,
        change.mode,
        change.field,
        change.was or "",
        change.becomes or "",
    )
