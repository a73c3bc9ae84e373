"""Views: contract × rule set × asker, compiled at start into what one answer may show, field by field.

`View.render` is the hot path: stored bodies in, JSON out, in one generated function. It decodes only the
fields that may leave (a field that no rule names is not even read), changes the masked and banded ones and
leaves the rest alone. `View.apply` does the same on dictionaries, one field at a time; the tests hold the two
against each other.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

import msgspec
import orjson

from core.errors import InvalidInput
from datasets.contract import Contract, Field, FieldType, Mode, ViewKind
from datasets.indicators import IndicatorPlan
from datasets.masks import MASKS
from datasets.sharing import Cell, Rule, RuleSet

Record = Mapping[str, Any]

WithheldReason = Literal["no_rule", "rule_refuses", "field_allows_none", "dataset_withheld"]

_AS_RECORDS: frozenset[ViewKind] = frozenset({"raw", "masked", "banded"})
VIEWS_OF_MODE: dict[Mode, frozenset[ViewKind]] = {
    "collected": _AS_RECORDS,
    "live": _AS_RECORDS,
    "derived": frozenset({"derived"}),
    "verify": frozenset({"verify"}),
}
"""The views in which a field can leave in each mode: a record's own value, a figure made of many, a yes or no."""

REASONS_WHY_WITHHELD: dict[WithheldReason, tuple[str, str]] = {
    "no_rule": ("没有规则允许提供", "no rule lets it out"),
    "rule_refuses": ("规则不允许提供", "a rule keeps it in"),
    "field_allows_none": (
        "规则允许的呈现方式，该数据项都不允许",
        "the field allows none of the views the rule offers",
    ),
    "dataset_withheld": ("该信息项目不予共享", "the data set is not shared"),
}


@dataclass(frozen=True, slots=True)
class FieldDecision:
    """Why one field leaves in this view, or does not: exactly one of ``view`` and ``withheld`` is set."""

    field: str
    title: str
    level: int
    view: ViewKind | None
    withheld: WithheldReason | None
    rule_id: str | None
    because: str
    because_en: str


@dataclass(frozen=True, eq=False)
class View:
    """What participants of one class get of one data set for one purpose in one mode. Made once, never
    changed.

    ``fields`` (name → kind of view) and ``withheld`` go into every answer as they stand; ``views_json`` and
    ``withheld_json`` are the same, encoded once for the hot path. `apply` and `render` are compiled when they
    are first needed: of some hundred views a hub has, it answers in a few dozen.
    """

    view_id: str
    rule_set_id: str
    participant_class: str
    purpose: str
    mode: Mode
    contract: Contract
    decisions: tuple[FieldDecision, ...]
    fields: dict[str, ViewKind]
    withheld: tuple[str, ...]
    plan: "tuple[_Step, ...]"
    views_json: orjson.Fragment
    withheld_json: orjson.Fragment
    dataset: str
    owner: str
    price_fen: int
    inputs: tuple[tuple[str, int], ...]
    """what has to be read for it: data sets, and of each the newest so many records"""
    lets_out: bool
    """Whether any field at all may leave; if not, the question is refused."""
    indicators: IndicatorPlan | None = None
    """how figures are computed, in mode ``derived`` (which `apply` and `render` are not for)"""

    @property
    def answers(self) -> bool:
        """Whether an answer can be made by it: of computed figures only while it is known how to compute them."""
        return self.mode != "derived" or self.indicators is not None

    @cached_property
    def apply(self) -> Callable[[Sequence[Record]], list[dict[str, Any]]]:
        """Stored records → what leaves, in the same order. Pure."""
        return _applier(self.plan)

    @cached_property
    def render(self) -> Callable[[str | bytes], bytes]:
        """The same from a JSON array of stored bodies (as `read_records` gives it) to a JSON array. Pure."""
        return _renderer(self.plan)

    def only(self, names: Sequence[str]) -> "View":
        """The same view cut down to some fields, whose names its id then carries. Raises `InvalidInput`."""
        return _narrowed(self, tuple(names))

    def explain(self) -> list[dict[str, Any]]:
        """Per field: what is shown or why not, by which rule. JSON-ready."""
        return [
            {
                "field": decision.field,
                "title": decision.title,
                "level": decision.level,
                "view": decision.view,
                "withheld": decision.withheld,
                "rule_set": self.rule_set_id,
                "rule": decision.rule_id,
                "because": decision.because,
                "because_en": decision.because_en,
            }
            for decision in self.decisions
        ]


