"""Large synthetic deliveries of tax rows, and files taken in through the hub's own command, watched."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from loadtests.ground import PROJECT, Ground
from loadtests.processor import memory_of_all_mb
from sandbox.province import make_uscc

HEADER = "统一社会信用代码,RKYF,ZZSYNSE,ZZSSJJE,SDSYNSE,SDSSJJE,sale_inco\n"
DISTRICT = "320583"
FIRST_YEAR = 2024
_LOOK_EVERY_SECONDS = 0.1


def usccs(enterprises: int, first: int = 0) -> list[str]:
    return [make_uscc(DISTRICT, first + number) for number in range(enterprises)]


def write_tax(path: Path, who: Sequence[str], months: Sequence[int]) -> int:
    """Month after month (0 is the first), as it is delivered: the rows of one enterprise lie far apart. Returns the
    rows.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER)
        for row in tax_rows(who, months):
            file.write(",".join(row) + "\n")
    return len(who) * len(months)


def tax_rows(who: Sequence[str], months: Sequence[int]) -> Iterator[tuple[str, ...]]:
    for month in months:
        period = f"{FIRST_YEAR + month // 12}{month % 12 + 1:02d}"
        for number, uscc in enumerate(who):
            vat = (number * 7_919 + month * 104_729) % 90_000 / 1_000
            profit = (number * 3_571 + month * 15_485) % 50_000 / 1_000
            figures = (f"{vat:.3f}", f"{profit:.2f}", f"{vat * 130_000:.2f}")
            yield uscc, period, figures[0], figures[0], figures[1], figures[1], figures[2]


class Taken(NamedTuple):
    """A finished ``ingest``: its wall clock, the most memory of its processes together, what it printed."""

    seconds: float
    memory_mb: float
    account: str


def ingest(ground: Ground, file: Path, *options: str, dataset: str = "tax") -> Taken:
    """The whole command, from its start to its end. Raises `RuntimeError`."""
    started, most = time.perf_counter(), 0.0
    command = [sys.executable, "-m", "gateway", "ingest", "--quiet", *options, dataset, str(file)]
    with (ground.folder / "ingest.log").open("w+b") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=ground.environment, stdout=output, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            most = max(most, memory_of_all_mb(process.pid))
            time.sleep(_LOOK_EVERY_SECONDS)
        seconds = time.perf_counter() - started
        output.seek(0, os.SEEK_SET)
        account = output.read().decode()
    if process.returncode != 0:
        raise RuntimeError(f"ingest failed:\n{account[-2000:]}")
    return Taken(seconds, most, account.strip())
