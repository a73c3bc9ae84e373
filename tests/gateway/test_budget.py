"""What a batch may cost: two SQL statements and one Redis round trip, however many questions travel in it."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from asyncpg.connection import LoggedQuery
from redis.asyncio.connection import AbstractConnection
from sqlalchemy import event

from datasets.shelf import READ_RECORDS, REREAD_RECORDS
from gateway.hub import Hub
from gateway.oauth.bearer import Credentials
from gateway.queries.answer import Asked, answer
from ledger.recall import RECALL
from ledger.remember import REMEMBER
from tests.conftest import ENTERPRISE, Consents
from tests.support.bank import Bank

pytestmark = pytest.mark.usefixtures("stocked")

TOGETHER = 64
CERTIFICATE = "thumbprint-of-the-banks-certificate"
PATH = "/v1/datasets/tax/queries"


@dataclass
class RoundTrips:
    """Everything that left for PostgreSQL and for Redis while it was watched."""

    statements: list[str] = field(default_factory=list)
    to_redis: int = 0

    def forget(self) -> None:
        self.statements.clear()
        self.to_redis = 0

    @property
    def reads(self) -> int:
        return sum("FROM records" in statement for statement in self.statements)

    @property
    def commits(self) -> int:
        return sum("INSERT INTO disclosures" in statement for statement in self.statements)


@pytest.fixture
async def round_trips(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RoundTrips]:
    """Watches both connection pools and every connection to Redis."""
    seen = RoundTrips()

    def by_asyncpg(query: LoggedQuery) -> None:
        note(query.query)

    def by_sqlalchemy(_: Any, __: Any, statement: str, *___: Any) -> None:
        note(statement)

    def note(statement: str) -> None:
        # Every two seconds, whoever asks or not: the hub looks for other rules and first deliveries.
        if "FROM rule_sets" not in statement and "min(finished_at) FROM intakes" not in statement:
            seen.statements.append(statement)

    send = AbstractConnection.send_packed_command

    async def counted(self: AbstractConnection, *arguments: Any, **options: Any) -> None:
        seen.to_redis += 1
        await send(self, *arguments, **options)

    # A connection is made when it is first needed, and asks once about the types of a statement: all have done so.
    held = [await hub.database.hot.acquire() for _ in range(hub.database.hot.get_max_size())]
    for connection in held:
        for statement in (READ_RECORDS, REREAD_RECORDS, REMEMBER, RECALL):
            await connection.prepare(statement)
        connection.add_query_logger(by_asyncpg)
        await hub.database.hot.release(connection)
    event.listen(hub.database.engine.sync_engine, "before_cursor_execute", by_sqlalchemy)
    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    yield seen
    event.remove(hub.database.engine.sync_engine, "before_cursor_execute", by_sqlalchemy)


Credential = Callable[[], Credentials]


@pytest.fixture
def by_certificate(hub: Hub) -> Credential:
    token = hub.tokens.issue(
        client_id="test-bank",
        participant_id="test-bank",
        participant_class="bank",
        confirmation={"x5t#S256": CERTIFICATE},
    )
    return lambda: Credentials(f"Bearer {token}", None, CERTIFICATE)


@pytest.fixture
async def by_proof(bank: Bank) -> Credential:
    token = await bank.token()
    return lambda: Credentials(f"DPoP {token}", bank.proof("POST", bank.base + PATH, token=token), None)


def asked(credential: Credential, consent_id: UUID, key: str | None = None) -> Asked:
    body = {"consent_id": str(consent_id), "uscc": ENTERPRISE, "purpose": "credit_review"}
    name = uuid.uuid4().hex
    return Asked(credential(), PATH, "tax", key or name, json.dumps(body).encode(), name)


async def all_answered(hub: Hub, questions: list[Asked]) -> list[bytes]:
    return await asyncio.gather(*(answer(question, hub.spine) for question in questions))


@pytest.fixture
async def consent(bank: Bank, consents: Consents) -> UUID:
    return await consents.active(uses_max=1_000)


@pytest.mark.parametrize("proven_by", ["certificate", "proof"])
async def test_questions_that_arrive_together_cost_two_statements_and_one_redis_round_trip(
    hub: Hub,
    consent: UUID,
    round_trips: RoundTrips,
    by_certificate: Credential,
    by_proof: Credential,
    proven_by: str,
) -> None:
    credential = {"certificate": by_certificate, "proof": by_proof}[proven_by]
    await all_answered(hub, [asked(credential, consent)])  # the first one teaches Redis the script
    round_trips.forget()
    answers = await all_answered(hub, [asked(credential, consent) for _ in range(TOGETHER)])
    assert len({json.loads(body)["disclosure_id"] for body in answers}) == TOGETHER
    assert (round_trips.reads, round_trips.commits, len(round_trips.statements)) == (1, 1, 2)
    assert round_trips.to_redis == 1


async def test_a_question_alone_costs_no_more_than_a_batch(
    hub: Hub, consent: UUID, round_trips: RoundTrips, by_certificate: Credential
) -> None:
    for _ in range(3):
        round_trips.forget()
        await all_answered(hub, [asked(by_certificate, consent)])
    assert (round_trips.reads, round_trips.commits, len(round_trips.statements)) == (1, 1, 2)
    assert round_trips.to_redis == 1


async def test_over_http_nothing_is_spent_per_call_outside_of_the_batches(
    hub: Hub, bank: Bank, consent: UUID, round_trips: RoundTrips
) -> None:
    await bank.query("tax", consent, ENTERPRISE)
    round_trips.forget()
    answers = await asyncio.gather(*(bank.query("tax", consent, ENTERPRISE) for _ in range(TOGETHER)))
    assert {one.status_code for one in answers} == {200}
    assert len(round_trips.statements) == round_trips.reads + round_trips.commits
    assert max(round_trips.reads, round_trips.commits) < TOGETHER, "nobody travelled together"


async def test_retries_that_arrive_together_share_their_statements_as_well(
    hub: Hub, consent: UUID, round_trips: RoundTrips, by_certificate: Credential
) -> None:
    keys = [f"question-{number}" for number in range(TOGETHER)]
    first = await all_answered(hub, [asked(by_certificate, consent, key) for key in keys])
    round_trips.forget()
    again = await all_answered(hub, [asked(by_certificate, consent, key) for key in keys])
    assert again == first
    # Read, commit (which finds the keys taken), recall, and read the very versions of then.
    assert len(round_trips.statements) == 4