def compile_view(
    contract: Contract,
    rule_set: RuleSet,
    participant_class: str,
    purpose: str,
    mode: Mode,
    indicators: IndicatorPlan | None = None,
) -> View:
    """Decide every field once. A view that lets nothing out is a view too: its decisions say why."""
    decisions = tuple(
        _decide(
            contract,
            field,
            rule_set,
            Cell(participant_class, purpose, contract.sharing_class, mode, field.level),
        )
        for field in contract.fields
    )
    shown = {decision.field: decision.view for decision in decisions if decision.view is not None}
    withheld = tuple(decision.field for decision in decisions if decision.view is None)
    plan = tuple(_Step.of(contract, contract.field_by_name[name], kind) for name, kind in shown.items())
    return View(
        view_id=_view_id(contract, rule_set, participant_class, purpose, mode, plan),
        rule_set_id=rule_set.id,
        participant_class=participant_class,
        purpose=purpose,
        mode=mode,
        contract=contract,
        decisions=decisions,
        fields=shown,
        withheld=withheld,
        plan=plan,
        views_json=orjson.Fragment(orjson.dumps(shown)),
        withheld_json=orjson.Fragment(orjson.dumps(withheld)),
        dataset=contract.id,
        owner=contract.owner,
        price_fen=contract.price_fen,
        inputs=indicators.needed(tuple(shown)) if indicators else ((contract.id, contract.records_max),),
        lets_out=bool(shown),
        indicators=indicators,
    )


@lru_cache(maxsize=4096)
def _narrowed(view: View, wanted: tuple[str, ...]) -> View:
    names = frozenset(wanted)
    strangers = sorted(names - view.contract.field_by_name.keys())
    if strangers:
        raise InvalidInput("fields_invalid", errors=dict.fromkeys(strangers[:20], "no such field"))
    decisions = tuple(decision for decision in view.decisions if decision.field in names)
    shown = {name: kind for name, kind in view.fields.items() if name in names}
    withheld = tuple(name for name in view.withheld if name in names)
    return replace(
        view,
        view_id=f"{view.view_id}:{','.join(decision.field for decision in decisions)}",
        decisions=decisions,
        fields=shown,
        withheld=withheld,
        plan=tuple(step for step in view.plan if step.field in names),
        views_json=orjson.Fragment(orjson.dumps(shown)),
        withheld_json=orjson.Fragment(orjson.dumps(withheld)),
        inputs=view.indicators.needed(tuple(shown)) if view.indicators else view.inputs,
        lets_out=bool(shown),
    )


def _decide(contract: Contract, field: Field, rule_set: RuleSet, cell: Cell) -> FieldDecision:
    rule = rule_set.rule_for(cell)
    view, withheld = _view_or_reason(contract, field, rule, cell.mode)
    because, because_en = (rule.because, rule.because_en) if rule else REASONS_WHY_WITHHELD["no_rule"]
    if withheld in ("field_allows_none", "dataset_withheld"):
        because, because_en = REASONS_WHY_WITHHELD[withheld]
    return FieldDecision(
        field.name, field.title, field.level, view, withheld, rule.id if rule else None, because, because_en
    )


def _view_or_reason(
    contract: Contract, field: Field, rule: Rule | None, mode: Mode
) -> tuple[ViewKind | None, WithheldReason | None]:
    if contract.sharing_class == "withheld":
        return None, "dataset_withheld"
    if rule is None:
        return None, "no_rule"
    if not rule.views:
        return None, "rule_refuses"
    for view in rule.views:
        if view in field.views and view in VIEWS_OF_MODE[mode]:
            return view, None
    return None, "field_allows_none"


