"""Grants as the bank manages them (Grant Management for OAuth 2.0): a grant is a consent, under OAuth's name."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from consent import find_for_participant, give_up
from core.errors import Refused
from gateway.access import BankCaller, HubDep
from gateway.banks.endpoints import PROBLEMS
from gateway.oauth.bearer import Caller
from gateway.oauth.details import details_of


def refuse_other_grants(caller: Caller, grant_id: UUID) -> None:
    """A token that was given for one consent is good for no other (FAPI 2.0 §5.3.2.1: no more than is needed)."""
    if caller.grant_id not in (None, str(grant_id)):
        raise Refused("consent_outside_token")


router = APIRouter(tags=["令牌 OAuth"], responses=PROBLEMS)


class GrantOut(BaseModel):
    scopes: list[str] = Field(description="none: what is granted stands in authorization_details")
    claims: list[str]
    authorization_details: list[dict[str, Any]] = Field(description="RFC 9396, what the enterprise granted")
    status: str = Field(description="as the consent's state: active, paused, revoked …")


@router.get("/grants/{grant_id}", summary="查看一份授权")
async def grant(grant_id: UUID, caller: BankCaller, hub: HubDep) -> GrantOut:
    """What an enterprise granted you, and how it stands."""
    refuse_other_grants(caller, grant_id)
    async with hub.database.transaction() as tx:
        consent = await find_for_participant(tx, caller.participant_id, grant_id)
    return GrantOut(
        scopes=[],
        claims=[],
        authorization_details=details_of(consent, hub.settings.public_url),
        status=consent.state_at(hub.clock()),
    )


@router.delete("/grants/{grant_id}", status_code=204, summary="放弃一份授权")
async def give_grant_up(grant_id: UUID, caller: BankCaller, hub: HubDep) -> Response:
    """You need it no longer: no question is answered under it from now on, and its refresh token ends."""
    refuse_other_grants(caller, grant_id)
    async with hub.database.transaction() as tx:
        await give_up(tx, caller.participant_id, grant_id, at=hub.clock())
    return Response(status_code=204)
