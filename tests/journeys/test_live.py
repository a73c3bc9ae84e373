"""Live data through the bank's door: fresh from its owner, recorded, charged once, never in spite of the enterprise."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from core.settings import OwnerSettings, Settings
from gateway.hub import Hub
from gateway.main import build_app
from sandbox.data_owner import REQUESTER, SERVICE
from sandbox.data_owner import DataOwner as Register
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents, registered, running
from tests.support.bank import Bank
from tests.support.owner import KEY, SEIZURES, played_register, serving
from tests.support.truth import Truth


@pytest.fixture
def register() -> Register:
    return played_register()


@pytest.fixture
async def owner_url(register: Register, free_port_of_owner: int) -> AsyncIterator[str]:
    async with serving(register, free_port_of_owner) as url:
        yield url


@pytest.fixture
def free_port_of_owner() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def settings(settings: Settings, owner_url: str, tmp_path: Path) -> Settings:
    key = tmp_path / "exchange-key.txt"
    key.write_bytes(KEY)
    owner = OwnerSettings(url=owner_url, requester=REQUESTER, key_file=key, services={SEIZURES: SERVICE})
    return settings.model_copy(update={"owners": {"real_estate_register": owner}})


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Hub]:
    app = build_app(settings)
    async with running(app, settings.port):
        yield app.others.state.hub  # type: ignore[attr-defined]


@pytest.fixture
async def bank(hub: Hub, settings: Settings, http: httpx.AsyncClient) -> Bank:
    return await registered(Bank(http, settings.public_url), hub, name="测试银行")


async def test_a_seizure_is_told_fresh_from_its_owner_and_charged(
    bank: Bank, consents: Consents, register: Register, truth: Truth
) -> None:
    consent_id = await consents.active(datasets=(SEIZURES,))
    answer = await bank.query(SEIZURES, consent_id, ENTERPRISE)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    [record] = told["records"]
    assert (told["mode"], told["found"], told["charged_fen"]) == ("live", True, 80)
    assert record["document_number"] == register.seizures[ENTERPRISE][0]["cfwh"]
    assert "*" in record["unit_number"]
    assert (await truth.usage()).disclosed == 1


async def test_an_enterprise_without_a_seizure_is_nothing_found_and_free(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active(datasets=(SEIZURES,), uscc=OTHER_ENTERPRISE)
    told = (await bank.query(SEIZURES, consent_id, OTHER_ENTERPRISE)).json()
    assert (told["found"], told["records"], told["charged_fen"]) == (False, [], 0)
    assert (await truth.usage()).nothing_found == 1


async def test_without_consent_the_owner_is_not_even_asked(
    bank: Bank, consents: Consents, register: Register, truth: Truth
) -> None:
    for consent_id in (
        await consents.active(datasets=("tax",)),
        await consents.active(datasets=(SEIZURES,), uscc=OTHER_ENTERPRISE),
        (await consents.asked(datasets=(SEIZURES,))).consent_id,
    ):
        refused = await bank.query(SEIZURES, consent_id, ENTERPRISE)
        assert refused.status_code == 403
        assert refused.json()["decision_id"]
    assert register.asked == 0
    assert (await truth.usage()).refused == 3
    assert await truth.count("live_checks") == 0


@pytest.mark.parametrize(
    ("manner", "status", "problem"),
    [
        ("failing", 503, "owner-away"),
        ("truncated", 502, "owner-answer-unusable"),
        ("dirty", 502, "owner-answer-unusable"),
    ],
)
async def test_an_owner_that_fails_costs_nothing_and_the_same_question_may_be_repeated(
    bank: Bank,
    consents: Consents,
    register: Register,
    truth: Truth,
    manner: str,
    status: int,
    problem: str,
) -> None:
    consent_id = await consents.active(datasets=(SEIZURES,))
    register.manner = manner  # type: ignore[assignment]
    failed = await bank.query(SEIZURES, consent_id, ENTERPRISE, key="one")
    assert (failed.status_code, failed.json()["type"]) == (status, f"/problems/{problem}")
    assert "records" not in failed.json()
    assert (await truth.disclosures(), await truth.uses_spent(consent_id)) == ([], 0)
    register.manner = "well"
    assert (await bank.query(SEIZURES, consent_id, ENTERPRISE, key="one")).status_code == 200
    assert await truth.uses_spent(consent_id) == 1


async def test_a_retry_gets_the_same_bytes_also_while_the_owner_is_away_or_knows_better(
    bank: Bank, consents: Consents, register: Register, truth: Truth, hub: Hub
) -> None:
    consent_id = await consents.active(datasets=(SEIZURES,))
    first = await bank.query(SEIZURES, consent_id, ENTERPRISE, key="one")
    register.lift(ENTERPRISE, register.seizures[ENTERPRISE][0]["cfwh"])
    async with hub.database.hot.acquire() as connection:
        await connection.execute("UPDATE live_checks SET checked_at = checked_at - interval '1 hour'")
    after = await bank.query(SEIZURES, consent_id, ENTERPRISE, key="two")
    assert (first.json()["found"], after.json()["found"]) == (True, False)
    register.manner = "failing"
    async with hub.database.hot.acquire() as connection:
        await connection.execute("UPDATE live_checks SET checked_at = checked_at - interval '1 hour'")
    for key, earlier in (("one", first), ("two", after)):
        again = await bank.query(SEIZURES, consent_id, ENTERPRISE, key=key)
        assert (again.status_code, again.content) == (200, earlier.content)
    assert (await bank.query(SEIZURES, consent_id, ENTERPRISE, key="three")).status_code == 503
    assert (await truth.usage()).disclosed == 1


async def test_verification_asks_the_owner_too(bank: Bank, consents: Consents, register: Register) -> None:
    consent_id = await consents.active(datasets=(SEIZURES,))
    statements = [{"field": "kind", "kind": "exact", "value": "查封"}]
    answer = await bank.query(SEIZURES, consent_id, ENTERPRISE, mode="verify", statements=statements)
    assert answer.status_code == 200, answer.text
    assert [verdict["result"] for verdict in answer.json()["verdicts"]] == ["match"]
    assert register.asked == 1


async def test_health_tells_which_owner_is_away(
    bank: Bank, consents: Consents, register: Register, http: httpx.AsyncClient, settings: Settings
) -> None:
    async def health() -> tuple[str, str]:
        told = (await http.get(f"{settings.public_url}/health")).json()
        return told["status"], told["owners"]["real_estate_register"]

    assert await health() == ("ok", "ok")
    consent_id = await consents.active(datasets=(SEIZURES,))
    register.manner = "failing"
    for _ in range(5):
        assert (await bank.query(SEIZURES, consent_id, ENTERPRISE)).status_code == 503
    assert await health() == ("degraded", "away")
