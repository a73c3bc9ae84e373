"""Whether the books agree after the load: answers given, disclosures kept, meter moved, uses spent."""

from typing import NamedTuple

import asyncpg


class Books(NamedTuple):
    """The first four count the same thing in different places: questions that were answered with data."""

    disclosures: int
    metered: int
    uses_spent: int
    idempotency_keys: int
    not_disclosed: int
    charged_fen: int
    metered_fen: int

    @property
    def agree(self) -> bool:
        same = {self.disclosures, self.metered, self.uses_spent, self.idempotency_keys}
        return len(same) == 1 and self.charged_fen == self.metered_fen


COUNT = """
SELECT (SELECT count(*) FROM disclosures WHERE outcome = 'disclosed'),
       (SELECT coalesce(sum(disclosed), 0)::bigint FROM usage),
       (SELECT coalesce(sum(uses_spent), 0)::bigint FROM consents),
       (SELECT count(*) FROM answered_questions),
       (SELECT count(*) FROM disclosures WHERE outcome <> 'disclosed'),
       (SELECT coalesce(sum(price_fen), 0)::bigint FROM disclosures),
       (SELECT coalesce(sum(price_fen), 0)::bigint FROM usage)
"""


async def read_books(owner_url: str) -> Books:
    connection = await asyncpg.connect(owner_url)
    try:
        row = await connection.fetchrow(COUNT)
        assert row is not None
        return Books(*row)
    finally:
        await connection.close()
