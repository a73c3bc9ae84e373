"""Clauses that hold for every endpoint: FAPI 2.0 Security Profile §5.2 to §5.4, RFC 6749, 6750, 8725, 9126, 9449."""

import base64
import json
from typing import Any

import httpx
import jwt
import pytest

from consent import register_client
from core.clock import now
from core.settings import Settings
from gateway.hub import Hub
from gateway.oauth.clients import MEDIA_TYPE
from gateway.oauth.jws import MALFORMED, check_signed_by, split
from gateway.oauth.par import PREFIX
from gateway.oauth.request_objects import TYPES
from tests.conftest import ENTERPRISE, Consents
from tests.oauth.test_authorization_code import assert_refused
from tests.support.authorization import Browser, Redirect, answer_in
from tests.support.backchannel import begin, signed_request
from tests.support.bank import ASSERTION_TYPE, Bank, b64, new_key, public_jwk

AUTHENTICATED = ("/oauth/token", "/oauth/par", "/oauth/bc-authorize", "/oauth/introspect", "/oauth/revoke")


def token_request(bank: Bank, **changes: Any) -> dict[str, Any]:
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": bank.assertion(),
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}


async def post(bank: Bank, path: str, *, headers: Any = (), **sent: Any) -> httpx.Response:
    proof = ("DPoP", bank.proof("POST", bank.base + path))
    return await bank.http.post(bank.base + path, headers=[proof, *headers], **sent)


# --- FAPI 2.0 §5.3.2.1: authorization servers -------------------------------------------------------------------


@pytest.mark.parametrize("path", AUTHENTICATED)
async def test_fapi2_5_3_2_1_at_every_endpoint_the_audience_is_the_issuer_as_one_string(
    bank: Bank, path: str
) -> None:
    for audience in (bank.base + path, [bank.base], f"{bank.base}/", None):
        form = token_request(bank, client_assertion=bank.assertion(aud=audience), token="x")
        assert_refused(await post(bank, path, data=form), "invalid_client", 401)


@pytest.mark.parametrize("path", AUTHENTICATED)
async def test_fapi2_5_3_2_1_a_client_proves_itself_by_private_key_jwt_and_by_nothing_else(
    bank: Bank, path: str
) -> None:
    alone = token_request(bank, client_assertion=None, client_id=bank.client_id)
    other_type = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
    for form in (
        alone,
        {**alone, "client_secret": "secret"},
        token_request(bank, client_assertion_type=None),
        token_request(bank, client_assertion_type=other_type),
    ):
        assert_refused(await post(bank, path, data=form), "invalid_client", 401)


async def test_rfc6749_5_2_who_tries_the_authorization_header_is_told_its_scheme(bank: Bank) -> None:
    basic = ("Authorization", f"Basic {b64(b'test-bank:secret')}")
    refused = await post(bank, "/oauth/token", data={"grant_type": "client_credentials"}, headers=[basic])
    assert_refused(refused, "invalid_client", 401)
    assert refused.headers["www-authenticate"].startswith("Basic ")


async def test_fapi2_5_3_2_1_a_token_is_for_no_more_and_no_less_than_was_granted(bank: Bank) -> None:
    """RFC 6749 §3.3 and RFC 9396 §6: what cannot be asked for here is refused, not ignored."""
    scope = await bank.send_form("/oauth/token", grant_type="client_credentials", scope="everything")
    assert_refused(scope, "invalid_scope")
    details = await bank.send_form(
        "/oauth/token", grant_type="client_credentials", authorization_details="[]"
    )
    assert_refused(details, "invalid_authorization_details")


# --- FAPI 2.0 §5.2.3: endpoints used by browsers ----------------------------------------------------------------


async def test_fapi2_5_2_3_the_authorization_endpoint_answers_no_script_of_another_origin(bank: Bank) -> None:
    address = await Redirect(bank).address()
    origin = {"Origin": "https://elsewhere.example"}
    seen = await bank.http.get(address, headers=origin)
    asked = await bank.http.options(address, headers={**origin, "Access-Control-Request-Method": "GET"})
    for answer in (seen, asked):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


