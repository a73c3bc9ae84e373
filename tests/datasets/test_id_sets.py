"""A set of ids: as any other set, only smaller."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from datasets.id_sets import IdSet

ids = st.integers(min_value=0, max_value=2**40) | st.integers(min_value=0, max_value=300)


@given(st.lists(ids), st.lists(ids))
def test_it_holds_what_was_put_in_and_nothing_else(put: list[int], others: list[int]) -> None:
    found = IdSet()
    found.update(put)
    assert all(number in found for number in put)
    assert [number in found for number in others] == [number in set(put) for number in others]


def test_a_million_neighbours_take_little_memory() -> None:
    found = IdSet()
    found.update(range(5_000_000, 6_000_000))
    assert sum(map(sys.getsizeof, found._pages.values())) < 150_000
