"""One door, four ways of sharing: records, some of their fields, figures made of them, and yes or no."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from datasets import ingest
from gateway.hub import Hub
from gateway.queries.deliveries import Deliveries
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents
from tests.support.bank import Bank
from tests.support.truth import Truth

pytestmark = pytest.mark.usefixtures("stocked")

VAT_AT_LEAST = {"field": "vat_paid_fen", "kind": "at_least", "value": 2_000_000, "part": "2025-12"}
PENALTIES_CSV = (
    "CF_XDR_MC,CF_XDR_LB,CF_XDR_SHXYM,CF_WSH,CF_WFXW,CF_SY,CF_YJ,CF_CFLB,CF_NR,CF_NR_FK,CF_JDRQ,CF_CFJG\n"
    f"示例公司,法人及非法人组织,{OTHER_ENTERPRISE},苏罚〔2026〕1号,违法,事实,依据,罚款,罚款,0.2,2026/06/01,示例局\n"
)
SALES_ABOUT = {"field": "sales_fen", "kind": "tolerance", "value": 53_000_000, "tolerance_percent": 20}


async def problem_of(asked: Any) -> dict[str, Any]:
    problem: dict[str, Any] = asked.json()
    return {"status": asked.status_code, **problem}


# --- some fields -------------------------------------------------------------------------------------------------


async def test_a_bank_that_asks_for_two_fields_gets_two_and_the_ledger_says_which(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active()
    answer = (await bank.query("tax", consent_id, ENTERPRISE, fields=["sales_fen", "period"])).json()
    assert answer["views"] == {"period": "raw", "sales_fen": "banded"}
    assert {tuple(record) for record in answer["records"]} == {("period", "sales_fen")}
    [row] = await truth.disclosures()
    assert row.view_id.endswith(":period,sales_fen")


async def test_some_fields_are_another_question_than_all(bank: Bank, consents: Consents) -> None:
    consent_id = await consents.active()
    first = await bank.query("tax", consent_id, ENTERPRISE, key="k", fields=["period"])
    again = await bank.query("tax", consent_id, ENTERPRISE, key="k", fields=["period"])
    assert again.content == first.content
    other = await problem_of(await bank.query("tax", consent_id, ENTERPRISE, key="k"))
    assert (other["status"], other["type"]) == (422, "/problems/idempotency-key-reused")


@pytest.mark.parametrize("fields", [["shoe_size"], [], ["period"] * 201])
async def test_fields_that_do_not_exist_are_named(bank: Bank, consents: Consents, fields: list[str]) -> None:
    consent_id = await consents.active()
    answer = await problem_of(await bank.query("tax", consent_id, ENTERPRISE, fields=fields))
    assert (answer["status"], answer["type"]) == (400, "/problems/fields-invalid")


async def test_a_withheld_field_that_is_asked_for_alone_is_a_refusal(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active(purpose="post_loan")
    answer = await bank.query(
        "registration", consent_id, ENTERPRISE, purpose="post_loan", fields=["signatory_id_number"]
    )
    assert (await problem_of(answer))["type"] == "/problems/no-rule"
    assert [row.outcome for row in await truth.disclosures()] == ["refused"]


# --- verification ------------------------------------------------------------------------------------------------


async def test_a_statement_is_judged_and_no_value_leaves(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active()
    asked = await bank.query("tax", consent_id, ENTERPRISE, statements=[VAT_AT_LEAST, SALES_ABOUT])
    answer = asked.json()
    assert answer["mode"] == "verify"
    assert [verdict["result"] for verdict in answer["verdicts"]] == ["match", "match"]
    assert "records" not in answer
    assert "2365000" not in asked.text
    assert "52680000" not in asked.text
    assert answer["charged_fen"] == 50
    [row] = await truth.disclosures()
    assert (row.mode, row.outcome) == ("verify", "disclosed")
    assert await truth.uses_spent(consent_id) == 1


async def test_a_retried_verification_is_the_same_answer_and_no_second_try(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active()
    first = await bank.query("tax", consent_id, ENTERPRISE, key="k", statements=[VAT_AT_LEAST])
    probes = await truth.count("probes")
    again = await bank.query("tax", consent_id, ENTERPRISE, key="k", statements=[VAT_AT_LEAST])
    assert first.status_code == 200
    assert again.content == first.content
    assert await truth.count("probes") == probes > 0
    assert len(await truth.disclosures()) == 1


async def test_what_is_not_there_is_unknown_and_free(bank: Bank, consents: Consents, truth: Truth) -> None:
    consent_id = await consents.active(uscc=OTHER_ENTERPRISE)
    answer = (await bank.query("tax", consent_id, OTHER_ENTERPRISE, statements=[VAT_AT_LEAST])).json()
    assert [verdict["result"] for verdict in answer["verdicts"]] == ["unknown"]
    assert (answer["found"], answer["charged_fen"], answer["as_of"]) == (False, 0, None)
    assert (await truth.usage()).nothing_found == 1


async def test_the_tries_end_and_the_refusal_is_recorded(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active()
    refused = None
    for tenth in range(10, 40):
        statement = {
            **VAT_AT_LEAST,
            "value": tenth * 100_000 if tenth in (10, 12, 15, 20, 25, 30) else 3_000_000,
        }
        answer = await bank.query("tax", consent_id, ENTERPRISE, statements=[statement])
        if answer.status_code != 200:
            refused = await problem_of(answer)
            break
    assert refused is not None
    assert (refused["status"], refused["type"]) == (403, "/problems/verification-budget-spent")
    assert (await truth.disclosures())[-1].reason == "verification_budget_spent"


async def test_without_a_consent_a_statement_is_not_judged_and_costs_no_try(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    await consents.active()
    answer = await problem_of(await bank.query("tax", uuid.uuid4(), ENTERPRISE, statements=[VAT_AT_LEAST]))
    assert answer["type"] == "/problems/consent-unknown"
    assert "match" not in str(answer)
    assert await truth.count("probes") == 0


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        (
            {"statements": [{"field": "vat_paid_fen", "kind": "at_least", "value": 2_000_001}]},
            "statements[0]",
        ),
        ({"statements": [{"field": "shoe_size", "kind": "exact", "value": 1}]}, "statements[0].field"),
        ({"mode": "verify"}, "statements"),
        ({"mode": "collected", "statements": [VAT_AT_LEAST]}, "statements"),
    ],
)
async def test_statements_that_cannot_be_judged_are_explained(
    bank: Bank, consents: Consents, truth: Truth, changes: dict[str, Any], where: str
) -> None:
    consent_id = await consents.active()
    answer = await problem_of(await bank.query("tax", consent_id, ENTERPRISE, **changes))
    assert (answer["status"], answer["type"]) == (400, "/problems/statements-invalid")
    assert any(name.startswith(where) for name in answer["errors"])
    assert await truth.disclosures() == []


async def test_a_mode_that_is_not_offered_is_refused(bank: Bank, consents: Consents) -> None:
    consent_id = await consents.active()
    answer = await problem_of(await bank.query("tax", consent_id, ENTERPRISE, mode="live"))
    assert answer["type"] == "/problems/mode-not-offered"


# --- indicators --------------------------------------------------------------------------------------------------


@pytest.fixture
async def delivered_long_ago(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after the first seconds of a data set's life."""
    await hub.spine.deliveries.look()
    known = Deliveries.known_at
    monkeypatch.setattr(Deliveries, "known_at", lambda self, at: known(self, at + timedelta(minutes=1)))


