"""Refresh tokens, grants and signed requests: RFC 6749 §6, FAPI 2.0 §5.3.2.1, Grant Management, RFC 9101."""

import json
import time
from typing import Any

import httpx
import jwt
import pytest

from consent import pause, resume, revoke
from core.clock import now
from core.settings import Settings
from gateway.hub import Hub
from gateway.oauth.request_objects import REFUSED
from tests.conftest import ENTERPRISE, Consents, signatory_of
from tests.oauth.test_authorization_code import assert_refused, claims_of
from tests.support.authorization import DETAIL, Browser, Redirect, answer_in
from tests.support.backchannel import begin, begin_signed, signed_request
from tests.support.bank import Bank, new_key


@pytest.fixture
async def granted(redirect: Redirect, browser: Browser) -> dict[str, Any]:
    """The token answer of a whole redirect flow."""
    code = answer_in(await browser.answer(await redirect.address()))["code"]
    body: dict[str, Any] = (await redirect.exchange(code)).json()
    return body


async def refreshed(bank: Bank, granted: dict[str, Any], **changes: Any) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"], **changes}
    return await bank.send_form("/oauth/token", **form)


async def call(bank: Bank, method: str, path: str, token: str) -> httpx.Response:
    proof = bank.proof(method, bank.base + path, token=token)
    return await bank.http.request(
        method, bank.base + path, headers={"Authorization": f"DPoP {token}", "DPoP": proof}
    )


async def test_a_token_of_one_consent_answers_no_question_under_another(
    bank: Bank, granted: dict[str, Any], consents: Consents
) -> None:
    another = await consents.active()

    async def ask(consent_id: object) -> httpx.Response:
        path, token = "/v1/datasets/tax/queries", granted["access_token"]
        return await bank.http.post(
            bank.base + path,
            json={"consent_id": str(consent_id), "uscc": ENTERPRISE, "purpose": "credit_review"},
            headers={
                "Authorization": f"DPoP {token}",
                "DPoP": bank.proof("POST", bank.base + path, token=token),
                "Idempotency-Key": "one-token-two-consents",
            },
        )

    refused = await ask(another)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/consent-outside-token")
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"], "RFC 6750 section 3.1"
    assert (await ask(granted["grant_id"])).status_code == 200


# --- refresh tokens ---------------------------------------------------------------------------------------------


async def test_fapi2_5_3_2_1_refresh_tokens_are_not_rotated(bank: Bank, granted: dict[str, Any]) -> None:
    for _ in range(2):
        answer = await refreshed(bank, granted)
        assert answer.status_code == 200, answer.text
        assert "refresh_token" not in answer.json()
        assert answer.json()["authorization_details"] == granted["authorization_details"]
        assert claims_of(answer.json()["access_token"])["grant_id"] == granted["grant_id"]


async def test_rfc9449_5_a_refreshed_token_is_bound_to_the_key_of_its_own_proof(
    bank: Bank, granted: dict[str, Any]
) -> None:
    other = bank.proof("POST", f"{bank.base}/oauth/token", key=new_key())
    token = (await refreshed(bank, granted, dpop=other)).json()["access_token"]
    assert claims_of(token)["cnf"] != claims_of(granted["access_token"])["cnf"]


async def test_rfc6749_6_a_refresh_token_is_good_for_its_own_client_only(
    bank: Bank, other_bank: Bank, granted: dict[str, Any]
) -> None:
    assert_refused(await refreshed(other_bank, granted), "invalid_grant")
    assert_refused(await refreshed(bank, {"refresh_token": "guessed"}), "invalid_grant")
    assert_refused(await refreshed(bank, granted, scope="more"), "invalid_scope")
    assert (await refreshed(bank, granted)).status_code == 200


async def test_a_refresh_token_rests_with_its_consent_and_dies_with_it(
    bank: Bank, granted: dict[str, Any], hub: Hub, stocked: None
) -> None:
    owner, consent_id = signatory_of(ENTERPRISE), granted["grant_id"]
    async with hub.database.transaction() as tx:
        await pause(tx, owner, consent_id, reason="", at=now())
    bank._token = (await refreshed(bank, granted)).json()["access_token"]
    told = await bank.query("tax", consent_id, ENTERPRISE)
    assert told.json()["type"] == "/problems/consent-paused"
    async with hub.database.transaction() as tx:
        await resume(tx, owner, consent_id, reason="", at=now())
    assert (await bank.query("tax", consent_id, ENTERPRISE)).status_code == 200
    async with hub.database.transaction() as tx:
        await revoke(tx, owner, consent_id, reason="", at=now())
    assert_refused(await refreshed(bank, granted), "invalid_grant")
    assert (await bank.query("tax", consent_id, ENTERPRISE)).status_code == 403


