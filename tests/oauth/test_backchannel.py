"""CIBA: the bank asks, the enterprise answers on a device of its own, the bank polls and gets its tokens once."""

import asyncio
import base64
import time
import uuid
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from consent import artefact_of, find_consent, reject, revoke
from core.clock import now
from gateway.hub import Hub
from gateway.oauth.backchannel import GRANT_TYPE
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents, signatory_of
from tests.support.backchannel import begin, begin_signed, error_of, poll, signed_request
from tests.support.bank import Bank, new_key


@pytest.fixture
def patience(hub: Hub) -> Any:
    """Instead of waiting for the interval to be over."""

    async def wait(auth_req_id: str) -> None:
        async for key in hub.redis.scan_iter("ciba:poll:*"):
            await hub.redis.delete(key)

    return wait


async def test_ciba_7_3_the_answer_says_how_to_go_on(bank: Bank) -> None:
    answer = await begin(bank)
    assert answer.status_code == 200, answer.text
    begun = answer.json()
    assert begun["expires_in"] == 3600
    assert begun["interval"] == 5
    assert len(base64.urlsafe_b64decode(begun["auth_req_id"] + "==")) == 32
    assert answer.headers["cache-control"] == "no-store"
    waiting = (await bank.get(f"/v1/consent-requests/{begun['consent_id']}")).json()
    assert waiting["state"] == "awaiting"
    assert waiting["message"] == "A7K2 · 流动资金贷款审查", "what both see comes first"


async def test_from_the_request_over_pending_to_data(
    bank: Bank, hub: Hub, consents: Consents, stocked: None, patience: Any
) -> None:
    begun = (await begin(bank)).json()
    assert error_of(await poll(bank, begun["auth_req_id"])) == "authorization_pending"
    await consents.approved(UUID(begun["consent_id"]))
    granted = await poll(bank, begun["auth_req_id"])
    assert granted.status_code == 200, granted.text
    tokens = granted.json()
    assert tokens["token_type"] == "DPoP"
    assert tokens["grant_id"] == begun["consent_id"]
    [detail] = tokens["authorization_details"]
    assert (detail["uscc"], detail["datasets"]) == (ENTERPRISE, ["registration", "tax"])
    assert tokens["refresh_token"]
    bank._token = tokens["access_token"]
    answered = await bank.query("tax", begun["consent_id"], ENTERPRISE)
    assert answered.status_code == 200, answered.text
    async with hub.database.transaction() as tx:
        assert await artefact_of(tx, UUID(begun["consent_id"])) is not None


