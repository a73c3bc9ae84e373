"""Amounts: read exactly as they were meant, or refused with a reason; never guessed."""

from contextlib import suppress
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.amounts import FEN_MAX, Amount, UncleanError, parse_amount
from datasets.contract import UNITS

SEEN = [
    ("1,036.2000(万元人民币)", 1_036_200_000, "CNY"),
    ("200(万)", 200_000_000, None),
    ("101.5万人民币", 101_500_000, "CNY"),
    ("280(万美元)", 280_000_000, "USD"),
    ("30(万元)", 30_000_000, None),
    ("1000万人民币元", 1_000_000_000, "CNY"),
    ("41,142(万日元)", 41_142_000_000, "JPY"),
    ("528.9491(万欧元)", 528_949_100, "EUR"),
    ("0(万元人民币)", 0, "CNY"),
    ("50万元人民币", 50_000_000, "CNY"),
    ("13万美元", 13_000_000, "USD"),
    ("20万", 20_000_000, None),
    ("１００（万元人民币）", 100_000_000, "CNY"),
    ("￥3.5万", 3_500_000, None),
    ("5 万元", 5_000_000, None),
    ("2亿元人民币", 20_000_000_000, "CNY"),
    ("50万港币", 50_000_000, "HKD"),
    ("50人民币万元", 50_000_000, "CNY"),
    ("500万元整", 500_000_000, None),
    ("-6万元", -6_000_000, None),
    ("0.30000000000000004万", 300_000, None),
]
REFUSED = [
    ("1000(元/万元)", "ambiguous_unit"),
    ("200", "ambiguous_unit"),
    ("200(万斤)", "unknown_unit"),
    ("罚款", "amount_unreadable"),
    ("罚款-2000元", "amount_unreadable"),
    ("罚款1.5万", "amount_unreadable"),
    ("罚款2000-5000元", "amount_unreadable"),
    ("1,0362万元", "amount_unreadable"),
    ("1.2E+05万元", "amount_scientific_notation"),
    ("万元", "amount_unreadable"),
    ("-万元", "amount_unreadable"),
    ("1.2.3万元", "amount_unreadable"),
    ("$200万", "amount_unreadable"),
    ("99999999999999999万元", "amount_unreadable"),
    ("1" * 100, "amount_unreadable"),
]


@pytest.mark.parametrize(("text", "fen", "currency"), SEEN)
def test_amounts_seen_in_real_files_are_read_exactly(text: str, fen: int, currency: str | None) -> None:
    assert parse_amount(text, "in_text") == Amount(fen, currency)


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_could_mean_two_things_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UncleanError) as refusal:
        parse_amount(text, "in_text")
    assert refusal.value.reason == reason
    assert refusal.value.hint


IN_SENTENCES = [
    ("罚款2000元", 200_000, None),
    ("处以罚款人民币２，０００.５０元整。", 200_050, None),
    ("对2018年的行为，依据第12条第3款，罚款2万元", 2_000_000, None),
    ("没收物品3件，并处罚款 3000 元", 300_000, None),
    ("违约金5万美元", 5_000_000, "USD"),
    ("罚款" + "（说明）" * 30 + "1.2345万元", 1_234_500, None),
]
UNSURE = [
    "罚款2000元，没收违法所得500元",
    "罚款2千至5千元",
    "罚款2000元以下",
    "每日罚款200元",
    "免予罚款2000元",
    "罚款约2000元",
    "罚款2000元（贰仟元整）",
    "罚款2000元/人",
    "违法所得5万，罚款2000元",
    "罚款美元2000元",
    "两倍罚款2000元",
]


@pytest.mark.parametrize(("text", "fen", "currency"), IN_SENTENCES)
def test_the_one_amount_of_a_sentence_is_read(text: str, fen: int, currency: str | None) -> None:
    for unit in ("in_text", "万元"):
        assert parse_amount(text, unit) == Amount(fen, currency)


@pytest.mark.parametrize("text", UNSURE)
def test_a_sentence_with_several_amounts_or_an_unsure_one_is_refused(text: str) -> None:
    with pytest.raises(UncleanError) as refusal:
        parse_amount(text, "in_text")
    assert refusal.value.reason == "several_amounts"


@given(
    before=st.text("罚款处以没收物品的 第", max_size=6),
    yuan=st.integers(0, 10**9),
    after=st.text("。；整", max_size=2),
)
def test_a_sentence_around_an_amount_does_not_change_it(before: str, yuan: int, after: str) -> None:
    assert parse_amount(f"{before}罚款{yuan}元{after}", "万元").fen == yuan * 100


@pytest.mark.parametrize(
    ("text", "unit", "fen"),
    [
        ("34", "万元", 34_000_000),
        ("-6.5", "万元", -6_500_000),
        ("12.345", "元", 1_235),
        ("12.5万", "元", 12_500_000),
    ],
)
def test_the_column_gives_the_unit_and_the_cell_may_overrule_it(text: str, unit: str, fen: int) -> None:
    assert parse_amount(text, unit).fen == fen


@given(st.decimals(-(10**5), 10**5, allow_nan=False, places=8), st.sampled_from(sorted(UNITS)))
def test_whole_number_arithmetic_agrees_with_decimals(number: Decimal, unit: str) -> None:
    expected = int((number * UNITS[unit]).to_integral_value(ROUND_HALF_UP))
    assert parse_amount(f"{number:f}", unit) == Amount(expected, None)
    assert parse_amount(f" {number:f} ", unit).fen == expected


@given(st.integers(-FEN_MAX, FEN_MAX))
def test_a_stored_amount_read_again_is_the_same(fen: int) -> None:
    assert parse_amount(str(fen), "分").fen == fen


@given(
    st.text(max_size=80) | st.text("0123456789.,-+万千元美罚款至 /每", max_size=40),
    st.sampled_from([*UNITS, "in_text"]),
)
def test_whatever_is_written_is_an_amount_or_refused(text: str, unit: str) -> None:
    with suppress(UncleanError):
        assert abs(parse_amount(text, unit).fen) <= FEN_MAX
