"""Enterprises found by other keys than the USCC: name, registration number, organisation code, tax number.

`enterprise_keys` is a projection of the current registrations and nothing else: a key that no current registration
has finds nobody. A row is never attributed by guessing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import orjson

from core.identifiers import USCC
from datasets.cleaning import Fault, key_value
from datasets.contract import KeyKind
from datasets.shelf import Connection

REGISTRATION = "registration"
"""The data set that says who exists, and under which names and numbers."""
_FIELDS: tuple[KeyKind, ...] = ("name", "registration_number", "taxpayer_number")

KnownBy = tuple[tuple[KeyKind, str], ...]

_FIND = """
    SELECT asked.kind, asked.value, found.uscc
    FROM unnest($1::text[], $2::text[]) AS asked (kind, value)
    CROSS JOIN LATERAL (
        SELECT uscc FROM enterprise_keys WHERE asked.kind = 'name' AND name = asked.value
        UNION ALL
        SELECT uscc FROM enterprise_keys
        WHERE asked.kind = 'registration_number' AND registration_number = asked.value
        UNION ALL
        SELECT uscc FROM enterprise_keys WHERE asked.kind = 'taxpayer_number' AND taxpayer_number = asked.value
        UNION ALL
        SELECT uscc FROM enterprise_keys
        WHERE asked.kind = 'organisation_code' AND substr(uscc, 9, 9) = asked.value
    ) AS found
"""

_NOT_FOUND = Fault(
    "enterprise_not_found", None, "登记信息中没有这家企业；请核对名称或号码，或改填统一社会信用代码"
)
_AMBIGUOUS = Fault(
    "enterprise_ambiguous", None, "按所填的名称或号码无法确定是哪一家企业；请改填统一社会信用代码"
)


async def resolve(connection: Connection, asked: Iterable[KnownBy]) -> dict[KnownBy, USCC | Fault]:
    """Who is meant by each: exactly one enterprise, or why not."""
    wanted = set(asked)
    pairs = {pair for known_by in wanted for kind, value in known_by for pair in _places(kind, value)}
    rows = await connection.fetch(_FIND, [kind for kind, _ in pairs], [value for _, value in pairs])
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for kind, value, uscc in rows:
        found[kind, value].add(uscc)
    return {known_by: _the_one(known_by, found) for known_by in wanted}


def _places(kind: KeyKind, value: str) -> list[tuple[str, str]]:
    """Where a key may stand. A tax number of 15 digits is a district and an organisation code."""
    places: list[tuple[str, str]] = [(kind, value)]
    if kind == "taxpayer_number" and len(value) == 15:
        places.append(("organisation_code", value[6:]))
    return places


def _the_one(known_by: KnownBy, found: Mapping[tuple[str, str], set[str]]) -> USCC | Fault:
    """Keys that nobody has say nothing; those that somebody has must agree on one."""
    candidates: set[str] | None = None
    for kind, value in known_by:
        owners = set().union(*(found.get(place, ()) for place in _places(kind, value)))
        if owners:
            candidates = owners if candidates is None else candidates & owners
    if candidates is None:
        return _NOT_FOUND
    return USCC(candidates.pop()) if len(candidates) == 1 else _AMBIGUOUS


_KNOW = """
    INSERT INTO enterprise_keys (uscc, name, registration_number, taxpayer_number)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    ON CONFLICT (uscc) DO UPDATE SET name = excluded.name, registration_number = excluded.registration_number,
        taxpayer_number = excluded.taxpayer_number
"""


async def know(connection: Connection, registrations: Sequence[tuple[str, bytes]]) -> None:
    """Registrations (USCC, body) as they are now; each enterprise once."""
    if not registrations:
        return
    keys = [_keys_of(orjson.loads(body)) for _, body in registrations]
    columns = list(zip(*keys, strict=True))
    await connection.execute(_KNOW, [uscc for uscc, _ in registrations], *map(list, columns))


def _keys_of(body: Mapping[str, str | None]) -> list[str | None]:
    return [key_value(kind, value) if (value := body.get(kind)) else None for kind in _FIELDS]


async def forget(connection: Connection, usccs: Sequence[str]) -> None:
    """Enterprises whose registration was withdrawn."""
    if usccs:
        await connection.execute("DELETE FROM enterprise_keys WHERE uscc = ANY($1)", list(usccs))
