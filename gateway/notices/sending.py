"""What is sent to a bank's webhook: a body in the manner of Standard Webhooks, with the signed event in it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from joserfc.jwk import ECKey

from adapters import standard_headers
from consent import Told, Webhook, event_content, event_number, event_type, security_event, sign_event
from core.master_secret import MasterSecret

VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
"""OpenID Shared Signals Framework 1.0 §8.1.4.1: a trial, of no consent"""


def secret_of(master: MasterSecret, participant_id: str, number: int) -> bytes:
    """The secret of that number that this participant shares with us."""
    return master.derive("webhook", participant_id, str(number))


def signed_headers(
    number: str, body: bytes, webhook: Webhook, master: MasterSecret, at: datetime
) -> dict[str, str]:
    secrets = [secret_of(master, webhook.participant_id, one) for one in webhook.secret_numbers(at)]
    return standard_headers(number, body, secrets, at=at.timestamp())


def body_of(told: Told, *, issuer: str, key: ECKey) -> bytes:
    return _body(
        event_type(told),
        told.at,
        {
            "event_id": told.event_id,
            **event_content(told),
            "set": security_event(told, issuer=issuer, key=key),
        },
    )


def number_of(told: Told) -> str:
    return event_number(told.event_id)


def trial_of(webhook: Webhook, trial: str, *, issuer: str, key: ECKey, at: datetime) -> bytes:
    """A message about nothing, by which a bank can see that it reads our signatures right."""
    token = sign_event(
        {VERIFICATION: {"state": trial}},
        number=f"trial-{trial}",
        about=webhook.participant_id,
        audience=webhook.participant_id,
        at=at,
        issuer=issuer,
        key=key,
    )
    return _body("webhook.trial", at, {"state": trial, "set": token})


def _body(name: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"type": name, "timestamp": at.isoformat(), "data": dict(data)})
