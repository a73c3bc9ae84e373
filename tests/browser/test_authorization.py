"""The redirect flow in a real browser: its rules about forms and redirects are not ours to guess."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from consent import register_client
from core.clock import now
from gateway.hub import Hub
from tests.conftest import ENTERPRISE
from tests.support.authorization import Redirect, answer_in
from tests.support.bank import Bank

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("government_login")]
PAGE = "<!doctype html><html lang=zh-CN><title>银行</title><h1>银行收到答复</h1></html>".encode()


@pytest.fixture
async def banks_site() -> AsyncIterator[str]:
    """The bank's own page, to which the browser is led back."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(PAGE)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + PAGE)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"


@pytest.mark.parametrize("verb", ["approve", "reject"])
async def test_from_the_bank_over_the_log_in_to_the_answer_and_back(
    chromium: Browser, bank: Bank, hub: Hub, banks_site: str, verb: str
) -> None:
    bank.redirect_uri = banks_site
    async with hub.database.transaction() as tx:
        await register_client(
            tx,
            client_id=bank.client_id,
            participant_id=bank.client_id,
            jwks=bank.jwks,
            redirect_uris=[banks_site],
            at=now(),
        )
    redirect = Redirect(bank)
    page = await chromium.new_page(viewport={"width": 390, "height": 844}, locale="zh-CN")
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text) if message.type == "error" else None)
    await page.goto(await redirect.address())
    await page.get_by_role("link", name="政务服务网").first.click()
    await page.get_by_role("button", name=ENTERPRISE).click()
    await expect(page.get_by_text("您是从测试银行的页面来的")).to_be_visible()
    if verb == "reject":
        await page.get_by_text("我不同意").click()
    await page.get_by_role("button", name="同意授权" if verb == "approve" else "不同意", exact=True).click()
    await expect(page).to_have_url(re.compile(re.escape(banks_site)))
    await expect(page.get_by_role("heading", name="银行收到答复")).to_be_visible()
    answer = answer_in(page.url)
    assert answer["state"] == redirect.state
    assert ("code" in answer) == (verb == "approve")
    assert [text for text in blocked if "favicon" not in text] == []
    await page.close()
