"""What a consent is about, in the catalogue's words: its purpose, its data sets, and what the asker will see of them."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from consent import Consent, notice
from datasets import VIEW_TITLES, Catalogue, Contract, NoRule, Purpose, View, example_answer

Kind = Literal["raw", "banded", "masked", "withheld"]
KINDS: tuple[Kind, ...] = ("raw", "banded", "masked", "withheld")
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


def sentences_to_sign(catalogue: Catalogue, consent: Consent) -> tuple[str, ...]:
    return notice(
        consent.terms,
        participant_name=consent.participant_name,
        purpose_title=purpose_of(catalogue, consent.terms.purpose).title,
        dataset_titles=dataset_titles(catalogue, consent),
    )


def dataset_titles(catalogue: Catalogue, consent: Consent) -> list[str]:
    return [title_of(catalogue, dataset).zh for dataset in consent.terms.datasets]


def previews_of(catalogue: Catalogue, consent: Consent) -> list[Preview]:
    """What the asker will see of every data set of the consent, by the rules of today."""
    return [_preview(catalogue, consent, dataset) for dataset in consent.terms.datasets]


def _preview(catalogue: Catalogue, consent: Consent, dataset: str) -> Preview:
    title = title_of(catalogue, dataset)
    try:
        view = catalogue.view_for(consent.participant_class, consent.terms.purpose, dataset)
    except NoRule:
        return Preview(title, None, ())
    return Preview(title, view.contract, groups_of(view))


def groups_of(view: View) -> tuple[ShownGroup, ...]:
    """The fields of a view, from what is shown as it is to what is not shown."""
    preview = example_answer(view)
    examples = {field.field: field.example for field in (*preview.shown, *preview.withheld)}
    sorted_by_kind: dict[Kind, dict[Title, list[ShownField]]] = {kind: {} for kind in KINDS}
    for decision in view.decisions:
        field = view.contract.field_by_name[decision.field]
        shown = ShownField(Title(field.title, field.title_en), examples[field.name])
        reasons = sorted_by_kind[_kind(decision.view)]
        reasons.setdefault(Title(decision.because, decision.because_en), []).append(shown)
    return tuple(
        ShownGroup(kind, tuple(Because(reason, tuple(fields)) for reason, fields in reasons.items()))
        for kind, reasons in sorted_by_kind.items()
        if reasons
    )


def _kind(view: str | None) -> Kind:
    for kind in KINDS:
        if view == kind:
            return kind
    return "withheld"
