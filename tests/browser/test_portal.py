"""An owner of a company at the portal, in a real Chromium: on a phone, at a desk, in English, without scripts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from consent import Consent
from core.settings import Settings
from tests.conftest import ENTERPRISE, Consents
from tests.support.bank import Bank

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("stocked", "government_login")]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 900}}

OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture
async def open_page(chromium: Browser) -> AsyncIterator[OpenPage]:
    """A page in a fresh browser. What the browser complains about (its policy, scripts) fails the test."""
    complaints: list[str] = []

    async def opened(**look: Any) -> Page:
        context = await chromium.new_context(locale=look.pop("locale", "zh-CN"), **look)
        page = await context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opened
    assert complaints == []


async def log_in(page: Page, hub: str, path: str = "/portal") -> None:
    """From wherever the address leads, through the government log-in, and back."""
    await page.goto(hub + path)
    await page.get_by_role("link", name="用政务服务网法人账号登录").click()
    await expect(page.get_by_role("heading", name="江苏政务服务网")).to_be_visible()
    await page.get_by_role("button", name="苏州示例精密机械有限公司").click()
    await page.wait_for_url(f"{hub}/portal/requests**")


async def fits(page: Page) -> bool:
    """No sideways scrolling: nothing is wider than the screen."""
    wide: bool = await page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    return wide


@pytest.mark.parametrize("look", [PHONE, DESK], ids=["phone", "desk"])
async def test_log_in_read_agree_see_who_looked_and_take_it_back(
    open_page: OpenPage, look: dict[str, Any], settings: Settings, bank: Bank
) -> None:
    asked = (await bank.request_consent(ENTERPRISE)).json()
    hub, page = settings.public_url, await open_page(**look)

    await log_in(page, hub)
    card = page.get_by_role("article").filter(has_text="测试银行")
    await expect(card).to_contain_text("企业登记基本信息、纳税信息")
    await expect(card).to_contain_text("授信审批")
    assert await fits(page)

    await card.get_by_role("link", name="查看并答复").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("测试银行想查看贵企业的数据")
    await expect(page.get_by_role("heading", name="银行将看到的样子")).to_be_visible()
    await expect(page.locator(".banded", has_text="申报销售收入")).to_contain_text("50万 至 70万 元")
    await expect(page.locator(".masked", has_text="联系电话")).to_contain_text("138****5678")
    await expect(page.get_by_text("谁来看：测试银行。只有它可以看，它不得转给别人。")).to_be_visible()
    assert await fits(page)

    await page.get_by_role("button", name="同意授权").click()
    await expect(page.get_by_text("贵企业同意，授权生效")).to_be_visible()
    answer = (await bank.query("tax", asked["consent_id"], ENTERPRISE)).json()
    await bank.query("registration", asked["consent_id"], ENTERPRISE, purpose="post_loan")

    await page.get_by_role("link", name="谁看了我的数据").click()
    given = page.get_by_role("listitem").filter(has_text="已提供").filter(has_text="纳税信息")
    await expect(given).to_contain_text("测试银行")
    await given.get_by_text("看到了哪些内容").click()
    await expect(given.get_by_text(answer["decision_id"])).to_be_visible()
    await expect(given).to_contain_text("对方付费 0.50 元")
    refused = page.get_by_role("listitem").filter(has_text="已拒绝").filter(has_text="企业登记基本信息")
    await expect(refused).to_contain_text("用途与您同意的不符")
    await expect(page.get_by_role("img", name="提供 1 次")).to_be_visible()
    assert await fits(page)

    await given.get_by_role("link", name=asked["consent_id"]).click()
    await page.get_by_text("我要撤回授权").click()
    await expect(page.get_by_text("已经提供的数据不会自动收回，对方最多保存 365 天。")).to_be_visible()
    await page.get_by_role("button", name="确认撤回").click()
    await expect(page.get_by_text("您已撤回，对方不能再查看。")).to_be_visible()
    after = await bank.query("tax", asked["consent_id"], ENTERPRISE)
    assert (after.status_code, after.json()["type"]) == (403, "/problems/consent-revoked")


async def test_a_link_from_the_bank_opens_its_request_after_the_log_in(
    open_page: OpenPage, settings: Settings, bank: Bank, consents: Consents
) -> None:
    asked: Consent = await consents.asked(message="请您看一看")
    page = await open_page(**PHONE)
    await log_in(page, settings.public_url, f"/portal/requests/{asked.consent_id}")
    assert page.url.endswith(str(asked.consent_id))
    await expect(page.get_by_text("请您看一看")).to_be_visible()
    [session] = await page.context.cookies()
    assert (session["name"], session["path"], session["httpOnly"], session["sameSite"]) == (
        "hub_session", "/portal", True, "Lax",
    )  # fmt: skip


async def test_everything_works_without_scripts_and_by_keyboard(
    open_page: OpenPage, settings: Settings, bank: Bank, consents: Consents
) -> None:
    asked = await consents.asked()
    page = await open_page(**DESK, java_script_enabled=False)
    await log_in(page, settings.public_url, f"/portal/requests/{asked.consent_id}")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    await page.get_by_text("我不同意").press("Enter")
    await page.get_by_label("原因（选填）").fill("暂时不需要贷款")
    await page.get_by_label("原因（选填）").press("Enter")
    await expect(page.get_by_text("您没有同意，对方什么也没看到。")).to_be_visible()
    await expect(page.get_by_text("原因：暂时不需要贷款")).to_be_visible()


async def test_the_browsers_back_button_and_a_second_press_frighten_nobody(
    open_page: OpenPage, settings: Settings, bank: Bank, consents: Consents
) -> None:
    asked = await consents.asked()
    page = await open_page(**PHONE)
    await log_in(page, settings.public_url, f"/portal/requests/{asked.consent_id}")
    again = await page.context.new_page()
    await again.goto(page.url)
    await page.get_by_role("button", name="同意授权").click()
    await expect(page.get_by_text("贵企业同意，授权生效")).to_be_visible()
    await again.get_by_role("button", name="同意授权").click()
    await expect(again.get_by_text("贵企业同意，授权生效")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("link", name="谁看了我的数据")).to_be_visible()
    await expect(page.get_by_role("button", name="同意授权")).to_have_count(0)


async def test_a_reader_of_english_can_switch_and_the_signed_sentences_stay_chinese(
    open_page: OpenPage, settings: Settings, bank: Bank, consents: Consents
) -> None:
    asked = await consents.asked()
    page = await open_page(**DESK)
    await log_in(page, settings.public_url, f"/portal/requests/{asked.consent_id}")
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading", name="Your decision")).to_be_visible()
    await expect(page.get_by_text("谁来看：测试银行。")).to_be_visible()
    await page.get_by_role("link", name="Who looked").click()
    await expect(page.get_by_text("Nobody has asked for your data yet")).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == "en"


async def test_logging_out_ends_the_session(open_page: OpenPage, settings: Settings, bank: Bank) -> None:
    page = await open_page(**PHONE)
    await log_in(page, settings.public_url)
    await page.get_by_role("button", name="退出").click()
    await expect(page.get_by_text("您已安全退出。")).to_be_visible()
    await page.goto(f"{settings.public_url}/portal/disclosures")
    await expect(page.get_by_role("link", name="用政务服务网法人账号登录")).to_be_visible()


async def test_on_a_phone_less_is_granted_paused_and_resumed_without_scripts(
    open_page: OpenPage, settings: Settings, bank: Bank, consents: Consents
) -> None:
    asked = await consents.asked()
    page = await open_page(**PHONE, java_script_enabled=False)
    await log_in(page, settings.public_url, f"/portal/requests/{asked.consent_id}")
    await page.get_by_text("我只同意一部分").press("Enter")
    await page.get_by_label("企业登记基本信息").uncheck()
    await page.get_by_label("看多少天（最多 90 天）").fill("30")
    assert await fits(page)
    await page.get_by_role("button", name="看改好的内容").press("Enter")
    await expect(page.get_by_text("少于申请：对方申请的是企业登记基本信息、纳税信息、90 天")).to_be_visible()
    await page.get_by_role("button", name="同意以上内容").press("Enter")
    await expect(page.get_by_text("贵企业同意，授权生效")).to_be_visible()
    await page.get_by_role("button", name="暂停授权").press("Enter")
    await expect(page.get_by_text("暂停期间，对方看不到数据。")).to_be_visible()
    await page.get_by_role("button", name="恢复授权").press("Enter")
    await expect(page.get_by_text("贵企业恢复授权")).to_be_visible()
    assert await fits(page)


async def test_the_owner_appoints_the_agent_who_then_answers_and_revokes_it_again(
    open_page: OpenPage, settings: Settings, bank: Bank, consents: Consents
) -> None:
    asked = await consents.asked()
    hub, agents_page = settings.public_url, "/portal/agents"
    agent = await open_page(**PHONE)
    await agent.goto(hub + f"/portal/requests/{asked.consent_id}")
    await agent.get_by_role("link", name="用政务服务网法人账号登录").click()
    await (
        agent.get_by_role("listitem")
        .filter(has_text="苏州示例精密机械有限公司")
        .get_by_role("button", name="以经办人钱小满登录")
        .click()
    )
    await agent.wait_for_url(f"{hub}/portal/requests/**")

    owner = await open_page(**DESK)
    await log_in(owner, hub)
    await owner.get_by_role("link", name="经办人", exact=True).click()
    await owner.get_by_label("授信审批").first.check()
    await owner.get_by_text("选择数据").click()
    await owner.get_by_label("企业登记基本信息").check()
    await owner.get_by_label("纳税信息", exact=True).check()
    assert await fits(owner)
    await owner.get_by_role("button", name="委派", exact=True).click()
    await expect(owner.get_by_role("article").filter(has_text="授信审批")).to_contain_text("有效")

    await agent.get_by_role("button", name="同意授权").click()
    await expect(agent.get_by_text("贵企业同意，授权生效")).to_be_visible()
    await owner.get_by_text("撤销委派").click()
    await owner.get_by_role("button", name="确认撤销").click()
    await expect(owner.get_by_role("article").filter(has_text="授信审批")).to_contain_text("已撤销")
    await agent.goto(hub + agents_page)
    await expect(agent.get_by_text("您以经办人身份登录")).to_be_visible()
    assert await fits(agent)
