"""Before a bank asks for a consent it may see whether there is anything: not what, not how much, and not unseen."""

from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from datasets import load_catalogue
from gateway.hub import Hub
from ledger import availability_checks_of
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, stock
from tests.support.bank import Bank


async def look(bank: Bank, *datasets: str, uscc: str = ENTERPRISE, purpose: str = "credit_review") -> Any:
    return await bank.post("/v1/availability", {"uscc": uscc, "purpose": purpose, "datasets": list(datasets)})


async def told(bank: Bank, *datasets: str, **more: str) -> list[dict[str, Any]]:
    answer = await look(bank, *datasets, **more)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["datasets"]
    return found


@pytest.fixture
async def delivered(hub: Hub, tmp_path: Path) -> None:
    """On the shelf, and for so long that every process knows of it."""
    await stock(hub, tmp_path)
    await hub.spine.deliveries.look()
    first = hub.spine.deliveries._first
    first.update({dataset: at.replace(year=2020) for dataset, at in first.items()})


async def test_what_is_there_is_said_with_its_month_and_nothing_else(bank: Bank, delivered: None) -> None:
    registration, tax = await told(bank, "registration", "tax")
    assert (registration["exists"], tax["exists"]) == ("yes", "yes")
    assert tax["as_of_month"] == "2025-12"
    assert set(tax) == {"dataset", "offered", "exists", "because", "as_of_month", "owner_up"}


async def test_what_is_not_there_is_said_as_no(bank: Bank, delivered: None) -> None:
    [tax] = await told(bank, "tax", uscc=OTHER_ENTERPRISE)
    assert (tax["offered"], tax["exists"], tax["because"], tax["as_of_month"]) == (True, "no", None, None)


async def test_what_was_never_delivered_is_unknown_and_not_no(bank: Bank, delivered: None) -> None:
    [power] = await told(bank, "power")
    assert (power["exists"], power["because"]) == ("unknown", "not_delivered")


@pytest.mark.parametrize(
    "dataset", ["penalties", "judgments", "tax_arrears", "honours", "real_estate_seizures"]
)
async def test_where_existence_is_the_news_it_takes_a_consent(
    bank: Bank, delivered: None, dataset: str
) -> None:
    for uscc in (ENTERPRISE, OTHER_ENTERPRISE):
        [found] = await told(bank, dataset, uscc=uscc)
        assert (found["exists"], found["as_of_month"]) == ("unknown", None)


async def test_what_no_rule_offers_for_the_purpose_is_not_looked_at(
    hub: Hub, bank: Bank, delivered: None
) -> None:
    refused = {
        (purpose, dataset)
        for purpose in hub.catalogue.purposes
        for dataset in ("tax", "registration", "housing_fund")
        if dataset not in hub.catalogue.answerable("bank", purpose)
    }
    assert refused
    for purpose, dataset in refused:
        [found] = await told(bank, dataset, purpose=purpose)
        assert (found["offered"], found["exists"], found["because"]) == (False, "unknown", "not_offered")


async def test_indicators_exist_where_anything_exists_to_compute_them_from(
    bank: Bank, delivered: None
) -> None:
    [there] = await told(bank, "indicators")
    [nothing] = await told(bank, "indicators", uscc=OTHER_ENTERPRISE)
    assert (there["exists"], nothing["exists"]) == ("yes", "no")


async def test_of_live_data_it_is_said_whether_the_owner_is_up(bank: Bank, delivered: None) -> None:
    """Nobody has configured this one: it does not answer."""
    live, tax = await told(bank, "real_estate_seizures", "tax")
    assert live["owner_up"] is (False if live["offered"] else None)
    assert tax["owner_up"] is None


async def test_the_enterprise_sees_every_look(
    hub: Hub, bank: Bank, other_bank: Bank, delivered: None
) -> None:
    await told(bank, "registration", "tax")
    await told(other_bank, "penalties")
    await told(bank, "tax", uscc=OTHER_ENTERPRISE)
    async with hub.database.transaction() as tx:
        checks = await availability_checks_of(tx, ENTERPRISE)
        [newest, *_] = checks
        rest = await availability_checks_of(tx, ENTERPRISE, before=(newest.at, newest.check_id))
    assert [(one.participant_id, list(one.datasets)) for one in checks] == [
        ("other-bank", ["penalties"]),
        ("test-bank", ["registration", "tax"]),
    ]
    assert rest == checks[1:]


async def test_nothing_is_charged_and_nothing_counts_as_a_question(bank: Bank, delivered: None) -> None:
    await told(bank, "tax")
    assert (await bank.get("/v1/usage")).json()["lines"] == []


@pytest.mark.parametrize(
    ("changes", "status", "problem"),
    [
        ({"uscc": "91350100M000100Y44"}, 400, "uscc-invalid"),
        ({"purpose": "curiosity"}, 400, "purpose-unknown"),
        ({"datasets": ["tax", "secrets"]}, 404, "dataset-unknown"),
        ({"datasets": ["tax", "tax"]}, 400, "request-invalid"),
        ({"datasets": []}, 400, "request-invalid"),
        ({"consent_id": "x"}, 400, "request-invalid"),
    ],
)
async def test_a_look_that_cannot_be_read_is_a_problem_and_leaves_no_trace(
    hub: Hub, bank: Bank, changes: dict[str, Any], status: int, problem: str
) -> None:
    question = {"uscc": ENTERPRISE, "purpose": "credit_review", "datasets": ["tax"], **changes}
    answer = await bank.post("/v1/availability", question)
    assert answer.status_code == status
    assert answer.json()["type"].endswith(problem)
    async with hub.database.transaction() as tx:
        assert await availability_checks_of(tx, ENTERPRISE) == []


class TestRation:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"availability_per_minute": 3.0})

    async def test_looks_are_rationed_by_themselves(self, bank: Bank, other_bank: Bank) -> None:
        statuses = [(await look(bank, "tax")).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert (await look(other_bank, "tax")).status_code == 200
        assert (await bank.get("/v1/usage")).status_code == 200
        assert int((await look(bank, "tax")).headers["retry-after"]) <= 20


def test_by_itself_existence_is_told_only_where_any_enterprise_stands_anyhow() -> None:
    """Whoever adds a data set to these should have thought about it; a new contract is silent unless it says so."""
    told = {contract.id for contract in load_catalogue().contracts.values() if not contract.existence_is_news}
    assert told == {
        "registration", "key_persons", "shareholders", "annual_reports",
        "tax", "tax_credit_grade", "tax_status",
        "social_insurance", "social_insurance_units", "social_insurance_payments",
        "housing_fund", "housing_fund_years",
        "water", "power", "power_years", "gas",
    }  # fmt: skip
