"""The quarter of an enterprise, and how far requests get and what was not delivered, in a real Chromium and on paper."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from core.clock import Quarter, now
from core.settings import Settings
from gateway.hub import Hub
from ledger import note_availability_check
from tests.browser.test_console import LOOKS, looks_right
from tests.browser.test_console import log_in as log_in_at_the_console
from tests.browser.test_portal import DESK, OpenPage, log_in, open_page
from tests.conftest import ENTERPRISE, Consents
from tests.gateway.test_undelivered import GIVE_UP
from tests.notices.conftest import with_webhook
from tests.support.bank import Bank
from tests.support.desk import enter_operator

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("stocked", "government_login")]

__all__ = ["open_page"]  # the fixture


@pytest.fixture
async def asked(hub: Hub, bank: Bank, other_bank: Bank, consents: Consents, stocked: None) -> None:
    """A quarter in which two banks asked, were refused, looked before asking, and one consent was taken back."""
    consent = await consents.active()
    for number in range(5):
        await bank.query("tax" if number % 2 else "registration", consent, ENTERPRISE)
    await bank.query("tax", consent, ENTERPRISE, purpose="post_loan")
    await consents.active("other-bank", datasets=("registration",))
    await consents.asked("other-bank")
    async with hub.database.transaction() as tx:
        await note_availability_check(
            tx, other_bank.client_id, ENTERPRISE, purpose="credit_review", datasets=["tax", "water"], at=now()
        )


@LOOKS
@pytest.mark.usefixtures("asked")
async def test_the_enterprise_reads_its_quarter_and_takes_it_along(
    open_page: OpenPage, look: dict[str, Any], settings: Settings
) -> None:
    page = await open_page(**look)
    await log_in(page, settings.public_url)
    await page.get_by_role("link", name="谁看了我的数据").click()
    await page.get_by_role("link", name="季度报告").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("季度报告")
    await expect(page.get_by_role("img", name="提供 5 次")).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text="贷后管理")).to_contain_text("用途与您同意的不符")
    await expect(page.get_by_role("button", name="打印")).to_be_visible()
    await looks_right(page)
    async with page.expect_download() as fetched:
        await page.get_by_role("link", name="下载表格").click()
    text = Path(await (await fetched.value).path()).read_text("utf-8-sig")
    assert text.count("测试银行") == 4
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Quarterly statement")
    await looks_right(page)


@pytest.mark.usefixtures("asked")
async def test_the_quarter_can_be_printed_and_chosen_without_scripts(
    open_page: OpenPage, settings: Settings, tmp_path: Path
) -> None:
    page = await open_page(**DESK, java_script_enabled=False)
    await log_in(page, settings.public_url, "/portal/statement")
    await page.goto(f"{settings.public_url}/portal/statement?quarter={Quarter.of(now()).before}")
    await expect(page.get_by_text("本季度已结束，内容不会再变。")).to_be_visible()
    await expect(page.get_by_role("button", name="打印")).to_be_hidden()
    await page.get_by_label("季度", exact=True).select_option(str(Quarter.of(now())))
    await page.get_by_role("button", name="查看").click()
    await expect(page.get_by_text("本季度还没有结束")).to_be_visible()
    await page.emulate_media(media="print")
    await expect(page.get_by_role("navigation", name="本站页面")).to_be_hidden()
    await expect(page.get_by_role("row").filter(has_text="合计")).to_be_visible()
    await page.pdf(path=tmp_path / "quarter.pdf", format="A4")
    assert (tmp_path / "quarter.pdf").stat().st_size > 20_000


@LOOKS
async def test_an_operator_sees_where_requests_stop_and_what_did_not_arrive(
    open_page: OpenPage,
    look: dict[str, Any],
    hub: Hub,
    settings: Settings,
    bank: Bank,
    other_bank: Bank,
    consents: Consents,
) -> None:
    await with_webhook(hub, bank.client_id, "http://127.0.0.1:1/notices")
    for number in range(6):
        asked = await consents.asked("test-bank" if number % 2 else "other-bank")
        if number < 3:
            await bank.http.get(f"{bank.base}/portal?request={asked.consent_id}")
        if number == 5:
            await consents.approved(asked.consent_id)
    await hub.steps.settled()
    async with hub.database.transaction() as tx:
        await tx.execute(GIVE_UP)
    await enter_operator(hub, "shi-lei", "system_admin")
    page = await open_page(**look)
    await log_in_at_the_console(page, hub, settings, "shi-lei")
    await page.get_by_role("link", name="申请进展").click()
    opened = page.get_by_role("listitem").filter(has_text="打开链接或二维码")
    await expect(opened).to_contain_text("4")
    await expect(opened).to_contain_text("3 份停在这一步，还在等")
    await looks_right(page)
    await page.get_by_label("机构", exact=True).select_option("test-bank")
    await page.get_by_role("button", name="查看").click()
    await expect(page.get_by_role("listitem").filter(has_text="提出申请")).to_contain_text("3")
    await page.get_by_role("link", name="未达通知").click()
    await expect(page.get_by_text("status_503")).to_be_visible()
    await looks_right(page)
    await page.get_by_role("button", name="已另行告知，办结").click()
    await expect(page.get_by_text("已办结。")).to_be_visible()
    await expect(page.get_by_text("没有未送达的通知")).to_be_visible()
    await looks_right(page)
    await page.get_by_role("link", name="申请进展").click()
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading", name="How far requests get")).to_be_visible()
    await looks_right(page)
