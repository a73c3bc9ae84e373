"""The enterprise's yes: all that was asked or less, by one person or by as many as the enterprise wants.

Everything that makes a yes good is judged in one transaction with the consent locked: the state, the mandate of an
agent, the assurance of the log-in, the number of distinct persons. Earlier approvals are judged again at the last
step, so that one whose mandate has ended since does not count.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from joserfc.jwk import ECKey
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.artefact import Approval, Artefact, Wording, digest_of, sentences_of, sign_artefact
from consent.enterprises import Signatory
from consent.factors import ConfirmedBy, must_confirm
from consent.life import (
    Consent,
    actor_of,
    columns_of,
    consent_of,
    find,
    is_,
    move,
    stored_consents,
    terms_as_json,
)
from consent.mandates import authority_of, live_mandates, must_represent
from consent.models import approval_rules, consent_approvals, consent_artefacts, consents
from consent.policies import ConsentTerms, assurance_needed, assurance_of, next_state
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.sm2 import SM2Key

APPROVALS_MAX = 5


class ApprovalRule(NamedTuple):
    """How many persons must agree. None: for every purpose, for data of every level."""

    purpose: str | None
    level_from: int | None
    needed: int


class Yes(NamedTuple):
    """All that the approvals of one consent say up to now. ``mandates``: those they rest on, as JSON."""

    consent: Consent
    terms: ConsentTerms
    approvals: Sequence[Approval]
    mandates: Mapping[UUID, Mapping[str, Any]]
    needed: int


async def approve(
    tx: AsyncConnection,
    signatory: Signatory,
    consent_id: UUID,
    *,
    wording: Wording,
    levels: Collection[int],
    key: ECKey,
    second_key: SM2Key | None = None,
    at: datetime,
    granted: ConsentTerms | None = None,
    read: str | None = None,
    confirmed_by: ConfirmedBy | None = None,
) -> Consent:
    """One person says yes; with the last one that is needed the consent is active and its artefact signed.

    ``levels``: of the fields that will leave. ``granted``: less than what was asked. ``read``: `digest_of` the
    sentences that were on the page. ``confirmed_by``: how the person proved, just now, that it is still there.
    ``second_key``: for a second signature of the artefact. A running consent that this one amends ends in the same
    transaction. Raises `Refused`, `Conflict`, or `InvalidInput` for more than was asked.
    """
    consent, replaced = await _lock_both(tx, signatory.uscc, consent_id, at)
    terms = _terms_granted(consent, granted, at)
    sentences = sentences_of(consent, wording, granted=terms, replaced=replaced)
    if read is not None and read != digest_of(sentences):
        raise Refused("form_expired", "the sentences to sign have changed since the page was shown")
    yes = await _add_approval(tx, consent, terms, signatory, levels, confirmed_by, at)
    changed = {}
    if terms != consent.terms:
        changed = {**columns_of(terms), "asked": terms_as_json(consent.terms)}
    if len(yes.approvals) < yes.needed:
        await move(
            tx, consent, "approve_in_part", actor=actor_of(signatory), at=at, facts=_facts(yes), **changed
        )
    else:
        await _complete(tx, yes, replaced, signatory, sentences, (key, second_key), at, changed)
    return await find(tx, stored_consents().where(is_(consent_id)))


async def _complete(
    tx: AsyncConnection,
    yes: Yes,
    replaced: Consent | None,
    signatory: Signatory,
    sentences: Sequence[str],
    keys: tuple[ECKey, SM2Key | None],
    at: datetime,
    changed: Mapping[str, Any],
) -> None:
    """The last yes: sign the artefact, begin this consent, end the one that it replaces."""
    consent_id, actor = yes.consent.consent_id, actor_of(signatory)
    valid_until = at + timedelta(days=yes.terms.term_days)
    artefact = sign_artefact(
        yes.consent,
        yes.terms,
        sentences=sentences,
        enterprise_name=signatory.enterprise_name,
        approvals=yes.approvals,
        mandates=yes.mandates,
        replaced=replaced,
        valid_from=at,
        valid_until=valid_until,
        key=keys[0],
        second_key=keys[1],
    )
    facts = _facts(yes)
    if replaced is not None:
        facts["supersedes"] = str(replaced.consent_id)
        await move(tx, replaced, "supersede", actor=actor, at=at, facts={"superseded_by": str(consent_id)})
    await move(
        tx,
        yes.consent,
        "approve",
        actor=actor,
        at=at,
        facts=facts,
        **{**changed, "valid_from": at, "valid_until": valid_until},
    )
    await store_artefact(tx, consent_id, artefact, at)


async def store_artefact(tx: AsyncConnection, consent_id: UUID, artefact: Artefact, at: datetime) -> None:
    await tx.execute(insert(consent_artefacts).values(consent_id=consent_id, signed_at=at, **vars(artefact)))


def _facts(yes: Yes) -> dict[str, Any]:
    """For the event: who counts, and what was granted of what was asked."""
    facts: dict[str, Any] = {"approvals": len(yes.approvals), "needed": yes.needed}
    asked = yes.consent.asked or yes.consent.terms
    if yes.terms != asked:
        facts |= {"asked": terms_as_json(asked), "granted": terms_as_json(yes.terms)}
    return facts


async def _lock_both(
    tx: AsyncConnection, uscc: str, consent_id: UUID, at: datetime
) -> tuple[Consent, Consent | None]:
    """The consent, and the one that it replaces if that still runs; in order of id, as the ledger locks them."""
    mine = consents.c.uscc == uscc
    earlier = await tx.scalar(select(consents.c.supersedes).where(is_(consent_id), mine))
    ids = [one for one in (consent_id, earlier) if one is not None]
    rows = await tx.execute(
        stored_consents()
        .where(consents.c.consent_id.in_(ids), mine)
        .order_by(consents.c.consent_id)
        .with_for_update(of=consents)
    )
    found = {consent.consent_id: consent for consent in map(consent_of, rows.mappings())}
    if consent_id not in found:
        raise NotFound("consent_unknown", "there is no such consent of yours")
    return found[consent_id], _if_running(found.get(earlier) if earlier else None, at)


async def replaced_by(tx: AsyncConnection, consent: Consent, at: datetime) -> Consent | None:
    """The running consent that ends when this one is approved: what the amendment is to be compared with."""
    if consent.supersedes is None:
        return None
    return _if_running(await find(tx, stored_consents().where(is_(consent.supersedes))), at)


def _if_running(consent: Consent | None, at: datetime) -> Consent | None:
    return consent if consent and consent.runs and consent.state_at(at) != "expired" else None


def _terms_granted(consent: Consent, granted: ConsentTerms | None, at: datetime) -> ConsentTerms:
    if consent.state_at(at) == "expired":
        raise Conflict(
            "consent_state", "the request was not answered in time", state="expired", verb="approve"
        )
    next_state(consent.state, "approve")
    terms = granted or consent.terms
    if not terms.within(consent.terms):
        raise InvalidInput("granted_more", "more than what was asked cannot be granted")
    if consent.state == "partially_approved" and terms != consent.terms:
        # Who agreed before agreed to these very sentences.
        raise InvalidInput("granted_more", "what the first person agreed to can be agreed to or rejected")
    return terms


async def _add_approval(
    tx: AsyncConnection,
    consent: Consent,
    terms: ConsentTerms,
    signatory: Signatory,
    levels: Collection[int],
    confirmed_by: ConfirmedBy | None,
    at: datetime,
) -> Yes:
    mandate = await authority_of(tx, signatory, terms, at)
    if assurance_of(signatory.assurance) < assurance_needed(levels):
        raise Refused("assurance_too_low", "data of these levels needs a stronger log-in")
    approvals, mandates = await approvals_that_count(tx, consent, terms, at)
    if signatory.subject in {one.subject for one in approvals}:
        raise Conflict(
            "consent_state", "this person agreed before", state=consent.state, verb="approve_in_part"
        )
    await must_confirm(tx, signatory, confirmed_by, levels=levels)
    if mandate is not None:
        mandates[mandate.mandate_id] = mandate.as_json()
    mine = Approval(
        subject=signatory.subject,
        name=signatory.name,
        role=signatory.role,
        assurance=signatory.assurance,
        mandate_id=mandate.mandate_id if mandate else None,
        at=at,
        confirmed_by=confirmed_by,
        proven_by=signatory.proven_by,
    )
    await tx.execute(insert(consent_approvals).values(consent_id=consent.consent_id, **vars(mine)))
    needed = await approvals_needed(tx, consent.terms.uscc, terms.purpose, levels)
    return Yes(consent, terms, [*approvals, mine], mandates, needed)


async def approvals_that_count(
    tx: AsyncConnection, consent: Consent, terms: ConsentTerms, at: datetime
) -> tuple[Sequence[Approval], dict[UUID, Mapping[str, Any]]]:
    """Every yes to ``terms`` that holds now, an agent's as long as its mandate lives; and those mandates, as JSON."""
    approvals = await approvals_of(tx, consent.consent_id)
    living = await live_mandates(tx, consent.terms.uscc, [one.subject for one in approvals], at)
    mandates: dict[UUID, Mapping[str, Any]] = {
        one.mandate_id: one.as_json() for one in living if one.covers(terms)
    }
    return [one for one in approvals if one.mandate_id is None or one.mandate_id in mandates], mandates


