"""``python -m gateway ingest``: take files in, with a progress bar and an account that adds up."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg
from tqdm import tqdm

from core.database import connect_database
from datasets import Contract, IntakeReport, Progress, ingest


async def ingest_files(url: str, contract: Contract, files: Sequence[Path], *, quiet: bool) -> None:
    """Take the files in one after the other and print each one's account."""
    database = await connect_database(url, connections=2)
    try:
        async with database.hot.acquire() as connection:
            for file in files:
                print_account(await _ingest_one(connection, contract, file, quiet=quiet))
    finally:
        await database.close()


async def _ingest_one(
    connection: asyncpg.pool.PoolConnectionProxy, contract: Contract, file: Path, *, quiet: bool
) -> IntakeReport:
    size = file.stat().st_size
    with tqdm(total=size, unit="B", unit_scale=True, desc=file.name, disable=quiet or None) as bar:

        def show(progress: Progress) -> None:
            bar.set_postfix(rows=progress.received, refresh=False)
            bar.update(progress.bytes_read - bar.n)

        return await ingest(connection, contract, file, progress=show)


def print_account(report: IntakeReport) -> None:
    """received = accepted + unchanged + superseded + quarantined, and why rows were quarantined."""
    print(
        f"{report.file_name}: 收到 {report.received} = 新增 {report.accepted} + 未变 {report.unchanged} "
        f"+ 更新 {report.superseded} + 疑问 {report.quarantined}"
    )
    for reason, rows in report.reasons.items():
        print(f"    {rows:>8}  {reason}")
    if report.ignored_columns:
        print(f"    未使用的列：{'、'.join(report.ignored_columns)}")
