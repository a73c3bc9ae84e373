"""The enterprise's pages: log in, read what is asked, say yes or no, see who looked, take it back."""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import AwareDatetime, BeforeValidator

from consent import (
    approve,
    artefact_of,
    events_of,
    find_for_enterprise,
    list_for_enterprise,
    list_waiting,
    names_of,
    note_login,
    reject,
    revoke,
    signed_notice,
)
from core.clock import china_day
from core.errors import Conflict, HubError, NotAuthenticated, NotFound, Refused
from gateway.access import HubDep
from gateway.portal.access import (
    LOGIN_COOKIE,
    SESSION_COOKIE,
    Enterprise,
    EnterpriseForm,
    LoginCookie,
    SessionCookie,
    SessionsDep,
    Visitor,
    set_cookie,
)
from gateway.portal.chart import OUTCOMES
from gateway.portal.explain import dataset_titles, previews_of, purpose_of, sentences_to_sign, title_of
from gateway.portal.looks import UNLINKED, WantedDep, chart_of, looks_as_csv, what_was_shown
from gateway.portal.pages import SECURITY_HEADERS, Pages, language_of
from gateway.portal.sessions import LOGIN_SECONDS
from gateway.portal.words import Speech
from gateway.problems import PROBLEMS

PAGE_ROWS = 50
WAITING_ROWS = 50
CSV_ROWS = 5000
REASON_CHARACTERS_MAX = 200
SEE_OTHER = 303
STATE_AFTER = {"approve": "active", "reject": "rejected", "revoke": "revoked"}

READ = ["GET", "HEAD"]

router = APIRouter(prefix="/portal", include_in_schema=False)
pages = Pages()


# --- log-in -----------------------------------------------------------------------------------------------------


@router.api_route("", methods=READ)
async def welcome(
    request: Request,
    session: Visitor,
    notice: Literal["", "session_over", "cancelled", "logged_out"] = "",
    asked: Annotated[UUID | None, Query(alias="request")] = None,
) -> Response:
    """What this is, and the way in; who is in already goes on."""
    if session is not None:
        return _to(
            f"/portal/requests/{asked}" if asked else "/portal/requests",
            lang=request.query_params.get("lang"),
        )
    return pages.show(request, "welcome.html", session=None, notice=notice, asked=asked)


@router.get("/login")
async def login(
    hub: HubDep, kept: SessionsDep, asked: Annotated[UUID | None, Query(alias="request")] = None
) -> Response:
    """To the government log-in; ``request`` is the consent to open afterwards."""
    address, start = await hub.login.begin()
    response = RedirectResponse(address, SEE_OTHER, headers=SECURITY_HEADERS)
    set_cookie(response, hub, LOGIN_COOKIE, await kept.start_login(start, opening=asked), LOGIN_SECONDS)
    return response


@router.get("/callback")
async def callback(
    hub: HubDep,
    kept: SessionsDep,
    session: Visitor,
    code: Annotated[str, Query(max_length=2048)] = "",
    state: Annotated[str, Query(max_length=256)] = "",
    error: Annotated[str, Query(max_length=256)] = "",
    iss: Annotated[str, Query(max_length=2048)] = "",
    login_cookie: LoginCookie = None,
    old_session: SessionCookie = None,
) -> Response:
    """Back from the government log-in: only in the browser that left, only once, only with its own state."""
    begun = await kept.take_login(login_cookie) if login_cookie else None
    if begun is None and session is not None:
        return _to("/portal/requests")  # the browser's back button led here again
    if begun is None or not hmac.compare_digest(begun.start.state.encode(), state.encode()):
        raise NotAuthenticated("login_failed", "no such log-in was begun in this browser")
    if iss and iss != hub.settings.government_login_issuer:
        raise NotAuthenticated("login_failed", "another issuer answered (RFC 9207)")
    if error == "access_denied":
        return _to("/portal", notice="cancelled", request=begun.opening)
    if not code:
        raise NotAuthenticated("login_failed", "the log-in came back without a code")
    signatory = await hub.login.finish(code, begun.start)
    async with hub.database.transaction() as tx:
        await note_login(tx, signatory, hub.clock())
    if old_session:
        await kept.close(old_session)
    response = _to(f"/portal/requests/{begun.opening}" if begun.opening else "/portal/requests")
    set_cookie(response, hub, SESSION_COOKIE, await kept.open(signatory), None)
    response.delete_cookie(LOGIN_COOKIE, path="/portal")
    return response


