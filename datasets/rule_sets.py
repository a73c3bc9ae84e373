"""The life of a rule set: drafted by one person, approved by another, active, retired.

Rule sets live in the table ``rule_sets``; the files under `rules/` are what a release brings along. The text of a
rule set never changes once it is drafted, because decisions refer to it by its id: whoever wants another text drafts
another id. One rule set at most is active. That the approver is not the drafter, that the text stays, and that one
at most is active, the database keeps as well (migration 0005).

Every function works inside the caller's transaction. What changes something takes one lock for all rule sets, so
that two who decide at the same time do so one after the other, and appends one event with actor and reason.
"""

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import Conflict, InvalidInput, NotFound, Refused
from datasets.catalogue import RULES
from datasets.contract import ContractError
from datasets.models import rule_set_events, rule_sets
from datasets.sharing import RuleSet, rule_set_from

RuleSetState = Literal["draft", "approved", "active", "retired"]
RuleSetVerb = Literal["approve", "activate", "withdraw"]

TRANSITIONS: dict[RuleSetState, dict[RuleSetVerb, RuleSetState]] = {
    "draft": {"approve": "approved", "withdraw": "retired"},
    "approved": {"activate": "active", "withdraw": "retired"},
    "active": {},
    "retired": {"activate": "active"},
}
"""What a person may do. An active rule set is retired by activating another one; a retired one may be taken up
again if it was active before (the way back when a new one turns out wrong)."""

SEED, RELEASE = "seed", "release"
"""the actors of what the hub enters by itself, from the files that a release brings"""

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_ONE_AT_A_TIME = 7_302_027  # advisory lock, until the end of the transaction
_ACTOR_CHARACTERS_MAX = 100


@dataclass(frozen=True)
class StoredRuleSet:
    """A rule set and how far it has come."""

    rule_set: RuleSet
    toml: str
    state: RuleSetState
    drafted_by: str
    drafted_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    activated_by: str | None
    activated_at: datetime | None
    retired_at: datetime | None

    @property
    def id(self) -> str:
        return self.rule_set.id


class RuleSetEvent(NamedTuple):
    number: int
    at: datetime
    verb: str
    from_state: str | None
    to_state: str
    actor: str
    reason: str


@dataclass(frozen=True)
class RulesInForce:
    """The active rule set, and those that were active before it: their decisions must stay explainable.

    ``mark`` is another one as soon as another rule set has become active.
    """

    active: RuleSet
    earlier: tuple[RuleSet, ...]
    mark: str


def read_rule_set(toml: str) -> RuleSet:
    """Parse and check the text of a rule set. Raises `ContractError` with file, rule and reason."""
    try:
        data = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise ContractError("rule set", None, f"cannot be read: {error}") from error
    file = f"{data.get('id', 'rule-set')}.toml"
    rule_set = rule_set_from(data, file=file, digest=sha256(toml.encode()).hexdigest())
    if not _ID.fullmatch(rule_set.id):
        raise ContractError(file, None, "an id has 1 to 40 characters of a-z, 0-9 and . _ -")
    return rule_set


# --- changes
# ---------------------------------------------------------------------------------------------------


async def draft_rule_set(tx: AsyncConnection, toml: str, *, by: str, at: datetime) -> StoredRuleSet:
    """Put a new rule set beside the others, without effect. The same text again finds what was drafted.

    Raises `ContractError` for rules that contradict themselves, `Conflict` for an id that has another text.
    """
    await _lock(tx)
    rule_set = read_rule_set(toml)
    known = await tx.scalar(select(rule_sets.c.toml).where(rule_sets.c.rule_set_id == rule_set.id))
    if known is None:
        await _enter(tx, toml, rule_set, actor=_actor(by), at=at)
    elif known != toml:
        raise Conflict("rule_set_exists", f"{rule_set.id} has another text already; give the draft a new id")
    return await find_rule_set(tx, rule_set.id)


async def approve_rule_set(
    tx: AsyncConnection, rule_set_id: str, *, by: str, at: datetime, reason: str = ""
) -> StoredRuleSet:
    """Another person than the drafter says that these rules are right. Raises `Refused` for the drafter."""
    approver = _actor(by)
    found = await _locked(tx, rule_set_id, "approve")
    if approver.casefold() == found.drafted_by.casefold():
        raise Refused("rule_set_own_draft", "whoever drafted a rule set cannot approve it")
    await _move(
        tx, found, "approve", actor=approver, at=at, reason=reason, approved_by=approver, approved_at=at
    )
    return await find_rule_set(tx, rule_set_id)


