"""The hub's keys are rotated while it works: nobody is refused, nothing is restarted, old evidence stays evidence."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import jwt
import pytest

from consent import artefact_of, verify_artefact
from core import keys as key_rings
from core.errors import InvalidInput
from core.keys import rotate
from core.settings import Settings
from gateway.hub import Hub
from gateway.oauth import commands
from tests.conftest import ENTERPRISE, Consents
from tests.support.authorization import Browser, Redirect, answer_in
from tests.support.backchannel import begin, poll
from tests.support.bank import Bank

AHEAD = 0.4


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in operation, ten times as fast."""
    monkeypatch.setattr(key_rings, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(key_rings, "SIGNS_AFTER", timedelta(seconds=AHEAD))


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_a_rotation_in_the_middle_of_the_traffic_refuses_nobody(
    settings: Settings, bank: Bank, http: httpx.AsyncClient
) -> None:
    signed_by = set()
    for number in range(24):
        if number == 4:
            rotate(settings.var_dir / "keys", "tokens")
        published = {key["kid"] for key in (await http.get(f"{bank.base}/jwks")).json()["keys"]}
        fresh = await bank.ask_token()
        assert fresh.status_code == 200, fresh.text
        signed_by.add(kid_of(fresh.json()["access_token"]))
        assert signed_by <= published, "known to those who check before it signs"
        assert (await bank.get("/v1/usage")).status_code == 200, "the token of before stays good"
        await asyncio.sleep(AHEAD / 10)
    assert len(signed_by) == 2


async def test_a_rotation_of_all_keys_in_the_middle_of_a_flow_stops_nothing(
    settings: Settings, bank: Bank, redirect: Redirect, browser: Browser, consents: Consents, stocked: None
) -> None:
    async def rotate_all() -> None:
        for use in key_rings.USES:
            rotate(settings.var_dir / "keys", use)
        await asyncio.sleep(AHEAD + 0.2)

    begun = (await begin(bank)).json()
    address = await redirect.address()
    await rotate_all()
    code = answer_in(await browser.answer(address))["code"]
    await consents.approved(UUID(begun["consent_id"]))
    await rotate_all()
    for answer in (await redirect.exchange(code), await poll(bank, begun["auth_req_id"])):
        assert answer.status_code == 200, answer.text
        granted = answer.json()
        await rotate_all()
        refresh = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"]}
        fresh = (await bank.send_form("/oauth/token", **refresh)).json()["access_token"]
        assert kid_of(fresh) != kid_of(granted["access_token"])
        for token in (granted["access_token"], fresh):
            bank._token = token
            answered = await bank.query("tax", granted["grant_id"], ENTERPRISE)
            assert answered.status_code == 200, answered.text


async def test_distrusted_token_keys_void_the_tokens_at_once(
    settings: Settings, bank: Bank, hub: Hub
) -> None:
    assert (await bank.get("/v1/usage")).status_code == 200
    rotate(settings.var_dir / "keys", "tokens", distrust=True)
    await asyncio.sleep(0.3)
    refused = await bank.get("/v1/usage")
    assert refused.status_code == 401
    assert refused.json()["type"] == "/problems/token-invalid"
    bank._token = None
    assert (await bank.get("/v1/usage")).status_code == 200


async def artefact(hub: Hub, consents: Consents) -> str:
    consent_id = await consents.active()
    async with hub.database.transaction() as tx:
        signed = await artefact_of(tx, consent_id)
    assert signed is not None
    return signed


async def test_a_consent_of_before_the_rotation_is_verified_offline_and_read_aloud(
    settings: Settings,
    hub: Hub,
    bank: Bank,
    consents: Consents,
    http: httpx.AsyncClient,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = await artefact(hub, consents)
    rotate(settings.var_dir / "keys", "artefacts")
    await asyncio.sleep(AHEAD + 0.2)
    after = await artefact(hub, consents)
    assert kid_of(before) != kid_of(after)
    jwks = tmp_path / "jwks.json"
    jwks.write_text((await http.get(f"{bank.base}/jwks")).text)
    for signed in (before, after):
        file = tmp_path / "consent.jws"
        file.write_text(signed + "\n")
        commands.verify(file, jwks=jwks, keys=Path("nowhere"), as_json=False)
        said = capsys.readouterr().out
        assert said.startswith("签名有效")
        assert ENTERPRISE in said
        assert "谁来看：测试银行。只有它可以看" in said
        assert "法定代表人" in said
        commands.verify(file, jwks=None, keys=settings.var_dir / "keys", as_json=True)
        assert json.loads(capsys.readouterr().out)["principal"]["uscc"] == ENTERPRISE


async def test_what_is_not_what_was_signed_is_not_believed(
    hub: Hub, bank: Bank, consents: Consents, tmp_path: Path
) -> None:
    signed = await artefact(hub, consents)
    jwks = hub.keys.public_jwks()
    verify_artefact(signed, jwks)
    head, payload, signature = signed.split(".")
    changed = payload[:40] + ("A" if payload[40] != "A" else "B") + payload[41:]
    stranger = {"keys": [key for key in jwks["keys"] if key["kid"] != kid_of(signed)]}
    token = await bank.token()
    for text, known in (
        (f"{head}.{changed}.{signature}", jwks),
        (f"{head}.{payload}.", jwks),
        (f"{head}.{payload}", jwks),
        (token, jwks),
        ("", jwks),
        ("not a JWS", jwks),
        (signed, stranger),
        (signed, {"keys": "none"}),
    ):
        with pytest.raises(InvalidInput):
            verify_artefact(text, known)


def test_the_commands_show_and_rotate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key_rings.load_keys(tmp_path)
    commands.show_keys(tmp_path)
    shown = capsys.readouterr().out
    assert shown.count("现用") == shown.count("下一把") == 4
    commands.rotate_keys(tmp_path, ("tokens",), distrust=False)
    assert "起签名" in capsys.readouterr().out
    commands.show_keys(tmp_path)
    assert capsys.readouterr().out.count("起签名") == 1
    commands.rotate_keys(tmp_path, ("tokens", "login"), distrust=True)
    assert capsys.readouterr().out.count("即刻作废") == 2
    signing = key_rings.load_keys(tmp_path)["tokens"].kid
    with pytest.raises(InvalidInput):
        commands.rotate_keys(tmp_path, key_rings.USES, distrust=True)
    assert key_rings.load_keys(tmp_path)["tokens"].kid == signing, "all or none"
