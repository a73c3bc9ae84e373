"""What a person wants done that may first have to be confirmed.

Each knows how it is carried out, where it leads, and what the page that asks for the confirmation says of it. Whether
it must be confirmed, and how, the room `consent` decides when it is carried out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from consent import (
    ConfirmedBy,
    ConsentTerms,
    FactorKind,
    appoint,
    approve,
    factors_of,
    find_for_enterprise,
    must_manage,
    people_of,
    remove_factor,
    resume,
    set_approvals_needed,
)
from core.clock import CHINA
from core.errors import NotFound
from core.identifiers import new_id
from gateway.hub import Hub
from gateway.portal.explain import levels_of, purpose_of, title_of, wording_of
from gateway.portal.sessions import Session, Sessions

ENROLMENT_SECONDS = 10 * 60


@dataclass(frozen=True)
class Acting:
    """Who acts, and where."""

    hub: Hub
    kept: Sessions
    session: Session


class Less(msgspec.Struct, frozen=True):
    """What the enterprise grants if not all: chosen in the form, shown on the page, sent with the approval."""

    chosen: bool = False
    datasets: Sequence[str] = ()
    term_days: int | None = None
    uses_max: int | None = None

    def of(self, asked: ConsentTerms) -> ConsentTerms:
        """Raises `InvalidInput` for more than what is asked, or nothing at all."""
        if not self.chosen:
            return asked
        return asked.narrowed(datasets=self.datasets, term_days=self.term_days, uses_max=self.uses_max)


class Approve(msgspec.Struct, frozen=True, tag=True):
    """The signed sentences are the ones that were read: ``read`` is their digest, from the page."""

    consent_id: UUID
    read: str
    less: Less
    bank: str
    """origin of the bank's page to which the browser goes back; empty if it did not come from one"""

    @property
    def leads_to(self) -> str:
        return f"/portal/requests/{self.consent_id}{'/return' if self.bank else ''}"

    async def carry_out(self, tx: AsyncConnection, acting: Acting, confirmed_by: ConfirmedBy | None) -> None:
        hub, signatory = acting.hub, acting.session.signatory
        asked = await find_for_enterprise(tx, signatory.uscc, self.consent_id)
        granted = self.less.of(asked.terms)
        await approve(
            tx,
            signatory,
            self.consent_id,
            wording=wording_of(hub.catalogue),
            levels=levels_of(hub.catalogue, asked.participant_class, granted),
            key=hub.keys["artefacts"],
            second_key=hub.sm2_key,
            at=hub.clock(),
            read=self.read,
            granted=granted,
            confirmed_by=confirmed_by,
        )

    async def told(self, tx: AsyncConnection, acting: Acting) -> dict[str, Any]:
        asked = await find_for_enterprise(tx, acting.session.signatory.uscc, self.consent_id)
        return _consent_told(acting.hub, asked.participant_name, self.less.of(asked.terms))


class Resume(msgspec.Struct, frozen=True, tag=True):
    consent_id: UUID

    @property
    def leads_to(self) -> str:
        return f"/portal/requests/{self.consent_id}"

    async def carry_out(self, tx: AsyncConnection, acting: Acting, confirmed_by: ConfirmedBy | None) -> None:
        hub, signatory = acting.hub, acting.session.signatory
        paused = await find_for_enterprise(tx, signatory.uscc, self.consent_id)
        await resume(
            tx,
            signatory,
            self.consent_id,
            reason="",
            at=hub.clock(),
            levels=levels_of(hub.catalogue, paused.participant_class, paused.terms),
            confirmed_by=confirmed_by,
        )

    async def told(self, tx: AsyncConnection, acting: Acting) -> dict[str, Any]:
        paused = await find_for_enterprise(tx, acting.session.signatory.uscc, self.consent_id)
        return _consent_told(acting.hub, paused.participant_name, paused.terms)


def _consent_told(hub: Hub, name: str, terms: ConsentTerms) -> dict[str, Any]:
    return {
        "participant_name": name,
        "purpose": purpose_of(hub.catalogue, terms.purpose),
        "titles": [title_of(hub.catalogue, dataset) for dataset in terms.datasets],
        "terms": terms,
    }


