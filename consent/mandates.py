"""Who may act for an enterprise: its legal representative for everything, an agent (经办人) within a mandate.

A mandate is appointed and revoked by the legal representative, and judged in the transaction that acts on it, under
a lock: of a revocation and an approval at once, whichever commits first is obeyed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from joserfc.jwk import ECKey
from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.artefact import sign
from consent.enterprises import Person, Signatory, people_of
from consent.factors import ConfirmedBy, must_confirm
from consent.life import actor_of
from consent.models import mandate_events, mandates
from consent.policies import AGENT, LEGAL_REPRESENTATIVE, TERM_DAYS_MAX, ConsentTerms
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.identifiers import new_id

MANDATE_DAYS_MAX = 366
SCHEMA = "xinyi-hub-mandate-1"
TYPE = "mandate+jws"


@dataclass(frozen=True)
class Mandate:
    mandate_id: UUID
    uscc: str
    agent_subject: str
    agent_name: str
    purposes: tuple[str, ...]
    datasets: tuple[str, ...]
    term_days_max: int
    valid_from: datetime
    valid_until: datetime
    appointed_by: str
    appointer_name: str
    jws: str
    revoked_at: datetime | None

    def lives(self, at: datetime) -> bool:
        return self.revoked_at is None and self.valid_from <= at < self.valid_until

    def covers(self, terms: ConsentTerms, *, term: bool = True) -> bool:
        """Whether these terms may be agreed to under it; without ``term``, however long they last."""
        return (
            terms.purpose in self.purposes
            and set(terms.datasets) <= set(self.datasets)
            and (not term or terms.term_days <= self.term_days_max)
        )

    def as_json(self) -> dict[str, Any]:
        """As it stands in every artefact that rests on it."""
        return {
            "mandate_id": str(self.mandate_id),
            "agent": {"subject": self.agent_subject, "name": self.agent_name},
            "appointed_by": {"subject": self.appointed_by, "name": self.appointer_name},
            "purposes": list(self.purposes),
            "datasets": list(self.datasets),
            "term_days_max": self.term_days_max,
            "validity": {"from": self.valid_from.isoformat(), "until": self.valid_until.isoformat()},
        }


def must_represent(signatory: Signatory) -> None:
    """Raise `Refused` for anybody but the legal representative."""
    if signatory.role != LEGAL_REPRESENTATIVE:
        raise Refused("only_legal_representative", f"a {signatory.role} may not do this for the enterprise")


async def appoint(
    tx: AsyncConnection,
    signatory: Signatory,
    *,
    agent_subject: str,
    purposes: Sequence[str],
    datasets: Sequence[str],
    term_days_max: int,
    valid_until: datetime,
    key: ECKey,
    at: datetime,
    confirmed_by: ConfirmedBy | None = None,
) -> Mandate:
    """The legal representative lets a person who has logged in for the enterprise approve within these limits.

    Raises `Refused`, or `InvalidInput("mandate_invalid")` with what is wrong.
    """
    must_represent(signatory)
    agents = {one.subject: one for one in await people_of(tx, signatory.uscc) if one.role == AGENT}
    agent = agents.get(agent_subject)
    faults = _faults(agent, purposes, datasets, term_days_max, (valid_until - at).days)
    if faults or agent is None:
        raise InvalidInput("mandate_invalid", "; ".join(faults.values()), errors=faults)
    await must_confirm(tx, signatory, confirmed_by)
    mandate = Mandate(
        mandate_id=new_id(),
        uscc=signatory.uscc,
        agent_subject=agent.subject,
        agent_name=agent.name,
        purposes=tuple(purposes),
        datasets=tuple(datasets),
        term_days_max=term_days_max,
        valid_from=at,
        valid_until=valid_until,
        appointed_by=signatory.subject,
        appointer_name=signatory.name,
        jws="",
        revoked_at=None,
    )
    record = {
        "schema_version": SCHEMA,
        "principal": {"uscc": signatory.uscc, "name": signatory.enterprise_name},
        **mandate.as_json(),
    }
    columns = {name: getattr(mandate, name) for name in Mandate.__dataclass_fields__}
    columns |= {"purposes": list(purposes), "datasets": list(datasets), "jws": sign(record, TYPE, key).jws}
    await tx.execute(insert(mandates).values(**columns))
    await _append(tx, mandate.mandate_id, "appoint", actor_of(signatory), at)
    return await _find(tx, signatory.uscc, mandate.mandate_id)


def _faults(
    agent: Person | None, purposes: Sequence[str], datasets: Sequence[str], term_days_max: int, days: int
) -> dict[str, str]:
    good = {
        "agent_subject": (agent is not None, "no agent of this enterprise has logged in under this name"),
        "purposes": (len(purposes) > 0, "name at least one purpose"),
        "datasets": (len(datasets) > 0, "name at least one data set"),
        "term_days_max": (1 <= term_days_max <= TERM_DAYS_MAX, f"1 to {TERM_DAYS_MAX} days"),
        "valid_until": (0 <= days <= MANDATE_DAYS_MAX, f"at most {MANDATE_DAYS_MAX} days from now"),
    }
    return {field: fault for field, (fine, fault) in good.items() if not fine}


async def revoke_mandate(
    tx: AsyncConnection, signatory: Signatory, mandate_id: UUID, *, reason: str, at: datetime
) -> Mandate:
    """Nothing that commits after this rests on the mandate; consents approved before stay as they are."""
    must_represent(signatory)
    mandate = await _find(tx, signatory.uscc, mandate_id, lock=True)
    if mandate.revoked_at is not None:
        raise Conflict("mandate_state", "it was revoked before")
    await tx.execute(update(mandates).where(mandates.c.mandate_id == mandate_id).values(revoked_at=at))
    await _append(tx, mandate_id, "revoke", actor_of(signatory), at, reason)
    return await _find(tx, signatory.uscc, mandate_id)


async def mandates_of(tx: AsyncConnection, uscc: str, *, limit: int = 200) -> Sequence[Mandate]:
    """All of an enterprise, the newest first."""
    rows = await tx.execute(
        select(mandates)
        .where(mandates.c.uscc == uscc)
        .order_by(mandates.c.valid_from.desc(), mandates.c.mandate_id.desc())
        .limit(limit)
    )
    return [_mandate(row) for row in rows.mappings()]


async def live_mandates(
    tx: AsyncConnection, uscc: str, subjects: Sequence[str], at: datetime
) -> Sequence[Mandate]:
    """Those of these persons that live at ``at``; they stay so until the caller's transaction ends."""
    rows = await tx.execute(
        select(mandates)
        .where(mandates.c.uscc == uscc, mandates.c.agent_subject.in_(subjects))
        .order_by(mandates.c.mandate_id)
        .with_for_update(read=True)
    )
    return [mandate for row in rows.mappings() if (mandate := _mandate(row)).lives(at)]


