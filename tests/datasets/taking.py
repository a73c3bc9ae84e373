"""Files taken in through the real intake, and a look at what is stored afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from datasets import Contract, IntakeReport, ingest
from tests.datasets.made_up import tax_file


@dataclass
class Intake:
    """Takes lists of tax rows in, or whole files."""

    connection: asyncpg.Connection
    contract: Contract
    folder: Path

    async def __call__(self, rows: Sequence[str], **options: Any) -> IntakeReport:
        return await self.file(tax_file(*rows), **options)

    async def file(self, text: str, contract: Contract | None = None, **options: Any) -> IntakeReport:
        path = self.folder / "delivery.csv"
        path.write_text(text, "utf-8")
        return await ingest(self.connection, contract or self.contract, path, **options)

    async def current(self) -> list[tuple[str, str, str]]:
        rows = await self.connection.fetch(
            "SELECT uscc, part, body FROM records WHERE superseded_at IS NULL ORDER BY uscc, part"
        )
        return [tuple(row) for row in rows]

    async def quarantined(self) -> list[tuple[int, str]]:
        rows = await self.connection.fetch(
            "SELECT line_number, reason FROM quarantined_rows ORDER BY intake_id, line_number"
        )
        return [tuple(row) for row in rows]

    async def versions(self) -> int:
        return int(await self.connection.fetchval("SELECT count(*) FROM records"))


def account(report: IntakeReport) -> tuple[int, int, int, int, int]:
    """Received, accepted, unchanged, superseded, quarantined; they add up."""
    found = (report.received, report.accepted, report.unchanged, report.superseded, report.quarantined)
    assert found[0] == sum(found[1:])
    return found
