"""How far requests got on their way to an answer, for whoever makes that way shorter. No person, no enterprise.

A step is noted when it happens for the first time; that it was answered, and how, the consents and their events say.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, get_args
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Step = Literal["shown", "opened", "logged_in", "read", "less", "challenged", "confirmed"]
"""``shown``: as a QR code at a counter. ``opened``: its link, logged in or not. ``less``: looked at granting a part.
``challenged``, ``confirmed``: asked for a second factor, and gave it."""
STEPS: tuple[Step, ...] = get_args(Step)

Way = Literal["request", "redirect", "ciba", "qr"]
"""How the enterprise was asked: by a request alone, by the bank's page, on its own device, at a counter."""
WAYS: tuple[Way, ...] = get_args(Way)

Stage = Literal["asked", "opened", "logged_in", "read", "decided"]
"""How far a request got; who reached one has passed those before it, noted or not. ``decided``: by one person at least."""
STAGES: tuple[Stage, ...] = get_args(Stage)

End = Literal["approved", "rejected", "lapsed", "withdrawn", "waiting"]
"""``lapsed``: nobody answered in time, or not all who had to. ``withdrawn``: by the bank."""
ENDS: tuple[End, ...] = get_args(End)


class Reached(NamedTuple):
    consent_id: UUID
    step: Step
    at: datetime


class RequestsAlike(NamedTuple):
    """How many requests were made in one way, got as far and ended alike. The last three say which went that way too."""

    participant_id: str
    way: Way
    stage: Stage
    end: End
    less: bool
    challenged: bool
    confirmed: bool
    requests: int


# Not what is opened after the request has lapsed. What was answered stays answered, so it does not matter here.
NOTE = """
INSERT INTO consent_steps (consent_id, step, at)
SELECT r.consent_id, r.step, min(r.at)
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS r (consent_id, step, at)
JOIN consents c ON c.consent_id = r.consent_id AND c.state <> 'expired' AND r.at < c.answer_by
GROUP BY r.consent_id, r.step
ON CONFLICT DO NOTHING
"""


async def note_steps(
    connection: asyncpg.pool.PoolConnectionProxy, reached: Sequence[Reached]
) -> Sequence[None]:
    """Keep what is new of it; a consent that does not exist reaches nothing."""
    await connection.execute(NOTE, *(list(column) for column in zip(*reached, strict=True)))
    return [None] * len(reached)


ALIKE = text("""
WITH asked AS (
    SELECT consent_id, participant_id, request_key, state, valid_from, answer_by
    FROM consents WHERE requested_at >= :since AND requested_at < :until
),
came_by AS (
    SELECT consent_id, array_agg(step) AS steps FROM asked JOIN consent_steps USING (consent_id) GROUP BY consent_id
),
went AS (
    SELECT consent_id, array_agg(verb) AS verbs
    FROM asked JOIN consent_events USING (consent_id)
    WHERE verb IN ('approve_in_part', 'withdraw', 'hand_in')
    GROUP BY consent_id
)
SELECT a.participant_id,
    CASE
        WHEN 'shown' = ANY (steps) THEN 'qr'
        WHEN starts_with(request_key, 'authorization:') THEN 'redirect'
        WHEN b.consent_id IS NOT NULL THEN 'ciba'
        ELSE 'request'
    END AS way,
    CASE
        WHEN valid_from IS NOT NULL OR state = 'rejected' OR 'approve_in_part' = ANY (verbs) THEN 'decided'
        WHEN steps && '{read,less,challenged,confirmed}' THEN 'read'
        WHEN 'logged_in' = ANY (steps) THEN 'logged_in'
        WHEN 'opened' = ANY (steps) THEN 'opened'
        ELSE 'asked'
    END AS stage,
    CASE
        WHEN valid_from IS NOT NULL THEN 'approved'
        WHEN state = 'rejected' THEN 'rejected'
        WHEN 'withdraw' = ANY (verbs) THEN 'withdrawn'
        WHEN state = 'expired' OR answer_by <= :at THEN 'lapsed'
        ELSE 'waiting'
    END AS outcome,
    coalesce('less' = ANY (steps), false) AS less,
    coalesce('challenged' = ANY (steps), false) AS challenged,
    coalesce('confirmed' = ANY (steps), false) AS confirmed,
    count(*) AS requests
FROM asked a
LEFT JOIN came_by USING (consent_id)
LEFT JOIN went USING (consent_id)
LEFT JOIN backchannel_requests b USING (consent_id)
WHERE ('hand_in' = ANY (verbs)) IS NOT TRUE  -- signed on paper: nobody has to come to the portal
GROUP BY 1, 2, 3, 4, 5, 6, 7
""")


async def requests_alike(
    tx: AsyncConnection, since: datetime, until: datetime, *, at: datetime
) -> Sequence[RequestsAlike]:
    """The requests made from ``since`` until before ``until``, counted by kind, as they stand at ``at``.

    Without those for which a signed form was handed in: they go another way.
    """
    rows = await tx.execute(ALIKE, {"since": since, "until": until, "at": at})
    return [RequestsAlike._make(row) for row in rows]
