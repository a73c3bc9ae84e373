"""Reviewing a signed form, and hearing of it as the enterprise, in a real Chromium on a phone and at a desk."""

from typing import Any

import pytest
from playwright.async_api import expect

from core.settings import Settings
from gateway.hub import Hub
from tests.browser.test_console import LOOKS, log_in, looks_right
from tests.browser.test_portal import OpenPage, open_page
from tests.browser.test_portal import log_in as enter
from tests.gateway.test_signed_forms import asked_by, form_of, platform, state_of
from tests.support.bank import Bank
from tests.support.desk import enter_operator
from tests.support.papers import pdf, picture

pytestmark = pytest.mark.browser

__all__ = ["open_page", "platform"]  # fixtures


@LOOKS
@pytest.mark.usefixtures("stocked")
async def test_two_operators_review_a_form_and_the_enterprise_sees_what_came_of_it(
    open_page: OpenPage, look: Any, hub: Hub, settings: Settings, platform: Bank, government_login: str
) -> None:
    consent_id = await asked_by(platform)
    form_id = await form_of(platform, consent_id, picture("PNG", (1240, 1754)))
    await form_of(platform, await asked_by(platform), pdf(pages=2), signatory_name="李四")

    owner = await open_page(**look)
    await enter(owner, settings.public_url)
    await expect(owner.get_by_text("已提交书面授权书，正在审核").first).to_be_visible()
    await owner.goto(f"{settings.public_url}/portal/requests/{consent_id}")
    await expect(owner.get_by_role("heading", name="有人以贵企业的名义提交了授权书")).to_be_visible()
    await looks_right(owner)

    for operator_id in ("an-ning", "an-jing"):
        await enter_operator(hub, operator_id, "security_admin")
        desk = await open_page(**look)
        await log_in(desk, hub, settings, operator_id)
        await desk.get_by_role("link", name="授权书审核").click()
        await looks_right(desk)
        await desk.locator(f'a[href="/console/forms/{form_id}"]').first.click()
        scan = desk.get_by_alt_text("授权书的图片")
        await expect(scan).to_be_visible()
        await expect(scan).to_have_js_property("naturalWidth", 1240)
        await looks_right(desk)
        for box in await desk.get_by_role("checkbox").all():
            await box.check()
        await desk.get_by_role("button", name="全部相符，通过").click()
        await expect(desk.get_by_role("status")).to_contain_text("已记下您的通过")
        await looks_right(desk)
    assert await state_of(platform, consent_id) == ("active", "accepted")

    await owner.goto(f"{settings.public_url}/portal/requests")
    await looks_right(owner)
    await owner.goto(f"{settings.public_url}/portal/requests/{consent_id}")
    await expect(owner.get_by_role("heading", name="这份授权凭书面授权书生效")).to_be_visible()
    await looks_right(owner)


@LOOKS
async def test_a_pdf_is_downloaded_looked_at_and_sent_back(
    open_page: OpenPage, look: Any, hub: Hub, settings: Settings, platform: Bank
) -> None:
    consent_id = await asked_by(platform)
    form_id = await form_of(platform, consent_id, pdf(pages=2))
    await enter_operator(hub, "an-ning", "security_admin")
    desk = await open_page(**look)
    await log_in(desk, hub, settings, "an-ning")
    await desk.goto(f"{settings.public_url}/console/forms/{form_id}?lang=en")
    await expect(desk.get_by_text("Open the file first.")).to_be_visible()
    await looks_right(desk)
    async with desk.expect_download() as started:
        await desk.get_by_role("link", name="Download the file").click()
    assert (await started.value).suggested_filename == f"form-{form_id}.pdf"
    await desk.get_by_text("It does not agree: send it back").click()
    await desk.get_by_label("Why (the platform is told)").select_option("signature_missing")
    await desk.get_by_label("A note").fill("没有公章")
    await looks_right(desk)
    await desk.get_by_role("button", name="Send back").click()
    await expect(desk.get_by_role("status")).to_contain_text("sent back")
    await looks_right(desk)
    assert await state_of(platform, consent_id) == ("awaiting", "sent_back")
