"""Month partitions: made ahead of time, and also when the worker was away for too long."""

import asyncpg
import pytest

from gateway.hub import Hub
from ledger import ensure_partitions
from tests.conftest import ENTERPRISE, Consents, DatabaseUrls
from tests.support.bank import Bank
from tests.support.truth import Truth


@pytest.mark.usefixtures("stocked")
async def test_rows_that_came_without_a_partition_move_into_it(
    bank: Bank, hub: Hub, consents: Consents, truth: Truth, database_urls: DatabaseUrls
) -> None:
    owner = await asyncpg.connect(database_urls.owner)
    try:
        months = await owner.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'disclosures'::regclass"
        )
        for month in months:
            if month["name"] != "disclosures_default":
                await owner.execute(f"DROP TABLE {month['name']}")
        answer = await bank.query("tax", await consents.active(), ENTERPRISE, key="k")
        assert answer.status_code == 200
        assert await owner.fetchval("SELECT count(*) FROM disclosures_default") == 1
        async with hub.database.transaction() as tx:
            await ensure_partitions(tx)
        assert await owner.fetchval("SELECT count(*) FROM disclosures_default") == 0
        assert len(await truth.disclosures()) == 1
        again = await bank.query("tax", answer.json()["decision_id"], ENTERPRISE, key="k")
        assert again.status_code == 422  # the key is still known, and this is another question
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with hub.database.hot.acquire() as connection:
                await connection.execute("DELETE FROM disclosures_default")
    finally:
        await owner.close()
