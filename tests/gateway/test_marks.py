"""The command that marks records: what it says is what the shelf obeys."""

import pytest

from core.identifiers import USCC
from datasets import ShelfAsk, read_records
from gateway.hub import Hub
from gateway.marks import MarkErrand, Marking, mark
from tests.conftest import ENTERPRISE, DatabaseUrls

pytestmark = pytest.mark.usefixtures("stocked")


@pytest.mark.parametrize(
    ("marking", "part", "changed", "left", "disputed"),
    [
        (Marking.disputed, "2025-12", 1, 24, 1),
        (Marking.withheld, "2025-12", 1, 23, 0),
        (Marking.withheld, None, 24, 0, 0),
        (Marking.withdrawn, None, 24, 0, 0),
        (Marking.none, None, 0, 24, 0),
    ],
)
async def test_marking_from_the_command_line(
    hub: Hub,
    database_urls: DatabaseUrls,
    marking: Marking,
    part: str | None,
    changed: int,
    left: int,
    disputed: int,
) -> None:
    errand = MarkErrand("tax", USCC(ENTERPRISE), part, marking, "clerk", "异议受理")
    assert await mark(database_urls.app, errand) == changed
    async with hub.database.hot.acquire() as connection:
        [[shelved]] = await read_records(connection, [ShelfAsk(USCC(ENTERPRISE), (("tax", 24),))])
    assert (len(shelved.record_ids), len(shelved.disputed)) == (left, disputed)
