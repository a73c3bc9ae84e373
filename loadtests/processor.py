"""What processes used, read from /proc (Linux): processor time and memory."""

import os
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_OCTETS = os.sysconf("SC_PAGE_SIZE")


class Used(NamedTuple):
    """Processor seconds between two moments."""

    elapsed: float
    by_part: Mapping[str, float]
    by_strangers: float
    """by processes that are neither the parts nor our own children"""


class Watch:
    """Looks at the processes of some parts (their children count with them) from its making on."""

    def __init__(self, parts: Mapping[str, int | None]) -> None:
        self._parts = {name: pid for name, pid in parts.items() if pid is not None}
        self._before = self._now()

    def used(self) -> Used:
        at, machine, own, parts = self._now()
        began, machine_before, own_before, parts_before = self._before
        by_part = {name: parts[name] - parts_before[name] for name in parts}
        known = sum(by_part.values()) + own - own_before
        return Used(at - began, by_part, max(0.0, machine - machine_before - known))

    def _now(self) -> tuple[float, float, float, dict[str, float]]:
        ticks = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        busy = (sum(ticks) - ticks[3] - ticks[4]) / TICKS_PER_SECOND  # all but idle and waiting for disks
        own = sum(
            sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        parts = {name: sum(map(_seconds, family(pid))) for name, pid in self._parts.items()}
        return time.monotonic(), busy, own, parts


def memory_mb(pid: int) -> float:
    """Resident memory of a process, in millions of octets."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_OCTETS / 1e6


def memory_of_all_mb(pid: int) -> float:
    """Of a process and its children together, what they share counted once, in millions of octets."""
    total = 0
    try:
        for one in family(pid):
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += int(rollup.partition("\nPss:")[2].split(maxsplit=1)[0]) * 1024
    except (OSError, IndexError, ValueError):  # one of them has ended meanwhile
        return 0.0
    return total / 1e6


def _seconds(pid: int) -> float:
    """Of the main thread: none of the processes here works in others."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return 0.0


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]
