"""Enterprises as they prove themselves at log-in, and the person who acts for them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.models import enterprises


@dataclass(frozen=True)
class Signatory:
    """A person acting for an enterprise, as the government log-in vouched for it."""

    uscc: str
    enterprise_name: str
    name: str
    role: str
    """``legal_representative``; agents with a mandate come with their own issue"""
    assurance: str
    """the `acr` of the log-in (OpenID Connect Core §2)"""
    subject: str
    """the log-in's opaque identifier of the person"""


async def note_login(tx: AsyncConnection, signatory: Signatory, at: datetime) -> None:
    """Remember that the enterprise came, under the name the government log-in gives it today."""
    entry = insert(enterprises).values(
        uscc=signatory.uscc, name=signatory.enterprise_name, first_seen_at=at, last_seen_at=at
    )
    await tx.execute(
        entry.on_conflict_do_update(
            index_elements=["uscc"],
            set_={"name": entry.excluded.name, "last_seen_at": entry.excluded.last_seen_at},
        )
    )
