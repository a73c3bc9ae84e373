"""What all indicators of one enterprise cost to compute, against cutting and masking one plain answer.

``python -m loadtests.bench_indicators``. This process's own time only, both in the same run: no database, no HTTP.
The enterprise has two years of every monthly data set and a few records of each other one; the plain answer is two
years of tax.
"""

import gc
import time
import timeit
from collections.abc import Callable
from datetime import date

import orjson

from datasets import Catalogue, Contract, load_catalogue

DAY = date(2026, 11, 22)
MONTHS = 24
FEW = 3
REPEATS = 9
CALLS = 200


def main() -> None:
    catalogue = load_catalogue()
    plan = catalogue.indicators["indicators"]
    names = tuple(catalogue.contracts["indicators"].field_by_name)
    bodies = [stored(catalogue.contracts[dataset]) for dataset, _ in plan.inputs]
    view = catalogue.view_for("bank", "credit_review", "tax", "collected")
    tax = stored(catalogue.contracts["tax"])
    plain = microseconds(lambda: view.render(tax))
    print(f"plain answer, {MONTHS} months of tax: {plain:.0f} µs")
    for wanted in (names, _first(catalogue, names, 80)):
        inputs = plan.needed(wanted)
        used = {dataset for dataset, _ in inputs}
        records = sum(
            len(orjson.loads(body))
            for (dataset, _), body in zip(plan.inputs, bodies, strict=True)
            if dataset in used
        )
        spent = microseconds(lambda wanted=wanted: plan.compute(bodies, DAY, wanted))  # type: ignore[misc]
        print(
            f"{len(wanted)} indicators from {records} records of {len(inputs)} data sets: "
            f"{spent:.0f} µs, {spent / plain:.1f} × the plain answer's cutting and masking"
        )


def _first(catalogue: Catalogue, names: tuple[str, ...], many: int) -> tuple[str, ...]:
    """Those of the data sets that have the most indicators."""
    by_dataset: dict[str, list[str]] = {}
    for name in names:
        compute = catalogue.contracts["indicators"].field_by_name[name].compute
        if compute is not None:
            by_dataset.setdefault(compute.dataset, []).append(name)
    chosen = [name for several in sorted(by_dataset.values(), key=len, reverse=True) for name in several]
    return tuple(chosen[:many])


def stored(contract: Contract) -> str:
    """Records as the shelf gives them: the contract's example over and over, one month earlier each time."""
    example = {field.name: field.example for field in contract.fields}
    many = 1 if not contract.part else MONTHS if contract.period == "month" else FEW
    first = contract.field_by_name[contract.part[0]] if contract.part else None
    records = []
    for back in range(min(many, contract.records_max)):
        number = DAY.year * 12 + DAY.month - 2 - back
        month = f"{number // 12}-{number % 12 + 1:02d}"
        part = {"month": month, "date": f"{month}-10", "year": DAY.year - 1 - back}
        records.append(example | ({first.name: part.get(first.type, f"{back}")} if first else {}))
    return orjson.dumps(records).decode()


def microseconds(call: Callable[[], object]) -> float:
    gc.collect()
    return min(timeit.repeat(call, number=CALLS, repeat=REPEATS, timer=time.process_time)) / CALLS * 1e6


if __name__ == "__main__":
    main()
