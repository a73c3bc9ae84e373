"""Every phrase exists in both languages, and every word that the program can say has a phrase."""

import re
import string
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from consent import FACTOR_KINDS, ConfirmedBy, State
from consent.policies import Verb
from gateway.portal.devices import Done
from gateway.portal.intents import Intent
from gateway.portal.pages import TEMPLATES
from gateway.portal.step_up import Fault
from gateway.portal.words import LANGUAGES, WORDS, Speech
from gateway.problems import PROBLEMS

PORTAL = TEMPLATES.parent
AT = datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC)


def facts_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("phrase", WORDS)
def test_a_phrase_is_there_in_both_languages_with_the_same_facts(phrase: str) -> None:
    words = WORDS[phrase]
    assert words.zh
    assert words.en
    assert facts_of(words.zh) == facts_of(words.en)
    assert facts_of(words.en_one) <= facts_of(words.en)
    assert not words.en_one or "n" in facts_of(words.zh)


def test_english_phrases_hold_no_chinese() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    assert {name for name, words in WORDS.items() if chinese.search(words.en)} == {"other_language"}


def test_every_phrase_that_a_page_names_is_in_the_table() -> None:
    for page in TEMPLATES.glob("*.html"):
        named = set(re.findall(r'\bt\(\s*"(\w+)"\s*[,)]', page.read_text()))
        assert named <= WORDS.keys(), page.name


def test_no_phrase_is_left_over() -> None:
    """Phrases whose names are put together from a state or reason have tests of their own, below."""
    composed = (
        "state_",
        "event_",
        "refused_",
        "outcome_",
        "problem_",
        "kind_",
        "welcome_",
        "changed_",
        "standing_",
        "role_",
        "mandate_",
        "identity_",
        "transfer_",
        "way_",
        "log_in_",
        "confirm_",
        "fault_",
        "factor_",
        "proved_",
        "devices_",
        "enrol_",
    )
    pages = "".join(file.read_text() for file in (*PORTAL.glob("*.py"), *TEMPLATES.glob("*.html")))
    spoken = set(re.findall(r'"(\w+)"(?!: _\()', pages))
    assert {name for name in WORDS if not name.startswith(composed)} - {
        f"{name}_text" for name in spoken
    } <= spoken


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_of_a_consent_has_its_word_and_sentence(state: str) -> None:
    assert f"state_{state}" in WORDS
    assert f"state_{state}_text" in WORDS
    assert state == "active" or f"refused_consent_{state}" in WORDS


@pytest.mark.parametrize("verb", get_args(Verb))
def test_everything_that_can_happen_to_a_consent_has_its_words(verb: str) -> None:
    assert f"event_{verb}" in WORDS


def test_everything_about_confirming_has_its_words() -> None:
    for names in (
        [f"confirm_{intent.__name__.lower()}" for intent in get_args(Intent)],
        [f"fault_{fault}" for fault in get_args(Fault) if fault],
        [f"devices_{done}" for done in get_args(Done) if done],
        [f"factor_{kind}" for kind in FACTOR_KINDS],
        [f"enrol_{kind}_heading" for kind in FACTOR_KINDS],
        [f"factor_{verb}_by" for verb in ("enrol", "remove")],
        [f"proved_{how}" for how in get_args(ConfirmedBy)],
    ):
        assert set(names) <= WORDS.keys()


@pytest.mark.parametrize(
    "phrase", [name for name in WORDS if name.startswith("problem_") and name.endswith("_advice")]
)
def test_a_problem_that_the_portal_words_itself_exists(phrase: str) -> None:
    reason = phrase.removeprefix("problem_").removesuffix("_advice")
    assert reason in PROBLEMS
    assert f"problem_{reason}" in WORDS


def test_a_refusal_that_has_no_words_of_its_own_takes_those_of_the_problem() -> None:
    assert Speech("zh").refusal("consent_revoked") == "您已撤回授权"
    assert Speech("zh").refusal("dataset_unknown") == PROBLEMS["dataset_unknown"].title
    assert Speech("en").refusal("not in any table") == "not in any table"


def test_days_and_moments_are_told_in_chinas_time() -> None:
    assert Speech("zh").moment(AT) == "2026年11月22日 23:59:59"
    assert Speech("zh").moment(AT + timedelta(seconds=1)) == "2026年11月23日 00:00:00"
    assert Speech("en").day(AT) == "22 Nov 2026"


def test_the_days_left_are_counted_as_people_count_them() -> None:
    say = {language: Speech(language).days_left for language in LANGUAGES}
    assert say["zh"](AT, AT) == "今天截止"
    assert say["en"](AT + timedelta(seconds=1), AT) == "1 day left"
    assert say["zh"](AT + timedelta(days=30), AT) == "还剩 30 天"
