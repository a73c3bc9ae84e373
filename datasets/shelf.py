"""The shelf: many questions about stored records answered by one statement (the group read of the spine).

One place for this SQL, sent to asyncpg directly. Bodies come back as JSON text that `View.render` reads at
once.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple, TypeAlias

import asyncpg

from core.identifiers import USCC
from datasets.contract import Contract, Field, FieldType

Connection: TypeAlias = "asyncpg.Connection | asyncpg.pool.PoolConnectionProxy"


# What a value can take at most in the stored JSON, in octets; PostgreSQL's limit for an index entry is 2,704.
_VALUE_OCTETS: dict[FieldType, int] = {
    "money": 17,
    "integer": 20,
    "decimal": 40,
    "date": 12,
    "month": 9,
    "year": 4,
    "boolean": 5,
}
_ENTRY_OCTETS_MAX = 2_400


def record_layout(contracts: Mapping[str, Contract]) -> dict[str, bool]:
    """By data set, whether the records of an enterprise lie together, in an index that holds them whole.

    Where it has several, and the largest that its contract allows fits into an index entry with its key.
    """
    return {
        name: bool(contract.part) and _entry_octets(contract) <= _ENTRY_OCTETS_MAX
        for name, contract in contracts.items()
    }


def _entry_octets(contract: Contract) -> int:
    octets = {field.name: _value_octets(field) for field in contract.fields}
    names = sum(len(name) + len('"":,') for name in octets)
    return names + sum(octets.values()) + sum(octets[name] + 1 for name in contract.part)


def _value_octets(field: Field) -> int:
    if field.type == "code":
        return max(len(value.encode()) for value in field.allowed) + 2
    return _VALUE_OCTETS.get(field.type, 4 * field.max_length + 2)


class ShelfAsk(NamedTuple):
    """One question about one enterprise, out of one data set or several.

    ``inputs``: data sets and how many records of each at most, as the contracts say. ``since``: only records that
    speak for this day or later.
    """

    uscc: USCC
    inputs: tuple[tuple[str, int], ...]
    since: date | None = None


class ShelfReask(NamedTuple):
    """The exact versions of an earlier answer, in its order, out of the data sets that it drew on."""

    datasets: Sequence[str]
    record_ids: Sequence[int]


class Shelved(NamedTuple):
    """``bodies``: a JSON array of records, newest part first; ``record_ids`` in the same order.

    ``as_of`` is the oldest and ``as_of_newest`` the newest day for which these records speak; None when
    nothing was found. ``disputed``: which of ``record_ids`` carry that mark. ``held_back``: versions that were asked
    for again and are not given, because their record is withheld or withdrawn now.
    """

    bodies: str
    record_ids: list[int]
    as_of: date | None
    as_of_newest: date | None
    disputed: Sequence[int]
    held_back: tuple[int, ...] = ()

    @property
    def found(self) -> bool:
        return bool(self.record_ids)


NOTHING_SHELVED = Shelved("[]", [], None, None, disputed=[])


# What is asked about how many enterprises comes once: questions that draw on the same inputs share their list. A
# lateral join with its limit inside: per enterprise and data set one walk down the index of one partition (pruned at
# run time), at most records_max rows, no sort. The aggregates stand directly on that walk and so keep its order.
READ_RECORDS = """
    SELECT question.position, input.place, shelved.*
    FROM unnest($1::text[], $2::date[], $3::int[]) WITH ORDINALITY AS question (uscc, since, list, position)
    JOIN unnest($4::int[], $5::int[], $6::text[], $7::int[]) AS input (list, place, dataset, records_max)
        ON input.list = question.list
    CROSS JOIN LATERAL (
        SELECT '[' || string_agg(walk.body, ',') || ']' AS bodies, array_agg(walk.record_id) AS record_ids,
               min(walk.as_of) AS oldest, max(walk.as_of) AS newest,
               array_agg(walk.record_id) FILTER (WHERE walk.mark = 'disputed') AS disputed
        FROM (
            SELECT body, record_id, as_of, mark
            FROM records
            WHERE records.dataset = input.dataset AND records.uscc = question.uscc AND records.superseded_at IS NULL
                AND records.mark IS DISTINCT FROM 'withheld'
                AND (question.since IS NULL OR records.as_of >= question.since)
            ORDER BY records.part DESC
            LIMIT input.records_max
        ) AS walk
    ) AS shelved
    WHERE shelved.bodies IS NOT NULL
