"""Whether there is anything about an enterprise, and of which month: never what, and never how much."""

from collections.abc import Iterable, Mapping
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.identifiers import USCC
from datasets.contract import Contract

# One walk per data set to the record that is given first, as the shelf reads it.
_NEWEST = text("""
    SELECT wanted.dataset, newest.as_of
    FROM unnest(CAST(:datasets AS text[])) AS wanted (dataset)
    JOIN LATERAL (
        SELECT as_of FROM records
        WHERE records.dataset = wanted.dataset AND records.uscc = :uscc AND records.superseded_at IS NULL
            AND records.mark IS DISTINCT FROM 'withheld'
        ORDER BY records.part DESC
        LIMIT 1
    ) AS newest ON true
""")


async def existing(tx: AsyncConnection, uscc: USCC, contracts: Iterable[Contract]) -> Mapping[str, date]:
    """Of these data sets, those with something about the enterprise, and the newest day for which it speaks.

    Those whose existence is news are not looked at: not even the time it takes tells anything.
    """
    looked_at = sorted(contract.id for contract in contracts if not contract.existence_is_news)
    rows = await tx.execute(_NEWEST, {"datasets": looked_at, "uscc": uscc})
    return {row.dataset: row.as_of for row in rows}
