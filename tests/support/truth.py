"""What the database says, read past the program."""

from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from consent import metadata as consent_metadata
from datasets import ingest
from gateway.hub import Hub
from ledger import metadata as ledger_metadata

disclosures = ledger_metadata.tables["disclosures"]
usage = ledger_metadata.tables["usage"]
consents = consent_metadata.tables["consents"]

RENAMED_CSV = "统一社会信用代码,企业名称,注册日期\n91350100M000100Y43,{name},2018-01-06\n"


class Meter(NamedTuple):
    disclosed: int
    nothing_found: int
    refused: int
    price_fen: int


class Truth:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def disclosures(self) -> list[Any]:
        async with self._hub.database.transaction() as tx:
            return list((await tx.execute(select(disclosures).order_by(disclosures.c.at))).all())

    async def usage(self) -> Meter:
        columns = [func.coalesce(func.sum(usage.c[name]), 0) for name in Meter._fields]
        async with self._hub.database.transaction() as tx:
            row = (await tx.execute(select(*columns))).one()
        return Meter(*map(int, row))

    async def uses_spent(self, consent_id: UUID) -> int:
        async with self._hub.database.transaction() as tx:
            found = await tx.scalar(select(consents.c.uses_spent).where(consents.c.consent_id == consent_id))
        assert found is not None
        return int(found)

    async def count(self, table: str) -> int:
        async with self._hub.database.transaction() as tx:
            return int(await tx.scalar(text(f"SELECT count(*) FROM {table}")) or 0)

    async def supersede(self, folder: pytest.TempPathFactory, name: str) -> None:
        """The register delivers a new version of the enterprise's registration."""
        file = folder.mktemp("change") / "registration.csv"
        file.write_text(RENAMED_CSV.format(name=name))
        async with self._hub.database.hot.acquire() as connection:
            report = await ingest(connection, self._hub.catalogue.contracts["registration"], file)
        assert report.superseded == 1
