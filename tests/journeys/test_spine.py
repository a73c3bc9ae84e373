"""The whole chain over real HTTP: consent → decision → disclosure → meter."""

import uuid
from datetime import date

import pytest
from sqlalchemy import text

from gateway.hub import Hub
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents, DatabaseUrls
from tests.support.bank import Bank
from tests.support.truth import Truth

pytestmark = pytest.mark.usefixtures("stocked")


async def test_a_bank_gets_exactly_the_permitted_fields_in_their_views(
    bank: Bank, consents: Consents
) -> None:
    consent_id = await consents.active()
    answer = (await bank.query("registration", consent_id, ENTERPRISE)).json()
    assert answer["found"] is True
    assert answer["owner"] == "省市场监督管理局"
    [record] = answer["records"]
    assert set(record) == set(answer["views"])
    assert record["name"] == "苏州示例精密机械有限公司"
    assert answer["views"]["name"] == "raw"
    assert record["signatory_name"] == "张*丰"
    assert answer["views"]["signatory_name"] == "masked"
    assert "320000190001010016" not in str(answer)

    tax = (await bank.query("tax", consent_id, ENTERPRISE)).json()
    assert len(tax["records"]) == 24
    assert [row["period"] for row in tax["records"]] == sorted(
        (r["period"] for r in tax["records"]), reverse=True
    )
    assert tax["views"]["sales_fen"] == "banded"
    assert {row["sales_fen"] for row in tax["records"]} == {"[500000,700000)"}


