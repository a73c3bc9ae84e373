"""Verification answers what the bank states, and cannot be made to tell a figure, whoever asks and how often."""

import json
import random
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.errors import InvalidInput
from datasets import (
    Catalogue,
    Statement,
    View,
    answer_schema,
    answers_anything,
    check_statements,
    compile_view,
    load_catalogue,
    probes_of,
    verify,
)
from datasets.amounts import FEN_MAX
from datasets.catalogue import RULES
from datasets.contract import Contract, Field, contract_from
from datasets.sharing import load_rule_set
from datasets.verification import (
    FIGURES,
    STATEMENTS_MAX,
    TOLERANCE_PERCENT,
    Checks,
    Figure,
    Kind,
    Result,
    Verdict,
    apart,
    bounds_of,
    offer_of,
)

RULE_SET = load_rule_set(RULES / "2026-11.toml")


def field(**changes: Any) -> dict[str, Any]:
    return {"title": "项", "title_en": "Item", "level": 3, "views": ["verify"]} | changes


def a_contract(**changes: Any) -> Contract:
    data: dict[str, Any] = {
        "id": "made_up", "version": 1, "title": "样例", "title_en": "Made up", "category": "纳税", "owner": "样例局",
        "description": "样例。", "sharing_class": "consented", "modes": ["verify"], "key": "uscc",
        "key_sources": ["统一社会信用代码"], "part": ["period"], "records_max": 3, "period": "month",
        "refresh_days": 31, "retention_months": 60, "price_fen": 10, "as_of": "part",
        "bands": {"amounts": {"unit": "元", "edges": [900, 1500, 2000, 3000, 3100, 5000, 7000, 10000]}},
        "fields": {
            "period": field(
                title="月份", type="month", views=["raw", "verify"], required=True, example="2026-10"
            ),
            "sales_fen": field(title="销售收入", type="money", unit="元", level=4, example=52680000),
            "vat_fen": field(
                title="增值税", type="money", unit="元", views=["verify", "banded"], band="amounts", example=100
            ),
            "employees": field(title="参保人数", type="integer", unit="人", example=12),
            "share": field(title="持股比例", type="decimal", example="35.5"),
            "grade": field(title="纳税信用级别", type="code", allowed=["A", "B", "M", "C", "D"],
                           synonyms={"甲": "A"}, example="A"),
            "name": field(title="企业名称", type="text", example="苏州示例（江苏）有限公司"),
            "id_number": field(title="证件号", type="text", level=5, pattern="[0-9X]{18}",
                               example="32000019000101001X"),
            "normal": field(title="是否正常户", type="boolean", example=True),
            "opened_on": field(title="开业日期", type="date", example="2018-01-06"),
            "hidden": field(title="不核验", type="text", level=4, views=["derived"], example="x"),
        },
    }  # fmt: skip
    return contract_from(data | changes, file="made_up.toml")


def documents() -> Contract:
    fields = {
        "number": field(
            title="许可证编号",
            type="text",
            views=["raw", "verify"],
            required=True,
            max_length=60,
            example="苏A-001",
        ),
        "year": field(title="年度", type="year", views=["raw", "verify"], required=True, example=2025),
    }
    return a_contract(part=["number", "year"], as_of="delivery", period="event", bands={}, fields=fields)


CONTRACT, DOCUMENTS = a_contract(), documents()


def view_of(contract: Contract) -> View:
    return compile_view(contract, RULE_SET, "bank", "credit_review", "verify")


def understood(*statements: Statement, contract: Contract = CONTRACT) -> Checks:
    return check_statements(contract, view_of(contract), statements)


def record(**values: Any) -> dict[str, Any]:
    return dict.fromkeys(CONTRACT.field_by_name) | {"period": "2026-10"} | values


def verdicts(statement: Statement, *records: dict[str, Any], contract: Contract = CONTRACT) -> list[Verdict]:
    return verify(understood(statement, contract=contract), json.dumps(records))


def result(statement: Statement, *records: dict[str, Any], contract: Contract = CONTRACT) -> Result:
    [verdict] = verdicts(statement, *records, contract=contract)
    return verdict.result


def errors_of(*statements: Statement, contract: Contract = CONTRACT) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        understood(*statements, contract=contract)
    assert refused.value.reason == "statements_invalid"
    errors = refused.value.facts["errors"]
    assert isinstance(errors, dict)
    return errors


