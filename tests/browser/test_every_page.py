"""Every page of the portal's daily use, as axe sees it (WCAG 2.2 A and AA), and the notices as a person reads them."""

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from core.settings import Settings
from tests.browser.test_portal import DESK, PHONE, OpenPage, fits, log_in, open_page
from tests.conftest import Consents
from tests.support.bank import Bank

__all__ = ["open_page"]

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("stocked", "government_login")]


async def well_made(page: Page) -> None:
    """Nothing sticks out of the screen, and axe has nothing to say."""
    assert await fits(page), page.url
    seen = await Axe().run(page)
    assert seen.response["passes"]
    assert seen.response["violations"] == [], (page.url, seen.generate_report())


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("look", [PHONE, DESK], ids=["phone", "desk"])
async def test_every_page_can_be_read_by_everybody(
    open_page: OpenPage,
    look: dict[str, Any],
    language: str,
    settings: Settings,
    bank: Bank,
    consents: Consents,
) -> None:
    active, asked = await consents.active(), (await consents.asked(message="请您看一看")).consent_id
    await bank.query("tax", active, "91350100M000100Y43")
    page = await open_page(**look)
    await page.goto(f"{settings.public_url}/portal?lang={language}")
    await well_made(page)
    await page.goto(f"{settings.public_url}/portal?lang=zh")
    await log_in(page, settings.public_url)
    await page.goto(f"{settings.public_url}/portal/requests?lang={language}")
    await well_made(page)
    for path in (
        f"requests/{active}",
        f"requests/{asked}",
        f"requests/{asked}?less=1&datasets=tax&term_days=30&uses_max=5",
        "news",
        "disclosures",
        "early-looks",
        "agents",
    ):
        await page.goto(f"{settings.public_url}/portal/{path}")
        await well_made(page)
    await page.goto(f"{settings.public_url}/qr/{asked}")
    await well_made(page)


async def test_what_happened_is_told_in_the_inbox_and_leads_to_its_consent(
    open_page: OpenPage, settings: Settings, bank: Bank, consents: Consents
) -> None:
    asked = (await consents.asked()).consent_id
    page = await open_page(**PHONE)
    await log_in(page, settings.public_url)
    await page.get_by_role("link", name="有 1 条新通知").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("通知")
    told = page.get_by_role("link", name="测试银行提出申请")
    await expect(told).to_contain_text("新")
    await told.click()
    assert page.url.endswith(str(asked))
    await page.get_by_role("link", name="授权申请", exact=True).click()
    await expect(page.get_by_text("条新通知")).to_have_count(0)
