"""Enterprises as they prove themselves at log-in, and the persons who come for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.models import enterprise_people, enterprises

GOVERNMENT_LOGIN = "government_login"
BUSINESS_LICENCE = "business_licence"
BANK_TRANSFER = "bank_transfer"
"""How a person has proven that they act for the enterprise."""


@dataclass(frozen=True)
class Signatory:
    """A person acting for an enterprise, as the log-in vouched for it."""

    uscc: str
    enterprise_name: str
    name: str
    role: str
    """``legal_representative`` or ``agent``; an agent needs a mandate (`consent.mandates`)"""
    assurance: str
    """the `acr` of the log-in (OpenID Connect Core §2), or what a later proof has raised it to"""
    subject: str
    """the hub's opaque name of the person for this enterprise, whichever way they came"""
    proven_by: str = GOVERNMENT_LOGIN
    """`GOVERNMENT_LOGIN` or `BUSINESS_LICENCE`, then what raised the assurance: ``business_licence+bank_transfer``"""


@dataclass(frozen=True)
class Person:
    """Somebody who has logged in for an enterprise."""

    subject: str
    name: str
    role: str
    last_seen_at: datetime


async def note_login(tx: AsyncConnection, signatory: Signatory, at: datetime) -> None:
    """Remember that the enterprise came, under the name the government log-in gives it today, and who came for it."""
    entry = insert(enterprises).values(
        uscc=signatory.uscc, name=signatory.enterprise_name, first_seen_at=at, last_seen_at=at
    )
    await tx.execute(
        entry.on_conflict_do_update(
            index_elements=["uscc"],
            set_={"name": entry.excluded.name, "last_seen_at": entry.excluded.last_seen_at},
        )
    )
    person = insert(enterprise_people).values(
        uscc=signatory.uscc,
        subject=signatory.subject,
        name=signatory.name,
        role=signatory.role,
        first_seen_at=at,
        last_seen_at=at,
    )
    changed = {name: person.excluded[name] for name in ("name", "role", "last_seen_at")}
    await tx.execute(person.on_conflict_do_update(index_elements=["uscc", "subject"], set_=changed))


async def people_of(tx: AsyncConnection, uscc: str, *, limit: int = 100) -> Sequence[Person]:
    """Who has logged in for the enterprise, the latest first."""
    columns = [enterprise_people.c[name] for name in Person.__dataclass_fields__]
    rows = await tx.execute(
        select(*columns)
        .where(enterprise_people.c.uscc == uscc)
        .order_by(enterprise_people.c.last_seen_at.desc(), enterprise_people.c.subject)
        .limit(limit)
    )
    return [Person(*row) for row in rows]