# --- what a bank gets ---


@pytest.mark.parametrize(
    ("stated", "stored", "expected"),
    [
        (Statement("sales_fen", "exact", 52680000), {"sales_fen": 52680000}, "match"),
        (Statement("sales_fen", "exact", 52680001), {"sales_fen": 52680000}, "mismatch"),
        (Statement("sales_fen", "exact", 0), {"sales_fen": 0}, "match"),
        (Statement("sales_fen", "at_least", 50_000_000), {"sales_fen": 50_000_000}, "match"),
        (Statement("sales_fen", "at_least", 50_000_000), {"sales_fen": 49_999_999}, "mismatch"),
        (Statement("sales_fen", "at_least", -50_000_000), {"sales_fen": -40_000_000}, "match"),
        (Statement("sales_fen", "at_least", 0), {"sales_fen": -1}, "mismatch"),
        (
            Statement("sales_fen", "tolerance", 52680000, tolerance_percent=10),
            {"sales_fen": 52_000_000},
            "match",
        ),
        (
            Statement("sales_fen", "tolerance", 52680000, tolerance_percent=10),
            {"sales_fen": 60_000_000},
            "mismatch",
        ),
        (Statement("employees", "at_least", 10), {"employees": 12}, "match"),
        (Statement("share", "at_least", "30"), {"share": "35.5"}, "match"),
        (Statement("share", "at_least", 40), {"share": "35.5"}, "mismatch"),
        (Statement("share", "tolerance", "35.5", tolerance_percent=10), {"share": "39.9"}, "match"),
        (Statement("grade", "exact", "甲"), {"grade": "A"}, "match"),
        (Statement("grade", "member", values=("a", "B")), {"grade": "M"}, "mismatch"),
        (
            Statement("name", "exact", "苏州示例(江苏) 有限公司"),
            {"name": "苏州示例（江苏）有限公司"},
            "match",
        ),
        (Statement("name", "exact", "苏州示例有限公司"), {"name": "苏州示例（江苏）有限公司"}, "mismatch"),
        (Statement("id_number", "exact", "32000019000101001x"), {"id_number": "32000019000101001X"}, "match"),
        (Statement("normal", "exact", value=False), {"normal": True}, "mismatch"),
        (Statement("opened_on", "exact", "2018年1月6日"), {"opened_on": "2018-01-06"}, "match"),
    ],
)
def test_a_statement_is_a_match_or_a_mismatch(
    stated: Statement, stored: dict[str, Any], expected: str
) -> None:
    assert result(stated, record(**stored)) == expected


def test_the_latest_record_is_meant_unless_another_is_named() -> None:
    newest, older = record(sales_fen=100_000_000), record(period="2026-09", sales_fen=200_000_000)
    statement = Statement("sales_fen", "at_least", 150_000_000)
    assert verdicts(statement, newest, older) == [Verdict("sales_fen", "at_least", "2026-10", "mismatch")]
    september = msgspec.structs.replace(statement, part="202609")
    assert verdicts(september, newest, older) == [Verdict("sales_fen", "at_least", "2026-09", "match")]


def test_no_record_no_value_and_another_month_are_one_and_the_same_unknown() -> None:
    statement = Statement("sales_fen", "at_least", 100_000_000, part="2026-09")
    nothing = verdicts(statement)
    assert nothing == [Verdict("sales_fen", "at_least", "2026-09", "unknown")]
    assert (
        nothing == verdicts(statement, record(sales_fen=1)) == verdicts(statement, record(period="2026-09"))
    )
    assert not answers_anything(nothing)
    assert answers_anything(verdicts(statement, record(period="2026-09", sales_fen=1)))


def test_a_tolerance_says_between_which_bounds_it_compared() -> None:
    [verdict] = verdicts(
        Statement("sales_fen", "tolerance", 52680000, tolerance_percent=10), record(sales_fen=1)
    )
    assert verdict.between == (40_000_000, 60_000_000)
    [verdict] = verdicts(Statement("share", "tolerance", "35.5", tolerance_percent=10), record(share="1"))
    assert verdict.between == ("30", "40")
    [verdict] = verdicts(
        Statement("sales_fen", "tolerance", FEN_MAX, tolerance_percent=10), record(sales_fen=1)
    )
    assert verdict.between == (8 * 10**15, None)


