"""Indicators: what the compiled way gives is what the definitions say, and nothing that may not be known."""

import copy
import itertools
import tomllib
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import Catalogue, Contract, ContractError, Field, load_catalogue
from datasets.catalogue import CONTRACTS
from datasets.contract import contract_from
from datasets.indicator_kinds import decimal_text, half_even, root
from datasets.indicator_sheets import scaled
from datasets.indicators import KINDS, IndicatorPlan, compile_indicators, describe
from tests.datasets.naive_indicators import naive_indicator
from tests.datasets.worked_indicators import EXPECTED, RECORDS

CATALOGUE = load_catalogue()
INDICATORS = CATALOGUE.contracts["indicators"]
PLAN = compile_indicators(INDICATORS, CATALOGUE.contracts)
TODAY = date(2026, 11, 22)

Records = dict[str, list[dict[str, Any]] | None]


# --- the data set of indicators itself


def test_there_are_well_over_eighty_indicators_over_the_data_sets() -> None:
    assert len(INDICATORS.fields) >= 80
    assert len(PLAN.inputs) >= 20
    assert {field.compute.kind for field in INDICATORS.fields if field.compute} == set(KINDS) - {"min"}


@pytest.mark.parametrize("field", INDICATORS.fields, ids=lambda field: field.name)
def test_each_says_what_it_is_over_which_window_from_what_and_what_null_means(field: Field) -> None:
    said = describe(INDICATORS, field, CATALOGUE.contracts)
    assert said["definition"].endswith("。")
    assert said["null_means"].startswith("空值表示：")
    assert said["window"]
    assert (said["unit"] is None) == (field.type in ("boolean", "code") and not field.unit)
    [source] = said["inputs"]
    assert source["fields"] or said["kind"] == "count"
    assert set(source["fields"]) <= CATALOGUE.contracts[source["dataset"]].field_by_name.keys()


def test_no_indicator_is_less_sensitive_than_what_it_is_made_of() -> None:
    for field in INDICATORS.fields:
        [source] = describe(INDICATORS, field, CATALOGUE.contracts)["inputs"]
        used = [CATALOGUE.contracts[source["dataset"]].field_by_name[name] for name in source["fields"]]
        assert field.level >= max((one.level for one in used), default=1)
        assert all("derived" in one.views for one in used)


AMOUNTS_APART = 1.01
"""from one guess to the next"""
GUESSES = 18
"""1.01 ** 18 is the LEAST_SPREAD of 1.2 but for less than one step"""


def of_amounts(field: Field) -> bool:
    compute = field.compute
    assert compute is not None
    source = CATALOGUE.contracts[compute.dataset]
    sensitive = any(source.field_by_name[name].level >= 4 for name in (*compute.figure, *compute.divisor))
    return sensitive and compute.kind != "distinct"


def test_what_is_reckoned_from_amounts_of_level_four_leaves_as_a_band() -> None:
    covered = [field for field in INDICATORS.fields if of_amounts(field)]
    assert len(covered) > 25
    assert all(field.compute and field.compute.band and field.type == "code" for field in covered)


@st.composite
def amounts_on_record(draw: st.DrawFn, dataset: str) -> list[dict[str, Any]]:
    """Forty records without gaps, newest first; nothing negative, and some amounts far from all others."""
    source = CATALOGUE.contracts[dataset]
    amounts = st.integers(10**6, 10**7) | st.integers(10**4, 10**11)
    money = [field.name for field in source.fields if field.type == "money"]
    first = source.field_by_name[source.part[0]]
    rows = []
    for back in range(40):
        month = 2026 * 12 + 9 - back
        place = {"month": f"{month // 12}-{month % 12 + 1:02d}", "year": 2025 - back}.get(
            first.type, first.example
        )
        rows.append(example_of(dataset) | {name: draw(amounts) for name in money} | {first.name: place})
    return rows if first.type in ("month", "year") else rows[:5]


