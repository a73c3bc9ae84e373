"""``make bench``: how fast the hub answers, as ratios measured in one run on the same cores.

Alternating with the hub's question route run a FastAPI hello-world and pgbench with the same SQL. Everything is
on loopback, in a folder of its own, and stopped at the end. The exit code tells whether all was right, not
whether it was fast: slow is not wrong, an answer without its record is.
"""

import argparse
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from loadtests.measuring import Measuring, Size
from loadtests.table import print_report

FULL = Size(rounds=3, seconds=5, calls_before_memory=200_000)
QUICK = Size(rounds=1, seconds=3, calls_before_memory=0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, about a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers to FILE")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        print("缺少 wrk：请安装（apt install wrk）。/ wrk is not installed.", file=sys.stderr)
        return 2
    report = Measuring(QUICK if given.quick else FULL).run()
    print_report(report)
    if given.json:
        given.json.write_text(json.dumps(asdict(report), ensure_ascii=False, indent=1))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
