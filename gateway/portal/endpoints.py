"""The enterprise's pages: read what is asked, say yes or no, see who looked, take it back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import AwareDatetime, BeforeValidator

from consent import (
    Consent,
    FactorChange,
    approvals_needed,
    approvals_that_count,
    artefact_of,
    assurance_needed,
    assurance_of,
    count_unread,
    digest_of,
    events_of,
    factor_changes,
    factors_of,
    find_artefact,
    find_for_enterprise,
    is_sensitive,
    list_for_enterprise,
    list_waiting,
    names_of,
    newest_forms,
    pause,
    reject,
    replaced_by,
    revoke,
    sentences_of,
    signed_notice,
)
from core.clock import china_day
from core.errors import HubError, NotFound
from gateway.access import HubDep
from gateway.oauth.authorize import WayBack, WayBackDep
from gateway.portal.access import Enterprise, EnterpriseForm
from gateway.portal.chart import OUTCOMES
from gateway.portal.explain import changes_of, levels_of, previews_of, purpose_of, title_of, wording_of
from gateway.portal.intents import Approve, Less, Resume
from gateway.portal.looks import UNLINKED, WantedDep, chart_of, looks_as_csv, what_was_shown
from gateway.portal.pages import READ, SECURITY_HEADERS, SEE_OTHER, Pages, language_of, leading_to, to
from gateway.portal.step_up import StepUpDep, pressed_twice_is_once
from gateway.portal.words import Speech
from gateway.problems import PROBLEMS

PAGE_ROWS = 50
WAITING_ROWS = 50
CSV_ROWS = 5000
REASON_CHARACTERS_MAX = 200
RECOVERED_SHOWN_FOR = timedelta(days=7)
"""how long the inbox says that somebody replaced a factor by a fresh log-in"""

router = APIRouter(prefix="/portal", include_in_schema=False)
pages = Pages()


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
    recovered: Sequence[FactorChange] = []
    unread = 0
    async with hub.database.transaction() as tx:
        if before is None and after is None:
            unread = await count_unread(tx, session.signatory)
        if before is None:
            asked = await list_waiting(tx, uscc, at=at, after=after, limit=WAITING_ROWS + 1)
        if before is None and after is None:
            recovered = await factor_changes(tx, uscc, recovered_since=at - RECOVERED_SHOWN_FOR, limit=3)
        if after is None:
            settled = await list_for_enterprise(tx, uscc, settled_at=at, before=before, limit=PAGE_ROWS + 1)
        forms = await newest_forms(tx, {consent.consent_id for consent in (*asked, *settled)})
    waiting, last_asked = asked[:WAITING_ROWS], asked[WAITING_ROWS - 1] if len(asked) > WAITING_ROWS else None
    last = settled[PAGE_ROWS - 1] if len(settled) > PAGE_ROWS else None
    return pages.show(
        request,
        "requests.html",
        session=session,
        recovered=recovered,
        unread=unread,
        waiting=waiting,
        others=[(consent, consent.state_at(at)) for consent in settled[:PAGE_ROWS]],
        forms=forms,
        older=_older("/portal/requests", last.requested_at, last.consent_id) if last else None,
        more_waiting=_more_waiting(last_asked) if last_asked else None,
        continued=before is not None,
        continued_waiting=after is not None,
        at=at,
        title_of=lambda dataset: title_of(hub.catalogue, dataset),
        purpose_of=lambda purpose: purpose_of(hub.catalogue, purpose),
    )


def less_in_address(
    less: Annotated[str, Query(max_length=1)] = "",
    datasets: Annotated[list[str], Query(max_length=50)] = [],  # noqa: B006 - FastAPI makes a new one each time
    term_days: int | None = None,
    uses_max: int | None = None,
) -> Less:
    return Less(bool(less), datasets, term_days, uses_max)


def less_in_form(
    less: Annotated[str, Form(max_length=1)] = "",
    datasets: Annotated[list[str], Form(max_length=50)] = [],  # noqa: B006
    term_days: Annotated[int | None, Form()] = None,
    uses_max: Annotated[int | None, Form()] = None,
) -> Less:
    return Less(bool(less), datasets, term_days, uses_max)


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
        signed = await find_artefact(tx, consent_id)
        replaced = await replaced_by(tx, consent, at) if consent.valid_from is None else None
        levels = levels_of(hub.catalogue, consent.participant_class, consent.terms)
        approvals, _ = await approvals_that_count(tx, consent, consent.terms, at)
        needed = await approvals_needed(tx, uscc, consent.terms.purpose, levels)
        form = (await newest_forms(tx, {consent_id})).get(consent_id)
        confirms = len(await factors_of(tx, session.signatory)) > 0
    if consent.state_at(at) in ("awaiting", "partially_approved"):
        hub.steps.note(consent_id, "less" if less.chosen else "read")
    sentences = (
        signed_notice(signed.jws)
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
        assurance_short=assurance_of(session.signatory.assurance) < assurance_needed(levels),
        confirms=confirms,
        login_stale=not confirms and is_sensitive(levels) and not session.fresh(at),
        mine=session.signatory.subject in {one.subject for one in approvals},
        changes=changes_of(hub.catalogue, replaced.terms, consent.terms) if replaced else None,
        replaced=replaced,
        state=consent.state_at(at),
        standing=consent.standing_at(at),
        events=events,
        form=form,
        form_state=form.state_with(stored, at) if form else None,
        signed=signed,
        sentences=sentences,
        sentences_digest=digest_of(sentences),
        purpose=purpose_of(hub.catalogue, consent.terms.purpose),
        previews=previews_of(hub.catalogue, consent),
        at=at,
        from_bank=way_back is not None and await way_back.is_open(),
    )
    if way_back is not None:
        leading_to(page, way_back.origin)
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
        return to(f"/portal/requests/{consent_id}")
    return RedirectResponse(address, SEE_OTHER, headers=SECURITY_HEADERS)


@router.post("/requests/{consent_id}/approve")
async def approve_request(
    consent_id: UUID,
    step_up: StepUpDep,
    way_back: WayBackDep,
    less: Annotated[Less, Depends(less_in_form)],
    read: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    return await step_up.do(Approve(consent_id, read, less, way_back.origin if way_back else ""))


def one_line(text: str) -> str:
    """What was typed, without control characters or line breaks."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