@pytest.mark.parametrize(
    "field", [field for field in INDICATORS.fields if of_amounts(field)], ids=lambda field: field.name
)
@settings(max_examples=15)
@given(data=st.data())
def test_who_knows_every_other_amount_learns_no_more_than_a_band(field: Field, data: st.DataObject) -> None:
    """One amount of all that the indicator is made of is unknown: it may be as much as a fifth greater or less."""
    compute = field.compute
    assert compute is not None
    source = CATALOGUE.contracts[compute.dataset]
    rows = data.draw(amounts_on_record(source.id))
    secret = data.draw(
        st.sampled_from(
            [n for n in (*compute.figure, *compute.divisor) if source.field_by_name[n].level >= 4]
        )
    )
    row = data.draw(st.sampled_from(rows))

    def answer(amount: int) -> Any:
        changed = [{**one, secret: amount} if one is row else one for one in rows]
        return computed(PLAN, {source.id: changed}, TODAY, wanted=(field.name,))[field.name]

    def guesses(factor: float) -> int:
        """How many amounts in a row, each so much greater or less, would have had the same answer."""
        alike = (answer(round(row[secret] * factor**step)) == told for step in range(1, GUESSES + 1))
        return sum(itertools.takewhile(bool, alike))

    told = answer(row[secret])
    assert guesses(AMOUNTS_APART) + guesses(1 / AMOUNTS_APART) >= GUESSES - 1


# --- one enterprise, reckoned by hand


def whole(records: dict[str, list[dict[str, Any]]]) -> Records:
    """With every field of the contract, as records are stored."""
    return {
        dataset: [dict.fromkeys(CATALOGUE.contracts[dataset].field_by_name) | row for row in rows]
        for dataset, rows in records.items()
    }


def test_every_indicator_has_a_worked_example() -> None:
    assert EXPECTED.keys() == INDICATORS.field_by_name.keys()
    assert RECORDS.keys() == {one.dataset for one in PLAN.inputs}


@pytest.mark.parametrize("indicator", EXPECTED)
def test_the_worked_example_comes_out(indicator: str) -> None:
    assert computed(PLAN, whole(RECORDS), TODAY, wanted=(indicator,)) == {indicator: EXPECTED[indicator]}


# --- the fast way against the plain one


def computed(plan: IndicatorPlan, records: Records, day: date, **options: Any) -> dict[str, Any]:
    """As the hub does it: no more records than the plan wants, newest part first."""
    bodies = [
        None if (found := records.get(one.dataset, [])) is None else stored(found[: one.records_max])
        for one in plan.inputs
    ]
    [answer] = orjson.loads(plan.compute(bodies, day, **options)) or [{}]
    return dict(answer)


def stored(records: list[dict[str, Any]]) -> str:
    return orjson.dumps(records).decode()


def naively(
    contract: Contract, contracts: dict[str, Contract], plan: IndicatorPlan, records: Records, day: date
) -> dict[str, Any]:
    limits = dict(plan.inputs)
    found = {}
    for field in contract.fields:
        assert field.compute is not None
        name = field.compute.dataset
        found[field.name] = naive_indicator(
            contract, field, contracts[name], records.get(name, []), day, limits[name]
        )
    return found


EDGES = [
    date(2024, 2, 29),
    date(2025, 3, 1),
    date(2025, 12, 31),
    date(2026, 1, 1),
    date(2026, 10, 31),
    date(2026, 11, 30),
]
DAYS = st.dates(date(2024, 1, 1), date(2026, 12, 31)) | st.sampled_from(EDGES)


def values_of(field: Field) -> st.SearchStrategy[Any]:
    nothing = st.nothing() if field.required else st.none()
    if field.type == "money":
        return nothing | st.sampled_from([0, 0, 1, -1, 50_000]) | st.integers(-(10**9), 10**12)
    if field.type == "integer":
        return nothing | st.integers(0, 60)
    if field.type == "decimal":
        whole = st.decimals(-5, 10**6, places=3, allow_nan=False).map(lambda number: f"{number:f}")
        return nothing | whole | st.sampled_from(["0", "12", "0.000000000000000001"])
    if field.type == "boolean":
        return nothing | st.booleans()
    if field.type == "code":
        return nothing | st.sampled_from(field.allowed)
    if field.type == "date":
        return nothing | st.dates(date(2022, 1, 1), date(2027, 12, 31)).map(date.isoformat)
    if field.type == "month":
        return nothing | st.integers(2022 * 12, 2026 * 12 + 11).map(lambda n: f"{n // 12}-{n % 12 + 1:02d}")
    if field.type == "year":
        return nothing | st.integers(2018, 2026)
    return nothing | st.sampled_from(["甲", "乙", "C3484", "7010", "法定代表人变更", str(field.example)])


