"""What the intake achieved: since when a data set is delivered, and how well, by owner, data set and day."""

from collections.abc import Collection
from datetime import datetime

from datasets.shelf import Connection


async def first_deliveries(connection: Connection, known: Collection[str]) -> dict[str, datetime]:
    """The instant of the first completed delivery of every data set but those ``known``."""
    rows = await connection.fetch(
        "SELECT dataset, min(finished_at) FROM intakes"
        " WHERE finished_at IS NOT NULL AND dataset <> ALL ($1) GROUP BY dataset",
        list(known),
    )
    return dict(map(tuple, rows))
