"""The catalogue's and the console's phrases: in both languages, all of them used, none missing."""

import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, get_args

import pytest

import gateway.catalogue
import gateway.console
from consent import BECAUSES, ENDS, ROLES, STAGES, VERBS, WAYS, FormState
from consent.notices import UNTOLD
from consent.policies import Verb
from datasets import RuleSetState
from datasets.contract import FieldType, Mode, Period, SharingClass
from gateway.catalogue import words as catalogue_words
from gateway.console import words as console_words
from gateway.console.chart import PARTS
from gateway.console.signed_forms import CHECKS, Agrees
from gateway.portal.words import Phrase, percent, short
from gateway.problems import PROBLEMS


class Pages(NamedTuple):
    folder: Path
    own: Mapping[str, Phrase]
    words: Mapping[str, Phrase]
    composed: tuple[str, ...]
    """beginnings of phrases whose names are put together; the tests below name every one"""


ALL = {
    "catalogue": Pages(
        Path(str(gateway.catalogue.__file__)).parent,
        catalogue_words.OWN_WORDS,
        catalogue_words.WORDS,
        ("mode_", "refresh_", "sharing_", "type_", "problem_"),
    ),
    "console": Pages(
        Path(str(gateway.console.__file__)).parent,
        console_words.OWN_WORDS,
        console_words.WORDS,
        ("role_", "rule_set_", "verb_", "did_", "part_", "act_", "done_", "login_", "replay_", "consent_", "problem_",
         "way_", "stage_", "end_", "told_", "key_", "form_state_", "because_", "check_", "register_"),
    ),
}  # fmt: skip

each = pytest.mark.parametrize("pages", ALL.values(), ids=ALL)


def facts_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@each
def test_a_phrase_is_there_in_both_languages_with_the_same_facts(pages: Pages) -> None:
    for name, phrase in pages.own.items():
        assert phrase.zh, name
        assert phrase.en, name
        assert facts_of(phrase.zh) == facts_of(phrase.en), name
        assert facts_of(phrase.en_one) <= facts_of(phrase.en), name
        assert not re.search(r"[\u4e00-\u9fff]", phrase.en), name


@each
def test_every_phrase_that_a_page_names_is_in_the_table(pages: Pages) -> None:
    for page in pages.folder.glob("templates/*.html"):
        named = set(re.findall(r'\bt\(\s*"(\w+)"\s*[,)]', page.read_text()))
        assert named <= pages.words.keys(), page.name


@each
def test_no_phrase_is_left_over(pages: Pages) -> None:
    files = (*pages.folder.glob("*.py"), *pages.folder.glob("templates/*.html"))
    spoken = set(re.findall(r'"(\w+)"(?!: _\()', "".join(file.read_text() for file in files)))
    assert {name for name in pages.own if not name.startswith(pages.composed)} <= spoken


def test_every_word_of_a_contract_has_its_phrase() -> None:
    names = {f"mode_{mode}{ending}" for mode in get_args(Mode) for ending in ("", "_text")}
    names |= {f"refresh_{period}" for period in (*get_args(Period), "live", "derived")}
    names |= {f"sharing_{one}" for one in get_args(SharingClass)} | {
        f"type_{one}" for one in get_args(FieldType)
    }
    assert names == {
        name for name in catalogue_words.OWN_WORDS if name.startswith(ALL["catalogue"].composed[:-1])
    }


def test_every_word_of_the_console_has_its_phrase() -> None:
    words = console_words.OWN_WORDS
    assert {f"role_{role}" for role in ROLES} == {name for name in words if name.startswith("role_")}
    assert {f"did_{verb}" for verb in VERBS} == {name for name in words if name.startswith("did_")}
    assert {f"rule_set_{state}" for state in get_args(RuleSetState)} <= words.keys()
    assert {f"part_{part}" for part in PARTS} <= words.keys()
    for beginning, all_of in (("way_", WAYS), ("stage_", (*STAGES, "approved")), ("end_", ENDS)):
        assert {beginning + one for one in all_of} == {name for name in words if name.startswith(beginning)}
    for beginning, all_of in (
        ("form_state_", get_args(FormState)),
        ("because_", BECAUSES),
        ("check_", CHECKS),
        ("register_", get_args(Agrees)),
    ):
        assert {beginning + one for one in all_of} == {name for name in words if name.startswith(beginning)}
    told = {f"told_{verb}" for verb in get_args(Verb) if verb not in UNTOLD}
    assert told == {name for name in words if name.startswith("told_")}


@pytest.mark.parametrize(
    "name", [name for pages in ALL.values() for name in pages.own if name.startswith("problem_")]
)
def test_a_problem_worded_anew_exists(name: str) -> None:
    assert name.removeprefix("problem_").removesuffix("_advice") in PROBLEMS


@pytest.mark.parametrize(
    ("share", "said"),
    [(1.0, "100%"), (0.9999, "99.9%"), (0.95, "95%"), (0.9456, "94.5%"), (0.0001, "<0.1%"), (0.0, "0%")],
)
def test_a_share_is_never_rounded_to_more_than_it_is(share: float, said: str) -> None:
    assert percent(share) == said


def test_large_numbers_are_short_at_the_end_of_an_axis() -> None:
    assert [short(number) for number in (0, 12_345, 999_999, 1_234_567)] == ["0", "12,345", "999,999", "1.2M"]
