"""A look at consents before anything is done on their strength outside the hub: it permits nothing.

An owner must not be asked about an enterprise by somebody who has no consent of it. Whether data leaves is decided
later, by `remember`, with the consent locked; the words are the same.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from ledger.remember import Connection


class ConsentLook(NamedTuple):
    """What is going to be asked. The order of the fields is the order of the SQL parameters."""

    consent_id: UUID
    participant_id: str
    uscc: str
    purpose: str
    dataset: str


LOOK = """
    SELECT CASE
        WHEN c.consent_id IS NULL THEN 'consent_unknown'
        WHEN c.participant_id <> a.participant_id THEN 'consent_of_another_participant'
        WHEN c.uscc <> a.uscc THEN 'consent_of_another_enterprise'
        WHEN c.purpose <> a.purpose THEN 'consent_for_another_purpose'
        WHEN a.dataset <> ALL (c.datasets) THEN 'consent_without_dataset'
        WHEN c.standing <> 'active' THEN 'consent_' || c.standing
    END
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
        WITH ORDINALITY AS a (consent_id, participant_id, uscc, purpose, dataset, position)
    LEFT JOIN LATERAL (
        SELECT consent_id, participant_id, uscc, purpose, datasets, standing
        FROM live_consents WHERE consent_id = a.consent_id LIMIT 1
    ) AS c ON true
    ORDER BY a.position
"""


async def look_at_consents(connection: Connection, looks: Sequence[ConsentLook]) -> list[str | None]:
    """For each, why `remember` would refuse it at this instant, or None; one statement for all."""
    rows = await connection.fetch(LOOK, *(list(column) for column in zip(*looks, strict=True)))
    return [row[0] for row in rows]
