"""Refresh tokens: with one, a client gets new access tokens for a consent, for as long as the consent lives.

The token itself is not kept, only its digest. It belongs to one client, whose own key guards it (RFC 9449 §5:
confidential clients' refresh tokens are bound by client authentication), and it is not rotated (FAPI 2.0 §5.3.2.1).
"""

import hashlib
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.models import consents, refresh_tokens


class RefreshToken(NamedTuple):
    client_id: str
    participant_id: str
    """whose consent it is"""
    consent_id: UUID


async def keep_refresh_token(
    tx: AsyncConnection, token: str, *, origin: str, client_id: str, consent_id: UUID, at: datetime
) -> bool:
    """Keep a token that ``origin`` (an authorization code, an `auth_req_id`) gave; False if that had given one already."""
    kept = await tx.execute(
        insert(refresh_tokens)
        .values(
            token_digest=_digest(token),
            origin_digest=_digest(origin),
            client_id=client_id,
            consent_id=consent_id,
            issued_at=at,
        )
        .on_conflict_do_nothing(index_elements=["origin_digest"])
    )
    return kept.rowcount == 1


async def find_refresh_token(tx: AsyncConnection, token: str) -> RefreshToken | None:
    """The token if it was not ended. Whether its consent still lives is for the caller to see."""
    row = (
        await tx.execute(
            select(refresh_tokens.c.client_id, consents.c.participant_id, consents.c.consent_id)
            .join(consents, consents.c.consent_id == refresh_tokens.c.consent_id)
            .where(refresh_tokens.c.token_digest == _digest(token), refresh_tokens.c.ended_at.is_(None))
        )
    ).one_or_none()
    return RefreshToken(*row) if row else None


async def end_refresh_token(tx: AsyncConnection, token: str, *, client_id: str, at: datetime) -> bool:
    """The client gives its token back (RFC 7009). False if there is no such token of this client."""
    ended = await tx.execute(
        update(refresh_tokens)
        .where(
            refresh_tokens.c.token_digest == _digest(token),
            refresh_tokens.c.client_id == client_id,
            refresh_tokens.c.ended_at.is_(None),
        )
        .values(ended_at=at)
    )
    return ended.rowcount == 1


async def end_what_it_gave(
    tx: AsyncConnection, origin: str, *, client_id: str, consent_id: UUID, at: datetime
) -> None:
    """End the token that ``origin`` gave, or the one that it is about to give: a code came twice (RFC 6749 §4.1.2).

    The first use may still be on its way to `keep_refresh_token`: an ended row in its place refuses it.
    """
    ended = insert(refresh_tokens).values(
        token_digest=_digest(f"ended:{origin}"),
        origin_digest=_digest(origin),
        client_id=client_id,
        consent_id=consent_id,
        issued_at=at,
        ended_at=at,
    )
    await tx.execute(
        ended.on_conflict_do_update(
            index_elements=["origin_digest"],
            set_={"ended_at": func.coalesce(refresh_tokens.c.ended_at, ended.excluded.ended_at)},
        )
    )


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
