"""An enterprise sees in its portal who looked whether there is anything about it."""

import httpx
import pytest

from core.clock import now
from core.settings import Settings
from gateway.hub import Hub
from gateway.portal.early_looks import ROWS
from gateway.portal.sessions import Sessions
from ledger import note_availability_check
from sandbox.browser import Page, read_page
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, signatory_of
from tests.support.bank import Bank

PATH = "/portal/early-looks"


@pytest.fixture
async def cookie(hub: Hub) -> str:
    return await Sessions(hub.redis).open(signatory_of(ENTERPRISE))


async def seen(settings: Settings, http: httpx.AsyncClient, cookie: str, path: str = PATH) -> Page:
    answer = await http.get(settings.public_url + path, headers={"cookie": f"hub_session={cookie}"})
    assert answer.status_code == 200, answer.text
    return read_page(str(answer.url), answer.text, answer.status_code)


async def test_it_is_told_who_looked_for_what_and_why(
    settings: Settings, http: httpx.AsyncClient, bank: Bank, cookie: str
) -> None:
    assert "还没有机构这样查看过" in (await seen(settings, http, cookie)).text
    question = {"uscc": ENTERPRISE, "purpose": "credit_review", "datasets": ["tax", "penalties"]}
    assert (await bank.post("/v1/availability", question)).status_code == 200
    assert (await bank.post("/v1/availability", {**question, "uscc": OTHER_ENTERPRISE})).status_code == 200
    page = await seen(settings, http, cookie)
    assert page.text.count("测试银行") == 1
    for words in ("授信审批", "纳税信息", "行政处罚"):
        assert words in page.text
    assert "谁先查过有没有数据" in (await seen(settings, http, cookie, "/portal/disclosures")).text


async def test_an_old_look_is_a_page_further(
    hub: Hub, settings: Settings, http: httpx.AsyncClient, bank: Bank, cookie: str
) -> None:
    async with hub.database.transaction() as tx:
        for number in range(ROWS + 1):
            dataset = "registration" if number == 0 else "tax"
            await note_availability_check(
                tx, bank.client_id, ENTERPRISE, purpose="credit_review", datasets=[dataset], at=now()
            )
    first = await seen(settings, http, cookie)
    assert "企业登记基本信息" not in first.text
    [older] = [link for link in first.links if "before_at" in link]
    second = await seen(settings, http, cookie, older.removeprefix(settings.public_url))
    assert "企业登记基本信息" in second.text
