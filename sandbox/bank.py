"""演示银行 Demo Bank: a back office that files consent requests and asks the hub, for people and programs.

Every address answers a browser with a page and a program with JSON. What the hub said is passed on with its
status code and, as JSON, byte for byte. There is no log-in: serve it on the loopback address only.
"""

import os
import threading
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import orjson
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from joserfc.jwk import KeySet
from pydantic import BaseModel, Field, ValidationError

from sandbox.glossary import Glossary
from sandbox.hub_client import Answer, HubClient, HubUnreachableError, MutualTls, TokenRefusedError
from sandbox.keys import load_or_create, public_set
from sandbox.pages import new_site, templates
from sandbox.receiver import Receiver, add_receiver

CLIENT_ID: Final = "demo-bank"
KEY_FILE: Final = "bank-key.jwk.json"
JWKS_FILE: Final = "bank-jwks.json"
CONSENTS_FILE: Final = "bank-consents.json"
WEBHOOK_SECRET_FILE: Final = "webhook-secret.txt"
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
SHANGHAI: Final = ZoneInfo("Asia/Shanghai")


class ConsentForm(BaseModel):
    """A consent request as the loan officer files it. Terms in days."""

    uscc: str
    datasets: list[str] = Field(min_length=1)
    purpose: str = "credit_review"
    term_days: int = 90
    uses_max: int = 20
    retention_days: int = 365
    message: str = "我行正在审核贵公司的贷款申请，请授权查询以下信息。"


class AskForm(BaseModel):
    """A question. Without `consent_id` the latest active consent known for the enterprise is used."""

    uscc: str
    dataset: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    consent_id: UUID | None = None
    purpose: str = "credit_review"
    idempotency_key: str | None = Field(None, pattern=r"^[\x21-\x7e]{1,255}$")
    mode: str | None = None
    fields_wanted: list[str] | None = Field(None, alias="fields")
    statements: list[dict[str, Any]] | None = None

    def more(self) -> dict[str, Any]:
        """What goes into the question only where it was said."""
        said = {"mode": self.mode, "fields": self.fields_wanted, "statements": self.statements}
        return {name: value for name, value in said.items() if value is not None}


class ConsentBook:
    """The consents this bank asked for, newest last, kept in one small file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries: list[dict[str, Any]] = orjson.loads(path.read_bytes()) if path.exists() else []

    def note(self, seen: dict[str, Any], **more: Any) -> None:
        """Remember what the hub last said about a consent; `more` is what only the bank knows."""
        with self._lock:
            entry = self._find(seen["consent_id"])
            if entry is None:
                entry = {"consent_id": seen["consent_id"]}
                self._entries.append(entry)
            entry.update(more)
            for name in ("state", "datasets", "approval_url", "answer_by", "valid_until", "uses_left"):
                if name in seen:
                    entry[name] = seen[name]
            self._save()

    def newest_first(self) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(entry) for entry in reversed(self._entries)]

    def get(self, consent_id: str) -> dict[str, Any]:
        with self._lock:
            return dict(self._find(consent_id) or {})

    def _find(self, consent_id: str) -> dict[str, Any] | None:
        return next((entry for entry in self._entries if entry["consent_id"] == consent_id), None)

    def _save(self) -> None:
        """Written beside and moved over, so that a crash leaves the old file or the new one."""
        draft = self._path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(orjson.dumps(self._entries, option=orjson.OPT_INDENT_2))
        draft.replace(self._path)


@dataclass(frozen=True)
class Bank:
    """The bank's systems: its connection with the hub, a second one over mutual TLS if any, its consents."""

    hub: HubClient
    book: ConsentBook
    mtls_hub: HubClient | None = None
    receiver: Receiver | None = None

    def hear(self, told: dict[str, Any]) -> None:
        """A notice of the hub: how a consent stands now."""
        if "consent_id" in told["data"]:
            self.book.note(told["data"])

    def glossary(self) -> Glossary:
        """What things are called, for people; an empty one while the hub does not say."""
        try:
            answer = self.hub.catalogue()
            return Glossary(answer.json() if answer.ok else {})
        except (HubUnreachableError, TokenRefusedError):
            return Glossary({})

    def file_request(self, form: ConsentForm) -> Answer:
        answer = self.hub.request_consent(**form.model_dump())
        if answer.ok:
            self.book.note(answer.json(), uscc=form.uscc, datasets=form.datasets)
        return answer

    def look_up(self, consent_id: str) -> Answer:
        answer = self.hub.consent(consent_id)
        if answer.ok:
            self.book.note(answer.json())
        return answer

    def ask(self, form: AskForm) -> Answer | None:
        """The hub's answer; None if no consent was given and none is known to be active."""
        consent_id = (
            str(form.consent_id) if form.consent_id else self._active_consent(form.uscc, form.dataset)
        )
        if consent_id is None:
            return None
        answer = self.hub.ask(
            form.dataset,
            uscc=form.uscc,
            consent_id=consent_id,
            purpose=form.purpose,
            idempotency_key=form.idempotency_key,
            **form.more(),
        )
        if answer.status == 403 and self.book.get(consent_id):
            self.look_up(consent_id)  # revoked, expired or used up meanwhile: the desk should show it
        return answer

    def _active_consent(self, uscc: str, dataset: str) -> str | None:
        """The newest active consent for this data set; those still awaiting are looked up again."""
        for entry in self.book.newest_first():
            if entry.get("uscc") != uscc or dataset not in entry.get("datasets", [dataset]):
                continue
            consent_id: str = entry["consent_id"]
            if entry.get("state") == "awaiting":
                self.look_up(consent_id)
            if self.book.get(consent_id).get("state") == "active":
                return consent_id
        return None


