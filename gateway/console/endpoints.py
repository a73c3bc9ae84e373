"""The operators' console: log in with a one-time code, see to one's own work, and leave a record of it."""

import secrets
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from consent import deeds, find_operator, list_operators, note_deed, note_refused_login
from core.errors import HubError, NotFound, Refused
from gateway.access import HubDep
from gateway.console import decisions, funnel, quality, rules, signed_forms, undelivered
from gateway.console.access import (
    LOGIN_COOKIE,
    SESSION_COOKIE,
    Duty,
    LoginCookie,
    May,
    OnDuty,
    SessionCookie,
    SessionsDep,
    Visitor,
    drop_cookie,
    own_form,
    same,
    set_cookie,
)
from gateway.console.pages import PLACES, READ, show, to
from gateway.hub import Hub
from gateway.problems import PROBLEMS

EVENTS_ROWS = 100
OperatorId = Annotated[str, Query(alias="operator", pattern="^[a-z0-9-]{0,40}$")]

router = APIRouter(prefix="/console", include_in_schema=False)


# --- log-in -----------------------------------------------------------------------------------------------------


@router.api_route("", methods=READ)
async def home(duty: OnDuty) -> Response:
    """To the first page of one's own."""
    return to(next(path for right, path, _ in PLACES if duty.may(right)))


@router.api_route("/login", methods=READ)
async def login_page(
    request: Request, hub: HubDep, duty: Visitor, notice: Literal["", "session_over", "logged_out"] = ""
) -> Response:
    if duty is not None:
        return to("/console")
    return _login_page(request, hub, notice=notice)


def _login_page(
    request: Request, hub: Hub, *, status: int = 200, notice: str = "", typed: str = ""
) -> Response:
    """With a token of its own in form and cookie, so that nobody is logged in by somebody else's page."""
    token = secrets.token_urlsafe(24)
    page = show(request, None, "login.html", status, notice=notice, typed=typed, token=token)
    set_cookie(page, hub, LOGIN_COOKIE, token)
    return page


@router.post("/login")
async def login(
    request: Request,
    hub: HubDep,
    kept: SessionsDep,
    token: LoginCookie = None,
    old_session: SessionCookie = None,
    csrf: Annotated[str, Form(max_length=100)] = "",
    operator_id: Annotated[str, Form(max_length=100)] = "",
    code: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """The id and a one-time code open a session; what is wrong with them is not told apart."""
    if not token or not same(csrf, token):
        raise Refused("form_expired")
    operator_id = operator_id.strip().lower()
    if not await kept.redeem(operator_id, code) or not await _enter(hub, operator_id):
        async with hub.database.transaction() as tx:
            await note_refused_login(tx, operator_id, at=hub.clock())
        return _login_page(request, hub, status=403, notice="refused", typed=operator_id)
    if old_session:
        await kept.close(old_session)
    response = to("/console")
    set_cookie(response, hub, SESSION_COOKIE, await kept.open(operator_id, at=hub.clock()))
    drop_cookie(response, LOGIN_COOKIE)
    return response


async def _enter(hub: Hub, operator_id: str) -> bool:
    """Note the log-in; False for an operator who was closed since the code was issued."""
    async with hub.database.transaction() as tx:
        try:
            operator = await find_operator(tx, operator_id)
        except NotFound:
            return False
        if operator.closed_at is not None:
            return False
        await note_deed(tx, operator_id, "login", at=hub.clock())
    return True


@router.post("/logout", dependencies=[Depends(own_form)])
async def logout(duty: OnDuty, hub: HubDep, kept: SessionsDep, cookie: SessionCookie) -> Response:
    async with hub.database.transaction() as tx:
        await note_deed(tx, duty.operator.operator_id, "logout", at=hub.clock())
    await kept.close(cookie or "")
    response = to("/console/login", notice="logged_out")
    drop_cookie(response, SESSION_COOKIE)
    return response


# --- operators --------------------------------------------------------------------------------------------------


@router.api_route("/events", methods=READ)
async def events(
    request: Request,
    hub: HubDep,
    duty: Annotated[Duty, Depends(May("see_operators"))],
    operator_id: OperatorId = "",
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> HTMLResponse:
    """Who works here, and everything that was done, the newest first."""
    async with hub.database.transaction() as tx:
        operators = await list_operators(tx)
        found = await deeds(tx, operator_id=operator_id or None, before=before, limit=EVENTS_ROWS + 1)
    return show(
        request,
        duty,
        "events.html",
        operators=operators,
        by_id={operator.operator_id: operator for operator in operators},
        events=found[:EVENTS_ROWS],
        older=found[EVENTS_ROWS - 1].number if len(found) > EVENTS_ROWS else None,
        operator_id=operator_id,
        continued=before is not None,
    )


# --- when something does not work -------------------------------------------------------------------------------


def failure(request: Request, error: HubError, reason: str, trace_id: str) -> Response:
    """The page about something that did not work; without a session, the log-in."""
    if reason == "operator_session_required":
        return to("/console/login", notice="session_over" if error.facts.get("session_over") else None)
    problem = PROBLEMS[reason]
    return show(
        request, None, "not_done.html", problem.status, reason=reason, problem=problem, trace_id=trace_id
    )


for part in (
    quality.router,
    rules.router,
    signed_forms.router,
    decisions.router,
    funnel.router,
    undelivered.router,
):
    router.include_router(part)
