"""The whole synthetic province through the real intake: eleven layouts of its owners, and not a row unaccounted for."""

import json
from datetime import date
from pathlib import Path

import asyncpg

from datasets import Catalogue, ingest
from sandbox import deliveries, province

MONTHS = province.months_until(date(2026, 11, 22), 12)
DIRTY = 2


async def test_every_delivery_is_taken_but_for_its_dirt(
    connection: asyncpg.Connection, catalogue: Catalogue, tmp_path: Path
) -> None:
    province.write(tmp_path, count=150, seed=7, months=MONTHS, dirty=6)
    deliveries.write(tmp_path, count=150, seed=7, months=MONTHS, dirty=DIRTY)
    accounts = json.loads((tmp_path / "deliveries.json").read_text(encoding="utf-8"))
    as_of = date(2026, 11, 22)
    await ingest(connection, catalogue.contracts["registration"], tmp_path / "registration.csv", as_of=as_of)
    for dataset, account in accounts.items():
        report = await ingest(
            connection, catalogue.contracts[dataset], tmp_path / f"{dataset}.csv", as_of=as_of
        )
        assert report.ignored_columns == ()
        assert report.received == account["rows"]
        assert report.quarantined == account["unknown_enterprise"] + account["impossible_day"], report.reasons
        assert report.unchanged == account["repeated_row"]
        assert report.superseded == 0
        assert report.accepted == account["rows"] - 3 * DIRTY


async def test_rows_known_by_name_or_old_code_reach_the_right_enterprise(
    connection: asyncpg.Connection, catalogue: Catalogue, tmp_path: Path
) -> None:
    province.write(tmp_path, count=60, seed=7, months=MONTHS, dirty=0)
    deliveries.write(tmp_path, count=60, seed=7, months=MONTHS, dirty=0)
    heroine = next(province.generate(1, 7)).uscc
    for dataset in ("registration", "housing_fund", "patents", "social_insurance_payments"):
        await ingest(connection, catalogue.contracts[dataset], tmp_path / f"{dataset}.csv")
    found = await connection.fetch(
        "SELECT dataset, count(*) FROM records WHERE uscc = $1 AND superseded_at IS NULL GROUP BY dataset",
        heroine,
    )
    counts = dict(found)
    lines = (tmp_path / "patents.csv").read_text(encoding="utf-8").splitlines()
    assert counts["registration"] == 1
    assert counts["housing_fund"] == 12
    assert counts["social_insurance_payments"] == 11
    assert counts["patents"] == sum(line.startswith(f"{province.HEROINE_NAME},") for line in lines) > 0
