"""Confirming: who enrolled a second factor shows it, on a page of its own, before a yes counts.

The confirmation and what it confirms travel in one request: what is to be done waits five minutes under a ticket of
this session, and the code or passkey that comes with the ticket carries out that, once, and nothing else.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from consent import ConfirmedBy, RelyingParty, confirm_by_code, confirm_by_passkey, factors_of
from core.errors import Conflict, Refused
from gateway.access import HubDep
from gateway.portal.access import Enterprise, EnterpriseForm, SessionsDep
from gateway.portal.intents import Acting, Approve, Enrol, Intent, Remove
from gateway.portal.pages import READ, Pages, leading_to, to

WAITING_SECONDS = 5 * 60
HUB_NAME = "信易枢纽"
STATE_AFTER = {
    "approve": "active",
    "approve_in_part": "partially_approved",
    "reject": "rejected",
    "revoke": "revoked",
    "pause": "paused",
    "resume": "active",
}

Fault = Literal["", "wrong", "held", "passkey"]
Answer = Annotated[str, Form(max_length=20_000)]
"""what the browser says of a passkey, as JSON"""
Code = Annotated[str, Form(max_length=40)]

router = APIRouter(prefix="/portal", include_in_schema=False)
pages = Pages()


class Waiting(msgspec.Struct, frozen=True):
    """What waits for its confirmation, or where it led."""

    intent: Intent
    done: bool = False


class Challenge(msgspec.Struct, frozen=True):
    """What a passkey is to sign, once."""

    octets: bytes

    @classmethod
    def new(cls) -> "Challenge":
        return cls(secrets.token_bytes(32))


class StepUp:
    """Does what a form wants, or first asks for the confirmation that it takes."""

    def __init__(self, hub: HubDep, kept: SessionsDep, session: EnterpriseForm) -> None:
        self._acting = Acting(hub, kept, session)

    async def do(self, intent: Intent) -> Response:
        hub, session = self._acting.hub, self._acting.session
        try:
            await carry_out(intent, self._acting, "fresh_login" if session.fresh(hub.clock()) else None)
        except Refused as refused:
            if refused.reason != "confirmation_required":
                raise
        else:
            return to(intent.leads_to)
        ticket = secrets.token_urlsafe(16)
        await self._acting.kept.keep(session, ticket, Waiting(intent), WAITING_SECONDS)
        if isinstance(intent, Approve):
            hub.steps.note(intent.consent_id, "challenged")
        return to(f"/portal/confirm/{ticket}")


StepUpDep = Annotated[StepUp, Depends()]


async def carry_out(intent: Intent, acting: Acting, confirmed_by: ConfirmedBy | None) -> None:
    with pressed_twice_is_once():
        async with acting.hub.database.transaction() as tx:
            await intent.carry_out(tx, acting, confirmed_by)


@contextmanager
def pressed_twice_is_once() -> Iterator[None]:
    """A second press of the same button finds its work done: no reason to frighten anybody."""
    try:
        yield
    except Conflict as conflict:
        verb = conflict.facts.get("verb")
        if conflict.facts.get("state") != STATE_AFTER.get(str(verb)):
            raise


@router.api_route("/confirm/{ticket}", methods=READ)
async def what_is_to_be_confirmed(
    request: Request, ticket: str, session: Enterprise, hub: HubDep, kept: SessionsDep, fault: Fault = ""
) -> Response:
    """What waits, in short, and the ways to confirm it that this person has."""
    waiting = await kept.look(session, ticket, Waiting)
    if waiting is None:
        raise Refused("form_expired", "nothing waits under this ticket")
    intent = waiting.intent
    if waiting.done:
        return to(intent.leads_to)
    async with hub.database.transaction() as tx:
        told = await intent.told(tx, Acting(hub, kept, session))
        factors = await factors_of(tx, session.signatory)
    credentials = [factor.credential_id for factor in factors if factor.credential_id is not None]
    party = party_of(hub.settings.public_url)
    options = None
    if party is not None and credentials:
        challenge = Challenge.new()
        await kept.keep(session, ticket, challenge, WAITING_SECONDS)
        options = json.dumps(party.request(challenge.octets, credentials))
    about_factors = isinstance(intent, Enrol | Remove)
    page = pages.show(
        request,
        "confirm.html",
        session=session,
        ticket=ticket,
        what=type(intent).__name__.lower(),
        told=told,
        has_code=any(factor.kind == "totp" for factor in factors),
        options=options,
        fault=fault,
        about_factors=about_factors,
        fresh=session.fresh(hub.clock()),
        back="/portal/devices" if about_factors else intent.leads_to.removesuffix("/return"),
    )
    if isinstance(intent, Approve) and intent.bank:
        leading_to(page, intent.bank)
    return page


@router.post("/confirm/{ticket}")
async def confirm(
    ticket: str,
    session: EnterpriseForm,
    hub: HubDep,
    kept: SessionsDep,
    code: Code = "",
    answer: Answer = "",
    recover: Annotated[str, Form(max_length=1)] = "",
) -> Response:
    """By the code of an app, by a passkey, or (``recover``) by a fresh log-in in the place of a lost factor."""
    acting = Acting(hub, kept, session)
    waiting = await kept.look(session, ticket, Waiting)
    if waiting is None:
        raise Refused("form_expired", "nothing waits under this ticket")
    if waiting.done:
        return to(waiting.intent.leads_to)
    try:
        proof = await _proof(acting, ticket, code, answer, recover=bool(recover))
    except Refused as refused:
        if refused.reason != "confirmation_failed":
            raise
        return to(f"/portal/confirm/{ticket}", fault=refused.facts["fault"])
    if isinstance(waiting.intent, Approve):
        hub.steps.note(waiting.intent.consent_id, "confirmed")
    await carry_out(waiting.intent, acting, proof)
    await kept.keep(session, ticket, Waiting(waiting.intent, done=True), WAITING_SECONDS)
    return to(waiting.intent.leads_to)


async def _proof(acting: Acting, ticket: str, code: str, answer: str, *, recover: bool) -> ConfirmedBy:
    """What this form proves. Raises `Refused`."""
    if recover and not acting.session.fresh(acting.hub.clock()):
        raise Refused("login_not_fresh", "a lost factor is replaced right after a log-in")
    if recover:
        return "recovery"
    return await (_by_passkey(acting, ticket, answer) if answer else _by_code(acting, code))


async def _by_code(acting: Acting, code: str) -> ConfirmedBy:
    hub = acting.hub
    async with hub.database.transaction() as tx:
        came_to = await confirm_by_code(
            tx, acting.session.signatory, code, master_secret=hub.master_secret, at=hub.clock()
        )
    if came_to != "confirmed":
        raise Refused("confirmation_failed", f"the code is {came_to}", fault=came_to)
    return "totp"


async def _by_passkey(acting: Acting, ticket: str, answer: str) -> ConfirmedBy:
    hub, party = acting.hub, party_of(acting.hub.settings.public_url)
    challenge = await acting.kept.take(acting.session, ticket, Challenge)
    if party is None or challenge is None:
        raise Refused("confirmation_failed", "no challenge was given out, or it was used", fault="passkey")
    async with hub.database.transaction() as tx:
        await confirm_by_passkey(
            tx, acting.session.signatory, answer, party=party, challenge=challenge.octets, at=hub.clock()
        )
    return "passkey"


def party_of(public_url: str) -> RelyingParty | None:
    return RelyingParty.of(public_url, HUB_NAME)
