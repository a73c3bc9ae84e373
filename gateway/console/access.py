"""Who may open a page of the console, declared in its signature: `May` with the right that it takes."""

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Cookie, Depends, Form
from fastapi.responses import Response

from consent import Operator, Right, find_operator
from core.errors import NotAuthenticated, Refused
from gateway.access import HubDep
from gateway.console.sessions import OperatorSessions
from gateway.hub import Hub

SESSION_COOKIE = "hub_console"
LOGIN_COOKIE = "hub_console_login"


def sessions(hub: HubDep) -> OperatorSessions:
    return OperatorSessions(hub.redis)


SessionsDep = Annotated[OperatorSessions, Depends(sessions)]
SessionCookie = Annotated[str | None, Cookie(alias=SESSION_COOKIE)]
LoginCookie = Annotated[str | None, Cookie(alias=LOGIN_COOKIE)]
Csrf = Annotated[str, Form(max_length=100)]


@dataclass(frozen=True)
class Duty:
    """An operator at work, as the database knows it at this click."""

    operator: Operator
    csrf: str

    def may(self, right: Right) -> bool:
        return self.operator.may(right)


async def perhaps_on_duty(hub: HubDep, kept: SessionsDep, cookie: SessionCookie = None) -> Duty | None:
    session = await kept.find(cookie, at=hub.clock()) if cookie else None
    if session is None:
        return None
    async with hub.database.transaction() as tx:
        operator = await find_operator(tx, session.operator_id)
    return Duty(operator, session.csrf) if operator.closed_at is None else None


Visitor = Annotated[Duty | None, Depends(perhaps_on_duty)]


async def on_duty(duty: Visitor, cookie: SessionCookie = None) -> Duty:
    """The operator of this browser. Raises `NotAuthenticated`, which leads to the log-in."""
    if duty is None:
        raise NotAuthenticated("operator_session_required", session_over=bool(cookie))
    return duty


OnDuty = Annotated[Duty, Depends(on_duty)]


@dataclass(frozen=True)
class May:
    """The operator of this browser, if it has the right. Raises `Refused`: nobody does another's work."""

    right: Right

    async def __call__(self, duty: OnDuty) -> Duty:
        if not duty.may(self.right):
            raise Refused("not_your_work", f"{duty.operator.role} has no right {self.right}")
        return duty


async def own_form(duty: OnDuty, csrf: Csrf = "") -> None:
    """For what changes something: the form came from one of our own pages. Raises `Refused`."""
    if not same(csrf, duty.csrf):
        raise Refused("form_expired")


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def set_cookie(response: Response, hub: Hub, name: str, value: str) -> None:
    """For the console only, out of reach of scripts and of other sites, until the browser is closed."""
    response.set_cookie(
        name,
        value,
        path="/console",
        secure=hub.settings.cookies_secure,
        httponly=True,
        samesite="strict",
    )


def drop_cookie(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/console")
