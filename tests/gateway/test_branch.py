"""The QR page of a branch: leads to the request while it waits, says when it is over, and nothing of whom."""

import uuid

import httpx

from consent import give_up
from core.clock import now
from gateway.hub import Hub
from tests.conftest import ENTERPRISE, Consents
from tests.support.backchannel import begin
from tests.support.bank import Bank


async def page(bank: Bank, consent_id: object, language: str = "zh") -> httpx.Response:
    return await bank.http.get(f"{bank.base}/qr/{consent_id}", params={"lang": language})


async def test_a_waiting_request_is_shown_as_a_code_with_its_link(bank: Bank) -> None:
    begun = (await begin(bank)).json()
    shown = await bank.http.get(begun["qr_url"])
    assert shown.status_code == 200
    assert "<svg" in shown.text
    assert begun["approval_url"] in shown.text
    assert "请企业扫码答复授权申请" in shown.text
    assert shown.headers["refresh"] == "20"
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    english = await page(bank, begun["consent_id"], "en")
    assert "Scan to answer the request" in english.text


async def test_it_says_nothing_of_whom_and_for_what(bank: Bank) -> None:
    begun = (await begin(bank)).json()
    shown = (await page(bank, begun["consent_id"])).text
    for secret in (ENTERPRISE, "苏州示例精密机械有限公司", "测试银行", "A7K2", "流动资金", "credit_review"):
        assert secret not in shown


async def test_an_expired_code_says_so_and_leads_nowhere(bank: Bank, hub: Hub) -> None:
    begun = (await begin(bank)).json()
    async with hub.database.transaction() as tx:
        await give_up(tx, "test-bank", uuid.UUID(begun["consent_id"]), at=now())
    shown = await page(bank, begun["consent_id"])
    assert shown.status_code == 200
    assert "二维码已过期" in shown.text
    assert "<svg class" not in shown.text
    assert begun["approval_url"] not in shown.text
    assert "refresh" not in shown.headers


async def test_an_answered_request_says_so(bank: Bank, consents: Consents) -> None:
    shown = await page(bank, await consents.active())
    assert "这项申请已经答复" in shown.text
    assert "qrline" not in shown.text


async def test_what_is_no_request_is_a_page_that_says_so(bank: Bank) -> None:
    missing = await page(bank, uuid.uuid4())
    assert missing.status_code == 404
    assert "text/html" in missing.headers["content-type"]