async def test_a_consent_taken_back_before_the_code_was_exchanged_gives_no_token(
    redirect: Redirect, browser: Browser, hub: Hub
) -> None:
    page = await browser.go(await redirect.address())
    back = await browser.go(await browser.press(await browser.see(page), "/approve"))
    async with hub.database.transaction() as tx:
        await revoke(tx, signatory_of(ENTERPRISE), page.rpartition("/")[2], reason="", at=now())  # type: ignore[arg-type]
    assert_refused(await redirect.exchange(answer_in(back)["code"]), "invalid_grant")


# --- grants -----------------------------------------------------------------------------------------------------


async def test_a_grant_is_shown_with_what_was_granted_and_how_it_stands(
    bank: Bank, other_bank: Bank, granted: dict[str, Any]
) -> None:
    path = f"/grants/{granted['grant_id']}"
    shown = await bank.get(path)
    assert shown.status_code == 200, shown.text
    assert shown.json() == {
        "scopes": [],
        "claims": [],
        "authorization_details": granted["authorization_details"],
        "status": "active",
    }
    assert (await other_bank.get(path)).status_code == 404
    assert (await call(bank, "GET", path, granted["access_token"])).status_code == 200


async def test_a_grant_that_the_bank_deletes_is_over(
    bank: Bank, other_bank: Bank, granted: dict[str, Any], stocked: None
) -> None:
    path = f"/grants/{granted['grant_id']}"
    assert (await call(other_bank, "DELETE", path, await other_bank.token())).status_code == 404
    assert (await call(bank, "DELETE", path, await bank.token())).status_code == 204
    assert (await bank.get(path)).json()["status"] == "revoked"
    assert_refused(await refreshed(bank, granted), "invalid_grant")
    refused = await bank.query("tax", granted["grant_id"], ENTERPRISE)
    assert refused.json()["type"] == "/problems/consent-revoked"
    assert (await call(bank, "DELETE", path, await bank.token())).status_code == 204  # a retry


async def test_fapi2_5_3_2_1_a_token_for_one_grant_opens_no_other(
    bank: Bank, granted: dict[str, Any], consents: Consents
) -> None:
    other = await consents.active()
    for method in ("GET", "DELETE"):
        refused = await call(bank, method, f"/grants/{other}", granted["access_token"])
        assert refused.json()["type"] == "/problems/consent-outside-token"
    assert (await bank.get(f"/grants/{other}")).json()["status"] == "active"


async def test_grant_management_a_grant_is_replaced_when_the_new_one_is_approved(
    bank: Bank, granted: dict[str, Any], browser: Browser
) -> None:
    redirect = Redirect(bank)
    more = json.dumps([{**DETAIL, "uses_max": 50}])
    address = await redirect.address(
        grant_management_action="replace", grant_id=granted["grant_id"], authorization_details=more
    )
    page = await browser.go(address)
    assert (await bank.get(f"/grants/{granted['grant_id']}")).json()["status"] == "active"
    back = await browser.go(await browser.press(await browser.see(page), "/approve"))
    body = (await redirect.exchange(answer_in(back)["code"])).json()
    assert body["grant_id"] != granted["grant_id"]
    assert body["authorization_details"][0]["uses_max"] == 50
    assert (await bank.get(f"/grants/{granted['grant_id']}")).json()["status"] == "superseded"
    again = await Redirect(bank).push(grant_management_action="replace", grant_id=granted["grant_id"])
    assert_refused(again, "invalid_grant_id")


# --- signed requests --------------------------------------------------------------------------------------------