async def test_ciba_10_1_tokens_are_handed_out_once_also_to_two_who_ask_at_once(
    bank: Bank, consents: Consents
) -> None:
    begun = (await begin(bank)).json()
    await consents.approved(UUID(begun["consent_id"]))
    answers = await asyncio.gather(*(poll(bank, begun["auth_req_id"]) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]
    assert {error_of(answer) for answer in answers if answer.status_code != 200} == {"invalid_grant"}


async def test_ciba_11_who_polls_too_early_is_told_to_slow_down_and_waits_longer(
    bank: Bank, hub: Hub, patience: Any
) -> None:
    begun = (await begin(bank)).json()
    assert error_of(await poll(bank, begun["auth_req_id"])) == "authorization_pending"
    assert error_of(await poll(bank, begun["auth_req_id"])) == "slow_down"
    assert error_of(await poll(bank, begun["auth_req_id"])) == "slow_down"
    await patience(begun["auth_req_id"])
    assert error_of(await poll(bank, begun["auth_req_id"])) == "authorization_pending"
    milliseconds = await hub.redis.pttl(f"ciba:poll:{begun['consent_id']}")
    assert 13_000 < milliseconds <= 14_500, "five seconds, and five more for each early poll"


async def test_ciba_11_an_answer_that_comes_between_two_polls_is_not_kept_waiting(
    bank: Bank, consents: Consents
) -> None:
    begun = (await begin(bank)).json()
    await poll(bank, begun["auth_req_id"])
    await consents.approved(UUID(begun["consent_id"]))
    assert (await poll(bank, begun["auth_req_id"])).status_code == 200


async def test_ciba_11_no_and_too_late_and_taken_back_are_told_apart(
    bank: Bank, hub: Hub, consents: Consents
) -> None:
    said_no, too_late, taken_back = [(await begin(bank)).json() for _ in range(3)]
    await consents.approved(UUID(taken_back["consent_id"]))
    who = signatory_of(ENTERPRISE)
    async with hub.database.transaction() as tx:
        await reject(tx, who, UUID(said_no["consent_id"]), reason="", at=now())
        await revoke(tx, who, UUID(taken_back["consent_id"]), reason="", at=now())
    short = (await begin(bank, requested_expiry="1")).json()
    await asyncio.sleep(1.1)
    assert error_of(await poll(bank, said_no["auth_req_id"])) == "access_denied"
    assert error_of(await poll(bank, taken_back["auth_req_id"])) == "access_denied"
    assert error_of(await poll(bank, short["auth_req_id"])) == "expired_token"
    assert error_of(await poll(bank, too_late["auth_req_id"])) == "authorization_pending"


async def test_the_enterprise_cannot_say_yes_to_a_request_that_has_expired(
    bank: Bank, hub: Hub, consents: Consents
) -> None:
    begun = (await begin(bank, requested_expiry="1")).json()
    async with hub.database.transaction() as tx:
        consent = await find_consent(tx, UUID(begun["consent_id"]))
    assert consent.answer_by - consent.requested_at == timedelta(seconds=1)
    assert consent.state_at(consent.answer_by) == "expired"


async def test_an_auth_req_id_is_good_for_its_own_client_only(
    bank: Bank, other_bank: Bank, consents: Consents
) -> None:
    begun = (await begin(bank)).json()
    await consents.approved(UUID(begun["consent_id"]))
    assert error_of(await poll(other_bank, begun["auth_req_id"])) == "invalid_grant"
    assert (await poll(bank, begun["auth_req_id"])).status_code == 200


async def test_what_is_no_auth_req_id_of_ours_is_refused(bank: Bank) -> None:
    begun = (await begin(bank)).json()
    octets = base64.urlsafe_b64decode(begun["auth_req_id"] + "==")
    guessed = uuid.UUID(begun["consent_id"]).bytes + bytes(16)
    flipped = octets[:-1] + bytes([octets[-1] ^ 1])
    for forged in (guessed, flipped, octets[:16], octets + b"x", b""):
        text = base64.urlsafe_b64encode(forged).rstrip(b"=").decode() or "-"
        assert error_of(await poll(bank, text)) == "invalid_grant"
    assert error_of(await poll(bank, "?" * 43)) == "invalid_grant"
    filed = (await bank.request_consent(ENTERPRISE)).json()
    assert error_of(await poll(bank, filed["consent_id"])) == "invalid_grant"


async def test_a_poll_uses_its_assertion_and_its_proof_up(bank: Bank) -> None:
    begun = (await begin(bank)).json()
    form = {"grant_type": GRANT_TYPE, "auth_req_id": begun["auth_req_id"]}
    assertion, proof = bank.assertion(), bank.proof("POST", f"{bank.base}/oauth/token")
    first = await bank.send_form("/oauth/token", dpop=proof, client_assertion=assertion, **form)
    assert error_of(first) == "authorization_pending"
    again = await bank.send_form("/oauth/token", client_assertion=assertion, **form)
    assert error_of(again) == "invalid_client"
    again = await bank.send_form("/oauth/token", dpop=proof, **form)
    assert error_of(again) == "invalid_dpop_proof"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"login_hint": OTHER_ENTERPRISE}, "invalid_request"),
        ({"login_hint": ""}, "invalid_request"),
        ({"login_hint": "91350100M000100Y44"}, "unknown_user_id"),
        ({"login_hint_token": "x"}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"binding_message": "x" * 41}, "invalid_binding_message"),
        ({"binding_message": "two\nlines"}, "invalid_binding_message"),
        ({"requested_expiry": "0"}, "invalid_request"),
        ({"requested_expiry": "9" * 30}, "invalid_request"),
        ({"requested_expiry": "soon"}, "invalid_request"),
        ({"requested_expiry": "²"}, "invalid_request"),
        ({"authorization_details": ""}, "invalid_authorization_details"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
    ],
)
async def test_ciba_13_what_cannot_be_asked_is_refused(
    bank: Bank, changes: dict[str, str], error: str
) -> None:
    assert error_of(await begin(bank, **changes)) == error


