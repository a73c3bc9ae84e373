"""授权书 in the enterprise's pages: what a platform handed in under its name, to look at and to keep."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from consent import SignedForm, file_of_form, find_for_enterprise, forms_of
from core.errors import NotFound
from gateway.access import HubDep
from gateway.portal.access import Enterprise
from gateway.portal.pages import READ, SECURITY_HEADERS

ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}
FILE_HEADERS = {
    **SECURITY_HEADERS,
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
}
"""Whatever a browser makes of a file from outside, it can load, run, send and frame nothing."""

router = APIRouter(prefix="/portal", include_in_schema=False)


@router.api_route("/requests/{consent_id}/signed-form", methods=READ)
async def signed_form(consent_id: UUID, session: Enterprise, hub: HubDep) -> Response:
    """The form that was handed in last for a request to this enterprise."""
    async with hub.database.transaction() as tx:
        await find_for_enterprise(tx, session.signatory.uscc, consent_id)
        forms = await forms_of(tx, consent_id)
        if not forms:
            raise NotFound("signed_form_unknown", "none was handed in")
        content = await file_of_form(tx, forms[0].form_id)
    return file_response(forms[0], content)


def file_response(form: SignedForm, content: bytes, *, inline: bool = False) -> Response:
    """A file from outside as what it was found to be; to be saved, unless ``inline``."""
    name = f"form-{form.form_id}.{ENDINGS[form.media_type]}"
    disposition = "inline" if inline else f'attachment; filename="{name}"'
    headers = {**FILE_HEADERS, "content-disposition": disposition}
    return Response(content, media_type=form.media_type, headers=headers)
