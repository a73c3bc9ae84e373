"""授权书审核: two operators compare, each for himself, what a platform handed in with what was asked for.

The files come from outside. They are handed out as what they were found to be (`consent.form_file`), never as a page:
a picture on the operator's page, a PDF only as a download, both without any right in a browser. Who looked at which is
kept, and nobody finds good what he has not looked at.
"""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import AwareDatetime, BeforeValidator

from consent import (
    BECAUSES,
    NOTE_CHARACTERS_MAX,
    REVIEWERS,
    Because,
    Consent,
    SignedForm,
    ends_of_term,
    file_of_form,
    find_form,
    find_form_good,
    forms_handed_in,
    forms_to_review,
    has_done,
    list_operators,
    note_deed,
    send_form_back,
    sentences_of,
)
from core.errors import Conflict, InvalidInput, Refused
from core.identifiers import parse_uscc
from datasets import ShelfAsk
from gateway.access import HubDep
from gateway.console.access import Duty, May, own_form
from gateway.console.pages import READ, show, to
from gateway.hub import Hub
from gateway.portal.endpoints import one_line
from gateway.portal.explain import levels_of, purpose_of, title_of, wording_of
from gateway.portal.signed_forms import file_response

ROWS = 50
CHECKS = ("enterprise", "signature", "recipient", "data", "term", "date")
"""What a reviewer compares, one by one."""
REGISTER = "registration"

Agrees = Literal["match", "mismatch", "unknown"]

router = APIRouter(prefix="/forms")

Sees = Annotated[Duty, Depends(May("see_forms"))]
Reviews = Annotated[Duty, Depends(May("review_forms"))]


@router.api_route("", methods=READ)
async def overview(
    request: Request,
    hub: HubDep,
    duty: Sees,
    before_at: AwareDatetime | None = None,
    before_id: UUID | None = None,
) -> HTMLResponse:
    """What waits for a reviewer, then everything that was handed in."""
    at = hub.clock()
    before = (before_at, before_id) if before_at is not None and before_id is not None else None
    async with hub.database.transaction() as tx:
        waiting = await forms_to_review(tx, at=at, limit=ROWS) if before is None else ()
        found = await forms_handed_in(tx, before=before, limit=ROWS + 1)
    return show(
        request,
        duty,
        "forms.html",
        waiting=waiting,
        handed_in=[(form, consent, form.state_with(consent, at)) for form, consent in found[:ROWS]],
        older=found[ROWS - 1][0] if len(found) > ROWS else None,
        continued=before is not None,
        reviewers=REVIEWERS,
        purpose_of=lambda purpose: purpose_of(hub.catalogue, purpose),
    )


@router.api_route("/{form_id}", methods=READ)
async def one_form(
    request: Request, form_id: UUID, hub: HubDep, duty: Sees, done: Literal["", "good", "back"] = ""
) -> HTMLResponse:
    """The file beside what was asked for and what the platform read in it."""
    at, own = hub.clock(), duty.operator.operator_id
    async with hub.database.transaction() as tx:
        form, consent = await find_form(tx, form_id)
        names = {operator.operator_id: operator.name for operator in await list_operators(tx)}
        looked = await has_done(tx, own, "look_at_form", str(form_id))
    return show(
        request,
        duty,
        "form.html",
        form=form,
        consent=consent,
        state=form.state_with(consent, at),
        sentences=sentences_of(consent, wording_of(hub.catalogue)),
        purpose=purpose_of(hub.catalogue, consent.terms.purpose),
        titles=[title_of(hub.catalogue, dataset) for dataset in consent.terms.datasets],
        register=await register_says(hub, form, consent),
        until=ends_of_term(form.said, consent.terms.term_days),
        names=names,
        mine=form.reviewed_by(own),
        looked=looked,
        done=done,
        checks=CHECKS,
        becauses=BECAUSES,
        note_max=NOTE_CHARACTERS_MAX,
        reviewers=REVIEWERS,
        size=said_size(form.octets),
    )


def said_size(octets: int) -> str:
    return f"{octets / 1024**2:.1f} MB" if octets >= 1024**2 else f"{max(1, octets // 1024)} KB"


