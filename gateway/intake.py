"""``python -m gateway ingest`` and ``corrections``: take files in with a progress bar and an account that adds up;
give quarantined rows back to their owner.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import asyncpg
from tqdm import tqdm

from core.database import connect_database
from datasets import REASONS, Contract, IntakeReport, Progress, ingest, write_corrections


@dataclass(frozen=True)
class IntakeErrand:
    """What the command line says about the files: see `datasets.ingest`."""

    contract: Contract
    as_of: date | None = None
    corrects: int | None = None
    withdraws: bool = False


async def ingest_files(url: str, errand: IntakeErrand, files: Sequence[Path], *, quiet: bool) -> None:
    """Take the files in one after the other and print each one's account."""
    database = await connect_database(url, connections=2)
    try:
        async with database.hot.acquire() as connection:
            for file in files:
                print_account(await _ingest_one(connection, errand, file, quiet=quiet))
    finally:
        await database.close()


async def _ingest_one(
    connection: asyncpg.pool.PoolConnectionProxy, errand: IntakeErrand, file: Path, *, quiet: bool
) -> IntakeReport:
    size = file.stat().st_size
    with tqdm(total=size, unit="B", unit_scale=True, desc=file.name, disable=quiet or None) as bar:

        def show(progress: Progress) -> None:
            bar.total = progress.bytes_total  # unpacked
            bar.set_postfix(rows=progress.received, refresh=False)
            bar.update(progress.bytes_read - bar.n)

        return await ingest(
            connection,
            errand.contract,
            file,
            as_of=errand.as_of,
            source="cli" if errand.corrects is None else "correction",
            corrects=errand.corrects,
            withdraws=errand.withdraws,
            progress=show,
        )


def print_account(report: IntakeReport) -> None:
    """received = accepted + unchanged + superseded + quarantined, and why rows were quarantined."""
    print(
        f"{report.file_name}: 收到 {report.received} = 新增 {report.accepted} + 未变 {report.unchanged} "
        f"+ 更新 {report.superseded} + 疑问 {report.quarantined}"
    )
    for reason, rows in report.reasons.items():
        print(f"    {rows:>8}  {reason}  {REASONS[reason]}")
    if report.quarantined:
        print(
            f"    更正文件：python -m gateway corrections {report.corrects or report.intake_id} -o FILE.csv"
        )
    if report.ignored_columns:
        print(f"    未使用的列：{'、'.join(report.ignored_columns)}")


async def export_corrections(url: str, contracts: Mapping[str, Contract], intake_id: int, path: Path) -> int:
    """Write the correction file of an intake; returns how many rows are in it."""
    database = await connect_database(url, connections=2)
    try:
        async with database.hot.acquire() as connection:
            return await write_corrections(connection, contracts, intake_id, path)
    finally:
        await database.close()
