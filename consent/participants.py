"""Who may ask: banks and platforms, and the OAuth clients they ask through."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.models import clients, participants
from consent.redirects import check_redirect_uris
from core.errors import InvalidInput

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518 §6


@dataclass(frozen=True)
class Client:
    client_id: str
    participant_id: str
    participant_class: str
    jwks: str
    """RFC 7517 key set, as it was registered"""
    suspended: bool
    redirect_uris: tuple[str, ...] = ()
    """where the browser of an enterprise may be sent back to"""
    notification_url: str | None = None
    """where the client wants to be told that an answer is there (CIBA ping); None: it polls"""


async def register_participant(
    tx: AsyncConnection, *, participant_id: str, name: str, participant_class: str, at: datetime
) -> None:
    """Enter a participant, or change its name and class."""
    entry = insert(participants).values(
        participant_id=participant_id, name=name, participant_class=participant_class, registered_at=at
    )
    await tx.execute(
        entry.on_conflict_do_update(
            index_elements=["participant_id"],
            set_={"name": entry.excluded.name, "participant_class": entry.excluded.participant_class},
        )
    )


async def register_client(
    tx: AsyncConnection,
    *,
    client_id: str,
    participant_id: str,
    jwks: str,
    redirect_uris: Sequence[str] | None = None,
    notification_url: str | None = None,
    at: datetime,
) -> None:
    """Enter a client with its public keys and addresses, or replace them. Raises `InvalidInput` for unusable ones.

    ``redirect_uris`` and ``notification_url`` stay as they are when None is given; ``""`` takes the latter away.
    """
    check_jwks(jwks)
    check_redirect_uris(redirect_uris or ())
    if notification_url:
        check_redirect_uris([notification_url])
    entry = insert(clients).values(
        client_id=client_id,
        participant_id=participant_id,
        jwks=jwks,
        redirect_uris=list(redirect_uris or ()),
        notification_url=notification_url or None,
        registered_at=at,
    )
    given = {"redirect_uris": redirect_uris, "notification_url": notification_url}
    replaced = ["jwks", "participant_id", *(name for name, value in given.items() if value is not None)]
    await tx.execute(
        entry.on_conflict_do_update(
            index_elements=["client_id"], set_={name: entry.excluded[name] for name in replaced}
        )
    )


def check_jwks(text: str) -> None:
    """A key set must hold at least one P-256 key and no private part of any."""
    try:
        key_set = json.loads(text)
        keys = key_set["keys"]
        KeySet.import_key_set(key_set)
    except (ValueError, KeyError, TypeError, JoseError) as error:
        raise InvalidInput("jwks", 'not a JSON Web Key Set (RFC 7517): {"keys": […]}') from error
    if any(PRIVATE_MEMBERS & key.keys() for key in keys):
        raise InvalidInput("jwks", "the key set holds a private key; hand over public keys only")
    if not any(key.get("kty") == "EC" and key.get("crv") == "P-256" for key in keys):
        raise InvalidInput("jwks", "the key set holds no P-256 key, and assertions are signed with ES256")


FIND_CLIENTS = """
SELECT q.position, c.client_id, c.participant_id, p.participant_class, c.jwks, p.suspended_at IS NOT NULL AS suspended,
       c.redirect_uris, c.notification_url
FROM unnest($1::text[]) WITH ORDINALITY AS q(client_id, position)
JOIN clients c USING (client_id) JOIN participants p USING (participant_id)
"""


async def find_clients(
    connection: asyncpg.pool.PoolConnectionProxy, client_ids: Sequence[str]
) -> Sequence[Client | None]:
    """The client of each id, None where there is none: one statement for all who come at once."""
    found: list[Client | None] = [None] * len(client_ids)
    for row in await connection.fetch(FIND_CLIENTS, client_ids):
        found[row["position"] - 1] = Client(
            row["client_id"],
            row["participant_id"],
            row["participant_class"],
            row["jwks"],
            row["suspended"],
            tuple(row["redirect_uris"]),
            row["notification_url"],
        )
    return found


async def names_of(tx: AsyncConnection, participant_ids: Iterable[str]) -> dict[str, str]:
    rows = await tx.execute(
        select(participants.c.participant_id, participants.c.name).where(
            participants.c.participant_id.in_(set(participant_ids))
        )
    )
    return {row[0]: row[1] for row in rows}


async def classes_of(tx: AsyncConnection, participant_ids: Iterable[str]) -> dict[str, str]:
    """``bank`` or ``platform``, as registered now."""
    rows = await tx.execute(
        select(participants.c.participant_id, participants.c.participant_class).where(
            participants.c.participant_id.in_(set(participant_ids))
        )
    )
    return {row[0]: row[1] for row in rows}
