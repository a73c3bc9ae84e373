"""The commit of the spine: one statement for a batch of questions (design.md §4, step 6; promises 1–4).

For every question, in one transaction, it

* locks the named consent and judges it as it stands now, not as it stood when the question arrived,
* spends one of its uses (where a batch asks for more than are left, those behind are decided in a second round),
* claims the participant's idempotency key, so that a retry is not a second question,
* appends the disclosure, or the refusal without data,
* moves the meter.

When `remember` returns, all of that is committed and durable; if it raises, none of it happened, or it
happened and the caller's retry with the same key will find it. The contract with ``consent/`` is the view
``live_consents``: its ``standing`` is read and its ``uses_spent`` and ``spent_…`` are moved, nothing else of a
consent is touched.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from core.errors import Unavailable

Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)
Outcome = Literal["disclosed", "nothing_found", "refused", "already_answered", "crowded", "out_of_range"]


class Entry(NamedTuple):
    """What is to be remembered of one question. The order of the fields is the order of the SQL parameters."""

    decision_id: UUID
    at: datetime
    participant_id: str
    uscc: str
    dataset: str
    purpose: str
    mode: str
    consent_id: UUID
    idempotency_key: str
    question_digest: bytes
    forbidden: str | None
    """a refusal that is already certain (no rule lets anything out), whatever the consent says"""
    view_id: str
    record_ids: str
    """the record versions in the answer as a PostgreSQL array literal, ``{}`` when nothing was found"""
    price_fen: int
    salt: bytes
    answer_digest: bytes
    request_id: str
    oldest: date | None = None
    """the oldest day for which the records in the answer speak; None when nothing was found, or it is not known"""


class Remembered(NamedTuple):
    outcome: Outcome
    reason: str | None
    """why it was refused: ``forbidden`` of the entry, or ``consent_…``"""
    data_from: date | None = None
    """with ``out_of_range``: records that speak for a day before this must not be in the answer"""


REMEMBER = """
WITH asked AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[],
        $9::text[], $10::bytea[], $11::text[], $12::text[], $13::text[], $14::int[], $15::bytea[], $16::bytea[],
        $17::text[], $18::date[], $19::int[]
    ) WITH ORDINALITY AS q(
        decision_id, at, participant_id, uscc, dataset, purpose, mode, consent_id, idempotency_key,
        question_digest, forbidden, view_id, record_ids, price_fen, salt, answer_digest, request_id, oldest,
        ahead, position
    )
),
-- The lock makes a revocation and this commit wait for each other; in order of id, so that batches cannot deadlock.
consent AS MATERIALIZED (
    SELECT consent_id, participant_id, uscc, purpose, datasets, standing, valid_until, data_from,
        -- Limits that are not set are null, and least() passes over them.
        least(uses_max - uses_spent, uses_max_day - spent_today, uses_max_month - spent_this_month) AS uses_left
    FROM live_consents WHERE consent_id = ANY ($8) ORDER BY consent_id FOR UPDATE
),
judged AS (
    SELECT a.*, c.data_from,
        CASE
            WHEN k.decision_id IS NOT NULL THEN 'already_answered'
            WHEN a.forbidden IS NOT NULL THEN a.forbidden
            WHEN c.consent_id IS NULL THEN 'consent_unknown'
            WHEN c.participant_id <> a.participant_id THEN 'consent_of_another_participant'
            WHEN c.uscc <> a.uscc THEN 'consent_of_another_enterprise'
            WHEN c.purpose <> a.purpose THEN 'consent_for_another_purpose'
            WHEN a.dataset <> ALL (c.datasets) THEN 'consent_without_dataset'
            -- A retry that waited for its first try to commit does not see that one's key in this statement's
            -- snapshot. It matters only where the last use is spent; there it looks with a snapshot of its own.
            WHEN starts_with(c.standing, 'used_up') AND answered_by_now(a.participant_id, a.idempotency_key)
                THEN 'already_answered'
            WHEN c.standing <> 'active' THEN 'consent_' || c.standing
            -- The standing is that of when this transaction began; the lock may have been waited for.
            WHEN c.valid_until <= clock_timestamp() THEN 'consent_expired'
            -- Not recorded: the caller leaves out what is too old and comes again.
            WHEN c.data_from IS NOT NULL AND a.record_ids <> '{}' AND (a.oldest >= c.data_from) IS NOT TRUE
                THEN 'out_of_range'
            WHEN a.ahead >= c.uses_left THEN 'crowded'
        END AS refusal
    FROM asked a
    LEFT JOIN consent c ON c.consent_id = a.consent_id
    -- A lateral look-up and no join: a plan made while the table was small must not scan it when it is large.
    LEFT JOIN LATERAL (
        SELECT decision_id FROM answered_questions
        WHERE participant_id = a.participant_id AND idempotency_key = a.idempotency_key LIMIT 1
    ) k ON true
),
claimed AS (
    INSERT INTO answered_questions (participant_id, idempotency_key, question_digest, decision_id, at)
    SELECT participant_id, idempotency_key, question_digest, decision_id, at
    FROM judged WHERE refusal IS NULL ORDER BY participant_id, idempotency_key
    ON CONFLICT DO NOTHING
    RETURNING decision_id
),
settled AS MATERIALIZED (
    SELECT j.*,
        CASE
            WHEN refusal IN ('already_answered', 'crowded', 'out_of_range') THEN refusal
            WHEN refusal IS NOT NULL THEN 'refused'
            WHEN k.decision_id IS NULL THEN 'already_answered'
            WHEN record_ids = '{}' THEN 'nothing_found'
            ELSE 'disclosed'
        END AS outcome
    FROM judged j LEFT JOIN claimed k ON k.decision_id = j.decision_id
),
spent AS (
    UPDATE live_consents l SET (uses_spent, spent_on, spent_that_day, spent_that_month) = (
        SELECT l.uses_spent + count(*)::int, l.spending_day, l.spent_today + count(*)::int,
            l.spent_this_month + count(*)::int
        FROM settled s WHERE s.consent_id = l.consent_id AND outcome IN ('disclosed', 'nothing_found')
    )
    WHERE consent_id = ANY (ARRAY(
        SELECT consent_id FROM settled WHERE outcome IN ('disclosed', 'nothing_found')
    ))
),
appended AS (
    INSERT INTO disclosures (
        decision_id, at, participant_id, uscc, dataset, purpose, mode, consent_id, outcome, reason, view_id,
        record_ids, price_fen, salt, answer_digest, request_id
    )
    SELECT decision_id, at, participant_id, uscc, dataset, purpose, mode, consent_id, outcome, refusal, view_id,
        CASE outcome WHEN 'disclosed' THEN record_ids::bigint[] ELSE '{}' END,
        CASE outcome WHEN 'disclosed' THEN price_fen ELSE 0 END,
        CASE outcome WHEN 'refused' THEN '' ELSE salt END,
        CASE outcome WHEN 'refused' THEN '' ELSE answer_digest END,
        request_id
    FROM settled WHERE outcome NOT IN ('already_answered', 'crowded', 'out_of_range')
),
metered AS (
    INSERT INTO usage AS u (participant_id, dataset, day, shard, disclosed, nothing_found, refused, price_fen)
    SELECT participant_id, dataset, (at AT TIME ZONE 'Asia/Shanghai')::date AS day, pg_backend_pid() % 16,
        count(*) FILTER (WHERE outcome = 'disclosed'),
        count(*) FILTER (WHERE outcome = 'nothing_found'),
        count(*) FILTER (WHERE outcome = 'refused'),
        coalesce(sum(price_fen) FILTER (WHERE outcome = 'disclosed'), 0)
    FROM settled WHERE outcome NOT IN ('already_answered', 'crowded', 'out_of_range')
    GROUP BY participant_id, dataset, day ORDER BY participant_id, dataset, day
    ON CONFLICT (participant_id, dataset, day, shard) DO UPDATE SET
        disclosed = u.disclosed + excluded.disclosed,
        nothing_found = u.nothing_found + excluded.nothing_found,
        refused = u.refused + excluded.refused,
        price_fen = u.price_fen + excluded.price_fen
)
SELECT outcome, refusal, data_from FROM settled ORDER BY position
"""


async def remember(connection: Connection, entries: Sequence[Entry]) -> list[Remembered | Unavailable]:
    """Commit a batch; returns one outcome per entry, in order.

    ``out_of_range``: records older than the consent allows are in the answer; nothing was recorded, come again
    without them. ``already_answered`` means that the participant used this idempotency key before: nothing was recorded or
    charged now, `recall` has the earlier disclosure. The connection must not be inside a transaction: the
    statement is its own, and its return is the proof that it is durable.
    """
    assert not connection.is_in_transaction(), "the answer may leave only after the commit"
    parameters = [list(values) for values in zip(*entries, strict=True)]
    rows = await connection.fetch(REMEMBER, *parameters, count_ahead(entries))
    outcomes: list[Remembered | Unavailable] = [_remembered(*row) for row in rows]
    crowded = [number for number, row in enumerate(rows) if row[0] == "crowded"]
    if crowded:
        # Those ahead of them are settled now, so each round decides at least the first of every consent.
        again = await _remember_later(connection, [entries[number] for number in crowded])
        for number, outcome in zip(crowded, again, strict=True):
            outcomes[number] = outcome
    return outcomes


def _remembered(outcome: Outcome, refusal: str | None, data_from: date | None) -> Remembered:
    if outcome == "out_of_range":
        return Remembered(outcome, "consent_data_range", data_from)
    return Remembered(outcome, refusal)


async def _remember_later(
    connection: Connection, entries: Sequence[Entry]
) -> Sequence[Remembered | Unavailable]:
    """What the rounds before have settled stands, and must not be done again because these met a lock."""
    try:
        return await remember(connection, entries)
    except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError) as error:
        return [Unavailable("database_away", type(error).__name__)] * len(entries)


def count_ahead(entries: Sequence[Entry]) -> list[int]:
    """How many entries of the batch stand before each one for the same consent: at most so many uses go to them."""
    seen: Counter[UUID] = Counter()
    ahead = []
    for entry in entries:
        ahead.append(seen[entry.consent_id])
        seen[entry.consent_id] += 1
    return ahead