def records_of(contract: Contract, fields: set[str], most: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Records with what a plan looks at and their part, one per part, the greatest first; months also in a row."""
    names = {*fields, *contract.part}
    one = st.fixed_dictionaries(
        {name: values_of(field) for name, field in contract.field_by_name.items() if name in names}
    )

    def part(record: dict[str, Any]) -> tuple[str, ...]:
        return tuple(str(record[name]) for name in contract.part)

    scattered = st.lists(one, max_size=most if contract.part else 1, unique_by=part)
    if not contract.part or contract.field_by_name[contract.part[0]].type != "month":
        return scattered.map(lambda found: sorted(found, key=part, reverse=True))
    newest = st.integers(2023 * 12 + 11, 2026 * 12 + 11)
    rows = st.lists(one, max_size=most)
    return scattered.map(lambda found: sorted(found, key=part, reverse=True)) | st.builds(
        lambda found, start: [
            row | {contract.part[0]: f"{(start - back) // 12}-{(start - back) % 12 + 1:02d}"}
            for back, row in enumerate(found)
        ],
        rows,
        newest,
    )


def fields_used(contract: Contract, dataset: str, contracts: dict[str, Contract]) -> set[str]:
    return {
        name
        for field in contract.fields
        for source in describe(contract, field, contracts)["inputs"]
        if source["dataset"] == dataset
        for name in source["fields"]
    }


@pytest.mark.parametrize("dataset", [one.dataset for one in PLAN.inputs])
@settings(max_examples=25)
@given(data=st.data())
def test_every_indicator_is_what_its_definition_says(dataset: str, data: st.DataObject) -> None:
    source = CATALOGUE.contracts[dataset]
    records: Records = {
        dataset: data.draw(records_of(source, fields_used(INDICATORS, dataset, CATALOGUE.contracts), 40))
    }
    day = data.draw(DAYS)
    mine = tuple(
        field.name for field in INDICATORS.fields if field.compute and field.compute.dataset == dataset
    )
    expected = naively(INDICATORS, CATALOGUE.contracts, PLAN, records, day)
    if not records[dataset]:
        assert computed(PLAN, records, day) == {}
        return
    assert computed(PLAN, records, day, wanted=mine) == {name: expected[name] for name in mine}


HEAD: dict[str, Any] = {
    "version": 1, "title": "样例", "title_en": "Made up", "category": "纳税", "owner": "样例局", "description": "样例。",
    "sharing_class": "consented", "key": "uscc", "key_sources": [], "retention_months": 60, "price_fen": 1,
    "period": "month", "as_of": "delivery",
}  # fmt: skip
ANY = ["raw", "derived"]


def a_field(kind: str, example: Any, **more: Any) -> dict[str, Any]:
    return {
        "title": "样例",
        "title_en": "One",
        "type": kind,
        "level": 1,
        "views": ANY,
        "example": example,
    } | more


def money(example: int = 100, **more: Any) -> dict[str, Any]:
    sources = [{"name": "X", "unit": "元"}] if not more.get("views") else []
    return a_field("money", example, unit="元", sources=sources) | more


def source_contract(name: str, part: list[str], fields: dict[str, Any], **more: Any) -> Contract:
    data = HEAD | {
        "id": name, "modes": ["collected"], "part": part, "records_max": 12 if part else 1,
        "refresh_days": 31, "fields": fields,
    }  # fmt: skip
    return contract_from(data | more, file=f"{name}.toml")


FIGURES: dict[str, Any] = {
    "amount_fen": money(),
    "other_fen": a_field("money", 100, unit="元"),
    "people": a_field("integer", 3),
    "volume": a_field("decimal", "1.5"),
    "grade": a_field("code", "A", allowed=["A", "B", "C"]),
    "flag": a_field("boolean", True),
    "ended_on": a_field("date", "2026-01-01"),
}
MONTH = a_field("month", "2026-10", required=True)
TEXT = a_field("text", "甲", required=True)
DATE = a_field("date", "2026-10-10", required=True)
YEAR = a_field("year", 2025, required=True)
SOURCES = {
    contract.id: contract
    for contract in (
        source_contract("bills", ["period"], {"period": MONTH, **FIGURES}),
        source_contract("meters", ["period", "account"], {"period": MONTH, "account": TEXT, **FIGURES}),
        source_contract("readings", ["read_on", "account"], {"read_on": DATE, "account": TEXT, **FIGURES}),
        source_contract("items", ["number"], {"number": TEXT, **FIGURES}, refresh_days=62),
        source_contract("reports", ["year"], {"year": YEAR, **FIGURES}, refresh_days=200),
        source_contract("facts", [], FIGURES),
    )
}
IN_TIME = ("bills", "meters", "readings", "reports")
WHERES: list[list[dict[str, Any]]] = [
    [],
    [{"field": "amount_fen", "is": "positive"}],
    [{"field": "grade", "in": ["A", "B"]}, {"field": "ended_on", "is": "current"}],
    [{"field": "grade", "not_in": ["C"]}, {"field": "flag", "is": "yes"}],
    [{"field": "volume", "is": "positive"}, {"field": "ended_on", "is": "past"}],
    [{"field": "flag", "is": "no"}],
    [{"field": "ended_on", "is": "empty"}],
    [{"field": "people", "is": "given"}],
]
TYPE_OF = {"amount_fen": "money", "people": "integer", "volume": "decimal", "grade": "code"}


class MadeUp:
    """Every kind over every sort of data set, with and without windows, conditions and figures of each type."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self._wheres = itertools.cycle(WHERES)
        for dataset in SOURCES:
            self.place = {"at": "ended_on"} if dataset in ("items", "facts") else {}
            for months in (0, 12, 24) if dataset in IN_TIME else (0,):
                base = {"dataset": dataset, "months": months}
                self.add_counts(base)
                for figure in ("amount_fen", "people", "volume", ["amount_fen", "other_fen"]):
                    self.add_figures(base, figure)
                self.add_ratios(base)
                for kind in ("longest_gap", "missing", "consecutive"):
                    self.add(kind, "integer", "个月", **base, **self.place)
            self.add_times(dataset)
        for where in WHERES[1:]:
            self.add("holds", "boolean", "", dataset="facts", where=where)

    def add(self, kind: str, result: str, unit: str, **compute: Any) -> None:
        example = {"money": 1, "integer": 1, "decimal": "1.00", "boolean": True}.get(result, "A")
        if compute.get("band"):
            result, example = "code", "[0,0]"
        name = f"i{len(self.fields)}_{kind}" + ("_fen" if result == "money" else "")
        field = a_field(result, example, unit=unit, views=["derived"], description="样例。")
        if example == "A":
            field["allowed"] = ["A", "B", "C"]
        self.fields[name] = field | {"compute": {"kind": kind, "where": next(self._wheres)} | compute}

    def add_counts(self, base: dict[str, Any]) -> None:
        self.add("count", "integer", "次", **base, absent="zero")
        self.add("exists", "boolean", "", **base, absent="zero")
        self.add("distinct", "integer", "个", **base, of="grade")
        self.add("latest", "code", "", **base, of="grade")
        self.add("share", "decimal", "%", **base, where=WHERES[2])

    def add_figures(self, base: dict[str, Any], figure: str | list[str]) -> None:
        kind_of = TYPE_OF[figure if isinstance(figure, str) else "amount_fen"]
        for kind in ("sum", "min", "max", *(["latest"] if isinstance(figure, str) else [])):
            self.add(kind, kind_of, "元", **base, of=figure)
        self.add("sum", kind_of, "元", **base, of=figure, absent="zero")
        self.add("largest_share", "decimal", "%", **base, of=figure)
        self.add("mean", "money" if kind_of == "money" else "decimal", "元", **base, of=figure, **self.place)
        for kind in ("variation", "trend"):
            self.add(kind, "decimal", "倍", **base, of=figure, at_least=2, **self.place)
        if base["months"]:
            self.add("change", "decimal", "%", **base, of=figure)
            self.add("change", "decimal", "%", **base, of=figure, compare=24, at_least=2)

    def add_ratios(self, base: dict[str, Any]) -> None:
        self.add("sum", "money", "元", **base, of="amount_fen", band="amount")
        self.add("ratio", "decimal", "%", **base, of="amount_fen", over="other_fen")
        self.add("ratio", "decimal", "%", **base, of="volume", over="people", band="percent")
        self.add("ratio", "money", "元", **base, of="amount_fen", over="people")
        self.add("share", "decimal", "%", **base, where=WHERES[3], of="people")

    def add_times(self, dataset: str) -> None:
        units = {"reports": ["年"], "readings": ["天", "个月", "年"]}.get(dataset, ["个月", "年"])
        for kind, unit in itertools.product(("since_latest", "since_earliest"), units):
            self.add(kind, "integer", unit, dataset=dataset, **self.place)
        self.add("until_latest", "integer", "天", dataset=dataset, at="ended_on")

    def contract(self) -> Contract:
        bands = {
            "amount": {"unit": "元", "edges": [100, 1000, 10**6]},
            "percent": {"unit": "%", "edges": [1, 20, 100]},
        }
        data = HEAD | {
            "id": "made_up", "modes": ["derived"], "part": [], "records_max": 1, "refresh_days": 1,
            "fields": self.fields, "bands": bands,
        }  # fmt: skip
        return contract_from(data, file="made_up.toml")


MADE_UP = MadeUp().contract()
MADE_UP_PLAN = compile_indicators(MADE_UP, SOURCES)
SAME_PLAN = compile_indicators(MadeUp().contract(), SOURCES)


def test_the_made_up_indicators_cover_every_kind() -> None:
    assert {field.compute.kind for field in MADE_UP.fields if field.compute} == set(KINDS)


@pytest.mark.parametrize("dataset", SOURCES)
@settings(max_examples=80)
@given(data=st.data())
def test_every_kind_agrees_with_its_naive_reading(dataset: str, data: st.DataObject) -> None:
    """Also where there are more records than are read, and where months, figures and fields are missing."""
    source = SOURCES[dataset]
    records: Records = {dataset: data.draw(records_of(source, set(source.field_by_name), 30))}
    day = data.draw(DAYS)
    if not records[dataset]:
        return
    expected = naively(MADE_UP, SOURCES, MADE_UP_PLAN, records, day)
    assert computed(MADE_UP_PLAN, records, day) == expected


@given(data=st.data(), day=DAYS)
@settings(max_examples=60)
def test_the_same_records_on_the_same_day_give_the_same_bytes(data: st.DataObject, day: date) -> None:
    bodies = [
        data.draw(st.none() | records_of(source, set(source.field_by_name), 6).map(stored))
        for source in SOURCES.values()
    ]
    assert MADE_UP_PLAN.compute(bodies, day) == SAME_PLAN.compute(bodies, day)
    as_bytes = [None if body is None else body.encode() for body in bodies]
    assert MADE_UP_PLAN.compute(bodies, day) == SAME_PLAN.compute(as_bytes, day)


# --- exact numbers


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20), st.integers(0, 6))
def test_rounding_is_half_to_even_without_floating_point(above: int, below: int, places: int) -> None:
    whole = half_even(above * 10**places, below)
    assert abs(2 * (whole * below - above * 10**places)) <= below
    if abs(2 * (whole * below - above * 10**places)) == below:
        assert whole % 2 == 0
    text = decimal_text(above, below, places)
    assert text != "-" + "0" * (places + 1)
    assert scaled(text) == whole * 10 ** (18 - places)


