"""申请之前谁查过有没有: which institutions looked whether there is anything about the enterprise, before they asked it."""

from datetime import datetime
from itertools import groupby
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import AwareDatetime

from consent import names_of
from core.clock import china_day
from gateway.access import HubDep
from gateway.portal.access import Enterprise
from gateway.portal.explain import purpose_of, title_of
from gateway.portal.pages import Pages
from ledger import AvailabilityCheck, availability_checks_of

ROWS = 50

router = APIRouter(prefix="/portal", include_in_schema=False)
pages = Pages()


@router.api_route("/early-looks", methods=["GET", "HEAD"])
async def early_looks(
    request: Request,
    session: Enterprise,
    hub: HubDep,
    before_at: Annotated[AwareDatetime | None, Query()] = None,
    before_id: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """Newest first, a page at a time."""
    async with hub.database.transaction() as tx:
        found = await availability_checks_of(
            tx, session.signatory.uscc, before=_before(before_at, before_id), limit=ROWS + 1
        )
        names = await names_of(tx, {check.participant_id for check in found})
    checks = found[:ROWS]
    return pages.show(
        request,
        "early_looks.html",
        session=session,
        days=[(day, list(of_day)) for day, of_day in groupby(checks, key=lambda check: china_day(check.at))],
        names=names,
        first_page=before_at is None,
        older=_older(checks[-1]) if len(found) > ROWS else None,
        title_of=lambda dataset: title_of(hub.catalogue, dataset),
        purpose_of=lambda purpose: purpose_of(hub.catalogue, purpose),
    )


def _before(at: datetime | None, check_id: UUID | None) -> tuple[datetime, UUID] | None:
    return (at, check_id) if at is not None and check_id is not None else None


def _older(last: AvailabilityCheck) -> str:
    return f"/portal/early-looks?{urlencode({'before_at': last.at.isoformat(), 'before_id': last.check_id})}"