async def activate_rule_set(
    tx: AsyncConnection, rule_set_id: str, *, by: str, at: datetime, reason: str = ""
) -> StoredRuleSet:
    """Let an approved rule set decide from now on; the one that did so far is retired in the same transaction."""
    actor = _actor(by)
    found = await _locked(tx, rule_set_id, "activate")
    if found.state == "retired" and found.activated_at is None:
        raise Conflict("rule_set_state", f"{rule_set_id} was withdrawn; draft it anew under another id")
    before = await _one(tx, _stored().where(rule_sets.c.state == "active"))
    if before is not None:
        await _set_state(tx, before.id, "retired", retired_at=at)
        await _append(
            tx, before, "retire", "retired", actor=actor, at=at, reason=f"{rule_set_id} took its place"
        )
    await _move(
        tx,
        found,
        "activate",
        actor=actor,
        at=at,
        reason=reason,
        activated_by=actor,
        activated_at=at,
        retired_at=None,
    )
    return await find_rule_set(tx, rule_set_id)


async def withdraw_rule_set(
    tx: AsyncConnection, rule_set_id: str, *, by: str, at: datetime, reason: str
) -> StoredRuleSet:
    """Give up a rule set that never became active."""
    actor = _actor(by)
    found = await _locked(tx, rule_set_id, "withdraw")
    await _move(tx, found, "withdraw", actor=actor, at=at, reason=reason, retired_at=at)
    return await find_rule_set(tx, rule_set_id)


