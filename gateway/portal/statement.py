"""季度报告: what happened to an enterprise's data in a quarter, to read, to print, to keep, and to prove."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from consent import first_request_at, names_of, sign
from core.clock import Quarter, china_day
from core.errors import InvalidInput, NotFound
from gateway.access import HubDep
from gateway.portal.access import Enterprise
from gateway.portal.chart import OUTCOMES, draw, weeks
from gateway.portal.explain import purpose_of, title_of
from gateway.portal.pages import READ, SECURITY_HEADERS, Pages, language_of
from gateway.portal.statement_content import TYPE, digest_of, read_statement, record_of, statement_as_csv
from gateway.portal.words import Speech
from ledger import first_look_at, looks_per_day

QUARTERS_MAX = 40
"""that are offered to choose from"""

router = APIRouter(prefix="/portal", include_in_schema=False)
pages = Pages()


def quarter_in_address(
    hub: HubDep, quarter: Annotated[str, Query(pattern="^(20[0-9]{2}Q[1-4])?$")] = ""
) -> Quarter:
    """The running quarter unless told. Raises `InvalidInput` for one to come."""
    now = Quarter.of(hub.clock())
    wanted = Quarter.parse(quarter) if quarter else now
    if wanted > now:
        raise InvalidInput("request_invalid", errors={"quarter": "has not begun"})
    return wanted


QuarterDep = Annotated[Quarter, Depends(quarter_in_address)]


@router.api_route("/statement", methods=READ)
async def statement(request: Request, session: Enterprise, hub: HubDep, quarter: QuarterDep) -> HTMLResponse:
    """One quarter: who held which consent and what changed, who asked how often for what, who only looked."""
    uscc, at = session.signatory.uscc, hub.clock()
    async with hub.database.transaction() as tx:
        found = await read_statement(tx, uscc, quarter, at=at)
        looks = await looks_per_day(tx, uscc, since=quarter.begins, until=found.until)
        beginnings = [await first_request_at(tx, uscc), await first_look_at(tx, uscc)]
        names = await names_of(tx, found.participant_ids)
    first = min((Quarter.of(one) for one in beginnings if one), default=quarter)
    return pages.show(
        request,
        "statement.html",
        session=session,
        statement=found,
        names=names,
        quarters=quarters_back_to(min(first, quarter), Quarter.of(at)),
        chart=draw(looks, weeks(quarter.first_day, quarter.last_day)),
        outcomes=OUTCOMES,
        digest=digest_of(found),
        at=at,
        title_of=lambda dataset: title_of(hub.catalogue, dataset),
        purpose_of=lambda purpose: purpose_of(hub.catalogue, purpose),
    )


def quarters_back_to(first: Quarter, last: Quarter) -> list[Quarter]:
    """Newest first."""
    found = [last]
    while found[-1] > first and len(found) < QUARTERS_MAX:
        found.append(found[-1].before)
    return found


@router.api_route("/statement.csv", methods=READ)
async def as_csv(request: Request, session: Enterprise, hub: HubDep, quarter: QuarterDep) -> Response:
    """The same for a spreadsheet."""
    async with hub.database.transaction() as tx:
        found = await read_statement(tx, session.signatory.uscc, quarter, at=hub.clock())
        names = await names_of(tx, found.participant_ids)
    table = statement_as_csv(hub.catalogue, found, names, Speech(language_of(request)))
    name = f"statement-{quarter}" if found.closed else f"statement-{quarter}-{china_day(hub.clock())}"
    return _file(table, "text/csv; charset=utf-8", f"{name}.csv")


@router.api_route("/statement.jws", methods=READ)
async def signed(session: Enterprise, hub: HubDep, quarter: QuarterDep) -> Response:
    """A quarter that is over, as it will always be, signed by the hub: to be checked with /jwks by anybody."""
    async with hub.database.transaction() as tx:
        found = await read_statement(tx, session.signatory.uscc, quarter, at=hub.clock())
    if not found.closed:
        raise NotFound("not_found", "the quarter is not over, so there is nothing to sign")
    jws = sign(record_of(found), TYPE, hub.keys["artefacts"]).jws
    return _file(jws, "application/jose", f"statement-{quarter}.jws")


def _file(content: str, media_type: str, name: str) -> Response:
    headers = {**SECURITY_HEADERS, "content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