@pytest.mark.usefixtures("delivered_long_ago")
async def test_all_indicators_come_in_one_answer_with_what_they_were_made_of(
    bank: Bank, consents: Consents, hub: Hub, truth: Truth
) -> None:
    consent_id = await consents.active(datasets=("indicators",))
    answer = (await bank.query("indicators", consent_id, ENTERPRISE)).json()
    assert answer["mode"] == "derived"
    [figures] = answer["records"]
    assert len(figures) >= 80
    assert set(figures) == set(answer["views"])
    assert set(answer["views"].values()) == {"derived"}
    inputs = {one["dataset"]: one for one in answer["inputs"]}
    assert inputs["tax"]["records"] == 24
    assert inputs["tax"]["delivered"] is True
    assert inputs["penalties"] == {
        "dataset": "penalties", "delivered": False, "records": 0, "disputed": 0, "as_of": None, "as_of_oldest": None,
    }  # fmt: skip
    [row] = await truth.disclosures()
    assert len(row.record_ids) == 25
    assert await truth.uses_spent(consent_id) == 1


@pytest.mark.usefixtures("delivered_long_ago")
async def test_indicators_by_name_read_only_what_they_need_and_are_repeated_byte_for_byte(
    bank: Bank, consents: Consents, hub: Hub
) -> None:
    consent_id = await consents.active(datasets=("indicators",))
    contract = hub.catalogue.contracts["indicators"]
    wanted = [field.name for field in contract.fields if field.compute and field.compute.dataset == "tax"][:3]
    first = await bank.query("indicators", consent_id, ENTERPRISE, key="k", fields=wanted)
    assert list(first.json()["views"]) == wanted
    assert {one["dataset"] for one in first.json()["inputs"]} == {"registration", "tax"}
    again = await bank.query("indicators", consent_id, ENTERPRISE, key="k", fields=wanted)
    assert again.content == first.content


async def test_what_was_never_delivered_makes_no_zero(bank: Bank, consents: Consents, hub: Hub) -> None:
    """A list that its owner never sent does not say that the enterprise is not on it."""
    consent_id = await consents.active(datasets=("indicators",))
    contract = hub.catalogue.contracts["indicators"]
    counts = [
        field.name
        for field in contract.fields
        if field.compute and field.compute.dataset == "penalties" and field.compute.kind == "count"
    ]
    [figures] = (await bank.query("indicators", consent_id, ENTERPRISE)).json()["records"]
    assert counts
    assert {figures[name] for name in counts} == {None}


@pytest.mark.usefixtures("delivered_long_ago")
async def test_a_clean_list_asked_for_alone_is_an_answer_and_not_nothing_found(
    bank: Bank, consents: Consents, hub: Hub, tmp_path: Path
) -> None:
    """The list was delivered, with somebody else on it."""
    file = tmp_path / "penalties.csv"
    file.write_text(PENALTIES_CSV)
    async with hub.database.hot.acquire() as connection:
        report = await ingest(connection, hub.catalogue.contracts["penalties"], file)
    assert report.accepted == 1, report
    await hub.spine.deliveries.look()
    consent_id = await consents.active(datasets=("indicators",))
    answer = (await bank.query("indicators", consent_id, ENTERPRISE, fields=["penalties_12m"])).json()
    assert answer["found"] is True
    assert answer["records"] == [{"penalties_12m": 0}]
    assert answer["charged_fen"] > 0
