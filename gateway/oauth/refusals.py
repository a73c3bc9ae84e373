"""Errors of the OAuth endpoints, in the form of RFC 6749 §5.2: ``{"error", "error_description"}``."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from uuid import uuid4

import structlog
from authlib.oauth2.rfc6749.errors import OAuth2Error
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from core.errors import HubError, InvalidInput, NotAuthenticated, TooManyRequests, Unavailable

NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}  # RFC 6749 §5.1

log = structlog.stdlib.get_logger()


class OAuthRefusal(Exception):
    """An endpoint says no. ``error`` is a registered OAuth error code, the description is for developers."""

    def __init__(
        self, error: str, description: str, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status
        self.headers = dict(headers or {})


class OAuthRoute(APIRoute):
    """A route whose expected failures leave as RFC 6749 says, and not as problem documents."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except OAuthRefusal as refusal:
                return refused(refusal, request)
            except OAuth2Error as error:
                return refused(of_authlib(error), request)
            except HubError as error:
                return refused(_told(error), request)

        return answer


def of_authlib(error: OAuth2Error) -> OAuthRefusal:
    """Its error in our form. A client that is not proven is 401 (RFC 6749 §5.2)."""
    status = 401 if error.error == "invalid_client" else 400
    return OAuthRefusal(error.error, error.description or error.error, status)


def refused(refusal: OAuthRefusal, request: Request) -> JSONResponse:
    """The trace id is in the header, as everywhere."""
    trace_id = uuid4().hex
    log.info("oauth_refused", request_id=trace_id, reason=refusal.error, status=refusal.status)
    body: dict[str, Any] = {"error": refusal.error, "error_description": _ascii(refusal.description)}
    headers = {**NO_STORE, **refusal.headers, "x-request-id": trace_id}
    scheme = request.headers.get("authorization", "").partition(" ")[0]
    if refusal.status == 401 and scheme.isascii() and scheme.isalpha():
        headers["www-authenticate"] = f'{scheme} realm="oauth"'  # of the scheme that was tried: RFC 6749 §5.2
    return JSONResponse(body, refusal.status, headers=headers)


def _told(error: HubError) -> OAuthRefusal:
    match error:
        case NotAuthenticated(reason="nonce_required"):
            return OAuthRefusal("use_dpop_nonce", "put the nonce of the DPoP-Nonce header into the proof")
        case NotAuthenticated(reason="proof_replayed"):
            return OAuthRefusal(
                "invalid_dpop_proof", "the DPoP proof was used before; sign a new one with a new jti"
            )
        case NotAuthenticated():
            return OAuthRefusal("invalid_dpop_proof", str(error))
        case InvalidInput():
            return OAuthRefusal("invalid_request", str(error))
        case TooManyRequests():
            wait = {"retry-after": str(max(1, round(error.retry_after_seconds)))}
            return OAuthRefusal("temporarily_unavailable", "too many requests; wait a little", 429, wait)
        case Unavailable():
            return OAuthRefusal(
                "temporarily_unavailable",
                "replay protection or the database is away; try again soon",
                503,
            )
    raise error


def _ascii(description: str) -> str:
    """RFC 6749 §5.2 allows only printable ASCII without quotes and backslashes."""
    return "".join(c if 0x20 <= ord(c) < 0x7F and c not in '"\\' else "'" for c in description)
