"""The page of clauses names tests that there are, and every test that is named for a clause."""

import re

from tests.conftest import PROJECT

PAGE = (PROJECT / "docs" / "fapi.md").read_text()
NAMED = set(re.findall(r"`(test_\w+)`", PAGE))
TEST = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)
FOR_A_CLAUSE = re.compile(r"test_(?:fapi2|rfc\d+|ciba)_")


def found_in(folder: str) -> set[str]:
    files = (PROJECT / folder).rglob("test_*.py")
    return {name for file in files for name in TEST.findall(file.read_text())}


def test_what_is_said_to_be_proven_has_its_test() -> None:
    assert NAMED - found_in("tests") == set()


def test_what_is_proven_of_a_clause_is_on_the_page() -> None:
    assert {name for name in found_in("tests/oauth") if FOR_A_CLAUSE.match(name)} - NAMED == set()
