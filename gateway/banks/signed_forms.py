"""授权书: how a city platform hands in the form that an enterprise signed there, and hears what was found of it.

The file is read only once the caller is proven, of as few as a process can look into at a time, and no further
than its limit (`gateway.main.BodyLimit`). What it claims to be, and its name, are ignored.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile

from consent import (
    FORM_OCTETS_MAX,
    Because,
    Consent,
    FormFile,
    FormState,
    Said,
    SignedForm,
    examine_form,
    find_involved,
    forms_of,
    hand_in,
)
from core.errors import InvalidInput, Refused
from gateway.access import BankCaller, HubDep
from gateway.banks.endpoints import CONSENT, PROBLEMS
from gateway.hub import Hub
from gateway.portal.explain import levels_of

PLATFORM = "platform"
READING_SECONDS_MAX = 60
NAME_OCTETS_MAX = 1024

router = APIRouter(prefix="/v1/consent-requests/{consent_id}/signed-forms", responses=PROBLEMS)


class SaidIn(BaseModel):
    """What stands on the form."""

    model_config = ConfigDict(extra="forbid")

    signed_on: date = Field(
        description="the day of the signature, at most 90 days ago; the term counts from it"
    )
    enterprise_name: str = Field(description="as it stands on the form and its seal")
    signatory_name: str = Field(description="the legal representative who signed")

    def said(self) -> Said:
        return Said(**self.model_dump())


class SignedFormIn(SaidIn):
    """Shown for the guide; `hand_in_form` reads it from the stream."""

    file: bytes = Field(
        description=f"PDF, JPEG or PNG, at most {FORM_OCTETS_MAX // 1024**2} MB; no scripts, no attachments",
        json_schema_extra={"format": "binary"},
    )


class SignedFormOut(BaseModel):
    form_id: UUID
    consent_id: UUID
    state: FormState = Field(description="in_review, accepted, sent_back, or overtaken by another answer")
    media_type: str
    octets: int
    pages: int
    sha256: str = Field(description="of the file, hexadecimal; compare it with yours")
    signed_on: date
    enterprise_name: str
    signatory_name: str
    handed_in_at: datetime
    because: Because | None = Field(description="why it was sent back")
    note: str = Field(description="the reviewer's words to it")

    @classmethod
    def of(cls, form: SignedForm, consent: Consent, at: datetime) -> "SignedFormOut":
        no = form.no
        return cls(
            form_id=form.form_id,
            consent_id=form.consent_id,
            state=form.state_with(consent, at),
            media_type=form.media_type,
            octets=form.octets,
            pages=form.pages,
            sha256=form.digest.hex(),
            **form.said._asdict(),
            handed_in_at=form.handed_in_at,
            because=no.because if no else None,
            note=no.note if no else "",
        )


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": {"schema": SignedFormIn.model_json_schema()}},
    }
}


@router.post("", status_code=201, tags=[CONSENT], summary="平台提交企业签署的授权书", openapi_extra=_BODY)
async def hand_in_form(consent_id: UUID, request: Request, caller: BankCaller, hub: HubDep) -> SignedFormOut:
    """City platforms: hand in the form that the enterprise signed for a request of yours, or of a bank that named you.

    Two operators of the hub compare it with the request; then the consent begins. The same file with the same words
    finds the form that you handed in before. The enterprise sees it at once, and may answer the request itself.
    """
    if caller.participant_class != PLATFORM:
        raise Refused("signed_form_platforms_only")
    async with hub.database.transaction() as tx:
        await find_involved(tx, caller.participant_id, consent_id)
    file, said = await _read(request, hub)
    at = hub.clock()
    async with hub.database.transaction() as tx:
        consent = await find_involved(tx, caller.participant_id, consent_id)
        levels = levels_of(hub.catalogue, consent.participant_class, consent.terms)
        form = await hand_in(tx, caller.participant_id, consent_id, file, said, levels=levels, at=at)
        consent = await find_involved(tx, caller.participant_id, consent_id)
    return SignedFormOut.of(form, consent, at)


async def _read(request: Request, hub: Hub) -> tuple[FormFile, Said]:
    async with hub.form_turns:
        try:
            async with asyncio.timeout(READING_SECONDS_MAX):
                async with request.form(max_files=1, max_fields=3, max_part_size=NAME_OCTETS_MAX) as sent:
                    fields = {name: value for name, value in sent.multi_items() if isinstance(value, str)}
                    file = sent.get("file")
                    content = await file.read() if isinstance(file, UploadFile) else None
        except TimeoutError as error:
            raise InvalidInput("request_invalid", errors={"file": "sent too slowly"}) from error
        said = _said(fields)
        if content is None:
            raise InvalidInput("request_invalid", errors={"file": "a file, as multipart/form-data"})
        return await examine_form(content), said


def _said(fields: dict[str, str]) -> Said:
    try:
        return SaidIn.model_validate(fields).said()
    except ValidationError as error:
        faults = {".".join(map(str, fault["loc"])): fault["msg"] for fault in error.errors()}
        raise InvalidInput("request_invalid", errors=faults) from error


@router.get("", tags=[CONSENT], summary="授权书的审核结果")
async def forms(consent_id: UUID, caller: BankCaller, hub: HubDep) -> list[SignedFormOut]:
    """The forms that were handed in for a request, the newest first: for who asked, and for the platform named there."""
    at = hub.clock()
    async with hub.database.transaction() as tx:
        consent = await find_involved(tx, caller.participant_id, consent_id)
        found: Sequence[SignedForm] = await forms_of(tx, consent_id)
    return [SignedFormOut.of(form, consent, at) for form in found]
