"""Rendering of pages: Jinja2 with autoescape, in Chinese first and English on demand.

The portal's look is that of the catalogue and the console as well: their templates extend its ``base.html``.
"""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from datasets import VIEW_TITLES, mask_person_name
from gateway.portal.words import LANGUAGES, WORDS, Language, Phrase, Speech, clock_time, percent, short, yuan

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent.parent / "static"

READ = ["GET", "HEAD"]
SEE_OTHER = 303

LANGUAGE_COOKIE = "hub_language"
LANGUAGE_SECONDS = 365 * 24 * 3600

# No script, style or picture from anywhere else, nothing inline, no framing; forms go to ourselves only.
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Pages:
    """Make it once; ``show`` for every page. ``templates``, ``words``: of its own, on top of the portal's."""

    def __init__(self, templates: Path = TEMPLATES, words: Mapping[str, Phrase] = WORDS) -> None:
        self._folders = [templates, TEMPLATES]
        self._words = words

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(self._folders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(
            clock_time=clock_time, yuan=yuan, mask_name=mask_person_name, percent=percent, short=short
        )
        environment.globals["view_titles"] = VIEW_TITLES
        environment.globals["look"] = {
            file.name: _stamped(file) for file in STATIC.iterdir() if file.is_file()
        }
        return environment

    def speech(self, request: Request) -> Speech:
        return Speech(language_of(request), self._words)

    def piece(self, template: str, t: Speech, **content: Any) -> Markup:
        """A part of a page, to be kept and put into pages."""
        return Markup(self._templates.get_template(template).render(t=t, **content))  # noqa: S704 - escaped by Jinja

    def show(self, request: Request, template: str, status: int = 200, **content: Any) -> HTMLResponse:
        """The page in the language that the reader chose; ``content`` has the ``session`` if there is one."""
        language = language_of(request)
        html = self._templates.get_template(template).render(
            t=self.speech(request),
            path=request.url.path,
            other_language=_same_page_in(request, other(language)),
            **{"session": None, **content},
        )
        response = HTMLResponse(html, status, headers=SECURITY_HEADERS)
        if request.query_params.get("lang") in LANGUAGES:
            _remember(request, response, language)
        return response


def to(path: str, **query: object) -> RedirectResponse:
    """On to another of our pages, which is read anew (303)."""
    given = {name: value for name, value in query.items() if value is not None}
    return RedirectResponse(
        f"{path}?{urlencode(given)}" if given else path, SEE_OTHER, headers=SECURITY_HEADERS
    )


def leading_to(page: HTMLResponse, origin: str) -> None:
    """Let a form of the page lead to that origin in the end: a browser may look at the whole way of redirects."""
    policy = SECURITY_HEADERS["content-security-policy"]
    page.headers["content-security-policy"] = policy.replace(
        "form-action 'self'", f"form-action 'self' {origin}"
    )


def language_of(request: Request) -> Language:
    """Asked for in the address, else chosen before, else the browser's wish, else Chinese."""
    for wish in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        for language in LANGUAGES:
            if wish == language:
                return language
    return _wish_of_browser(request.headers.get("accept-language", ""))


def other(language: Language) -> Language:
    return "en" if language == "zh" else "zh"


def _wish_of_browser(accepted: str) -> Language:
    """RFC 9110 §12.5.4, as far as two languages need it."""
    wishes: list[tuple[float, Language]] = []
    for item in accepted.lower().split(",")[:20]:
        tag, _, quality = item.partition(";")
        try:
            weight = float(quality.partition("=")[2] or 1)
        except ValueError:
            continue
        wishes += [(weight, language) for language in LANGUAGES if tag.strip().split("-")[0] == language]
    return max(wishes, key=lambda wish: wish[0])[1] if wishes else "zh"


def _same_page_in(request: Request, language: Language) -> str:
    """A page that answers a form cannot be opened again by a link: from there, to the start."""
    if request.method not in ("GET", "HEAD"):
        return f"{_door(request)}?lang={language}"
    address = request.url.include_query_params(lang=language)
    return f"{address.path}?{address.query}"


def _remember(request: Request, response: HTMLResponse, language: Language) -> None:
    response.set_cookie(
        LANGUAGE_COOKIE,
        language,
        max_age=LANGUAGE_SECONDS,
        path=_door(request),
        secure=request.app.state.hub.settings.cookies_secure,
        httponly=True,
        samesite="lax",
    )


def _door(request: Request) -> str:
    """Where the pages begin of which this is one: /portal, /catalogue, /console."""
    return f"/{request.url.path.split('/')[1]}"


def _stamped(file: Path) -> str:
    """The address of a static file, with its digest, so that no browser goes on with an old one."""
    return f"/static/{file.name}?{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