def test_a_document_belongs_to_the_enterprise_or_not_or_may_lie_further_back() -> None:
    statement = Statement("number", "belongs", "苏a-001")
    of_last_year = {"number": "苏A-001", "year": 2024}
    others = [{"number": f"苏B-{n}", "year": 2025} for n in range(3)]
    assert result(statement, *others[:1], of_last_year, contract=DOCUMENTS) == "match"
    assert result(statement, *others[:2], contract=DOCUMENTS) == "mismatch"
    assert (
        result(statement, *others, contract=DOCUMENTS) == "unknown"
    )  # three are read, and there may be more
    assert result(statement, contract=DOCUMENTS) == "unknown"


def test_a_part_of_several_fields_is_named_in_order_and_never_confused() -> None:
    stored = [{"number": "1", "year": 2024}, {"number": "12", "year": 2025}]
    statement = Statement("number", "exact", "12", part=("12", 2025))
    assert verdicts(statement, *stored, contract=DOCUMENTS)[0].part == ("12", 2025)
    assert result(statement, *stored, contract=DOCUMENTS) == "match"
    swapped = msgspec.structs.replace(statement, part=("1", 2025))
    assert result(swapped, *stored, contract=DOCUMENTS) == "unknown"


def test_verdicts_come_in_the_order_of_the_statements_and_repeat_byte_for_byte() -> None:
    statements = [Statement("employees", "at_least", 10), Statement("normal", "exact", value=True)]
    bodies = json.dumps([record(employees=9, normal=True)])
    first = verify(understood(*statements), bodies)
    assert [verdict.result for verdict in first] == ["mismatch", "match"]
    again = verify(understood(*statements), bodies)
    assert msgspec.json.encode(first) == msgspec.json.encode(again)


def test_statements_are_read_from_json_and_nothing_else_is_taken() -> None:
    decode = msgspec.json.Decoder(tuple[Statement, ...]).decode
    [read] = decode('[{"field":"grade","kind":"member","values":["A","B"],"part":["2026-10"]}]')
    assert result(read, record(grade="B")) == "match"
    with pytest.raises(msgspec.ValidationError):
        decode('[{"field":"share","kind":"at_least","value":0.3}]')  # a float is not exact
    with pytest.raises(msgspec.ValidationError):
        decode('[{"field":"share","kind":"at_least","value":1,"at_most":2}]')


# --- what may not be stated ---


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        (Statement("hidden", "exact", "x"), "field"),
        (Statement("nowhere", "exact", "x"), "field"),
        (Statement("sales_fen", "at_least", 52680000), "value"),
        (Statement("sales_fen", "exact", "52680000"), "value"),
        (Statement("sales_fen", "exact", value=True), "value"),
        (Statement("sales_fen", "exact", FEN_MAX + 1), "value"),
        (Statement("share", "at_least", "0." + "3" * 7), "value"),
        (Statement("sales_fen", "exact"), "value"),
        (Statement("sales_fen", "exact", 1, values=(2,)), "values"),
        (Statement("sales_fen", "member", values=(1, 2)), "kind"),
        (Statement("employees", "exact", 12), "kind"),
        (Statement("share", "exact", "35.5"), "kind"),
        (Statement("sales_fen", "tolerance", 1), "tolerance_percent"),
        (
            Statement("sales_fen", "tolerance", 1, tolerance_percent=TOLERANCE_PERCENT[0] - 1),
            "tolerance_percent",
        ),
        (
            Statement("sales_fen", "tolerance", 1, tolerance_percent=TOLERANCE_PERCENT[1] + 1),
            "tolerance_percent",
        ),
        (Statement("sales_fen", "exact", 1, tolerance_percent=10), "tolerance_percent"),
        (Statement("opened_on", "at_least", "2018-01-06"), "kind"),
        (Statement("name", "belongs", "苏州"), "kind"),
        (Statement("name", "exact", "无"), "value"),
        (Statement("name", "exact", "长" * 501), "value"),
        (Statement("name", "exact", "\ud800"), "value"),
        (Statement("name", "member", values=tuple(str(n) for n in range(21))), "values"),
        (Statement("id_number", "member", values=("1", "2", "3", "4")), "values"),
        (Statement("grade", "exact", "Z"), "value"),
        (Statement("normal", "exact", "是"), "value"),
        (Statement("opened_on", "exact", "9999-9-9"), "value"),
        (Statement("sales_fen", "exact", 1, part=("2026-10", 1)), "part"),
        (Statement("sales_fen", "exact", 1, part="October"), "part"),
    ],
)
def test_what_is_wrong_with_a_statement_is_named(statement: Statement, where: str) -> None:
    fine = Statement("employees", "at_least", 10)
    assert list(errors_of(fine, statement)) == [f"statements[1].{where}"]