def test_rounding_of_exact_halves() -> None:
    assert [half_even(number, 2) for number in (-3, -1, 1, 3, 5)] == [-2, 0, 0, 2, 2]
    assert [decimal_text(number, 1000, 2) for number in (125, 135, -125, -4, 0, 999_995)] == [
        "0.12", "0.14", "-0.12", "0.00", "0.00", "1000.00",
    ]  # fmt: skip


@given(st.integers(0, 10**30), st.integers(1, 10**15))
def test_the_root_of_a_fraction_is_the_nearest_whole_number(above: int, below: int) -> None:
    found = root(above, below)
    assert (2 * found - 1) ** 2 * below <= 4 * above or found == 0
    assert 4 * above <= (2 * found + 1) ** 2 * below


# --- what null means


def test_a_list_that_was_delivered_without_the_enterprise_says_zero_one_that_never_came_says_nothing() -> (
    None
):
    known: Records = {"registration": [example_of("registration")]}
    clean = computed(PLAN, known, TODAY)
    assert clean["penalties_12m"] == 0
    assert clean["fines_12m_fen"] == 0
    assert clean["dishonest_debtor_now"] is False
    assert clean["months_since_penalty"] is None
    assert clean["mortgages_secured"] == "[0,0]"
    unknown = computed(PLAN, known | {"penalties": None, "dishonest_debtors": None}, TODAY)
    assert unknown["penalties_12m"] is None
    assert unknown["fines_12m_fen"] is None
    assert unknown["dishonest_debtor_now"] is None
    assert unknown["patents_valid"] == 0


