"""DPoP proofs (RFC 9449): what is believed, and the nonces that keep old ones out."""

import base64
import json
import ssl
import time
import uuid
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NotAuthenticated
from core.settings import Settings
from gateway.hub import Hub
from gateway.oauth import nonces as nonces_module
from gateway.oauth.dpop import check_proof
from gateway.oauth.nonces import PERIOD_SECONDS, Nonces
from tests.conftest import ENTERPRISE, Consents
from tests.support.authorization import Redirect
from tests.support.bank import ASSERTION_TYPE, Bank, b64, new_key, public_jwk

URL = "https://hub.example/v1/usage"
TOKEN = "header.payload.signature"


def offline() -> Bank:
    return Bank(httpx.AsyncClient(), "https://hub.example")


def check(proof: str, *, nonces: Nonces | None = None, token: str | None = TOKEN) -> None:
    check_proof(proof, method="GET", urls=["https://other.example/v1/usage", URL], token=token, nonces=nonces)


def reason_of(proof: str, *, nonces: Nonces | None = None) -> str:
    with pytest.raises(NotAuthenticated) as refused:
        check(proof, nonces=nonces)
    return refused.value.reason


def test_a_good_proof_is_believed_and_names_its_key() -> None:
    bank = offline()
    proof = check_proof(
        bank.proof("GET", URL + "?from=2026-11-01#x", token=TOKEN), method="GET", urls=[URL], token=TOKEN
    )
    again = check_proof(bank.proof("GET", URL, token=TOKEN), method="GET", urls=[URL], token=TOKEN)
    assert proof.jkt == again.jkt
    assert proof.replay_key != again.replay_key


def test_rfc9449_4_3_what_is_not_as_it_must_be_is_refused() -> None:
    bank, key = offline(), new_key()
    now = int(time.time())
    private = {**public_jwk(key), "d": b64(key.private_numbers().private_value.to_bytes(32, "big"))}
    bad = {
        "typ": bank.proof("GET", URL, token=TOKEN, typ="JWT"),
        "private key": bank.proof("GET", URL, token=TOKEN, key=key, jwk=private),
        "another key": bank.proof("GET", URL, token=TOKEN, jwk=public_jwk(key)),
        "htm": bank.proof("POST", URL, token=TOKEN),
        "htu": bank.proof("GET", URL + "/else", token=TOKEN),
        "old": bank.proof("GET", URL, token=TOKEN, iat=now - 62),
        "ahead": bank.proof("GET", URL, token=TOKEN, iat=now + 12),
        "ath": bank.proof("GET", URL, token=TOKEN + "x"),
        "no ath": bank.proof("GET", URL),
        "no jti": bank.proof("GET", URL, token=TOKEN, jti=None),
        "short jti": bank.proof("GET", URL, token=TOKEN, jti="1234567"),
        "jti a number": bank.proof("GET", URL, token=TOKEN, jti=12345678),
        "no iat": bank.proof("GET", URL, token=TOKEN, iat=None),
        "curve": bank.proof("GET", URL, token=TOKEN, jwk={**public_jwk(bank.key), "crv": "P-384"}),
        "not on the curve": bank.proof(
            "GET", URL, token=TOKEN, jwk={**public_jwk(bank.key), "y": b64(b"1" * 32)}
        ),
        "short coordinate": bank.proof("GET", URL, token=TOKEN, jwk={**public_jwk(bank.key), "x": "AQ"}),
    }
    assert {name: reason_of(proof) for name, proof in bad.items()} == dict.fromkeys(bad, "proof_invalid")


@pytest.mark.parametrize(
    "htu",
    [
        "HTTPS://Hub.Example/v1/usage",
        "https://hub.example:443/v1/usage",
        "https://hub.example:443/v1/usage?from=2026-11-01#x",
    ],
)
def test_rfc9449_4_3_an_address_is_the_same_however_it_is_written(htu: str) -> None:
    check(offline().proof("GET", htu, token=TOKEN))


