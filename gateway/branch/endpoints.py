"""The QR page. Public, as a screen at a counter cannot prove whose it is: it says how a request stands, not of whom."""

from pathlib import Path
from typing import Literal
from uuid import UUID

import segno
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from consent import Consent, find_consent
from gateway.access import HubDep
from gateway.branch.words import WORDS
from gateway.hub import Hub
from gateway.portal.pages import Pages

TEMPLATES = Path(__file__).parent / "templates"
LOOK_AGAIN_SECONDS = 20
"""a page that shows a waiting request asks again, so that the counter sees that it was answered"""

router = APIRouter(include_in_schema=False)
pages = Pages(TEMPLATES, WORDS)

Standing = Literal["waiting", "expired", "settled"]


@router.api_route("/qr/{consent_id}", methods=["GET", "HEAD"])
async def qr_page(request: Request, consent_id: UUID, hub: HubDep) -> HTMLResponse:
    """The request as a QR code, for as long as it waits; whoever scans it has to log in to see anything."""
    async with hub.database.transaction() as tx:
        consent = await find_consent(tx, consent_id)
    standing, link = _standing(consent, hub), f"{hub.settings.public_url}/portal/requests/{consent_id}"
    page = pages.show(
        request, "qr.html", standing=standing, link=link, picture=_picture(link), until=consent.answer_by
    )
    if standing == "waiting":
        hub.steps.note(consent_id, "shown")
        page.headers["refresh"] = str(LOOK_AGAIN_SECONDS)
    return page


def _standing(consent: Consent, hub: Hub) -> Standing:
    state = consent.state_at(hub.clock())
    if state in ("awaiting", "partially_approved"):
        return "waiting"
    return "expired" if state == "expired" and consent.valid_from is None else "settled"


def _picture(link: str) -> Markup:
    """SVG, black on white also where the page is dark: that is what cameras read."""
    picture = segno.make_qr(link, error="m").svg_inline(scale=6, border=4, dark="#000", light="#fff")
    return Markup(picture)  # noqa: S704 - made by segno from our own address
