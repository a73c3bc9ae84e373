"""A set of record ids in little memory: which records an intake has met without writing them."""

from collections.abc import Iterable

_BITS = 16
_PAGE = 1 << _BITS


class IdSet:
    """A bit per id, in pages made as needed: 24 million neighbouring ids take 3 MB, and a thousand million 125 MB."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def update(self, ids: Iterable[int]) -> None:
        for number in ids:
            page = self._pages.get(number >> _BITS)
            if page is None:
                page = self._pages[number >> _BITS] = bytearray(_PAGE >> 3)
            page[(number & (_PAGE - 1)) >> 3] |= 1 << (number & 7)

    def __contains__(self, number: int) -> bool:
        page = self._pages.get(number >> _BITS)
        return page is not None and bool(page[(number & (_PAGE - 1)) >> 3] >> (number & 7) & 1)
