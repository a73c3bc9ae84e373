"""The quarter of an enterprise: it adds up, a closed one never changes, and anybody can check it."""

import csv
import hashlib
import io
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import KeySet

from consent import (
    ConsentTerms,
    approve,
    file_request,
    find_consent,
    register_participant,
    reject,
    revoke,
    settle_lapsed,
)
from core.clock import Quarter, china_day, now
from core.settings import Settings
from gateway.hub import Hub
from gateway.portal.statement import quarters_back_to
from gateway.portal.statement_content import CLOSES_AFTER, lines_of, read_statement, record_of
from ledger import CallsAlike, note_availability_check
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, WORDING, Consents, signatory_of
from tests.support.authorization import Browser
from tests.support.bank import Bank

PATH = "/portal/statement"
THIS = Quarter.of(now())


@pytest.fixture
async def browser(hub: Hub, settings: Settings) -> AsyncIterator[Browser]:
    found = Browser(settings.public_url)
    await found.log_in(hub)
    yield found
    await found.http.aclose()


@pytest.fixture
async def asked(bank: Bank, consents: Consents, stocked: None) -> UUID:
    """A consent under which the bank asked twice, and twice beside it."""
    consent = await consents.active()
    await bank.query("tax", consent, ENTERPRISE)
    await bank.query("registration", consent, ENTERPRISE)
    await bank.query("tax", consent, ENTERPRISE, purpose="post_loan")
    await bank.query("tax", consent, ENTERPRISE, purpose="post_loan")
    return consent


async def read(hub: Hub, quarter: Quarter, *, at: datetime, uscc: str = ENTERPRISE) -> dict[str, Any]:
    async with hub.database.transaction() as tx:
        return record_of(await read_statement(tx, uscc, quarter, at=at))


def closed(quarter: Quarter) -> datetime:
    return quarter.ends + CLOSES_AFTER


instants = st.integers(1, 36_000 * 86_400).map(
    lambda seconds: datetime(2000, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)
)


# --- quarters ---------------------------------------------------------------------------------------------------


@given(instants)
def test_every_instant_is_in_one_quarter(at: datetime) -> None:
    quarter = Quarter.of(at)
    assert quarter.begins <= at < quarter.ends
    assert quarter.first_day <= china_day(at) <= quarter.last_day
    assert Quarter.parse(str(quarter)) == quarter
    assert quarter.after.before == quarter.before.after == quarter
    assert quarter.before.ends == quarter.begins
    assert quarter.before < quarter < quarter.after


@pytest.mark.parametrize(
    "text", ["", "2026", "2026Q0", "2026Q5", "1999Q4", "2026q3", "2026Q3 ", "２０２６Q3"]
)
def test_what_is_no_quarter_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ValueError, match="not a quarter"):
        Quarter.parse(text)


def test_the_quarters_to_choose_from_go_back_to_the_first_fact() -> None:
    assert [str(one) for one in quarters_back_to(Quarter(2025, 4), Quarter(2026, 2))] == [
        "2026Q2", "2026Q1", "2025Q4",
    ]  # fmt: skip
    assert len(quarters_back_to(Quarter(2000, 1), Quarter(2099, 4))) == 40


# --- what it says -----------------------------------------------------------------------------------------------

outcomes = st.sampled_from(
    [("disclosed", None), ("nothing_found", None), ("refused", "no_rule"), ("refused", "consent_paused")]
)
kinds = st.tuples(st.sampled_from("ab"), st.sampled_from(["tax", "water"]), st.sampled_from("xy"), outcomes)


@given(st.dictionaries(kinds, st.tuples(st.integers(1, 1000), st.integers(0, 1000))))
def test_the_lines_share_out_all_calls(counted: dict[Any, tuple[int, int]]) -> None:
    alike = [CallsAlike(*kind[:3], *kind[3], *counted[kind]) for kind in sorted(counted, key=str)]
    lines = lines_of(alike)
    assert len({line[:3] for line in map(_of, lines)}) == len(lines)
    assert sum(line.calls for line in lines) == sum(one.calls for one in alike)
    assert sum(line.price_fen for line in lines) == sum(one.price_fen for one in alike)
    assert all(line.refused == sum(line.because.values()) for line in lines)


def _of(line: Any) -> tuple[str, str, str]:
    return line.participant_id, line.dataset, line.purpose


