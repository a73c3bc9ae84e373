"""A gate in front of a counterpart that may be away: after several failures in a row nobody waits for it any more.

Open while it answers. Shut after ``failures_max`` failures in a row; after ``pause_seconds`` one call may try, and
its outcome opens the gate or shuts it again. Each process has its own gates and finds out by itself.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from core.errors import Unavailable

Health = Literal["ok", "away", "probing"]


class HealthGate:
    def __init__(
        self,
        *,
        failures_max: int = 5,
        pause_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures_max = failures_max
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._failures = 0
        self._shut_at = 0.0
        self._probing = False

    @property
    def health(self) -> Health:
        """``away`` while the gate is shut, ``probing`` while one call tries."""
        if self._failures < self._failures_max:
            return "ok"
        return "probing" if self._probing else "away"

    @property
    def lets_pass(self) -> bool:
        if self._failures < self._failures_max:
            return True
        return not self._probing and self._clock() >= self._shut_at + self._pause_seconds

    @contextmanager
    def passage(self) -> Iterator[None]:
        """Around one call. Raises `Unavailable` at once while the gate is shut; an `Unavailable` from inside is a
        failure, any other end is none.
        """
        if not self.lets_pass:
            raise Unavailable("owner_away", "it did not answer several times in a row", fault="gate_shut")
        trial = self._failures >= self._failures_max
        self._probing = self._probing or trial
        try:
            yield
        except Unavailable:
            self._failures += 1
            self._shut_at = self._clock()
            raise
        else:
            self._failures = 0
        finally:
            self._probing = self._probing and not trial
