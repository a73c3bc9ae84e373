"""The list of looks, opened in a spreadsheet, computes nothing: an institution may be named anything."""

import csv
import io
from uuid import uuid4

import pytest

from core.clock import now
from datasets import load_catalogue
from gateway.portal.looks import looks_as_csv
from gateway.portal.words import Speech
from ledger import Look


@pytest.mark.parametrize("name", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", "＝1+1", "'=1+1"])
def test_a_name_is_never_a_formula(name: str) -> None:
    look = Look(
        uuid4(), now(), "a-bank", "registration", "credit_review", uuid4(), "disclosed", None, "view", 10
    )
    text = looks_as_csv(load_catalogue(), [look], {"a-bank": name}, Speech("zh"))
    [row] = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert row["机构"] == f"'{name}"
