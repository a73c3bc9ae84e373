"""电子营业执照, played: the licence app and its service in one, as market supervision runs them.

A holder presents the licence in this browser, or scans the code on the page with another device and confirms there.
The presentation is an SD-JWT with key binding (RFC 9901) handed out in the code flow of OpenID4VP 1.0; of the licence
only what was asked for is disclosed. The holders' keys live here, as they live in the app. Licences are revoked and
restored at the desk (``/``); the status list (draft-ietf-oauth-status-list) says so at once. All in memory.
"""

import hashlib
import secrets
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import orjson
import segno
from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse
from joserfc import jwt
from joserfc.jwk import ECKey

from sandbox.code_provider import (
    LISTED,
    CodeProvider,
    Enterprise,
    Issued,
    OAuthError,
    add_authorize,
    add_hub_side,
    base64url,
    person_id,
    read_enterprises,
)
from sandbox.hub_keys import keys_at
from sandbox.keys import load_or_create
from sandbox.pages import dead_end, new_site, refuse_other_sites, templates

VCT: Final = "urn:xinyi:business-licence:1"
LICENCE_SECONDS: Final = 365 * 24 * 3600
STATUS_LIST_SECONDS: Final = 300
REVOKED: Final = 1
ASKED_FOR: Final = {
    "uscc": "统一社会信用代码",
    "enterprise_name": "名称",
    "signatory_name": "持照人姓名",
    "signatory_role": "持照人身份（法定代表人或办事人员）",
    "person_id": "持照人的网络身份编号",
}
"""what a relying party may ask for, and how the page says it"""


@dataclass
class Scan:
    """A log-in that is to be confirmed on another device."""

    handle: str
    number: str
    """stands on both screens, so that nobody confirms somebody else's log-in"""
    answer: str = ""
    """where the first browser goes once it is confirmed"""


