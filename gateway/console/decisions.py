"""决定说明: why a question was answered as it was, for whoever answers for the rules or audits them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse

from consent import names_of, note_deed
from core.errors import NotFound
from gateway.access import HubDep
from gateway.console.access import Duty, May, own_form
from gateway.console.pages import READ, show
from gateway.decisions.endpoints import consent_of
from gateway.decisions.judgement import CLAUSES
from gateway.decisions.schemas import ExplanationOut
from gateway.portal.explain import purpose_of, title_of
from ledger import find_decision

router = APIRouter(prefix="/decisions")

Explains = Annotated[Duty, Depends(May("explain_decisions"))]


@router.api_route("", methods=READ)
async def ask(request: Request, duty: Explains) -> HTMLResponse:
    return _page(request, duty)


@router.post("", dependencies=[Depends(own_form)])
async def explain(
    request: Request, hub: HubDep, duty: Explains, decision_id: Annotated[str, Form(max_length=100)] = ""
) -> HTMLResponse:
    """Which rule and which clause of the consent let each field out or held it back. That it was looked at is kept."""
    try:
        wanted = UUID(decision_id.strip())
    except ValueError:
        return _page(request, duty, 400, typed=decision_id, fault="decision_malformed")
    try:
        async with hub.database.transaction() as tx:
            decision = await find_decision(tx, wanted)
            consent = await consent_of(tx, decision)
            names = await names_of(tx, {decision.participant_id})
            await note_deed(tx, duty.operator.operator_id, "explain", str(wanted), at=hub.clock())
    except NotFound:
        return _page(request, duty, 404, typed=decision_id, fault="decision_unknown")
    catalogue = hub.catalogue
    explanation = ExplanationOut.of(decision, consent, catalogue, reason=decision.reason)
    view = catalogue.view_by_id(decision.view_id)
    return _page(
        request,
        duty,
        typed=str(wanted),
        explanation=explanation,
        participant=names.get(decision.participant_id, decision.participant_id),
        dataset=title_of(catalogue, decision.dataset),
        purpose=purpose_of(catalogue, decision.purpose),
        contract=view.contract if view else None,
        clauses=CLAUSES,
    )


def _page(
    request: Request, duty: Duty, status: int = 200, *, typed: str = "", fault: str = "", **content: object
) -> HTMLResponse:
    known = {"explanation": None, **content}
    return show(request, duty, "decisions.html", status, typed=typed, fault=fault, **known)