async def test_it_tells_who_asked_for_what_how_often_and_at_whose_cost(
    hub: Hub, asked: UUID, browser: Browser
) -> None:
    told = await read(hub, THIS, at=now())
    assert told["calls"] == [
        {
            "participant_id": "test-bank", "dataset": dataset, "purpose": purpose, "disclosed": disclosed,
            "nothing_found": 0, "refused": refused, "refused_because": because, "charged_fen": fen,
        }
        for dataset, purpose, disclosed, refused, because, fen in (
            ("registration", "credit_review", 1, 0, {}, told["calls"][0]["charged_fen"]),
            ("tax", "credit_review", 1, 0, {}, 50),
            ("tax", "post_loan", 0, 2, {"consent_for_another_purpose": 2}, 0),
        )
    ]  # fmt: skip
    assert told["totals"]["calls"] == 4
    [consent] = told["consents"]
    assert (consent["record_id"], consent["state"], consent["uses"]) == (str(asked), "active", 2)
    assert [change["verb"] for change in consent["changes"]] == ["submit", "approve"]
    page = await browser.see(PATH)
    for words in (
        "测试银行",
        "纳税信息",
        "授信审批",
        "用途与您同意的不符：2 次",
        "本季度用 2 次",
        "季度还没有结束",
        ENTERPRISE,
    ):
        assert words in page.text, words
    assert 'role="img"' in page.html


async def test_another_enterprises_quarter_is_not_in_it(
    hub: Hub, asked: UUID, bank: Bank, consents: Consents
) -> None:
    await consents.asked(uscc=OTHER_ENTERPRISE)
    async with hub.database.transaction() as tx:
        await note_availability_check(
            tx, bank.client_id, OTHER_ENTERPRISE, purpose="credit_review", datasets=["tax"], at=now()
        )
    told = await read(hub, THIS, at=now())
    assert len(told["consents"]) == 1
    assert told["availability_checks"] == []
    other = await read(hub, THIS, at=now(), uscc=OTHER_ENTERPRISE)
    assert (len(other["consents"]), other["totals"]["calls"], len(other["availability_checks"])) == (1, 0, 1)


async def test_looks_before_asking_are_in_it(hub: Hub, bank: Bank, browser: Browser) -> None:
    for _ in range(3):
        async with hub.database.transaction() as tx:
            await note_availability_check(
                tx,
                bank.client_id,
                ENTERPRISE,
                purpose="credit_review",
                datasets=["tax", "penalties"],
                at=now(),
            )
    [check] = (await read(hub, THIS, at=now()))["availability_checks"]
    assert check == {
        "participant_id": "test-bank", "purpose": "credit_review", "datasets": ["tax", "penalties"], "checks": 3,
    }  # fmt: skip
    assert "3 次" in (await browser.see(PATH)).text


# --- a closed quarter never changes -----------------------------------------------------------------------------

LAST = THIS.before
TERMS = ConsentTerms(
    uscc=ENTERPRISE,
    purpose="credit_review",
    datasets=("registration", "tax"),
    term_days=200,
    uses_max=20,
    retention_days=365,
    message="",
)


