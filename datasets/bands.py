"""Bands: an amount shown as the interval it lies in, so that a bank can score without seeing the figure.

A band is written as `pandas.cut` writes it, ``[500000,700000)``: lower edge in, upper edge out, in the unit
the contract states. The label explains itself in an archived answer even after the edges changed, and is one
short shared string on the wire. Zero is a band of its own (``[0,0]``: "declared nothing" is a fact that banks
score), everything negative is one band.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

NEGATIVE = "(-inf,0)"
ZERO = "[0,0]"


@dataclass(frozen=True, slots=True)
class Band:
    """One interval; ``lower``/``upper`` in the contract's unit, None where open."""

    label: str
    lower: int | None
    upper: int | None
    title: str


@dataclass(frozen=True, slots=True)
class BandTable:
    """All bands of one table, lowest first, and what the hot path needs: sorted cuts in stored units.

    ``labels[bisect_right(cuts, value)]`` is the band of a stored integer value.
    """

    name: str
    unit: str
    bands: tuple[Band, ...]
    cuts: tuple[int, ...]
    labels: tuple[str, ...]

    def label_of(self, stored: int) -> str:
        return self.labels[bisect_right(self.cuts, stored)]


def band_table(name: str, unit: str, edges: tuple[int, ...], stored_per_unit: int) -> BandTable:
    """``edges`` in the contract's unit, positive and rising; ``stored_per_unit`` 100 for fen, else 1.

    Raises ValueError for edges that are neither.
    """
    if not edges or edges[0] <= 0 or any(low >= high for low, high in pairwise(edges)):
        raise ValueError("edges must be positive and strictly rising")
    bands = (
        Band(NEGATIVE, None, 0, "负数"),
        Band(ZERO, 0, 0, "零"),
        Band(f"(0,{edges[0]})", 0, edges[0], f"不足{in_words(edges[0])}{unit}"),
        *(
            Band(f"[{low},{high})", low, high, f"{in_words(low)}至{in_words(high)}{unit}")
            for low, high in pairwise(edges)
        ),
        Band(f"[{edges[-1]},inf)", edges[-1], None, f"{in_words(edges[-1])}{unit}及以上"),
    )
    cuts = (0, 1, *(edge * stored_per_unit for edge in edges))
    return BandTable(name, unit, bands, cuts, tuple(band.label for band in bands))


def interval_table(name: str, unit: str, edges: tuple[int, ...], stored_per_unit: int) -> BandTable:
    """The whole line cut at ``edges``, which may be negative; zero lies in a band like any other number.

    Raises ValueError for edges that do not rise.
    """
    if not edges or any(low >= high for low, high in pairwise(edges)):
        raise ValueError("edges must be strictly rising")
    bands = (
        Band(f"(-inf,{edges[0]})", None, edges[0], f"不足{in_words(edges[0])}{unit}"),
        *(
            Band(f"[{low},{high})", low, high, f"{in_words(low)}至{in_words(high)}{unit}")
            for low, high in pairwise(edges)
        ),
        Band(f"[{edges[-1]},inf)", edges[-1], None, f"{in_words(edges[-1])}{unit}及以上"),
    )
    cuts = tuple(edge * stored_per_unit for edge in edges)
    return BandTable(name, unit, bands, cuts, tuple(band.label for band in bands))


def in_words(number: int) -> str:
    """15000 → 1.5万, 300000000 → 3亿: as a company owner reads it."""
    for size, word in ((100_000_000, "亿"), (10_000, "万")):
        if abs(number) >= size:
            return f"{number / size:.10g}{word}"
    return str(number)
