"""A passkey on a telephone, end to end: Chromium's virtual authenticator makes it, and confirms with it."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, CDPSession, Page, expect

from core.clock import now
from core.settings import Settings
from tests.browser.test_portal import DESK, PHONE, OpenPage, fits, log_in
from tests.conftest import Consents
from tests.support.authenticator import code_at

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("stocked", "government_login", "bank")]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a name instead of an address: browsers offer no passkeys to an address."""
    return settings.model_copy(update={"public_url": f"http://localhost:{settings.port}"})


@pytest.fixture
async def open_page(chromium: Browser) -> AsyncIterator[OpenPage]:
    """A page in a fresh browser. What the browser complains about (its policy, scripts) fails the test."""
    complaints: list[str] = []

    async def opened(**look: Any) -> Page:
        context = await chromium.new_context(locale="zh-CN", **look)
        page = await context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opened
    assert complaints == []


async def with_authenticator(page: Page) -> tuple[CDPSession, str]:
    """A device with a finger on it (WebAuthn §11, WebDriver's virtual authenticator)."""
    device = await page.context.new_cdp_session(page)
    await device.send("WebAuthn.enable")
    made = await device.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    return device, made["authenticatorId"]


async def nothing_serious(page: Page) -> None:
    found = await Axe().run(page)
    assert [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")] == []
    assert await fits(page)


async def test_on_a_phone_a_passkey_is_added_and_confirms_and_is_removed(
    open_page: OpenPage, settings: Settings, consents: Consents
) -> None:
    asked = await consents.asked()
    page = await open_page(**PHONE)
    device, authenticator = await with_authenticator(page)
    await log_in(page, settings.public_url)

    await page.get_by_role("link", name="登录与验证").click()
    await expect(page.get_by_role("heading", name="登录与验证", level=1)).to_be_visible()
    await nothing_serious(page)
    await page.get_by_role("button", name="添加通行密钥").click()
    await nothing_serious(page)
    await page.get_by_label("名称（选填）").fill("我的手机")
    await page.get_by_role("button", name="在这台设备上添加").click()
    await expect(page.get_by_role("status")).to_contain_text("已添加")
    await expect(page.get_by_role("article").filter(has_text="我的手机")).to_contain_text("通行密钥")
    await nothing_serious(page)

    await page.goto(f"{settings.public_url}/portal/requests/{asked.consent_id}")
    await page.get_by_role("button", name="同意授权").click()
    await expect(page.get_by_role("heading", name="请确认是您本人")).to_be_visible()
    await nothing_serious(page)
    await device.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    await page.get_by_role("button", name="用通行密钥确认").click()
    await expect(page.get_by_role("alert")).to_contain_text("没有完成")
    await device.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": True})
    await page.get_by_role("button", name="用通行密钥确认").click()
    await expect(page.get_by_text("贵企业同意，授权生效")).to_be_visible()

    await page.get_by_role("link", name="登录与验证").click()
    await page.get_by_text("移除", exact=False).first.click()
    await page.get_by_role("button", name="确认移除").click()
    await page.get_by_role("button", name="用通行密钥确认").click()
    await expect(page.get_by_role("status")).to_contain_text("已移除")
    await expect(page.get_by_text("以通行密钥确认")).to_be_visible()


async def test_without_scripts_and_by_keyboard_an_app_is_added_and_its_code_confirms(
    open_page: OpenPage, settings: Settings, consents: Consents
) -> None:
    asked = await consents.asked()
    page = await open_page(**DESK, java_script_enabled=False)
    await log_in(page, settings.public_url, "/portal/devices")
    await page.get_by_role("link", name="登录与验证").press("Enter")
    await page.get_by_role("button", name="添加手机验证器").press("Enter")
    await page.get_by_text("扫不了？").press("Enter")
    typed = await page.locator(".secret").inner_text()
    secret = base64.b32decode(typed.replace(" ", ""))
    await page.get_by_label("六位验证码").fill(code_at(secret, now().timestamp() - 20))
    await page.get_by_label("六位验证码").press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("已添加")
    await page.goto(f"{settings.public_url}/portal/requests/{asked.consent_id}")
    await page.get_by_role("button", name="同意授权").press("Enter")
    await expect(page.get_by_label("六位验证码")).to_be_visible()
    await page.get_by_label("六位验证码").fill(code_at(secret, now().timestamp() + 30))
    await page.get_by_label("六位验证码").press("Enter")
    await expect(page.get_by_text("贵企业同意，授权生效")).to_be_visible()
