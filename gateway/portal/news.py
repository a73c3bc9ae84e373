"""通知: what happened to the enterprise's consents, whoever did it, for the person who was not there."""

from itertools import groupby

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from consent import actor_of, news_of, note_read, read_up_to
from core.clock import china_day
from gateway.access import HubDep
from gateway.portal.access import Enterprise
from gateway.portal.explain import title_of
from gateway.portal.pages import READ, Pages

ROWS = 50

router = APIRouter(prefix="/portal", include_in_schema=False)
pages = Pages()


@router.api_route("/news", methods=READ)
async def news(
    request: Request, session: Enterprise, hub: HubDep, before: int | None = Query(None, ge=1)
) -> HTMLResponse:
    """Newest first, a page at a time; what is shown is read."""
    signatory = session.signatory
    async with hub.database.transaction() as tx:
        read_to = await read_up_to(tx, signatory)
        found = await news_of(tx, signatory.uscc, before=before, limit=ROWS + 1)
        if found:
            await note_read(tx, signatory, found[0].event_id)
    shown = found[:ROWS]
    return pages.show(
        request,
        "news.html",
        session=session,
        days=[(day, list(of_day)) for day, of_day in groupby(shown, key=lambda one: china_day(one.at))],
        read_to=read_to,
        mine=actor_of(signatory),
        first_page=before is None,
        older=f"/portal/news?before={shown[-1].event_id}" if len(found) > ROWS else None,
        title_of=lambda dataset: title_of(hub.catalogue, dataset),
    )
