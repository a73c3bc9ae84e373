"""The redirect flow, clause by clause: RFC 6749, 7636, 9126, 9207, 9396, 9449 §10 and FAPI 2.0 Security Profile."""

import asyncio
import base64
import hashlib
import json
import ssl
import time
from urllib.parse import quote, urlsplit

import httpx
import pytest

from gateway.hub import Hub
from gateway.oauth.codes import Code
from gateway.oauth.memory import Memory
from gateway.oauth.par import PREFIX, PUSHED_SECONDS, PushedRequest
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE
from tests.support.authorization import DETAIL, Browser, Redirect, answer_in
from tests.support.bank import ASSERTION_TYPE, Bank, b64, new_key, public_jwk


def assert_refused(answer: httpx.Response, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.json()["error_description"]
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"error", "error_description"}


def claims_of(token: str) -> dict[str, object]:
    payload = token.split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


async def test_from_the_banks_page_to_the_data_and_back(
    redirect: Redirect, browser: Browser, stocked: None
) -> None:
    came_back = await browser.answer(await redirect.address())
    parts, answer = urlsplit(came_back), answer_in(came_back)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://bank.example/callback"
    assert set(answer) == {"from", "code", "state", "iss"}
    token = await redirect.exchange(answer["code"])
    assert token.status_code == 200, token.text
    body = token.json()
    assert (body["token_type"], body["expires_in"]) == ("DPoP", 300)
    redirect.bank._token = body["access_token"]
    found = await redirect.bank.query("registration", body["grant_id"], ENTERPRISE)
    assert found.status_code == 200, found.text
    assert found.json()["found"]


# --- pushing ----------------------------------------------------------------------------------------------------


async def test_rfc9126_2_2_the_answer_is_201_with_a_request_uri_and_a_short_life(redirect: Redirect) -> None:
    answer = await redirect.push()
    assert answer.status_code == 201
    assert answer.json()["request_uri"].startswith(PREFIX)
    assert answer.json()["expires_in"] == PUSHED_SECONDS <= 60
    assert answer.headers["cache-control"] == "no-store"


async def test_rfc9126_2_1_a_request_uri_cannot_be_pushed(redirect: Redirect) -> None:
    assert_refused(await redirect.push(request_uri=PREFIX + "x"), "invalid_request")


async def test_fapi2_5_3_2_2_pushing_needs_client_authentication(redirect: Redirect) -> None:
    assert_refused(await redirect.push(client_assertion=""), "invalid_client", 401)
    forged = redirect.bank.assertion(iss="other-bank", sub="other-bank")
    assert_refused(await redirect.push(client_assertion=forged, client_id=None), "invalid_client", 401)
    assert_refused(await redirect.push(client_id="other-bank"), "invalid_client", 401)


async def test_fapi2_5_3_2_1_the_audience_of_an_assertion_is_the_issuer_as_a_string(
    redirect: Redirect,
) -> None:
    base = redirect.bank.base
    for audience in (f"{base}/oauth/par", f"{base}/oauth/token", [base], None):
        assertion = redirect.bank.assertion(aud=audience)
        assert_refused(await redirect.push(client_assertion=assertion), "invalid_client", 401)


async def test_rfc7523_3_an_assertion_works_once(redirect: Redirect) -> None:
    assertion = redirect.bank.assertion()
    assert (await redirect.push(client_assertion=assertion)).status_code == 201
    assert_refused(await redirect.push(client_assertion=assertion), "invalid_client", 401)


NOT_GOOD: list[tuple[dict[str, str | None], str]] = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"scope": "openid"}, "invalid_scope"),
    ({"state": "x" * 2049}, "invalid_request"),
    ({"state": "a\nb"}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"dpop_jkt": "short"}, "invalid_request"),
    ({"authorization_details": None}, "invalid_request"),
    ({"grant_management_action": "merge", "grant_id": "x"}, "invalid_request"),
    ({"grant_id": "x"}, "invalid_request"),
    ({"grant_management_action": "replace", "grant_id": "x"}, "invalid_grant_id"),
]