class TestBehindTls:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"public_url": "https://hub.example"})

    async def test_fapi2_5_2_3_browsers_are_told_to_come_over_tls_only(
        self, hub: Hub, settings: Settings, http: httpx.AsyncClient
    ) -> None:
        for path in ("/oauth/authorize", "/portal", "/static/favicon.svg"):
            answer = await http.get(f"http://127.0.0.1:{settings.port}{path}")
            assert answer.headers["strict-transport-security"] == "max-age=31536000", path


# --- FAPI 2.0 §5.3.4: resource servers --------------------------------------------------------------------------


async def test_fapi2_5_3_4_a_token_in_the_address_or_in_the_body_is_none(bank: Bank) -> None:
    token = await bank.token()
    proof = {"DPoP": bank.proof("GET", f"{bank.base}/v1/usage", token=token)}
    asked = await bank.http.get(f"{bank.base}/v1/usage", params={"access_token": token}, headers=proof)
    assert (asked.status_code, asked.json()["type"]) == (401, "/problems/token-missing")
    path = "/v1/availability"
    proof = {"DPoP": bank.proof("POST", bank.base + path, token=token)}
    asked = await bank.http.post(bank.base + path, data={"access_token": token}, headers=proof)
    assert (asked.status_code, asked.json()["type"]) == (401, "/problems/token-missing")


# --- FAPI 2.0 §5.4: cryptography --------------------------------------------------------------------------------


async def test_fapi2_5_4_1_assertions_are_signed_with_es256_by_a_registered_key(bank: Bank) -> None:
    claims = jwt.decode(bank.assertion(), options={"verify_signature": False})
    public = json.dumps(public_jwk(bank.key))
    for assertion in (
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "a secret of thirty-two characters", algorithm="HS256", headers={"kid": "1"}),
        jwt.encode(claims, public * 2, algorithm="HS256", headers={"kid": "1"}),
        jwt.encode(claims, new_key(), algorithm="ES256", headers={"kid": "1"}),
        jwt.encode(claims, bank.key, algorithm="ES256", headers={"kid": "2"}),
        jwt.encode(claims, bank.key, algorithm="ES256", headers={"kid": "1", "crit": ["exp"]}),
        jwt.encode(claims, new_key(), algorithm="ES256", headers={"jwk": public_jwk(new_key())}),
    ):
        assert_refused(await bank.ask_token(assertion=assertion), "invalid_client", 401)


async def test_rfc8725_3_11_no_jwt_of_one_kind_passes_for_another(bank: Bank) -> None:
    claims = jwt.decode(bank.assertion(), options={"verify_signature": False})
    for typ in ("dpop+jwt", "oauth-authz-req+jwt", "at+jwt", "secevent+jwt"):
        assertion = jwt.encode(claims, bank.key, algorithm="ES256", headers={"kid": "1", "typ": typ})
        assert_refused(await bank.ask_token(assertion=assertion), "invalid_client", 401)
    for other in (bank.proof("POST", f"{bank.base}/oauth/token"), signed_request(bank), await bank.token()):
        assert_refused(await bank.ask_token(assertion=other), "invalid_client", 401)
    for other in (bank.assertion(), signed_request(bank), await bank.token()):
        assert_refused(await bank.ask_token(proof=other), "invalid_dpop_proof")


async def test_fapi2_5_4_3_of_keys_with_the_same_id_the_one_that_fits_is_taken(bank: Bank, hub: Hub) -> None:
    first = {"kid": "1", "use": "sig", "alg": "ES256"}
    encrypting = {**public_jwk(new_key()), "kid": "1", "use": "enc"}
    keys = [encrypting, {**public_jwk(new_key()), **first}, {**public_jwk(bank.key), **first}]
    async with hub.database.transaction() as tx:
        await register_client(
            tx,
            client_id=bank.client_id,
            participant_id=bank.client_id,
            jwks=json.dumps({"keys": keys}),
            at=now(),
        )
    assert (await bank.ask_token()).status_code == 200
    stranger = jwt.encode({"iss": bank.client_id}, new_key(), algorithm="ES256", headers={"kid": "1"})
    with pytest.raises(MALFORMED):
        check_signed_by(split(stranger, 8192), json.dumps({"keys": keys}), TYPES)


