"""The intake directory: what is complete and agrees with its manifest is taken once, everything else is refused in plain
words or waits; a kill at any moment loses nothing and takes nothing twice.
"""

import asyncio
import gzip
import hashlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives import hashes

from core.database import Database, connect_database
from datasets import load_catalogue
from datasets.intake import LOCK_NAMESPACE
from gateway import inbox as inbox_module
from gateway.inbox import ATTEMPTS_MAX, PATIENCE_SECONDS, Inbox
from tests.datasets.made_up import tax_file, tax_row

CONTRACTS = load_catalogue().contracts
PROJECT = Path(__file__).parents[2]


@pytest.fixture
async def database(database_urls: Any) -> AsyncIterator[Database]:
    owner = await asyncpg.connect(database_urls.owner)
    await owner.execute("SELECT ensure_record_partition('tax')")
    await owner.close()
    connected = await connect_database(database_urls.app, connections=4)
    yield connected
    await connected.close()


class Watch:
    """A clock that stands until it is set forward."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def inbox(tmp_path: Path, database: Database, watch: Watch) -> Inbox:
    (tmp_path / "inbox").mkdir()
    return Inbox(tmp_path / "inbox", CONTRACTS, database, watch)


def put(inbox: Inbox, content: str | bytes, name: str = "tax.csv", rows: int = 2, **manifest: object) -> Path:
    data = inbox.folder / name
    data.write_bytes(content.encode() if isinstance(content, str) else content)
    stated = {
        "dataset": "tax",
        "as_of": "2026-11-22",
        "rows": rows,
        "digest": f"sha256:{hashlib.sha256(data.read_bytes()).hexdigest()}",
    } | manifest
    (inbox.folder / f"{name}.manifest.json").write_text(json.dumps(stated))
    return data


async def settled(inbox: Inbox) -> dict[str, Any]:
    """The report of the one delivery that ends within two looks."""
    await inbox.look()
    assert await inbox.look() == 1
    return report_of(inbox)


def report_of(inbox: Inbox) -> dict[str, Any]:
    [report] = inbox.folder.glob("*/*/*.report.json")
    found: dict[str, Any] = json.loads(report.read_text())
    assert report.parent.parent.name == found["outcome"]
    return found


async def records(database: Database) -> int:
    return int(await database.hot.fetchval("SELECT count(*) FROM records WHERE superseded_at IS NULL"))


GOOD = tax_file(tax_row(1), tax_row(2))


async def test_a_file_and_its_manifest_are_taken_and_put_away_with_a_report(
    inbox: Inbox, database: Database
) -> None:
    put(inbox, GOOD)
    assert await inbox.look() == 0, "what has just come is looked at twice"
    assert await inbox.look() == 1
    report = report_of(inbox)
    assert (report["outcome"], report["received"], report["accepted"], report["quarantined"]) == (
        "done",
        2,
        2,
        0,
    )
    assert (report["dataset"], report["as_of"], report["correction_file"]) == ("tax", "2026-11-22", None)
    assert await records(database) == 2
    [folder] = (inbox.folder / "done").iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "tax.csv",
        "tax.csv.manifest.json",
        "tax.csv.report.json",
    }
    assert not list((inbox.folder / ".taking").iterdir())
    assert await database.hot.fetchval("SELECT source FROM intakes") == "inbox"


async def test_the_manifest_may_state_sm3_and_the_file_may_be_packed(
    inbox: Inbox, database: Database
) -> None:
    packed = gzip.compress(GOOD.encode())
    sm3 = hashes.Hash(hashes.SM3())
    sm3.update(packed)
    put(inbox, packed, "tax.csv.gz", digest=f"sm3:{sm3.finalize().hex().upper()}")
    assert (await settled(inbox))["accepted"] == 2


async def test_quarantined_rows_come_back_at_once_and_their_correction_goes_the_same_way(
    inbox: Inbox, database: Database
) -> None:
    put(inbox, tax_file(tax_row(1), tax_row(2, "202613")))
    report = await settled(inbox)
    assert report["reasons"] == [{"reason": "date_impossible", "title": "日期不存在", "rows": 1}]
    [folder] = (inbox.folder / "done").iterdir()
    corrected = (folder / report["correction_file"]).read_text("utf-8-sig").replace("202613", "202609")
    for path in [*folder.iterdir(), folder]:
        path.unlink() if path.is_file() else path.rmdir()
    put(inbox, corrected, "back.csv", 1, kind="correction", corrects=report["intake_id"])
    back = await settled(inbox)
    assert (back["accepted"], back["corrects"]) == (1, report["intake_id"])
    assert await records(database) == 2


async def test_an_owner_can_take_records_back(inbox: Inbox, database: Database) -> None:
    put(inbox, GOOD)
    await settled(inbox)
    [folder] = (inbox.folder / "done").iterdir()
    (folder / "tax.csv.report.json").unlink()
    put(inbox, tax_file(tax_row(1)), "back.csv", 1, kind="withdrawal")
    assert (await settled(inbox))["superseded"] == 1
    assert await records(database) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"digest": "sha256:" + "0" * 64}, "manifest_digest"),
        ({"rows": 3}, "manifest_rows"),
        ({"dataset": "taxes"}, "dataset_unknown"),
        ({"dataset": "indicators"}, "dataset_not_collected"),
        ({"digest": "md5:" + "0" * 32}, "manifest_unreadable"),
        ({"kind": "full"}, "manifest_unreadable"),
        ({"as_of": "yesterday"}, "manifest_unreadable"),
        ({"kind": "correction"}, "manifest_unreadable"),
        ({"corrects": 1}, "manifest_unreadable"),
        ({"kind": "correction", "corrects": 404}, "corrects_unknown"),
        ({"typo": 1}, "manifest_unreadable"),
    ],
)
async def test_a_manifest_that_disagrees_is_refused_and_nothing_is_stored(
    inbox: Inbox, database: Database, watch: Watch, change: dict[str, object], reason: str
) -> None:
    put(inbox, GOOD, **change)
    watch.at += timedelta(seconds=PATIENCE_SECONDS + 5)
    report = await settled(inbox)
    assert (report["outcome"], report["reason"]) == ("refused", reason)
    assert report["message"]
    assert await records(database) == 0
    assert await database.hot.fetchval("SELECT count(*) FROM intakes") == 0


async def test_a_file_that_cannot_be_taken_is_refused(inbox: Inbox, watch: Watch) -> None:
    put(inbox, gzip.compress(GOOD.encode())[:-10], "tax.csv.gz")
    report = await settled(inbox)
    assert (report["outcome"], report["reason"]) == ("refused", "broken_gzip")


async def test_a_file_still_on_its_way_is_waited_for(inbox: Inbox, watch: Watch) -> None:
    data = put(inbox, GOOD)
    data.write_text(GOOD[:40])
    for _ in range(3):
        assert await inbox.look() == 0
    data.write_text(GOOD)
    assert (await settled(inbox))["outcome"] == "done"


async def test_a_manifest_half_written_is_waited_for(inbox: Inbox) -> None:
    data = put(inbox, GOOD)
    manifest = data.with_name(f"{data.name}.manifest.json")
    whole = manifest.read_text()
    manifest.write_text(whole[:20])
    for _ in range(3):
        assert await inbox.look() == 0
    manifest.write_text(whole)
    assert (await settled(inbox))["outcome"] == "done"


@pytest.mark.parametrize("name", [".hidden.csv", "tax.csv.part", "tax.csv.tmp"])
async def test_what_is_named_unfinished_is_left_alone(inbox: Inbox, watch: Watch, name: str) -> None:
    put(inbox, GOOD, name)
    watch.at += timedelta(hours=1)
    for _ in range(3):
        assert await inbox.look() == 0
    assert (inbox.folder / name).exists()


async def test_a_file_alone_and_a_link_are_left_alone(inbox: Inbox, watch: Watch, tmp_path: Path) -> None:
    (inbox.folder / "alone.csv").write_text(GOOD)
    secret = put(inbox, GOOD, "link.csv").rename(tmp_path / "secret.csv")
    (inbox.folder / "link.csv").symlink_to(secret)
    watch.at += timedelta(hours=1)
    for _ in range(3):
        assert await inbox.look() == 0


async def test_the_same_name_may_come_again(inbox: Inbox) -> None:
    for month in ("202608", "202609", "202610"):
        put(inbox, tax_file(tax_row(1, month)), rows=1)
        await inbox.look()
        assert await inbox.look() == 1
    assert len(list((inbox.folder / "done").iterdir())) == 3


async def test_while_another_intake_of_the_data_set_is_under_way_the_delivery_waits(
    inbox: Inbox, database_urls: Any
) -> None:
    other = await asyncpg.connect(database_urls.app)
    await other.execute("SELECT pg_advisory_lock($1, hashtext('tax'))", LOCK_NAMESPACE)
    put(inbox, GOOD)
    await inbox.look()
    assert await inbox.look() == 0
    await other.close()
    assert await inbox.look() == 1
    assert report_of(inbox)["accepted"] == 2


async def test_two_workers_do_not_take_the_same_delivery(
    inbox: Inbox, database: Database, watch: Watch
) -> None:
    second = Inbox(inbox.folder, CONTRACTS, database, watch)
    put(inbox, GOOD)
    await asyncio.gather(inbox.look(), second.look())
    await asyncio.gather(inbox.look(), second.look())
    await asyncio.gather(inbox.look(), second.look())
    assert report_of(inbox)["accepted"] == 2
    assert await database.hot.fetchval("SELECT count(*) FROM intakes") == 1


async def test_a_claim_that_a_kill_interrupted_is_finished(inbox: Inbox) -> None:
    data = put(inbox, GOOD)
    claimed = inbox.folder / ".taking" / data.name
    claimed.mkdir(parents=True)
    data.rename(claimed / data.name)
    assert await inbox.look() == 1
    assert report_of(inbox)["outcome"] == "done"


async def test_an_empty_claim_is_given_up(inbox: Inbox) -> None:
    put(inbox, GOOD)
    (inbox.folder / ".taking" / "tax.csv").mkdir(parents=True)
    assert await inbox.look() == 0
    assert (await settled(inbox))["outcome"] == "done"


async def test_a_delivery_that_kills_the_worker_is_put_aside(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    async def die(*_: object, **__: object) -> None:
        raise Killed

    put(inbox, GOOD)
    await inbox.look()
    monkeypatch.setattr(inbox_module, "ingest", die)
    for _ in range(ATTEMPTS_MAX):
        with pytest.raises(Killed):
            await inbox.look()
    assert await inbox.look() == 1
    assert report_of(inbox)["reason"] == "taking_failed"


_WORKER = """
import asyncio, sys
from pathlib import Path
from core.database import connect_database
from datasets import load_catalogue
from gateway.inbox import Inbox
async def main():
    database = await connect_database(sys.argv[1], connections=4)
    await Inbox(Path(sys.argv[2]), load_catalogue().contracts, database).watch()
asyncio.run(main())
"""


async def test_killed_in_the_middle_it_ends_with_the_same_totals(
    inbox: Inbox, database: Database, database_urls: Any
) -> None:
    rows = 30_000
    put(
        inbox,
        tax_file(*(tax_row(number, "202613" if number % 100 == 0 else "202610") for number in range(rows))),
        rows=rows,
    )
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WORKER, database_urls.app, str(inbox.folder), cwd=PROJECT
    )
    try:
        async with asyncio.timeout(60):
            while not await database.hot.fetchval("SELECT count(*) FROM intakes WHERE received > 0"):
                await asyncio.sleep(0.02)
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        await worker.wait()
    async with asyncio.timeout(60):
        while not await inbox.look():  # PostgreSQL has yet to notice that the worker is gone
            await asyncio.sleep(0.1)
    report = report_of(inbox)
    assert (report["received"], report["accepted"], report["quarantined"]) == (rows, rows - 300, 300)
    assert await records(database) == rows - 300
