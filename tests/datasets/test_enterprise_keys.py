"""Enterprises found by name or number: through the current registrations, by exactly one, or not at all."""

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.identifiers import USCC
from datasets import Catalogue, Contract, Fault, withdraw_records
from datasets.cleaning import REASONS
from datasets.enterprise_keys import KnownBy, _the_one, resolve
from tests.datasets.made_up import uscc
from tests.datasets.taking import Intake, account

NAMES = {1: "苏州甲（集团）有限公司", 2: "无锡乙有限公司", 3: "南京丙贸易公司", 4: "南京丙贸易公司"}
NUMBERS = {1: "320500000000001", 2: "320200000000002"}


@pytest.fixture
def registration(catalogue: Catalogue) -> Contract:
    return catalogue.contracts["registration"]


@pytest.fixture
async def registered(intake: Intake, registration: Contract) -> Intake:
    rows = "".join(
        f"{uscc(number)},{name},2018-01-06,{NUMBERS.get(number, '')}\n" for number, name in NAMES.items()
    )
    report = await intake.file(f"统一社会信用代码,企业名称,注册日期,注册号\n{rows}", registration)
    assert report.accepted == len(NAMES), report
    return intake


async def found(connection: asyncpg.Connection, *known_by: tuple[str, str]) -> USCC | str:
    """The enterprise, or the reason."""
    asked: KnownBy = known_by  # type: ignore[assignment]
    answer = (await resolve(connection, [asked]))[asked]
    return answer.reason if isinstance(answer, Fault) else answer


def organisation_code(number: int) -> str:
    return uscc(number)[8:17]


@pytest.mark.parametrize(
    ("known_by", "expected"),
    [
        ([("name", "苏州甲(集团)有限公司")], uscc(1)),
        ([("registration_number", NUMBERS[2])], uscc(2)),
        ([("organisation_code", organisation_code(2))], uscc(2)),
        ([("taxpayer_number", "320583" + organisation_code(2))], uscc(2)),
        ([("name", "没有这家公司")], "enterprise_not_found"),
        ([("name", "南京丙贸易公司")], "enterprise_ambiguous"),
        ([("name", "南京丙贸易公司"), ("organisation_code", organisation_code(4))], uscc(4)),
        ([("name", "无锡乙有限公司"), ("registration_number", NUMBERS[1])], "enterprise_ambiguous"),
        ([("name", "旧名公司"), ("registration_number", NUMBERS[1])], uscc(1)),
    ],
    ids=lambda value: "+".join(kind for kind, _ in value) if isinstance(value, list) else value,
)
async def test_exactly_one_enterprise_or_a_reason(
    registered: Intake, known_by: list[tuple[str, str]], expected: str
) -> None:
    assert await found(registered.connection, *known_by) == expected


async def test_a_key_leaves_with_the_registration_that_had_it(
    registered: Intake, registration: Contract
) -> None:
    connection = registered.connection
    renamed = f"统一社会信用代码,企业名称,注册日期\n{uscc(2)},无锡丁有限公司,2018-01-06\n"
    await registered.file(renamed, registration)
    assert await found(connection, ("name", "无锡乙有限公司")) == "enterprise_not_found"
    assert await found(connection, ("name", "无锡丁有限公司")) == uscc(2)
    assert await found(connection, ("registration_number", NUMBERS[2])) == uscc(2), "a narrower file keeps it"
    await withdraw_records(connection, "registration", uscc(2), actor="clerk", reason="误报")
    assert await found(connection, ("name", "无锡丁有限公司")) == "enterprise_not_found"


async def test_rows_without_a_code_are_taken_or_quarantined(registered: Intake) -> None:
    contract = msgspec.structs.replace(
        registered.contract, other_keys={"name": ("企业名称",), "registration_number": ("注册号",)}
    )
    rows = [
        f"无锡乙有限公司,,202610,1\n,{NUMBERS[1]},202610,2\n",
        "没有这家公司,,202610,3\n南京丙贸易公司,,202610,4\n无锡乙有限公司,,202610,9\n",
    ]
    report = await registered.file("企业名称,注册号,RKYF,ZZSYNSE\n" + "".join(rows), contract)
    assert account(report) == (5, 2, 0, 0, 3)
    quarantined = await registered.quarantined()
    assert [reason for _, reason in quarantined] == [
        "enterprise_not_found",
        "enterprise_ambiguous",
        "conflicting_duplicate",
    ]
    stored = await registered.connection.fetch("SELECT uscc FROM records WHERE dataset = 'tax' ORDER BY uscc")
    assert [record["uscc"] for record in stored] == [uscc(1), uscc(2)]


usccs = st.sampled_from([uscc(number) for number in range(4)])


@given(st.dictionaries(st.sampled_from(["name", "registration_number"]), st.sets(usccs), min_size=1))
def test_the_one_is_whom_all_keys_that_somebody_has_agree_on(owners: dict[str, set[str]]) -> None:
    known_by: KnownBy = tuple((kind, "x") for kind in owners)  # type: ignore[misc]
    answer = _the_one(known_by, {(kind, "x"): found for kind, found in owners.items()})
    known = [found for found in owners.values() if found]
    agreed = set.intersection(*known) if known else set()
    if isinstance(answer, Fault):
        assert answer.reason == ("enterprise_ambiguous" if known else "enterprise_not_found")
        assert answer.reason in REASONS
        assert len(agreed) != 1
    else:
        assert agreed == {answer}
