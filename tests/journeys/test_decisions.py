"""Promise 3 over real HTTP: why a field was out, masked or withheld, and what would happen if one asked."""

import dataclasses
import uuid
from functools import partial
from typing import Any

import httpx
import pytest

from core.clock import now
from core.settings import Settings
from datasets import Catalogue, ContractError
from datasets.contract import read_contract
from gateway.decisions.rules import contracts_at_start
from gateway.hub import Hub, open_hub
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents
from tests.support.bank import Bank
from tests.support.truth import Truth

pytestmark = pytest.mark.usefixtures("stocked")


async def explained(bank: Bank, decision_id: str) -> dict[str, Any]:
    answer = await bank.post("/v1/decisions/explain", {"decision_id": decision_id})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def wish(dataset: str = "tax", consent_id: object = None, **changes: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "subject": {"type": "participant", "id": "test-bank"},
        "action": {"name": "collected"},
        "resource": {"type": "dataset", "id": dataset},
        "context": {"purpose": "credit_review"},
    }
    if consent_id is not None:
        asked["context"]["consent_id"] = str(consent_id)
    return asked | changes


async def evaluated(bank: Bank, asked: dict[str, Any]) -> tuple[bool, str | None]:
    answer = await bank.post("/v1/access/evaluation", asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["decision"], answer.json()["context"]["reason"]


# --- explain ---


async def test_every_field_of_an_answer_is_explained_by_a_rule_and_a_clause(
    bank: Bank, consents: Consents, hub: Hub
) -> None:
    consent_id = await consents.active()
    answer = (await bank.query("registration", consent_id, ENTERPRISE)).json()
    told = await explained(bank, answer["decision_id"])
    assert {field["field"]: field["view"] for field in told["fields"] if field["view"]} == answer["views"]
    assert [field["field"] for field in told["fields"] if field["withheld"]] == answer["withheld"]
    masked = next(field for field in told["fields"] if field["field"] == "signatory_name")
    assert (masked["view"], masked["rule"], masked["level"]) == ("masked", "credit-review-business", 3)
    assert masked["because"]
    assert (told["rule_set"], told["outcome"], told["charged_fen"]) == ("2026-11", "disclosed", 10)
    assert told["rule_set_digest"] == hub.catalogue.rule_set.digest
    assert told["contract_version"] == hub.catalogue.contracts["registration"].version
    assert (told["consent"]["consent_id"], told["consent"]["verdict"]) == (str(consent_id), "allowed")
    assert told["consent"]["terms"]["datasets"] == ["registration", "tax"]
    assert ENTERPRISE not in str(told)


async def test_what_a_rule_keeps_in_is_explained_by_that_rule(bank: Bank, consents: Consents) -> None:
    consent_id = await consents.active(purpose="post_loan")
    answer = (await bank.query("registration", consent_id, ENTERPRISE, purpose="post_loan")).json()
    told = await explained(bank, answer["decision_id"])
    withheld = {
        field["field"]: (field["withheld"], field["rule"]) for field in told["fields"] if field["withheld"]
    }
    assert withheld["signatory_id_number"] == ("rule_refuses", "post-loan-identity")


@pytest.mark.parametrize(
    ("changes", "asked", "clause"),
    [
        ({"uscc": OTHER_ENTERPRISE}, {}, "enterprise"),
        ({"purpose": "post_loan"}, {}, "purpose"),
        ({"datasets": ("registration",)}, {}, "datasets"),
        ({"age_days": 91}, {}, "term"),
    ],
)
async def test_a_refusal_names_the_clause_that_refused(
    bank: Bank, consents: Consents, changes: dict[str, Any], asked: dict[str, str], clause: str
) -> None:
    consent_id = await consents.active(**changes)
    problem = (await bank.query("tax", consent_id, ENTERPRISE)).json()
    told = await explained(bank, problem["decision_id"])
    assert (told["outcome"], told["charged_fen"]) == ("refused", 0)
    assert (told["consent"]["verdict"], told["consent"]["clause"]) == ("refused", clause)
    assert problem["type"] == f"/problems/{told['reason'].replace('_', '-')}"
    assert problem["title"] == told["reason_title"] == told["consent"]["because"]


async def test_a_refusal_by_a_rule_never_came_to_the_consent(bank: Bank, consents: Consents) -> None:
    consent_id = await consents.active()
    problem = (await bank.query("tax", consent_id, ENTERPRISE, purpose="marketing")).json()
    told = await explained(bank, problem["decision_id"])
    assert (told["reason"], told["consent"]["verdict"], told["consent"]["clause"]) == (
        "no_rule",
        "not_judged",
        None,
    )
    assert {field["rule"] for field in told["fields"]} == {"marketing-nothing"}


async def test_the_calls_of_another_bank_are_as_unknown_as_none_at_all(
    bank: Bank, other_bank: Bank, consents: Consents
) -> None:
    consent_id = await consents.active()
    answer = (await bank.query("tax", consent_id, ENTERPRISE)).json()
    asked = [
        await other_bank.post("/v1/decisions/explain", {"decision_id": decision_id})
        for decision_id in (answer["decision_id"], str(uuid.uuid4()))
    ]
    assert {each.status_code for each in asked} == {404}
    assert {each.json()["type"] for each in asked} == {"/problems/decision-unknown"}
    assert len({(each.json()["title"], each.json()["detail"]) for each in asked}) == 1


async def test_the_consent_of_another_bank_is_explained_as_none_at_all(
    bank: Bank, other_bank: Bank, consents: Consents
) -> None:
    consent_id = await consents.active("other-bank")
    refusals = [(await bank.query("tax", named, ENTERPRISE)).json() for named in (consent_id, uuid.uuid4())]
    told = [await explained(bank, refusal["decision_id"]) for refusal in refusals]
    assert {each["reason"] for each in told} == {"consent_unknown"}
    for each in told:
        assert (each["consent"]["clause"], each["consent"]["terms"]) == ("existence", None)


# --- evaluate ---


async def test_a_dry_run_says_yes_shows_the_views_and_leaves_no_trace(
    bank: Bank, consents: Consents, truth: Truth
) -> None:
    consent_id = await consents.active()
    answer = await bank.post(
        "/v1/access/evaluation", wish(consent_id=consent_id), **{"X-Request-ID": "bank-7"}
    )
    assert answer.headers["X-Request-ID"] == "bank-7"
    judged = answer.json()
    assert (judged["decision"], judged["context"]["reason"]) == (True, None)
    shown = {field["field"]: field["view"] for field in judged["context"]["fields"]}
    assert (shown["period"], shown["sales_fen"]) == ("raw", "banded")
    assert (judged["context"]["rule_set"], judged["context"]["price_fen"]) == ("2026-11", 50)
    assert await truth.disclosures() == []
    assert await truth.uses_spent(consent_id) == 0


async def test_without_a_consent_the_decision_is_no_and_the_views_are_shown(bank: Bank) -> None:
    judged = (await bank.post("/v1/access/evaluation", wish())).json()
    assert (judged["decision"], judged["context"]["reason"]) == (False, "consent_missing")
    assert judged["context"]["reason_user"]["en-403"]
    assert judged["context"]["reason_admin"]["zh"]
    assert any(field["view"] for field in judged["context"]["fields"])


async def test_some_fields_are_judged_alone(bank: Bank, consents: Consents) -> None:
    consent_id = await consents.active()
    resource = {"type": "dataset", "id": "tax", "properties": {"fields": ["sales_fen"]}}
    judged = (await bank.post("/v1/access/evaluation", wish(consent_id=consent_id, resource=resource))).json()
    assert [field["field"] for field in judged["context"]["fields"]] == ["sales_fen"]
    resource["properties"] = {"fields": ["gossip"]}
    assert await evaluated(bank, wish(consent_id=consent_id, resource=resource)) == (False, "fields_invalid")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subject": {"type": "participant", "id": "other-bank"}}, "subject_not_caller"),
        ({"subject": {"type": "user", "id": "test-bank"}}, "subject_not_caller"),
        ({"resource": {"type": "file", "id": "tax"}}, "resource_unknown"),
        ({"resource": {"type": "dataset", "id": "gossip"}}, "dataset_unknown"),
        ({"action": {"name": "delete"}}, "mode_not_offered"),
        ({"context": {"purpose": "curiosity"}}, "purpose_unknown"),
        ({"context": {"purpose": "marketing"}}, "no_rule"),
    ],
)
async def test_what_nobody_allowed_is_no(bank: Bank, changes: dict[str, Any], reason: str) -> None:
    assert await evaluated(bank, wish(**changes)) == (False, reason)