async def test_fapi2_5_3_2_2_what_is_not_a_good_request_is_refused_when_pushed(redirect: Redirect) -> None:
    for changes, error in NOT_GOOD:
        assert_refused(await redirect.push(**changes), error)


NOT_REGISTERED = [
    None,
    "https://bank.example/callback",
    "https://bank.example/callback?from=hub&x=1",
    "https://bank.example/CALLBACK?from=hub",
    "https://evil.example/callback?from=hub",
    "https://bank.example:444/callback?from=hub",
]


async def test_fapi2_5_3_2_2_the_redirect_uri_is_sent_and_is_the_registered_one_character_by_character(
    redirect: Redirect,
) -> None:
    for address in NOT_REGISTERED:
        assert_refused(await redirect.push(redirect_uri=address), "invalid_request")


NOT_GRANTABLE = [
    "x",
    "{}",
    "[]",
    json.dumps([DETAIL, DETAIL]),
    json.dumps([{**DETAIL, "type": "other"}]),
    json.dumps([{**DETAIL, "unknown": 1}]),
    json.dumps([{**DETAIL, "term_days": "90"}]),
    json.dumps([{**DETAIL, "term_days": 0}]),
    json.dumps([{**DETAIL, "term_days": 366}]),
    json.dumps([{**DETAIL, "uscc": "91350100M000100Y44"}]),
    json.dumps([{**DETAIL, "purpose": "curiosity"}]),
    json.dumps([{**DETAIL, "datasets": ["nothing"]}]),
    json.dumps([{**DETAIL, "datasets": []}]),
    json.dumps([{**DETAIL, "locations": ["https://elsewhere.example"]}]),
    "[" * 2000,
]


async def test_rfc9396_5_details_that_cannot_be_granted_are_refused(redirect: Redirect) -> None:
    for details in NOT_GRANTABLE:
        assert_refused(await redirect.push(authorization_details=details), "invalid_authorization_details")


