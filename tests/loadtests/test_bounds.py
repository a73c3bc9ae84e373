"""Load is for this machine only, is told apart from truth, and does not leak into other processes."""

import subprocess
import sys
from uuid import UUID

import pytest

from loadtests.__main__ import is_loopback
from loadtests.books import Books
from loadtests.ground import Target
from loadtests.pgbench import script
from loadtests.report import Report, Series

RIGHT = Books(
    disclosures=5,
    metered=5,
    uses_spent=5,
    idempotency_keys=5,
    not_disclosed=0,
    charged_fen=50,
    metered_fen=50,
)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://127.8.9.1:8443", "http://[::1]:8000"])
def test_this_machine_may_be_loaded(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1:8000", "http://hub.example", "http://localhost.example", "http://0.0.0.0", "nonsense"],
)
def test_no_other_machine_is_ever_loaded(url: str) -> None:
    assert not is_loopback(url)
    refused = subprocess.run(
        [sys.executable, "-m", "loadtests", "--hub", url], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "本机" in refused.stderr


@pytest.mark.parametrize("name", ["disclosures", "metered", "uses_spent", "idempotency_keys", "metered_fen"])
def test_books_that_differ_in_one_place_do_not_agree(name: str) -> None:
    assert RIGHT.agree
    assert not RIGHT._replace(**{name: getattr(RIGHT, name) + 1}).agree


def test_a_ratio_is_taken_round_by_round() -> None:
    report = Report(series={"hub": Series("hub", [60, 100]), "hello": Series("hello", [100, 200])})
    assert report.ratio("hub", "hello") == pytest.approx(0.55)


def test_pgbench_gets_the_hubs_own_statements_without_a_parameter_left() -> None:
    lines = script([Target(UUID(int=1), "91350100M000100Y43")], "tax", 2)
    assert "$" not in lines
    assert "--" not in lines
    assert "INSERT INTO disclosures" in lines
    assert "FROM records" in lines
    assert "'{1,2}'" in lines


def test_only_locusts_own_process_is_monkey_patched() -> None:
    code = "import sys, loadtests.__main__, loadtests.bench; sys.exit('gevent' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