@pytest.mark.parametrize(
    ("changes", "purpose"),
    [
        ({}, "credit_review"),
        ({}, "post_loan"),
        ({}, "marketing"),
        ({"purpose": "post_loan"}, "credit_review"),
        ({"datasets": ("registration",)}, "credit_review"),
        ({"age_days": 91}, "credit_review"),
        ({"uses_max": 1}, "credit_review"),
        ({"participant_id": "other-bank"}, "credit_review"),
    ],
)
@pytest.mark.usefixtures("other_bank")
async def test_a_dry_run_says_what_the_question_then_gets(
    bank: Bank, consents: Consents, changes: dict[str, Any], purpose: str
) -> None:
    """The ledger's statement judges for real; two tries, so that the last use is met as well."""
    consent_id = await consents.active(**changes)
    asked = wish(consent_id=consent_id, context={"purpose": purpose, "consent_id": str(consent_id)})
    for _ in range(2):
        decision, reason = await evaluated(bank, asked)
        answer = await bank.query("tax", consent_id, ENTERPRISE, purpose=purpose)
        assert decision == (answer.status_code == 200)
        if reason is not None:
            assert answer.json()["type"] == f"/problems/{reason.replace('_', '-')}"


async def test_a_request_that_is_not_answered_yet_is_no(bank: Bank, consents: Consents) -> None:
    asked = await consents.asked()
    assert await evaluated(bank, wish(consent_id=asked.consent_id)) == (False, "consent_awaiting")


