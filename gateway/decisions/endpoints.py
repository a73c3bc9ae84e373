"""Why a question was answered as it was, and whether one would be: nothing here reads, records or charges data."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from consent import Consent, find_for_participant
from core.errors import InvalidInput, NotFound
from datasets import Catalogue
from gateway.access import BankCaller, HubDep
from gateway.banks.endpoints import PROBLEMS
from gateway.decisions.judgement import Evaluation, evaluate
from gateway.decisions.schemas import (
    EvaluationIn,
    EvaluationOut,
    EvaluationsIn,
    EvaluationsOut,
    ExplainIn,
    ExplanationOut,
    PartialEvaluationIn,
    reason_for_caller,
)
from gateway.hub import Hub
from gateway.oauth.bearer import Caller
from ledger import Decision, find_decision

DECISIONS = "决定 Decisions"
STOPS_AFTER = {"deny_on_first_deny": False, "permit_on_first_permit": True}
"""the decision after which the rest is not evaluated"""

RequestId = Annotated[str | None, Header(alias="X-Request-ID", max_length=255, description="原样写回答复")]

router = APIRouter(prefix="/v1", responses=PROBLEMS)


@router.post("/decisions/explain", tags=[DECISIONS], summary="为什么这样答复")
async def explain(asked: ExplainIn, caller: BankCaller, hub: HubDep) -> ExplanationOut:
    """Why each field of an answer of yours was shown, masked or withheld: rule, versions, clause of the consent."""
    async with hub.database.transaction() as tx:
        decision = await find_decision(tx, asked.decision_id, participant_id=caller.participant_id)
        consent = await consent_of(tx, decision)
    return ExplanationOut.of(decision, consent, hub.catalogue, reason=reason_for_caller(decision))


async def consent_of(tx: AsyncConnection, decision: Decision) -> Consent | None:
    """The consent that a question named, if it is the asker's own."""
    return await _own_consent(tx, decision.participant_id, decision.consent_id)


async def _own_consent(tx: AsyncConnection, participant_id: str, consent_id: UUID) -> Consent | None:
    try:
        return await find_for_participant(tx, participant_id, consent_id)
    except NotFound:
        return None


@router.post("/access/evaluation", tags=[DECISIONS], summary="预先判断：会不会答复")
async def evaluation(
    asked: EvaluationIn, caller: BankCaller, hub: HubDep, response: Response, request_id: RequestId = None
) -> EvaluationOut:
    """Whether a question would be answered now, and how each field would be shown: a dry run, not charged.

    Shaped after OpenID AuthZEN 1.0. It promises nothing: the consent is judged again when you ask.
    """
    _return_request_id(response, request_id)
    [answer] = await _evaluate(hub, caller, [asked])
    return answer


@router.post("/access/evaluations", tags=[DECISIONS], summary="预先判断：一次多项")
async def evaluations(
    asked: EvaluationsIn, caller: BankCaller, hub: HubDep, response: Response, request_id: RequestId = None
) -> EvaluationsOut | EvaluationOut:
    """Several evaluations in one call; without any in `evaluations`, the one at the top."""
    _return_request_id(response, request_id)
    parts = asked.evaluations or [PartialEvaluationIn()]
    answers = await _evaluate(
        hub, caller, [_merged(asked, part, number) for number, part in enumerate(parts)]
    )
    if not asked.evaluations:
        return answers[0]
    stop = STOPS_AFTER.get(asked.options.evaluations_semantic)
    ends = next((number for number, answer in enumerate(answers) if answer.decision is stop), len(answers))
    return EvaluationsOut(evaluations=answers[: ends + 1])


def _merged(asked: EvaluationsIn, part: PartialEvaluationIn, number: int) -> EvaluationIn:
    """One evaluation with what it leaves out from the top. Raises `InvalidInput` for what neither has."""
    found = {name: getattr(part, name) or getattr(asked, name) for name in EvaluationIn.model_fields}
    missing = {f"evaluations.{number}.{name}": "missing" for name, value in found.items() if value is None}
    if missing:
        raise InvalidInput("request_invalid", errors=missing)
    return EvaluationIn(**found)


async def _evaluate(hub: Hub, caller: Caller, wanted: list[EvaluationIn]) -> list[EvaluationOut]:
    named = {one.context.consent_id for one in wanted if one.context.consent_id is not None}
    async with hub.database.transaction() as tx:
        consents = {name: await _own_consent(tx, caller.participant_id, name) for name in named}
    catalogue, at = hub.catalogue, hub.clock()
    return [
        EvaluationOut.of(_evaluate_one(catalogue, caller, one, consents, at), catalogue.rule_set.id)
        for one in wanted
    ]


def _evaluate_one(
    catalogue: Catalogue,
    caller: Caller,
    asked: EvaluationIn,
    consents: dict[UUID, Consent | None],
    at: datetime,
) -> Evaluation:
    if (asked.subject.type, asked.subject.id) != ("participant", caller.participant_id):
        return Evaluation("subject_not_caller", None)
    if asked.resource.type != "dataset":
        return Evaluation("resource_unknown", None)
    consent_id = asked.context.consent_id
    consent = (consents[consent_id] or "consent_unknown") if consent_id else "consent_missing"
    return evaluate(catalogue, caller.participant_class, asked.wish(), consent, at)


def _return_request_id(response: Response, request_id: str | None) -> None:
    if request_id is not None:
        response.headers["X-Request-ID"] = request_id
