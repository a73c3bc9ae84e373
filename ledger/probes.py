"""The allowance of verifications: how much of a field may be asked before the month is over.

`datasets.verification` bounds what a single answer tells; here it is counted how many were asked for. A claim is
judged and appended in one statement, behind a lock of its enterprise and data set, so that no two of them spend the
same share. It takes all of a question or nothing. ``probes`` is append-only: what was stated is not in it, only
about which field and record, how, and when.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from core.clock import china_day
from datasets import Probe
from ledger.remember import Connection

GUESSES_OWN_MAX = 3
GUESSES_ALL_MAX = 12
"""How often one figure may be named to the last digit within `GUESSES_COUNTED_DAYS`, by one bank and by all."""
GUESSES_COUNTED_DAYS = 365

RETRY_HOURS = 24
"""For so long a question repeated with its idempotency key spends nothing. Less than `IDEMPOTENCY_KEYS_KEPT`: a
key that is forgotten, and may be answered anew, must not find its claim still paid."""


class ProbeClaim(NamedTuple):
    """The statements of one question. ``question_digest`` is that of the `Entry` to come, and covers them."""

    participant_id: str
    uscc: str
    dataset: str
    purpose: str
    consent_id: UUID
    idempotency_key: str
    question_digest: bytes
    at: datetime
    probes: tuple[Probe, ...]


# The words about the consent are those of REMEMBER, which judges it again; without a consent nothing is spent.
# In order of the lock: a batch takes many, and two batches must not take them crosswise.
CLAIM_PROBES = """
    SELECT position,
        CASE
            WHEN already_answered THEN NULL
            WHEN holder IS NULL THEN 'consent_unknown'
            WHEN holder <> participant_id THEN 'consent_of_another_participant'
            WHEN grantor <> uscc THEN 'consent_of_another_enterprise'
            WHEN agreed_purpose <> purpose THEN 'consent_for_another_purpose'
            WHEN dataset <> ALL (agreed_datasets) THEN 'consent_without_dataset'
            WHEN standing <> 'active' THEN 'consent_' || standing
            ELSE spend_probes(lock, participant_id, uscc, dataset, idempotency_key, question_digest, at, month,
                probes::jsonb, $11, $12, $13, $14)
        END AS refusal
    FROM (
        SELECT a.*, c.participant_id AS holder, c.uscc AS grantor, c.purpose AS agreed_purpose,
            c.datasets AS agreed_datasets, c.standing,
            k.at > a.at - make_interval(hours => $11) AS already_answered,
            hashtextextended(a.uscc || ' ' || a.dataset, 0) AS lock
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::bytea[],
            $8::timestamptz[], $9::text[], $10::date[]) WITH ORDINALITY AS a(
            participant_id, uscc, dataset, purpose, consent_id, idempotency_key, question_digest, at, probes, month,
            position)
        LEFT JOIN LATERAL (SELECT * FROM live_consents WHERE consent_id = a.consent_id LIMIT 1) c ON true
        LEFT JOIN LATERAL (
            SELECT at FROM answered_questions
            WHERE participant_id = a.participant_id AND idempotency_key = a.idempotency_key LIMIT 1
        ) k ON true
        ORDER BY lock, position
        OFFSET 0
    ) claim
"""


async def claim_probes(connection: Connection, claims: Sequence[ProbeClaim]) -> list[str | None]:
    """Per claim, in order: None, and its statements may be answered; or why not, and nothing of it was spent.

    The reasons are ``verification_budget_spent`` and those of a consent. A question that was answered already, or
    claimed before with the same key, is granted and spends nothing. The connection must not be inside a
    transaction: a claim is committed before its answer is written.
    """
    assert not connection.is_in_transaction(), "the answer may be written only after the claim is committed"
    assert all(claim.probes for claim in claims)
    *columns, probes = zip(*claims, strict=True)
    rows = await connection.fetch(
        CLAIM_PROBES,
        *map(list, columns),
        [_as_json(one) for one in probes],
        [month_of(claim.at) for claim in claims],
        RETRY_HOURS,
        GUESSES_COUNTED_DAYS,
        GUESSES_OWN_MAX,
        GUESSES_ALL_MAX,
    )
    refusals: dict[int, str | None] = {row[0]: row[1] for row in rows}
    return [refusals[position] for position in range(1, len(claims) + 1)]


def month_of(at: datetime) -> date:
    """The month, in China's time, whose allowance a question takes from: its first day."""
    return china_day(at).replace(day=1)


def _as_json(probes: tuple[Probe, ...]) -> str:
    return orjson.dumps([probe._asdict() for probe in probes]).decode()
