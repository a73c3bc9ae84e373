"""Time: one place to ask, always aware, always UTC; days and months are counted in China's time."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import NamedTuple, Self

Clock = Callable[[], datetime]

CHINA = timezone(timedelta(hours=8), "UTC+08:00")


def now() -> datetime:
    return datetime.now(UTC)


def china_day(at: datetime) -> date:
    """The day on which a call is counted and billed."""
    return at.astimezone(CHINA).date()


def china_midnight(day: date) -> datetime:
    """When the day begins in China."""
    return datetime.combine(day, time(), CHINA)


class Quarter(NamedTuple):
    """A quarter of a year in China's time; written ``2026Q3``."""

    year: int
    number: int
    """1 to 4"""

    @classmethod
    def of(cls, at: datetime) -> Self:
        day = china_day(at)
        return cls(day.year, (day.month + 2) // 3)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `ValueError` for what is no quarter from 2000 to 2099."""
        found = re.fullmatch(r"(20[0-9]{2})Q([1-4])", text)
        if found is None:
            raise ValueError(f"not a quarter: {text!r}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"

    @property
    def before(self) -> Self:
        year, number = (self.year, self.number - 1) if self.number > 1 else (self.year - 1, 4)
        return self._replace(year=year, number=number)

    @property
    def after(self) -> Self:
        year, number = (self.year, self.number + 1) if self.number < 4 else (self.year + 1, 1)
        return self._replace(year=year, number=number)

    @property
    def first_day(self) -> date:
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def last_day(self) -> date:
        return self.after.first_day - timedelta(days=1)

    @property
    def begins(self) -> datetime:
        return china_midnight(self.first_day)

    @property
    def ends(self) -> datetime:
        """The first instant after it."""
        return china_midnight(self.after.first_day)
