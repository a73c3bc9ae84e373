"""The catalogue as people read it: data sets by category, and of each field who sees what, with an example. Pure."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from datasets import Catalogue, Contract, Field, View, describe, example_of
from gateway.catalogue.words import category_in_english
from gateway.portal.explain import KINDS, Kind, Title, kind_of

VALUES_NAMED_MAX = 12
"""of a code list; a longer one says how many there are"""


class Seen(NamedTuple):
    """Who sees a field in one way: a class of participants, for these purposes."""

    who: Title
    purposes: tuple[Title, ...]


class Sight(NamedTuple):
    """One way in which a field leaves, with its example, and who sees it so."""

    kind: Kind
    example: str
    seen: tuple[Seen, ...]


@dataclass(frozen=True)
class FieldShown:
    """``sights`` empty: nobody sees the field. ``indicator``: what `describe` says of a computed one."""

    field: Field
    sights: tuple[Sight, ...]
    indicator: dict[str, Any] | None

    @property
    def values(self) -> tuple[str, ...]:
        """The first values of a code list."""
        return () if self.indicator else self.field.allowed[:VALUES_NAMED_MAX]


@dataclass(frozen=True)
class DatasetShown:
    contract: Contract
    fields: tuple[FieldShown, ...]


def dataset_shown(catalogue: Catalogue, dataset: str) -> DatasetShown:
    """Raises `KeyError`."""
    contract = catalogue.contracts[dataset]
    views = catalogue.views_on(dataset)
    computed = "derived" in contract.modes
    return DatasetShown(
        contract,
        tuple(
            FieldShown(
                field,
                tuple(_sights(catalogue, views, field)),
                describe(contract, field, catalogue.contracts) if computed else None,
            )
            for field in contract.fields
        ),
    )


def _sights(catalogue: Catalogue, views: Sequence[View], field: Field) -> Iterator[Sight]:
    """From the most that is shown to the least; who sees the same stands together."""
    found: dict[tuple[Kind, str], dict[str, dict[str, None]]] = {}
    for view in views:
        example = example_of(view, field)
        if example is not None:
            askers = found.setdefault((kind_of(view.fields[field.name]), example), {})
            askers.setdefault(view.participant_class, {})[view.purpose] = None
    for kind, example in sorted(found, key=lambda sight: KINDS.index(sight[0])):
        yield Sight(kind, example, tuple(_seen(catalogue, found[kind, example])))


def _seen(catalogue: Catalogue, askers: dict[str, dict[str, None]]) -> Iterator[Seen]:
    for participant_class, purposes in askers.items():
        who = catalogue.participant_classes[participant_class]
        named = [catalogue.purposes[purpose] for purpose in purposes]
        yield Seen(Title(who.title, who.title_en), tuple(Title(one.title, one.title_en) for one in named))


# --- search
# ---------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """A data set, and those of its fields for which it was found; none if its own words were enough."""

    contract: Contract
    fields: tuple[Field, ...]


def search(catalogue: Catalogue, wanted: str) -> list[Found]:
    """The data sets in which every word stands: in the title, the owner or the category, or in one of the fields."""
    words = comparable(wanted).split()
    return [found for contract in catalogue.contracts.values() if (found := _found(contract, words))]


def _found(contract: Contract, words: Sequence[str]) -> Found | None:
    own = _own_words(contract)
    missing = [word for word in words if word not in own]
    fields = [
        (field, comparable(f"{field.name} {field.title} {field.title_en}")) for field in contract.fields
    ]
    if not all(any(word in text for _, text in fields) for word in missing):
        return None
    return Found(contract, tuple(field for field, text in fields if any(word in text for word in missing)))


def _own_words(contract: Contract) -> str:
    category = f"{contract.category} {category_in_english(contract.category)}"
    return comparable(f"{contract.id} {contract.title} {contract.title_en} {contract.owner} {category}")


def comparable(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
