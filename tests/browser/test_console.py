"""Operators at the console and visitors of the catalogue, in a real Chromium: on a phone, at a desk, by keyboard.

Every page is also looked at by axe (WCAG 2.2 A and AA) and must fit its screen.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from core.clock import china_day, now
from core.settings import Settings
from datasets import ingest
from gateway.console.sessions import OperatorSessions
from gateway.hub import Hub
from tests.browser.test_portal import DESK, PHONE, OpenPage, fits, open_page
from tests.conftest import ENTERPRISE, TAX_HEADER, TAX_ROW, Consents
from tests.gateway.test_console import STRICTER
from tests.support.bank import Bank
from tests.support.desk import enter_operator

pytestmark = pytest.mark.browser

__all__ = ["open_page"]  # the fixture

LOOKS = pytest.mark.parametrize("look", [PHONE, DESK], ids=["phone", "desk"])
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


async def looks_right(page: Page) -> None:
    """Nothing sticks out of the screen, and axe has nothing to say."""
    assert await fits(page), page.url
    found = await Axe().run(page, options=WCAG)
    assert found.violations_count == 0, found.generate_report()


async def log_in(page: Page, hub: Hub, settings: Settings, operator_id: str) -> None:
    await page.goto(f"{settings.public_url}/console")
    await looks_right(page)
    await page.get_by_label("操作员编号").fill(operator_id)
    await page.get_by_label("登录码").fill(await OperatorSessions(hub.redis).issue_code(operator_id))
    await page.get_by_role("button", name="登录").click()
    await expect(page.get_by_role("button", name="退出")).to_be_visible()


@pytest.fixture
async def delivered(hub: Hub, tmp_path: Path) -> None:
    """Three weeks of tax files: most as they should be, some with rows that cannot be taken."""
    file = tmp_path / "nsxx-202611.csv"
    today = china_day(now())
    async with hub.database.hot.acquire() as connection:
        for back in range(21, 0, -3):
            months = [f"{2024 + month // 12}{month % 12 + 1:02d}" for month in range(24 - back // 3)]
            rows = "".join(TAX_ROW.format(uscc=ENTERPRISE, month=month) for month in months)
            bad = "91350100M000100Y44,202609,1,1,1,1,1\n" * (2 if back % 2 else 0)
            file.write_text(TAX_HEADER + rows + bad)
            at = now() - timedelta(days=back)
            report = await ingest(
                connection,
                hub.catalogue.contracts["tax"],
                file,
                as_of=_month_end(today - timedelta(days=back + 20)),
            )
            await _move_back(hub, report.intake_id, at)


def _month_end(day: date) -> date:
    return day.replace(day=1) - timedelta(days=1)


async def _move_back(hub: Hub, intake_id: int, at: Any) -> None:
    async with hub.database.hot.acquire() as connection:
        await connection.execute(
            "UPDATE intakes SET started_at = $2, finished_at = $2 WHERE intake_id = $1", intake_id, at
        )


@LOOKS
@pytest.mark.usefixtures("delivered")
async def test_the_system_administrator_sees_the_quality_and_fetches_what_is_to_be_corrected(
    open_page: OpenPage, look: dict[str, Any], hub: Hub, settings: Settings
) -> None:
    await enter_operator(hub, "shi-lei", "system_admin")
    page = await open_page(**look)
    await log_in(page, hub, settings, "shi-lei")
    await expect(page.get_by_role("heading", name="数据质量", level=1)).to_be_visible()
    await expect(page.get_by_role("img", name="天入库率低于 95%")).to_be_visible()
    await looks_right(page)
    await page.get_by_text("按天列出").click()
    await expect(page.get_by_role("table").first).to_contain_text("%")
    await looks_right(page)
    async with page.expect_download() as fetched:
        await page.get_by_role("link", name="更正文件").first.click()
    text = Path(await (await fetched.value).path()).read_text("utf-8-sig")
    assert text.startswith("_line,_reason")
    await page.get_by_label("信息项目", exact=True).select_option("registration")
    await page.get_by_role("button", name="查看").click()
    await expect(page.get_by_text("这段时间没有收到文件")).to_be_visible()
    await looks_right(page)


@LOOKS
@pytest.mark.usefixtures("stocked")
async def test_two_security_administrators_bring_a_rule_set_into_force(
    open_page: OpenPage,
    look: dict[str, Any],
    hub: Hub,
    settings: Settings,
    bank: Bank,
    consents: Consents,
) -> None:
    for name in ("an-ning", "an-ping"):
        await enter_operator(hub, name, "security_admin")
    consent = await consents.active()
    decision = (await bank.query("registration", consent, ENTERPRISE)).json()["decision_id"]
    drafter, approver = await open_page(**look), await open_page(**look)
    await log_in(drafter, hub, settings, "an-ning")
    await looks_right(drafter)
    await drafter.get_by_label("规则文件").set_input_files(
        {"name": "2026-12.toml", "mimeType": "application/toml", "buffer": STRICTER.encode()}
    )
    await drafter.get_by_role("button", name="提交草案").click()
    await expect(drafter.get_by_text("须由另一位安全管理员批准")).to_be_visible()
    await looks_right(drafter)

    await log_in(approver, hub, settings, "an-ping")
    await approver.get_by_role("link", name="2026-12").click()
    await approver.get_by_role("button", name="重演").click()
    await expect(approver.get_by_role("heading", name="测试银行 · 企业登记基本信息")).to_be_visible()
    await looks_right(approver)
    await approver.get_by_role("link", name="2026-12").click()
    await approver.locator("#reason-approve").fill("与重演结果核对无误")
    await approver.get_by_role("button", name="批准").click()
    await expect(approver.get_by_text("已批准，可以启用。")).to_be_visible()
    await approver.get_by_role("button", name="启用").click()
    await expect(approver.get_by_text("执行中")).to_be_visible()
    await looks_right(approver)

    await approver.get_by_role("link", name="决定说明").click()
    await looks_right(approver)
    await approver.get_by_label("决定编号").fill(decision)
    await approver.get_by_role("button", name="查看说明").click()
    await expect(approver.get_by_text("credit-review-register").first).to_be_visible()
    await looks_right(approver)
    await approver.get_by_role("button", name="退出").click()
    await expect(approver.get_by_text("您已退出。")).to_be_visible()


@LOOKS
async def test_the_auditor_reads_everything_and_changes_nothing(
    open_page: OpenPage, look: dict[str, Any], hub: Hub, settings: Settings
) -> None:
    await enter_operator(hub, "shen-ji", "audit_admin")
    page = await open_page(**look)
    await log_in(page, hub, settings, "shen-ji")
    for tab, heading in (
        ("共享规则", "共享规则"),
        ("决定说明", "一次决定的说明"),
        ("操作记录", "操作员与操作记录"),
    ):
        await page.get_by_role("link", name=tab).click()
        await expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
        await looks_right(page)
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading", name="Operators and what they did")).to_be_visible()
    await looks_right(page)


async def test_the_console_works_without_scripts_and_by_keyboard(
    open_page: OpenPage, hub: Hub, settings: Settings
) -> None:
    await enter_operator(hub, "shen-ji", "audit_admin")
    page = await open_page(**DESK, java_script_enabled=False)
    await page.goto(f"{settings.public_url}/console/login")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    await page.get_by_label("操作员编号").focus()
    await page.keyboard.type("shen-ji")
    await page.keyboard.press("Tab")
    await page.keyboard.type(await OperatorSessions(hub.redis).issue_code("shen-ji"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="数据质量", level=1)).to_be_visible()
    [session] = [one for one in await page.context.cookies() if one["name"] == "hub_console"]
    assert (session["path"], session["httpOnly"], session["sameSite"]) == ("/console", True, "Strict")


# --- the catalogue ----------------------------------------------------------------------------------------------


@LOOKS
async def test_a_visitor_finds_a_field_and_reads_who_sees_it(
    open_page: OpenPage, look: dict[str, Any], hub: Hub, settings: Settings
) -> None:
    page = await open_page(**look)
    await page.goto(f"{settings.public_url}/portal")
    await page.get_by_role("link", name="平台有哪些数据").click()
    await expect(page.get_by_role("heading", name="信息项目目录")).to_be_visible()
    await looks_right(page)
    await page.get_by_label("查找").fill("销售收入")
    await page.get_by_label("查找").press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("找到")
    await looks_right(page)
    await page.get_by_role("link", name="申报销售收入").first.click()
    field = page.locator("#tax-sales_fen")
    await expect(field).to_be_in_viewport()
    await expect(field.locator(".banded")).to_contain_text("50万 至 70万 元")
    await looks_right(page)
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading", name="Monthly tax")).to_be_visible()
    await page.goto(f"{settings.public_url}/catalogue/indicators")
    await looks_right(page)


async def test_the_whole_catalogue_can_be_printed(
    open_page: OpenPage, hub: Hub, settings: Settings, tmp_path: Path
) -> None:
    page = await open_page(**DESK)
    await page.goto(f"{settings.public_url}/catalogue?print=all")
    assert await fits(page)
    await page.emulate_media(media="print")
    for contract in hub.catalogue.contracts.values():
        await expect(page.locator(f"#{contract.id}-{contract.fields[-1].name}")).to_be_visible()
    await expect(page.get_by_role("navigation", name="类别")).to_be_hidden()
    await page.pdf(path=tmp_path / "catalogue.pdf", format="A4")
    assert (tmp_path / "catalogue.pdf").stat().st_size > 100_000