def test_a_refused_bound_comes_with_the_two_beside_it() -> None:
    assert (
        "50000000、60000000" in errors_of(Statement("sales_fen", "at_least", 52680000))["statements[0].value"]
    )


def test_a_question_has_one_to_twenty_statements() -> None:
    one = Statement("employees", "at_least", 10)
    assert list(errors_of()) == list(errors_of(*[one] * (STATEMENTS_MAX + 1))) == ["statements"]
    assert len(understood(*[one] * STATEMENTS_MAX).checks) == STATEMENTS_MAX


@given(
    st.builds(
        Statement,
        field=st.sampled_from([*CONTRACT.field_by_name, "nowhere"]),
        kind=st.sampled_from(["exact", "tolerance", "at_least", "member", "belongs"]),
        value=st.none() | st.booleans() | st.integers() | st.text(max_size=30),
        values=st.lists(st.integers() | st.text(max_size=10), max_size=4).map(tuple),
        tolerance_percent=st.none() | st.integers(),
        part=st.none()
        | st.text(max_size=12)
        | st.integers()
        | st.lists(st.text(max_size=9), max_size=3).map(tuple),
    )
)
def test_whatever_is_stated_is_understood_or_refused(statement: Statement) -> None:
    stored = {name: one.example for name, one in CONTRACT.field_by_name.items()}
    try:
        checks = understood(statement)
    except InvalidInput:
        return
    [verdict] = verify(checks, json.dumps([stored]))
    assert verdict.result in ("match", "mismatch", "unknown")
    [probe] = probes_of(checks, json.dumps([stored]))
    assert 1 <= probe.cost <= probe.own_max <= probe.all_max


# --- not an oracle ---

FIGURE_FIELDS = [one for one in CONTRACT.fields if one.type in FIGURES]
figure_fields = pytest.mark.parametrize("name", [one.name for one in FIGURE_FIELDS])


def cell_of(bounds: tuple[Figure, ...], figure: Figure) -> tuple[Figure, Figure]:
    """The neighbouring bounds between which a figure lies; the outermost cells are cut off far outside."""
    everything = (-(10**17), *bounds, 10**17)
    return next((low, high) for low, high in pairwise(everything) if low <= figure < high)


def stored_form(one: Field, figure: Figure) -> int | str:
    return f"{figure:f}" if one.type == "decimal" else int(figure)


@st.composite
def neighbours(draw: st.DrawFn, one: Field) -> tuple[Figure, Figure]:
    """Two figures in one cell of the scale."""
    bounds = bounds_of(CONTRACT, one)
    low, high = draw(st.sampled_from(list(pairwise(bounds))))
    figures = (
        st.decimals(low, high, places=4) if one.type == "decimal" else st.integers(int(low), int(high) - 1)
    )
    first, second = draw(figures), draw(figures)
    assume(low <= first < high and low <= second < high)
    return first, second


@st.composite
def probing(draw: st.DrawFn, one: Field, low: Figure, high: Figure) -> Statement:
    """Any statement that an attacker can think of: most of them aim between ``low`` and ``high``."""
    kind: Kind = draw(st.sampled_from(["exact", "tolerance", "at_least"]))
    percent = draw(st.integers(*TOLERANCE_PERCENT)) if kind == "tolerance" else 0
    aim = Fraction(low) + (Fraction(high) - Fraction(low)) * draw(st.fractions(0, 1, max_denominator=100))
    off = draw(st.sampled_from([percent, -percent]))
    aimed = [aim * 100 / (100 + off), Fraction(draw(st.sampled_from(bounds_of(CONTRACT, one)))), Fraction(0)]
    value = draw(st.sampled_from(aimed))
    stated = f"{float(value):.6f}" if one.type == "decimal" else max(-FEN_MAX, min(round(value), FEN_MAX))
    return Statement(one.name, kind, stated, tolerance_percent=percent or None)