"""

# The wanted versions of all questions in one flat list, in order, looked for in each data set of their question;
# put together again by both. Held back: the record is withheld now, or has no current version because somebody
# withdrew it. (That a live owner no longer has it is no reason: it had it when it was answered.)
REREAD_RECORDS = """
    SELECT wanted.question, wanted.shelf, version.body, version.record_id, version.as_of,
           version.mark IS NOT DISTINCT FROM 'disputed' AS disputed,
           CASE WHEN current.record_id IS NOT NULL THEN current.mark IS NOT DISTINCT FROM 'withheld'
                ELSE last_event.verb IS NOT DISTINCT FROM 'withdraw' END AS held_back
    FROM unnest($1::int[], $2::int[], $3::text[], $4::bigint[])
        WITH ORDINALITY AS wanted (question, shelf, dataset, record_id, position)
    JOIN records AS version ON version.dataset = wanted.dataset AND version.record_id = wanted.record_id
    LEFT JOIN LATERAL (
        SELECT record_id, mark FROM records
        WHERE dataset = wanted.dataset AND uscc = version.uscc AND part = version.part AND superseded_at IS NULL
        LIMIT 1
    ) AS current ON true
    LEFT JOIN LATERAL (
        SELECT verb FROM record_events
        WHERE dataset = wanted.dataset AND uscc = version.uscc AND part = version.part
        ORDER BY event_id DESC LIMIT 1
    ) AS last_event ON current.record_id IS NULL
    ORDER BY wanted.position
"""


async def read_records(connection: Connection, asks: Sequence[ShelfAsk]) -> list[list[Shelved]]:
    """The newest current records for each question, in the order of the questions; one statement for all.

    For each question one `Shelved` per input, in their order. A withheld record is as if it were not there.
    """
    lists: dict[tuple[tuple[str, int], ...], int] = {}
    list_of = [lists.setdefault(inputs, len(lists)) for _, inputs, _ in asks]
    rows = await connection.fetch(
        READ_RECORDS,
        [uscc for uscc, _, _ in asks],
        [since for _, _, since in asks],
        list_of,
        [number for inputs, number in lists.items() for _ in inputs],
        [place for inputs in lists for place in range(len(inputs))],
        [dataset for inputs in lists for dataset, _ in inputs],
        [records_max for inputs in lists for _, records_max in inputs],
    )
    found = [[NOTHING_SHELVED] * len(inputs) for _, inputs, _ in asks]
    for position, place, bodies, record_ids, oldest, newest, disputed in rows:
        found[position - 1][place] = Shelved(bodies, record_ids, oldest, newest, disputed or [])
    return found


async def reread_records(connection: Connection, asks: Sequence[ShelfReask]) -> list[list[Shelved]]:
    """The very versions of earlier answers, superseded since or not, byte for byte; one statement for all.

    For each question one `Shelved` per data set, in the order of its ``datasets``. A version that is not there (its
    retention ended) is missing from the answer: compare ``record_ids``.
    """
    wanted = [
        (question, shelf, dataset, record_id)
        for question, ask in enumerate(asks)
        for shelf, dataset in enumerate(ask.datasets)
        for record_id in ask.record_ids
    ]
    columns = [list(column) for column in zip(*wanted, strict=True)] or [[]] * 4
    found: list[list[list[asyncpg.Record]]] = [[[] for _ in ask.datasets] for ask in asks]
    for row in await connection.fetch(REREAD_RECORDS, *columns):
        found[row["question"]][row["shelf"]].append(row)
    return [[_put_together(versions) for versions in shelves] for shelves in found]


def _put_together(versions: list[asyncpg.Record]) -> Shelved:
    held_back = tuple(row["record_id"] for row in versions if row["held_back"])
    given = [row for row in versions if not row["held_back"]]
    if not given:
        return NOTHING_SHELVED._replace(held_back=held_back)
    days = [row["as_of"] for row in given]
    return Shelved(
        bodies=f"[{','.join(row['body'] for row in given)}]",
        record_ids=[row["record_id"] for row in given],
        as_of=min(days),
        as_of_newest=max(days),
        disputed=[row["record_id"] for row in given if row["disputed"]],
        held_back=held_back,
    )
