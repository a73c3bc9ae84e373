"""A browser small enough to read: cookies, redirects, forms. It plays the enterprise's person.

No scripts: whatever it can do works without JavaScript, which is part of what the story proves.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

_VOID: Final = frozenset({"script", "style", "template"})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 10

Attributes = dict[str, str]


class PageError(Exception):
    """The page is not what a person would need to go on: a wrong status, a missing form or button."""


@dataclass
class Form:
    """A form: where it goes, what it would send as it stands, and its buttons."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[Attributes] = field(default_factory=list)

    def has(self, name: str) -> bool:
        return any(one == name for one, _ in self.fields)


class _Reader(HTMLParser):
    """Collects forms, links and visible text of one page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self._form: Form | None = None
        self._hidden_in: str | None = None
        self._select: str | None = None
        self._option_taken = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in _VOID:
            self._hidden_in = tag
        elif tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag == "form":
            self._form = Form(attributes.get("action", ""), attributes.get("method", "get").lower())
            self.forms.append(self._form)
        elif self._form is not None and "disabled" not in attributes:
            self._control(self._form, tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden_in:
            self._hidden_in = None
        elif tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._hidden_in is None and data.strip():
            self.text.append(data.strip())

    def _control(self, form: Form, tag: str, attributes: Attributes) -> None:
        name = attributes.get("name", "")
        kind = attributes.get("type", "submit" if tag == "button" else "text").lower()
        if tag == "select":
            self._select, self._option_taken = name, False
        elif tag == "option" and self._select:
            self._option(form, attributes)
        elif kind in ("submit", "image") and tag in ("button", "input"):
            form.buttons.append(attributes)
        elif tag == "textarea" and name:
            form.fields.append((name, ""))
        elif tag == "input" and name and kind in ("checkbox", "radio"):
            if "checked" in attributes or "required" in attributes:  # a person ticks what must be ticked
                form.fields.append((name, attributes.get("value", "on")))
        elif tag == "input" and name and kind not in ("button", "reset", "file"):
            form.fields.append((name, attributes.get("value", "")))

    def _option(self, form: Form, attributes: Attributes) -> None:
        chosen = (self._select or "", attributes.get("value", ""))
        if not self._option_taken:
            form.fields.append(chosen)
            self._option_taken = True
        elif "selected" in attributes:
            form.fields[-1] = chosen


@dataclass(frozen=True)
class Page:
    """What the browser shows now."""

    url: str
    status: int
    html: str
    forms: list[Form]
    links: list[str]
    text: str

    def form_to(self, ending: str) -> Form:
        """The form whose address ends so. PageError if there is none."""
        for form in self.forms:
            if urlsplit(form.action).path.endswith(ending):
                return form
        raise PageError(f"页面 {self.path} 上没有提交到 …{ending} 的表单")

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


class Browser:
    """One person's browser: keeps cookies, follows redirects as browsers do, sends Origin with its forms."""

    def __init__(self) -> None:
        self._http = httpx.Client(timeout=10.0, trust_env=False)

    def open(self, url: str) -> Page:
        """Go to an address. PageError unless a good page (2xx) comes in the end."""
        return self._follow("GET", url, None, {})

    def submit(self, page: Page, form: Form, pressed: Attributes | None = None, **filled: str) -> Page:
        """Fill in `filled`, press a button and follow where it leads."""
        fields = [(name, value) for name, value in form.fields if name not in filled]
        fields += filled.items()
        if pressed and "name" in pressed:
            fields.append((pressed["name"], pressed.get("value", "")))
        target = urljoin(page.url, (pressed or {}).get("formaction") or form.action or page.url)
        if form.method != "post":
            return self._follow("GET", str(httpx.URL(target, params=fields)), None, {})
        here = urlsplit(page.url)
        return self._follow("POST", target, fields, {"Origin": f"{here.scheme}://{here.netloc}"})

    def close(self) -> None:
        self._http.close()

    def _follow(
        self, method: str, url: str, fields: list[tuple[str, str]] | None, headers: dict[str, str]
    ) -> Page:
        for _ in range(_MOST_REDIRECTS):
            response = self._request(method, url, fields, headers)
            if response.status_code not in _REDIRECTS:
                return _good_page(response)
            url = urljoin(url, response.headers.get("Location", ""))
            if response.status_code not in (307, 308):
                method, fields, headers = "GET", None, {}
        raise PageError(f"重定向太多：{urlsplit(url).path}")

    def _request(
        self, method: str, url: str, fields: list[tuple[str, str]] | None, headers: dict[str, str]
    ) -> httpx.Response:
        data: dict[str, list[str]] = {}
        for name, value in fields or []:
            data.setdefault(name, []).append(value)
        return self._http.request(
            method,
            url,
            data=data if fields is not None else None,
            headers={
                "Accept": "text/html,application/xhtml+xml",
                "Accept-Language": "zh-CN,zh;q=0.9",
                **headers,
            },
        )


def read_page(url: str, html: str, status: int = 200) -> Page:
    """Read the forms, links and text of a page."""
    reader = _Reader()
    reader.feed(html)
    return Page(url, status, html, reader.forms, reader.links, " ".join(reader.text))


def _good_page(response: httpx.Response) -> Page:
    page = read_page(str(response.url), response.text, response.status_code)
    if not response.is_success:
        raise PageError(f"{page.path} 答复 {response.status_code}：{page.text[:200]}")
    return page