@figure_fields
@given(data=st.data())
def test_two_figures_between_the_same_bounds_are_answered_alike(name: str, data: st.DataObject) -> None:
    """No accepted statement tells them apart, except by naming one of them: so no number of statements does, in
    whatever order, by however many banks, over however many months."""
    one = CONTRACT.field_by_name[name]
    first, second = data.draw(neighbours(one))
    statement = data.draw(probing(one, min(first, second), max(first, second)))
    try:
        checks = understood(statement)
    except InvalidInput:
        return
    assume(first != second)
    assume(statement.kind != "exact" or statement.value not in (first, second))
    told = [verify(checks, json.dumps([record(**{name: stored_form(one, it)})])) for it in (first, second)]
    assert told[0] == told[1]


@figure_fields
def test_neighbouring_bounds_are_a_fifth_apart_and_so_are_bounds_and_edges_of_bands(name: str) -> None:
    one = CONTRACT.field_by_name[name]
    bounds = bounds_of(CONTRACT, one)
    assert_wide(bounds, CONTRACT.band_tables[name].cuts[2:] if one.band else ())


def test_the_same_holds_for_every_figure_of_the_catalogue(catalogue: Catalogue) -> None:
    fields = [
        (contract, one)
        for contract in catalogue.contracts.values()
        for one in contract.fields
        if one.type in FIGURES and "verify" in one.views
    ]
    assert len(fields) >= 5
    for contract, one in fields:
        assert_wide(bounds_of(contract, one), contract.band_tables[one.name].cuts[2:] if one.band else ())


def assert_wide(bounds: tuple[Figure, ...], edges: tuple[int, ...]) -> None:
    positive = (
        [bound for bound in bounds if bound > 1]
        if isinstance(bounds[0], int)
        else [b for b in bounds if b > 0]
    )
    assert len(positive) > 90
    assert all(apart(low, high) for low, high in pairwise(positive))
    assert all(apart(bound, edge) for bound in positive for edge in edges if bound not in edges)
    negative = sorted(-bound for bound in bounds if bound < 0)
    assert negative == positive