@router.post("/logout")
async def logout(session: EnterpriseForm, kept: SessionsDep, cookie: SessionCookie) -> Response:
    await kept.close(cookie or "")
    response = _to("/portal", notice="logged_out")
    response.delete_cookie(SESSION_COOKIE, path="/portal")
    return response


# --- requests and consents --------------------------------------------------------------------------------------


@router.api_route("/requests", methods=READ)
async def requests(
    request: Request,
    session: Enterprise,
    hub: HubDep,
    before_at: AwareDatetime | None = None,
    before_id: UUID | None = None,
) -> HTMLResponse:
    """The inbox: what waits for an answer first, then every other consent with its state."""
    at, uscc, before = hub.clock(), session.signatory.uscc, _before(before_at, before_id)
    async with hub.database.transaction() as tx:
        waiting = await list_waiting(tx, uscc, at=at, limit=WAITING_ROWS) if before is None else []
        settled = await list_for_enterprise(tx, uscc, settled_at=at, before=before, limit=PAGE_ROWS + 1)
    last = settled[PAGE_ROWS - 1] if len(settled) > PAGE_ROWS else None
    return pages.show(
        request,
        "requests.html",
        session=session,
        waiting=waiting,
        others=[(consent, consent.state_at(at)) for consent in settled[:PAGE_ROWS]],
        older=_older("/portal/requests", last.requested_at, last.consent_id) if last else None,
        continued=before is not None,
        at=at,
        title_of=lambda dataset: title_of(hub.catalogue, dataset),
        purpose_of=lambda purpose: purpose_of(hub.catalogue, purpose),
    )


@router.api_route("/requests/{consent_id}", methods=READ)
async def one_request(request: Request, consent_id: UUID, session: Enterprise, hub: HubDep) -> HTMLResponse:
    """What is asked, in words; what the bank will see, as an example; and the buttons to answer."""
    async with hub.database.transaction() as tx:
        consent = await find_for_enterprise(tx, session.signatory.uscc, consent_id)
        events = await events_of(tx, consent_id)
        signed = await artefact_of(tx, consent_id)
    sentences = signed_notice(signed) if signed else sentences_to_sign(hub.catalogue, consent)
    return pages.show(
        request,
        "request.html",
        session=session,
        consent=consent,
        state=consent.state_at(hub.clock()),
        events=events,
        signed=signed is not None,
        sentences=sentences,
        sentences_digest=_digest(sentences),
        purpose=purpose_of(hub.catalogue, consent.terms.purpose),
        previews=previews_of(hub.catalogue, consent),
        at=hub.clock(),
    )


@router.post("/requests/{consent_id}/approve")
async def approve_request(
    consent_id: UUID, session: EnterpriseForm, hub: HubDep, read: Annotated[str, Form(max_length=64)] = ""
) -> Response:
    """The signed sentences are the ones that were read: ``read`` is their digest, from the page."""
    with _pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            asked = await find_for_enterprise(tx, session.signatory.uscc, consent_id)
            if read != _digest(sentences_to_sign(hub.catalogue, asked)):
                raise Refused("form_expired", "the sentences to sign have changed since the page was shown")
            await approve(
                tx,
                session.signatory,
                consent_id,
                purpose_title=purpose_of(hub.catalogue, asked.terms.purpose).title,
                dataset_titles=dataset_titles(hub.catalogue, asked),
                key=hub.keys["artefacts"],
                at=hub.clock(),
            )
    return _to(f"/portal/requests/{consent_id}")