@pytest.mark.parametrize(
    "htu",
    [
        "http://hub.example:443/v1/usage",
        "https://hub.example:444/v1/usage",
        "https://hub.example/v1/Usage",
        "https://hub.example/v1/usage/",
        "https://user@elsewhere.example/v1/usage",
        "https://hub.example:nonsense/v1/usage",
        "/v1/usage",
        "",
    ],
)
def test_rfc9449_4_3_another_address_is_refused(htu: str) -> None:
    assert reason_of(offline().proof("GET", htu, token=TOKEN)) == "proof_invalid"


def test_fapi2_5_3_2_1_a_proof_may_be_10_seconds_ahead_and_its_own_times_count() -> None:
    bank, now = offline(), int(time.time())
    for claim in ("iat", "nbf"):
        check(bank.proof("GET", URL, token=TOKEN, **{claim: now + 10}))
        assert reason_of(bank.proof("GET", URL, token=TOKEN, **{claim: now + 61})) == "proof_invalid"
    check(bank.proof("GET", URL, token=TOKEN, exp=now + 5))
    for over in (now - 1, 0, -1):
        assert reason_of(bank.proof("GET", URL, token=TOKEN, exp=over)) == "proof_invalid"


def signed(bank: Bank, header: Any, payload: Any) -> str:
    """Signed as it stands, whatever it is."""
    return jwt.api_jws.encode(json.dumps(payload).encode(), bank.key, algorithm="ES256", headers=header)


def test_rfc7515_4_1_11_an_extension_that_must_be_understood_is_not() -> None:
    bank = offline()
    proof = bank.proof("GET", URL, token=TOKEN)
    claims = jwt.decode(proof, options={"verify_signature": False})
    header = {"typ": "dpop+jwt", "jwk": public_jwk(bank.key)}
    check(signed(bank, header, claims))
    assert reason_of(signed(bank, {**header, "crit": ["exp"], "exp": 1}, claims)) == "proof_invalid"


def test_a_signature_that_was_made_for_other_words_is_refused() -> None:
    bank = offline()
    head, _, signature = bank.proof("GET", URL, token=TOKEN).split(".")
    _, payload, _ = bank.proof("GET", URL, token=TOKEN, jti=uuid.uuid4().hex).split(".")
    for proof in (
        f"{head}.{payload}.{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}",
        "",
        ".",
        "..",
        "...",
    ):
        assert reason_of(proof) == "proof_invalid"


@given(
    st.text(max_size=60),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3) | st.lists(st.integers()),
)
def test_whatever_comes_is_refused_and_nothing_breaks(text: str, content: Any) -> None:
    encoded = base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
    for proof in (text, f"{text}.{text}.{text}", f"{encoded}.{encoded}.{encoded}"):
        assert reason_of(proof) == "proof_invalid"


# --- nonces -----------------------------------------------------------------------------------------------------


def test_rfc9449_8_a_nonce_is_good_for_two_to_four_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    start = 1_000 * PERIOD_SECONDS
    monkeypatch.setattr(nonces_module.time, "time", lambda: start)
    one, other, stranger = Nonces(b"secret"), Nonces(b"secret"), Nonces(b"another")
    given_out = one.current
    assert other.accepts(given_out), "every process of the hub"
    assert not stranger.accepts(given_out)
    monkeypatch.setattr(nonces_module.time, "time", lambda: start + 2 * PERIOD_SECONDS - 1)
    assert one.accepts(given_out)
    assert one.current != given_out
    monkeypatch.setattr(nonces_module.time, "time", lambda: start + 2 * PERIOD_SECONDS)
    assert not one.accepts(given_out)
    assert not one.accepts(None)
    assert not one.accepts("")


def test_only_a_proof_that_is_good_in_all_else_is_told_to_use_a_nonce() -> None:
    bank, nonces = offline(), Nonces(b"secret")
    assert reason_of(bank.proof("GET", URL, token=TOKEN), nonces=nonces) == "nonce_required"
    assert reason_of(bank.proof("GET", URL, token=TOKEN, nonce="guessed"), nonces=nonces) == "nonce_required"
    assert reason_of(bank.proof("GET", URL + "/else", token=TOKEN), nonces=nonces) == "proof_invalid"
    check(bank.proof("GET", URL, token=TOKEN, nonce=nonces.current), nonces=nonces)


