"""What the tests of this room share: the real catalogue, the real registry files, a connection of the program."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest
from hypothesis import settings

import datasets.batches
from core.database import SERVER_SETTINGS
from datasets import Catalogue, Contract, load_catalogue, record_layout
from tests.datasets.taking import Intake

# A shared machine pauses now and then; that is no finding about the code.
settings.register_profile("hub", deadline=None)
settings.load_profile("hub")

PROJECT = Path(__file__).parents[2]
REGISTRY = PROJECT.parent / "shared" / "data" / "registry"


class Urls(Protocol):
    app: str
    owner: str


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="session")
def registry() -> Path:
    if not REGISTRY.is_dir():
        pytest.skip("the real registry files are not beside this project (../shared/data/registry)")
    return REGISTRY


@pytest.fixture
async def connection(database_urls: Urls, catalogue: Catalogue) -> AsyncIterator[asyncpg.Connection]:
    """To a database of its own, in the role of the running program.

    Some data sets have partitions, the others lie in the default one: making all of them takes seconds.
    """
    owner = await asyncpg.connect(database_urls.owner)
    layout = record_layout(catalogue.contracts)
    for dataset in ("registration", "tax", "real_estate_seizures"):
        together = layout[dataset]
        await owner.execute("SELECT ensure_record_partition($1)", dataset)
        await owner.execute("SELECT keep_records_together($1, $2)", dataset, together)
    await owner.close()
    connected = await asyncpg.connect(database_urls.app, server_settings=SERVER_SETTINGS)
    yield connected
    await connected.close()


@pytest.fixture
def tax(catalogue: Catalogue) -> Contract:
    return catalogue.contracts["tax"]


@pytest.fixture
def intake(connection: asyncpg.Connection, tax: Contract, tmp_path: Path) -> Intake:
    return Intake(connection, tax, tmp_path)


@pytest.fixture(params=[1, 2, 3, 5_000])
def batch_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Where one batch ends and the next begins must make no difference."""
    size: int = request.param
    monkeypatch.setattr(datasets.batches, "ROWS_PER_BATCH", size)
    return size
