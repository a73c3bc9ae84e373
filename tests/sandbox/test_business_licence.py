"""The played licence service: pages, a second device that confirms, and a desk where licences are revoked."""

import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey

from sandbox import business_licence as licences
from sandbox.browser import read_page
from sandbox.code_provider import Enterprise
from tests.sandbox.test_government_login import CHALLENGE
from tests.support.counterparts import hub_keys

ISSUER = "http://127.0.0.1:8004"
CALLBACK = "http://127.0.0.1:8000/portal/callback/licence"
HEROINE = Enterprise("91320583MYL6RD5N0B", "苏州枢易精密零件有限公司", "沈知禾", "苏州")
QUERY = (
    '{"credentials":[{"id":"licence","format":"dc+sd-jwt","meta":{"vct_values":["urn:xinyi:business-licence:1"]},'
    '"claims":[{"path":["uscc"]},{"path":["person_id"]}]}]}'
)


@pytest.fixture
def service() -> licences.BusinessLicence:
    return licences.BusinessLicence(
        issuer=ISSUER,
        client_id="xinyi-hub",
        redirect_uri=CALLBACK,
        enterprises=[HEROINE],
        key=ECKey.generate_key("P-256", {"kid": "authority-1"}),
        hub_keys=hub_keys(),
    )


@pytest.fixture
async def http(service: licences.BusinessLicence) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(licences.build(service))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        yield client


def question(**changes: str) -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": "xinyi-hub",
        "redirect_uri": CALLBACK,
        "dcql_query": QUERY,
        "state": "st",
        "nonce": "no",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }


async def handle_of(http: httpx.AsyncClient) -> str:
    page = await http.get("/authorize", params=question())
    return str(dict(read_page(ISSUER, page.text).form_to("/present").fields)["handle"])


async def test_the_holder_presents_in_this_browser(http: httpx.AsyncClient) -> None:
    page = await http.get("/authorize", params=question())
    assert "沙箱环境 · 合成数据" in page.text
    assert "不出示：住所、注册资本" in page.text
    handle = await handle_of(http)
    found = await http.post("/present", data={"handle": handle, "q": "精密", "uscc": ""})
    assert HEROINE.name in found.text
    back = await http.post("/present", data={"handle": handle, "uscc": HEROINE.uscc, "level": "2"})
    query = parse_qs(urlsplit(back.headers["location"]).query)
    assert (back.status_code, query["state"], query["iss"]) == (303, ["st"], [ISSUER])


async def test_a_second_device_confirms_and_the_first_browser_goes_on_once(http: httpx.AsyncClient) -> None:
    shown = await http.post("/scan", data={"handle": await handle_of(http)})
    waiting = shown.headers["location"]
    page = await http.get(waiting)
    assert "<svg" in page.text
    assert '<meta http-equiv="refresh"' in page.text
    phone = await http.get(waiting.replace("/scan/", "/phone/"))
    [number] = re.findall(r'class="match">(\d\d)<', page.text)
    assert f'class="match">{number}<' in phone.text
    done = await http.post(waiting.replace("/scan/", "/phone/"), data={"agent": HEROINE.uscc})
    assert "已出示电子营业执照" in done.text
    assert CALLBACK not in done.text  # the code goes to the browser that began
    back = await http.get(waiting)
    assert back.headers["location"].startswith(f"{CALLBACK}?code=")
    assert (await http.get(waiting)).status_code == 400


@pytest.mark.parametrize(
    "query", ["", "{}", "[]", QUERY.replace("uscc", "bank_account"), QUERY.replace("dc+sd-jwt", "mso_mdoc")]
)
async def test_a_question_for_anything_but_the_licence_is_refused(
    http: httpx.AsyncClient, query: str
) -> None:
    answer = await http.get("/authorize", params=question(dcql_query=query))
    assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == ["invalid_request"]


@pytest.mark.parametrize("path", ["/scan/nobody", "/phone/nobody"])
async def test_a_code_that_is_gone_leads_to_a_page(http: httpx.AsyncClient, path: str) -> None:
    assert "请回到信易枢纽重新登录" in (await http.get(path)).text
    assert (await http.post("/scan", data={"handle": "nobody"})).status_code == 400
    assert (await http.post("/present", data={"handle": "nobody"})).status_code == 400


async def test_at_the_desk_a_licence_is_revoked_and_restored(
    http: httpx.AsyncClient, service: licences.BusinessLicence
) -> None:
    stranger = {"Origin": "https://elsewhere.example"}
    assert (await http.post("/revoke", data={"uscc": HEROINE.uscc}, headers=stranger)).status_code == 403
    for revoked in (True, False):
        await http.post("/revoke", data={"uscc": HEROINE.uscc})
        assert (HEROINE.uscc in service.revoked) is revoked
        assert ("已吊销" in (await http.get("/")).text) is revoked


async def test_discovery_tells_the_truth(http: httpx.AsyncClient) -> None:
    metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["issuer"] == ISSUER
    assert "dc+sd-jwt" in metadata["vp_formats_supported"]
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert metadata[name].startswith(f"{ISSUER}/")
