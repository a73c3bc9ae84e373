"""For banks that would rather ask than be called: what became of their consents, in order, as often as they like."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from consent import security_event, told_after
from gateway.access import BankCaller, HubDep
from gateway.banks.endpoints import CONSENT, PROBLEMS
from gateway.notices.schemas import EventsOut

LIMIT_MAX = 200
EVENT_MAX = 2**63 - 1

router = APIRouter(prefix="/v1", responses=PROBLEMS)


@router.get("/events", tags=[CONSENT], summary="授权有哪些变化")
async def events(
    caller: BankCaller,
    hub: HubDep,
    after: Annotated[int, Query(ge=0, le=EVENT_MAX, description="`next` of the answer before; 0: all")] = 0,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 50,
) -> EventsOut:
    """What became of your consents after an event, in order; nothing is ever skipped, and nothing is removed.

    The same as your webhook is sent, for those who have none or lost something.
    """
    async with hub.database.transaction() as tx:
        told = await told_after(tx, caller.participant_id, after, limit=limit)
    issuer, key = hub.settings.public_url, hub.keys["artefacts"]
    tokens = await asyncio.to_thread(  # a signature takes 0.1 ms: not on the loop that answers questions
        lambda: [security_event(one, issuer=issuer, key=key) for one in told]
    )
    return EventsOut.of(told, tokens, after=after, limit=limit)