class Past:
    """What happened at other times than now."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def asked(self, at: datetime, **changes: Any) -> UUID:
        async with self._hub.database.transaction() as tx:
            terms = replace(TERMS, **changes)
            return (await file_request(tx, "test-bank", terms, at=at)).consent_id

    async def approved(self, consent_id: UUID, at: datetime, **less: Any) -> UUID:
        async with self._hub.database.transaction() as tx:
            asked = await find_consent(tx, consent_id)
            await approve(
                tx,
                signatory_of(ENTERPRISE),
                consent_id,
                wording=WORDING,
                levels=(),
                key=self._hub.keys["artefacts"],
                at=at,
                granted=asked.terms.narrowed(**less) if less else None,
            )
        return consent_id

    async def done(self, verb: Callable[..., Awaitable[Any]], consent_id: UUID, at: datetime) -> None:
        async with self._hub.database.transaction() as tx:
            await verb(tx, signatory_of(ENTERPRISE), consent_id, reason="", at=at)

    async def looked(self, consent_id: UUID, at: datetime) -> None:
        async with self._hub.database.hot.acquire() as connection:
            await connection.execute(
                "INSERT INTO disclosures VALUES ($1, $2, 'test-bank', $3, 'tax', 'credit_review', 'collected', $4,"
                " 'disclosed', NULL, 'view', '{1}', 50, '', '', 'r')",
                uuid.uuid4(), at, ENTERPRISE, consent_id,
            )  # fmt: skip


@pytest.fixture
def past(hub: Hub, bank: Bank) -> Past:
    return Past(hub)


async def test_a_closed_quarter_says_the_same_whatever_happens_later(hub: Hub, past: Past) -> None:
    early, late, later = (
        LAST.begins + timedelta(days=3), LAST.ends - timedelta(seconds=5), LAST.ends + timedelta(hours=2),
    )  # fmt: skip
    over = await past.approved(await past.asked(LAST.begins - timedelta(days=60), term_days=30),
                               LAST.begins - timedelta(days=59))  # fmt: skip
    async with hub.database.transaction() as tx:
        await settle_lapsed(tx, at=LAST.begins - timedelta(days=1))
    running = await past.approved(await past.asked(early), early, datasets=["tax"], term_days=150)
    taken_back = await past.approved(await past.asked(early), early)
    await past.done(revoke, taken_back, late)
    no = await past.asked(early)
    await past.done(reject, no, early + timedelta(days=1))
    unanswered = await past.asked(late)
    ends_unnoticed = await past.approved(await past.asked(early, term_days=1), early)
    await past.looked(running, early)
    await past.looked(running, LAST.ends)
    before = await read(hub, LAST, at=closed(LAST))
    stood = {one["record_id"]: (one["state"], one["datasets"], one["uses"]) for one in before["consents"]}
    both = ["registration", "tax"]
    assert stood == {
        str(running): ("active", ["tax"], 1),
        str(taken_back): ("revoked", both, 0),
        str(no): ("rejected", both, 0),
        str(unanswered): ("awaiting", both, 0),
        str(ends_unnoticed): ("expired", both, 0),
    }
    assert str(over) not in stood
    assert (before["totals"]["calls"], before["totals"]["price_fen"]) == (1, 50)

    await past.approved(unanswered, later, datasets=["registration"], uses_max=1)
    await past.done(revoke, running, later)
    async with hub.database.transaction() as tx:
        await settle_lapsed(tx, at=later)
        await register_participant(
            tx, participant_id="test-bank", name="改了名的银行", participant_class="platform", at=now()
        )
    async with hub.database.hot.acquire() as connection:
        await connection.execute("UPDATE consents SET uses_spent = uses_max")
    assert await read(hub, LAST, at=now()) == before

    after = {one["record_id"]: one["state"] for one in (await read(hub, THIS, at=now()))["consents"]}
    assert after[str(unanswered)] == "active"
    assert after[str(running)] == "revoked"
    assert str(taken_back) not in after


async def test_the_signed_file_is_checked_by_any_library_and_holds_what_the_page_says(
    hub: Hub, past: Past, browser: Browser, http: httpx.AsyncClient, settings: Settings
) -> None:
    consent = await past.approved(await past.asked(LAST.begins), LAST.begins)
    await past.looked(consent, LAST.begins)
    page = await browser.see(f"{PATH}?quarter={LAST}")
    assert "内容不会再变" in page.text
    answer = await browser.http.get(f"{PATH}.jws?quarter={LAST}")
    assert answer.headers["content-type"] == "application/jose"
    keys = KeySet.import_key_set((await http.get(f"{settings.public_url}/jwks")).json())
    signed = jws.deserialize_compact(answer.text, keys, algorithms=["ES256"])
    assert signed.protected["typ"] == "statement+jws"
    record = json.loads(signed.payload)
    assert (record["quarter"], record["uscc"], record["totals"]["calls"]) == (str(LAST), ENTERPRISE, 1)
    assert record == await read(hub, LAST, at=now())
    assert hashlib.sha256(signed.payload).hexdigest() in page.text
    again = (await browser.http.get(f"{PATH}.jws?quarter={LAST}")).text
    assert again.split(".")[1] == answer.text.split(".")[1], "the same content each time"


async def test_a_running_quarter_is_not_signed_and_one_to_come_not_shown(browser: Browser) -> None:
    assert (await browser.http.get(f"{PATH}.jws")).status_code == 404
    for wrong in (THIS.after, "2026Q5", "1999Q1", "%00", "2026Q3&quarter=x"):
        for ending in ("", ".csv", ".jws"):
            assert (await browser.http.get(f"{PATH}{ending}?quarter={wrong}")).status_code == 400, wrong
    assert (await browser.http.get(f"{PATH}?quarter=2000Q1")).status_code == 200


async def test_without_a_log_in_there_is_nothing(
    http: httpx.AsyncClient, hub: Hub, settings: Settings
) -> None:
    for ending in ("", ".csv", ".jws"):
        answer = await http.get(f"{settings.public_url}{PATH}{ending}?quarter={LAST}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/portal")


# --- for a spreadsheet ------------------------------------------------------------------------------------------


async def test_the_table_holds_every_line_and_no_formula(hub: Hub, asked: UUID, browser: Browser) -> None:
    async with hub.database.transaction() as tx:
        await register_participant(
            tx, participant_id="test-bank", name="=HYPERLINK(1)", participant_class="bank", at=now()
        )
        await note_availability_check(
            tx, "test-bank", ENTERPRISE, purpose="credit_review", datasets=["tax", "penalties"], at=now()
        )
    answer = await browser.http.get(f"{PATH}.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="statement-{THIS}-{china_day(now())}.csv"' in answer.headers["content-disposition"]
    head, *rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    table = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["类别"] for row in table] == ["授权", "查询", "查询", "查询", "先查有没有"]
    assert {row["机构"] for row in table} == {"'=HYPERLINK(1)"}
    assert (table[0]["数据"], table[0]["当时状态"], table[0]["次数"]) == (
        "企业登记基本信息、纳税信息",
        "有效",
        "2",
    )
    refused = next(row for row in table if row["已拒绝"] == "2")
    assert (refused["拒绝原因"], refused["对方付费（元）"]) == ("用途与您同意的不符 ×2", "0.00")
    english = (await browser.http.get(f"{PATH}.csv?lang=en")).text
    assert "you had agreed to another purpose" in english
