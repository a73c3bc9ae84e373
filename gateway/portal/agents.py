"""经办人: whom the legal representative lets act for the enterprise, within which limits, and how many must agree."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from consent import (
    Mandate,
    approval_rules_of,
    mandates_of,
    people_of,
    revoke_mandate,
)
from core.clock import china_day
from gateway.access import HubDep
from gateway.portal.access import Enterprise, EnterpriseForm
from gateway.portal.explain import purpose_of, title_of
from gateway.portal.intents import Appoint, NeedApprovals
from gateway.portal.pages import READ, Pages, to
from gateway.portal.step_up import StepUpDep

MANDATE_DAYS = 180
TERM_DAYS = 180
"""what the form proposes"""
SENSITIVE_LEVEL = 4

router = APIRouter(prefix="/portal", include_in_schema=False)
pages = Pages()


@router.api_route("/agents", methods=READ)
async def agents(request: Request, session: Enterprise, hub: HubDep) -> HTMLResponse:
    """Mandates with their limits, the form for a new one, and how many persons must agree."""
    at, uscc, catalogue = hub.clock(), session.signatory.uscc, hub.catalogue
    async with hub.database.transaction() as tx:
        found = await mandates_of(tx, uscc)
        people = await people_of(tx, uscc)
        rules = await approval_rules_of(tx, uscc)
    today = china_day(at)
    return pages.show(
        request,
        "agents.html",
        session=session,
        represents=session.signatory.role == "legal_representative",
        mandates=[(mandate, state_of(mandate, at)) for mandate in found],
        agents=[person for person in people if person.role == "agent"],
        rules=rules,
        purposes=catalogue.purposes,
        datasets=catalogue.contracts,
        first_day=today,
        last_day=today + timedelta(days=365),
        proposed_day=today + timedelta(days=MANDATE_DAYS),
        term_days=TERM_DAYS,
        second=timedelta(seconds=1),
        title_of=lambda dataset: title_of(catalogue, dataset),
        purpose_of=lambda purpose: purpose_of(catalogue, purpose),
    )


@router.post("/agents/appoint")
async def appoint_agent(
    step_up: StepUpDep,
    hub: HubDep,
    agent: Annotated[str, Form(max_length=255)],
    term_days: Annotated[int, Form()],
    valid_until: Annotated[date, Form()],
    purposes: Annotated[list[str], Form(max_length=20)] = [],  # noqa: B006 - FastAPI makes a new one each time
    datasets: Annotated[list[str], Form(max_length=200)] = [],  # noqa: B006
) -> Response:
    """``valid_until``: the last day, China's time."""
    known_purposes, known_datasets = (
        _known(purposes, hub.catalogue.purposes),
        _known(datasets, hub.catalogue.contracts),
    )
    return await step_up.do(Appoint(agent, known_purposes, known_datasets, term_days, valid_until))


@router.post("/agents/{mandate_id}/revoke")
async def revoke_agent(mandate_id: UUID, session: EnterpriseForm, hub: HubDep) -> Response:
    """From now on the agent can answer for nothing under this mandate."""
    async with hub.database.transaction() as tx:
        await revoke_mandate(tx, session.signatory, mandate_id, reason="", at=hub.clock())
    return to("/portal/agents")


@router.post("/agents/approvals")
async def need_approvals(
    step_up: StepUpDep,
    hub: HubDep,
    needed: Annotated[int, Form()],
    purpose: Annotated[str, Form(max_length=60)] = "",
    sensitive: Annotated[str, Form(max_length=1)] = "",
) -> Response:
    """``purpose`` empty: for every one. ``sensitive``: only for data from level 4 on."""
    known = purpose if purpose in hub.catalogue.purposes else None
    return await step_up.do(NeedApprovals(needed, known, SENSITIVE_LEVEL if sensitive else None))


def state_of(mandate: Mandate, at: datetime) -> str:
    if mandate.revoked_at is not None:
        return "revoked"
    return "active" if mandate.lives(at) else "expired"


def _known(chosen: Sequence[str], known: Collection[str]) -> list[str]:
    return [one for one in dict.fromkeys(chosen) if one in known]
