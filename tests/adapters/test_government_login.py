"""The government log-in over real HTTP: an ID token says who it is only if it is of now, for us, and of this log-in."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from adapters import GovernmentLogin
from consent import Signatory
from core.errors import NotAuthenticated
from sandbox import government_login as government
from sandbox.code_provider import Issued
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE
from tests.support.counterparts import HUB_KEY, KNOWN, answered, hub_keys, serving_site
from tests.support.moments import FromNow, used_now

CALLBACK = "http://127.0.0.1:8000/portal/callback"


@pytest.fixture
async def provider(free_port: int) -> AsyncIterator[government.GovernmentLogin]:
    played = government.GovernmentLogin(
        issuer=f"http://127.0.0.1:{free_port}",
        client_id="xinyi-hub",
        redirect_uri=CALLBACK,
        enterprises=KNOWN,
        key=ECKey.generate_key("P-256", {"kid": "login-1"}),
        hub_keys=hub_keys(),
    )
    async with serving_site(government.build(played), free_port):
        yield played


def relying_on(
    provider: government.GovernmentLogin, clock: Callable[[], float] = time.time
) -> GovernmentLogin:
    return GovernmentLogin(
        issuer=provider.issuer,
        client_id="xinyi-hub",
        redirect_uri=CALLBACK,
        key=lambda: HUB_KEY,
        subject_of=lambda uscc, person_id: f"{uscc}:{person_id}",
        clock=clock,
    )


@pytest.fixture
async def login(provider: government.GovernmentLogin) -> AsyncIterator[GovernmentLogin]:
    opened = relying_on(provider)
    yield opened
    await opened.close()


async def log_in(login: GovernmentLogin, provider: government.GovernmentLogin) -> Signatory:
    address, start = await login.begin()
    return await login.finish(answered(provider, address), start)


async def test_the_person_is_asked_for_anew_and_known_afterwards(
    login: GovernmentLogin, provider: government.GovernmentLogin
) -> None:
    address, _ = await login.begin()
    assert "prompt=login" in address
    person = await log_in(login, provider)
    assert (person.uscc, person.name, person.role) == (ENTERPRISE, "张三丰", "legal_representative")
    assert (person.assurance, person.proven_by) == ("urn:xinyi:loa:3", "government_login")


CLAIMS: dict[str, dict[str, Any]] = {
    "of another log-in": {"nonce": "another"},
    "for somebody else": {"aud": "another-hub"},
    "of somebody else": {"iss": "https://another.example"},
    "300 seconds old": {"iat": FromNow(-300), "exp": FromNow(300)},
    "90 seconds from now": {"iat": FromNow(90), "exp": FromNow(600)},
    "expired": {"exp": FromNow(-90)},
    "about somebody who had logged in before": {"auth_time": FromNow(-3600)},
    "without saying when": {"auth_time": None},
    "without a person": {"person_id": None},
    "about no enterprise": {"uscc": "91350100M000100Y44"},
    "without assurance": {"acr": None},
}


@pytest.mark.parametrize("changes", CLAIMS.values(), ids=CLAIMS)
async def test_an_id_token_that_is_not_good_lets_nobody_in(
    login: GovernmentLogin,
    provider: government.GovernmentLogin,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:
    answer_to = provider.answer_to

    def changed(issued: Issued) -> dict[str, Any]:
        good = answer_to(issued)
        claims = {
            **jwt.decode(good["id_token"], provider.key, algorithms=["ES256"]).claims,
            **used_now(changes),
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "ES256", "kid": provider.key.kid}
        return {**good, "id_token": jwt.encode(header, claims, provider.key)}

    monkeypatch.setattr(provider, "answer_to", changed)
    with pytest.raises(NotAuthenticated) as refused:
        await log_in(login, provider)
    assert refused.value.reason == "login_failed"
    assert ENTERPRISE not in str(refused.value)


@pytest.mark.parametrize("id_token", [None, "", "a.b.c", 7])
async def test_what_is_no_id_token_lets_nobody_in(
    login: GovernmentLogin,
    provider: government.GovernmentLogin,
    monkeypatch: pytest.MonkeyPatch,
    id_token: object,
) -> None:
    monkeypatch.setattr(provider, "answer_to", lambda issued: {"id_token": id_token})
    with pytest.raises(NotAuthenticated):
        await log_in(login, provider)


@pytest.mark.parametrize("seconds", [-90, 90])
async def test_a_clock_90_seconds_off_lets_nobody_in(
    provider: government.GovernmentLogin, seconds: int
) -> None:
    login = relying_on(provider, lambda: time.time() + seconds)
    with pytest.raises(NotAuthenticated):
        await log_in(login, provider)
    await login.close()


async def test_a_code_of_another_enterprise_is_of_no_use_in_this_browser(
    login: GovernmentLogin, provider: government.GovernmentLogin
) -> None:
    theirs, _ = await login.begin()
    mine, start = await login.begin()
    other = answered(provider, theirs, OTHER_ENTERPRISE)
    for answer in (other, replace(other, state=answered(provider, mine).state)):
        with pytest.raises(NotAuthenticated):
            await login.finish(answer, start)
