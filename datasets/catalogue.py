"""The catalogue: all contracts under one rule set, compiled once, then a dictionary look-up.

Views of earlier rule sets and earlier contracts stay known by their id, so that what was once handed over can be
explained and given again.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import chain, product
from pathlib import Path

from core.errors import InvalidInput, Refused
from datasets.bands import NEGATIVE, in_words
from datasets.cleaning import RowCleaner
from datasets.contract import CATEGORIES, Contract, ContractError, Field, Mode, ViewKind, load_contract
from datasets.indicators import IndicatorPlan, compile_indicators
from datasets.sharing import ParticipantClass, Purpose, RuleSet, load_rule_set
from datasets.views import View, compile_view

CONTRACTS = Path(__file__).parent / "contracts"
RULES = Path(__file__).parent / "rules"

VIEW_TITLES: dict[ViewKind, tuple[str, str]] = {
    "raw": ("原样", "as it is"),
    "masked": ("部分遮盖", "partly hidden"),
    "banded": ("所在区间", "the range it lies in"),
    "derived": ("计算结果", "derived"),
    "verify": ("核对结果", "verified only"),
}

ABSENCE_NOTE = "未提供不代表不存在"

_EXAMPLE_USCC = "91350100M000100Y43"  # the worked example of GB 32100-2015
_EXAMPLE_DAY = date(2100, 1, 1)


class NoRule(Refused):
    """No view for such a question: its participant class, purpose, data set or mode is not in the catalogue."""


@dataclass(frozen=True)
class Catalogue:
    """Made by `load_catalogue`, never changed; other rules make another catalogue (`under`)."""

    contracts: dict[str, Contract]
    rule_set: RuleSet
    earlier: tuple[RuleSet, ...] = ()
    earlier_contracts: tuple[Contract, ...] = ()
    indicators: Mapping[str, IndicatorPlan] = dataclasses.field(default_factory=dict)
    """how the figures of each derived data set are computed"""

    def under(self, rule_set: RuleSet, earlier: Iterable[RuleSet] = ()) -> "Catalogue":
        """The same contracts under other rules; answers given under ``earlier`` ones can still be explained."""
        return dataclasses.replace(self, rule_set=rule_set, earlier=tuple(earlier))

    def after(self, earlier_contracts: Iterable[Contract]) -> "Catalogue":
        """The same, with the contracts that older answers were given by (`datasets.contract_history`)."""
        return dataclasses.replace(self, earlier_contracts=tuple(earlier_contracts))

    @cached_property
    def _views(self) -> dict[tuple[str, str, str, str | None], View]:
        return {
            (view.participant_class, view.purpose, view.dataset, view.mode): view
            for view in self._compile(self.contracts.values(), self.rule_set)
        }

    @cached_property
    def _views_by_id(self) -> dict[str, View]:
        return {view.view_id: view for view in self._views.values()}

    @cached_property
    def _earlier_views_by_id(self) -> dict[str, View]:
        """Of every contract under every rule set: which of them met is not known, and few did."""
        contracts = (*self.contracts.values(), *self.earlier_contracts)
        of_earlier_rules = (self._compile(contracts, rule_set) for rule_set in self.earlier)
        of_earlier_contracts = self._compile(self.earlier_contracts, self.rule_set)
        return {view.view_id: view for view in chain(of_earlier_contracts, *of_earlier_rules)}

    def _compile(self, contracts: Iterable[Contract], rule_set: RuleSet) -> Iterator[View]:
        for contract, asker, purpose in product(contracts, rule_set.participants, rule_set.purposes):
            # How the figures of an earlier contract were computed is not known any more: they can be explained only.
            plan = self.indicators.get(contract.id) if contract is self.contracts.get(contract.id) else None
            for mode in contract.modes:
                yield compile_view(contract, rule_set, asker, purpose, mode, plan)

    def compiled(self) -> "Catalogue":
        """Itself, with every view decided: otherwise the first question does that."""
        assert self._views_by_id
        return self

    @property
    def purposes(self) -> dict[str, Purpose]:
        return self.rule_set.purposes

    @property
    def participant_classes(self) -> dict[str, ParticipantClass]:
        return self.rule_set.participants

    def view_for(
        self,
        participant_class: str,
        purpose: str,
        dataset: str,
        mode: Mode | None = None,
        fields: Sequence[str] | None = None,
    ) -> View:
        """What this asker gets in a mode (the data set's first unless told), of all fields or of some.

        Nothing at all where ``lets_out`` is false. Raises `NoRule`, or `InvalidInput` for unknown fields.
        """
        view = self._views.get((participant_class, purpose, dataset, mode or self._first_mode(dataset)))
        if view is None:
            raise self._no_rule(participant_class, purpose, dataset, mode)
        return view if fields is None else view.only(fields)

    def _first_mode(self, dataset: str) -> Mode | None:
        contract = self.contracts.get(dataset)
        return contract.modes[0] if contract else None

    def views_about(self, participant_class: str, purpose: str, dataset: str) -> tuple[View, ...]:
        """The views of this asker on a data set that let anything out, one per mode."""
        contract = self.contracts.get(dataset)
        if contract is None:
            return ()
        keys = [(participant_class, purpose, dataset, mode) for mode in contract.modes]
        return tuple(self._views[key] for key in keys if key in self._views and self._views[key].lets_out)

    def view_by_id(self, view_id: str) -> View | None:
        """The view that an earlier answer names; None if its contract or rules are no longer here."""
        base, narrowed, names = view_id.partition(":")
        view = self._views_by_id.get(base) or self._earlier_views_by_id.get(base)
        if view is None or not narrowed:
            return view
        try:
            return view.only(names.split(","))
        except InvalidInput:
            return None

    def answerable(self, participant_class: str, purpose: str) -> tuple[str, ...]:
        """The data sets of which this asker would get at least one field, in whatever mode."""
        return tuple(
            dataset for dataset in self.contracts if self.views_about(participant_class, purpose, dataset)
        )

    def views_on(self, dataset: str) -> list[View]:
        """Every view on a data set that lets anything out, of whatever asker."""
        return [view for key, view in self._views.items() if key[2] == dataset and view.lets_out]

    def _no_rule(self, participant_class: str, purpose: str, dataset: str, mode: str | None) -> NoRule:
        for reason, message, known in (
            ("dataset_unknown", "没有这个信息项目", dataset in self.contracts),
            ("purpose_unknown", "没有这个用途", purpose in self.purposes),
            ("participant_class_unknown", "没有这类接入机构", participant_class in self.participant_classes),
        ):
            if not known:
                return NoRule(reason, message)
        return NoRule("mode_not_offered", f"该信息项目不以此方式提供：{mode}")


def load_catalogue(contracts: Path = CONTRACTS, rules: Path = RULES) -> Catalogue:
    """Read and check every contract and rule file; the newest rules are in force. Raises `ContractError`."""
    in_order = sorted(
        map(load_contract, _files(contracts)), key=lambda one: (CATEGORIES.index(one.category), one.id)
    )
    known = {contract.id: contract for contract in in_order}
    for contract in known.values():
        if (
            "derived" not in contract.modes
        ):  # nothing of it is delivered; compile_indicators checks its examples
            check_examples(contract)
    rule_sets = [load_rule_set(path) for path in _files(rules)]
    rule_sets.sort(key=lambda rule_set: rule_set.id)
    indicators = {
        contract.id: compile_indicators(contract, known)
        for contract in known.values()
        if "derived" in contract.modes
    }
    return Catalogue(known, rule_sets[-1], tuple(rule_sets[:-1]), indicators=indicators)


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.toml"))
    if not found:
        raise ContractError(folder.name, None, "there is no file")
    return found


def check_examples(contract: Contract) -> None:
    """Every example must pass the contract's own cleaning unchanged. Raises `ContractError`."""
    header = [contract.key, *contract.field_by_name]
    cells = [_EXAMPLE_USCC, *(_as_cell(field.example) for field in contract.fields)]
    cleaned = RowCleaner(contract, header, _EXAMPLE_DAY).clean(cells)
    if isinstance(cleaned, list):
        fault = cleaned[0]
        raise ContractError(contract.file, fault.field, f"its own example is refused: {fault.reason}")
    for field in contract.fields:
        if cleaned.body[field.name] != field.example:
            stored = cleaned.body[field.name]
            raise ContractError(
                contract.file, field.name, f"its example is stored as {stored!r}: write it so"
            )


def _as_cell(example: str | int | bool) -> str:
    if isinstance(example, bool):
        return "是" if example else "否"
    return str(example)


# --- for people
# -------------------------------------------------------------------------------------------------


VERDICTS = "一致 / 不一致"


def example_of(view: View, field: Field) -> str | None:
    """What the asker of this view will see of a field, made from its example; None where nothing leaves."""
    kind = view.fields.get(field.name)
    if kind is None:
        return None
    if kind == "verify":
        return VERDICTS
    [example] = view.apply([{field.name: field.example}])
    return readable(field, kind, example[field.name])


def readable(field: Field, view: ViewKind, value: object) -> str:
    """A value of an answer as a person reads it: 5,000,000.00 元; the band [5000,7000) as 5000 至 7000 元."""
    if value is None:
        return "（无）"
    if isinstance(value, bool):
        return "是" if value else "否"
    if view == "banded" or (field.compute is not None and field.compute.band):
        return _readable_band(str(value), field.unit)
    if field.type == "money" and isinstance(value, int):
        sign = "-" if value < 0 else ""
        return f"{sign}{abs(value) // 100:,}.{abs(value) % 100:02d} {field.unit}"
    return f"{value} {field.unit}".rstrip()


def _readable_band(label: str, unit: str) -> str:
    lower, upper = label.strip("[]()").split(",")
    if lower == upper:
        return "零"
    if label == NEGATIVE:
        return "负数"
    if label.startswith(("(0,", "(-inf,")):
        return f"不足 {in_words(int(upper))} {unit}"
    if upper == "inf":
        return f"{in_words(int(lower))} {unit}及以上"
    return f"{in_words(int(lower))} 至 {in_words(int(upper))} {unit}"