class Appoint(msgspec.Struct, frozen=True, tag=True):
    agent: str
    purposes: Sequence[str]
    datasets: Sequence[str]
    term_days: int
    valid_until: date
    """the last day, China's time"""

    leads_to = "/portal/agents"

    async def carry_out(self, tx: AsyncConnection, acting: Acting, confirmed_by: ConfirmedBy | None) -> None:
        hub = acting.hub
        await appoint(
            tx,
            acting.session.signatory,
            agent_subject=self.agent,
            purposes=self.purposes,
            datasets=self.datasets,
            term_days_max=self.term_days,
            valid_until=datetime.combine(self.valid_until + timedelta(days=1), time(), CHINA),
            key=hub.keys["artefacts"],
            at=hub.clock(),
            confirmed_by=confirmed_by,
        )

    async def told(self, tx: AsyncConnection, acting: Acting) -> dict[str, Any]:
        catalogue = acting.hub.catalogue
        people = {one.subject: one.name for one in await people_of(tx, acting.session.signatory.uscc)}
        return {
            "agent_name": people.get(self.agent, ""),
            "purposes": [purpose_of(catalogue, purpose) for purpose in self.purposes],
            "titles": [title_of(catalogue, dataset) for dataset in self.datasets],
            "term_days": self.term_days,
            "last_day": datetime.combine(self.valid_until, time(), CHINA),
        }


class NeedApprovals(msgspec.Struct, frozen=True, tag=True):
    needed: int
    purpose: str | None
    level_from: int | None

    leads_to = "/portal/agents"

    async def carry_out(self, tx: AsyncConnection, acting: Acting, confirmed_by: ConfirmedBy | None) -> None:
        await set_approvals_needed(
            tx,
            acting.session.signatory,
            purpose=self.purpose,
            level_from=self.level_from,
            needed=self.needed,
            at=acting.hub.clock(),
            confirmed_by=confirmed_by,
        )

    async def told(self, tx: AsyncConnection, acting: Acting) -> dict[str, Any]:
        return {
            "purpose": purpose_of(acting.hub.catalogue, self.purpose) if self.purpose else None,
            "needed": self.needed,
            "sensitive_only": self.level_from is not None,
        }


class Enrolment(msgspec.Struct, frozen=True):
    """A factor on its way: the person was proven, the device is still to show that it works."""

    kind: FactorKind
    factor_id: UUID
    confirmed_by: ConfirmedBy


class Enrol(msgspec.Struct, frozen=True, tag=True):
    kind: FactorKind
    ticket: str

    @property
    def leads_to(self) -> str:
        return f"/portal/devices/enrol/{self.ticket}"

    async def carry_out(self, tx: AsyncConnection, acting: Acting, confirmed_by: ConfirmedBy | None) -> None:
        proof = await must_manage(tx, acting.session.signatory, confirmed_by)
        enrolment = Enrolment(self.kind, new_id(), proof)
        await acting.kept.keep(acting.session, self.ticket, enrolment, ENROLMENT_SECONDS)

    async def told(self, tx: AsyncConnection, acting: Acting) -> dict[str, Any]:
        return {"factor_kind": self.kind}


class Remove(msgspec.Struct, frozen=True, tag=True):
    factor_id: UUID

    leads_to = "/portal/devices?done=removed"

    async def carry_out(self, tx: AsyncConnection, acting: Acting, confirmed_by: ConfirmedBy | None) -> None:
        """Also logs the person out everywhere else: who lost a device lost what was logged in with it."""
        await remove_factor(
            tx, acting.session.signatory, self.factor_id, confirmed_by=confirmed_by, at=acting.hub.clock()
        )
        await acting.kept.end_others(acting.session)

    async def told(self, tx: AsyncConnection, acting: Acting) -> dict[str, Any]:
        mine = {one.factor_id: one for one in await factors_of(tx, acting.session.signatory)}
        if self.factor_id not in mine:
            raise NotFound("factor_unknown", "there is no such factor of yours")
        return {"factor": mine[self.factor_id]}


Intent = Approve | Resume | Appoint | NeedApprovals | Enrol | Remove
