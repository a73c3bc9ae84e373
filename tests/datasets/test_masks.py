"""Masks hide what they promise to hide, whatever is put into them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.masks import MASKS

SEEN = [
    ("person_name", "张三", "张*"),
    ("person_name", "张小明", "张*明"),
    ("person_name", "欧阳小明", "欧**明"),
    ("person_name", "张", "*"),
    ("person_name", "", ""),
    ("id_number", "330222199001011234", "330222************"),
    ("id_number", "330222900101123", "330222*********"),
    ("id_number", "E12345678", "*********"),
    ("long_code", "913302036747531452", "913302******531452"),
    ("long_code", "1234567890", "**********"),
    ("phone", "13812345678", "138****5678"),
    ("phone", "0512-57301234", "*************"),
    ("account", "6222020200012345678", "***************5678"),
    ("account", "12345678", "********"),
]


@pytest.mark.parametrize(("mask", "value", "shown"), SEEN)
def test_masks_look_as_they_do_in_practice(mask: str, value: str, shown: str) -> None:
    assert MASKS[mask](value) == shown


@pytest.mark.parametrize("mask", MASKS)
@given(value=st.text(st.characters(exclude_characters="*"), max_size=40))
def test_a_mask_never_shows_all_and_never_invents(mask: str, value: str) -> None:
    shown = MASKS[mask](value)
    assert len(shown) == len(value)
    assert all(seen in ("*", original) for seen, original in zip(shown, value, strict=True))
    if value:
        assert "*" in shown