async def test_rfc6749_3_2_a_parameter_is_sent_once(redirect: Redirect) -> None:
    twice = "state=1&state=2"
    answer = await redirect.bank.http.post(
        f"{redirect.bank.base}/oauth/par",
        content=twice,
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert_refused(answer, "invalid_request")


async def test_fapi2_5_3_2_1_clocks_may_be_10_seconds_ahead_and_not_more_than_60(redirect: Redirect) -> None:
    bank, at = redirect.bank, int(time.time())
    for claim in ("iat", "nbf"):
        assertion = bank.assertion(**{claim: at + 10}, exp=at + 60)
        assert (await redirect.push(client_assertion=assertion)).status_code == 201
        for ahead in (61, 90):
            assertion = bank.assertion(**{claim: at + ahead}, exp=at + 120)
            assert_refused(await redirect.push(client_assertion=assertion), "invalid_client", 401)


async def test_rfc9449_11_1_a_proof_works_once_also_when_pushing(redirect: Redirect) -> None:
    proof = redirect.bank.proof("POST", f"{redirect.bank.base}/oauth/par")
    assert (await redirect.push(dpop=proof)).status_code == 201
    assert_refused(await redirect.push(dpop=proof), "invalid_dpop_proof")


async def test_fapi2_5_3_2_1_there_is_no_password_and_no_implicit_grant(redirect: Redirect) -> None:
    for grant_type in ("password", "implicit", "", "unknown"):
        form = {"grant_type": grant_type, "username": "x", "password": "x"}
        refused = await redirect.bank.send_form("/oauth/token", **form)
        assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_grant_type")


# --- in the browser ---------------------------------------------------------------------------------------------


async def test_fapi2_5_3_2_2_a_request_that_was_not_pushed_gets_a_page_and_no_redirect(
    redirect: Redirect, browser: Browser
) -> None:
    plain = redirect.parameters()
    answer = await browser.http.get(f"{redirect.bank.base}/oauth/authorize", params=plain)
    assert answer.status_code == 400
    assert "授权链接已失效" in answer.text
    assert "location" not in answer.headers
    assert "https://bank.example" not in answer.text


async def test_rfc9126_4_a_request_uri_is_good_for_its_own_client_only(
    redirect: Redirect, browser: Browser, other_bank: Bank
) -> None:
    request_uri = (await redirect.push()).json()["request_uri"]
    await browser.see(Redirect(other_bank).address_of(request_uri), 400)
    await browser.go(redirect.address_of(request_uri))


async def test_rfc9126_4_a_request_uri_that_is_over_is_refused(
    redirect: Redirect, browser: Browser, hub: Hub
) -> None:
    request_uri = (await redirect.push()).json()["request_uri"]
    await Memory(hub.redis).forget(PushedRequest, request_uri)  # what its time does
    page = await browser.see(redirect.address_of(request_uri), 400)
    assert "请回到银行的页面重新发起" in page.text


async def test_rfc9126_2_1_request_uri_is_used_once(
    redirect: Redirect, browser: Browser, other_browser: Browser
) -> None:
    """Used up by the answer and not by being looked at: browsers and scanners open links before people do
    (FAPI 2.0 §5.3.2.2, note on one-time use)."""
    address = await redirect.address()
    first, again = await browser.go(address), await browser.go(address)
    assert first == again
    await browser.answer(address)
    for where in (browser, other_browser):
        assert "授权链接已失效" in (await where.see(address, 400)).text


async def test_rfc6749_3_1_a_repeated_parameter_is_refused(redirect: Redirect, browser: Browser) -> None:
    address = await redirect.address()
    await browser.see(address + "&client_id=other-bank", 400)


async def test_rfc6749_4_1_2_the_state_comes_back_as_it_was_sent(bank: Bank, browser: Browser) -> None:
    redirect = Redirect(bank, state="a b&c=d%20/?#ü".encode("ascii", "ignore").decode())
    assert answer_in(await browser.answer(await redirect.address()))["state"] == redirect.state


async def test_rfc6749_4_1_2_without_a_state_none_comes_back(redirect: Redirect, browser: Browser) -> None:
    assert "state" not in answer_in(await browser.answer(await redirect.address(state=None)))


@pytest.mark.parametrize("verb", ["approve", "reject"])
async def test_rfc9207_2_every_answer_names_its_issuer(
    redirect: Redirect, browser: Browser, verb: str
) -> None:
    assert answer_in(await browser.answer(await redirect.address(), verb))["iss"] == redirect.bank.base


async def test_rfc6749_4_1_2_1_a_no_of_the_enterprise_is_access_denied(
    redirect: Redirect, browser: Browser
) -> None:
    answer = answer_in(await browser.answer(await redirect.address(), "reject"))
    assert answer["error"] == "access_denied"
    assert answer["state"] == redirect.state
    assert "code" not in answer


async def test_without_a_log_in_the_way_leads_over_it_and_to_the_same_request(redirect: Redirect) -> None:
    stranger = Browser(redirect.bank.base)
    page = await stranger.go(await redirect.address())
    welcome = await stranger.go(page)
    assert urlsplit(welcome).query == f"request={page.rpartition('/')[2]}"
    await stranger.http.aclose()


async def test_another_enterprise_in_the_browser_cannot_answer(
    redirect: Redirect, browser: Browser, hub: Hub
) -> None:
    await browser.log_in(hub, OTHER_ENTERPRISE)
    page = await browser.go(await redirect.address())
    assert "没有找到这份授权" in (await browser.see(page, 404)).text
    await browser.see(f"{page}/return", 404)


async def test_an_answer_on_another_device_is_taken_to_the_bank_by_the_browser_that_came_from_there(
    redirect: Redirect, browser: Browser, other_browser: Browser
) -> None:
    page = await browser.go(await redirect.address())
    assert await other_browser.press(await other_browser.see(page), "/approve") == page
    assert await other_browser.go(f"{page}/return") == page  # nothing for this one
    here = await browser.see(page)
    assert f"{urlsplit(page).path}/return" in here.links
    assert "code" in answer_in(await browser.go(f"{page}/return"))


async def test_before_the_answer_there_is_nothing_to_take_back(redirect: Redirect, browser: Browser) -> None:
    page = await browser.go(await redirect.address())
    assert await browser.go(f"{page}/return") == page


async def test_a_button_pressed_twice_leads_to_the_same_code(redirect: Redirect, browser: Browser) -> None:
    page = await browser.see(await browser.go(await redirect.address()))
    back = [await browser.go(await browser.press(page, "/approve")) for _ in range(2)]
    assert back[0] == back[1]
    assert (await redirect.exchange(answer_in(back[0])["code"])).status_code == 200
    later = await browser.press(page, "/approve")
    assert await browser.go(later) == page.url  # the code was used: the bank has its answer


async def test_fapi2_5_3_2_2_redirects_are_303_and_the_page_lets_its_form_lead_to_the_bank(
    redirect: Redirect, browser: Browser
) -> None:
    answer = await browser.http.get(await redirect.address())
    assert answer.status_code == 303
    assert "HttpOnly" in answer.headers["set-cookie"]
    page = await browser.http.get(answer.headers["location"])
    assert "form-action 'self' https://bank.example;" in page.headers["content-security-policy"]
    assert "测试银行" in page.text


# --- codes ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def code(redirect: Redirect, browser: Browser) -> str:
    return answer_in(await browser.answer(await redirect.address()))["code"]


async def test_fapi2_5_3_2_2_a_code_works_once_and_a_second_use_takes_back_what_it_gave(
    redirect: Redirect, code: str
) -> None:
    first = await redirect.exchange(code)
    redirect.bank._token = first.json()["access_token"]
    assert (await redirect.bank.get("/v1/usage")).status_code == 200
    refresh = {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"]}
    refreshed = (await redirect.bank.send_form("/oauth/token", **refresh)).json()["access_token"]
    assert_refused(await redirect.exchange(code), "invalid_grant")
    for given in (redirect.bank._token, refreshed):
        redirect.bank._token = given
        assert (await redirect.bank.get("/v1/usage")).status_code == 401
    assert_refused(await redirect.bank.send_form("/oauth/token", **refresh), "invalid_grant")


async def test_a_code_used_twice_at_once_gives_nothing_that_lasts(redirect: Redirect, code: str) -> None:
    answers = await asyncio.gather(*(redirect.exchange(code) for _ in range(8)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) <= 1
    for answer in good:
        refresh = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
        assert_refused(await redirect.bank.send_form("/oauth/token", **refresh), "invalid_grant")


async def test_rfc6749_4_1_2_a_code_lives_60_seconds(code: str, hub: Hub) -> None:
    [key] = [key async for key in hub.redis.scan_iter("oauth:Code:*")]
    assert 0 < await hub.redis.ttl(key) <= 60


async def test_rfc6749_4_1_2_a_code_that_is_over_is_refused(redirect: Redirect, code: str, hub: Hub) -> None:
    await Memory(hub.redis).forget(Code, code)
    assert_refused(await redirect.exchange(code), "invalid_grant")


async def test_rfc6749_4_1_3_a_code_is_good_for_its_own_client_only(
    redirect: Redirect, code: str, other_bank: Bank
) -> None:
    thief = Redirect(other_bank, verifier=redirect.verifier)
    stolen = await thief.exchange(code, redirect_uri=redirect.bank.redirect_uri)
    assert_refused(stolen, "invalid_grant")
    assert (await redirect.exchange(code)).status_code == 200  # and the thief's try did it no harm


async def test_rfc6749_4_1_3_the_redirect_uri_is_the_one_of_the_request(
    redirect: Redirect, code: str
) -> None:
    assert_refused(await redirect.exchange(code, redirect_uri="https://bank.example/other"), "invalid_grant")
    assert_refused(await redirect.exchange(code, redirect_uri=None), "invalid_grant")


async def test_rfc7636_4_6_the_verifier_must_fit(redirect: Redirect, code: str) -> None:
    assert_refused(await redirect.exchange(code, code_verifier="x" * 43), "invalid_grant")
    assert_refused(await redirect.exchange(code, code_verifier=None), "invalid_request")


async def test_fapi2_5_3_2_1_tokens_are_sender_constrained(redirect: Redirect, code: str) -> None:
    assert_refused(await redirect.exchange(code, dpop=False), "invalid_dpop_proof")
    token = (await redirect.exchange(code)).json()["access_token"]
    assert set(claims_of(token)["cnf"]) == {"jkt"}  # type: ignore[call-overload]


async def test_rfc8705_3_over_mutual_tls_the_token_is_bound_to_the_certificate(
    redirect: Redirect, code: str
) -> None:
    sent = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect.bank.redirect_uri,
        "code_verifier": redirect.verifier,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": redirect.bank.assertion(),
    }
    certificate = quote(ssl.DER_cert_to_PEM_cert(b"as the proxy in front hands it over"))
    answer = await redirect.bank.http.post(
        f"{redirect.bank.base}/oauth/token", data=sent, headers={"X-SSL-Client-Cert": certificate}
    )
    assert answer.json()["token_type"] == "Bearer"
    assert set(claims_of(answer.json()["access_token"])["cnf"]) == {"x5t#S256"}  # type: ignore[call-overload]


@pytest.mark.parametrize("how", ["parameter", "proof"])
async def test_rfc9449_10_a_code_can_be_bound_to_a_dpop_key(bank: Bank, browser: Browser, how: str) -> None:
    redirect, key = Redirect(bank), new_key()
    par, at_token = f"{bank.base}/oauth/par", f"{bank.base}/oauth/token"
    if how == "proof":
        address = await redirect.address(dpop=bank.proof("POST", par, key=key))
    else:
        address = await redirect.address(dpop_jkt=thumbprint(key))
    code = answer_in(await browser.answer(address))["code"]
    assert_refused(await redirect.exchange(code), "invalid_grant")  # the bank's other key
    assert (await redirect.exchange(code, dpop=bank.proof("POST", at_token, key=key))).status_code == 200


async def test_rfc9449_10_1_the_parameter_and_the_proof_must_agree(redirect: Redirect) -> None:
    proof = redirect.bank.proof("POST", f"{redirect.bank.base}/oauth/par")
    assert_refused(await redirect.push(dpop=proof, dpop_jkt=thumbprint(new_key())), "invalid_request")


def thumbprint(key: object) -> str:
    members = {name: value for name, value in public_jwk(key).items() if name in ("crv", "kty", "x", "y")}  # type: ignore[arg-type]
    return b64(hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest())


async def test_rfc9396_7_the_token_answer_and_the_token_say_what_was_granted(
    redirect: Redirect, code: str
) -> None:
    body = (await redirect.exchange(code)).json()
    [detail] = body["authorization_details"]
    assert detail["type"] == "xinyi_consent"
    assert (detail["datasets"], detail["uses_max"], detail["term_days"]) == (["registration", "tax"], 20, 90)
    assert detail["locations"] == [redirect.bank.base]
    assert detail["consent_id"] == body["grant_id"]
    claims = claims_of(body["access_token"])
    assert claims["authorization_details"] == body["authorization_details"]
    assert claims["grant_id"] == body["grant_id"]