async def test_who_does_not_prove_itself_asks_nothing(bank: Bank, hub: Hub) -> None:
    assert error_of(
        await bank.send_form("/oauth/bc-authorize", login_hint=ENTERPRISE, client_assertion="x")
    ) == ("invalid_client")
    count = "SELECT count(*) FROM consents"
    assert await hub.database.hot.fetchval(count) == 0


# --- signed requests --------------------------------------------------------------------------------------------


async def test_ciba_7_1_1_a_signed_request_asks_for_what_stands_in_it(
    bank: Bank, consents: Consents, patience: Any
) -> None:
    begun = await begin_signed(bank, signed_request(bank))
    assert begun.status_code == 200, begun.text
    waiting = (await bank.get(f"/v1/consent-requests/{begun.json()['consent_id']}")).json()
    assert (waiting["uscc"], waiting["message"]) == (ENTERPRISE, "A7K2 · 流动资金贷款审查")
    await consents.approved(UUID(begun.json()["consent_id"]))
    assert (await poll(bank, begun.json()["auth_req_id"])).status_code == 200


async def test_ciba_7_1_1_its_parameters_do_not_stand_beside_a_signed_request(bank: Bank) -> None:
    for name in ("login_hint", "binding_message", "scope", "authorization_details", "unknown"):
        beside = await begin_signed(bank, signed_request(bank), **{name: ENTERPRISE})
        assert error_of(beside) == "invalid_request", name
    alone = await begin_signed(bank, signed_request(bank), client_id=bank.client_id)
    assert alone.status_code == 200, "how the client proves itself stands beside it"


async def test_ciba_7_1_1_a_signed_request_works_once(bank: Bank, hub: Hub) -> None:
    request = signed_request(bank)
    answers = await asyncio.gather(*(begin_signed(bank, request) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert {error_of(answer) for answer in answers if answer.status_code == 400} == {"invalid_request"}
    assert await hub.database.hot.fetchval("SELECT count(*) FROM consents") == 1


async def test_ciba_7_1_1_a_request_that_is_not_signed_well_for_us_and_now_is_refused(
    bank: Bank, other_bank: Bank, hub: Hub
) -> None:
    at = int(time.time())
    forged = jwt.encode({"iss": bank.client_id}, new_key(), algorithm="ES256", headers={"kid": "1"})
    wrong = [
        "x",
        forged,
        jwt.encode({"iss": bank.client_id}, None, algorithm="none"),
        signed_request(other_bank),
        bank.assertion(),
        *(signed_request(bank, **{claim: None}) for claim in ("iss", "aud", "exp", "iat", "nbf", "jti")),
        signed_request(bank, iss="other-bank"),
        signed_request(bank, client_id="other-bank"),
        signed_request(bank, aud=f"{bank.base}/oauth/bc-authorize"),
        signed_request(bank, exp=at - 1),
        signed_request(bank, exp=at + 3700),
        signed_request(bank, nbf=at - 3700),
        signed_request(bank, nbf=at + 61, exp=at + 120),
        signed_request(bank, iat=at + 61),
        signed_request(bank, jti=7),
        signed_request(bank, request="x"),
        signed_request(bank, login_hint=None),
    ]
    for number, request in enumerate(wrong):
        assert error_of(await begin_signed(bank, request)) == "invalid_request", number
    assert await hub.database.hot.fetchval("SELECT count(*) FROM consents") == 0


async def test_fapi2_5_3_2_1_the_clock_of_who_signs_may_be_10_seconds_ahead(bank: Bank) -> None:
    at = int(time.time())
    ahead = signed_request(bank, iat=at + 9, nbf=at + 9, exp=at + 60)
    assert (await begin_signed(bank, ahead)).status_code == 200