def test_no_record_of_what_is_paid_or_used_is_not_zero() -> None:
    answer = computed(PLAN, {"registration": [example_of("registration")]}, TODAY)
    for name in (
        "vat_paid_12m_fen",
        "sales_12m",
        "insured_latest",
        "power_12m",
        "fund_paid_12m",
        "debt_ratio",
    ):
        assert answer[name] is None


def test_of_an_enterprise_without_any_record_there_is_no_answer() -> None:
    assert PLAN.compute(["[]"] * len(PLAN.inputs), TODAY) == b"[]"
    assert PLAN.compute([None] * len(PLAN.inputs), TODAY) == b"[]"


def test_wanted_indicators_come_alone_and_in_the_order_asked() -> None:
    records: Records = {"tax": [example_of("tax")], "registration": [example_of("registration")]}
    everything = computed(PLAN, records, TODAY)
    wanted = ("vat_paid_12m_fen", "penalties_12m", "registered_years")
    some = computed(PLAN, records, TODAY, wanted=wanted)
    assert tuple(some) == wanted
    assert some == {name: everything[name] for name in wanted}
    assert list(everything) == [field.name for field in INDICATORS.fields]
    assert [one.dataset for one in PLAN.needed(wanted)] == ["registration", "penalties", "tax"]
    assert PLAN.needed() == PLAN.inputs


