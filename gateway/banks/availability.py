"""Before a bank asks an enterprise for its consent: is there anything to consent to, and is its owner up?

No content and no count leaves, and existence only where the contract says that it is no news. It is rationed harder
than questions, by a ration of its own, and every look is kept where the enterprise sees it.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from core.errors import InvalidInput, NotFound
from core.identifiers import USCC, InvalidUSCC, parse_uscc
from datasets import Contract, existing
from gateway.access import BankCaller, HubDep
from gateway.banks.endpoints import CONSENT, PROBLEMS
from gateway.banks.schemas import DatasetName
from gateway.hub import Hub
from gateway.oauth.bearer import Caller
from gateway.queries.admission import Knock
from ledger import note_availability_check

Exists = Literal["yes", "no", "unknown"]
Because = Literal["not_offered", "not_delivered", "needs_consent"]

router = APIRouter(prefix="/v1", responses=PROBLEMS)


class AvailabilityIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "uscc": "91350100M000100Y43",
                "purpose": "credit_review",
                "datasets": ["registration", "tax", "real_estate_seizures"],
            }
        },
    )

    uscc: str = Field(description="统一社会信用代码, GB 32100-2015")
    purpose: str = Field(description="one of the purposes in /v1/catalogue")
    datasets: list[DatasetName] = Field(min_length=1, max_length=50)


class DatasetAvailability(BaseModel):
    dataset: str
    offered: bool = Field(
        description="the sharing rules let you see some of it for this purpose, with a consent"
    )
    exists: Exists = Field(description="whether there is a record of this enterprise; no: 未提供不代表不存在")
    because: Because | None = Field(description="why unknown: not_offered, not_delivered or needs_consent")
    as_of_month: str | None = Field(description="the newest month for which it speaks, if it exists")
    owner_up: bool | None = Field(description="of data asked from its owner: whether it answers; else null")


class AvailabilityOut(BaseModel):
    looked_at: datetime
    datasets: list[DatasetAvailability] = Field(description="in the order in which you named them")


@router.post("/availability", tags=[CONSENT], summary="申请授权之前：有没有数据，责任单位能否应答")
async def availability(asked: AvailabilityIn, caller: BankCaller, hub: HubDep) -> AvailabilityOut:
    """Look before you ask, so that no enterprise consents to nothing. Neither content nor counts.

    Recorded, and shown to the enterprise. Free, and limited harder than questions.
    """
    await hub.availability_ration.admit(Knock(f"availability:{caller.participant_id}", None))
    uscc = _checked(asked, hub)
    at = hub.clock()
    async with hub.database.transaction() as tx:
        await note_availability_check(
            tx, caller.participant_id, uscc, purpose=asked.purpose, datasets=asked.datasets, at=at
        )
        found = await existing(tx, uscc, _worth_a_look(asked.datasets, hub))
    return AvailabilityOut(looked_at=at, datasets=_told(asked, caller, hub, found, at))


def _checked(asked: AvailabilityIn, hub: Hub) -> USCC:
    if asked.purpose not in hub.catalogue.purposes:
        raise InvalidInput("purpose_unknown")
    if any(dataset not in hub.catalogue.contracts for dataset in asked.datasets):
        raise NotFound("dataset_unknown")
    if len(set(asked.datasets)) < len(asked.datasets):
        raise InvalidInput("request_invalid", errors={"datasets": "a data set is named twice"})
    try:
        return parse_uscc(asked.uscc)
    except InvalidUSCC as error:
        raise InvalidInput("uscc_invalid", errors={"uscc": str(error)}) from error


def _worth_a_look(datasets: list[str], hub: Hub) -> list[Contract]:
    """What is computed exists where anything exists that it may be computed from."""
    contracts = hub.catalogue.contracts
    asked = [contracts[dataset] for dataset in datasets]
    return list(contracts.values()) if any(map(_is_computed, asked)) else asked


def _told(
    asked: AvailabilityIn, caller: Caller, hub: Hub, found: Mapping[str, date], at: datetime
) -> list[DatasetAvailability]:
    answerable = hub.catalogue.answerable(caller.participant_class, asked.purpose)
    delivered, owners = hub.spine.deliveries.known_at(at), hub.spine.live.owners_health()
    told = []
    for dataset in asked.datasets:
        contract = hub.catalogue.contracts[dataset]
        offered = dataset in answerable
        because = _why_unknown(contract, offered=offered, delivered=dataset in delivered)
        exists = (bool(found) if _is_computed(contract) else dataset in found) and because is None
        told.append(
            DatasetAvailability(
                dataset=dataset,
                offered=offered,
                exists="unknown" if because else "yes" if exists else "no",
                because=because,
                as_of_month=f"{found[dataset]:%Y-%m}" if exists and dataset in found else None,
                owner_up=owners[contract.live.owner] == "ok" if offered and contract.live else None,
            )
        )
    return told


def _why_unknown(contract: Contract, *, offered: bool, delivered: bool) -> Because | None:
    if not offered:
        return "not_offered"
    if _is_computed(contract):
        return None
    if contract.existence_is_news:
        return "needs_consent"
    return None if delivered else "not_delivered"


def _is_computed(contract: Contract) -> bool:
    return contract.modes == ("derived",)
