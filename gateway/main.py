"""The ASGI application: the question door in front, FastAPI behind it."""

import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consent import FORM_OCTETS_MAX
from core.errors import HubError, InvalidInput, NotFound
from core.settings import Settings
from gateway import health
from gateway.banks import availability, signed_forms
from gateway.banks import endpoints as banks
from gateway.branch import endpoints as branch
from gateway.catalogue import endpoints as catalogue
from gateway.console import endpoints as console
from gateway.decisions import endpoints as decisions
from gateway.hub import Hub, open_hub
from gateway.notices import endpoints as notices
from gateway.oauth import authorize, backchannel, grants, introspection, par, revocation
from gateway.oauth import endpoints as oauth
from gateway.portal import agents, devices, early_looks, identity, logins, news, statement, step_up
from gateway.portal import endpoints as portal
from gateway.portal import signed_forms as enterprise_forms
from gateway.problems import PROBLEMS, problem_document, problem_page, public_reason
from gateway.queries.door import QuestionDoor

STATIC = Path(__file__).parent / "static"
PAGES: dict[str, Callable[[Request, HubError, str, str], Response]] = {
    "/portal": portal.failure,
    "/oauth/authorize": portal.failure,
    "/qr": portal.failure,
    "/catalogue": catalogue.failure,
    "/console": console.failure,
}
"""where a person looks: what does not work is told on a page"""
BODY_OCTETS_MAX = 64 * 1024
"""of a request or form; questions have a limit of their own"""
SIGNED_FORMS = re.compile(r"/v1/consent-requests/[^/]+/signed-forms")
"""where a file may come on top of that"""

log = structlog.stdlib.get_logger()


def build_app(settings: Settings) -> QuestionDoor:
    """The whole program as one ASGI application; it connects when the server starts it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_hub(settings) as hub:
            app.state.hub = hub
            door.spine = hub.spine
            door.certificate_header_from = settings.certificate_header_from
            yield
            door.spine = None

    app = FastAPI(
        title="信易枢纽 Xinyi Hub",
        description="全国融资信用服务平台江苏省级节点：经企业授权、按次计量、逐次留痕的信用数据接口。",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(BodyLimit)
    app.add_middleware(OfferNonce)
    if settings.cookies_secure:
        app.add_middleware(StayOnTls)
    door = QuestionDoor(app)
    for part in (
        oauth,
        par,
        authorize,
        grants,
        backchannel,
        introspection,
        revocation,
        branch,
        banks,
        availability,
        signed_forms,
        notices,
        decisions,
        logins,
        identity,
        portal,
        agents,
        step_up,
        devices,
        early_looks,
        news,
        statement,
        enterprise_forms,
        catalogue,
        console,
        health,
    ):
        app.include_router(part.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    _add_pages(app)
    _add_problems(app)
    return door


class BodyLimit:
    """Stops reading a body that is too large: FastAPI reads all of it before it asks who sends it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = BODY_OCTETS_MAX
        if SIGNED_FORMS.fullmatch(scope["path"]):
            limit += FORM_OCTETS_MAX
        left = limit
        announced = int(dict(scope["headers"]).get(b"content-length", b"0"))

        async def receive_within_limit() -> Message:
            nonlocal left
            if announced > limit:
                raise HTTPException(413)
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413)
            return message

        await self.app(scope, receive_within_limit, send)


class StayOnTls:
    """Tells browsers to come over TLS only, for a year (RFC 6797; FAPI 2.0 §5.2.3). TLS itself ends in front of us."""

    HEADER = (b"strict-transport-security", b"max-age=31536000")

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], self.HEADER]
            await send(message)

        await self.app(scope, receive, send_with_header)


class OfferNonce:
    """Hands whoever sends a DPoP proof the nonce for the next one, with every answer; the question door does likewise."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub: Hub | None = getattr(scope["app"].state, "hub", None) if scope["type"] == "http" else None
        nonce = hub.doorkeeper.nonce_for(scope["headers"]) if hub else []

        async def send_with_nonce(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *nonce]
            await send(message)

        await self.app(scope, receive, send_with_nonce if nonce else send)


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return RedirectResponse("/portal")

    @app.get("/problems", include_in_schema=False)
    async def problems() -> HTMLResponse:
        return HTMLResponse(problem_page())

    @app.get("/problems/{name}", include_in_schema=False)
    async def problem(name: str) -> Response:
        if name.replace("-", "_") not in PROBLEMS:
            raise NotFound("not_found")
        return RedirectResponse(f"/problems#{name}")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        """Swagger UI from our own files: the real network has no other."""
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="信易枢纽 接口文档",
            swagger_js_url="/static/vendor/swagger-ui-bundle.js",
            swagger_css_url="/static/vendor/swagger-ui.css",
            swagger_favicon_url="/static/favicon.svg",
        )


def _add_problems(app: FastAPI) -> None:
    """Every failure leaves as a problem document, or as a page where a person looks."""

    def answer(request: Request, error: HubError) -> Response:
        trace_id = uuid.uuid4().hex
        status, body, headers = problem_document(error, trace_id)
        level = log.error if status >= 500 else log.info
        level("request_not_answered", request_id=trace_id, reason=error.reason, status=status)
        for door, failure in PAGES.items():
            if request.url.path.startswith(door):
                return failure(request, error, public_reason(error), trace_id)
        own = {name.decode(): value.decode() for name, value in headers}
        return Response(body, status, headers={**own, "x-request-id": trace_id})

    @app.exception_handler(HubError)
    async def expected(request: Request, error: HubError) -> Response:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        faults = {
            ".".join(str(part) for part in fault["loc"][1:]) or "body": fault["msg"]
            for fault in error.errors()
        }
        reason = (
            "malformed_json"
            if any(f["type"] == "json_invalid" for f in error.errors())
            else "request_invalid"
        )
        return answer(request, InvalidInput(reason, errors=faults))

    @app.exception_handler(HTTPException)
    async def routed_nowhere(request: Request, error: HTTPException) -> Response:
        reason = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status_code)
        return answer(request, NotFound(reason) if reason else InvalidInput("request_invalid"))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("request_failed", exc_info=error)
        return answer(request, HubError("internal"))