@pytest.mark.parametrize("jti", ["\ud800" * 8, "short", "x" * 257, 12345678, "\0" * 8])
async def test_rfc7523_3_an_id_of_any_content_is_taken_or_refused(bank: Bank, jti: object) -> None:
    answer = await bank.ask_token(assertion=bank.assertion(jti=jti))
    assert answer.status_code in (200, 401)


# --- forms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", AUTHENTICATED)
async def test_rfc6749_3_2_what_is_sent_is_a_form(bank: Bank, path: str) -> None:
    assert_refused(await post(bank, path, json=token_request(bank)), "invalid_request")
    for body in (b"grant_type=%ff", b"\xff", b"&".join(b"a%d=1" % number for number in range(31))):
        sent = await post(bank, path, content=body, headers=[("Content-Type", MEDIA_TYPE)])
        assert_refused(sent, "invalid_request")


@pytest.mark.parametrize("path", AUTHENTICATED)
async def test_rfc9126_2_3_only_posts_of_reasonable_size_are_read(bank: Bank, path: str) -> None:
    assert (await bank.http.get(bank.base + path)).status_code == 405
    large = await post(bank, path, data=token_request(bank, state="x" * 70_000))
    assert large.status_code == 413


# --- DPoP -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/par"])
async def test_rfc9449_4_3_a_request_brings_one_proof(bank: Bank, path: str) -> None:
    second = ("DPoP", bank.proof("POST", bank.base + path))
    refused = await post(bank, path, data=token_request(bank), headers=[second])
    assert_refused(refused, "invalid_dpop_proof")


async def test_rfc9449_7_1_a_refused_call_is_told_the_scheme_and_the_algorithms(bank: Bank) -> None:
    refused = await bank.http.get(f"{bank.base}/v1/usage")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'DPoP algs="ES256"')
    stale = await bank.headers("GET", "/v1/usage", iat=1)
    refused = await bank.http.get(f"{bank.base}/v1/usage", headers=stale)
    assert refused.headers["www-authenticate"] == 'DPoP error="invalid_dpop_proof", algs="ES256"'


async def test_rfc6749_5_1_answers_with_tokens_are_not_stored(bank: Bank) -> None:
    granted = await bank.ask_token()
    assert granted.headers["cache-control"] == "no-store"
    assert granted.json().keys() == {"access_token", "token_type", "expires_in"}
    assert ENTERPRISE not in granted.text


async def test_fapi2_5_4_1_what_must_not_be_guessed_has_128_bits(
    redirect: Redirect, browser: Browser, consents: Consents
) -> None:
    request_uri = (await redirect.push()).json()["request_uri"]
    code = answer_in(await browser.answer(redirect.address_of(request_uri)))["code"]
    granted = (await redirect.exchange(code)).json()
    begun = (await begin(redirect.bank)).json()
    mark = base64.urlsafe_b64decode(begun["auth_req_id"] + "==")[16:]
    assert len(bytes.fromhex(code)) == 32
    assert len(mark) == 16
    for text in (request_uri.removeprefix(PREFIX), granted["refresh_token"]):
        assert len(base64.urlsafe_b64decode(text + "=")) == 32


async def test_fapi2_5_4_2_the_published_keys_have_each_their_own_id_and_no_private_part(bank: Bank) -> None:
    keys = (await bank.http.get(f"{bank.base}/jwks")).json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys) >= 3
    for key in keys:
        assert key.keys() & {"d", "x5u", "jku"} == set()
        assert key["crv"] == "P-256", "224 bits and more"
