"""The browser's way: from the bank to the enterprise's consent page, and back with a code or a no.

The bank pushed its request (par.py); here it becomes a consent request in the enterprise's portal, like any other. The
browser that came this way carries a secret for this one consent, and only it is led back to the bank: who answers the
same request elsewhere stays in the portal.
"""

import hashlib
import secrets
from typing import Annotated
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import msgspec
from fastapi import APIRouter, Cookie, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from consent import Consent, file_request
from core.errors import InvalidInput
from gateway.access import HubDep
from gateway.hub import Hub
from gateway.oauth.codes import CODE_SECONDS, LIVING, Code
from gateway.oauth.memory import Memory
from gateway.oauth.par import PushedRequest

BROWSER_COOKIE = "hub_authorization"
AUTHORIZATION_SECONDS = 60 * 60
"""from the bank's page to the answer; later, the answer stays in the portal"""
SEE_OTHER = 303  # FAPI 2.0 §5.3.2.2: never 307, which would send a form on

router = APIRouter(tags=["令牌 OAuth"])


class BegunAuthorization(msgspec.Struct):
    """A browser on its way through the portal."""

    request: PushedRequest
    consent_id: UUID


class AnsweredAuthorization(msgspec.Struct):
    """Which browser took the answer of a consent to the bank: one only."""

    browser: str
    """digest of its secret"""


@router.get("/oauth/authorize", summary="企业授权页 RFC 6749", status_code=SEE_OTHER, response_model=None)
async def authorize(
    request: Request,
    hub: HubDep,
    client_id: Annotated[str, Query(max_length=63)] = "",
    request_uri: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Where the enterprise's browser is sent with the `request_uri`; on to its consent page.

    What is wrong here is told on a page, never by redirecting: no address in this request is trusted.
    """
    repeated = len(request.query_params.multi_items()) != len(request.query_params)
    memory = Memory(hub.redis)
    pushed = None if repeated else await memory.find(PushedRequest, request_uri)
    if pushed is None or pushed.client_id != client_id:
        raise InvalidInput("authorization_request_invalid")
    async with hub.database.transaction() as tx:
        consent = await file_request(
            tx,
            pushed.participant_id,
            pushed.terms,
            at=hub.clock(),
            request_key=f"authorization:{_digest(request_uri)}",
            supersedes=pushed.supersedes,
        )
    if await memory.find(AnsweredAuthorization, str(consent.consent_id)) is not None:
        raise InvalidInput("authorization_request_invalid")  # used: the answer went to the bank
    browser = secrets.token_urlsafe(32)
    await memory.keep(browser, BegunAuthorization(pushed, consent.consent_id), AUTHORIZATION_SECONDS)
    page = f"/portal/requests/{consent.consent_id}"
    response = RedirectResponse(
        page, SEE_OTHER, headers={"cache-control": "no-store", "referrer-policy": "no-referrer"}
    )
    response.set_cookie(
        BROWSER_COOKIE,
        browser,
        max_age=AUTHORIZATION_SECONDS,
        path=page,
        secure=hub.settings.cookies_secure,
        httponly=True,
        samesite="lax",
    )
    return response


class WayBack:
    """From the portal to the bank, for the browser that came from there."""

    def __init__(self, hub: Hub, browser: str, begun: BegunAuthorization) -> None:
        self._hub, self._browser = hub, browser
        self._request, self._consent_id = begun.request, begun.consent_id

    @property
    def origin(self) -> str:
        """Of the bank's address, as a content security policy names it."""
        parts = urlsplit(self._request.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}"

    async def is_open(self) -> bool:
        """Whether the answer is still to be taken to the bank."""
        return await Memory(self._hub.redis).find(AnsweredAuthorization, str(self._consent_id)) is None

    async def address(self, consent: Consent) -> str | None:
        """Where to send the browser with the answer: a code or `access_denied`.

        None while there is no answer, and after it was taken to the bank; a second press of the button within the
        minute of the code leads to the same address.
        """
        state = consent.state_at(self._hub.clock())
        if state in ("awaiting", "partially_approved"):
            return None
        memory = Memory(self._hub.redis)
        answered = AnsweredAuthorization(_digest(self._browser))
        first = await memory.keep(str(consent.consent_id), answered, AUTHORIZATION_SECONDS)
        if not first and await memory.find(AnsweredAuthorization, str(consent.consent_id)) != answered:
            return None
        if state not in LIVING:
            return self._with(
                error="access_denied", error_description=f"the enterprise did not agree: {state}"
            )
        code = await self._code(consent, fresh=first)
        return self._with(code=code) if code else None

    async def _code(self, consent: Consent, *, fresh: bool) -> str | None:
        # Made out of the browser's secret, so that it can be said again without having been kept.
        code = hashlib.sha256(f"code of {self._browser} for {consent.consent_id}".encode()).hexdigest()
        memory, request = Memory(self._hub.redis), self._request
        if not fresh:
            kept = await memory.find(Code, code)
            return code if kept is not None and not kept.used else None
        value = Code(
            client_id=request.client_id,
            participant_id=request.participant_id,
            consent_id=consent.consent_id,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            dpop_jkt=request.dpop_jkt,
        )
        await memory.keep(code, value, CODE_SECONDS)
        return code

    def _with(self, **answer: str) -> str:
        """The registered address with the answer, the state as it came, and who answers (RFC 9207)."""
        if self._request.state is not None:
            answer["state"] = self._request.state
        answer["iss"] = self._hub.settings.public_url
        joint = "&" if urlsplit(self._request.redirect_uri).query else "?"
        return f"{self._request.redirect_uri}{joint}{urlencode(answer)}"


async def way_back(
    consent_id: UUID, hub: HubDep, browser: Annotated[str | None, Cookie(alias=BROWSER_COOKIE)] = None
) -> WayBack | None:
    """The way back of this browser with this consent; None if it did not come from a bank."""
    begun = await Memory(hub.redis).find(BegunAuthorization, browser) if browser else None
    if browser is None or begun is None or begun.consent_id != consent_id:
        return None
    return WayBack(hub, browser, begun)


WayBackDep = Annotated[WayBack | None, Depends(way_back)]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