async def authority_of(
    tx: AsyncConnection, signatory: Signatory, terms: ConsentTerms, at: datetime, *, term: bool = True
) -> Mandate | None:
    """What the person acts on: None for the legal representative, for an agent a mandate that covers the terms.

    Raises `Refused`. Without ``term`` (to say no, to stop) it does not matter how long the consent lasts.
    """
    if signatory.role == LEGAL_REPRESENTATIVE:
        return None
    if signatory.role != AGENT:
        raise Refused("may_not_approve", f"a {signatory.role} may not answer for the enterprise")
    living = await live_mandates(tx, signatory.uscc, [signatory.subject], at)
    if not living:
        raise Refused("mandate_missing", "an agent needs a mandate that lives now")
    for mandate in living:
        if mandate.covers(terms, term=term):
            return mandate
    raise Refused("mandate_too_narrow", "no mandate of this agent covers these terms")


async def _find(tx: AsyncConnection, uscc: str, mandate_id: UUID, *, lock: bool = False) -> Mandate:
    question = select(mandates).where(mandates.c.mandate_id == mandate_id, mandates.c.uscc == uscc)
    row = (await tx.execute(question.with_for_update() if lock else question)).mappings().one_or_none()
    if row is None:
        raise NotFound("mandate_unknown", "there is no such mandate of yours")
    return _mandate(row)


async def _append(
    tx: AsyncConnection, mandate_id: UUID, verb: str, actor: str, at: datetime, reason: str = ""
) -> None:
    await tx.execute(
        insert(mandate_events).values(mandate_id=mandate_id, at=at, verb=verb, actor=actor, reason=reason)
    )


def _mandate(row: RowMapping) -> Mandate:
    fields = {name: row[name] for name in Mandate.__dataclass_fields__}
    return Mandate(**{**fields, "purposes": tuple(row["purposes"]), "datasets": tuple(row["datasets"])})