def test_counts_of_more_records_than_are_read_are_at_least_and_the_rest_is_null() -> None:
    source = CATALOGUE.contracts["penalties"]
    every = [
        example_of("penalties")
        | {"decision_date": "2026-10-10", "document_number": f"{number:04d}", "fine_fen": 100}
        for number in range(source.records_max + 5)
    ]
    answer = computed(PLAN, {"penalties": every[::-1]}, TODAY)
    assert answer["penalties_12m"] == source.records_max
    assert answer["fines_12m_fen"] is None
    assert answer["months_since_penalty"] == 1
    earlier = every[0] | {"decision_date": "2025-01-01"}
    answer = computed(PLAN, {"penalties": [*every[: source.records_max - 1], earlier]}, TODAY)
    assert answer["fines_12m_fen"] is not None, "the window was read to its end"
    assert answer["fines_36m_fen"] is None


def test_as_many_months_are_read_as_the_longest_window_needs() -> None:
    """Two years compared with the two before, and the month that is not over yet on top."""
    for day in (date(2026, 12, 1), date(2026, 12, 31), date(2027, 1, 31), date(2027, 3, 1)):
        running = day.year * 12 + day.month - 1
        months = [f"{number // 12}-{number % 12 + 1:02d}" for number in range(running, running - 60, -1)]
        tax = [example_of("tax") | {"period": month} for month in months]
        answer = computed(PLAN, {"tax": tax}, day)
        assert answer["vat_paid_change_12m"] == "0.00", day
        assert answer["vat_paid_24m_fen"] == 24 * example_of("tax")["vat_paid_fen"], day


def example_of(dataset: str) -> dict[str, Any]:
    return {field.name: field.example for field in CATALOGUE.contracts[dataset].fields}


# --- windows


def test_a_late_delivery_does_not_shorten_a_sum_but_a_missing_one_shows() -> None:
    """Tax is promised within 31 days: on 22 November September must be there, October may be."""
    months = [f"2026-{month:02d}" for month in range(10, 0, -1)]
    all_but = lambda *gone: {  # noqa: E731
        "tax": [
            example_of("tax") | {"period": month, "vat_paid_fen": 100}
            for month in months
            if month not in gone
        ]
    }
    names = ("vat_paid_3m_fen", "tax_months_missing_24m", "months_since_vat")
    asked: Callable[..., list[Any]] = lambda *gone: list(  # noqa: E731
        computed(PLAN, all_but(*gone), TODAY, wanted=names).values()
    )
    assert asked() == [300, 0, 1]
    assert asked("2026-10") == [300, 0, 2]
    assert asked("2026-10", "2026-09") == [200, 1, 3]


def test_the_running_month_is_not_in_a_window_of_months() -> None:
    months = ["2026-11", "2026-10", "2026-09", "2026-08"]
    tax = [
        example_of("tax") | {"period": month, "vat_paid_fen": 10**index} for index, month in enumerate(months)
    ]
    for day in (TODAY, date(2026, 11, 30)):
        answer = computed(PLAN, {"tax": tax}, day)
        assert answer["vat_paid_3m_fen"] == 1110
        assert answer["months_since_vat"] == 0


