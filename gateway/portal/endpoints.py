"""The enterprise's pages: log in, read what is asked, say yes or no, see who looked, take it back."""

import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import AwareDatetime, BeforeValidator

from consent import (
    Consent,
    ConsentTerms,
    approvals_needed,
    approvals_of,
    approve,
    artefact_of,
    digest_of,
    events_of,
    find_for_enterprise,
    list_for_enterprise,
    list_waiting,
    names_of,
    note_login,
    pause,
    reject,
    replaced_by,
    resume,
    revoke,
    sentences_of,
    signed_notice,
)
from core.clock import china_day
from core.errors import Conflict, HubError, NotAuthenticated, NotFound
from gateway.access import HubDep
from gateway.oauth.authorize import WayBack, WayBackDep
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
from gateway.portal.explain import changes_of, levels_of, previews_of, purpose_of, title_of, wording_of
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
STATE_AFTER = {
    "approve": "active",
    "approve_in_part": "partially_approved",
    "reject": "rejected",
    "revoke": "revoked",
    "pause": "paused",
    "resume": "active",
}

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
    request: Request,
    hub: HubDep,
    kept: SessionsDep,
    asked: Annotated[UUID | None, Query(alias="request")] = None,
) -> Response:
    """To the government log-in; ``request`` is the consent to open afterwards."""
    hub.rates.of_address(request)
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
    after_at: AwareDatetime | None = None,
    after_id: UUID | None = None,
) -> HTMLResponse:
    """The inbox: what waits for an answer first, then every other consent with its state.

    Two lists, each with pages of its own: ``after_…`` goes on with the requests, ``before_…`` with the consents.
    """
    at, uscc = hub.clock(), session.signatory.uscc
    before, after = _before(before_at, before_id), _before(after_at, after_id)
    asked: Sequence[Consent] = []
    settled: Sequence[Consent] = []
    async with hub.database.transaction() as tx:
        if before is None:
            asked = await list_waiting(tx, uscc, at=at, after=after, limit=WAITING_ROWS + 1)
        if after is None:
            settled = await list_for_enterprise(tx, uscc, settled_at=at, before=before, limit=PAGE_ROWS + 1)
    waiting, last_asked = asked[:WAITING_ROWS], asked[WAITING_ROWS - 1] if len(asked) > WAITING_ROWS else None
    last = settled[PAGE_ROWS - 1] if len(settled) > PAGE_ROWS else None
    return pages.show(
        request,
        "requests.html",
        session=session,
        waiting=waiting,
        others=[(consent, consent.state_at(at)) for consent in settled[:PAGE_ROWS]],
        older=_older("/portal/requests", last.requested_at, last.consent_id) if last else None,
        more_waiting=_more_waiting(last_asked) if last_asked else None,
        continued=before is not None,
        continued_waiting=after is not None,
        at=at,
        title_of=lambda dataset: title_of(hub.catalogue, dataset),
        purpose_of=lambda purpose: purpose_of(hub.catalogue, purpose),
    )


class Less:
    """What the enterprise grants if not all: chosen in the form, shown on the page, sent with the approval."""

    def __init__(
        self,
        less: str = "",
        datasets: Sequence[str] = (),
        term_days: int | None = None,
        uses_max: int | None = None,
    ) -> None:
        self.chosen = bool(less)
        self._datasets, self._term_days, self._uses_max = datasets, term_days, uses_max

    def of(self, asked: ConsentTerms) -> ConsentTerms:
        """Raises `InvalidInput` for more than what is asked, or nothing at all."""
        if not self.chosen:
            return asked
        return asked.narrowed(datasets=self._datasets, term_days=self._term_days, uses_max=self._uses_max)


def less_in_address(
    less: Annotated[str, Query(max_length=1)] = "",
    datasets: Annotated[list[str], Query(max_length=50)] = [],  # noqa: B006 - FastAPI makes a new one each time
    term_days: int | None = None,
    uses_max: int | None = None,
) -> Less:
    return Less(less, datasets, term_days, uses_max)


def less_in_form(
    less: Annotated[str, Form(max_length=1)] = "",
    datasets: Annotated[list[str], Form(max_length=50)] = [],  # noqa: B006
    term_days: Annotated[int | None, Form()] = None,
    uses_max: Annotated[int | None, Form()] = None,
) -> Less:
    return Less(less, datasets, term_days, uses_max)