async def test_the_disclosure_is_there_and_the_meter_moved_once(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active(uses_max=5)
    answer = (await bank.query("registration", consent_id, ENTERPRISE)).json()
    [row] = await truth.disclosures()
    assert str(row.decision_id) == answer["disclosure_id"]
    assert (row.participant_id, row.uscc, row.dataset, row.outcome) == (
        "test-bank", ENTERPRISE, "registration", "disclosed",
    )  # fmt: skip
    assert row.price_fen == answer["charged_fen"] == 10
    assert await truth.uses_spent(consent_id) == 1
    usage = (await bank.get("/v1/usage")).json()
    assert usage["total"] == {"disclosed": 1, "nothing_found": 0, "refused": 0, "charged_fen": 10}


async def test_a_retry_with_the_same_key_gives_the_same_bytes_and_no_second_charge(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active()
    first = await bank.query("tax", consent_id, ENTERPRISE, key="one-question")
    again = await bank.query("tax", consent_id, ENTERPRISE, key="one-question")
    assert again.status_code == 200
    assert again.content == first.content
    assert len(await truth.disclosures()) == 1
    assert await truth.uses_spent(consent_id) == 1
    assert (await truth.usage()).price_fen == 50


async def test_a_retry_gives_the_old_answer_even_when_the_record_changed_since(
    bank: Bank, consents: Consents, hub: Hub, truth: Truth, tmp_path_factory: pytest.TempPathFactory
) -> None:
    consent_id = await consents.active()
    first = await bank.query("registration", consent_id, ENTERPRISE, key="before-the-change")
    await truth.supersede(tmp_path_factory, "苏州改名精密机械有限公司")
    again = await bank.query("registration", consent_id, ENTERPRISE, key="before-the-change")
    assert again.content == first.content
    anew = await bank.query("registration", consent_id, ENTERPRISE)
    assert anew.json()["records"][0]["name"] == "苏州改名精密机械有限公司"


async def test_the_last_use_can_be_repeated_but_not_asked_anew(bank: Bank, consents: Consents) -> None:
    consent_id = await consents.active(uses_max=1)
    first = await bank.query("tax", consent_id, ENTERPRISE, key="the-only-one")
    assert first.status_code == 200
    assert (await bank.query("tax", consent_id, ENTERPRISE, key="the-only-one")).content == first.content
    refused = await bank.query("tax", consent_id, ENTERPRISE)
    assert refused.json()["type"] == "/problems/consent-used-up"


async def test_the_same_key_with_another_question_is_refused(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active()
    await bank.query("tax", consent_id, ENTERPRISE, key="k")
    other = await bank.query("registration", consent_id, ENTERPRISE, key="k")
    assert other.status_code == 422
    assert other.json()["type"] == "/problems/idempotency-key-reused"
    assert len(await truth.disclosures()) == 1


async def test_missing_data_is_said_as_missing_and_costs_nothing(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active(uscc=OTHER_ENTERPRISE)
    answer = (await bank.query("tax", consent_id, OTHER_ENTERPRISE)).json()
    assert answer["found"] is False
    assert answer["records"] == []
    assert answer["disclosure_id"] is None
    assert "未提供不代表不存在" in answer["note"]
    assert (await truth.usage()).price_fen == 0
    assert (await truth.usage()).nothing_found == 1


@pytest.mark.parametrize(
    ("purpose", "status", "slug"),
    [("marketing", 403, "no-rule"), ("curiosity", 400, "purpose-unknown")],
)
async def test_a_purpose_without_a_rule_lets_nothing_out(
    bank: Bank, consents: Consents, purpose: str, status: int, slug: str
) -> None:
    consent_id = await consents.active()
    answer = await bank.query("tax", consent_id, ENTERPRISE, purpose=purpose)
    assert answer.status_code == status
    assert answer.json()["type"] == f"/problems/{slug}"


async def test_the_consent_of_another_bank_is_as_unknown_as_none_at_all(
    bank: Bank, other_bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active("other-bank")
    stolen = await bank.query("tax", consent_id, ENTERPRISE)
    invented = await bank.query("tax", uuid.uuid4(), ENTERPRISE)
    assert stolen.status_code == invented.status_code == 404
    assert stolen.json()["type"] == invented.json()["type"] == "/problems/consent-unknown"
    # The record knows better, and the enterprise that was asked about can see it.
    assert [row.reason for row in await truth.disclosures()] == [
        "consent_of_another_participant",
        "consent_unknown",
    ]


@pytest.mark.parametrize(
    ("changes", "asked", "slug"),
    [
        ({"uscc": OTHER_ENTERPRISE}, {}, "consent-of-another-enterprise"),
        ({"purpose": "post_loan"}, {}, "consent-for-another-purpose"),
        ({"datasets": ("registration",)}, {}, "consent-without-dataset"),
        ({"age_days": 91}, {}, "consent-expired"),
    ],
)
async def test_a_consent_for_something_else_is_refused_and_recorded(
    bank: Bank, consents: Consents, truth: Truth, changes: dict[str, object], asked: dict[str, str], slug: str
) -> None:
    consent_id = await consents.active(**changes)  # type: ignore[arg-type]
    answer = await bank.query("tax", consent_id, ENTERPRISE)
    assert answer.status_code == 403
    problem = answer.json()
    assert problem["type"] == f"/problems/{slug}"
    assert problem["detail"]
    [row] = await truth.disclosures()
    assert (str(row.decision_id), row.outcome) == (problem["decision_id"], "refused")
    assert row.record_ids == []
    assert (row.price_fen, await truth.uses_spent(consent_id)) == (0, 0)


async def test_an_unanswered_request_is_no_consent(bank: Bank, consents: Consents) -> None:
    asked = await consents.asked()
    answer = await bank.query("tax", asked.consent_id, ENTERPRISE)
    assert answer.json()["type"] == "/problems/consent-awaiting"


async def test_the_program_has_no_right_to_rewrite_history(
    bank: Bank, consents: Consents, database_urls: DatabaseUrls, hub: Hub
) -> None:
    consent_id = await consents.active()
    await bank.query("tax", consent_id, ENTERPRISE)
    for statement in (
        "UPDATE disclosures SET outcome = 'refused'",
        "DELETE FROM disclosures",
        "TRUNCATE disclosures",
        "UPDATE consent_events SET reason = 'x'",
        "DELETE FROM consent_artefacts",
        "DROP TABLE disclosures",
        "ALTER TABLE disclosures DISABLE TRIGGER ALL",
        "DELETE FROM consents",
        "DELETE FROM records",
        "UPDATE records SET body = '{}'",
    ):
        with pytest.raises(Exception, match=r"permission denied|must be owner"):
            async with hub.database.transaction() as tx:
                await tx.execute(text(statement))


async def test_usage_is_what_the_disclosures_say(bank: Bank, consents: Consents, truth: Truth) -> None:
    consent_id = await consents.active(uses_max=3)
    for _ in range(5):
        await bank.query("registration", consent_id, ENTERPRISE)
    await bank.query("tax", uuid.uuid4(), ENTERPRISE)
    usage = await truth.usage()
    rows = await truth.disclosures()
    assert usage.disclosed == sum(row.outcome == "disclosed" for row in rows) == 3
    assert usage.refused == sum(row.outcome == "refused" for row in rows) == 3
    assert usage.price_fen == sum(row.price_fen for row in rows) == 30


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("mode", ["collected", "derived"])
async def test_a_consent_for_data_from_a_month_on_lets_nothing_older_out(
    bank: Bank, consents: Consents, truth: Truth, mode: str
) -> None:
    dataset = "tax" if mode == "collected" else "indicators"
    consent_id = await consents.active(datasets=(dataset,), data_from=date(2025, 7, 1))
    answer = await bank.query(dataset, consent_id, ENTERPRISE, mode=mode, key="k")
    assert answer.status_code == 200, answer.text
    assert answer.json()["as_of_oldest"] >= "2025-07-01"
    if mode == "collected":
        assert [record["period"] for record in answer.json()["records"]][-1] == "2025-07"
    assert await truth.uses_spent(consent_id) == 1
    assert len(await truth.disclosures()) == 1
    again = await bank.query(dataset, consent_id, ENTERPRISE, mode=mode, key="k")
    assert again.content == answer.content