@dataclass
class BusinessLicence(CodeProvider):
    metadata_at: ClassVar[str] = "/.well-known/oauth-authorization-server"

    revoked: set[str] = field(default_factory=set)
    """USCCs of licences that do not hold any more"""
    _holders: dict[str, ECKey] = field(default_factory=dict)
    _scans: dict[str, Scan] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        formats = {"dc+sd-jwt": {"sd-jwt_alg_values": ["ES256"], "kb-jwt_alg_values": ["ES256"]}}
        return {**super().metadata(), "vp_formats_supported": formats}

    def check_question(self, parameters: dict[str, str]) -> None:
        wanted = claims_asked(parameters.get("dcql_query", ""))
        if not wanted or not set(wanted) <= set(ASKED_FOR):
            raise OAuthError("invalid_request", "dcql_query asks for no licence, or for more than it holds")

    def answer_to(self, issued: Issued) -> dict[str, Any]:
        return {"vp_token": {"licence": [self.present(issued)]}}

    # -- the licence and its presentation --------------------------------------------------------------------

    def present(self, issued: Issued) -> str:
        """The licence with what was asked for, and the holder's signature under it (RFC 9901 §4)."""
        holder = self._holder(issued)
        licence = self.licence_of(issued)
        disclosures = {name: _disclosure(name, value) for name, value in licence.items()}
        signed = {
            **self.about_licence(issued.enterprise, holder),
            "_sd": sorted(map(_digest, disclosures.values())),
        }
        header = {"alg": "ES256", "typ": "dc+sd-jwt", "kid": self.key.kid}
        asked = claims_asked(issued.request.question["dcql_query"])
        shown = [jwt.encode(header, signed, self.key), *(disclosures[name] for name in asked), ""]
        presented = "~".join(shown)
        binding = self.binding_of(issued, _digest(presented))
        return presented + jwt.encode({"alg": "ES256", "typ": "kb+jwt"}, binding, holder)

    def licence_of(self, issued: Issued) -> dict[str, Any]:
        """The claims that are disclosed one by one."""
        return {
            "uscc": issued.enterprise.uscc,
            "enterprise_name": issued.enterprise.name,
            "signatory_name": issued.person,
            "signatory_role": issued.role,
            "person_id": person_id(issued.enterprise.uscc, issued.person),
            "domicile": f"江苏省{issued.enterprise.city}市沙箱路 1 号",
            "registered_capital": "500 万元人民币",
        }

    def about_licence(self, enterprise: Enterprise, holder: ECKey) -> dict[str, Any]:
        """The claims that are always there."""
        now, number = int(self.clock()), self.enterprises.index(enterprise)
        return {
            "iss": self.issuer,
            "vct": VCT,
            "_sd_alg": "sha-256",
            "iat": now,
            "exp": now + LICENCE_SECONDS,
            "cnf": {"jwk": holder.as_dict(private=False)},
            "status": {"status_list": {"uri": f"{self.issuer}/status", "idx": number}},
        }

    def binding_of(self, issued: Issued, sd_hash: str) -> dict[str, Any]:
        """What the app signs with the holder's key; ``acr``: how the holder unlocked it."""
        return {
            "iat": issued.authenticated_at,
            "aud": self.client_id,
            "nonce": issued.request.nonce,
            "sd_hash": sd_hash,
            "acr": issued.acr,
        }

    def status_list(self) -> str:
        """One bit per licence, in the order of the enterprises."""
        octets = bytearray((len(self.enterprises) + 7) // 8)
        for number, enterprise in enumerate(self.enterprises):
            if enterprise.uscc in self.revoked:
                octets[number // 8] |= REVOKED << number % 8
        now = int(self.clock())
        claims = {
            "sub": f"{self.issuer}/status",
            "iat": now,
            "exp": now + STATUS_LIST_SECONDS,
            "status_list": {"bits": 1, "lst": base64url(zlib.compress(bytes(octets), 9))},
        }
        return jwt.encode({"alg": "ES256", "typ": "statuslist+jwt", "kid": self.key.kid}, claims, self.key)

    def _holder(self, issued: Issued) -> ECKey:
        name = f"{issued.enterprise.uscc}|{issued.person}"
        return self._holders.setdefault(name, ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}))

    # -- confirming on another device ------------------------------------------------------------------------

    def show_code(self, handle: str) -> str:
        """The ticket in the code that another device scans. KeyError for an unknown handle."""
        if not self.is_waiting(handle):
            raise KeyError(handle)
        ticket = secrets.token_urlsafe(24)
        self._scans = {
            old: one for old, one in self._scans.items() if one.answer or self.is_waiting(one.handle)
        }
        self._scans[ticket] = Scan(handle, f"{secrets.randbelow(90) + 10}")
        return ticket

    def scan(self, ticket: str) -> Scan:
        """KeyError for an unknown ticket."""
        return self._scans[ticket]

    def confirm(self, ticket: str, uscc: str, *, agent: bool, level: int) -> None:
        """On the other device; the first browser goes on by itself. KeyError as `choose`."""
        scan = self._scans[ticket]
        scan.answer = self.choose(scan.handle, uscc, agent=agent, level=level)

    def collect(self, ticket: str) -> str:
        """Where the first browser goes, once; empty while nobody has confirmed."""
        scan = self._scans[ticket]
        if scan.answer:
            del self._scans[ticket]
        return scan.answer


def claims_asked(query: str) -> list[str]:
    """The claims that a DCQL query (OpenID4VP §6) asks of a licence; none for anything else."""
    try:
        [wanted] = orjson.loads(query)["credentials"]
        if (wanted["id"], wanted["format"]) != ("licence", "dc+sd-jwt") or VCT not in wanted["meta"][
            "vct_values"
        ]:
            return []
        return [str(name) for claim in wanted["claims"] for name in claim["path"]]
    except (ValueError, KeyError, TypeError):
        return []


def _disclosure(name: str, value: object) -> str:
    return base64url(orjson.dumps([secrets.token_urlsafe(16), name, value]))


def _digest(text: str) -> str:
    return base64url(hashlib.sha256(text.encode()).digest())


# --- the web site -----------------------------------------------------------------------------------------------


def build(service: BusinessLicence) -> FastAPI:
    site = new_site("电子营业执照（沙箱）")
    add_hub_side(site, service)
    _add_app(site, service)
    _add_second_device(site, service)
    _add_desk(site, service)
    return site