async def approvals_of(tx: AsyncConnection, consent_id: UUID) -> Sequence[Approval]:
    """Every yes to this consent, the first one first, whether or not it still counts."""
    columns = [consent_approvals.c[name] for name in Approval.__dataclass_fields__]
    rows = await tx.execute(
        select(*columns)
        .where(consent_approvals.c.consent_id == consent_id)
        .order_by(consent_approvals.c.approval_id)
    )
    return [Approval(*row) for row in rows]


async def set_approvals_needed(
    tx: AsyncConnection,
    signatory: Signatory,
    *,
    purpose: str | None = None,
    level_from: int | None = None,
    needed: int,
    at: datetime,
    confirmed_by: ConfirmedBy | None = None,
) -> None:
    """From now on so many distinct persons must agree; by the legal representative, every setting is kept."""
    must_represent(signatory)
    if not 1 <= needed <= APPROVALS_MAX or level_from not in (None, 1, 2, 3, 4, 5):
        raise InvalidInput("approvals_needed", f"1 to {APPROVALS_MAX} persons, for data from level 1 to 5")
    await must_confirm(tx, signatory, confirmed_by)
    await tx.execute(
        insert(approval_rules).values(
            uscc=signatory.uscc,
            purpose=purpose,
            level_from=level_from,
            needed=needed,
            set_by=signatory.subject,
            set_at=at,
        )
    )


async def approval_rules_of(tx: AsyncConnection, uscc: str) -> Sequence[ApprovalRule]:
    """What holds now: of each purpose and level the newest setting."""
    rows = await tx.execute(
        select(approval_rules.c.purpose, approval_rules.c.level_from, approval_rules.c.needed)
        .where(approval_rules.c.uscc == uscc)
        .order_by(approval_rules.c.rule_id)
    )
    newest = {(row[0], row[1]): ApprovalRule(*row) for row in rows}
    return list(newest.values())


async def approvals_needed(tx: AsyncConnection, uscc: str, purpose: str, levels: Collection[int]) -> int:
    """How many persons must agree to data of these levels for this purpose: the strictest setting that applies."""
    highest = max(levels, default=1)
    applying = [
        rule.needed
        for rule in await approval_rules_of(tx, uscc)
        if rule.purpose in (None, purpose) and (rule.level_from is None or rule.level_from <= highest)
    ]
    return max(applying, default=1)
