"""The played government log-in: people get in through the page, the hub with its key, a code works once."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from sandbox import code_provider, government_login
from sandbox.browser import read_page
from sandbox.code_provider import Enterprise
from sandbox.government_login import GovernmentLogin
from sandbox.hub_keys import REFETCH_SECONDS, HubKeys

ISSUER = "http://127.0.0.1:8001"
CALLBACK = "http://127.0.0.1:8000/portal/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
HEROINE = Enterprise("91320583MYL6RD5N0B", "苏州枢易精密零件有限公司", "沈知禾", "苏州")
OTHERS = [Enterprise(f"913201{n:012d}", f"南京第{n}号食品有限公司", "丁文然", "南京") for n in range(30)]

HUB_KEY = ECKey.generate_key("P-256", {"kid": "hub-1"})


class Clock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login(clock: Clock) -> GovernmentLogin:
    async def fetch_jwks() -> dict[str, Any]:
        return {"keys": [HUB_KEY.as_dict(private=False)]}

    return GovernmentLogin(
        issuer=ISSUER,
        client_id="xinyi-hub",
        redirect_uri=CALLBACK,
        enterprises=[HEROINE, *OTHERS],
        key=ECKey.generate_key("P-256", {"kid": "login-1"}),
        hub_keys=HubKeys(fetch_jwks),
        clock=clock,
    )


@pytest.fixture
async def http(login: GovernmentLogin) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(government_login.build(login))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        yield client


def authorization(**changes: str | None) -> dict[str, str]:
    parameters: dict[str, str | None] = {
        "response_type": "code",
        "client_id": "xinyi-hub",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": "st",
        "nonce": "no",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in {**parameters, **changes}.items() if value is not None}


def assertion(clock: Clock, key: ECKey = HUB_KEY, kid: str = "hub-1", **changes: Any) -> str:
    now = int(clock())
    claims = {
        "iss": "xinyi-hub",
        "sub": "xinyi-hub",
        "aud": ISSUER,
        "jti": secrets.token_urlsafe(8),
        "iat": now,
        "exp": now + 60,
    }
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": kid}, claims, key)


def token_form(code: str, signed: str, **changes: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        "client_assertion_type": code_provider.ASSERTION_TYPE,
        "client_assertion": signed,
        **changes,
    }


def hidden_handle(html: str) -> str:
    return dict(read_page(ISSUER, html).forms[0].fields)["log_in"]


async def get_code(http: httpx.AsyncClient) -> str:
    page = await http.get("/authorize", params=authorization())
    answer = await http.post("/log-in", data={"log_in": hidden_handle(page.text), "uscc": HEROINE.uscc})
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


async def test_a_person_logs_in_and_the_hub_learns_who(http: httpx.AsyncClient, clock: Clock) -> None:
    page = await http.get("/authorize", params=authorization())
    assert "沙箱环境 · 合成数据" in page.text
    handle = hidden_handle(page.text)
    back = await http.post("/log-in", data={"log_in": handle, "uscc": HEROINE.uscc})
    query = parse_qs(urlsplit(back.headers["Location"]).query)
    assert back.status_code == 303
    assert back.headers["Location"].startswith(CALLBACK + "?")
    assert (query["state"], query["iss"]) == (["st"], [ISSUER])

    answer = await http.post("/token", data=token_form(query["code"][0], assertion(clock)))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    jwks = KeySet.import_key_set((await http.get("/jwks")).json())
    token = jwt.decode(answer.json()["id_token"], jwks, algorithms=["ES256"])
    now = int(clock())
    subject = token.claims.pop("sub")
    assert token.header["kid"] == "login-1"
    assert token.claims == {
        "iss": ISSUER,
        "aud": "xinyi-hub",
        "nonce": "no",
        "iat": now,
        "exp": now + 120,
        "auth_time": now,
        "acr": "urn:xinyi:loa:3",
        "uscc": HEROINE.uscc,
        "enterprise_name": HEROINE.name,
        "signatory_name": "沈知禾",
        "signatory_role": "legal_representative",
        "person_id": code_provider.person_id(HEROINE.uscc, "沈知禾"),
    }
    assert len(subject) == 43
    assert HEROINE.uscc not in subject


async def test_discovery_tells_the_truth(http: httpx.AsyncClient) -> None:
    metadata = (await http.get("/.well-known/openid-configuration")).json()
    assert metadata["issuer"] == ISSUER
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert (await http.get(urlsplit(metadata[name]).path)).status_code != 404


async def test_only_the_public_half_of_the_key_is_published(http: httpx.AsyncClient) -> None:
    assert "d" not in (await http.get("/jwks")).json()["keys"][0]


async def test_the_page_lists_twenty_and_finds_the_rest(http: httpx.AsyncClient) -> None:
    page = await http.get("/authorize", params=authorization())
    assert page.text.count('name="uscc"') == 21  # the search button and twenty enterprises
    found = await http.post("/log-in", data={"log_in": hidden_handle(page.text), "q": "第29号"})
    assert OTHERS[29].uscc in found.text
    assert HEROINE.uscc not in found.text


async def test_nothing_in_the_page_comes_from_elsewhere(http: httpx.AsyncClient) -> None:
    page = await http.get("/authorize", params=authorization())
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "http" not in page.text
    assert "<script" not in page.text
    assert " style=" not in page.text


async def test_what_is_typed_into_the_search_comes_back_harmless(http: httpx.AsyncClient) -> None:
    page = await http.get("/authorize", params=authorization())
    found = await http.post("/log-in", data={"log_in": hidden_handle(page.text), "q": '"><script>'})
    assert "<script>" not in found.text


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "someone"},
        {"client_id": None},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": None},
    ],
)
async def test_a_stranger_is_never_redirected_to(
    http: httpx.AsyncClient, changes: dict[str, str | None]
) -> None:
    answer = await http.get("/authorize", params=authorization(**changes))
    assert answer.status_code == 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"nonce": None}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_a_faulty_request_is_sent_back_with_its_error(
    http: httpx.AsyncClient, changes: dict[str, str | None], error: str
) -> None:
    answer = await http.get("/authorize", params=authorization(**changes))
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["error"] == [error]
    assert query.get("state") == (None if "state" in changes else ["st"])


async def test_a_repeated_parameter_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/authorize", params=[*authorization().items(), ("state", "other")])
    assert answer.status_code == 400


async def test_a_log_in_works_once_and_not_late(http: httpx.AsyncClient, clock: Clock) -> None:
    handle = hidden_handle((await http.get("/authorize", params=authorization())).text)
    form = {"log_in": handle, "uscc": HEROINE.uscc}
    assert (await http.post("/log-in", data=form)).status_code == 303
    assert (await http.post("/log-in", data=form)).status_code == 400
    late = hidden_handle((await http.get("/authorize", params=authorization())).text)
    clock.now += 601
    assert (await http.post("/log-in", data={**form, "log_in": late})).status_code == 400


async def test_an_unknown_enterprise_cannot_log_in(http: httpx.AsyncClient) -> None:
    handle = hidden_handle((await http.get("/authorize", params=authorization())).text)
    answer = await http.post("/log-in", data={"log_in": handle, "uscc": "91350100M000100Y43"})
    assert answer.status_code == 400


async def test_a_code_works_once(http: httpx.AsyncClient, clock: Clock) -> None:
    code = await get_code(http)
    assert (await http.post("/token", data=token_form(code, assertion(clock)))).status_code == 200
    again = await http.post("/token", data=token_form(code, assertion(clock)))
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


async def test_a_code_dies_after_sixty_seconds(http: httpx.AsyncClient, clock: Clock) -> None:
    code = await get_code(http)
    clock.now += 60
    answer = await http.post("/token", data=token_form(code, assertion(clock)))
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes", [{"code_verifier": "w" * 43}, {"code_verifier": ""}, {"redirect_uri": CALLBACK + "/"}]
)
async def test_a_stolen_code_is_useless_and_dies(
    http: httpx.AsyncClient, clock: Clock, changes: dict[str, str]
) -> None:
    code = await get_code(http)
    answer = await http.post("/token", data=token_form(code, assertion(clock), **changes))
    assert answer.json()["error"] == "invalid_grant"
    honest = await http.post("/token", data=token_form(code, assertion(clock)))
    assert honest.json()["error"] == "invalid_grant"


async def test_only_the_code_grant_is_offered(http: httpx.AsyncClient, clock: Clock) -> None:
    form = token_form("x", assertion(clock), grant_type="client_credentials")
    assert (await http.post("/token", data=form)).json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "someone"},
        {"sub": "someone"},
        {"aud": ISSUER + "/token"},
        {"aud": [ISSUER]},
        {"jti": None},
        {"exp": None},
        {"exp": 0},
        {"exp": "soon"},
        {"exp": 4_000_000_000},
        {"iat": 4_000_000_000},
    ],
)
async def test_a_faulty_assertion_does_not_get_in_and_does_not_burn_the_code(
    http: httpx.AsyncClient, clock: Clock, changes: dict[str, Any]
) -> None:
    code = await get_code(http)
    answer = await http.post("/token", data=token_form(code, assertion(clock, **changes)))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert (await http.post("/token", data=token_form(code, assertion(clock)))).status_code == 200


async def test_a_replayed_assertion_does_not_get_in(http: httpx.AsyncClient, clock: Clock) -> None:
    signed = assertion(clock)
    assert (await http.post("/token", data=token_form(await get_code(http), signed))).status_code == 200
    again = await http.post("/token", data=token_form(await get_code(http), signed))
    assert again.json()["error"] == "invalid_client"


@pytest.mark.parametrize("kid", ["hub-1", "hub-2"])
async def test_another_key_does_not_get_in(http: httpx.AsyncClient, clock: Clock, kid: str) -> None:
    signed = assertion(clock, key=ECKey.generate_key("P-256"), kid=kid)
    answer = await http.post("/token", data=token_form(await get_code(http), signed))
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize("signed", ["", "nonsense", "a.b.c", "e30.e30.", "bnVsbA.e30.", "é.e30."])
async def test_nonsense_instead_of_an_assertion_is_an_ordinary_refusal(
    http: httpx.AsyncClient, signed: str
) -> None:
    answer = await http.post("/token", data=token_form("x", signed))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_an_unsigned_assertion_does_not_get_in(http: httpx.AsyncClient, clock: Clock) -> None:
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "hub-1"}).encode()).rstrip(b"=")
    body = assertion(clock).split(".")[1]
    answer = await http.post("/token", data=token_form("x", f"{head.decode()}.{body}."))
    assert answer.json()["error"] == "invalid_client"


async def test_a_new_key_of_the_hub_is_found(login: GovernmentLogin, clock: Clock) -> None:
    old, new = HUB_KEY, ECKey.generate_key("P-256", {"kid": "hub-2"})
    published = [old]
    fetches = 0

    async def fetch_jwks() -> dict[str, Any]:
        nonlocal fetches
        fetches += 1
        return {"keys": [key.as_dict(private=False) for key in published]}

    login.hub_keys.fetch = fetch_jwks
    transport = httpx.ASGITransport(government_login.build(login))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        for _ in range(2):
            signed = assertion(clock)
            assert (await http.post("/token", data=token_form(await get_code(http), signed))).is_success
        assert fetches == 1
        published.append(new)
        clock.now += REFETCH_SECONDS + 1
        signed = assertion(clock, key=new, kid="hub-2")
        assert (await http.post("/token", data=token_form(await get_code(http), signed))).is_success
        assert fetches == 2


async def test_when_the_hub_publishes_nothing_the_provider_says_so(
    login: GovernmentLogin, clock: Clock
) -> None:
    async def fetch_jwks() -> dict[str, Any]:
        raise httpx.ConnectError("refused")

    login.hub_keys.fetch = fetch_jwks
    transport = httpx.ASGITransport(government_login.build(login))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        answer = await http.post("/token", data=token_form("x", assertion(clock)))
    assert answer.status_code == 503


async def test_the_key_is_kept_and_private(tmp_path: Path) -> None:
    enterprises = tmp_path / "enterprises.json"
    enterprises.write_text(
        json.dumps([{"uscc": "u", "name": "n", "signatory_name": "s", "city": "c", "complete": True}])
    )
    published = []
    for _ in range(2):
        site = government_login.open_provider(
            issuer=ISSUER,
            redirect_uri=CALLBACK,
            enterprises=enterprises,
            state=tmp_path / "state",
            hub_jwks="http://127.0.0.1:1/jwks",
            client_id="xinyi-hub",
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url=ISSUER) as http:
            published.append((await http.get("/jwks")).json())
    assert published[0] == published[1]
    assert (tmp_path / "state" / "login-key.jwk.json").stat().st_mode & 0o777 == 0o600
