"""Introspection (RFC 7662, RFC 9701) and revocation (RFC 7009): of one's own tokens, and with effect."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest

from consent import revoke as revoke_consent
from core.clock import now
from core.errors import NotAuthenticated
from core.redis import connect_redis
from core.settings import Settings
from gateway.hub import Hub
from gateway.oauth.denied import DeniedTokens
from gateway.oauth.tokens import AccessTokens
from tests.conftest import ENTERPRISE, Consents, signatory_of
from tests.support.backchannel import begin, poll
from tests.support.bank import Bank


async def introspect(bank: Bank, token: str, accept: str = "application/json") -> httpx.Response:
    return await bank.send_form("/oauth/introspect", dpop=False, accept=accept, token=token)


async def about(bank: Bank, token: str) -> dict[str, Any]:
    answer = await introspect(bank, token)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


async def granted(bank: Bank, consents: Consents) -> dict[str, Any]:
    """Tokens for a consent, and its id."""
    begun = (await begin(bank)).json()
    await consents.approved(UUID(begun["consent_id"]))
    tokens: dict[str, Any] = (await poll(bank, begun["auth_req_id"])).json()
    return tokens


async def test_rfc7662_2_2_a_good_token_is_described(bank: Bank) -> None:
    token = await bank.token()
    claims = jwt.decode(token, options={"verify_signature": False})
    said = await about(bank, token)
    assert said["active"] is True
    assert said["token_type"] == "DPoP"
    for name in ("client_id", "iss", "aud", "sub", "iat", "exp", "jti", "cnf", "participant_id"):
        assert said[name] == claims[name], name


async def test_rfc7662_2_2_of_anything_else_nothing_is_said(bank: Bank, other_bank: Bank, hub: Hub) -> None:
    token = await bank.token()
    for asker, asked in (
        (other_bank, token),
        (bank, token[:-4] + "AAAA"),
        (bank, "nonsense"),
        (bank, "\x00"),
    ):
        assert await about(asker, asked) == {"active": False}


async def test_rfc7662_2_1_only_a_proven_client_may_ask(bank: Bank) -> None:
    form = {"token": await bank.token()}
    refused = await bank.send_form(
        "/oauth/introspect", client_assertion=bank.assertion(aud="https://else.example"), **form
    )
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    refused = await bank.send_form("/oauth/introspect")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


async def test_a_token_for_a_consent_is_active_as_long_as_the_consent(
    bank: Bank, other_bank: Bank, hub: Hub, consents: Consents
) -> None:
    tokens = await granted(bank, consents)
    for token in (tokens["access_token"], tokens["refresh_token"]):
        said = await about(bank, token)
        assert said["active"] is True
        assert said["grant_id"] == tokens["grant_id"]
        assert said["authorization_details"] == tokens["authorization_details"]
        assert await about(other_bank, token) == {"active": False}
    async with hub.database.transaction() as tx:
        await revoke_consent(tx, signatory_of(ENTERPRISE), UUID(tokens["grant_id"]), reason="", at=now())
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert await about(bank, token) == {"active": False}


async def test_rfc9701_5_the_answer_can_be_had_signed(bank: Bank, hub: Hub) -> None:
    token = await bank.token()
    for asked, active in ((token, True), ("nonsense", False)):
        answer = await introspect(bank, asked, accept="application/token-introspection+jwt")
        assert answer.headers["content-type"] == "application/token-introspection+jwt"
        header = jwt.get_unverified_header(answer.text)
        assert header["typ"] == "token-introspection+jwt"
        keys = {key["kid"]: key for key in hub.keys.public_jwks()["keys"]}
        claims = jwt.decode(
            answer.text,
            jwt.PyJWK(keys[header["kid"]]),
            algorithms=["ES256"],
            audience=bank.client_id,
            issuer=bank.base,
        )
        assert claims["token_introspection"]["active"] is active
        assert "sub" not in claims, "so that it cannot pass for a token (RFC 9701 section 5)"
        with pytest.raises(NotAuthenticated):
            hub.tokens.check(answer.text)


# --- revocation -------------------------------------------------------------------------------------------------


async def revoke(bank: Bank, token: str, **changes: str) -> httpx.Response:
    return await bank.send_form("/oauth/revoke", dpop=False, token=token, **changes)


async def test_rfc7009_2_an_access_token_that_was_given_back_is_refused_at_once(bank: Bank) -> None:
    token = await bank.token()
    assert (await bank.get("/v1/usage")).status_code == 200
    assert (await revoke(bank, token, token_type_hint="refresh_token")).status_code == 200
    refused = await bank.get("/v1/usage")
    assert refused.status_code == 401
    assert refused.json()["type"] == "/problems/token-revoked"
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert await about(bank, token) == {"active": False}


async def test_rfc7009_2_a_refresh_token_that_was_given_back_gives_nothing(
    bank: Bank, consents: Consents
) -> None:
    tokens = await granted(bank, consents)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await bank.send_form("/oauth/token", **form)).status_code == 200
    assert (await revoke(bank, tokens["refresh_token"])).status_code == 200
    assert (await bank.send_form("/oauth/token", **form)).json()["error"] == "invalid_grant"
    assert await about(bank, tokens["refresh_token"]) == {"active": False}
    assert (await revoke(bank, tokens["refresh_token"])).status_code == 200, "revoked twice is revoked"


async def test_rfc7009_2_1_with_a_refresh_token_go_the_access_tokens_of_its_grant(
    bank: Bank, consents: Consents
) -> None:
    tokens = await granted(bank, consents)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    refreshed = (await bank.send_form("/oauth/token", **form)).json()
    await bank.token()
    assert (await revoke(bank, tokens["refresh_token"])).status_code == 200
    for token in (tokens["access_token"], refreshed["access_token"]):
        assert await about(bank, token) == {"active": False}
        proof = {"DPoP": bank.proof("GET", f"{bank.base}/v1/usage", token=token)}
        used = await bank.http.get(
            f"{bank.base}/v1/usage", headers={"Authorization": f"DPoP {token}", **proof}
        )
        assert (used.status_code, used.json()["type"]) == (401, "/problems/token-revoked")
    assert (await bank.get("/v1/usage")).status_code == 200, "one of the bank's own is not touched"
    shown = await bank.get(f"/grants/{tokens['grant_id']}")
    assert shown.json()["status"] == "active", "the consent stays"


async def test_rfc7009_2_1_nobody_revokes_what_is_not_theirs(
    bank: Bank, other_bank: Bank, consents: Consents
) -> None:
    tokens = await granted(bank, consents)
    for token in (tokens["access_token"], tokens["refresh_token"]):
        refused = await revoke(other_bank, token)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        assert (await about(bank, token))["active"] is True


async def test_rfc7009_2_2_what_is_no_token_is_as_good_as_revoked(bank: Bank) -> None:
    assert (await revoke(bank, "nonsense")).status_code == 200
    assert (await bank.send_form("/oauth/revoke")).json()["error"] == "invalid_request"


async def test_other_processes_learn_of_a_revocation_also_those_that_start_later(
    bank: Bank, hub: Hub, settings: Settings
) -> None:
    assert settings.redis_url is not None
    redis = connect_redis(settings.redis_url)
    early, late = DeniedTokens(redis), DeniedTokens(redis)
    listening = [asyncio.create_task(early.keep_listening())]
    try:
        await asyncio.sleep(0.2)
        token = await bank.token()
        other_process = AccessTokens(hub.keys, settings.public_url, early)
        other_process.check(token)
        await revoke(bank, token)
        await asyncio.sleep(0.2)
        with pytest.raises(NotAuthenticated):
            other_process.check(token)
        listening.append(asyncio.create_task(late.keep_listening()))
        await asyncio.sleep(0.2)
        assert hub.tokens.claims_of(token)["jti"] in late
    finally:
        for task in listening:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await redis.aclose()
