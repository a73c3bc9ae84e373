"""Whatever comes in: the answer is a problem that says what to do, never a traceback, never data."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.hub import Hub
from gateway.problems import MEDIA_TYPE
from tests.conftest import ENTERPRISE, Consents
from tests.support.bank import Bank, b64
from tests.support.truth import Truth

pytestmark = pytest.mark.usefixtures("stocked")
PATH = "/v1/datasets/tax/queries"
GOOD = {"consent_id": str(uuid.uuid4()), "uscc": ENTERPRISE, "purpose": "credit_review"}


def assert_problem(answer: httpx.Response, status: int, slug: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    problem = answer.json()
    assert problem["type"] == f"/problems/{slug}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["trace_id"] == answer.headers["x-request-id"]
    assert "records" not in problem
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        (b"", "malformed-json"),
        (b"{", "malformed-json"),
        (b"\xff\xfe", "malformed-json"),
        (b"[]", "question-invalid"),
        (b'{"consent_id": "not-a-uuid", "uscc": "x", "purpose": "y"}', "question-invalid"),
        (b'{"uscc": "91350100M000100Y43", "purpose": "credit_review"}', "question-invalid"),
    ],
)
async def test_a_body_that_cannot_be_read(bank: Bank, body: bytes, slug: str) -> None:
    assert_problem(await bank.post(PATH, body, **{"Idempotency-Key": "k"}), 400, slug)


@pytest.mark.parametrize(
    "uscc",
    ["91350100M000100Y4Z", "91350100M000100Y4", "", "91350100I000100Y43", "320683000129771", "<script>"],
)
async def test_a_wrong_uscc(bank: Bank, uscc: str) -> None:
    answer = await bank.post(PATH, {**GOOD, "uscc": uscc}, **{"Idempotency-Key": "k"})
    assert_problem(answer, 400, "uscc-invalid")
    assert answer.json()["errors"]["uscc"]


async def test_a_wrong_uscc_in_a_consent_request(bank: Bank) -> None:
    assert_problem(await bank.request_consent("91330203674737245A"), 400, "uscc-invalid")


async def test_an_unknown_data_set(bank: Bank) -> None:
    answer = await bank.post("/v1/datasets/gossip/queries", GOOD, **{"Idempotency-Key": "k"})
    assert_problem(answer, 404, "dataset-unknown")


@pytest.mark.parametrize("dataset", ["TAX", "纳税", "a-b", "x" * 65])
async def test_what_cannot_be_the_name_of_a_data_set(bank: Bank, dataset: str) -> None:
    answer = await bank.post(f"/v1/datasets/{dataset}/queries", GOOD, **{"Idempotency-Key": "k"})
    assert_problem(answer, 404, "dataset-unknown")


@pytest.mark.parametrize("key", [b"", b"a b", b"\xe9", b"x" * 256])
async def test_an_idempotency_key_that_is_none(bank: Bank, key: bytes) -> None:
    headers = {name.encode(): value.encode() for name, value in (await bank.headers("POST", PATH)).items()}
    answer = await bank.http.post(bank.base + PATH, json=GOOD, headers={**headers, b"Idempotency-Key": key})
    assert_problem(answer, 400, "idempotency-key-missing")


async def test_a_question_as_large_as_a_book(bank: Bank) -> None:
    assert_problem(await bank.post(PATH, b" " * 20_000, **{"Idempotency-Key": "k"}), 413, "too-large")


@pytest.mark.parametrize("path", ["/v1/consent-requests", "/oauth/token", "/portal/logout"])
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_body_of_any_size_is_not_taken_into_memory(bank: Bank, path: str, in_pieces: bool) -> None:
    """Also of strangers: bodies are read before anybody asks who sends them."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 20_000

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    content = pieces() if in_pieces else b"x" * 200_000
    answer = await bank.http.post(bank.base + path, content=content, headers=headers)
    assert answer.status_code == 413
    if not path.startswith("/portal"):
        assert_problem(answer, 413, "too-large")