@router.api_route("/requests/{consent_id}", methods=READ)
async def one_request(
    request: Request,
    consent_id: UUID,
    session: Enterprise,
    hub: HubDep,
    way_back: WayBackDep,
    less: Annotated[Less, Depends(less_in_address)],
) -> HTMLResponse:
    """What is asked, in words; what the bank will see, as an example; and the buttons to answer."""
    at, uscc = hub.clock(), session.signatory.uscc
    async with hub.database.transaction() as tx:
        stored = await find_for_enterprise(tx, uscc, consent_id)
        consent = _granting(stored, less)
        events = await events_of(tx, consent_id)
        signed = await artefact_of(tx, consent_id)
        replaced = await replaced_by(tx, consent, at) if consent.valid_from is None else None
        levels = levels_of(hub.catalogue, consent.participant_class, consent.terms)
        approvals = await approvals_of(tx, consent_id)
        needed = await approvals_needed(tx, uscc, consent.terms.purpose, levels)
    sentences = (
        signed_notice(signed)
        if signed
        else sentences_of(consent, wording_of(hub.catalogue), replaced=replaced)
    )
    page = pages.show(
        request,
        "request.html",
        session=session,
        consent=consent,
        choices=[(dataset, title_of(hub.catalogue, dataset)) for dataset in stored.terms.datasets],
        most=stored.terms,
        less=less.chosen,
        approvals=approvals,
        needed=needed,
        mine=session.signatory.subject in {one.subject for one in approvals},
        changes=changes_of(hub.catalogue, replaced.terms, consent.terms) if replaced else None,
        replaced=replaced,
        state=consent.state_at(at),
        standing=consent.standing_at(at),
        events=events,
        signed=signed is not None,
        sentences=sentences,
        sentences_digest=digest_of(sentences),
        purpose=purpose_of(hub.catalogue, consent.terms.purpose),
        previews=previews_of(hub.catalogue, consent),
        at=at,
        from_bank=way_back is not None and await way_back.is_open(),
    )
    if way_back is not None:
        # A browser may look at where a form leads in the end, which is the bank's page.
        policy = SECURITY_HEADERS["content-security-policy"]
        page.headers["content-security-policy"] = policy.replace(
            "form-action 'self'", f"form-action 'self' {way_back.origin}"
        )
    return page


@router.get("/requests/{consent_id}/return")
async def back_to_the_bank(
    consent_id: UUID, session: Enterprise, hub: HubDep, way_back: WayBackDep
) -> Response:
    """The browser that a bank sent here goes back to it with the answer, once; any other to the consent."""
    async with hub.database.transaction() as tx:
        consent = await find_for_enterprise(tx, session.signatory.uscc, consent_id)
    address = await way_back.address(consent) if way_back else None
    if address is None:
        return _to(f"/portal/requests/{consent_id}")
    return RedirectResponse(address, SEE_OTHER, headers=SECURITY_HEADERS)


@router.post("/requests/{consent_id}/approve")
async def approve_request(
    consent_id: UUID,
    session: EnterpriseForm,
    hub: HubDep,
    way_back: WayBackDep,
    less: Annotated[Less, Depends(less_in_form)],
    read: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """The signed sentences are the ones that were read: ``read`` is their digest, from the page."""
    with _pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            asked = await find_for_enterprise(tx, session.signatory.uscc, consent_id)
            granted = less.of(asked.terms)
            await approve(
                tx,
                session.signatory,
                consent_id,
                wording=wording_of(hub.catalogue),
                levels=levels_of(hub.catalogue, asked.participant_class, granted),
                key=hub.keys["artefacts"],
                at=hub.clock(),
                read=read,
                granted=granted,
            )
    return _after_answer(consent_id, way_back)


def one_line(text: str) -> str:
    """What was typed, without control characters or line breaks."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


Reason = Annotated[str, Form(max_length=REASON_CHARACTERS_MAX), BeforeValidator(one_line)]


@router.post("/requests/{consent_id}/reject")
async def reject_request(
    consent_id: UUID, session: EnterpriseForm, hub: HubDep, way_back: WayBackDep, reason: Reason = ""
) -> Response:
    with _pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            await reject(tx, session.signatory, consent_id, reason=reason, at=hub.clock())
    return _after_answer(consent_id, way_back)


def _after_answer(consent_id: UUID, way_back: WayBack | None) -> Response:
    return _to(f"/portal/requests/{consent_id}{'/return' if way_back else ''}")


@router.post("/requests/{consent_id}/pause")
async def pause_consent(
    consent_id: UUID, session: EnterpriseForm, hub: HubDep, reason: Reason = ""
) -> Response:
    """Like a revocation until it is resumed."""
    with _pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            await pause(tx, session.signatory, consent_id, reason=reason, at=hub.clock())
    return _to(f"/portal/requests/{consent_id}")


@router.post("/requests/{consent_id}/resume")
async def resume_consent(consent_id: UUID, session: EnterpriseForm, hub: HubDep) -> Response:
    with _pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            await resume(tx, session.signatory, consent_id, reason="", at=hub.clock())
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


def _granting(consent: Consent, less: Less) -> Consent:
    """The request as it would be granted; unchanged when it was answered already."""
    if not less.chosen or consent.state != "awaiting":
        return consent
    return replace(consent, terms=less.of(consent.terms), asked=consent.terms)


@contextmanager
def _pressed_twice_is_once() -> Iterator[None]:
    """A second press of the same button finds its work done: no reason to frighten anybody."""
    try:
        yield
    except Conflict as conflict:
        verb = conflict.facts.get("verb")
        if conflict.facts.get("state") != STATE_AFTER.get(str(verb)):
            raise


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


def _more_waiting(last: Consent) -> str:
    return (
        f"/portal/requests?{urlencode({'after_at': last.answer_by.isoformat(), 'after_id': last.consent_id})}"
    )


def _older(path: str, at: datetime, last_id: UUID, **also: str) -> str:
    return f"{path}?{urlencode({**also, 'before_at': at.isoformat(), 'before_id': last_id})}"
