"""Whether there is anything about an enterprise, and of which month: never what, and never how much."""

from collections.abc import Collection, Mapping
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.identifiers import USCC

EXISTENCE_IS_NO_NEWS = frozenset(
    {
        "registration", "key_persons", "shareholders", "annual_reports",
        "tax", "tax_credit_grade", "tax_status",
        "social_insurance", "social_insurance_units", "social_insurance_payments",
        "housing_fund", "housing_fund_years",
        "water", "power", "power_years", "gas",
    }
)  # fmt: skip
"""Data sets in which an ordinary enterprise stands anyhow. Of all others (penalties, arrears, seizures, judgments,
honours …) the existence of a record is itself what they tell, so it takes a consent to hear of it."""

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


async def existing(tx: AsyncConnection, uscc: USCC, datasets: Collection[str]) -> Mapping[str, date]:
    """Of these data sets, those with something about the enterprise, and the newest day for which it speaks.

    Data sets outside `EXISTENCE_IS_NO_NEWS` are not looked at: not even the time it takes tells anything.
    """
    looked_at = sorted(EXISTENCE_IS_NO_NEWS.intersection(datasets))
    rows = await tx.execute(_NEWEST, {"datasets": looked_at, "uscc": uscc})
    return {row.dataset: row.as_of for row in rows}