async def test_usage_before_the_beginning_of_time(bank: Bank) -> None:
    assert_problem(await bank.get("/v1/usage", to="0001-01-01"), 400, "request-invalid")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"purpose": "curiosity"}, "purpose"),
        ({"purpose": "marketing"}, "datasets"),
        ({"datasets": ["gossip"]}, "datasets"),
        ({"datasets": ["tax", "tax"]}, "datasets"),
        ({"term_days": 9999}, "term_days"),
        ({"uses_max": 10_001}, "uses_max"),
        ({"datasets": ["tax", "gossip"]}, "datasets"),
        ({"message": "a\nb"}, "message"),
        ({"message": "长" * 201}, "message"),
    ],
)
async def test_consent_terms_out_of_bounds_are_named(
    bank: Bank, changes: dict[str, object], field: str
) -> None:
    answer = await bank.request_consent(ENTERPRISE, **changes)
    assert_problem(answer, 400, "consent-terms")
    assert field in answer.json()["errors"]


@pytest.mark.parametrize(
    "changes",
    [{"term_days": "90"}, {"term_days": 0}, {"datasets": []}, {"datasets": ["TAX"]}, {"surprise": 1}],
)
async def test_a_consent_request_of_the_wrong_shape(bank: Bank, changes: dict[str, object]) -> None:
    assert_problem(await bank.request_consent(ENTERPRISE, **changes), 400, "request-invalid")


async def test_half_a_character_in_a_consent_request(bank: Bank) -> None:
    body = b'{"uscc":"%s","purpose":"credit_review","datasets":["\\ud800"],"term_days":9,"uses_max":1}'
    answer = await bank.post("/v1/consent-requests", body % ENTERPRISE.encode())
    assert_problem(answer, 400, "request-invalid")


async def test_a_repeated_consent_request_finds_the_same_one(bank: Bank, truth: Truth) -> None:
    body = {
        "uscc": ENTERPRISE,
        "purpose": "credit_review",
        "datasets": ["tax"],
        "term_days": 9,
        "uses_max": 1,
    }
    first = await bank.post("/v1/consent-requests", body, **{"Idempotency-Key": "one"})
    again = await bank.post("/v1/consent-requests", body, **{"Idempotency-Key": "one"})
    assert first.status_code == again.status_code == 201
    assert first.json()["consent_id"] == again.json()["consent_id"]
    assert await truth.count("consents") == 1
    other = await bank.post("/v1/consent-requests", {**body, "uses_max": 2}, **{"Idempotency-Key": "one"})
    assert_problem(other, 422, "idempotency-key-reused")


async def test_another_banks_request_cannot_be_read(bank: Bank, other_bank: Bank, consents: Consents) -> None:
    theirs = await consents.asked("other-bank")
    assert_problem(await bank.get(f"/v1/consent-requests/{theirs.consent_id}"), 404, "consent-unknown")


# --- who asks is not proven ---


async def test_no_token(bank: Bank, http: httpx.AsyncClient) -> None:
    answer = await http.post(bank.base + PATH, json=GOOD, headers={"Idempotency-Key": "k"})
    assert_problem(answer, 401, "token-missing")
    assert answer.headers["www-authenticate"].startswith("DPoP")


async def test_a_replayed_proof(bank: Bank, consents: Consents, truth: Truth) -> None:
    consent_id = await consents.active()
    headers = await bank.headers("POST", PATH)
    body = {**GOOD, "consent_id": str(consent_id)}
    first = await bank.http.post(bank.base + PATH, json=body, headers={**headers, "Idempotency-Key": "1"})
    again = await bank.http.post(bank.base + PATH, json=body, headers={**headers, "Idempotency-Key": "2"})
    assert first.status_code == 200
    assert_problem(again, 401, "proof-replayed")
    assert len(await truth.disclosures()) == 1


