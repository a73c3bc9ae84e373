"""Coming with the business licence and proving the bank account, in a real Chromium on a phone and at a desk."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from joserfc.jwk import ECKey
from playwright.async_api import expect

from core.settings import Settings
from gateway.hub import Hub
from sandbox import bank_transfer as transfers
from sandbox import business_licence as licences
from sandbox.hub_keys import keys_at
from tests.browser.test_console import LOOKS, looks_right
from tests.browser.test_portal import OpenPage, open_page
from tests.conftest import ENTERPRISE
from tests.support.bank import Bank
from tests.support.counterparts import KNOWN, free_ports, serving_site

LICENCE_PORT, TRANSFER_PORT = free_ports(2)
NAME = "苏州示例精密机械有限公司"

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("counterparts")]
__all__ = ["open_page"]  # a fixture


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "business_licence_issuer": f"http://127.0.0.1:{LICENCE_PORT}",
            "bank_transfer_url": f"http://127.0.0.1:{TRANSFER_PORT}",
        }
    )


@pytest.fixture
async def counterparts(hub: Hub, settings: Settings) -> AsyncIterator[None]:
    hub_keys = keys_at(f"{settings.public_url}/jwks")
    licence = licences.BusinessLicence(
        issuer=f"http://127.0.0.1:{LICENCE_PORT}",
        client_id="xinyi-hub",
        redirect_uri=f"{settings.public_url}/portal/callback/licence",
        enterprises=KNOWN,
        key=ECKey.generate_key("P-256", {"kid": "authority-1"}),
        hub_keys=hub_keys,
    )
    transfer = transfers.TransferService(f"http://127.0.0.1:{TRANSFER_PORT}", "xinyi-hub", KNOWN, hub_keys)
    async with (
        serving_site(licences.build(licence), LICENCE_PORT),
        serving_site(transfers.build(transfer), TRANSFER_PORT),
    ):
        yield


@LOOKS
@pytest.mark.usefixtures("stocked")
async def test_an_owner_with_a_licence_password_proves_the_account_and_agrees(
    open_page: OpenPage, look: Any, settings: Settings, bank: Bank
) -> None:
    asked = (await bank.request_consent(ENTERPRISE)).json()["consent_id"]
    hub, page = settings.public_url, await open_page(**look)

    await page.goto(f"{hub}/portal?request={asked}")
    await looks_right(page)
    await page.get_by_role("link", name="用电子营业执照登录").click()
    await expect(page.get_by_role("heading", name="电子营业执照")).to_be_visible()
    await page.get_by_label("执照密码").check()
    await page.get_by_role("button", name=NAME).click()
    await page.wait_for_url(f"{hub}/portal/requests/{asked}")
    await expect(page.get_by_text("实名等级还不够同意它")).to_be_visible()
    await looks_right(page)

    await page.get_by_role("link", name="提高实名等级").click()
    await looks_right(page)
    await page.get_by_label("开户银行").fill(transfers.BANK_NAME)
    await page.get_by_label("对公账号").fill(transfers.account_of(ENTERPRISE))
    await page.get_by_role("button", name="给我打款").click()
    await expect(page.get_by_role("status")).to_contain_text("已打款")
    await looks_right(page)
    await page.get_by_label("收到的金额").fill("很多")
    await page.get_by_label("收到的金额").press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("这次不算填错")

    account = await page.context.new_page()
    await account.goto(f"http://127.0.0.1:{TRANSFER_PORT}/?q={ENTERPRISE}")
    received = await account.locator("td.number").inner_text()
    await page.get_by_label("收到的金额").fill(received)
    await page.get_by_role("button", name="核对金额").click()
    await expect(page.get_by_role("status")).to_contain_text("核验通过")
    await looks_right(page)

    await page.goto(f"{hub}/portal/requests/{asked}")
    await page.get_by_role("button", name="同意授权").click()
    await expect(page.get_by_text("贵企业同意，授权生效")).to_be_visible()


async def test_the_code_on_the_desk_is_confirmed_on_the_phone(
    open_page: OpenPage, settings: Settings
) -> None:
    """Two browsers; the one that began goes on by itself, and the telephone gets no session."""
    desk, phone = await open_page(), await open_page()
    await desk.goto(f"{settings.public_url}/portal/login/licence")
    await desk.get_by_role("button", name="用手机扫码出示").click()
    number = await desk.locator(".match").inner_text()
    link = await desk.get_by_role("link", name="没有第二台设备").get_attribute("href")
    await phone.goto(link or "")
    await expect(phone.locator(".match")).to_have_text(number)
    await phone.get_by_role("button", name=NAME).click()
    await expect(phone.get_by_role("heading", name="已出示电子营业执照")).to_be_visible()
    await desk.wait_for_url(f"{settings.public_url}/portal/requests")
    assert [cookie["name"] for cookie in await phone.context.cookies()] == []


async def test_in_english_the_page_speaks_english(open_page: OpenPage, settings: Settings) -> None:
    page = await open_page(locale="en-GB")
    await page.goto(f"{settings.public_url}/portal")
    await page.get_by_role("link", name="electronic business licence").click()
    await page.get_by_label("执照密码").check()
    await page.get_by_role("button", name=NAME).click()
    await page.goto(f"{settings.public_url}/portal/identity")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Who you are")
    await expect(page.get_by_text("Ordinary", exact=True)).to_be_visible()
    await looks_right(page)
