"""The unified social credit code, the organisation code inside it, and our own ids."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.identifiers import (
    USCC_ALPHABET,
    InvalidUSCC,
    mask_uscc,
    new_id,
    organisation_code_is_valid,
    parse_uscc,
    uscc_check_character,
)

VALID = [
    "91350100M000100Y43",  # the worked example of GB 32100-2015
    "91110108551385082Q",
    "9144030071526726XG",
    "9135010026017703XW",
    "915101006863154368",
    "91440300708461136T",
    "91230500MA1B3N1N2M",
    "12100000400010275N",
]
INVALID = {
    "91330203674737245A": ("uscc_check_digit", "第 18 位应为 0"),
    "91310115MA1H8R7C6D": ("uscc_check_digit", "第 18 位应为 7"),
    "91350100M000100Y44": ("uscc_check_digit", "第 18 位应为 3"),
    "91350100M000100Y4Z": ("uscc_alphabet", "第 18 位"),
    "9135O100M000100Y43": ("uscc_alphabet", "第 5 位"),
    "91350100M000100Y4": ("uscc_length", "收到 17 位"),
    "320300400002113": ("uscc_length", "收到 15 位"),
    "": ("uscc_empty", "没有填写"),
    "　": ("uscc_empty", "没有填写"),
    "9135010\u202e0M00100Y43": ("uscc_alphabet", "U+202E"),
}
codes = st.text(USCC_ALPHABET, min_size=17, max_size=17).map(
    lambda first17: first17 + uscc_check_character(first17)
)


@pytest.mark.parametrize("code", VALID)
def test_published_codes_are_valid(code: str) -> None:
    assert parse_uscc(code) == code


@pytest.mark.parametrize("code", INVALID)
def test_a_wrong_code_is_refused_with_what_is_wrong(code: str) -> None:
    reason, said = INVALID[code]
    with pytest.raises(InvalidUSCC) as refusal:
        parse_uscc(code)
    assert refusal.value.reason == reason
    assert said in str(refusal.value)
    assert refusal.value.facts["detail_en"]


@pytest.mark.parametrize("code", [code for code in INVALID if len(code) > 5])
def test_the_message_does_not_repeat_the_code(code: str) -> None:
    """Messages end up in answers and log lines."""
    with pytest.raises(InvalidUSCC) as refusal:
        parse_uscc(code)
    assert code not in str(refusal.value)
    assert code not in str(refusal.value.facts)


@given(codes)
def test_every_spelling_of_a_code_is_the_same_code(code: str) -> None:
    full_width = "".join(chr(ord(character) + 0xFEE0) for character in code)
    for spelling in (code, code.lower(), f"  {code}\t", full_width, full_width.lower(), f"　{code}　"):
        assert parse_uscc(spelling) == code


@given(codes, st.integers(0, 17), st.sampled_from(USCC_ALPHABET))
def test_one_wrong_character_is_always_noticed(code: str, position: int, other: str) -> None:
    wrong = code[:position] + other + code[position + 1 :]
    if wrong != code:
        with pytest.raises(InvalidUSCC):
            parse_uscc(wrong)


@given(st.text(max_size=40))
def test_whatever_comes_is_a_code_or_an_invalid_code(text: str) -> None:
    with suppress(InvalidUSCC):
        assert len(parse_uscc(text)) == 18


def test_a_masked_code_shows_six_and_six() -> None:
    assert mask_uscc("913302036747531452") == "913302******531452"
    assert mask_uscc("short") == "*****"


@pytest.mark.parametrize("code", VALID)
def test_the_organisation_code_inside_checks_out(code: str) -> None:
    assert organisation_code_is_valid(code[8:17])
    assert organisation_code_is_valid(f"{code[8:16]}-{code[16]}".lower())


@pytest.mark.parametrize("code", ["M000100Y5", "551385083", "12345678", "1234567890", "12345678é", ""])
def test_a_wrong_organisation_code_does_not(code: str) -> None:
    assert not organisation_code_is_valid(code)


def test_ids_are_uuid7_unique_and_in_order() -> None:
    ids = [new_id() for _ in range(5_000)]
    assert {(one.version, one.variant) for one in ids} == {(7, "specified in RFC 4122")}
    assert all(earlier < later for earlier, later in pairwise(ids))


def test_ids_stay_in_order_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_id()
    monkeypatch.setattr("core.identifiers.time.time_ns", lambda: 1_000_000_000)
    assert new_id() > before