def prepare_keys(state: Path) -> dict[str, Any]:
    """Make (or find) the bank's key under `state` and write the public set for the hub to register."""
    public = public_set(load_or_create(state / KEY_FILE))
    (state / JWKS_FILE).write_bytes(orjson.dumps(public, option=orjson.OPT_INDENT_2))
    return public


def open_bank(hub: str, state: Path, mutual_tls: MutualTls | None) -> FastAPI:
    """The bank as the command line starts it."""
    prepare_keys(state)
    key = load_or_create(state / KEY_FILE)
    return build(
        Bank(
            hub=HubClient(hub, CLIENT_ID, key),
            book=ConsentBook(state / CONSENTS_FILE),
            mtls_hub=HubClient(hub, CLIENT_ID, key, mutual_tls=mutual_tls) if mutual_tls else None,
            receiver=Receiver(
                issuer=hub,
                audience=CLIENT_ID,
                keys=lambda: KeySet.import_key_set(httpx.get(f"{hub}/jwks", trust_env=False).json()),
                secret_file=state / WEBHOOK_SECRET_FILE,
            ),
        )
    )


async def submitted(request: Request) -> dict[str, Any]:
    """The request's JSON object or form; empty form fields count as not given, `datasets` is a list."""
    if request.headers.get("Content-Type", "").startswith("application/json"):
        try:
            content = orjson.loads(await request.body())
        except ValueError as error:
            raise HTTPException(400, "正文不是有效的 JSON") from error
        return content if isinstance(content, dict) else {}
    _refuse_other_sites(request)
    form = await request.form()
    fields: dict[str, Any] = {name: value for name, value in form.items() if value != ""}
    if "datasets" in fields:
        fields["datasets"] = form.getlist("datasets")
    return fields


Submitted = Annotated[dict[str, Any], Depends(submitted)]


def build(bank: Bank) -> FastAPI:
    """The bank's web site."""
    site = new_site("演示银行 Demo Bank")
    _add_connection(site, bank)
    _add_desk(site, bank)
    if bank.receiver is not None:
        add_receiver(site, bank.receiver, bank.hear)
    _add_failures(site)
    return site


# Endpoints are plain functions, not coroutines: they wait for the hub, each in a thread of its own.


def _add_connection(site: FastAPI, bank: Bank) -> None:
    @site.get("/connection")
    def connection() -> dict[str, Any]:
        """Prove that the bank can get in: a fresh access token is fetched, and not shown."""
        token = bank.hub.access_token(fresh=True)
        return {"client_id": CLIENT_ID, "token_type": token.kind, "expires_in": token.expires_in}

    @site.get("/token")
    def token(request: Request) -> Response:
        """A token bound to the bank's certificate, to paste into a curl line with the same certificate."""
        _only_from_this_machine(request)
        if bank.mtls_hub is None:
            raise HTTPException(404, "未配置双向 TLS（--hub-mtls、--ca、--cert、--key）")
        return PlainTextResponse(bank.mtls_hub.access_token(fresh=True).value + "\n")