def test_bisection_by_three_banks_over_a_year_finds_two_neighbouring_bounds_and_no_more() -> None:
    """Even without any allowance: 3 × 12 × 500 statements, bounds shifted against each other, bisected, repeated.

    What the banks know is kept as every amount that all answers still allow, out of one per thousandth."""
    chance = random.Random(20261122)
    one = CONTRACT.field_by_name["sales_fen"]
    figure = 52_680_017
    low, high = cell_of(bounds_of(CONTRACT, one), figure)
    candidates = [int(10_000_000 * 1.001**step) for step in range(3_000)]
    bodies = json.dumps([record(sales_fen=figure)])
    believed = [json.dumps([record(sales_fen=candidate)]) for candidate in candidates]
    alive = set(range(len(candidates)))

    def ask(statement: Statement) -> None:
        try:
            checks = understood(statement)
        except InvalidInput as refused:
            offered = str(refused.facts["errors"]).split("：")[-1].strip("'}").split("、")
            for bound in offered:
                ask(Statement(one.name, "at_least", int(bound)))
            return
        truth = verify(checks, bodies)
        alive.difference_update([number for number in alive if verify(checks, believed[number]) != truth])

    for _ in range(3 * 12):
        for _ in range(4):  # bisect what is left
            ask(Statement(one.name, "at_least", candidates[sorted(alive)[len(alive) // 2]]))
        for _ in range(6):  # cut at what is left from both sides, with every width there is
            edge, percent = candidates[chance.choice(sorted(alive))], chance.randint(*TOLERANCE_PERCENT)
            for value in (edge * 100 // (100 - percent), edge * 100 // (100 + percent), edge):
                ask(Statement(one.name, "tolerance", value, tolerance_percent=percent))
    assert alive == {number for number, candidate in enumerate(candidates) if low <= candidate < high}
    assert (low, high) == (50_000_000, 60_000_000)
    assert apart(low, high)


def test_small_counts_and_small_amounts_are_told_apart_from_nothing_only() -> None:
    assert [bound for bound in bounds_of(CONTRACT, CONTRACT.field_by_name["employees"]) if 0 <= bound <= 12] == [
        0, 1, 10, 12,
    ]  # fmt: skip
    sales = bounds_of(CONTRACT, CONTRACT.field_by_name["sales_fen"])
    assert [bound for bound in sales if abs(bound) <= 100_000] == [-100_000, 0, 1, 100_000]
    share = bounds_of(CONTRACT, CONTRACT.field_by_name["share"])
    assert [bound for bound in share if 0 <= bound <= Decimal("0.015")] == [
        Decimal(0), Decimal("0.01"), Decimal("0.012"), Decimal("0.015"),
    ]  # fmt: skip


# --- what it costs ---


def test_what_is_named_to_the_last_digit_is_a_guess_and_every_value_of_a_list_counts() -> None:
    statements = [
        Statement("sales_fen", "exact", 1),
        Statement("sales_fen", "at_least", 0, part="2026-09"),
        Statement("grade", "member", values=("A", "B")),
        Statement("id_number", "exact", "1"),
        Statement("name", "member", values=("甲公司", "乙公司", "甲公司")),
    ]
    bodies = json.dumps([record(period="2026-11")])
    probes = probes_of(understood(*statements), bodies)
    assert [(one.number, one.part, one.cost, one.own_max, one.all_max, one.guess) for one in probes] == [
        (0, "2026-11", 1, 6, 24, True),
        (1, "2026-09", 1, 6, 24, False),
        (2, "2026-11", 2, 3, 12, False),
        (3, "2026-11", 1, 3, 12, False),
        (4, "2026-11", 3, 20, 80, False),
    ]
    [number] = probes_of(understood(Statement("number", "belongs", "1"), contract=DOCUMENTS), "[]")
    assert (number.part, number.cost, number.own_max, number.all_max) == ("", 1, 10, 40)


def test_the_catalogue_says_how_a_field_may_be_verified() -> None:
    offers = {
        name: offer_of(CONTRACT, CONTRACT.field_by_name[name]) for name in ("sales_fen", "employees", "name")
    }
    assert offers == {
        "sales_fen": {"kinds": ["at_least", "exact", "tolerance"], "own": 6, "everyone": 24},
        "employees": {"kinds": ["at_least", "tolerance"], "own": 6, "everyone": 24},
        "name": {"kinds": ["exact", "member"], "own": 20, "everyone": 80},
    }
    assert offer_of(DOCUMENTS, DOCUMENTS.field_by_name["number"])["kinds"] == ["belongs", "exact", "member"]


def test_the_published_schema_has_every_member_of_a_verdict() -> None:
    verdict = answer_schema(view_of(CONTRACT))["items"]
    assert verdict["required"] == list(verdict["properties"])
    assert set(verdict["required"]) == set(Verdict.__struct_fields__)
    assert set(verdict["properties"]["field"]["enum"]) == CONTRACT.field_by_name.keys() - {"hidden"}


def test_a_verdict_never_tells_what_tells_its_record_apart_where_that_is_withheld() -> None:
    """A person's name, an account number: neither told, nor confirmed by stating it as the part."""
    catalogue = load_catalogue()
    closed = [
        contract
        for contract in catalogue.contracts.values()
        if "verify" in contract.modes
        and any("raw" not in contract.field_by_name[name].views for name in contract.part)
    ]
    assert closed
    for contract in closed:
        view = catalogue.view_for("bank", "credit_review", contract.id, "verify")
        record = {field.name: field.example for field in contract.fields}
        field = next(
            one
            for one in contract.fields
            if view.fields.get(one.name) and one.type in ("text", "code", "date")
        )
        stated = Statement(field.name, "exact", value=field.example)
        [verdict] = verify(check_statements(contract, view, [stated]), json.dumps([record]))
        assert (verdict.result, verdict.part) == ("match", None)
        guessed = Statement(
            field.name, "exact", value=field.example, part=tuple(str(record[name]) for name in contract.part)
        )
        with pytest.raises(InvalidInput) as refused:
            check_statements(contract, view, [guessed])
        assert "statements[0].part" in refused.value.facts["errors"]