async def register_says(hub: Hub, form: SignedForm, consent: Consent) -> dict[str, Agrees]:
    """Whether the names on the form are those of the register; what the register holds is not shown."""
    [shelved] = await hub.spine.shelf.ask(ShelfAsk(parse_uscc(consent.terms.uscc), ((REGISTER, 1),)))
    records = orjson.loads(shelved.bodies)
    record = records[0] if records else {}
    said = {"name": form.said.enterprise_name, "signatory_name": form.said.signatory_name}
    return {field: _agrees(words, record.get(field)) for field, words in said.items()}


def _agrees(said: str, registered: str | None) -> Agrees:
    if not registered:
        return "unknown"
    return "match" if _plain(said) == _plain(registered) else "mismatch"


def _plain(name: str) -> str:
    """As people compare names: brackets and letters of either width, capital or not, with or without blanks."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


@router.get("/{form_id}/picture")
async def picture(form_id: UUID, hub: HubDep, duty: Sees) -> Response:
    """A picture, for the page."""
    return await _hand_out(hub, duty, form_id, inline=True)


@router.get("/{form_id}/file")
async def file(form_id: UUID, hub: HubDep, duty: Sees) -> Response:
    """The file as it was handed in, to be kept as evidence or opened outside the browser."""
    return await _hand_out(hub, duty, form_id, inline=False)


async def _hand_out(hub: Hub, duty: Duty, form_id: UUID, *, inline: bool) -> Response:
    """That it was looked at is recorded before it leaves."""
    async with hub.database.transaction() as tx:
        form, _ = await find_form(tx, form_id)
        content = await file_of_form(tx, form_id)
        await note_deed(tx, duty.operator.operator_id, "look_at_form", str(form_id), at=hub.clock())
    inline = inline and form.media_type.startswith("image/")
    return file_response(form, content, inline=inline)


@contextmanager
def _pressed_twice_is_once() -> Iterator[None]:
    """A second press of the same button finds its work done."""
    try:
        yield
    except Conflict as conflict:
        if not conflict.facts.get("twice"):
            raise


@router.post("/{form_id}/good", dependencies=[Depends(own_form)])
async def good(
    form_id: UUID,
    hub: HubDep,
    duty: Reviews,
    checked: Annotated[list[str], Form(max_length=20)] = [],  # noqa: B006 - FastAPI makes a new one each time
) -> Response:
    """One reviewer finds that all of it agrees; with the second one the consent begins."""
    if set(checked) != set(CHECKS):
        raise InvalidInput(
            "request_invalid", "not everything was compared", errors={"checked": "all of them"}
        )
    who, at = duty.operator.operator_id, hub.clock()
    with _pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            if not await has_done(tx, who, "look_at_form", str(form_id)):
                raise Refused("signed_form_unseen")
            _, consent = await find_form(tx, form_id)
            await find_form_good(
                tx,
                form_id,
                who,
                wording=wording_of(hub.catalogue),
                levels=levels_of(hub.catalogue, consent.participant_class, consent.terms),
                key=hub.keys["artefacts"],
                second_key=hub.sm2_key,
                at=at,
            )
            await note_deed(tx, who, "find_form_good", str(form_id), at=at)
    return to(f"/console/forms/{form_id}", done="good")


@router.post("/{form_id}/back", dependencies=[Depends(own_form)])
async def back(
    form_id: UUID,
    hub: HubDep,
    duty: Reviews,
    because: Annotated[Because, Form()],
    note: Annotated[str, Form(max_length=NOTE_CHARACTERS_MAX), BeforeValidator(one_line)] = "",
) -> Response:
    """One reviewer finds that it will not do: the platform is told why."""
    who, at = duty.operator.operator_id, hub.clock()
    with _pressed_twice_is_once():
        async with hub.database.transaction() as tx:
            await send_form_back(tx, form_id, who, because=because, note=note, at=at)
            await note_deed(tx, who, "send_form_back", str(form_id), at=at)
    return to(f"/console/forms/{form_id}", done="back")
