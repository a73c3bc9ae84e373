"""What a benchmark run found, as data: the table and the JSON file are made of it."""

import statistics
from dataclasses import dataclass, field


@dataclass
class Series:
    """One load, round by round."""

    title: str
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    processor_us: dict[str, list[float]] = field(default_factory=dict)
    """per answer, by part of the hub"""
    strangers: list[float] = field(default_factory=list)
    """processors that were busy with something else meanwhile: how noisy it was"""

    @property
    def rate(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.per_second)


@dataclass
class Report:
    machine: dict[str, str] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)
    books: dict[str, int] = field(default_factory=dict)
    round_trips: dict[str, int] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    steps: dict[str, dict[str, object]] = field(default_factory=dict)
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    """decides about the exit code"""

    def check(self, right: bool, otherwise: str) -> None:
        if not right:
            self.wrong.append(otherwise)

    def ratio(self, series: str, to: str) -> float:
        """Of the rates, round by round: both ran one after the other, so noise hits both alike."""
        pairs = zip(self.series[series].per_second, self.series[to].per_second, strict=False)
        return statistics.median(rate / other for rate, other in pairs)