def request_object(redirect: Redirect, *, header: dict[str, str] | None = None, **changes: Any) -> str:
    bank, at = redirect.bank, int(time.time())
    claims = {
        **redirect.parameters(),
        "authorization_details": [DETAIL],
        "iss": bank.client_id,
        "aud": bank.base,
        "nbf": at,
        "exp": at + 60,
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(
        claims, bank.key, algorithm="ES256", headers=header or {"typ": "oauth-authz-req+jwt", "kid": "1"}
    )


async def push_object(redirect: Redirect, request: str, **beside: str) -> httpx.Response:
    return await redirect.bank.send_form("/oauth/par", dpop=False, request=request, **beside)


async def test_rfc9101_a_signed_request_is_taken_and_what_stands_beside_it_is_not(
    redirect: Redirect, browser: Browser
) -> None:
    beside = {"state": "another", "client_id": redirect.bank.client_id}
    pushed = await push_object(redirect, request_object(redirect), **beside)
    assert pushed.status_code == 201, pushed.text
    answer = answer_in(await browser.answer(redirect.address_of(pushed.json()["request_uri"])))
    assert answer["state"] == redirect.state
    assert (await redirect.exchange(answer["code"])).status_code == 200


async def test_rfc9101_6_1_a_request_that_is_not_signed_well_is_refused(redirect: Redirect) -> None:
    at = int(time.time())
    forged = jwt.encode({"iss": redirect.bank.client_id}, new_key(), algorithm="ES256", headers={"kid": "1"})
    unsigned = jwt.encode({"iss": redirect.bank.client_id}, None, algorithm="none")
    secret = jwt.encode({"iss": "x"}, "a secret of thirty-two characters", algorithm="HS256")
    wrong = [
        "x",
        "a.b.c",
        forged,
        unsigned,
        secret,
        request_object(redirect, iss="other-bank"),
        request_object(redirect, client_id="other-bank"),
        request_object(redirect, client_id=None),
        request_object(redirect, aud=f"{redirect.bank.base}/oauth/par"),
        request_object(redirect, aud=None),
        request_object(redirect, aud=[f"{redirect.bank.base}/oauth/par"]),
        request_object(redirect, exp=None),
        request_object(redirect, exp=at - 1),
        request_object(redirect, exp=at + 3700),
        request_object(redirect, nbf=None),
        request_object(redirect, nbf=at + 60, exp=at + 90),
        request_object(redirect, nbf=at - 3700, exp=at + 60),
        request_object(redirect, request_uri="urn:x"),
        request_object(redirect, sub=redirect.bank.client_id),
        request_object(redirect, header={"typ": "at+jwt", "kid": "1"}),
        redirect.bank.assertion(),  # an assertion is no request (RFC 9101 §10.8)
    ]
    for number, request in enumerate(wrong):
        refused = await push_object(redirect, request)
        assert refused.json().get("error") == REFUSED, (number, refused.text)
    for_two = request_object(redirect, aud=["https://elsewhere.example", redirect.bank.base])
    assert (await push_object(redirect, for_two)).status_code == 201
    unregistered = request_object(redirect, redirect_uri="https://evil.example/")
    assert_refused(await push_object(redirect, unregistered), "invalid_request")


class TestSignedOnly:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"signed_requests": True})

    async def test_fapi2_message_signing_5_3_1_a_hub_may_take_signed_requests_only(
        self, redirect: Redirect
    ) -> None:
        bank = redirect.bank
        about = (await bank.http.get(f"{bank.base}/.well-known/oauth-authorization-server")).json()
        assert about["require_signed_request_object"] is True
        assert_refused(await redirect.push(), "invalid_request")
        assert (await push_object(redirect, request_object(redirect))).status_code == 201
        assert_refused(await begin(bank), "invalid_request")
        assert (await begin_signed(bank, signed_request(bank))).status_code == 200


# --- metadata ---------------------------------------------------------------------------------------------------


async def test_rfc8414_2_the_metadata_is_complete_and_its_addresses_answer(bank: Bank) -> None:
    about = (await bank.http.get(f"{bank.base}/.well-known/oauth-authorization-server")).json()
    assert about["issuer"] == bank.base
    assert about["require_pushed_authorization_requests"] is True
    assert about["authorization_response_iss_parameter_supported"] is True
    assert about["authorization_details_types_supported"] == ["xinyi_consent"]
    assert about["code_challenge_methods_supported"] == ["S256"]
    assert "none" not in str(about["token_endpoint_auth_methods_supported"])
    signing = [name for name in about if "alg_values" in name]
    assert {"dpop_signing_alg_values_supported", "request_object_signing_alg_values_supported"} <= set(
        signing
    )
    assert "backchannel_authentication_request_signing_alg_values_supported" in signing
    assert all(about[name] == ["ES256"] for name in signing), "and never none or RS256"
    assert {"authorization_code", "client_credentials", "refresh_token"} <= set(
        about["grant_types_supported"]
    )
    addresses = {name: address for name, address in about.items() if name.endswith("_endpoint")}
    assert len(addresses) >= 4
    for name, address in addresses.items():
        assert address.startswith(bank.base)
        answer = await bank.http.get(address)
        assert answer.status_code in (400, 405) or name == "grant_management_endpoint", name
