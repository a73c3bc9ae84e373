"""The ways in, through the running hub and counterparts on real sockets: the right person, this browser, once."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey

from core.settings import Settings
from gateway.hub import Hub
from gateway.portal.access import LOGIN_COOKIE, SESSION_COOKIE
from sandbox import business_licence as licences
from sandbox import government_login as government
from sandbox.browser import read_page
from sandbox.code_provider import CodeProvider
from sandbox.hub_keys import keys_at
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents
from tests.support.counterparts import KNOWN, free_ports, serving_site

GOVERNMENT_PORT, LICENCE_PORT = free_ports(2)

pytestmark = pytest.mark.usefixtures("bank")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "government_login_issuer": f"http://127.0.0.1:{GOVERNMENT_PORT}",
            "business_licence_issuer": f"http://127.0.0.1:{LICENCE_PORT}",
        }
    )


@pytest.fixture
async def ways(hub: Hub, settings: Settings) -> AsyncIterator[dict[str, CodeProvider]]:
    """Who vouches for persons, by the name of the way."""
    known = {
        "client_id": "xinyi-hub",
        "enterprises": KNOWN,
        "hub_keys": keys_at(f"{settings.public_url}/jwks"),
    }
    login = government.GovernmentLogin(
        issuer=settings.government_login_issuer,
        redirect_uri=f"{settings.public_url}/portal/callback",
        key=ECKey.generate_key("P-256", {"kid": "login-1"}),
        **known,
    )
    licence = licences.BusinessLicence(
        issuer=settings.business_licence_issuer or "",
        redirect_uri=f"{settings.public_url}/portal/callback/licence",
        key=ECKey.generate_key("P-256", {"kid": "authority-1"}),
        **known,
    )
    async with (
        serving_site(government.build(login), GOVERNMENT_PORT),
        serving_site(licences.build(licence), LICENCE_PORT),
    ):
        yield {"": login, "/licence": licence}


@pytest.fixture
async def browser(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with new_browser(settings) as opened:
        yield opened


def new_browser(settings: Settings) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=settings.public_url, trust_env=False, timeout=30)


async def leave(browser: httpx.AsyncClient, way: str, **query: str) -> str:
    """Where the hub sends the browser."""
    answer = await browser.get(f"/portal/login{way}", params=query)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def come_back(
    browser: httpx.AsyncClient, provider: CodeProvider, address: str, uscc: str = ENTERPRISE, level: int = 3
) -> str:
    """The address with which the browser comes back from there."""
    handle = provider.begin(dict(parse_qsl(urlsplit(address).query)))
    return provider.choose(handle, uscc, level=level)


def refused(answer: httpx.Response) -> bool:
    return (
        answer.status_code == 401 and SESSION_COOKIE not in answer.cookies and "登录没有成功" in answer.text
    )


async def test_the_welcome_page_offers_every_way_there_is(
    browser: httpx.AsyncClient, ways: dict[str, CodeProvider], consents: Consents
) -> None:
    asked = (await consents.asked()).consent_id
    page = await browser.get(f"/portal?request={asked}")
    for way in ways:
        assert f'href="/portal/login{way}?request={asked}"' in page.text
    assert (await browser.get("/portal/login/by-telephone")).status_code == 400


@pytest.mark.parametrize("way", ["", "/licence"])
async def test_each_way_leads_to_the_request_that_was_to_be_opened(
    browser: httpx.AsyncClient, ways: dict[str, CodeProvider], consents: Consents, way: str
) -> None:
    asked = (await consents.asked()).consent_id
    address = await leave(browser, way, request=str(asked))
    back = await browser.get(await come_back(browser, ways[way], address))
    assert back.headers["location"] == f"/portal/requests/{asked}"
    page = await browser.get(f"/portal/requests/{asked}")
    assert "苏州示例精密机械有限公司" in page.text
    told = await browser.get("/portal/identity")
    assert ("电子营业执照" if way else "政务服务网") in told.text


@pytest.mark.parametrize("way", ["", "/licence"])
async def test_an_answer_that_comes_again_lets_nobody_in(
    browser: httpx.AsyncClient, settings: Settings, ways: dict[str, CodeProvider], way: str
) -> None:
    back = await come_back(browser, ways[way], await leave(browser, way))
    login_cookie = browser.cookies[LOGIN_COOKIE]
    assert (await browser.get(back)).status_code == 303
    assert (await browser.get(back)).headers["location"] == "/portal/requests"  # the back button
    async with new_browser(settings) as thief:
        assert refused(await thief.get(back))
        thief.cookies.set(LOGIN_COOKIE, login_cookie)
        assert refused(await thief.get(back))


@pytest.mark.parametrize("way", ["", "/licence"])
async def test_a_swapped_state_lets_nobody_in(
    browser: httpx.AsyncClient, ways: dict[str, CodeProvider], way: str
) -> None:
    back = await come_back(browser, ways[way], await leave(browser, way))
    parts = urlsplit(back)
    query = {**dict(parse_qsl(parts.query)), "state": "swapped"}
    assert refused(await browser.get(f"{parts.path}?{urlencode(query)}"))
    assert refused(await browser.get(back))  # the log-in is spent


@pytest.mark.parametrize("way", ["", "/licence"])
async def test_another_enterprises_answer_does_not_fit_this_browser(
    browser: httpx.AsyncClient, settings: Settings, ways: dict[str, CodeProvider], way: str
) -> None:
    """Log-in CSRF: somebody's own good answer, as a link, in the victim's browser, with whatever state."""
    async with new_browser(settings) as other:
        theirs = await come_back(other, ways[way], await leave(other, way), OTHER_ENTERPRISE)
    await leave(browser, way)
    assert refused(await browser.get(theirs))
    state = dict(parse_qsl(urlsplit(await leave(browser, way)).query))["state"]
    query = {**dict(parse_qsl(urlsplit(theirs).query)), "state": state}
    assert refused(await browser.get(f"{urlsplit(theirs).path}?{urlencode(query)}"))


async def test_the_answer_of_one_way_is_not_taken_for_another_ways(
    browser: httpx.AsyncClient, ways: dict[str, CodeProvider]
) -> None:
    """RFC 9700 §4.4: the address to come back to tells the issuers apart, and so does `iss`."""
    back = await come_back(browser, ways[""], await leave(browser, ""))
    assert refused(await browser.get(back.replace("/portal/callback", "/portal/callback/licence")))
    back = await come_back(browser, ways[""], await leave(browser, ""))
    theirs = urlencode({"iss": ways["/licence"].issuer})
    ours = urlencode({"iss": ways[""].issuer})
    assert refused(await browser.get(back.replace(ours, theirs)))


@pytest.mark.parametrize("way", ["", "/licence"])
async def test_who_turns_back_is_told_that_nothing_happened(
    browser: httpx.AsyncClient, ways: dict[str, CodeProvider], way: str
) -> None:
    state = dict(parse_qsl(urlsplit(await leave(browser, way)).query))["state"]
    answer = await browser.get(f"/portal/callback{way}?error=access_denied&state={state}")
    assert answer.headers["location"] == "/portal?notice=cancelled"
    assert SESSION_COOKIE not in answer.cookies


async def test_a_revoked_licence_is_told_as_such(
    browser: httpx.AsyncClient, ways: dict[str, CodeProvider]
) -> None:
    licence = ways["/licence"]
    assert isinstance(licence, licences.BusinessLicence)
    licence.revoked.add(ENTERPRISE)
    answer = await browser.get(await come_back(browser, licence, await leave(browser, "/licence")))
    assert answer.status_code == 403
    assert "电子营业执照已失效" in answer.text
    assert SESSION_COOKIE not in answer.cookies


async def test_while_a_way_is_away_the_page_says_so_and_the_other_goes_on(
    browser: httpx.AsyncClient, hub: Hub
) -> None:
    for way in ("", "/licence"):
        answer = await browser.get(f"/portal/login{way}")
        assert answer.status_code == 503
        assert "登录服务暂时没有答复" in answer.text
    assert (await browser.get("/portal")).status_code == 200


@pytest.mark.parametrize(
    ("way", "level", "told"), [("", 3, "高"), ("/licence", 3, "高"), ("/licence", 2, "一般")]
)
async def test_the_session_keeps_how_sure_the_log_in_was(
    browser: httpx.AsyncClient, ways: dict[str, CodeProvider], way: str, level: int, told: str
) -> None:
    await browser.get(await come_back(browser, ways[way], await leave(browser, way), level=level))
    page = await browser.get("/portal/identity")
    assert f'<dd class="strong">{told}</dd>' in page.text


async def test_one_person_is_one_person_in_the_hub_whichever_way_they_came(
    browser: httpx.AsyncClient, ways: dict[str, CodeProvider], hub: Hub
) -> None:
    for way in ways:
        await browser.get(await come_back(browser, ways[way], await leave(browser, way)))
    people = await hub.database.hot.fetch("SELECT subject, name FROM enterprise_people")
    assert [row["name"] for row in people] == ["张三丰"]
    assert ENTERPRISE not in people[0]["subject"]


async def test_who_agreed_one_way_is_not_a_second_person_the_other_way(
    browser: httpx.AsyncClient,
    settings: Settings,
    ways: dict[str, CodeProvider],
    hub: Hub,
    consents: Consents,
) -> None:
    """Two must agree. The legal representative comes through both doors and is still one."""
    asked = (await consents.asked(datasets=("registration",))).consent_id
    for way in ways:
        await browser.get(await come_back(browser, ways[way], await leave(browser, way)))
        if way == "":
            page = read_page(settings.public_url, (await browser.get("/portal/agents")).text)
            form = page.form_to("/portal/agents/approvals")
            await browser.post(form.action, data={**dict(form.fields), "needed": "2"})
        page = read_page(settings.public_url, (await browser.get(f"/portal/requests/{asked}")).text)
        if way == "":
            form = page.form_to("/approve")
            assert (await browser.post(form.action, data=dict(form.fields))).status_code == 303
        else:
            assert not any(form.action.endswith("/approve") for form in page.forms)
            assert "您已经同意" in page.text
    state = await hub.database.hot.fetchval("SELECT state FROM consents WHERE consent_id = $1", asked)
    assert state == "partially_approved"
