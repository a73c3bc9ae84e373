"""Where a person is logged in, with what it confirms, and how one comes and goes."""

import json
import secrets
from typing import Annotated, Any, Literal
from uuid import UUID

import segno
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup
from pydantic import BeforeValidator
from sqlalchemy.ext.asyncio import AsyncConnection

from consent import (
    FactorChange,
    FactorKind,
    Signatory,
    app_address,
    enrol_passkey,
    enrol_totp,
    factor_changes,
    factors_of,
    secret_of,
    typed_secret,
)
from core.errors import Refused
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.portal.access import Enterprise, EnterpriseForm, SessionsDep
from gateway.portal.endpoints import one_line
from gateway.portal.intents import ENROLMENT_SECONDS, Acting, Enrol, Enrolment, Remove
from gateway.portal.pages import READ, Pages, to
from gateway.portal.step_up import (
    HUB_NAME,
    WAITING_SECONDS,
    Answer,
    Challenge,
    Code,
    Fault,
    StepUpDep,
    party_of,
)

NAME_CHARACTERS_MAX = 30

Done = Literal["", "enrolled", "removed", "closed"]
Name = Annotated[str, Form(max_length=NAME_CHARACTERS_MAX), BeforeValidator(one_line)]

router = APIRouter(prefix="/portal/devices", include_in_schema=False)
pages = Pages()


@router.api_route("", methods=READ)
async def devices(
    request: Request, session: Enterprise, hub: HubDep, kept: SessionsDep, done: Done = ""
) -> HTMLResponse:
    """Every browser in which the person is logged in, every factor, and what became of factors."""
    async with hub.database.transaction() as tx:
        factors = await factors_of(tx, session.signatory)
        changes = await _changes_for(tx, session.signatory)
    return pages.show(
        request,
        "devices.html",
        session=session,
        sessions=await kept.list(session.signatory),
        factors=factors,
        has_app=any(factor.kind == "totp" for factor in factors),
        passkeys_work=party_of(hub.settings.public_url) is not None,
        changes=changes,
        done=done,
    )


async def _changes_for(tx: AsyncConnection, signatory: Signatory) -> list[FactorChange]:
    """The legal representative sees those of everybody, others their own."""
    everybody = signatory.role == "legal_representative"
    return list(await factor_changes(tx, signatory.uscc, subject=None if everybody else signatory.subject))


# --- sessions ---


@router.post("/close")
async def close_one(
    session: EnterpriseForm, kept: SessionsDep, which: Annotated[str, Form(max_length=64)] = ""
) -> Response:
    """Log out one browser of this person; ``which``: its session."""
    await kept.end_one(session.signatory, which)
    return to("/portal/devices", done="closed")


@router.post("/close-others")
async def close_others(session: EnterpriseForm, kept: SessionsDep) -> Response:
    await kept.end_others(session)
    return to("/portal/devices", done="closed")


# --- factors ---


@router.post("/add")
async def add_factor(step_up: StepUpDep, kind: Annotated[FactorKind, Form()]) -> Response:
    return await step_up.do(Enrol(kind, secrets.token_urlsafe(16)))


@router.post("/remove")
async def remove(step_up: StepUpDep, factor_id: Annotated[UUID, Form()]) -> Response:
    return await step_up.do(Remove(factor_id))


@router.api_route("/enrol/{ticket}", methods=READ)
async def enrolment(
    request: Request, ticket: str, session: Enterprise, hub: HubDep, kept: SessionsDep, fault: Fault = ""
) -> HTMLResponse:
    """What to do with the telephone: scan a code and type what it shows, or make a passkey."""
    begun = await kept.look(session, ticket, Enrolment)
    if begun is None:
        raise Refused("form_expired", "no enrolment was begun under this ticket")
    return pages.show(
        request,
        "enrol.html",
        session=session,
        ticket=ticket,
        fault=fault,
        name_characters=NAME_CHARACTERS_MAX,
        **(
            _app_told(hub, session.signatory, begun)
            if begun.kind == "totp"
            else await _passkey_told(Acting(hub, kept, session), ticket)
        ),
    )


def _app_told(hub: Hub, signatory: Signatory, begun: Enrolment) -> dict[str, Any]:
    secret = secret_of(begun.factor_id, hub.master_secret)
    address = app_address(secret, issuer=HUB_NAME, account=signatory.enterprise_name)
    picture = segno.make_qr(address, error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff")
    return {
        "kind": "totp",
        "picture": Markup(picture),  # noqa: S704 - made by segno from our own address
        "address": address,
        "secret": typed_secret(secret),
    }


async def _passkey_told(acting: Acting, ticket: str) -> dict[str, Any]:
    hub, signatory = acting.hub, acting.session.signatory
    party = party_of(hub.settings.public_url)
    if party is None:
        return {"kind": "passkey", "options": None}
    async with hub.database.transaction() as tx:
        factors = await factors_of(tx, signatory)
    challenge = Challenge.new()
    await acting.kept.keep(acting.session, ticket, challenge, WAITING_SECONDS)
    options = party.creation(
        challenge.octets,
        person=hub.master_secret.derive("passkey", signatory.uscc, signatory.subject),
        account=f"{signatory.enterprise_name} {signatory.name}",
        known=[factor.credential_id for factor in factors if factor.credential_id is not None],
    )
    return {"kind": "passkey", "options": json.dumps(options)}


@router.post("/enrol/{ticket}")
async def enrol(
    ticket: str,
    session: EnterpriseForm,
    hub: HubDep,
    kept: SessionsDep,
    code: Code = "",
    answer: Answer = "",
    name: Name = "",
) -> Response:
    """The device showed that it works: from now on it confirms."""
    acting = Acting(hub, kept, session)
    begun = await kept.take(session, ticket, Enrolment)
    if begun is None:
        raise Refused("form_expired", "no enrolment was begun under this ticket")
    try:
        if begun.kind == "totp":
            await _enrol_app(acting, begun, code, name)
        else:
            await _enrol_passkey(acting, ticket, begun, answer, name)
    except Refused as refused:
        if refused.reason != "confirmation_failed":
            raise
        await kept.keep(session, ticket, begun, ENROLMENT_SECONDS)
        return to(f"/portal/devices/enrol/{ticket}", fault=refused.facts["fault"])
    return to("/portal/devices", done="enrolled")


async def _enrol_app(acting: Acting, begun: Enrolment, code: str, name: str) -> None:
    hub = acting.hub
    async with hub.database.transaction() as tx:
        good = await enrol_totp(
            tx,
            acting.session.signatory,
            begun.factor_id,
            code,
            name=name or "手机验证器",
            master_secret=hub.master_secret,
            confirmed_by=begun.confirmed_by,
            at=hub.clock(),
        )
    if not good:
        raise Refused("confirmation_failed", "the app shows another code", fault="wrong")


async def _enrol_passkey(acting: Acting, ticket: str, begun: Enrolment, answer: str, name: str) -> None:
    hub = acting.hub
    party = party_of(hub.settings.public_url)
    challenge = await acting.kept.take(acting.session, ticket, Challenge)
    if party is None or challenge is None:
        raise Refused("confirmation_failed", "no challenge was given out, or it was used", fault="passkey")
    async with hub.database.transaction() as tx:
        await enrol_passkey(
            tx,
            acting.session.signatory,
            answer,
            party=party,
            challenge=challenge.octets,
            name=name or "通行密钥",
            confirmed_by=begun.confirmed_by,
            at=hub.clock(),
        )
