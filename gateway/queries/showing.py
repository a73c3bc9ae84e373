"""What leaves: from the records that were gathered to the parts of an answer, by mode.

Pure: the same view, material and instant give the same bytes. A retry depends on it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
import orjson

from core.clock import china_day
from datasets import ABSENCE_NOTE, Mode, Shelved, View, answers_anything, verify
from gateway.queries.gathering import Material

DeliveredBy = Callable[[datetime], Collection[str]]


class Shown(NamedTuple):
    """``parts`` go into the answer as they stand; ``as_of`` and ``as_of_oldest`` are None when nothing was found."""

    record_ids: Sequence[int]
    as_of: date | None
    as_of_oldest: date | None
    parts: dict[str, Any]
    note: str | None = None

    @property
    def found(self) -> bool:
        return bool(self.record_ids)


def show(view: View, material: Material, at: datetime, delivered_by: DeliveredBy) -> Shown:
    """``delivered_by``: the data sets of which the hub had got anything at all by an instant."""
    return _SHOW[view.mode](view, material, at, delivered_by)


def _show_records(view: View, material: Material, at: datetime, delivered_by: DeliveredBy) -> Shown:
    [shelved] = material.shelved
    records = orjson.Fragment(view.render(shelved.bodies))
    if not shelved.found:
        return Shown((), None, None, {"disputed": [], "records": records}, _NOT_FOUND[view.mode])
    disputed = [shelved.record_ids.index(record_id) for record_id in shelved.disputed]
    parts = {"disputed": disputed, "records": records}
    return Shown(shelved.record_ids, shelved.as_of_newest, shelved.as_of, parts)


def _show_indicators(view: View, material: Material, at: datetime, delivered_by: DeliveredBy) -> Shown:
    """One record of figures, and from which records they were made.

    An input that its owner never delivered makes its figures null, not zero.
    """
    plan = view.indicators
    assert plan is not None
    delivered = delivered_by(at)
    by_dataset = {
        dataset: shelved for (dataset, _), shelved in zip(view.inputs, material.shelved, strict=True)
    }
    bodies = [_bodies_of(by_dataset.get(dataset), dataset in delivered) for dataset, _ in plan.inputs]
    records = orjson.Fragment(plan.compute(bodies, china_day(at), tuple(view.fields)))
    inputs = [_input_json(dataset, shelved, delivered) for dataset, shelved in by_dataset.items()]
    parts = {"inputs": inputs, "records": records}
    found = [shelved for shelved in material.shelved if shelved.found]
    if not found:
        return Shown((), None, None, parts, _NOT_FOUND["derived"])
    record_ids = [record_id for shelved in found for record_id in shelved.record_ids]
    newest = max(shelved.as_of_newest for shelved in found if shelved.as_of_newest)
    return Shown(record_ids, newest, min(shelved.as_of for shelved in found if shelved.as_of), parts)


def _bodies_of(shelved: Shelved | None, delivered: bool) -> str | None:
    if shelved is None:
        return "[]"  # an input that no wanted figure needs
    return shelved.bodies if shelved.found or delivered else None


def _input_json(dataset: str, shelved: Shelved, delivered: Collection[str]) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "delivered": shelved.found or dataset in delivered,
        "records": len(shelved.record_ids),
        "disputed": len(shelved.disputed),
        "as_of": shelved.as_of_newest,
        "as_of_oldest": shelved.as_of,
    }


def _show_verdicts(view: View, material: Material, at: datetime, delivered_by: DeliveredBy) -> Shown:
    """Match or mismatch. Where every verdict is unknown nothing tells a missing record from an empty field."""
    [shelved] = material.shelved
    verdicts = verify(material.checks, shelved.bodies) if material.checks else []
    told = orjson.Fragment(msgspec.json.encode(verdicts))
    if not answers_anything(verdicts):
        return Shown((), None, None, {"disputed": False, "verdicts": told}, _NOT_FOUND["verify"])
    parts = {"disputed": bool(shelved.disputed), "verdicts": told}
    return Shown(shelved.record_ids, shelved.as_of_newest, shelved.as_of, parts)


_NOT_FOUND: Mapping[Mode, str] = {
    "collected": f"{ABSENCE_NOTE}：归集库中暂无该企业的此项数据。",
    "live": f"{ABSENCE_NOTE}：经向责任单位实时查询，未查到该企业的此项数据。",
    "derived": f"{ABSENCE_NOTE}：归集库中暂无计算这些指标所需的数据。",
    "verify": f"{ABSENCE_NOTE}：暂无可供核对的数据。",
}

_SHOW: Mapping[Mode, Callable[[View, Material, datetime, DeliveredBy], Shown]] = {
    "collected": _show_records,
    "live": _show_records,
    "derived": _show_indicators,
    "verify": _show_verdicts,
}
