"""Second factors: with what a person confirms, at the moment of a yes, that it is still the one who logged in.

Who enrolled one must use it for whatever lets data out or lets others do so; who has none says yes as before, but to
sensitive data only right after a log-in. A lost factor is replaced by a fresh log-in of the highest assurance, and
the enterprise sees that it happened ([decision 14](../docs/decisions/0014-who-said-yes-is-still-there.md)).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.enterprises import BANK_TRANSFER, Signatory
from consent.models import factor_events, factors
from consent.passkeys import Passkey, RelyingParty, credential_in
from consent.policies import ASSURANCE_MOST, assurance_of, is_sensitive
from consent.totp import SECRET_OCTETS, step_of
from core.errors import Conflict, NotFound, Refused
from core.identifiers import new_id
from core.master_secret import MasterSecret

FactorKind = Literal["totp", "passkey"]
ConfirmedBy = Literal["totp", "passkey", "fresh_login", "recovery"]
"""``recovery``: by a fresh log-in in the place of a factor that is there; it takes out and puts in factors only"""

FACTOR_KINDS: tuple[FactorKind, ...] = get_args(FactorKind)
FACTORS_MAX = 10
TRIES_MAX = 5
HELD_FOR = timedelta(minutes=15)
"""how long no code is taken after so many wrong ones: of a million codes, 3 are good at a time"""


@dataclass(frozen=True)
class Factor:
    factor_id: UUID
    kind: FactorKind
    name: str
    enrolled_at: datetime
    used_at: datetime | None
    credential_id: bytes | None


@dataclass(frozen=True)
class FactorChange:
    """For the enterprise to see: whose factor came or went, and what proved that it was its person."""

    at: datetime
    verb: str
    confirmed_by: ConfirmedBy
    person_name: str
    kind: FactorKind
    name: str


# --- what needs a confirmation ----------------------------------------------------------------------------------


async def must_confirm(
    tx: AsyncConnection,
    signatory: Signatory,
    confirmed_by: ConfirmedBy | None,
    *,
    levels: Collection[int] = (),
) -> None:
    """Before a person lets data of these levels out, or others do so. Raises `Refused`."""
    if confirmed_by in FACTOR_KINDS:
        return
    if confirmed_by == "recovery" or await factors_of(tx, signatory):
        raise Refused("confirmation_required", "who enrolled a second factor confirms with it")
    if is_sensitive(levels) and confirmed_by != "fresh_login":
        raise Refused("login_not_fresh", "sensitive data need a second factor or a fresh log-in")


async def must_manage(
    tx: AsyncConnection, signatory: Signatory, confirmed_by: ConfirmedBy | None
) -> ConfirmedBy:
    """Before a factor comes or goes: by a factor, or by a fresh log-in of the highest assurance. Raises `Refused`.

    Where a factor is there, the log-in itself must be so sure of the person: a bank transfer of last month does not
    say who is there today.
    """
    if confirmed_by in FACTOR_KINDS:
        return confirmed_by
    if confirmed_by != "recovery" and await factors_of(tx, signatory):
        raise Refused("confirmation_required", "who enrolled a second factor confirms with it")
    if confirmed_by is None:
        raise Refused("login_not_fresh", "it needs a fresh log-in")
    raised = confirmed_by == "recovery" and BANK_TRANSFER in signatory.proven_by.split("+")
    if raised or assurance_of(signatory.assurance) < ASSURANCE_MOST:
        raise Refused("assurance_too_low", "it needs a log-in of the highest assurance")
    return confirmed_by


# --- confirming -------------------------------------------------------------------------------------------------


async def confirm_by_code(
    tx: AsyncConnection, signatory: Signatory, code: str, *, master_secret: MasterSecret, at: datetime
) -> Literal["confirmed", "wrong", "held"]:
    """Whether the code of the authenticator app is good, once. Commit in any case: wrong tries are counted.

    After five wrong ones in a row no code is taken for a quarter of an hour (``held``).
    """
    row = await _lock(tx, _of(signatory) & (factors.c.kind == "totp"))
    if row is None:
        return "wrong"
    if row["held_until"] is not None and at < row["held_until"]:
        return "held"
    step = step_of(secret_of(row["factor_id"], master_secret), code, at)
    if step is None or step <= row["last_step"]:
        tries = row["tries"] + 1
        held = tries >= TRIES_MAX
        await _change(tx, row, tries=0 if held else tries, held_until=at + HELD_FOR if held else None)
        return "held" if held else "wrong"
    await _change(tx, row, last_step=step, tries=0, held_until=None, used_at=at)
    return "confirmed"


async def confirm_by_passkey(
    tx: AsyncConnection,
    signatory: Signatory,
    answer: str,
    *,
    party: RelyingParty,
    challenge: bytes,
    at: datetime,
) -> None:
    """Check the browser's answer to a challenge that the caller gave out once. Raises `Refused`."""
    row = await _lock(tx, _of(signatory) & (factors.c.credential_id == credential_in(answer)))
    if row is None:
        raise Refused("confirmation_failed", "this person has no such passkey", fault="passkey")
    passkey = Passkey(row["credential_id"], row["public_key"], row["sign_count"])
    await _change(tx, row, sign_count=party.used(challenge, answer, passkey), used_at=at)


def secret_of(factor_id: UUID, master_secret: MasterSecret) -> bytes:
    """What an authenticator app and the hub share. Derived, not stored: the database alone confirms nothing."""
    return master_secret.derive("totp", factor_id.hex)[:SECRET_OCTETS]


# --- enrolling and removing -------------------------------------------------------------------------------------