def one_line(text: str) -> str:
    """What was typed, without control characters or line breaks."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


Reason = Annotated[str, Form(max_length=REASON_CHARACTERS_MAX), BeforeValidator(one_line)]


@router.post("/requests/{consent_id}/reject")
async def reject_request(
    consent_id: UUID, session: EnterpriseForm, hub: HubDep, reason: Reason = ""
) -> Response:
    with _pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            await reject(tx, session.signatory, consent_id, reason=reason, at=hub.clock())
    return _to(f"/portal/requests/{consent_id}")


@router.post("/requests/{consent_id}/revoke")
async def revoke_consent(
    consent_id: UUID, session: EnterpriseForm, hub: HubDep, reason: Reason = ""
) -> Response:
    """When this answers, no answer to the bank commits any more."""
    with _pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            await revoke(tx, session.signatory, consent_id, reason=reason, at=hub.clock())
    return _to(f"/portal/requests/{consent_id}")


@router.api_route("/requests/{consent_id}/artefact", methods=READ)
async def artefact(consent_id: UUID, session: Enterprise, hub: HubDep) -> Response:
    """The signed artefact, to keep and to check offline against /jwks."""
    async with hub.database.transaction() as tx:
        await find_for_enterprise(tx, session.signatory.uscc, consent_id)
        jws = await artefact_of(tx, consent_id)
    if jws is None:
        raise NotFound("consent_unknown", "not approved, so there is nothing signed")
    return _file(jws, "application/jose", f"consent-{consent_id}.jws")


@contextmanager
def _pressed_twice_is_once() -> Iterator[None]:
    """A second press of the same button finds its work done: no reason to frighten anybody."""
    try:
        yield
    except Conflict as conflict:
        verb = conflict.facts.get("verb")
        if conflict.facts.get("state") != STATE_AFTER.get(str(verb)):
            raise


def _digest(sentences: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(sentences).encode()).hexdigest()


# --- who looked -------------------------------------------------------------------------------------------------


@router.api_route("/disclosures", methods=READ)
async def disclosures(
    request: Request,
    session: Enterprise,
    hub: HubDep,
    wanted: WantedDep,
    before_at: AwareDatetime | None = None,
    before_id: UUID | None = None,
) -> HTMLResponse:
    """谁看了我的数据: every call about this enterprise, refusals included, newest first."""
    uscc, before = session.signatory.uscc, _before(before_at, before_id)
    async with hub.database.transaction() as tx:
        found = await wanted.looks(tx, uscc, before=before, limit=PAGE_ROWS + 1)
        names = await names_of(tx, {look.participant_id for look in found})
        chart = await chart_of(tx, uscc, hub.clock()) if before is None else None
    looks, last = found[:PAGE_ROWS], found[PAGE_ROWS - 1] if len(found) > PAGE_ROWS else None
    return pages.show(
        request,
        "disclosures.html",
        session=session,
        days=[(day, list(of_day)) for day, of_day in groupby(looks, key=lambda look: china_day(look.at))],
        names=names,
        shown=what_was_shown(hub.catalogue, looks),
        chart=chart,
        wanted=wanted,
        outcomes=OUTCOMES,
        unlinked=UNLINKED,
        datasets=hub.catalogue.contracts,
        title_of=lambda dataset: title_of(hub.catalogue, dataset),
        purpose_of=lambda purpose: purpose_of(hub.catalogue, purpose),
        older=_older("/portal/disclosures", last.at, last.decision_id, **wanted.query()) if last else None,
        as_csv=f"/portal/disclosures.csv?{urlencode(wanted.query())}".rstrip("?"),
        csv_rows=CSV_ROWS,
    )


@router.api_route("/disclosures.csv", methods=READ)
async def disclosures_as_csv(
    request: Request, session: Enterprise, hub: HubDep, wanted: WantedDep
) -> Response:
    """The same list for a spreadsheet, the newest 5000 calls."""
    async with hub.database.transaction() as tx:
        looks = await wanted.looks(tx, session.signatory.uscc, before=None, limit=CSV_ROWS)
        names = await names_of(tx, {look.participant_id for look in looks})
    table = looks_as_csv(hub.catalogue, looks, names, Speech(language_of(request)))
    return _file(table, "text/csv; charset=utf-8", f"disclosures-{china_day(hub.clock())}.csv")


# --- small things -----------------------------------------------------------------------------------------------


def failure(request: Request, error: HubError, reason: str, trace_id: str) -> Response:
    """The page about something that did not work; without a session, the way back to the log-in."""
    if reason == "session_required":
        notice = "session_over" if error.facts.get("session_over") else None
        return _to("/portal", notice=notice, request=error.facts.get("consent_id"))
    problem = PROBLEMS[reason]
    return pages.show(
        request,
        "problem.html",
        problem.status,
        session=None,
        reason=reason,
        problem=problem,
        trace_id=trace_id,
    )


def _to(path: str, **query: object) -> Response:
    given = {name: value for name, value in query.items() if value is not None}
    return RedirectResponse(
        f"{path}?{urlencode(given)}" if given else path, SEE_OTHER, headers=SECURITY_HEADERS
    )


def _file(content: str, media_type: str, name: str) -> Response:
    headers = {**SECURITY_HEADERS, "content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


def _before(at: datetime | None, last_id: UUID | None) -> tuple[datetime, UUID] | None:
    """Where a list goes on (keyset paging): after the row with this time and id."""
    return (at, last_id) if at is not None and last_id is not None else None


def _older(path: str, at: datetime, last_id: UUID, **also: str) -> str:
    return f"{path}?{urlencode({**also, 'before_at': at.isoformat(), 'before_id': last_id})}"
