"""What a bank sends when it asks over the back channel (CIBA)."""

import json
import time
import uuid
from typing import Any

import httpx
import jwt

from gateway.oauth.backchannel import GRANT_TYPE
from tests.conftest import ENTERPRISE
from tests.support.bank import Bank

DETAIL = {
    "type": "xinyi_consent",
    "uscc": ENTERPRISE,
    "purpose": "credit_review",
    "datasets": ["registration", "tax"],
    "term_days": 90,
    "uses_max": 20,
    "message": "流动资金贷款审查",
}


async def begin(bank: Bank, *, detail: dict[str, Any] | None = None, **changes: str) -> httpx.Response:
    form = {
        "login_hint": ENTERPRISE,
        "authorization_details": json.dumps([{**DETAIL, **(detail or {})}]),
        "binding_message": "A7K2",
    }
    form = {name: value for name, value in {**form, **changes}.items() if value}
    return await bank.send_form("/oauth/bc-authorize", dpop=False, **form)


def signed_request(bank: Bank, **changes: Any) -> str:
    """The request of `begin` as a JWT (CIBA §7.1.1); None leaves a claim out."""
    at = int(time.time())
    claims = {
        "login_hint": ENTERPRISE,
        "authorization_details": [DETAIL],
        "binding_message": "A7K2",
        "iss": bank.client_id,
        "aud": bank.base,
        "iat": at,
        "nbf": at,
        "exp": at + 60,
        "jti": uuid.uuid4().hex,
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, bank.key, algorithm="ES256", headers={"kid": "1"})


async def begin_signed(bank: Bank, request: str, **beside: str) -> httpx.Response:
    return await bank.send_form("/oauth/bc-authorize", dpop=False, request=request, **beside)


async def poll(bank: Bank, auth_req_id: str) -> httpx.Response:
    return await bank.send_form("/oauth/token", grant_type=GRANT_TYPE, auth_req_id=auth_req_id)


def error_of(answer: httpx.Response) -> str:
    assert answer.status_code in (400, 401), answer.text
    return str(answer.json()["error"])