def _add_desk(site: FastAPI, bank: Bank) -> None:
    @site.get("/")
    def desk(request: Request) -> Response:
        shown = {"consents": bank.book.newest_first()[:20], "words": bank.glossary()}
        return templates.TemplateResponse(request, "bank.html", shown)

    @site.post("/consent-requests")
    def file_request(request: Request, fields: Submitted) -> Response:
        answer = bank.file_request(ConsentForm.model_validate(fields))
        if answer.ok and _wants_page(request):
            return RedirectResponse(f"/consent-requests/{answer.json()['consent_id']}", 303)
        return _pass_on(request, bank, answer, "answer.html")

    @site.get("/consent-requests/{consent_id}")
    def look_up(request: Request, consent_id: UUID) -> Response:
        answer = bank.look_up(str(consent_id))
        return _pass_on(request, bank, answer, "consent.html", known=bank.book.get(str(consent_id)))

    @site.post("/ask")
    def ask(request: Request, fields: Submitted) -> Response:
        answer = bank.ask(AskForm.model_validate(fields))
        if answer is None:
            return _problem(
                request, 409, "no-active-consent", "没有可用的授权", "请先发起授权申请，待企业同意后再查询。"
            )
        return _pass_on(request, bank, answer, "answer.html")

    @site.get("/usage")
    def usage(
        request: Request,
        first_day: Annotated[date | None, Depends(_day("from"))],
        last_day: Annotated[date | None, Depends(_day("to"))],
    ) -> Response:
        until = last_day or datetime.now(SHANGHAI).date()
        since = first_day or until - timedelta(days=30)
        answer = bank.hub.usage(since.isoformat(), until.isoformat())
        return _pass_on(request, bank, answer, "usage.html")


def _add_failures(site: FastAPI) -> None:
    @site.exception_handler(ValidationError)
    def badly_filled(request: Request, error: ValidationError) -> Response:
        fields = "、".join(sorted({str(one["loc"][0]) for one in error.errors()}))
        return _problem(request, 422, "bad-form", "填写有误", f"请检查：{fields}")

    @site.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        return _problem(request, error.status_code, "refused", "无法办理", str(error.detail))

    @site.exception_handler(HubUnreachableError)
    @site.exception_handler(TokenRefusedError)
    def no_hub(request: Request, error: Exception) -> Response:
        return _problem(request, 502, "hub-unreachable", "连不上信易枢纽", str(error))


def _pass_on(request: Request, bank: Bank, answer: Answer, page: str, **more: Any) -> Response:
    if not _wants_page(request):
        return Response(answer.body, answer.status, media_type=answer.content_type or None)
    content = answer.json()
    shown = {
        "status": answer.status,
        "content": content,
        "raw": _pretty(content),
        "words": bank.glossary(),
        **more,
    }
    template = page if answer.ok else "answer.html"
    return templates.TemplateResponse(request, template, shown, status_code=answer.status)


def _problem(request: Request, status: int, slug: str, title: str, detail: str) -> Response:
    """The bank's own refusals, in the form the hub's have."""
    content = {"type": f"urn:demo-bank:{slug}", "title": title, "status": status, "detail": detail}
    if _wants_page(request):
        shown = {"status": status, "content": content, "raw": _pretty(content)}
        return templates.TemplateResponse(request, "answer.html", shown, status_code=status)
    return JSONResponse(content, status, media_type="application/problem+json")


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _pretty(content: Any) -> str:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()


def _only_from_this_machine(request: Request) -> None:
    """Caller and Host must both be loopback: a foreign page whose name resolves to us is kept out too."""
    caller = request.client.host if request.client else ""
    if caller not in LOOPBACK or request.url.hostname not in LOOPBACK:
        raise HTTPException(403, "只能从本机取用")


def _refuse_other_sites(request: Request) -> None:
    """A form on somebody else's page must not make this bank ask questions that cost money."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise HTTPException(403, "表单来自其他网站")


def _day(name: str) -> Any:
    """A dependency that reads the query parameter `name` (from, to: `from` is no Python name) as a day."""

    def read(request: Request) -> date | None:
        value = request.query_params.get(name)
        try:
            return date.fromisoformat(value) if value else None
        except ValueError as error:
            raise HTTPException(422, f"{name} 应为 YYYY-MM-DD") from error

    return read