class TestOverHttp:
    @pytest.fixture
    def bank(self, bank: Bank) -> Bank:
        bank.nonce = None  # its first call
        return bank

    async def test_rfc9449_8_the_token_endpoint_asks_for_its_nonce(self, bank: Bank) -> None:
        refused = await bank.ask_token()
        assert (refused.status_code, refused.json()["error"]) == (400, "use_dpop_nonce")
        assert len(refused.headers.get_list("DPoP-Nonce")) == 1
        bank.nonce = refused.headers["DPoP-Nonce"]
        granted = await bank.ask_token()
        assert granted.status_code == 200, granted.text
        assert granted.headers["DPoP-Nonce"] == bank.nonce

    async def test_rfc9449_9_resources_ask_for_a_nonce_and_hand_out_the_next(
        self, bank: Bank, consents: Consents, stocked: None
    ) -> None:
        consent_id = await consents.active()
        path = "/v1/datasets/tax/queries"
        await bank.token()
        for sent in (("GET", "/v1/usage"), ("POST", path)):
            refused = await bank.http.request(
                *(sent[0], bank.base + sent[1]), headers=await bank.headers(*sent, nonce="stale")
            )
            assert refused.status_code == 401
            assert 'error="use_dpop_nonce"' in refused.headers["WWW-Authenticate"]
            assert refused.headers.get_list("DPoP-Nonce") == [bank.nonce]
            assert refused.json()["type"] == "/problems/nonce-required"
        answered = await bank.query("tax", consent_id, ENTERPRISE)
        assert answered.status_code == 200, answered.text
        assert answered.headers.get_list("DPoP-Nonce") == [bank.nonce]

    async def test_a_refusal_for_want_of_a_nonce_spends_neither_assertion_nor_idempotency_key(
        self, bank: Bank, consents: Consents, stocked: None, hub: Hub
    ) -> None:
        assertion = bank.assertion()
        refused = await bank.ask_token(assertion=assertion)
        bank.learned(refused)
        assert (await bank.ask_token(assertion=assertion)).status_code == 200
        consent_id = await consents.active()
        bank.nonce = None
        answered = await bank.query("tax", consent_id, ENTERPRISE, key="one-key")
        assert answered.status_code == 200
        usage = (await bank.get("/v1/usage")).json()
        assert usage["total"]["disclosed"] == 1

    async def test_a_pushed_request_that_lacks_a_nonce_leaves_the_assertion_unspent(self, bank: Bank) -> None:
        redirect, assertion = Redirect(bank), bank.assertion()
        refused = await redirect.push(dpop=True, client_assertion=assertion)
        assert (refused.status_code, refused.json()["error"]) == (400, "use_dpop_nonce")
        bank.learned(refused)
        assert (await redirect.push(dpop=True, client_assertion=assertion)).status_code == 201

    async def test_calls_over_mutual_tls_need_no_nonce(self, bank: Bank) -> None:
        certificate = {"X-SSL-Client-Cert": quote(ssl.DER_cert_to_PEM_cert(b"as the proxy hands it over"))}
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": bank.assertion(),
        }
        granted = await bank.http.post(f"{bank.base}/oauth/token", data=form, headers=certificate)
        assert "DPoP-Nonce" not in granted.headers
        bearer = {"Authorization": f"Bearer {granted.json()['access_token']}"}
        answer = await bank.http.get(f"{bank.base}/v1/usage", headers=certificate | bearer)
        assert answer.status_code == 200
        assert "DPoP-Nonce" not in answer.headers


class TestSwitchedOff:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"dpop_nonce": False})

    async def test_an_operator_may_do_without_nonces_and_then_none_is_offered(self, bank: Bank) -> None:
        granted = await bank.ask_token()
        assert granted.status_code == 200
        assert "DPoP-Nonce" not in granted.headers