# --- several at once ---

SEMANTICS = [
    ("execute_all", [True, False, True]),
    ("deny_on_first_deny", [True, False]),
    ("permit_on_first_permit", [True]),
]


@pytest.mark.parametrize(("semantic", "decisions"), SEMANTICS)
async def test_several_are_judged_in_order_until_the_semantic_says_stop(
    bank: Bank, consents: Consents, semantic: str, decisions: list[bool]
) -> None:
    consent_id = await consents.active()
    top = wish(consent_id=consent_id)
    del top["resource"]
    top["evaluations"] = [
        {"resource": {"type": "dataset", "id": name}} for name in ("registration", "gossip", "tax")
    ]
    top["options"] = {"evaluations_semantic": semantic}
    answer = (await bank.post("/v1/access/evaluations", top)).json()
    assert [one["decision"] for one in answer["evaluations"]] == decisions


async def test_what_one_of_several_states_counts_before_the_top(bank: Bank, consents: Consents) -> None:
    consent_id = await consents.active()
    stricter = {"context": {"purpose": "marketing", "consent_id": str(consent_id)}}
    answer = await bank.post(
        "/v1/access/evaluations", wish(consent_id=consent_id, evaluations=[{}, stricter])
    )
    assert [one["context"]["reason"] for one in answer.json()["evaluations"]] == [None, "no_rule"]


async def test_without_several_it_is_the_one_at_the_top(bank: Bank, consents: Consents) -> None:
    consent_id = await consents.active()
    answer = (await bank.post("/v1/access/evaluations", wish(consent_id=consent_id))).json()
    assert answer["decision"] is True


def first_error(answer: httpx.Response) -> str:
    assert answer.status_code == 400
    return next(iter(answer.json()["errors"]))


async def test_what_is_left_out_everywhere_is_named(bank: Bank) -> None:
    top = wish()
    del top["action"]
    assert first_error(await bank.post("/v1/access/evaluation", top)) == "action"
    assert (
        first_error(await bank.post("/v1/access/evaluations", top | {"evaluations": [{}]}))
        == "evaluations.0.action"
    )
    assert (
        first_error(await bank.post("/v1/access/evaluations", wish(evaluations=[{}] * 101))) == "evaluations"
    )
    assert first_error(await bank.post("/v1/decisions/explain", {"decision_id": "x"})) == "decision_id"


async def test_nobody_is_told_anything_without_a_token(http: httpx.AsyncClient, bank: Bank) -> None:
    for path in ("/v1/decisions/explain", "/v1/access/evaluation", "/v1/access/evaluations"):
        answer = await http.post(bank.base + path, json=wish(decision_id=str(uuid.uuid4())))
        assert answer.status_code == 401


# --- after a contract was raised ---


def next_release(catalogue: Catalogue, *changes: tuple[str, str]) -> Catalogue:
    """The same release with another text of the tax contract."""
    toml = catalogue.contracts["tax"].toml
    for old, new in changes:
        assert old in toml
        toml = toml.replace(old, new, 1)
    changed = read_contract(toml.encode(), file="tax.toml")
    return dataclasses.replace(catalogue, contracts={**catalogue.contracts, "tax": changed})


async def test_a_decision_stays_explained_and_a_retry_answered_after_the_contract_was_raised(
    bank: Bank, consents: Consents, hub: Hub
) -> None:
    consent_id = await consents.active()
    asked = partial(bank.query, "tax", consent_id, ENTERPRISE, key="before-the-release")
    answer = await asked()
    before = await explained(bank, answer.json()["decision_id"])
    raised = next_release(
        hub.catalogue, ("version = 2", "version = 3"), ('title = "申报销售收入"', 'title = "销售收入"')
    )
    hub.use(await contracts_at_start(hub.database, raised, now()))
    assert await explained(bank, answer.json()["decision_id"]) == before
    assert before["contract_version"] == 2
    assert (await asked()).content == answer.content
    newer = (await bank.query("tax", consent_id, ENTERPRISE)).json()
    told = await explained(bank, newer["decision_id"])
    assert told["contract_version"] == 3
    assert "销售收入" in {field["title"] for field in told["fields"]}


async def test_a_hub_does_not_start_with_a_contract_that_was_changed_under_its_old_version(
    hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = next_release(hub.catalogue, ("price_fen = 50", "price_fen = 5"))
    monkeypatch.setattr("gateway.hub.catalogue_of_this_release", lambda: changed)
    with pytest.raises(
        ContractError, match=r"tax\.toml: price_fen differs from version 2 as it has been in use"
    ):
        async with open_hub(settings):
            pass
