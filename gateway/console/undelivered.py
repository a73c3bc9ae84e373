"""未送达的通知: what a bank was not told within three days, until a person has seen to it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from consent import names_of, note_deed, note_handled, send_again, undelivered, undelivered_by_bank
from core.errors import NotFound
from gateway.access import HubDep
from gateway.console.access import Duty, May, own_form
from gateway.console.pages import READ, show, to

ROWS = 50
EVENT_MAX = 2**62

router = APIRouter(prefix="/notices")

Handles = Annotated[Duty, Depends(May("handle_notices"))]


@router.api_route("", methods=READ)
async def overview(
    request: Request,
    hub: HubDep,
    duty: Annotated[Duty, Depends(May("see_notices"))],
    after: Annotated[int, Query(ge=0, le=EVENT_MAX)] = 0,
    done: Literal["", "resend", "handled", "gone"] = "",
) -> HTMLResponse:
    """By bank how many there are, and each of them, oldest first."""
    async with hub.database.transaction() as tx:
        banks = await undelivered_by_bank(tx)
        found = await undelivered(tx, after=after, limit=ROWS + 1)
        names = await names_of(
            tx, [bank.participant_id for bank in banks] + [one.participant_id for one in found]
        )
    notices = found[:ROWS]
    return show(
        request,
        duty,
        "undelivered.html",
        banks=banks,
        notices=notices,
        names=names,
        done=done,
        more=notices[-1].event_id if len(found) > ROWS else None,
        continued=after > 0,
        may_handle=duty.may("handle_notices"),
    )


@router.post("/again", dependencies=[Depends(own_form)])
async def again(
    hub: HubDep, duty: Handles, participant: Annotated[str, Form(pattern="^[a-z0-9-]{1,63}$")] = ""
) -> Response:
    """Try all of a bank's for another three days."""
    async with hub.database.transaction() as tx:
        await send_again(tx, participant, at=hub.clock())
        await note_deed(tx, duty.operator.operator_id, "resend", participant, at=hub.clock())
    return to("/console/notices", done="resend")


@router.post("/{event_id}/handled", dependencies=[Depends(own_form)])
async def handled(hub: HubDep, duty: Handles, event_id: Annotated[int, Path(ge=1, le=EVENT_MAX)]) -> Response:
    """The bank was told in another way. If somebody else was quicker, there is nothing left to do."""
    try:
        async with hub.database.transaction() as tx:
            await note_handled(tx, event_id, by=duty.operator.operator_id, at=hub.clock())
            await note_deed(tx, duty.operator.operator_id, "handled", f"notice {event_id}", at=hub.clock())
    except NotFound:
        return to("/console/notices", done="gone")
    return to("/console/notices", done="handled")
