"""What the sandbox's web sites share: templates, a local stylesheet, strict headers, serving."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

_HERE = Path(__file__).parent

_STATES: Final = {
    "awaiting": "等待企业答复",
    "active": "有效",
    "rejected": "企业未同意",
    "revoked": "企业已撤回",
    "expired": "已到期",
    "used_up": "次数已用完",
}


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d} 元"


def _day_and_time(at: float) -> str:
    return datetime.fromtimestamp(at, ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%d %H:%M:%S")


templates = Jinja2Templates(directory=_HERE / "templates")
templates.env.filters.update(
    state=lambda state: _STATES.get(state, state),
    yuan=_yuan,
    day_and_time=_day_and_time,
)


def new_site(title: str) -> FastAPI:
    """A FastAPI application whose pages load nothing from elsewhere, every answer with strict headers."""
    site = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)
    site.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    site.middleware("http")(_strict_headers)
    return site


async def _strict_headers(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await proceed(request)
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"  # "no-referrer" would hide our own forms' Origin
    if not request.url.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-store"
    return response


def refuse_other_sites(request: Request) -> None:
    """A form on somebody else's page must not change anything here."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise HTTPException(403, "表单来自其他网站")


def dead_end(request: Request, message: str) -> Response:
    return templates.TemplateResponse(request, "dead_end.html", {"message": message}, status_code=400)


def serve(site: FastAPI, host: str, port: int) -> None:
    """Serve until a signal comes."""
    uvicorn.run(
        site, host=host, port=port, server_header=False, ws="none", log_level="warning", access_log=False
    )