async def seed_rule_sets(tx: AsyncConnection, *, at: datetime, folder: Path = RULES) -> tuple[str, ...]:
    """Enter the rule files of this release: at first the newest as the active one, later new ones as drafts.

    Returns the ids of files that differ from what is stored under their id; the stored text counts. Safe to call
    at every start, by many processes at once. Raises `ContractError`.
    """
    texts = {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.toml"))}
    stored = await _texts(tx)
    if not texts.keys() <= stored.keys():
        await _lock(tx)
        stored = await _texts(tx)
        newest = max(texts) if not stored else None
        for rule_set_id in sorted(texts.keys() - stored.keys()):
            await _seed_one(tx, texts[rule_set_id], newest=newest, at=at)
    return tuple(sorted(name for name, toml in texts.items() if stored.get(name, toml) != toml))


async def _seed_one(tx: AsyncConnection, toml: str, *, newest: str | None, at: datetime) -> None:
    """``newest`` None: the hub has its rules already, so this one is a proposal like any other."""
    rule_set = read_rule_set(toml)
    if newest is None:
        await _enter(tx, toml, rule_set, actor=RELEASE, at=at)
        return
    # Older files were in force before there was this table: they count as having been active.
    state: RuleSetState = "active" if rule_set.id == newest else "retired"
    done: dict[str, Any] = {
        "approved_by": RELEASE,
        "approved_at": at,
        "activated_by": RELEASE,
        "activated_at": at,
    }
    done["retired_at"] = None if state == "active" else at
    await _enter(tx, toml, rule_set, actor=SEED, at=at, state=state, **done)


async def _enter(
    tx: AsyncConnection,
    toml: str,
    rule_set: RuleSet,
    *,
    actor: str,
    at: datetime,
    state: RuleSetState = "draft",
    **done: Any,
) -> None:
    values = {
        "rule_set_id": rule_set.id,
        "toml": toml,
        "digest": bytes.fromhex(rule_set.digest),
        "state": state,
    }
    await tx.execute(insert(rule_sets).values(**values, drafted_by=actor, drafted_at=at, **done))
    verb = "draft" if state == "draft" else "seed"
    event = {"number": 1, "at": at, "verb": verb, "from_state": None, "to_state": state, "actor": actor}
    await tx.execute(insert(rule_set_events).values(rule_set_id=rule_set.id, reason="", **event))


async def _locked(tx: AsyncConnection, rule_set_id: str, verb: RuleSetVerb) -> StoredRuleSet:
    """The rule set, if that may be done with it now. Raises `NotFound`, `Conflict`."""
    await _lock(tx)
    found = await find_rule_set(tx, rule_set_id)
    if verb not in TRANSITIONS[found.state]:
        raise Conflict("rule_set_state", f"{rule_set_id} is {found.state}: it cannot {verb} now")
    return found


async def _move(
    tx: AsyncConnection,
    found: StoredRuleSet,
    verb: RuleSetVerb,
    *,
    actor: str,
    at: datetime,
    reason: str,
    **values: Any,
) -> None:
    to_state = TRANSITIONS[found.state][verb]
    await _set_state(tx, found.id, to_state, **values)
    await _append(tx, found, verb, to_state, actor=actor, at=at, reason=reason)


async def _set_state(tx: AsyncConnection, rule_set_id: str, state: RuleSetState, **values: Any) -> None:
    await tx.execute(
        update(rule_sets).where(rule_sets.c.rule_set_id == rule_set_id).values(state=state, **values)
    )


async def _append(
    tx: AsyncConnection,
    found: StoredRuleSet,
    verb: str,
    to_state: RuleSetState,
    *,
    actor: str,
    at: datetime,
    reason: str,
) -> None:
    number = (
        select(func.coalesce(func.max(rule_set_events.c.number), 0) + 1)
        .where(rule_set_events.c.rule_set_id == found.id)
        .scalar_subquery()
    )
    event = {"at": at, "verb": verb, "from_state": found.state, "to_state": to_state, "actor": actor}
    await tx.execute(
        insert(rule_set_events).values(rule_set_id=found.id, number=number, reason=reason, **event)
    )


async def _lock(tx: AsyncConnection) -> None:
    await tx.execute(select(func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))


def _actor(by: str) -> str:
    """A person's name in one spelling, so that nobody is two persons. Raises `InvalidInput`."""
    name = " ".join(unicodedata.normalize("NFKC", by).split())
    if not name or len(name) > _ACTOR_CHARACTERS_MAX or not name.isprintable():
        raise InvalidInput("actor_missing", f"say who does it, in 1 to {_ACTOR_CHARACTERS_MAX} characters")
    return name


# --- look-ups
# ---------------------------------------------------------------------------------------------------


async def load_active(tx: AsyncConnection) -> RulesInForce:
    """The rules that decide now. Raises `NotFound` before `seed_rule_sets` has run, `ContractError`."""
    once_active = _stored().where(rule_sets.c.activated_at.is_not(None)).order_by(rule_sets.c.activated_at)
    found = [_stored_from(row) for row in await tx.execute(once_active)]
    active = next((stored for stored in found if stored.state == "active"), None)
    if active is None:
        raise NotFound("rule_set_unknown", "no rule set is active")
    earlier = tuple(stored.rule_set for stored in found if stored is not active)
    return RulesInForce(active.rule_set, earlier, _mark(active.id, active.activated_at))


async def active_mark(tx: AsyncConnection) -> str | None:
    """`RulesInForce.mark` as it would be now: one index look-up, to ask every few seconds."""
    row = (
        await tx.execute(
            select(rule_sets.c.rule_set_id, rule_sets.c.activated_at).where(rule_sets.c.state == "active")
        )
    ).one_or_none()
    return _mark(row.rule_set_id, row.activated_at) if row else None


def _mark(rule_set_id: str, activated_at: datetime | None) -> str:
    assert activated_at is not None, "an active rule set was activated"
    return f"{rule_set_id} since {activated_at.isoformat()}"


async def find_rule_set(tx: AsyncConnection, rule_set_id: str) -> StoredRuleSet:
    """Raises `NotFound`."""
    found = await _one(tx, _stored().where(rule_sets.c.rule_set_id == rule_set_id))
    if found is None:
        raise NotFound("rule_set_unknown", f"there is no rule set {rule_set_id}")
    return found


async def list_rule_sets(tx: AsyncConnection) -> Sequence[StoredRuleSet]:
    """All of them, the newest draft first."""
    rows = await tx.execute(_stored().order_by(rule_sets.c.drafted_at.desc(), rule_sets.c.rule_set_id.desc()))
    return [_stored_from(row) for row in rows]


async def events_of_rule_set(tx: AsyncConnection, rule_set_id: str) -> Sequence[RuleSetEvent]:
    """What was done with it, in order."""
    columns = [rule_set_events.c[name] for name in RuleSetEvent._fields]
    rows = await tx.execute(
        select(*columns)
        .where(rule_set_events.c.rule_set_id == rule_set_id)
        .order_by(rule_set_events.c.number)
    )
    return [RuleSetEvent(*row) for row in rows]


async def _texts(tx: AsyncConnection) -> dict[str, str]:
    rows = await tx.execute(select(rule_sets.c.rule_set_id, rule_sets.c.toml))
    return {row.rule_set_id: row.toml for row in rows}


_FACTS = StoredRuleSet.__dataclass_fields__.keys() - {"rule_set"}


def _stored() -> Select[Any]:
    return select(*(rule_sets.c[name] for name in _FACTS))


def _stored_from(row: Row[Any]) -> StoredRuleSet:
    return StoredRuleSet(rule_set=read_rule_set(row.toml), **row._mapping)


async def _one(tx: AsyncConnection, question: Select[Any]) -> StoredRuleSet | None:
    row = (await tx.execute(question)).one_or_none()
    return _stored_from(row) if row else None