class _Step(msgspec.Struct, frozen=True):
    """How one field leaves. ``cuts`` and ``labels`` for a band, ``mask`` for a mask, neither for raw."""

    field: str
    kind: ViewKind
    type: FieldType
    mask: str = ""
    cuts: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, contract: Contract, field: Field, kind: ViewKind) -> "_Step":
        if kind == "banded":
            table = contract.band_tables[field.name]
            return cls(field.name, kind, field.type, cuts=table.cuts, labels=table.labels)
        return cls(field.name, kind, field.type, mask=field.mask if kind == "masked" else "")

    def transform(self) -> Callable[[Any], Any] | None:
        """Stored value → shown value, for a value that is there; None: as it is."""
        if self.kind == "masked":
            return MASKS[self.mask]
        if self.kind == "banded":
            cuts, labels = self.cuts, self.labels
            return lambda stored: labels[bisect_right(cuts, stored)]
        return None


def _view_id(
    contract: Contract,
    rule_set: RuleSet,
    participant_class: str,
    purpose: str,
    mode: Mode,
    plan: tuple[_Step, ...],
) -> str:
    """Stable over restarts and machines; another one as soon as an answer could look different."""
    facts = [rule_set.id, contract.id, contract.version, participant_class, purpose, mode, plan]
    return "view-" + hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:20]


def _applier(plan: tuple[_Step, ...]) -> Callable[[Sequence[Record]], list[dict[str, Any]]]:
    """A comprehension written out for these fields; values are read by name, so nothing else can slip out."""
    parts, names = [], _Names()
    for step in plan:
        read, transform = f"read({step.field!r})", step.transform()
        if step.kind == "banded":
            cuts, labels = names.bind(list(step.cuts)), names.bind(step.labels)
            read = f"None if (value := {read}) is None else {labels}[bisect_right({cuts}, value)]"
        elif transform is not None:
            read = f"None if (value := {read}) is None else {names.bind(transform)}(value)"
        parts.append(f"{step.field!r}: {read}")
    body = f"    return [{{{', '.join(parts)}}} for read in [record.get for record in records]]"
    function: Callable[[Sequence[Record]], list[dict[str, Any]]] = names.define("apply(records", body)
    return function


def _renderer(plan: tuple[_Step, ...]) -> Callable[[str | bytes], bytes]:
    """Decode into a structure that has only these fields, change what is masked or banded in place, encode.

    The structure is made by the decoder for this one call, so nobody else sees the change.
    """
    shape: Any = msgspec.defstruct("Shown", [(step.field, Any, None) for step in plan], gc=False)
    names = _Names()
    lines: list[str] = []
    decode, encode = (
        names.bind(msgspec.json.Decoder(list[shape]).decode),
        names.bind(msgspec.json.Encoder().encode),
    )
    for step in plan:
        transform = step.transform()
        if transform is None:
            continue
        shown = f"{names.bind(transform)}(value)"
        if step.kind == "banded":
            shown = f"{names.bind(step.labels)}[bisect_right({names.bind(list(step.cuts))}, value)]"
        lines.append(f"        if (value := row.{step.field}) is not None: row.{step.field} = {shown}")
    loop = ["    for row in rows:", *lines] if lines else []
    body = "\n".join([f"    rows = {decode}(bodies)", *loop, f"    return {encode}(rows)"])
    function: Callable[[str | bytes], bytes] = names.define("render(bodies", body)
    return function


class _Names:
    """Objects that a generated function uses, bound as default arguments: local variables are the fastest."""

    def __init__(self) -> None:
        self._bound: dict[str, object] = {"bisect_right": bisect_right}

    def bind(self, value: object) -> str:
        name = f"bound_{len(self._bound)}"
        self._bound[name] = value
        return name

    def define(self, head: str, body: str) -> Any:
        """Compile ``def {head}, …):`` with everything bound; the text holds nothing but checked names."""
        defaults = ", ".join(f"{name}={name}" for name in self._bound)
        namespace = dict(self._bound)
        source = compile(f"def {head}, {defaults}):\n{body}\n", "<view>", "exec")
        exec(source, namespace)  # noqa: S102 - as dataclasses do
        return namespace[head.split("(", 1)[0]]
