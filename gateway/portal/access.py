"""Who may open a portal page, declared in its signature: `Enterprise`, or `EnterpriseForm` for what changes something."""

import hmac
from typing import Annotated
from uuid import UUID

from fastapi import Cookie, Depends, Form, Header, Request
from fastapi.responses import Response

from core.errors import NotAuthenticated, Refused
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.portal.sessions import Session, Sessions

SESSION_COOKIE = "hub_session"
LOGIN_COOKIE = "hub_login"


def sessions(hub: HubDep) -> Sessions:
    return Sessions(hub.redis, hub.clock)


SessionsDep = Annotated[Sessions, Depends(sessions)]
SessionCookie = Annotated[str | None, Cookie(alias=SESSION_COOKIE)]
LoginCookie = Annotated[str | None, Cookie(alias=LOGIN_COOKIE)]
UserAgent = Annotated[str, Header()]


async def perhaps_logged_in(
    kept: SessionsDep, cookie: SessionCookie = None, user_agent: UserAgent = ""
) -> Session | None:
    return await kept.find(cookie, user_agent=user_agent) if cookie else None


Visitor = Annotated[Session | None, Depends(perhaps_logged_in)]


async def logged_in(request: Request, session: Visitor, cookie: SessionCookie = None) -> Session:
    """The enterprise of this browser. Raises `NotAuthenticated`, which leads to the log-in and back to the request."""
    if session is None:
        raise NotAuthenticated("session_required", consent_id=_consent_in(request), session_over=bool(cookie))
    return session


Enterprise = Annotated[Session, Depends(logged_in)]


async def with_form(session: Enterprise, csrf: Annotated[str, Form(max_length=100)] = "") -> Session:
    """The same, for a form that came from one of our own pages."""
    if not hmac.compare_digest(csrf.encode(), session.csrf.encode()):
        raise Refused("form_expired")
    return session


EnterpriseForm = Annotated[Session, Depends(with_form)]


def set_cookie(response: Response, hub: Hub, name: str, value: str, seconds: int | None) -> None:
    """For the portal only, out of reach of scripts. ``seconds`` None: until the browser is closed."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/portal",
        secure=hub.settings.cookies_secure,
        httponly=True,
        samesite="lax",
    )


def _consent_in(request: Request) -> UUID | None:
    try:
        return UUID(request.path_params.get("consent_id", ""))
    except ValueError:
        return None