def test_a_window_of_days_includes_today_and_not_the_same_day_before() -> None:
    penalty = example_of("penalties") | {"status": "正常"}
    asked = lambda *days: computed(  # noqa: E731
        PLAN, {"penalties": [penalty | {"decision_date": day} for day in days]}, TODAY
    )["penalties_12m"]
    assert asked("2026-11-22") == 1
    assert asked("2025-11-23") == 1
    assert asked("2025-11-22") == 0
    assert asked("2026-11-23") == 0, "a decision dated after today is in no window"


# --- a contract that contradicts itself or what it is made of

Change = Callable[[dict[str, Any]], object]


def set_to(**compute: Any) -> Change:
    return lambda field: field["compute"].update(compute)


def uncovered(field: dict[str, Any]) -> None:
    """Without its band, as if it were a ratio that anyone may know."""
    field.update(type="decimal", example="4.00")
    del field["compute"]["band"]


def covered_by(band: str, example: str) -> Change:
    def change(field: dict[str, Any]) -> None:
        field.update(example=example)
        field["compute"].update(band=band)

    return change


CONTRADICTIONS: list[tuple[str, str, Change, str]] = [
    ("unknown data set", "vat_paid_12m_fen", set_to(dataset="taxes"), "no collected data set"),
    ("live data set", "penalties_12m", set_to(dataset="real_estate_seizures", where=[]), "no collected data set"),
    ("unknown kind", "vat_paid_12m_fen", set_to(kind="guess"), "guess"),
    ("misspelt key", "vat_paid_12m_fen", set_to(month=3), "month"),
    ("unknown field", "vat_paid_12m_fen", set_to(of="vat_fen"), "no field 'vat_fen'"),
    ("unknown condition field", "penalties_12m", set_to(where=[{"field": "x", "is": "given"}]), "no field 'x'"),
    ("unknown time", "vat_paid_12m_fen", set_to(at="month"), "no field 'month'"),
    ("time that is none", "vat_paid_12m_fen", set_to(at="vat_paid_fen"), "no date, month or year"),
    ("figure missing", "vat_paid_12m_fen", set_to(of=[]), "needs 'of'"),
    ("figure too much", "penalties_12m", set_to(of="fine_fen"), "takes no 'of'"),
    ("text as figure", "fines_12m_fen", set_to(of="facts"), "needs numbers"),
    ("figures of two types", "fund_paid_12m", set_to(of=["paid_fen", "people_count"]), "one type"),
    ("over without ratio", "vat_paid_12m_fen", set_to(over="sales_fen"), "'over' is for kind ratio"),
    ("ratio without over", "vat_settled_12m", set_to(over=[]), "'over' is for kind ratio"),
    ("window without time", "patents_valid", set_to(months=12), "needs 'at'"),
    ("window for time since", "months_since_vat", set_to(months=12), "takes no months"),
    ("change without window", "vat_paid_change_3m", set_to(months=0), "needs months"),
    ("half a year of years", "revenue_change", set_to(months=6), "twelves"),
    ("compare for a sum", "vat_paid_12m_fen", set_to(compare=12), "'compare' is for kind change"),
    ("share of everything", "invention_share", set_to(where=[]), "needs 'where'"),
    ("zero for a mean", "insured_mean_12m", set_to(absent="zero"), "absent = 'zero'"),
    ("two tests at once", "penalties_12m", set_to(where=[{"field": "status", "in": ["正常"], "is": "given"}]), "give one"),
    ("no test", "penalties_12m", set_to(where=[{"field": "status"}]), "give one"),
    ("not in the code list", "penalties_12m", set_to(where=[{"field": "status", "in": ["好"]}]), "not in its code list"),
    ("positive text", "penalties_12m", set_to(where=[{"field": "facts", "is": "positive"}]), "cannot be positive"),
    ("in for numbers", "penalties_12m", set_to(where=[{"field": "fine_fen", "in": ["1"]}]), "for texts and codes"),
    ("wrong type", "penalties_12m", lambda field: field.update(type="decimal", example="1.00"), "is a integer"),
    ("wrong unit of time", "months_since_penalty", lambda field: field.update(unit="周"), "its unit must be"),
    ("rate in yuan", "vat_paid_change_3m", lambda field: field.update(unit="元"), "% or as a plain ratio"),
    ("example of other places", "vat_paid_change_3m", lambda field: field.update(example="4.2"), "its example"),
    ("codes missing", "tax_credit_grade", lambda field: field.update(allowed=["A", "B"]), "code list lacks"),
    ("unknown band", "months_since_penalty", set_to(band="amounts"), "not defined"),
    ("view raw", "penalties_12m", lambda field: field.update(views=["raw", "derived"]), "view derived and no other"),
    ("sources", "penalties_12m", lambda field: field.update(sources=["X"]), "no sources"),
    ("no definition", "penalties_12m", lambda field: field.pop("description"), "definition"),
    ("no compute", "penalties_12m", lambda field: field.pop("compute"), "how to compute"),
    ("negative window", "penalties_12m", set_to(months=-1), "must not be negative"),
    # What would let out more than the levels permit:
    ("level too low", "vat_paid_12m_fen", lambda field: field.update(level=2), "level 3"),
    ("field without derived", "penalties_12m", set_to(where=[{"field": "signatory_name", "is": "given"}]), "view derived"),
    ("level 4 and a known figure", "tax_burden_12m", uncovered, "tell it to who knows the others"),
    ("two figures of level 4", "debt_ratio", uncovered, "tell it to who knows the others"),
    ("growth of level 4", "sales_change_12m", uncovered, "tell it to who knows the others"),
    ("spread of level 4", "sales_variation_12m", uncovered, "tell it to who knows the others"),
    ("greatest share of level 4", "sales_largest_month_12m", uncovered, "tell it to who knows the others"),
    ("no growth at all", "sales_change_12m", covered_by("percent", "[10,15)"), "zero_apart = false"),
    ("too narrow a trend", "sales_trend_12m", covered_by("margin", "[1,2)"), "5 to 7, 7 to 10 is too narrow"),
    ("a trend of few", "sales_trend_12m", set_to(at_least=6), "of fewer amounts"),
    ("a band for a count", "sales_12m", set_to(kind="exists", of=[]), "only numbers"),
]  # fmt: skip


