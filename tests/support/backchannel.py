"""What a bank sends when it asks over the back channel (CIBA)."""

import json
from typing import Any

import httpx

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


async def poll(bank: Bank, auth_req_id: str) -> httpx.Response:
    return await bank.send_form("/oauth/token", grant_type=GRANT_TYPE, auth_req_id=auth_req_id)


def error_of(answer: httpx.Response) -> str:
    assert answer.status_code in (400, 401), answer.text
    return str(answer.json()["error"])
