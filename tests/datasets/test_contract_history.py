"""Contracts change; what was decided by an older one stays explainable, field by field."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.database import Database, connect_database
from core.errors import NotFound
from datasets import (
    Catalogue,
    Contract,
    ContractError,
    contract_text,
    earlier_contracts,
    enter_contracts,
    list_contract_versions,
    load_catalogue,
)
from datasets.contract import read_contract
from datasets.contract_history import _meaning
from tests.conftest import DatabaseUrls

AT = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
LATER = datetime(2027, 3, 1, tzinfo=UTC)
TAX = load_catalogue().contracts["tax"]


@pytest.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    connected = await connect_database(database_urls.app, connections=4)
    yield connected
    await connected.close()


def rewritten(*changes: tuple[str, str]) -> Contract:
    """The tax contract with some of its text replaced."""
    toml = TAX.toml
    for old, new in changes:
        assert old in toml
        toml = toml.replace(old, new, 1)
    return read_contract(toml.encode(), file="tax.toml")


SALES = """\
[fields.sales_fen]
title = "申报销售收入"
title_en = "Declared sales"
type = "money"
unit = "元"
level = 4
views = ["banded", "derived", "verify"]
band = "monthly_amount"
"""
NO_SALES = SALES.replace("申报销售收入", "销售收入").replace(
    '"banded", "derived", "verify"]\nband = "monthly_amount"', '"derived"]'
)
NEXT = rewritten(("version = 2", "version = 3"), (SALES, NO_SALES))


async def entered(database: Database, contracts: Iterable[Contract], at: datetime = AT) -> None:
    async with database.transaction() as tx:
        await enter_contracts(tx, contracts, at=at)


async def kept(database: Database) -> list[tuple[str, int, datetime]]:
    async with database.transaction() as tx:
        return [(one.dataset, one.version, one.entered_at) for one in await list_contract_versions(tx)]


async def test_every_contract_is_kept_once_with_the_day_of_its_first_start(
    database: Database, catalogue: Catalogue
) -> None:
    await entered(database, catalogue.contracts.values())
    await entered(database, catalogue.contracts.values(), LATER)
    assert await kept(database) == sorted(
        (contract.id, contract.version, AT) for contract in catalogue.contracts.values()
    )
    async with database.transaction() as tx:
        assert await contract_text(tx, "tax", 2) == TAX.toml
        with pytest.raises(NotFound):
            await contract_text(tx, "tax", 9)


async def test_many_processes_that_start_at_once_keep_each_contract_once(database: Database) -> None:
    await asyncio.gather(*(entered(database, [TAX]) for _ in range(8)))
    assert await kept(database) == [("tax", 2, AT)]


async def test_the_next_version_is_kept_beside_the_one_before_and_going_back_is_no_change(
    database: Database,
) -> None:
    await entered(database, [TAX])
    await entered(database, [NEXT], LATER)
    await entered(database, [TAX], LATER)
    assert await kept(database) == [("tax", 2, AT), ("tax", 3, LATER)]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("level = 4", "level = 3"), "field cit_payable_fen"),
        (("price_fen = 50", "price_fen = 60"), "price_fen"),
        (('title = "纳税信息"', 'title = "税"'), "title"),
        (('"monthly_amount"\nminimum', '"monthly_amount"\nmax_length = 9\nminimum'), "field vat_payable_fen"),
        (("1_000, 1_500", "1_000, 1_400"), "bands"),
    ],
)
async def test_another_meaning_under_a_known_version_is_refused_with_file_and_reason(
    database: Database, change: tuple[str, str], what: str
) -> None:
    await entered(database, [TAX])
    with pytest.raises(ContractError) as refused:
        await entered(database, [rewritten(change)], LATER)
    assert refused.value.facts["file"] == "tax.toml"
    told = str(refused.value)
    assert told.startswith(f"tax.toml: {what} differs from version 2 as it has been in use since 2026-11-22")
    assert "give the changed contract the next version" in told
    assert await kept(database) == [("tax", 2, AT)]


async def test_fields_in_another_order_are_another_meaning_as_answers_have_them_so(
    database: Database,
) -> None:
    await entered(database, [TAX])
    begin, end = TAX.toml.index("[fields.cit_paid_fen]"), TAX.toml.index("[fields.sales_fen]")
    moved = TAX.toml[:begin] + TAX.toml[end:] + "\n" + TAX.toml[begin:end]
    with pytest.raises(ContractError, match="the order of the fields differs"):
        await entered(database, [read_contract(moved.encode(), file="tax.toml")])


async def test_comments_and_layout_may_change(database: Database) -> None:
    await entered(database, [TAX])
    same = rewritten(("# 纳税信息，按月。", "# 另一条注释\n\n# "), ("version = 2", "version   =   2"))
    assert same.digest != TAX.digest
    await entered(database, [same], LATER)
    assert await kept(database) == [("tax", 2, AT)]


async def test_a_decision_by_an_older_contract_is_explained_as_it_was_made(
    database: Database, catalogue: Catalogue
) -> None:
    """The contract took the view of sales away and gave the field another title; the decision knows of neither."""
    await entered(database, [TAX])
    was = catalogue.view_for("bank", "credit_review", "tax", fields=["period", "sales_fen"])
    contracts = {**catalogue.contracts, "tax": NEXT}
    today = Catalogue(contracts, catalogue.rule_set, indicators=catalogue.indicators)
    await entered(database, contracts.values(), LATER)
    assert today.view_by_id(was.view_id) is None
    async with database.transaction() as tx:
        found = await earlier_contracts(tx, today.contracts)
    explained = today.after(found.contracts).view_by_id(was.view_id)
    assert explained is not None
    assert explained.explain() == was.explain()
    assert (explained.contract.version, explained.contract.digest) == (2, TAX.digest)
    assert today.view_for("bank", "credit_review", "tax", fields=["sales_fen"]).fields == {}
    assert explained.render('[{"period":"2026-10","sales_fen":1}]') == was.render(
        '[{"period":"2026-10","sales_fen":1}]'
    )


async def test_under_earlier_rules_and_an_earlier_contract_together_as_well(catalogue: Catalogue) -> None:
    was = catalogue.view_for("bank", "credit_review", "tax")
    later_rules = msgspec.structs.replace(catalogue.rule_set, id="2027-01", rules=())
    contracts = {**catalogue.contracts, "tax": NEXT}
    today = Catalogue(contracts, later_rules, (catalogue.rule_set,), (TAX,), catalogue.indicators)
    explained = today.view_by_id(was.view_id)
    assert explained is not None
    assert explained.explain() == was.explain()


async def test_of_a_data_set_that_is_gone_decisions_are_explained_too(
    database: Database, catalogue: Catalogue
) -> None:
    await entered(database, catalogue.contracts.values())
    was = catalogue.view_for("bank", "credit_review", "tax")
    rest = {name: contract for name, contract in catalogue.contracts.items() if name != "tax"}
    async with database.transaction() as tx:
        found = await earlier_contracts(tx, rest)
    assert [contract.id for contract in found.contracts] == ["tax"]
    explained = Catalogue(rest, catalogue.rule_set).after(found.contracts).view_by_id(was.view_id)
    assert explained is not None
    assert explained.explain() == was.explain()


async def test_what_this_program_no_longer_understands_is_kept_and_named(
    database: Database, catalogue: Catalogue, database_urls: DatabaseUrls
) -> None:
    """As an earlier release may have taken it: a start must not fail over it."""
    toml = TAX.toml.replace("version = 2", "version = 1\nflavour = 'sweet'")
    owner = await asyncpg.connect(database_urls.owner)
    await owner.execute(
        "INSERT INTO contract_versions VALUES ('tax', 1, $1, sha256(convert_to($1, 'UTF8')), now())", toml
    )
    await owner.close()
    await entered(database, [TAX])
    async with database.transaction() as tx:
        found = await earlier_contracts(tx, catalogue.contracts)
        assert await contract_text(tx, "tax", 1) == toml
    assert (found.contracts, found.unreadable) == ((), ("tax version 1",))


async def test_of_figures_of_an_earlier_contract_is_told_why_they_left_but_they_are_not_made_again(
    catalogue: Catalogue,
) -> None:
    was = catalogue.view_for("bank", "credit_review", "indicators")
    now = read_contract(
        catalogue.contracts["indicators"].toml.replace("version = 2", "version = 3").encode(),
        file="indicators.toml",
    )
    today = Catalogue(
        {**catalogue.contracts, "indicators": now}, catalogue.rule_set, indicators=catalogue.indicators
    )
    explained = today.after([was.contract]).view_by_id(was.view_id)
    assert explained is not None
    assert explained.explain() == was.explain()
    assert was.answers
    assert not explained.answers


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE contract_versions SET toml = ''",
        "DELETE FROM contract_versions",
        "TRUNCATE contract_versions",
        "INSERT INTO contract_versions VALUES ('x1', 1, 'other', '\\x00', now())",
    ],
)
async def test_the_database_keeps_the_texts_as_they_are(database: Database, statement: str) -> None:
    await entered(database, [TAX])
    async with database.hot.acquire() as connection:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)):
            await connection.execute(statement)


LINES = st.sampled_from(["", "   ", "# a remark", "#", "\t# level = 1"])


@given(remarks=st.lists(st.tuples(st.integers(0, 60), LINES), max_size=5))
def test_remarks_never_change_what_a_contract_means(remarks: list[tuple[int, str]]) -> None:
    lines = TAX.toml.splitlines()
    ends = [number for number, line in enumerate(lines) if line.startswith("[fields.")]
    for number, remark in remarks:
        lines.insert(ends[number % len(ends)], remark)
    assert _meaning("\n".join(lines)) == _meaning(TAX.toml)