async def test_of_a_proof_sent_a_hundred_times_at_once_one_passes(bank: Bank, consents: Consents) -> None:
    body = {**GOOD, "consent_id": str(await consents.active(uses_max=200))}
    headers = await bank.headers("POST", PATH)
    answers = await asyncio.gather(
        *(
            bank.http.post(bank.base + PATH, json=body, headers={**headers, "Idempotency-Key": str(number)})
            for number in range(100)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 99


async def test_the_token_of_another_key(bank: Bank, other_bank: Bank) -> None:
    """A stolen token is worth nothing without the key it was issued to."""
    token = await bank.token()
    proof = other_bank.proof("POST", bank.base + PATH, token=token)
    answer = await bank.http.post(
        bank.base + PATH,
        json=GOOD,
        headers={"Authorization": f"DPoP {token}", "DPoP": proof, "Idempotency-Key": "k"},
    )
    assert_problem(answer, 401, "proof-of-another-key")


@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "GET"},
        {"htu": "http://elsewhere.example/v1/datasets/tax/queries"},
        {"iat": int(time.time()) - 61},
        {"iat": int(time.time()) + 3600},
        {"ath": "of-another-token"},
        {"jti": None},
        {"jti": "short"},
        {"iat": "now"},
        {"iat": str(int(time.time()))},
        {"iat": 10**400},
        {"typ": "jwt"},
        {"jwk": {"kty": "EC", "crv": "P-256", "x": "A" * 1000, "y": "A" * 43}},
    ],
)
async def test_a_proof_that_does_not_fit(bank: Bank, changes: dict[str, object]) -> None:
    headers = await bank.headers("POST", PATH, **changes)
    answer = await bank.http.post(bank.base + PATH, json=GOOD, headers={**headers, "Idempotency-Key": "k"})
    assert_problem(answer, 401, "proof-invalid")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("DPoP", "proof-invalid"),
        ("Authorization", "token-invalid"),
        ("X-SSL-Client-Cert", "certificate-of-another"),
    ],
)
async def test_whoever_shows_two_papers_shows_none(bank: Bank, name: str, slug: str) -> None:
    """RFC 9449 §4.3, check 1; and a proxy that adds its certificate header must not have left a forged one."""
    headers = [*(await bank.headers("POST", PATH)).items(), ("X-SSL-Client-Cert", "x")]
    twice = [*headers, (name, dict(headers)[name])]
    assert_problem(await bank.http.post(bank.base + PATH, json=GOOD, headers=twice), 401, slug)


async def test_a_token_bound_to_a_key_is_no_bearer_token(bank: Bank) -> None:
    """RFC 9449 §7.2."""
    headers = await bank.headers("POST", PATH)
    headers["Authorization"] = headers["Authorization"].replace("DPoP", "Bearer")
    answer = await bank.http.post(bank.base + PATH, json=GOOD, headers={**headers, "Idempotency-Key": "k"})
    assert_problem(answer, 401, "proof-missing")


async def test_a_proof_may_be_ten_seconds_ahead(bank: Bank, consents: Consents) -> None:
    body = {**GOOD, "consent_id": str(await consents.active())}
    headers = await bank.headers("POST", PATH, iat=int(time.time()) + 10)
    answer = await bank.http.post(bank.base + PATH, json=body, headers={**headers, "Idempotency-Key": "k"})
    assert answer.status_code == 200


async def test_a_token_signed_by_somebody_else(bank: Bank, hub: Hub) -> None:
    forged = bank.assertion(iss=bank.base, client_id=bank.client_id, cnf={"jkt": "x"})
    proof = bank.proof("POST", bank.base + PATH, token=forged)
    answer = await bank.http.post(
        bank.base + PATH,
        json=GOOD,
        headers={"Authorization": f"DPoP {forged}", "DPoP": proof, "Idempotency-Key": "k"},
    )
    assert_problem(answer, 401, "token-invalid")


async def test_a_certificate_bound_token_without_its_certificate(bank: Bank, hub: Hub) -> None:
    token = hub.tokens.issue(
        client_id="test-bank",
        participant_id="test-bank",
        participant_class="bank",
        confirmation={"x5t#S256": "thumbprint-of-the-certificate"},
    )
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    assert_problem(
        await bank.http.post(bank.base + PATH, json=GOOD, headers=headers), 401, "certificate-of-another"
    )


