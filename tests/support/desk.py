"""An operator at the console over HTTP, in a browser without scripts."""

from collections.abc import Mapping

import httpx

from consent import add_operator
from core.clock import now
from gateway.console.sessions import OperatorSessions
from gateway.hub import Hub
from sandbox.browser import Page, read_page

NAMES = {"system_admin": "石磊", "security_admin": "安宁", "audit_admin": "沈计"}


async def enter_operator(hub: Hub, operator_id: str, role: str, name: str | None = None) -> None:
    async with hub.database.transaction() as tx:
        await add_operator(tx, operator_id, name=name or NAMES[role], role=role, at=now())


class Desk:
    """One browser: `log_in` first."""

    def __init__(self, http: httpx.AsyncClient, hub: Hub) -> None:
        self.http = http
        self._hub = hub

    async def log_in(self, operator_id: str) -> None:
        code = await OperatorSessions(self._hub.redis).issue_code(operator_id)
        answer = await self.try_code(operator_id, code)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console"), answer.text

    async def try_code(self, operator_id: str, code: str) -> httpx.Response:
        page = await self.see("/console/login")
        return await self.press(page, "/login", operator_id=operator_id, code=code)

    async def see(self, path: str, status: int = 200) -> Page:
        answer = await self.http.get(path)
        assert answer.status_code == status, answer.text
        return read_page(str(answer.url), answer.text, answer.status_code)

    async def press(
        self, page: Page, ending: str, *, files: Mapping[str, tuple[str, bytes]] | None = None, **filled: str
    ) -> httpx.Response:
        """Send a form of the page as it stands, with what was filled in or changed."""
        form = page.form_to(ending)
        fields = {name: value for name, value in form.fields if name not in (files or {})}
        return await self.http.post(form.action, data={**fields, **filled}, files=files)

    async def csrf(self) -> str:
        """Of this session, from the form that every page has."""
        answer = await self.http.get("/console", follow_redirects=True)
        return dict(read_page(str(answer.url), answer.text, 200).form_to("/logout").fields)["csrf"]