async def enrol_totp(
    tx: AsyncConnection,
    signatory: Signatory,
    factor_id: UUID,
    code: str,
    *,
    name: str,
    master_secret: MasterSecret,
    confirmed_by: ConfirmedBy,
    at: datetime,
) -> bool:
    """Keep the authenticator app if it shows a good code for the secret of ``factor_id``; False if not."""
    if any(factor.kind == "totp" for factor in await _before_another(tx, signatory)):
        raise Conflict("factor_exists", "one authenticator app for each person; remove the old one first")
    step = step_of(secret_of(factor_id, master_secret), code, at)
    if step is None:
        return False
    await _enrol(tx, signatory, factor_id, "totp", name, confirmed_by, at, last_step=step)
    return True


async def enrol_passkey(
    tx: AsyncConnection,
    signatory: Signatory,
    answer: str,
    *,
    party: RelyingParty,
    challenge: bytes,
    name: str,
    confirmed_by: ConfirmedBy,
    at: datetime,
) -> None:
    """Keep the passkey that the browser made for a challenge given out once. Raises `Refused`."""
    await _before_another(tx, signatory)
    made = party.made(challenge, answer)
    taken = select(factors.c.factor_id).where(factors.c.credential_id == made.credential_id, _live())
    if await tx.scalar(taken) is not None:
        raise Conflict("factor_exists", "this passkey is enrolled already")
    await _enrol(tx, signatory, new_id(), "passkey", name, confirmed_by, at, **made._asdict())


async def _before_another(tx: AsyncConnection, signatory: Signatory) -> Sequence[Factor]:
    """What the person has; whoever enrols for the same person at the same moment waits here."""
    person = f"factors {signatory.uscc} {signatory.subject}"
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(person, 0))))
    found = await factors_of(tx, signatory)
    if len(found) >= FACTORS_MAX:
        raise Conflict("factor_exists", f"at most {FACTORS_MAX} factors for each person")
    return found


async def _enrol(
    tx: AsyncConnection,
    signatory: Signatory,
    factor_id: UUID,
    kind: FactorKind,
    name: str,
    confirmed_by: ConfirmedBy,
    at: datetime,
    **columns: Any,
) -> None:
    proof = await must_manage(tx, signatory, confirmed_by)
    await tx.execute(
        insert(factors).values(
            factor_id=factor_id,
            uscc=signatory.uscc,
            subject=signatory.subject,
            kind=kind,
            name=name,
            enrolled_at=at,
            **columns,
        )
    )
    await _append(tx, signatory, factor_id, "enrol", proof, at)


async def remove_factor(
    tx: AsyncConnection,
    signatory: Signatory,
    factor_id: UUID,
    *,
    confirmed_by: ConfirmedBy | None,
    at: datetime,
) -> None:
    """From now on it confirms nothing. Raises `Refused`, or `NotFound` if it is not this person's."""
    proof = await must_manage(tx, signatory, confirmed_by)
    row = await _lock(tx, _of(signatory) & (factors.c.factor_id == factor_id))
    if row is None:
        raise NotFound("factor_unknown", "there is no such factor of yours")
    await _change(tx, row, removed_at=at)
    await _append(tx, signatory, factor_id, "remove", proof, at)


# --- looking ----------------------------------------------------------------------------------------------------


async def factors_of(tx: AsyncConnection, signatory: Signatory) -> Sequence[Factor]:
    """Those that confirm now, the oldest first."""
    columns = [factors.c[name] for name in Factor.__dataclass_fields__]
    rows = await tx.execute(
        select(*columns).where(_of(signatory)).order_by(factors.c.enrolled_at, factors.c.factor_id)
    )
    return [Factor(*row) for row in rows]


async def factor_changes(
    tx: AsyncConnection,
    uscc: str,
    *,
    subject: str | None = None,
    recovered_since: datetime | None = None,
    limit: int = 20,
) -> Sequence[FactorChange]:
    """What came and went in an enterprise, the newest first; of one person only; only what a fresh log-in replaced."""
    question = (
        select(
            factor_events.c.at,
            factor_events.c.verb,
            factor_events.c.confirmed_by,
            factor_events.c.person_name,
            factors.c.kind,
            factors.c.name,
        )
        .join(factors, factors.c.factor_id == factor_events.c.factor_id)
        .where(factor_events.c.uscc == uscc)
    )
    if subject is not None:
        question = question.where(factors.c.subject == subject)
    if recovered_since is not None:
        question = question.where(
            factor_events.c.confirmed_by == "recovery", factor_events.c.at >= recovered_since
        )
    rows = await tx.execute(question.order_by(factor_events.c.event_id.desc()).limit(limit))
    return [FactorChange(*row) for row in rows]


def _of(signatory: Signatory) -> ColumnElement[bool]:
    return (factors.c.uscc == signatory.uscc) & (factors.c.subject == signatory.subject) & _live()


def _live() -> ColumnElement[bool]:
    return factors.c.removed_at.is_(None)


async def _lock(tx: AsyncConnection, which: ColumnElement[bool]) -> RowMapping | None:
    return (await tx.execute(select(factors).where(which).with_for_update())).mappings().one_or_none()


async def _change(tx: AsyncConnection, row: RowMapping, **columns: Any) -> None:
    await tx.execute(update(factors).where(factors.c.factor_id == row["factor_id"]).values(**columns))


async def _append(
    tx: AsyncConnection,
    signatory: Signatory,
    factor_id: UUID,
    verb: str,
    confirmed_by: ConfirmedBy,
    at: datetime,
) -> None:
    await tx.execute(
        insert(factor_events).values(
            factor_id=factor_id,
            uscc=signatory.uscc,
            person_name=signatory.name,
            at=at,
            verb=verb,
            confirmed_by=confirmed_by,
        )
    )
