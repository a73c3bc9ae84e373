"""The guides for data owners name every reason and every entry of a manifest, and tell of the real files what is true."""

import re
from pathlib import Path

import pytest

from datasets import REASONS, Manifest
from tests.conftest import PROJECT
from tests.datasets.test_registry_files import ACCOUNTS

GUIDES = [PROJECT / "docs" / "data-owners.md", PROJECT / "docs" / "data-owners.en.md"]
REFUSAL = re.compile(r'DeliveryRefused\(\s*"([a-z_]+)"')

both = pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)


def first_cells(guide: Path) -> set[str]:
    rows = [line.split("|")[1] for line in guide.read_text().splitlines() if line.startswith("|")]
    return {name for cell in rows for name in re.findall(r"`([^`]+)`", cell)}


@both
def test_every_reason_of_a_row_and_of_a_file_is_explained(guide: Path) -> None:
    sources = [*(PROJECT / "datasets").glob("*.py"), *(PROJECT / "gateway").glob("*.py")]
    refusals = {reason for source in sources for reason in REFUSAL.findall(source.read_text())}
    assert "manifest_rows" in refusals
    assert set(REASONS) | refusals <= first_cells(guide)


@both
def test_every_entry_of_a_manifest_is_explained(guide: Path) -> None:
    assert set(Manifest.__struct_fields__) <= first_cells(guide)


@both
def test_the_table_of_the_real_files_is_what_the_intake_says(guide: Path) -> None:
    text = guide.read_text()
    for name, (received, accepted, reasons) in ACCOUNTS.items():
        quarantined = sum(reasons.values())
        assert f"| `{name}` | {received:,} | {accepted:,} | 0 | 0 | {quarantined:,} |" in text
        for reason, rows in reasons.items():
            assert f"`{reason}` {rows}" in text


def test_both_guides_say_the_same() -> None:
    chinese, english = map(first_cells, GUIDES)
    assert chinese == english
