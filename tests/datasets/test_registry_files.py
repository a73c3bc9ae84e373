"""The real registrations: every one of the 12,777 rows is accounted for, with its reason."""

from pathlib import Path

import asyncpg
import pytest

from core.identifiers import USCC
from datasets import Catalogue, ShelfAsk, ingest, read_records

ACCOUNTS = {
    "jiangsu-1993.csv": (3_990, 3_817, {"old_registration_number": 173}),
    "jiangsu-2018.csv": (8_787, 8_786, {"ambiguous_unit": 1}),
}


async def test_every_row_of_the_real_files_is_accounted_for(
    connection: asyncpg.Connection, catalogue: Catalogue, registry: Path
) -> None:
    contract = catalogue.contracts["registration"]
    received = 0
    for name, (rows, accepted, reasons) in ACCOUNTS.items():
        report = await ingest(connection, contract, registry / name)
        received += report.received
        assert (report.received, report.accepted, report.unchanged, report.superseded) == (
            rows,
            accepted,
            0,
            0,
        )
        assert report.quarantined == sum(reasons.values())
        assert report.reasons == reasons
        assert report.ignored_columns == ()
    assert received == 12_777
    assert await connection.fetchval("SELECT count(*) FROM records") == 12_603
    assert await connection.fetchval("SELECT count(*) FROM quarantined_rows") == 174


async def test_taken_in_again_the_real_files_change_nothing(
    connection: asyncpg.Connection, catalogue: Catalogue, registry: Path
) -> None:
    contract = catalogue.contracts["registration"]
    path = registry / "jiangsu-1993.csv"
    await ingest(connection, contract, path)
    again = await ingest(connection, contract, path)
    assert (again.accepted, again.unchanged, again.superseded, again.quarantined) == (0, 3_817, 0, 173)


@pytest.mark.parametrize(
    ("file", "uscc", "capital"),
    [
        ("jiangsu-1993.csv", "9132060013829032XR", (1_036_200_000, "CNY")),  # 1,036.2000(万元人民币)
        ("jiangsu-1993.csv", "91320100608919015B", (280_000_000, "USD")),  # 280(万美元)
        ("jiangsu-2018.csv", "91320382MA1UUP3668", (200_000_000, "CNY")),  # 200(万)
    ],
)
async def test_a_real_enterprise_is_answered_from_its_real_row(
    connection: asyncpg.Connection,
    catalogue: Catalogue,
    registry: Path,
    file: str,
    uscc: USCC,
    capital: tuple[int, str],
) -> None:
    await ingest(connection, catalogue.contracts["registration"], registry / file)
    view = catalogue.view_for("bank", "credit_review", "registration")
    [[shelved]] = await read_records(connection, [ShelfAsk(uscc, (("registration", 1),))])
    assert (
        f'"capital_fen":{capital[0]},"capital_currency":"{capital[1]}"'
        in view.render(shelved.bodies).decode()
    )
