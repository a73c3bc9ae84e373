"""The ways in: the enterprise proves who it is, in the browser that left, once, and a session begins."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from adapters import Login, LoginAnswer, LoginWay
from consent import note_login, vouched
from core.errors import NotAuthenticated, NotFound
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.portal.access import (
    LOGIN_COOKIE,
    SESSION_COOKIE,
    EnterpriseForm,
    LoginCookie,
    SessionCookie,
    SessionsDep,
    UserAgent,
    Visitor,
    set_cookie,
)
from gateway.portal.pages import READ, SECURITY_HEADERS, SEE_OTHER, Pages, to
from gateway.portal.sessions import LOGIN_SECONDS

router = APIRouter(prefix="/portal", include_in_schema=False)
pages = Pages()


@router.api_route("", methods=READ)
async def welcome(
    request: Request,
    session: Visitor,
    hub: HubDep,
    notice: Literal["", "session_over", "cancelled", "logged_out"] = "",
    asked: Annotated[UUID | None, Query(alias="request")] = None,
) -> Response:
    """What this is, and the way in; who is in already goes on."""
    if session is not None:
        return to(
            f"/portal/requests/{asked}" if asked else "/portal/requests",
            lang=request.query_params.get("lang"),
        )
    if asked:
        hub.steps.note(asked, "opened")
    return pages.show(request, "welcome.html", session=None, notice=notice, asked=asked, ways=[*hub.logins])


@router.get("/login")
@router.get("/login/{way}")
async def login(
    request: Request,
    hub: HubDep,
    kept: SessionsDep,
    way: LoginWay = "government",
    asked: Annotated[UUID | None, Query(alias="request")] = None,
    page: Literal["", "devices"] = "",
) -> Response:
    """To whoever vouches for the person; ``request`` is the consent to open afterwards, ``page`` another page."""
    hub.rates.of_address(request)
    address, start = await _the_login(hub, way).begin()
    response = RedirectResponse(address, SEE_OTHER, headers=SECURITY_HEADERS)
    begun = await kept.start_login(start, opening=asked, page=page)
    set_cookie(response, hub, LOGIN_COOKIE, begun, LOGIN_SECONDS)
    return response


@router.get("/callback")
@router.get("/callback/{way}")
async def callback(
    hub: HubDep,
    kept: SessionsDep,
    session: Visitor,
    way: LoginWay = "government",
    code: Annotated[str, Query(max_length=2048)] = "",
    state: Annotated[str, Query(max_length=256)] = "",
    error: Annotated[str, Query(max_length=256)] = "",
    iss: Annotated[str, Query(max_length=2048)] = "",
    login_cookie: LoginCookie = None,
    old_session: SessionCookie = None,
    user_agent: UserAgent = "",
) -> Response:
    """Back from the log-in: only in the browser that left, only the way it left, only once, with its own state.

    Each way has an address of its own to come back to, so that one issuer's answer is never taken for another's
    (RFC 9700 §4.4.2).
    """
    begun = await kept.take_login(login_cookie) if login_cookie else None
    if begun is None and session is not None:
        return to("/portal/requests")  # the browser's back button led here again
    answer = LoginAnswer(state=state, code=code, error=error, issuer=iss)
    if begun is None or begun.start.way != way or not answer.belongs_to(begun.start):
        raise NotAuthenticated("login_failed", "no such log-in was begun in this browser")
    if answer.error == "access_denied":
        return to("/portal", notice="cancelled", request=begun.opening)
    signatory = await _the_login(hub, way).finish(answer, begun.start)
    async with hub.database.transaction() as tx:
        await note_login(tx, signatory, hub.clock())
        signatory = await vouched(tx, signatory, hub.clock())
    if begun.opening:
        hub.steps.note(begun.opening, "logged_in")
    if old_session:
        await kept.close(old_session)
    response = to(begun.leads_to)
    set_cookie(response, hub, SESSION_COOKIE, await kept.open(signatory, user_agent=user_agent), None)
    response.delete_cookie(LOGIN_COOKIE, path="/portal")
    return response


@router.post("/logout")
async def logout(session: EnterpriseForm, kept: SessionsDep, cookie: SessionCookie) -> Response:
    await kept.close(cookie or "")
    response = to("/portal", notice="logged_out")
    response.delete_cookie(SESSION_COOKIE, path="/portal")
    return response


def _the_login(hub: Hub, way: LoginWay) -> Login:
    if way not in hub.logins:
        raise NotFound("not_found", "this way in is not offered")
    return hub.logins[way]
