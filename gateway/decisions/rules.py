"""Which rules are in force: entered at the first start, taken up within seconds when another rule set is activated.
Which contracts there were before those of this release. And what a draft would have changed about recorded questions.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import cast

import structlog
from sqlalchemy.exc import SQLAlchemyError

from consent import classes_of
from core.clock import CHINA
from core.database import Database
from core.errors import HubError, InvalidInput
from datasets import (
    AskedAlike,
    Catalogue,
    Mode,
    Replay,
    RuleSet,
    RulesInForce,
    active_mark,
    earlier_contracts,
    enter_contracts,
    load_active,
    replay,
    seed_rule_sets,
)
from ledger import QuestionsAlike, questions_between

LOOK_EVERY_SECONDS = 2.0
REPLAY_DAYS_MAX = 3 * 366

log = structlog.stdlib.get_logger()


async def rules_at_start(database: Database, at: datetime) -> RulesInForce:
    """The active rules; on a new database those of this release. Raises `ContractError`, `Unavailable`."""
    async with database.transaction() as tx:
        different = await seed_rule_sets(tx, at=at)
        rules = await load_active(tx)
    if different:
        log.warning("rule_file_differs", rule_sets=different)
    return rules


async def contracts_at_start(database: Database, catalogue: Catalogue, at: datetime) -> Catalogue:
    """Keep the contracts of this release, and know those before them, by which older decisions are explained.

    Raises `ContractError` for a contract that was changed under its old version, `Unavailable`.
    """
    async with database.transaction() as tx:
        await enter_contracts(tx, catalogue.contracts.values(), at=at)
        earlier = await earlier_contracts(tx, catalogue.contracts)
    if earlier.unreadable:
        log.warning("contracts_not_understood", contracts=earlier.unreadable)
    return catalogue.after(earlier.contracts)


async def keep_current(
    database: Database,
    known: RulesInForce,
    take: Callable[[RulesInForce], Awaitable[None]],
    *,
    every_seconds: float = LOOK_EVERY_SECONDS,
) -> None:
    """Look again and again, without end, and hand over the rules whenever others have become active.

    What cannot be read (database away, rules that this program refuses) leaves the known ones in force: they were
    approved, and no question may be decided by half of something.
    """
    while True:
        await asyncio.sleep(every_seconds)
        try:
            known = await _look(database, known, take)
        except (HubError, SQLAlchemyError) as error:
            log.warning("rules_not_read", error=type(error).__name__, in_force=known.active.id)
        except Exception:  # a defect: the watch must not end unnoticed
            log.exception("rules_not_read", in_force=known.active.id)


async def _look(
    database: Database, known: RulesInForce, take: Callable[[RulesInForce], Awaitable[None]]
) -> RulesInForce:
    async with database.transaction() as tx:
        if await active_mark(tx) == known.mark:
            return known
        rules = await load_active(tx)
    await take(rules)
    log.info("rules_taken_up", rule_set=rules.active.id, before=known.active.id)
    return rules


async def replay_recorded(
    database: Database, catalogue: Catalogue, draft: RuleSet, first_day: date, last_day: date
) -> Replay:
    """Replay the questions recorded from the first to the last day (China's time, both included).

    ``catalogue`` is under the rules in force. The database counts the questions by kind, a month at a time.
    """
    if not 0 <= (last_day - first_day).days <= REPLAY_DAYS_MAX:
        raise InvalidInput("request_invalid", errors={"from": f"0 to {REPLAY_DAYS_MAX} days before `to`"})
    kinds: list[QuestionsAlike] = []
    for since, until in _months(first_day, last_day):
        async with database.transaction() as tx:
            kinds += await questions_between(tx, since, until)
    async with database.transaction() as tx:
        classes = await classes_of(tx, {kind.participant_id for kind in kinds})
    asked = [
        AskedAlike(
            participant_id=kind.participant_id,
            participant_class=classes.get(kind.participant_id, ""),
            dataset=kind.dataset,
            purpose=kind.purpose,
            mode=cast(Mode, kind.mode),
            view_id=kind.view_id,
            outcome=kind.outcome,
            reason=kind.reason,
            calls=kind.calls,
        )
        for kind in kinds
    ]
    return await asyncio.to_thread(replay, catalogue, draft, asked)


def _months(first_day: date, last_day: date) -> Iterator[tuple[datetime, datetime]]:
    """The period in pieces of a month at most, as instants: from, and before."""
    begins = first_day
    while begins <= last_day:
        next_month = (begins.replace(day=1) + timedelta(days=32)).replace(day=1)
        ends = min(next_month, last_day + timedelta(days=1))
        yield _midnight(begins), _midnight(ends)
        begins = ends


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CHINA)
