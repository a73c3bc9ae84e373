"""What becomes of a row is decided by the row, the stored version and the days alone."""

from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from datasets.judging import UNCHANGED, Current, judge, merge

DAY = date(2026, 11, 1)
FIELDS = ("name", "capital_fen", "address")
bodies = st.fixed_dictionaries({name: st.none() | st.sampled_from(["a", "b"]) for name in FIELDS})
some_fields = st.frozensets(st.sampled_from(FIELDS))


def stored(body: dict[str, Any], as_of: date = DAY, *, established: bool = False) -> Current:
    text = orjson.dumps(body)
    return Current(1, sha256(text).digest(), as_of, as_of, None, established, text)


def judged(
    current: Current | None, body: dict[str, Any], day: date, absent: frozenset[str] = frozenset()
) -> Any:
    text = orjson.dumps(body)
    return judge(current, text, sha256(text).digest(), day, day, absent)


@given(bodies)
def test_what_nobody_has_stored_is_accepted_as_it_is(body: dict[str, Any]) -> None:
    assert judged(None, body, DAY) == ("accepted", orjson.dumps(body))


@given(bodies)
def test_the_same_on_the_same_day_writes_nothing(body: dict[str, Any]) -> None:
    assert judged(stored(body), body, DAY) == UNCHANGED


@given(bodies)
def test_the_same_on_a_later_day_is_unchanged_and_renewed(body: dict[str, Any]) -> None:
    assert judged(stored(body), body, DAY + timedelta(1)) == ("unchanged", orjson.dumps(body))
    assert judged(stored(body), body, DAY - timedelta(1)) == UNCHANGED


@given(bodies, bodies, some_fields)
def test_an_older_delivery_never_supersedes(
    before: dict[str, Any], body: dict[str, Any], absent: frozenset[str]
) -> None:
    outcome, write = judged(stored(before), body, DAY - timedelta(1), absent)
    assert outcome in ("unchanged", "older_than_stored")
    assert write is None


@given(bodies, bodies, some_fields)
def test_a_field_without_a_column_keeps_its_value_and_an_empty_cell_clears_it(
    before: dict[str, Any], body: dict[str, Any], absent: frozenset[str]
) -> None:
    expected = {name: before[name] if name in absent else body[name] for name in FIELDS}
    assert merge(before, body, absent) == expected
    outcome, write = judged(stored(before), body, DAY, absent)
    assert outcome == ("unchanged" if expected == before else "superseding")
    assert write is None or orjson.loads(write) == expected


@given(bodies, bodies, some_fields)
def test_a_row_that_contradicts_its_own_file_is_never_written(
    before: dict[str, Any], body: dict[str, Any], absent: frozenset[str]
) -> None:
    outcome, write = judged(stored(before, established=True), body, DAY, absent)
    assert outcome in ("unchanged", "conflicting_duplicate")
    assert write is None


def test_a_field_that_the_contract_gained_and_nobody_filled_is_no_change() -> None:
    assert judged(stored({"name": "a"}), {"name": "a", "address": None}, DAY) == UNCHANGED
    assert judged(stored({"name": "a"}), {"name": "a", "address": "b"}, DAY).outcome == "superseding"
