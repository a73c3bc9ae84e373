"""Who may ask: banks and platforms, and the OAuth clients they ask through."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.models import clients, participants
from core.errors import InvalidInput

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518 §6


@dataclass(frozen=True)
class Client:
    client_id: str
    participant_id: str
    participant_class: str
    jwks: dict[str, Any]
    suspended: bool


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
    tx: AsyncConnection, *, client_id: str, participant_id: str, jwks: str, at: datetime
) -> None:
    """Enter a client with its public keys, or replace its keys. Raises `InvalidInput` for unusable keys."""
    check_jwks(jwks)
    entry = insert(clients).values(
        client_id=client_id, participant_id=participant_id, jwks=jwks, registered_at=at
    )
    await tx.execute(
        entry.on_conflict_do_update(
            index_elements=["client_id"],
            set_={"jwks": entry.excluded.jwks, "participant_id": entry.excluded.participant_id},
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


async def find_client(tx: AsyncConnection, client_id: str) -> Client | None:
    row = (
        await tx.execute(
            select(clients, participants.c.participant_class, participants.c.suspended_at)
            .join(participants, participants.c.participant_id == clients.c.participant_id)
            .where(clients.c.client_id == client_id)
        )
    ).one_or_none()
    if row is None:
        return None
    return Client(
        row.client_id,
        row.participant_id,
        row.participant_class,
        json.loads(row.jwks),
        row.suspended_at is not None,
    )


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