# --- the token endpoint speaks OAuth ---


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"aud": "https://elsewhere.example"}, "invalid_client"),
        ({"aud": ["http://a.example", "http://b.example"]}, "invalid_client"),
        ({"sub": "nobody", "iss": "nobody"}, "invalid_client"),
        ({"sub": "no\0body", "iss": "no\0body"}, "invalid_client"),
        ({"iss": "somebody-else"}, "invalid_client"),
        ({"exp": int(time.time()) - 10}, "invalid_client"),
        ({"exp": int(time.time()) + 3600}, "invalid_client"),
        ({"exp": 10**400}, "invalid_client"),
        ({"jti": None}, "invalid_client"),
    ],
)
async def test_a_client_assertion_that_does_not_fit(
    bank: Bank, changes: dict[str, object], error: str
) -> None:
    answer = await bank.ask_token(assertion=bank.assertion(**changes))
    assert (answer.status_code, answer.json()["error"]) == (401, error)
    assert "no-store" in answer.headers["cache-control"]


async def test_a_client_assertion_as_deep_as_a_well(bank: Bank) -> None:
    """Nobody's: it is read to learn whose it claims to be."""
    payload = b64(b'{"sub":' + b"[" * 5000 + b"]" * 5000 + b"}")
    answer = await bank.ask_token(assertion=f"e30.{payload}.AAAA")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_client_assertion_works_once(bank: Bank) -> None:
    assertion = bank.assertion()
    assert (await bank.ask_token(assertion=assertion)).status_code == 200
    again = await bank.ask_token(assertion=assertion)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")


async def test_a_client_assertion_of_another_key(bank: Bank, other_bank: Bank) -> None:
    theirs = other_bank.assertion(iss=bank.client_id, sub=bank.client_id)
    assert (await bank.ask_token(assertion=theirs)).status_code == 401


async def test_a_token_request_without_a_proof_of_possession(bank: Bank, http: httpx.AsyncClient) -> None:
    form = {"grant_type": "client_credentials", "client_assertion": bank.assertion()}
    answer = await http.post(f"{bank.base}/oauth/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


async def test_a_replayed_proof_at_the_token_endpoint(bank: Bank) -> None:
    proof = bank.proof("POST", f"{bank.base}/oauth/token")
    assert (await bank.ask_token(proof=proof)).status_code == 200
    again = await bank.ask_token(proof=proof)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("form", [{}, {"grant_type": "password"}, {"grant_type": "client_credentials"}])
async def test_a_token_request_of_nobody(bank: Bank, http: httpx.AsyncClient, form: dict[str, str]) -> None:
    proof = bank.proof("POST", f"{bank.base}/oauth/token")
    answer = await http.post(f"{bank.base}/oauth/token", data=form, headers={"DPoP": proof})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_tokens_live_at_most_300_seconds(bank: Bank) -> None:
    token = (await bank.ask_token()).json()
    assert token["token_type"] == "DPoP"
    assert token["expires_in"] <= 300


async def test_an_expired_token(bank: Bank, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = await bank.headers("POST", PATH)
    real = time.time
    monkeypatch.setattr("gateway.oauth.tokens.time.time", lambda: real() + 301)
    proof = bank.proof("POST", bank.base + PATH, token=await bank.token(), iat=int(time.time()))
    answer = await bank.http.post(
        bank.base + PATH, json=GOOD, headers={**headers, "DPoP": proof, "Idempotency-Key": "k"}
    )
    assert_problem(answer, 401, "token-expired")


async def test_too_many_questions_are_told_when_to_come_back(
    bank: Bank, hub: Hub, consents: Consents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.admission, "_interval", 10.0)
    monkeypatch.setattr(hub.admission, "_burst_seconds", 30.0)
    consent_id = await consents.active()
    answers = [await bank.query("tax", consent_id, ENTERPRISE) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert_problem(answers[-1], 429, "rate-exceeded")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 10


@given(
    body=st.binary(max_size=300), key=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
)
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_hostile_bytes_never_make_a_500(bank: Bank, body: bytes, key: str) -> None:
    answer = await bank.post(PATH, body, **{"Idempotency-Key": key})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == MEDIA_TYPE


async def test_an_unknown_address_is_a_problem_too(http: httpx.AsyncClient, bank: Bank) -> None:
    assert_problem(await http.get(f"{bank.base}/v1/nothing"), 404, "not-found")
    assert_problem(await http.delete(f"{bank.base}/v1/catalogue"), 405, "method-not-allowed")