def open_service(
    *, issuer: str, redirect_uri: str, enterprises: Path, state: Path, hub_jwks: str, client_id: str
) -> FastAPI:
    """The service as the command line starts it: enterprises from a file, the authority's key under `state`."""
    service = BusinessLicence(
        issuer=issuer,
        client_id=client_id,
        redirect_uri=redirect_uri,
        enterprises=read_enterprises(enterprises),
        key=load_or_create(state / "licence-key.jwk.json"),
        hub_keys=keys_at(hub_jwks),
    )
    return build(service)


def _add_app(site: FastAPI, service: BusinessLicence) -> None:
    add_authorize(site, service, lambda request, handle: _present_page(request, service, "/present", handle))

    @site.post("/present")
    async def present(
        request: Request,
        handle: Annotated[str, Form()],
        uscc: Annotated[str, Form()] = "",
        agent: Annotated[str, Form()] = "",
        level: Annotated[int, Form(ge=2, le=3)] = 3,
        q: Annotated[str, Form()] = "",
    ) -> Response:
        if not service.is_waiting(handle):
            return dead_end(request, "出示已超时或已使用，请回到信易枢纽重新登录")
        if not uscc and not agent:
            return _present_page(request, service, "/present", handle, q)
        try:
            return RedirectResponse(service.choose(handle, uscc or agent, agent=not uscc, level=level), 303)
        except KeyError:
            return dead_end(request, "没有这家企业")

    @site.get("/status")
    async def status() -> Response:
        return Response(service.status_list(), media_type="application/statuslist+jwt")


def _add_second_device(site: FastAPI, service: BusinessLicence) -> None:
    @site.post("/scan")
    async def show_code(request: Request, handle: Annotated[str, Form()]) -> Response:
        try:
            return RedirectResponse(f"/scan/{service.show_code(handle)}", 303)
        except KeyError:
            return dead_end(request, "出示已超时或已使用，请回到信易枢纽重新登录")

    @site.get("/scan/{ticket}")
    async def wait(request: Request, ticket: str) -> Response:
        try:
            scan, address = service.scan(ticket), service.collect(ticket)
        except KeyError:
            return _gone(request)
        if address:
            return RedirectResponse(address, 303)
        link = f"{service.issuer}/phone/{ticket}"
        code = segno.make(link, error="m").svg_inline(scale=5, border=2)
        shown = {"code": code, "link": link, "number": scan.number}
        return templates.TemplateResponse(request, "licence_scan.html", shown)

    @site.api_route("/phone/{ticket}", methods=["GET", "POST"])
    async def phone(
        request: Request,
        ticket: str,
        uscc: Annotated[str, Form()] = "",
        agent: Annotated[str, Form()] = "",
        level: Annotated[int, Form(ge=2, le=3)] = 3,
        q: Annotated[str, Form()] = "",
    ) -> Response:
        try:
            scan = service.scan(ticket)
            if not uscc and not agent:
                return _present_page(request, service, f"/phone/{ticket}", "", q, number=scan.number)
            service.confirm(ticket, uscc or agent, agent=not uscc, level=level)
        except KeyError:
            return _gone(request)
        return templates.TemplateResponse(request, "licence_done.html", {})


def _add_desk(site: FastAPI, service: BusinessLicence) -> None:
    @site.get("/")
    def desk(request: Request, q: str = "") -> Response:
        shown = {"q": q, "enterprises": service.search(q), "revoked": service.revoked, "listed": LISTED}
        return templates.TemplateResponse(request, "licence_desk.html", shown)

    @site.post("/revoke")
    def revoke(request: Request, uscc: Annotated[str, Form()]) -> Response:
        """Revoke a licence; the same again restores it."""
        refuse_other_sites(request)
        service.revoked ^= {uscc}
        return RedirectResponse("/", 303)


def _present_page(
    request: Request, service: BusinessLicence, action: str, handle: str, words: str = "", number: str = ""
) -> Response:
    shown = {
        "action": action,
        "handle": handle,
        "number": number,
        "q": words,
        "enterprises": service.search(words),
        "asked": ASKED_FOR.values(),
        "listed": LISTED,
    }
    return templates.TemplateResponse(request, "licence.html", shown)


def _gone(request: Request) -> Response:
    return dead_end(request, "二维码已失效或已使用，请回到信易枢纽重新登录")
