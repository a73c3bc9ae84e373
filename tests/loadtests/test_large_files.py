"""The large files whose memory is watched are files that an owner could deliver, and long rows make small batches."""

from datetime import date
from pathlib import Path

import pytest

from datasets import load_catalogue
from datasets.batches import CHARACTERS_PER_BATCH, Encoder, Job, clean_batches
from datasets.cleaning import RowCleaner
from datasets.delivery import inspect_delivery
from loadtests.large_files import Large, large_files

CONTRACTS = load_catalogue().contracts
DAY = date(2026, 11, 22)
SCOPE_CHARACTERS = 4_000


@pytest.mark.parametrize("large", large_files(2), ids=lambda large: large.name)
def test_every_row_of_a_large_file_is_clean(large: Large, tmp_path: Path) -> None:
    file = tmp_path / large.name
    rows = large.write(file)
    contract = CONTRACTS[large.dataset]
    delivery = inspect_delivery(file, lambda header: RowCleaner(contract, header, DAY))
    batches = list(clean_batches(Job(delivery, Encoder(contract.id, 1), skipped=0, replayed=False)))
    assert sum(len(batch.usccs) for batch in batches) == sum(batch.received for batch in batches) == rows > 0


def test_long_rows_make_small_batches(tmp_path: Path) -> None:
    file = tmp_path / "2.csv"
    large_files(4)[0].write(file)
    contract = CONTRACTS["registration"]
    delivery = inspect_delivery(file, lambda header: RowCleaner(contract, header, DAY))
    batches = list(clean_batches(Job(delivery, Encoder(contract.id, 1), skipped=0, replayed=False)))
    assert len(batches) > 1
    assert all(batch.size <= CHARACTERS_PER_BATCH + SCOPE_CHARACTERS for batch in batches)
