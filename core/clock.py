"""Time: one place to ask, always aware, always UTC; days and months are counted in China's time."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

Clock = Callable[[], datetime]

CHINA = timezone(timedelta(hours=8), "UTC+08:00")


def now() -> datetime:
    return datetime.now(UTC)


def china_day(at: datetime) -> date:
    """The day on which a call is counted and billed."""
    return at.astimezone(CHINA).date()
