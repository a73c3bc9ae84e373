"""What all indicators of one enterprise cost, against one plain answer: two years of tax.

``python -m loadtests.bench_indicators``, some two minutes. First computing alone against cutting and masking. Then
whole answers over HTTP from a hub of one process, both kinds in turns in the same run. Every enterprise has two years
of every monthly data set and a few records of each other one.
"""

import asyncio
import gc
import statistics
import time
import timeit
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import asyncpg
import orjson

from datasets import Catalogue, Contract, load_catalogue
from loadtests.bank import Bank
from loadtests.ground import Ground, Running, Target, prepared_ground, running_hub
from loadtests.processor import Watch
from loadtests.wrk import ask_questions

DAY = date(2026, 11, 22)
MONTHS = 24
FEW = 3
REPEATS = 9
CALLS = 200
NAMED = 80
ENTERPRISES = 400
CONNECTIONS = 64
ROUNDS = 5
SECONDS = 4


def main() -> None:
    catalogue = load_catalogue()
    names = tuple(catalogue.contracts["indicators"].field_by_name)
    named = _first(catalogue, names, NAMED)
    compare_computing(catalogue, (names, named))
    bank = Bank()
    with prepared_ground(bank.jwks) as ground:
        targets = ground.targets[:ENTERPRISES]
        asyncio.run(_stock(ground.servers.owner_url, catalogue, targets))
        kinds = {
            f"{MONTHS} months of tax:": Kind("tax", {}),
            f"{NAMED} indicators by name:": Kind("indicators", {"fields": named}),
            f"all {len(names)} indicators:": Kind("indicators", {}),
        }
        compare_answers(ground, bank, targets, kinds)


# --- computing alone


def compare_computing(catalogue: Catalogue, wanted_lists: Sequence[tuple[str, ...]]) -> None:
    plan = catalogue.indicators["indicators"]
    bodies = [stored(catalogue.contracts[dataset]) for dataset, _ in plan.inputs]
    view = catalogue.view_for("bank", "credit_review", "tax", "collected")
    tax = stored(catalogue.contracts["tax"])
    plain = microseconds(lambda: view.render(tax))
    print(f"cutting and masking, {MONTHS} months of tax: {plain:.0f} µs")
    for wanted in wanted_lists:
        inputs = plan.needed(wanted)
        used = {dataset for dataset, _ in inputs}
        records = sum(
            len(orjson.loads(body))
            for (dataset, _), body in zip(plan.inputs, bodies, strict=True)
            if dataset in used
        )
        spent = microseconds(lambda wanted=wanted: plan.compute(bodies, DAY, wanted))  # type: ignore[misc]
        print(
            f"computing {len(wanted)} indicators from {records} records of {len(inputs)} data sets: "
            f"{spent:.0f} µs, {spent / plain:.1f} × as much"
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
    return orjson.dumps(list(_records(contract))).decode()


def _records(contract: Contract) -> Iterator[dict[str, object]]:
    example = {field.name: field.example for field in contract.fields}
    many = 1 if not contract.part else MONTHS if contract.period == "month" else FEW
    first = contract.field_by_name[contract.part[0]] if contract.part else None
    for back in range(min(many, contract.records_max)):
        number = DAY.year * 12 + DAY.month - 2 - back
        month = f"{number // 12}-{number % 12 + 1:02d}"
        part = {"month": month, "date": f"{month}-10", "year": DAY.year - 1 - back}
        yield example | ({first.name: part.get(first.type, f"{back}")} if first else {})


def microseconds(call: Callable[[], object]) -> float:
    gc.collect()
    return min(timeit.repeat(call, number=CALLS, repeat=REPEATS, timer=time.process_time)) / CALLS * 1e6


# --- whole answers


class Kind(NamedTuple):
    dataset: str
    more: Mapping[str, object]


class Cost(NamedTuple):
    """Microseconds of one answer: of the processes, and of the time that passes at full load."""

    hub: float
    postgresql: float
    passed: float


def compare_answers(ground: Ground, bank: Bank, targets: Sequence[Target], kinds: dict[str, Kind]) -> None:
    costs: dict[str, list[Cost]] = {name: [] for name in kinds}
    with running_hub(ground) as hub:
        for _ in range(ROUNDS + 1):
            for name, kind in kinds.items():
                costs[name].append(_cost(ground, hub, bank, targets, kind))
    plain, *others = (
        (name, Cost(*map(statistics.median, zip(*several[1:], strict=True))))  # the first is to warm up
        for name, several in costs.items()
    )
    print(f"whole answers, {CONNECTIONS} connections: {plain[0]} {_told(plain[1])}")
    for name, cost in others:
        ratios = [one / other for one, other in zip(cost, plain[1], strict=True)]
        print(f"  {name} {_told(cost)}: {ratios[0]:.1f} ×, {ratios[1]:.1f} ×, {ratios[2]:.1f} ×")


def _told(cost: Cost) -> str:
    return f"hub {cost.hub:.0f} µs, PostgreSQL {cost.postgresql:.0f} µs, passed {cost.passed:.0f} µs"


def _cost(ground: Ground, hub: Running, bank: Bank, targets: Sequence[Target], kind: Kind) -> Cost:
    watch = Watch({"hub": hub.pid, "postgresql": ground.servers.postgres_pid})
    load = ask_questions(
        hub.url,
        kind.dataset,
        bank.headers(bank.token(hub.url)),
        targets,
        folder=ground.folder,
        connections=CONNECTIONS,
        seconds=SECONDS,
        more=kind.more,
    )
    if load.refused or load.socket_errors:
        raise RuntimeError(f"{kind.dataset}: {load.refused} refused, {load.socket_errors} connections broke")
    parts = watch.used().by_part
    return Cost(
        parts["hub"] / load.completed * 1e6,
        parts["postgresql"] / load.completed * 1e6,
        load.seconds / load.completed * 1e6,
    )


async def _stock(owner_url: str, catalogue: Catalogue, targets: Sequence[Target]) -> None:
    """Records of every input for each target, written directly: taking them in is measured elsewhere."""
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute("UPDATE consents SET datasets = '{registration,tax,indicators}'")
        intake_id = await connection.fetchval("SELECT min(intake_id) FROM intakes")
        for dataset, _ in catalogue.indicators["indicators"].inputs:
            await connection.execute("SELECT ensure_record_partition($1)", dataset)
            await connection.execute("DELETE FROM records WHERE dataset = $1", dataset)
            contract = catalogue.contracts[dataset]
            rows = [
                (dataset, target.uscc, _part(contract, record), orjson.dumps(record).decode(), DAY, intake_id)
                for target in targets
                for record in _records(contract)
            ]
            await connection.executemany(
                "INSERT INTO records (dataset, uscc, part, body, digest, as_of, intake_id) "
                "VALUES ($1, $2, $3, $4, '', $5, $6)",
                rows,
            )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def _part(contract: Contract, record: dict[str, object]) -> str:
    return "\x1f".join(str(record[name]) for name in contract.part)


if __name__ == "__main__":
    main()