def indicators() -> dict[str, Any]:
    return copy.deepcopy(tomllib.loads((CONTRACTS / "indicators.toml").read_text("utf-8")))


@pytest.mark.parametrize(
    ("field", "change", "reason"),
    [case[1:] for case in CONTRADICTIONS],
    ids=[case[0] for case in CONTRADICTIONS],
)
def test_a_contradiction_is_refused_with_file_field_and_reason(
    field: str, change: Change, reason: str
) -> None:
    data = indicators()
    change(data["fields"][field])
    with pytest.raises(ContractError) as refused:
        compile_indicators(contract_from(data, file="indicators.toml"), CATALOGUE.contracts)
    assert reason in str(refused.value)
    assert refused.value.facts["file"] == "indicators.toml"
    assert refused.value.facts["field"] == field


def secret(**compute: Any) -> str:
    """The complaint about one more indicator of level 4 that shows a figure."""
    data = indicators()
    data["fields"]["secret_fen"] = a_field(
        "money", 1, level=4, unit="元", views=["derived"], description="样例。"
    ) | {"compute": {"dataset": "tax", "of": "sales_fen", "months": 12} | compute}
    with pytest.raises(ContractError) as refused:
        compile_indicators(contract_from(data, file="indicators.toml"), CATALOGUE.contracts)
    return str(refused.value)


def test_an_amount_of_level_four_cannot_be_shown_as_a_figure_whatever_is_done_with_it() -> None:
    assert "tells the value of a single record" in secret(kind="latest")
    assert "tells the value of a single record" in secret(kind="max")
    assert "would tell an amount of level 4" in secret(kind="sum")
    assert "would tell an amount of level 4" in secret(kind="mean")


def test_mode_derived_goes_alone() -> None:
    data = indicators() | {"modes": ["derived", "collected"]}
    with pytest.raises(ContractError, match="goes alone"):
        contract_from(data, file="indicators.toml")


def test_an_indicator_cannot_be_made_of_indicators(catalogue: Catalogue) -> None:
    field = msgspec.structs.replace(
        INDICATORS.field_by_name["penalties_12m"],
        compute=msgspec.convert(
            {"dataset": "indicators", "kind": "count"}, type(INDICATORS.fields[0].compute)
        ),
    )
    contract = msgspec.structs.replace(INDICATORS, fields=(field,))
    with pytest.raises(ContractError, match="no collected data set"):
        compile_indicators(contract, catalogue.contracts)