Reason = Annotated[str, Form(max_length=REASON_CHARACTERS_MAX), BeforeValidator(one_line)]


@router.post("/requests/{consent_id}/reject")
async def reject_request(
    consent_id: UUID, session: EnterpriseForm, hub: HubDep, way_back: WayBackDep, reason: Reason = ""
) -> Response:
    with pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            await reject(tx, session.signatory, consent_id, reason=reason, at=hub.clock())
    return _after_answer(consent_id, way_back)


def _after_answer(consent_id: UUID, way_back: WayBack | None) -> Response:
    return to(f"/portal/requests/{consent_id}{'/return' if way_back else ''}")


@router.post("/requests/{consent_id}/pause")
async def pause_consent(
    consent_id: UUID, session: EnterpriseForm, hub: HubDep, reason: Reason = ""
) -> Response:
    """Like a revocation until it is resumed."""
    with pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            await pause(tx, session.signatory, consent_id, reason=reason, at=hub.clock())
    return to(f"/portal/requests/{consent_id}")


@router.post("/requests/{consent_id}/resume")
async def resume_consent(consent_id: UUID, step_up: StepUpDep) -> Response:
    return await step_up.do(Resume(consent_id))


@router.post("/requests/{consent_id}/revoke")
async def revoke_consent(
    consent_id: UUID, session: EnterpriseForm, hub: HubDep, reason: Reason = ""
) -> Response:
    """When this answers, no answer to the bank commits any more."""
    with pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            await revoke(tx, session.signatory, consent_id, reason=reason, at=hub.clock())
    return to(f"/portal/requests/{consent_id}")


@router.api_route("/requests/{consent_id}/artefact", methods=READ)
async def artefact(consent_id: UUID, session: Enterprise, hub: HubDep) -> Response:
    """The signed artefact, to keep and to check offline against /jwks."""
    async with hub.database.transaction() as tx:
        await find_for_enterprise(tx, session.signatory.uscc, consent_id)
        jws = await artefact_of(tx, consent_id)
    if jws is None:
        raise NotFound("consent_unknown", "not approved, so there is nothing signed")
    return _file(jws, "application/jose", f"consent-{consent_id}.jws")


@router.api_route("/requests/{consent_id}/artefact.json", methods=READ)
async def artefact_with_all_signatures(consent_id: UUID, session: Enterprise, hub: HubDep) -> Response:
    """The same with every signature, SM2 too: for who keeps to national cryptography."""
    async with hub.database.transaction() as tx:
        await find_for_enterprise(tx, session.signatory.uscc, consent_id)
        signed = await find_artefact(tx, consent_id)
    if signed is None:
        raise NotFound("consent_unknown", "not approved, so there is nothing signed")
    return _file(signed.as_json(), "application/jose+json", f"consent-{consent_id}.json")


def _granting(consent: Consent, less: Less) -> Consent:
    """The request as it would be granted; unchanged when it was answered already."""
    if not less.chosen or consent.state != "awaiting":
        return consent
    return replace(consent, terms=less.of(consent.terms), asked=consent.terms)


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
        return to("/portal", notice=notice, request=error.facts.get("consent_id"))
    problem = PROBLEMS[reason]
    return pages.show(
        request,
        "problem.html",
        problem.status,
        session=None,
        reason=reason,
        problem=problem,
        again=_log_in_again(request) if reason in ("login_failed", "login_not_fresh") else None,
        trace_id=trace_id,
    )


def _log_in_again(request: Request) -> str:
    """The log-in, and from there back to what could not be done."""
    consent_id = request.path_params.get("consent_id")
    if consent_id:
        return f"/portal/login?request={consent_id}"
    about_factors = request.url.path.startswith(("/portal/devices", "/portal/confirm"))
    return f"/portal/login{'?page=devices' if about_factors else ''}"


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
