"""A bank: renews its token, asks for consents, polls them, asks questions, retries them, reads its usage."""

import json
import os
import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey
from locust.env import Environment

from loadtests.market import CLIENT_ID, Consent, Market
from loadtests.measured import MeasuredTransport, expect
from sandbox.hub_client import Answer, HubClient

WHO = "bank"
DATASETS = ("registration", "tax")
USES_MAX = 1_000
RETRIED = 0.3
"""share of questions that are sent again with the same key"""
REVOKED = "/problems/consent-revoked"
USED_UP = "/problems/consent-used-up"


class BankDesk:
    """One loan officer's connection with the hub. Every answer is checked; `UnexpectedError` says what is wrong."""

    def __init__(self, environment: Environment, market: Market) -> None:
        key = ECKey.import_key(json.loads(Path(os.environ["LOAD_BANK_KEY"]).read_text()))
        transport = MeasuredTransport(environment, WHO)
        self._hub = HubClient(str(environment.host), CLIENT_ID, key, transport=transport)
        self._market = market

    def renew_token(self) -> None:
        token = self._hub.access_token(fresh=True)
        expect(token.kind == "DPoP" and 0 < token.expires_in <= 300, "a token of another kind")

    def file_request(self, uscc: str) -> Consent:
        filed = _content(
            self._hub.request_consent(uscc=uscc, datasets=list(DATASETS), uses_max=USES_MAX), 201
        )
        consent = Consent(filed["consent_id"], uscc, filed["approval_url"])
        self._market.consents.append(consent)
        return consent

    def poll(self, consent: Consent) -> None:
        before = consent.state
        seen = _content(self._hub.consent(consent.consent_id), 200)["state"]
        if before == "revoked" or (before == "active" and not consent.revoking):
            expect(seen == before, f"a consent that is {before} is shown as {seen}")

    def ask(self, consent: Consent) -> None:
        """A question, now and then asked again: that must not matter."""
        dataset = random.choice(DATASETS)
        question = partial(
            self._hub.ask,
            dataset,
            uscc=consent.uscc,
            consent_id=consent.consent_id,
            idempotency_key=str(uuid.uuid4()),
        )
        first = self._answer(question, consent, dataset)
        if first is not None and random.random() < RETRIED:
            again = self._answer(question, consent, dataset)
            expect(again in (None, first), "a retry was answered with other bytes")

    def read_usage(self) -> None:
        today = datetime.now(UTC).date()
        usage = self._hub.usage(str(today - timedelta(days=1)), str(today + timedelta(days=1)))
        total, lines = _content(usage, 200)["total"], usage.json()["lines"]
        expect(total["disclosed"] == sum(line["disclosed"] for line in lines), "a total that is no sum")

    def _answer(self, question: Callable[[], Answer], consent: Consent, dataset: str) -> bytes | None:
        """The answer if there is data in it, None if it was refused as it should be."""
        was_revoked = consent.state == "revoked"
        answer = question()
        content = answer.json()
        if answer.ok:
            expect(not was_revoked, "data after the revocation")
            self._check(content, consent, dataset)
            return answer.body
        expect("records" not in content, "data in a refusal")
        expected = {REVOKED} if consent.revoking else {USED_UP}
        expect(answer.status == 403 and content["type"] in expected, f"refused: {content['type']}")
        if was_revoked:
            self._market.refused_after_revocation += 1
        elif not consent.revoking:
            consent.state = "used_up"
        return None

    def _check(self, content: dict[str, Any], consent: Consent, dataset: str) -> None:
        expect(content["dataset"] == dataset and content["found"], "the answer is about something else")
        fields = set(content["views"])
        expect(all(set(record) == fields for record in content["records"]), "fields that no view names")
        if dataset == "registration":
            names = [record["name"] for record in content["records"]]
            expect(names == [self._market.name_of(consent.uscc)], "data of another enterprise")


def _content(answer: Answer, status: int) -> dict[str, Any]:
    expect(answer.status == status, f"status {answer.status}, not {status}")
    return answer.json()
