"""What banks and platforms call, apart from the question itself (gateway/queries)."""

from datetime import date, timedelta
from typing import Annotated, Any, NoReturn
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Path, Query, Response

from consent import artefact_of, check_terms, file_request, find_artefact, find_for_participant, give_up
from core.clock import china_day
from core.errors import InvalidInput, NotFound
from core.identifiers import InvalidUSCC, parse_uscc
from datasets import catalogue_json, dataset_json
from gateway.access import BankCaller, HubDep
from gateway.banks.schemas import (
    AnswerOut,
    ConsentRequestIn,
    ConsentRequestOut,
    ProblemOut,
    QuestionIn,
    UsageOut,
)
from ledger import usage_of

USAGE_DAYS_MAX = 366
DAYS_BEGIN = date(2000, 1, 1)

CONSENT, QUESTION, OVERVIEW = "授权 Consent", "查询 Questions", "目录与计量 Catalogue and usage"
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ProblemOut, "description": "RFC 9457；`type` 的含义见 /problems"},
    "503": {"model": ProblemOut, "description": "未提供数据；请用同一个 Idempotency-Key 重试"},
}

router = APIRouter(prefix="/v1", responses=PROBLEMS)


@router.post("/consent-requests", status_code=201, tags=[CONSENT], summary="向企业申请授权")
async def request_consent(
    asked: ConsentRequestIn,
    caller: BankCaller,
    hub: HubDep,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> ConsentRequestOut:
    """Ask an enterprise for its consent. With an `Idempotency-Key`, a retry finds the same request."""
    try:
        uscc = parse_uscc(asked.uscc)
    except InvalidUSCC as error:
        raise InvalidInput("uscc_invalid", errors={"uscc": str(error)}) from error
    terms = asked.terms(uscc)
    answerable = hub.catalogue.answerable(caller.participant_class, terms.purpose)
    check_terms(terms, purposes=hub.catalogue.purposes, answerable=answerable)
    at = hub.clock()
    async with hub.database.transaction() as tx:
        consent = await file_request(
            tx,
            caller.participant_id,
            terms,
            at=at,
            request_key=idempotency_key,
            supersedes=asked.supersedes,
            through=asked.through,
        )
    return ConsentRequestOut.of(consent, at=at, public_url=hub.settings.public_url)


@router.get("/consent-requests/{consent_id}", tags=[CONSENT], summary="查看申请的状态")
async def consent_request(consent_id: UUID, caller: BankCaller, hub: HubDep) -> ConsentRequestOut:
    """How a request of yours stands."""
    async with hub.database.transaction() as tx:
        consent = await find_for_participant(tx, caller.participant_id, consent_id)
    return ConsentRequestOut.of(consent, at=hub.clock(), public_url=hub.settings.public_url)


@router.delete("/consent-requests/{consent_id}", tags=[CONSENT], summary="放弃授权或撤回申请")
async def give_up_consent(consent_id: UUID, caller: BankCaller, hub: HubDep) -> ConsentRequestOut:
    """Give up a consent that runs, or take back a request that waits. Safe to repeat; what has ended stays as it is."""
    at = hub.clock()
    async with hub.database.transaction() as tx:
        consent = await give_up(tx, caller.participant_id, consent_id, at=at)
    return ConsentRequestOut.of(consent, at=at, public_url=hub.settings.public_url)


@router.get(
    "/consent-requests/{consent_id}/artefact",
    tags=[CONSENT],
    summary="下载签名的授权凭证",
    response_class=Response,
    responses={200: {"content": {"application/jose": {}}, "description": "JWS, RFC 7515 compact"}},
)
async def signed_artefact(consent_id: UUID, caller: BankCaller, hub: HubDep) -> Response:
    """The signed evidence of a consent, to keep with your file and to check offline against `/jwks`."""
    async with hub.database.transaction() as tx:
        await find_for_participant(tx, caller.participant_id, consent_id)
        jws = await artefact_of(tx, consent_id)
    if jws is None:
        raise NotFound("consent_unknown", "not approved, so there is nothing signed")
    return Response(jws, media_type="application/jose", headers={"cache-control": "no-store"})


@router.get(
    "/consent-requests/{consent_id}/artefact.json",
    tags=[CONSENT],
    summary="下载带全部签名的授权凭证",
    response_class=Response,
    responses={200: {"content": {"application/jose+json": {}}, "description": "JWS, RFC 7515 general JSON"}},
)
async def artefact_with_all_signatures(consent_id: UUID, caller: BankCaller, hub: HubDep) -> Response:
    """The same evidence with every signature: ES256, and SM2 (SM2withSM3, key in `/jwks/sm2`) where one was made."""
    async with hub.database.transaction() as tx:
        await find_for_participant(tx, caller.participant_id, consent_id)
        signed = await find_artefact(tx, consent_id)
    if signed is None:
        raise NotFound("consent_unknown", "not approved, so there is nothing signed")
    return Response(
        signed.as_json(), media_type="application/jose+json", headers={"cache-control": "no-store"}
    )


@router.get("/usage", tags=[OVERVIEW], summary="用量与费用")
async def usage(
    caller: BankCaller,
    hub: HubDep,
    first_day: Annotated[date | None, Query(alias="from", description="first day, China's time")] = None,
    last_day: Annotated[date | None, Query(alias="to", description="last day, included")] = None,
) -> UsageOut:
    """What you asked and owe, by data set and day; the last 31 days unless told. Amounts in fen (分)."""
    last = last_day or china_day(hub.clock())
    first = first_day or max(last, DAYS_BEGIN) - timedelta(days=30)
    if not 0 <= (last - first).days <= USAGE_DAYS_MAX:
        raise InvalidInput("request_invalid", errors={"from": f"0 to {USAGE_DAYS_MAX} days before `to`"})
    async with hub.database.transaction() as tx:
        return UsageOut.of(await usage_of(tx, caller.participant_id, first, last))


@router.get("/catalogue", tags=[OVERVIEW], summary="有哪些数据和数据项")
async def catalogue(hub: HubDep) -> Response:
    """Which data sets there are and their fields. Who sees what of one: `/v1/catalogue/{dataset}`."""
    return _json(catalogue_json(hub.catalogue))


@router.get("/catalogue/{dataset}", tags=[OVERVIEW], summary="一项数据：各用途能看到什么，答复的 JSON Schema")
async def catalogue_of(dataset: str, hub: HubDep) -> Response:
    """One data set: what each kind of caller sees of it for which purpose, and the JSON Schema of each answer."""
    if dataset not in hub.catalogue.contracts:
        raise NotFound("dataset_unknown")
    return _json(dataset_json(hub.catalogue, dataset))


def _json(shown: dict[str, Any]) -> Response:
    # Written directly: FastAPI would walk through all of it.
    return Response(orjson.dumps(shown), media_type="application/json")


@router.post(
    "/datasets/{dataset}/queries",
    tags=[QUESTION],
    summary="凭授权查询一家企业的数据",
    response_model=AnswerOut,
)
async def question_guide(
    dataset: Annotated[str, Path(examples=["tax"])],
    question: QuestionIn,
    caller: BankCaller,
    idempotency_key: Annotated[
        str, Header(max_length=255, description="每个新问题一个新键；重试用原来的键，24 小时内得到原来的答复")
    ],
) -> NoReturn:
    """Ask for the data of one enterprise under its consent; recorded, counted and charged exactly once.

    Here for the guide: `gateway.queries.door` takes every question before FastAPI sees it.
    """
    raise NotFound("dataset_unknown")  # what the door leaves to us cannot be a data set's name
