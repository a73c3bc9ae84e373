"""Proof by bank transfer (对公打款): who can read an amount in the enterprise's account is trusted more from then on.

A small random amount is sent to the enterprise's corporate account; the person who logged in types it. That raises the
assurance of this person for this enterprise to level 3 for a year (`vouched`); it is no log-in by itself. Three tries,
72 hours, once; a few transfers per enterprise and day. The amount is kept as an HMAC, the account as its last digits.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.enterprises import BANK_TRANSFER, Signatory
from consent.models import transfer_proofs
from consent.policies import assurance_of
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.identifiers import HALF_WIDTH, new_id

AMOUNT_FEN_MAX = 999
TRIES_MAX = 3
ANSWER_WITHIN = timedelta(hours=72)
TRANSFERS_PER_DAY = 3
TRANSFERS_PER_MONTH = 10
"""of one enterprise in 24 hours, in 30 days: with three tries each, guessing succeeds once in 33 months"""
GOOD_FOR = timedelta(days=365)
RAISED_TO = "urn:xinyi:loa:3"

TransferState = Literal["waiting", "proven", "returned", "spent", "lapsed", "over"]
"""``spent``: no tries left; ``lapsed``: not answered in time; ``over``: proven, more than a year ago"""

_ACCOUNT = re.compile(r"[0-9]{8,32}")
_AMOUNT = re.compile(r"([0-9]{1,4})(?:[.。]([0-9]{1,2}))?")


@dataclass(frozen=True)
class TransferProof:
    proof_id: UUID
    uscc: str
    subject: str
    person_name: str
    account_tail: str
    """last four digits"""
    ordered_at: datetime
    tries: int
    """wrong amounts"""
    returned_at: datetime | None
    proven_at: datetime | None

    def state_at(self, at: datetime) -> TransferState:
        if self.proven_at is not None:
            return "proven" if at < self.proven_at + GOOD_FOR else "over"
        if self.returned_at is not None:
            return "returned"
        if self.tries >= TRIES_MAX:
            return "spent"
        return "waiting" if at < self.answer_by else "lapsed"

    @property
    def answer_by(self) -> datetime:
        return self.ordered_at + ANSWER_WITHIN

    @property
    def good_until(self) -> datetime | None:
        return self.proven_at + GOOD_FOR if self.proven_at else None

    @property
    def tries_left(self) -> int:
        return TRIES_MAX - self.tries


def account_in(text: str) -> str:
    """The digits of an account number as people type it. Raises `InvalidInput`."""
    digits = re.sub(r"[\s-]", "", text.translate(HALF_WIDTH))
    if not _ACCOUNT.fullmatch(digits):
        raise InvalidInput("account_invalid", "an account number has 8 to 32 digits")
    return digits


def fen_in(text: str) -> int:
    """An amount in yuan as people type it, in fen. Raises `InvalidInput`."""
    typed = text.translate(HALF_WIDTH).strip().removesuffix("元").strip()
    found = _AMOUNT.fullmatch(typed.removeprefix("¥").removeprefix("￥").strip())
    if found is None:
        raise InvalidInput("amount_invalid", "an amount in yuan with at most two decimals")
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))


async def order_transfer(
    tx: AsyncConnection, signatory: Signatory, account: str, *, key: bytes, at: datetime
) -> tuple[TransferProof, int]:
    """Begin a proof: what is kept of it, and the amount in fen, which is to be sent and then forgotten.

    ``key``: of the HMAC. Raises `Conflict` while another one of this person waits, `Refused` beyond the limits.
    """
    # Whoever begins a proof for this enterprise at the same time waits here, so that the limits hold.
    await tx.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"transfer {signatory.uscc}", 0)))
    )
    earlier = await transfers_of(tx, signatory.uscc)
    if any(one.subject == signatory.subject and one.state_at(at) == "waiting" for one in earlier):
        raise Conflict("transfer_state", "another transfer of this person waits for its amount")
    for most, period in ((TRANSFERS_PER_DAY, timedelta(days=1)), (TRANSFERS_PER_MONTH, timedelta(days=30))):
        if sum(one.ordered_at > at - period for one in earlier) >= most:
            raise Refused("transfer_limit", "too many transfers to this enterprise")
    amount_fen = 1 + secrets.randbelow(AMOUNT_FEN_MAX)
    proof = TransferProof(
        new_id(), signatory.uscc, signatory.subject, signatory.name, account[-4:], at, 0, None, None
    )
    digest = _digest(key, proof.proof_id, amount_fen)
    await tx.execute(insert(transfer_proofs).values(**vars(proof), amount_digest=digest))
    return proof, amount_fen


async def answer_transfer(
    tx: AsyncConnection,
    signatory: Signatory,
    proof_id: UUID,
    amount_fen: int,
    *,
    key: bytes,
    at: datetime,
) -> TransferProof:
    """The person says the amount: proven, or one try less. The caller commits in both cases.

    Raises `NotFound` for another person's, `Conflict` for one that does not wait any more.
    """
    mine = (transfer_proofs.c.uscc == signatory.uscc, transfer_proofs.c.subject == signatory.subject)
    question = select(transfer_proofs).where(transfer_proofs.c.proof_id == proof_id, *mine).with_for_update()
    row = (await tx.execute(question)).mappings().one_or_none()
    if row is None:
        raise NotFound("transfer_unknown", "there is no such transfer of yours")
    proof = _proof(row)
    if proof.state_at(at) != "waiting":
        raise Conflict("transfer_state", f"it is {proof.state_at(at)}")
    if hmac.compare_digest(row["amount_digest"], _digest(key, proof_id, amount_fen)):
        proof = replace(proof, proven_at=at)
    else:
        proof = replace(proof, tries=proof.tries + 1)
    await tx.execute(
        update(transfer_proofs)
        .where(transfer_proofs.c.proof_id == proof_id)
        .values(proven_at=proof.proven_at, tries=proof.tries)
    )
    return proof


async def note_returned(tx: AsyncConnection, proof_id: UUID, at: datetime) -> None:
    """The bank did not take the transfer; one that is proven stays so."""
    await tx.execute(
        update(transfer_proofs)
        .where(
            transfer_proofs.c.proof_id == proof_id,
            transfer_proofs.c.proven_at.is_(None),
            transfer_proofs.c.returned_at.is_(None),
        )
        .values(returned_at=at)
    )


async def transfers_of(tx: AsyncConnection, uscc: str, *, limit: int = 100) -> Sequence[TransferProof]:
    """All of an enterprise, whoever began them, the newest first."""
    rows = await tx.execute(
        select(transfer_proofs)
        .where(transfer_proofs.c.uscc == uscc)
        .order_by(transfer_proofs.c.ordered_at.desc(), transfer_proofs.c.proof_id.desc())
        .limit(limit)
    )
    return [_proof(row) for row in rows.mappings()]


async def vouched(tx: AsyncConnection, signatory: Signatory, at: datetime) -> Signatory:
    """The same person, with the assurance that a proof of theirs has raised, if one is good now."""
    if assurance_of(signatory.assurance) >= assurance_of(RAISED_TO):
        return signatory
    proofs = await transfers_of(tx, signatory.uscc)
    if not any(one.subject == signatory.subject and one.state_at(at) == "proven" for one in proofs):
        return signatory
    return replace(signatory, assurance=RAISED_TO, proven_by=f"{signatory.proven_by}+{BANK_TRANSFER}")


def _digest(key: bytes, proof_id: UUID, amount_fen: int) -> bytes:
    return hmac.digest(key, f"{proof_id} {amount_fen}".encode(), hashlib.sha256)


def _proof(row: RowMapping) -> TransferProof:
    return TransferProof(**{name: row[name] for name in TransferProof.__dataclass_fields__})
