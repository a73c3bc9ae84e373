"""The second signature of a consent, by SM2: beside the first, which every JOSE library goes on reading."""

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as some
from joserfc import jws
from joserfc.jwk import KeySet

from consent import find_artefact, verify_artefact
from core import keys as key_rings
from core.errors import InvalidInput
from core.keys import rotate
from core.settings import Settings
from core.sm2 import ALGORITHM, SM2Key
from gateway.hub import Hub
from gateway.oauth import commands
from tests.conftest import ENTERPRISE, Consents
from tests.support.bank import Bank

AHEAD = 0.4


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotations as in operation, ten times as fast."""
    monkeypatch.setattr(key_rings, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(key_rings, "SIGNS_AFTER", timedelta(seconds=AHEAD))


async def in_json(hub: Hub, consents: Consents) -> dict[str, Any]:
    consent_id = await consents.active()
    async with hub.database.transaction() as tx:
        artefact = await find_artefact(tx, consent_id)
    assert artefact is not None
    return dict(json.loads(artefact.as_json()))


def compact(whole: dict[str, Any]) -> str:
    first = whole["signatures"][0]
    return f"{first['protected']}.{whole['payload']}.{first['signature']}"


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def test_the_bank_gets_one_payload_under_two_signatures(
    hub: Hub, bank: Bank, consents: Consents, http: httpx.AsyncClient
) -> None:
    path = f"/v1/consent-requests/{await consents.active()}/artefact"
    plain, whole = await bank.get(path), await bank.get(f"{path}.json")
    assert whole.headers["content-type"] == "application/jose+json"
    assert compact(whole.json()) == plain.text, "the first is the artefact as ever"
    second = whole.json()["signatures"][1]
    header = json.loads(decoded(second["protected"]))
    [jwk] = [
        key for key in (await http.get(f"{bank.base}/jwks/sm2")).json()["keys"] if key["kid"] == header["kid"]
    ]
    assert header["alg"] == jwk["alg"] == ALGORITHM
    signed = f"{second['protected']}.{whole.json()['payload']}".encode()
    assert SM2Key.import_key(jwk).verifies(signed, decoded(second["signature"]))


async def test_jose_libraries_read_what_carries_a_second_signature(
    hub: Hub, bank: Bank, consents: Consents, http: httpx.AsyncClient
) -> None:
    whole = await in_json(hub, consents)
    jwks = (await http.get(f"{bank.base}/jwks")).json()
    by_joserfc = jws.deserialize_compact(compact(whole), KeySet.import_key_set(jwks), algorithms=["ES256"])
    kid = by_joserfc.headers()["kid"]
    by_pyjwt = jwt.PyJWS().decode(compact(whole), jwt.PyJWKSet.from_dict(jwks)[kid].key, ["ES256"])
    assert by_joserfc.payload == by_pyjwt == decoded(whole["payload"])


async def test_both_signatures_are_checked_offline_also_after_a_rotation(
    settings: Settings, hub: Hub, bank: Bank, consents: Consents
) -> None:
    before = await in_json(hub, consents)
    for use in ("artefacts", "sm2"):
        rotate(settings.var_dir / "keys", use)  # type: ignore[arg-type]
    await asyncio.sleep(AHEAD + 0.2)
    after = await in_json(hub, consents)
    assert {one["protected"] for one in before["signatures"]}.isdisjoint(
        one["protected"] for one in after["signatures"]
    )
    for whole in (before, after):
        evidence = verify_artefact(json.dumps(whole), hub.keys.public_jwks(), hub.keys.sm2_jwks())
        assert evidence.record["principal"]["uscc"] == ENTERPRISE
        assert evidence.sm2 == "good"
        assert verify_artefact(json.dumps(whole), hub.keys.public_jwks()).sm2 == "unchecked"
        assert verify_artefact(compact(whole), hub.keys.public_jwks(), hub.keys.sm2_jwks()).sm2 == "none"


async def test_no_signature_stands_for_another(hub: Hub, bank: Bank, consents: Consents) -> None:
    mine, other = await in_json(hub, consents), await in_json(hub, consents)
    first, second = mine["signatures"]
    jwks, sm2_jwks = hub.keys.public_jwks(), hub.keys.sm2_jwks()
    forged = {
        "the SM2 signature of another consent": mine | {"signatures": [first, other["signatures"][1]]},
        "the ES256 signature of another consent": mine | {"signatures": [other["signatures"][0], second]},
        "the payload of another consent": mine | {"payload": other["payload"]},
        "SM2 alone": mine | {"signatures": [second]},
        "none": mine | {"signatures": []},
        "one of them twice": mine | {"signatures": [first, second, second]},
        "cut": mine | {"signatures": [first, second | {"signature": second["signature"][:-4]}]},
        "not base64url": mine | {"signatures": [first, second | {"signature": "!" * 86}]},
        "another algorithm": mine | {"signatures": [first, second | {"protected": header(alg="ES384")}]},
        "no key named": mine | {"signatures": [first, second | {"protected": header(kid=None)}]},
        "an unknown key": mine | {"signatures": [first, second | {"protected": header(kid="somebody's")}]},
        "a critical extension": mine | {"signatures": [first, second | {"protected": header(crit=["b64"])}]},
        "a payload that is no text": mine | {"payload": 7},
        "no signatures": {"payload": mine["payload"]},
        "a list of words": mine | {"signatures": ["ES256"]},
    }
    for what, whole in forged.items():
        with pytest.raises(InvalidInput):
            pytest.fail(f"{what}: {verify_artefact(json.dumps(whole), jwks, sm2_jwks)}")
    for wrong in ({"keys": []}, jwks, {"keys": [{"crv": "SM2"}]}, {}, {"keys": 1}):
        with pytest.raises(InvalidInput):
            verify_artefact(json.dumps(mine), jwks, wrong)


def header(**changes: object) -> str:
    members = {"alg": ALGORITHM, "kid": "unknown", "typ": "consent+jws"} | changes
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("text", ["{", "{" * 5, '{"payload": ' * 5, "[" * 100_000, '{"a": ' * 100_000])
def test_what_is_no_json_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        verify_artefact(text, {"keys": []})


ANYTHING = some.recursive(
    some.none() | some.integers() | some.text(max_size=20) | some.just(header()),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PARTS = some.fixed_dictionaries({"protected": some.just(header()) | ANYTHING, "signature": ANYTHING})
FORMS = some.fixed_dictionaries({"payload": ANYTHING, "signatures": ANYTHING | some.lists(PARTS, max_size=3)})


@given(text=some.text() | ANYTHING.map(json.dumps) | FORMS.map(json.dumps))
def test_whatever_is_given_for_an_artefact_is_refused_in_our_words(text: str) -> None:
    with pytest.raises(InvalidInput):
        verify_artefact(text, {"keys": []}, {"keys": []})


async def test_a_hub_may_do_without_it(hub: Hub, bank: Bank, consents: Consents) -> None:
    hub.settings = hub.settings.model_copy(update={"sm2_signature": False})
    whole = await in_json(hub, consents)
    assert len(whole["signatures"]) == 1
    assert verify_artefact(json.dumps(whole), hub.keys.public_jwks(), hub.keys.sm2_jwks()).sm2 == "none"


async def test_the_command_says_how_the_second_signature_stands(
    settings: Settings,
    hub: Hub,
    bank: Bank,
    consents: Consents,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, file = await in_json(hub, consents), tmp_path / "consent.json"
    file.write_text(json.dumps(whole))
    jwks, sm2_jwks = tmp_path / "jwks.json", tmp_path / "sm2.json"
    jwks.write_text(json.dumps(hub.keys.public_jwks()))
    sm2_jwks.write_text(json.dumps(hub.keys.sm2_jwks()))
    keys = settings.var_dir / "keys"

    def said(**given: Any) -> str:
        commands.verify(file, keys=keys, as_json=False, **given)
        return capsys.readouterr().out

    assert "国密签名（SM2）有效" in said(jwks=None)
    assert "国密签名（SM2）有效" in said(jwks=jwks, sm2_jwks=sm2_jwks)
    assert "国密签名（SM2）未核对" in said(jwks=jwks)
    file.write_text(compact(whole))
    assert "不含国密签名" in said(jwks=None)
    commands.verify(file, jwks=None, keys=keys, as_json=True)
    told = capsys.readouterr()
    assert json.loads(told.out)["principal"]["uscc"] == ENTERPRISE
    assert "不含国密签名" in told.err
