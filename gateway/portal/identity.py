"""身份核验: how sure the platform is of the person, and the bank transfer (对公打款) that makes it surer."""

from datetime import timedelta
from typing import Annotated, Literal, get_args
from uuid import UUID

import structlog
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BeforeValidator

from adapters import BankTransfer, TransferOrder
from consent import (
    ASSURANCE_MOST,
    Signatory,
    TransferProof,
    account_in,
    answer_transfer,
    assurance_of,
    fen_in,
    note_returned,
    order_transfer,
    transfers_of,
    vouched,
)
from core.errors import HubError, NotFound, Unavailable
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.portal.access import Enterprise, EnterpriseForm, SessionsDep
from gateway.portal.endpoints import one_line
from gateway.portal.pages import READ, Pages, to

PAGE = "/portal/identity"
ORDER_DEAD_AFTER = timedelta(minutes=2)
"""an order that the service has not got by then, it takes no more: it was good for a minute"""

Notice = Literal[
    "",
    "ordered",
    "returned",
    "wrong",
    "proven",
    "account_invalid",
    "amount_invalid",
    "transfer_away",
    "transfer_limit",
    "transfer_state",
]
NOTICES = get_args(Notice)
Asked = Annotated[UUID | None, Form(alias="request")]
"""the consent to go back to"""

router = APIRouter(prefix=PAGE, include_in_schema=False)
pages = Pages()
log = structlog.stdlib.get_logger()


@router.api_route("", methods=READ)
async def identity(
    request: Request,
    session: Enterprise,
    hub: HubDep,
    notice: Notice = "",
    asked: Annotated[UUID | None, Query(alias="request")] = None,
) -> HTMLResponse:
    """How the person came and what that is enough for, the transfer under way, and every earlier one.

    ``request``: the consent to go back to.
    """
    signatory, at = session.signatory, hub.clock()
    async with hub.database.transaction() as tx:
        proofs = await transfers_of(tx, signatory.uscc)
    mine = next((one for one in proofs if _is_mine(one, signatory) and one.state_at(at) == "waiting"), None)
    unheard = False
    if mine is not None:
        came_back, unheard = await _look_after(hub, mine)
        if came_back:
            return await identity(request, session, hub, "returned", asked)
    return pages.show(
        request,
        "identity.html",
        session=session,
        notice=notice,
        asked=asked,
        ways=signatory.proven_by.split("+"),
        level=assurance_of(signatory.assurance),
        enough=assurance_of(signatory.assurance) >= ASSURANCE_MOST,
        offered=hub.bank_transfer is not None,
        waiting=mine,
        unheard=unheard,
        proofs=[(proof, proof.state_at(at)) for proof in proofs],
    )


@router.post("/transfer")
async def begin_transfer(
    session: EnterpriseForm,
    hub: HubDep,
    account: Annotated[str, Form(max_length=60)] = "",
    bank_name: Annotated[str, Form(max_length=60), BeforeValidator(one_line)] = "",
    asked: Asked = None,
) -> Response:
    """Pay a small amount into the account, if it is of the name under which the register has the enterprise."""
    signatory, service = session.signatory, _service(hub)
    try:
        digits = account_in(account)
        async with hub.database.transaction() as tx:
            proof, amount_fen = await order_transfer(tx, signatory, digits, key=_key(hub), at=hub.clock())
        order = TransferOrder(proof.proof_id, signatory.enterprise_name, digits, bank_name, amount_fen)
        progress = await service.order(order)
    except HubError as error:
        return _told(error, asked)
    if progress == "returned":
        await _note_returned(hub, proof)
        return to(PAGE, notice="returned", request=asked)
    return to(PAGE, notice="ordered", request=asked)


@router.post("/transfer/{proof_id}")
async def say_amount(
    proof_id: UUID,
    session: EnterpriseForm,
    hub: HubDep,
    kept: SessionsDep,
    amount: Annotated[str, Form(max_length=20)] = "",
    asked: Asked = None,
) -> Response:
    """The amount that arrived, in yuan. What cannot be an amount costs no try."""
    signatory, at = session.signatory, hub.clock()
    try:
        fen = fen_in(amount)
        async with hub.database.transaction() as tx:
            proof = await answer_transfer(tx, signatory, proof_id, fen, key=_key(hub), at=at)
            surer = await vouched(tx, signatory, at)
    except HubError as error:
        return _told(error, asked)
    if proof.proven_at is None:
        return to(PAGE, notice="wrong", request=asked)
    await kept.vouch(session, surer)
    return to(PAGE, notice="proven", request=asked)


def _told(error: HubError, asked: UUID | None) -> Response:
    """On the page where the person can do something about it; whatever it has no words for, as any problem."""
    if error.reason not in NOTICES:
        raise error
    if isinstance(error, Unavailable):
        log.warning("transfer_away", fault=str(error))
    return to(PAGE, notice=error.reason, request=asked)


async def _look_after(hub: Hub, proof: TransferProof) -> tuple[bool, bool]:
    """Whether the transfer has come back since, which is noted, and whether nothing is to be heard of it."""
    if hub.bank_transfer is None:
        return False, True
    try:
        progress = await hub.bank_transfer.progress(proof.proof_id)
    except Unavailable as error:
        log.warning("transfer_away", fault=str(error))
        return False, True
    lost = progress == "unknown" and hub.clock() > proof.ordered_at + ORDER_DEAD_AFTER
    if progress == "returned" or lost:
        await _note_returned(hub, proof)
        return True, False
    return False, progress == "unknown"


async def _note_returned(hub: Hub, proof: TransferProof) -> None:
    async with hub.database.transaction() as tx:
        await note_returned(tx, proof.proof_id, hub.clock())


def _is_mine(proof: TransferProof, signatory: Signatory) -> bool:
    return proof.subject == signatory.subject


def _service(hub: Hub) -> BankTransfer:
    if hub.bank_transfer is None:
        raise NotFound("not_found", "no transfer service is there")
    return hub.bank_transfer


def _key(hub: Hub) -> bytes:
    return hub.master_secret.derive("bank-transfer")
