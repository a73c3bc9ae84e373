"""`python -m sandbox …`: the commands write what they say, and the story fails loudly."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sandbox.__main__ import app

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there

run = CliRunner().invoke


@pytest.fixture
def province(tmp_path: Path) -> Path:
    out = tmp_path / "province"
    done = run(
        app, ["province", "--out", str(out), "--enterprises", "40", "--months", "3", "--until", "2026-03"]
    )
    assert done.exit_code == 0, done.output
    return out


def test_the_province_is_written_up_to_the_month_before(province: Path) -> None:
    summary = json.loads((province / "summary.json").read_text(encoding="utf-8"))
    assert (summary["tax_from"], summary["tax_to"]) == ("202512", "202602")
    assert summary["registration_rows"] == 52


def test_keys_and_certificates_are_written(tmp_path: Path) -> None:
    assert run(app, ["bank-keys", "--state", str(tmp_path)]).exit_code == 0
    assert run(app, ["certificates", "--out", str(tmp_path)]).exit_code == 0
    assert {"bank-jwks.json", "ca.pem", "hub.pem", "bank.pem"} <= {path.name for path in tmp_path.iterdir()}


def test_half_a_mutual_tls_configuration_is_refused(tmp_path: Path) -> None:
    done = run(app, ["bank", "--state", str(tmp_path), "--hub-mtls", "https://127.0.0.1:8443"])
    assert done.exit_code == 2


def test_a_story_without_a_bank_ends_with_exit_code_one(province: Path) -> None:
    known = str(province / "enterprises.json")
    told = run(app, ["story", "--enterprises", known, "--bank", NOBODY, "--hub", NOBODY, "--fast"])
    assert told.exit_code == 1
    assert "✗  1 " in told.output


def test_the_story_can_be_told_as_json(province: Path) -> None:
    known = str(province / "enterprises.json")
    told = run(app, ["story", "--enterprises", known, "--bank", NOBODY, "--hub", NOBODY, "--json"])
    report = json.loads(told.output)
    assert told.exit_code == 1
    assert (report["ok"], [step["ok"] for step in report["steps"]]) == (False, [False])
