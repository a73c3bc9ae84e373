"""The demo bank's receiver believes what the hub signed, and nothing else."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from sandbox.receiver import NotGenuineError, Receiver, add_receiver

SECRET = b"a secret that the bank and the hub share"
KEY = ECKey.generate_key("P-256", {"kid": "artefacts-1"}, private=True)
HUB, BANK = "https://hub.example", "demo-bank"
CLAIMS: dict[str, Any] = {
    "iss": HUB,
    "aud": BANK,
    "jti": "consent-event-7",
    "iat": 1_700_000_000,
    "events": {"urn:xinyi:event:consent-revoked": {"state": "revoked"}},
}


def notice(*, typ: str = "secevent+jwt", key: ECKey = KEY, **changes: Any) -> bytes:
    token = jwt.encode({"alg": "ES256", "kid": KEY.kid, "typ": typ}, {**CLAIMS, **changes}, key)
    data = {"consent_id": "c-1", "state": "revoked", "set": token}
    return json.dumps({"type": "consent.revoked", "data": data}).encode()


def headers_of(
    body: bytes, *, secret: bytes = SECRET, number: str = "consent-event-7", age: float = 0
) -> dict[str, str]:
    at = str(int(time.time() - age))
    signature = hmac.digest(secret, f"{number}.{at}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": number,
        "webhook-timestamp": at,
        "webhook-signature": "v1,bm90IHRoaXMgb25l v1," + base64.b64encode(signature).decode(),
    }


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(
        issuer=HUB,
        audience=BANK,
        keys=lambda: KeySet([ECKey.import_key(KEY.as_dict(private=False))]),
        secrets=["whsec_" + base64.b64encode(SECRET).decode()],
    )


def test_a_genuine_notice_is_taken(receiver: Receiver) -> None:
    body = notice()
    assert receiver.take(body, headers_of(body))["claims"]["jti"] == "consent-event-7"


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (notice(), {"secret": b"of somebody else"}),
        (notice(), {"age": 301}),
        (notice(), {"age": -301}),
        (notice(), {"number": "consent-event-8"}),
        (notice(key=ECKey.generate_key("P-256", {"kid": "artefacts-1"}, private=True)), {}),
        (notice(aud="another-bank"), {}),
        (notice(iss="https://another.example"), {}),
        (notice(typ="at+jwt"), {}),
        (notice(exp=int(time.time()) + 300), {}),
    ],
)
def test_a_forged_one_is_not(receiver: Receiver, body: bytes, changes: dict[str, Any]) -> None:
    with pytest.raises(NotGenuineError):
        receiver.take(body, headers_of(body, **changes))


def test_one_that_was_changed_on_the_way_is_not(receiver: Receiver) -> None:
    body = notice()
    with pytest.raises(NotGenuineError):
        receiver.take(body.replace(b'"revoked"', b'"active"', 1), headers_of(body))


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_one_without_its_headers_is_not(receiver: Receiver, missing: str) -> None:
    body = notice()
    headers = headers_of(body)
    del headers[missing]
    with pytest.raises(NotGenuineError):
        receiver.take(body, headers)


async def test_a_repetition_changes_nothing(receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "secret.txt"
    file.write_text(receiver.secrets[0] + "\n")
    receiver.secrets, receiver.secret_file = [], file
    site, noted = FastAPI(), []
    add_receiver(site, receiver, noted.append)
    body = notice()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://bank") as http:
        answers = [await http.post("/notices", content=body, headers=headers_of(body)) for _ in range(2)]
        forged = await http.post("/notices", content=body, headers=headers_of(body, secret=b"x"))
        listed = (await http.get("/notices")).json()
    assert [answer.status_code for answer in answers] == [204, 204]
    assert forged.status_code == 400
    assert len(noted) == len(listed) == 1
