"""How the console's pages are shown, and where one leads to the next."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from consent import Right
from gateway.console.access import Duty
from gateway.console.words import WORDS
from gateway.portal.pages import SECURITY_HEADERS, Pages

READ = ["GET", "HEAD"]
SEE_OTHER = 303

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2099, 12, 31))]
"""that can be asked for in an address"""

PLACES: tuple[tuple[Right, str, str], ...] = (
    ("see_quality", "/console/quality", "nav_quality"),
    ("see_funnel", "/console/funnel", "nav_funnel"),
    ("see_notices", "/console/notices", "nav_notices"),
    ("see_rules", "/console/rules", "nav_rules"),
    ("see_forms", "/console/forms", "nav_forms"),
    ("explain_decisions", "/console/decisions", "nav_decisions"),
    ("see_operators", "/console/events", "nav_events"),
)
"""The tabs: the right that each takes, its address, its name."""

pages = Pages(Path(__file__).parent / "templates", WORDS)


def show(
    request: Request, duty: Duty | None, template: str, status: int = 200, **content: Any
) -> HTMLResponse:
    """A page for this operator, with the tabs that are for it."""
    tabs = [(path, name) for right, path, name in PLACES if duty and duty.may(right)]
    return pages.show(request, template, status, duty=duty, tabs=tabs, **content)


def to(path: str, **query: object) -> Response:
    given = {name: value for name, value in query.items() if value is not None}
    return RedirectResponse(
        f"{path}?{urlencode(given)}" if given else path, SEE_OTHER, headers=SECURITY_HEADERS
    )
