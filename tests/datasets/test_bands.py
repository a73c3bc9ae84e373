"""Bands: every amount lies in exactly one, in order, and the label says which."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import Catalogue, load_catalogue, readable
from datasets.bands import BandTable, band_table, interval_table

TABLES = sorted(
    {
        (table, 100 if contract.field_by_name[name].type == "money" else 1)
        for contract in load_catalogue().contracts.values()
        for name, table in contract.band_tables.items()
    },
    key=repr,
)
"""Every band table of the catalogue once, with how many stored units make one of the table's: 100 fen one yuan."""
TABLES += [
    (spec.table(name, 1_000_000), 1_000_000)
    for name, spec in sorted(load_catalogue().contracts["indicators"].bands.items())
]
stored = st.integers(-(10**13), 10**13) | st.sampled_from(
    [
        edge * per_unit + step
        for table, per_unit in TABLES
        for edge in (0, *(b.lower or 0 for b in table.bands))
        for step in (-1, 0, 1)
    ]
)


def bands_holding(table: BandTable, per_unit: int, value: int) -> list[str]:
    """By the edges as published, not by the search that the hot path uses."""
    holding = []
    for band in table.bands:
        lower = float("-inf") if band.lower is None else band.lower * per_unit
        upper = float("inf") if band.upper is None else band.upper * per_unit
        if band.lower == band.upper:
            inside = value == lower
        else:
            inside = (lower <= value if band.label[0] == "[" else lower < value) and value < upper
        if inside:
            holding.append(band.label)
    return holding


@pytest.mark.parametrize(("table", "per_unit"), TABLES)
@given(value=stored)
def test_every_amount_lies_in_exactly_one_band_and_gets_its_label(
    table: BandTable, per_unit: int, value: int
) -> None:
    assert bands_holding(table, per_unit, value) == [table.label_of(value)]


@pytest.mark.parametrize(("table", "per_unit"), TABLES)
@given(one=stored, other=stored)
def test_more_is_never_in_a_lower_band(table: BandTable, per_unit: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert table.labels.index(table.label_of(low)) <= table.labels.index(table.label_of(high))


@pytest.mark.parametrize(("table", "per_unit"), TABLES)
def test_bands_follow_each_other_without_gap(table: BandTable, per_unit: int) -> None:
    assert table.bands[0].lower is None
    assert table.bands[-1].upper is None
    assert all(low.upper == high.lower for low, high in pairwise(table.bands))
    assert len(set(table.labels)) == len(table.labels)


@pytest.mark.parametrize("edges", [(), (0, 5), (-1, 5), (5, 5), (5, 3)])
def test_edges_that_are_no_edges_are_refused(edges: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rising"):
        band_table("x", "元", edges, 100)


@pytest.mark.parametrize("edges", [(), (5, 5), (5, 3), (0, -5)])
def test_edges_that_do_not_rise_cut_no_line(edges: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rising"):
        interval_table("x", "%", edges, 1)


def test_of_growth_none_at_all_is_not_told_from_a_little() -> None:
    table = interval_table("growth", "%", (-20, 0, 20), 100)
    assert [table.label_of(stored) for stored in (-2001, -2000, -1, 0, 1, 1999, 2000)] == [
        "(-inf,-20)", "[-20,0)", "[-20,0)", "[0,20)", "[0,20)", "[0,20)", "[20,inf)",
    ]  # fmt: skip
    assert table.bands[1].title == "-20至0%"


def test_zero_and_negative_are_bands_of_their_own(catalogue: Catalogue) -> None:
    table = catalogue.contracts["tax"].band_tables["sales_fen"]
    assert table.label_of(0) == "[0,0]"
    assert table.label_of(-1) == "(-inf,0)"
    assert table.label_of(1) == "(0,1000)"
    assert table.label_of(99_999) == "(0,1000)"
    assert table.label_of(100_000) == "[1000,1500)"


def test_people_read_bands_in_words(catalogue: Catalogue) -> None:
    field = catalogue.contracts["tax"].field_by_name["sales_fen"]
    words = {
        "(-inf,0)": "负数",
        "[0,0]": "零",
        "(0,1000)": "不足 1000 元",
        "[15000,20000)": "1.5万 至 2万 元",
        "[1000000000,inf)": "10亿 元及以上",
    }
    assert {label: readable(field, "banded", label) for label in words} == words
