"""Operators of the console (三员): who they are, what each role may do, and what they did.

Nobody does another's work: the system administrator sees to the data, the security administrator to the rules, and
the audit administrator looks at what both did and changes nothing. An operator has one role for ever.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from sqlalchemy import Row, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as insert_if_new
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.models import operator_events, operators
from core.errors import Conflict, InvalidInput, NotFound

Role = Literal["system_admin", "security_admin", "audit_admin"]
ROLES: tuple[Role, ...] = get_args(Role)

Right = Literal[
    "see_quality",
    "fetch_corrections",
    "see_rules",
    "draft_rules",
    "approve_rules",
    "explain_decisions",
    "see_operators",
    "see_funnel",
    "see_notices",
    "handle_notices",
    "see_forms",
    "review_forms",
]

RIGHTS: dict[Role, frozenset[Right]] = {
    "system_admin": frozenset(
        {"see_quality", "fetch_corrections", "see_funnel", "see_notices", "handle_notices"}
    ),
    "security_admin": frozenset(
        {"see_rules", "draft_rules", "approve_rules", "explain_decisions", "see_forms", "review_forms"}
    ),
    "audit_admin": frozenset(
        {
            "see_quality",
            "see_rules",
            "explain_decisions",
            "see_operators",
            "see_funnel",
            "see_notices",
            "see_forms",
        }
    ),
}
"""``approve_rules`` is also activating and withdrawing; that the approver is not the drafter, the rule sets keep.
``fetch_corrections`` hands out rows as they were delivered, persons included: only who returns them to their owner.
``review_forms``: the security administrator decides what opens data, by rules and by forms (consent/signed_forms.py)."""

Verb = Literal[
    "add",
    "close",
    "code",
    "login",
    "login_refused",
    "logout",
    "corrections",
    "draft",
    "approve",
    "activate",
    "withdraw",
    "replay",
    "explain",
    "resend",
    "handled",
    "look_at_form",
    "find_form_good",
    "send_form_back",
]
VERBS: tuple[Verb, ...] = get_args(Verb)

NAME_CHARACTERS_MAX = 40
_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,39}")


@dataclass(frozen=True)
class Operator:
    operator_id: str
    name: str
    role: Role
    created_at: datetime
    closed_at: datetime | None

    def may(self, right: Right) -> bool:
        return self.closed_at is None and right in RIGHTS[self.role]


class OperatorEvent(NamedTuple):
    """``about``: the rule set, intake or decision that was dealt with, or empty."""

    number: int
    at: datetime
    operator_id: str
    verb: Verb
    about: str


async def add_operator(tx: AsyncConnection, operator_id: str, *, name: str, role: str, at: datetime) -> None:
    """Enter an operator. Raises `InvalidInput`, or `Conflict` for an id that was ever taken."""
    if not _ID.fullmatch(operator_id):
        raise InvalidInput("operator_id", "2 to 40 characters of a-z, 0-9 and -, not beginning with -")
    if role not in ROLES:
        raise InvalidInput("operator_role", f"a role is one of {', '.join(ROLES)}")
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not name.isprintable() or not 1 <= len(name) <= NAME_CHARACTERS_MAX:
        raise InvalidInput("operator_name", f"a name has 1 to {NAME_CHARACTERS_MAX} printable characters")
    entered = await tx.execute(
        insert_if_new(operators)
        .values(operator_id=operator_id, name=name, role=role, created_at=at)
        .on_conflict_do_nothing()
    )
    if entered.rowcount == 0:
        raise Conflict("operator_exists", f"{operator_id} is taken; an id is never given to anybody else")
    await note_deed(tx, operator_id, "add", role, at=at)


async def close_operator(tx: AsyncConnection, operator_id: str, *, at: datetime) -> None:
    """From the next click on, this operator may do nothing. Raises `NotFound`; closing twice is closing once."""
    await find_operator(tx, operator_id)
    closed = await tx.execute(
        update(operators)
        .where(operators.c.operator_id == operator_id, operators.c.closed_at.is_(None))
        .values(closed_at=at)
    )
    if closed.rowcount:
        await note_deed(tx, operator_id, "close", at=at)


async def find_operator(tx: AsyncConnection, operator_id: str) -> Operator:
    """Also a closed one. Raises `NotFound`."""
    row = (await tx.execute(select(operators).where(operators.c.operator_id == operator_id))).one_or_none()
    if row is None:
        raise NotFound("operator_unknown", f"there is no operator {operator_id}")
    return _operator(row)


async def list_operators(tx: AsyncConnection) -> Sequence[Operator]:
    return [_operator(row) for row in await tx.execute(select(operators).order_by(operators.c.operator_id))]


def _operator(row: Row[tuple[str, str, Role, datetime, datetime | None]]) -> Operator:
    return Operator(**row._mapping)


async def note_deed(
    tx: AsyncConnection, operator_id: str, verb: Verb, about: str = "", *, at: datetime
) -> None:
    """Append what an operator did, in the transaction in which it was done."""
    event = {"operator_id": operator_id, "verb": verb, "about": about, "at": at}
    await tx.execute(insert(operator_events).values(event))


async def has_done(tx: AsyncConnection, operator_id: str, verb: Verb, about: str) -> bool:
    """Whether the operator ever did that with this."""
    event = select(operator_events.c.number).where(
        operator_events.c.operator_id == operator_id,
        operator_events.c.verb == verb,
        operator_events.c.about == about,
    )
    return await tx.scalar(event.limit(1)) is not None


async def deeds(
    tx: AsyncConnection, *, operator_id: str | None = None, before: int | None = None, limit: int
) -> Sequence[OperatorEvent]:
    """What was done, the newest first: by all or by one, further back than the event ``before``."""
    columns = [operator_events.c[name] for name in OperatorEvent._fields]
    question = select(*columns).order_by(operator_events.c.number.desc()).limit(limit)
    if operator_id is not None:
        question = question.where(operator_events.c.operator_id == operator_id)
    if before is not None:
        question = question.where(operator_events.c.number < before)
    return [OperatorEvent(*row) for row in await tx.execute(question)]


async def note_refused_login(tx: AsyncConnection, operator_id: str, *, at: datetime) -> None:
    """Append a log-in that failed, if there is such an operator: one statement, whether there is or not."""
    columns = ("operator_id", "at", "verb", "about")
    known = select(operators.c.operator_id, literal(at), literal("login_refused"), literal("")).where(
        operators.c.operator_id == operator_id
    )
    await tx.execute(insert(operator_events).from_select(columns, known))
