"""Which delivery wins: the later day, not the later hour; and a narrower file takes nothing away."""

from datetime import date

import orjson
import pytest

from datasets import Catalogue, Contract, ShelfAsk, ShelfReask, mark_records, read_records, reread_records
from tests.datasets.made_up import tax_row as row
from tests.datasets.made_up import uscc
from tests.datasets.taking import Intake, account

OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)


@pytest.fixture
def registration(catalogue: Catalogue) -> Contract:
    return catalogue.contracts["registration"]


def registered(name: str, address: str = "苏州市", founded: str = "2018-01-06") -> str:
    return f"统一社会信用代码,企业名称,注册日期,经营范围\n{uscc(1)},{name},{founded},{address}\n"


async def stored_name(intake: Intake) -> str:
    [[shelved]] = await read_records(intake.connection, [ShelfAsk(uscc(1), (("registration", 1),))])
    name: str = orjson.loads(shelved.bodies)[0]["name"]
    return name


@pytest.mark.parametrize("dataset", ["registration", "tax"])
async def test_an_older_delivery_never_supersedes_a_newer_one(
    intake: Intake, registration: Contract, dataset: str
) -> None:
    """Neither where the day of a record is that of its delivery, nor where it is the end of its month."""
    if dataset == "registration":
        newer, older, contract = registered("新名公司"), registered("旧名公司"), registration
    else:
        newer = "统一社会信用代码,RKYF,ZZSYNSE\n" + f"{uscc(1)},202609,2\n"
        older, contract = newer.replace(",2\n", ",1\n"), intake.contract
    await intake.file(newer, contract, as_of=NOVEMBER)
    before = await intake.current()
    report = await intake.file(older, contract, as_of=OCTOBER)
    assert account(report) == (1, 0, 0, 0, 1)
    assert report.reasons == {"older_than_stored": 1}
    assert await intake.current() == before
    assert "当前日期" in await intake.connection.fetchval("SELECT hint FROM quarantined_rows")


async def test_the_same_content_from_an_older_delivery_is_unchanged(
    intake: Intake, registration: Contract
) -> None:
    await intake.file(registered("某公司"), registration, as_of=NOVEMBER)
    assert account(await intake.file(registered("某公司"), registration, as_of=OCTOBER)) == (1, 0, 1, 0, 0)
    assert await intake.versions() == 1


async def test_unchanged_content_vouched_for_later_renews_its_day_and_keeps_the_earlier_answer(
    intake: Intake, registration: Contract
) -> None:
    await intake.file(registered("某公司"), registration, as_of=OCTOBER)
    [[before]] = await read_records(intake.connection, [ShelfAsk(uscc(1), (("registration", 1),))])
    report = await intake.file(registered("某公司"), registration, as_of=NOVEMBER)
    assert account(report) == (1, 0, 1, 0, 0)
    [[after]] = await read_records(intake.connection, [ShelfAsk(uscc(1), (("registration", 1),))])
    assert (before.as_of, after.as_of) == (OCTOBER, NOVEMBER)
    assert before.bodies == after.bodies
    [[again]] = await reread_records(intake.connection, [ShelfReask(("registration",), before.record_ids)])
    assert again == before


async def test_a_month_of_tax_speaks_for_itself_and_needs_no_renewal(intake: Intake) -> None:
    await intake([row(1)], as_of=NOVEMBER)
    assert account(await intake([row(1)], as_of=DECEMBER)) == (1, 0, 1, 0, 0)
    assert await intake.versions() == 1


async def test_a_narrower_file_keeps_what_it_says_nothing_of(intake: Intake, registration: Contract) -> None:
    await intake.file(registered("某公司", "机械制造"), registration)
    narrow = f"统一社会信用代码,企业名称,注册日期\n{uscc(1)},某公司,2018-01-06\n"
    assert account(await intake.file(narrow, registration)) == (1, 0, 1, 0, 0)
    changed = narrow.replace("某公司", "改名公司")
    assert account(await intake.file(changed, registration)) == (1, 0, 0, 1, 0)
    [(_, _, body)] = await intake.current()
    assert orjson.loads(body)["name"] == "改名公司"
    assert orjson.loads(body)["business_scope"] == "机械制造"
    assert list(orjson.loads(body)) == list(registration.field_by_name)


async def test_an_empty_cell_clears_what_was_stored(intake: Intake, registration: Contract) -> None:
    await intake.file(registered("某公司", "机械制造"), registration)
    assert account(await intake.file(registered("某公司", ""), registration)) == (1, 0, 0, 1, 0)
    [(_, _, body)] = await intake.current()
    assert orjson.loads(body)["business_scope"] is None


async def test_a_narrower_file_that_contradicts_itself_is_noticed(
    intake: Intake, registration: Contract, batch_size: int
) -> None:
    await intake.file(registered("某公司", "机械制造"), registration)
    narrow = f"统一社会信用代码,企业名称,注册日期\n{uscc(1)},甲公司,2018-01-06\n{uscc(1)},乙公司,2018-01-06\n"
    twice = narrow + f"{uscc(1)},甲公司,2018-01-06\n"
    assert account(await intake.file(twice, registration)) == (3, 0, 1, 1, 1)
    assert await stored_name(intake) == "甲公司"


async def test_what_is_delivered_keeps_the_mark(intake: Intake, registration: Contract) -> None:
    await intake.file(registered("某公司"), registration, as_of=OCTOBER)
    await mark_records(
        intake.connection, "registration", uscc(1), "disputed", actor="clerk", reason="企业异议"
    )
    await intake.file(registered("某公司"), registration, as_of=NOVEMBER)
    await intake.file(registered("改名公司"), registration, as_of=DECEMBER)
    marks = await intake.connection.fetch("SELECT mark FROM records ORDER BY record_id")
    assert [one["mark"] for one in marks] == [None, "disputed", "disputed", "disputed"]
    [[shelved]] = await read_records(intake.connection, [ShelfAsk(uscc(1), (("registration", 1),))])
    assert shelved.disputed == shelved.record_ids


async def test_how_full_the_rows_taken_were(intake: Intake) -> None:
    report = await intake([row(1), "x,y,z,0", row(2, vat="")])
    assert report.cells == 2 * len(intake.contract.fields)
    assert report.filled == 3 + 2
    stored = await intake.connection.fetchrow("SELECT cells, filled, form, header, source FROM intakes")
    assert stored is not None
    assert tuple(stored) == (
        report.cells,
        report.filled,
        "csv",
        ["统一社会信用代码", "RKYF", "ZZSYNSE", "sale_inco"],
        "cli",
    )


async def test_a_withdrawal_supersedes_without_successor(intake: Intake, batch_size: int) -> None:
    await intake([row(1), row(2), row(3)])
    report = await intake([row(1), row(2), row(9), "x,y,z,0", row(1)], withdraws=True)
    assert account(report) == (5, 0, 2, 2, 1)
    assert [uscc for uscc, _, _ in await intake.current()] == [uscc(3)]
    events = await intake.connection.fetch("SELECT verb, actor FROM record_events ORDER BY event_id")
    assert [tuple(event) for event in events] == [("withdraw", f"intake:{report.intake_id}")] * 2
    assert account(await intake([row(1), row(2), row(3)])) == (3, 2, 1, 0, 0)
