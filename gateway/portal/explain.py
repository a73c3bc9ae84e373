"""What a consent is about, in the catalogue's words: its purpose, its data sets, and what the asker will see of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

from consent import Change, Consent, ConsentTerms, Wording, difference
from datasets import VIEW_TITLES, Catalogue, Contract, FieldDecision, Purpose, View, example_of

Kind = Literal["raw", "banded", "masked", "derived", "verify", "withheld"]
KINDS: tuple[Kind, ...] = ("raw", "banded", "masked", "derived", "verify", "withheld")
"""From the most that is shown to nothing at all."""


class Title(NamedTuple):
    zh: str
    en: str


class ShownField(NamedTuple):
    title: Title
    example: str | None
    """a made-up value as the asker would see it; None where nothing is shown"""


class Because(NamedTuple):
    """Fields that are shown in the same way for the same reason."""

    reason: Title
    fields: tuple[ShownField, ...]


@dataclass(frozen=True)
class ShownGroup:
    """All that is shown in one way, or not at all."""

    kind: Kind
    parts: tuple[Because, ...]

    @property
    def title(self) -> Title | None:
        """Of the way of showing; None where nothing is shown."""
        return None if self.kind == "withheld" else Title(*VIEW_TITLES[self.kind])

    @property
    def fields(self) -> list[ShownField]:
        return [field for part in self.parts for field in part.fields]


@dataclass(frozen=True)
class Preview:
    """One data set of a consent; without a contract when the catalogue no longer has it or no rule is about it."""

    title: Title
    contract: Contract | None
    groups: tuple[ShownGroup, ...]


def purpose_of(catalogue: Catalogue, purpose: str) -> Purpose:
    """The purpose as the rules describe it; under its bare name when they no longer do."""
    return catalogue.purposes.get(purpose) or Purpose(title=purpose, title_en=purpose, explanation="")


def title_of(catalogue: Catalogue, dataset: str) -> Title:
    contract = catalogue.contracts.get(dataset)
    return Title(contract.title, contract.title_en) if contract else Title(dataset, dataset)


def wording_of(catalogue: Catalogue) -> Wording:
    """The Chinese titles that the signed sentences use."""
    return Wording(
        {name: purpose.title for name, purpose in catalogue.purposes.items()},
        {name: contract.title for name, contract in catalogue.contracts.items()},
    )


def levels_of(catalogue: Catalogue, participant_class: str, terms: ConsentTerms) -> set[int]:
    """The levels (1 to 5, JR/T 0197) of all fields that leave under these terms by the rules of today.

    What can only be verified does not leave.
    """
    views = (
        view
        for dataset in terms.datasets
        for view in catalogue.views_about(participant_class, terms.purpose, dataset)
    )
    return {
        view.contract.field_by_name[decision.field].level
        for view in views
        for decision in view.decisions
        if decision.view not in (None, "verify")
    }


class ChangedTerm(NamedTuple):
    """One term of an amendment as the page shows it. None: no such limit."""

    field: str
    before: Title | None
    after: Title | None


def changes_of(catalogue: Catalogue, old: ConsentTerms, new: ConsentTerms) -> list[ChangedTerm]:
    """Field by field; of the data sets those that go (``before``) and those that come (``after``)."""
    return [
        ChangedTerm(
            change.field, *(_said(catalogue, change, value) for value in (change.before, change.after))
        )
        for change in difference(old, new)
    ]


def _said(catalogue: Catalogue, change: Change, value: object) -> Title | None:
    if value is None or value == ():
        return None
    if isinstance(value, tuple):
        titles = [title_of(catalogue, dataset) for dataset in value]
        return Title("、".join(title.zh for title in titles), ", ".join(title.en for title in titles))
    if isinstance(value, date):
        return Title(f"{value:%Y-%m}", f"{value:%Y-%m}")
    if change.field == "purpose":
        purpose = purpose_of(catalogue, str(value))
        return Title(purpose.title, purpose.title_en)
    return Title(str(value), str(value))


def previews_of(catalogue: Catalogue, consent: Consent) -> list[Preview]:
    """What the asker will see of every data set of the consent, by the rules of today."""
    return [_preview(catalogue, consent, dataset) for dataset in consent.terms.datasets]


def _preview(catalogue: Catalogue, consent: Consent, dataset: str) -> Preview:
    title = title_of(catalogue, dataset)
    views = catalogue.views_about(consent.participant_class, consent.terms.purpose, dataset)
    if not views:
        return Preview(title, None, ())
    return Preview(title, views[0].contract, groups_of(*views))


def groups_of(*views: View) -> tuple[ShownGroup, ...]:
    """The fields of a data set, from what is shown as it is to what is not shown.

    Of several views, one per mode, each field stands once: where it shows the most.
    """
    sorted_by_kind: dict[Kind, dict[Title, list[ShownField]]] = {kind: {} for kind in KINDS}
    for view, decision in _most_open(views):
        field = view.contract.field_by_name[decision.field]
        shown = ShownField(Title(field.title, field.title_en), example_of(view, field))
        reasons = sorted_by_kind[kind_of(decision.view)]
        reasons.setdefault(Title(decision.because, decision.because_en), []).append(shown)
    return tuple(
        ShownGroup(kind, tuple(Because(reason, tuple(fields)) for reason, fields in reasons.items()))
        for kind, reasons in sorted_by_kind.items()
        if reasons
    )


def _most_open(views: Sequence[View]) -> Iterator[tuple[View, FieldDecision]]:
    for decisions in zip(*(view.decisions for view in views), strict=True):
        ranks = [KINDS.index(kind_of(decision.view)) for decision in decisions]
        most = ranks.index(min(ranks))
        yield views[most], decisions[most]


def kind_of(view: str | None) -> Kind:
    """The way of showing; ``withheld`` for no view at all."""
    for kind in KINDS:
        if view == kind:
            return kind
    return "withheld"
