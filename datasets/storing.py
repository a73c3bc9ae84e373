"""One batch of an intake → one transaction: its rows, their account, and what follows from both."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import compress
from typing import cast

import asyncpg

from datasets.batches import (
    COPY_BEGIN,
    COPY_COLUMNS,
    COPY_END,
    NO_MARK,
    Batch,
    Encoder,
    Quarantined,
    body_in,
    digest_in,
    encoded_mark,
    quarantined,
)
from datasets.cleaning import Fault
from datasets.contract import Contract
from datasets.enterprise_keys import REGISTRATION, forget, know, resolve
from datasets.id_sets import IdSet
from datasets.judging import Current, judge
from datasets.shelf import Connection

ATTEMPTS = 5
Key = tuple[str, str]

_HINTS = {
    "conflicting_duplicate": "同一文件里前面已有主键相同、内容不同的一行；请核对后只报一行",
    "older_than_stored": "库中已有数据日期更晚、内容不同的记录；如需更正，请按当前日期重新报送",
    "not_quarantined": "_line 列的行号在被更正的那次接收里没有疑问数据；请不要改动 _line 列",
}


class _Overtaken(Exception):
    """A record changed between being judged and being superseded: somebody marked it, say."""


@dataclass(slots=True)
class _Plan:
    """What becomes of a batch.

    ``rows``: new versions in the form of COPY, without their marks, which ``marks`` has by position; ``usccs``: whose
    they are. ``confirmed``: records met unchanged; ``withdrawn``: records without successor.
    """

    accepted: int = 0
    unchanged: int = 0
    superseded: int = 0
    filled: int = 0
    rows: list[bytes] = field(default_factory=list)
    usccs: list[str] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    replaced: list[int] = field(default_factory=list)
    withdrawn: list[tuple[Key, int]] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    corrected: list[int] = field(default_factory=list)

    @property
    def taken(self) -> int:
        return self.accepted + self.unchanged + self.superseded


@dataclass(slots=True)
class Storing:
    """The part of an intake that speaks to the database. ``delivered``: the day for which the file was drawn.

    ``absent``: fields for which the file has no column. What earlier rows of the file have established is known by
    the intake that wrote the current version, or from ``met``.
    """

    connection: Connection
    contract: Contract
    intake_id: int
    encoder: Encoder
    delivered: date
    absent: frozenset[str]
    corrects: int | None
    withdraws: bool
    met: IdSet = field(default_factory=IdSet)
    _delivery_days: dict[int, date] = field(default_factory=dict)
    _all_new: bool = False

    async def store(self, batch: Batch) -> None:
        """Everything of the batch or nothing. Done again if another process changed one of its records meanwhile.

        After a batch of wholly new records the next is taken for one as well and stored without a look at what is
        there: the unique index of the current versions knows better, and then it is done again with a look.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self.connection.transaction():
                    plan = await self._plan(batch, look=attempt > 1 or not self._all_new)
                    await self._carry_out(plan, batch)
            except (_Overtaken, asyncpg.UniqueViolationError):
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(0.02 * (attempt - 1))
            else:
                self.met.update(plan.confirmed)
                self._all_new = not self.withdraws and plan.accepted == len(batch.usccs) > 0
                return

    async def replay(self, batch: Batch) -> None:
        """Rows that an interrupted attempt has stored: learn again which records they met."""
        async with self.connection.transaction(readonly=True):
            self.met.update((await self._plan(batch, look=True)).confirmed)

    # --- judging

    async def _plan(self, batch: Batch, *, look: bool) -> _Plan:
        # Planned anew each time: the tables grow under a long intake, a plan made when they were empty would scan.
        await self.connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        usccs, unresolved = await self._resolved(batch)
        correctable = await self._correctable(batch)
        current = await self._current(batch, usccs) if look else {}
        if not current and self._is_plain(batch):
            usccs = cast("list[str]", usccs)
            return _Plan(accepted=len(usccs), filled=sum(batch.filled), rows=batch.encoded, usccs=usccs)
        plan = _Plan()
        for position, (uscc, part) in enumerate(zip(usccs, batch.parts, strict=True)):
            fault = unresolved.get(position)
            line = batch.corrected.get(position)
            if fault is None and correctable is not None and line not in correctable:
                fault = Fault("not_quarantined", None, _HINTS["not_quarantined"])
            if fault is None and uscc is not None:
                fault = self._judge(plan, batch, position, (uscc, part), current)
            if fault is not None:
                line_number, original = batch.line_numbers[position], batch.originals[position]
                plan.quarantined.append(quarantined(line_number, original, [fault], line))
                continue
            plan.filled += batch.filled[position]
            if line is not None:
                plan.corrected.append(line)
        return plan

    def _is_plain(self, batch: Batch) -> bool:
        """Whether every row of a batch of which nothing is stored is simply new."""
        distinct = len(set(zip(batch.usccs, batch.parts, strict=True))) == len(batch.usccs)
        return distinct and not (batch.known_by or batch.corrected or self.corrects or self.withdraws)

    def _judge(
        self, plan: _Plan, batch: Batch, position: int, key: Key, current: dict[Key, Current]
    ) -> Fault | None:
        """Enter one row into the plan, or say why it cannot be taken."""
        now = current.get(key)
        if self.withdraws:
            return self._withdraw(plan, key, now, current)
        row, as_of = batch.encoded[position], batch.days[position]
        body, digest = body_in(row), digest_in(row)
        outcome, write = judge(now, body, digest, as_of, self.delivered, self.absent)
        if outcome == "accepted":
            plan.accepted += 1
        elif outcome == "superseding":
            plan.superseded += 1
        elif outcome == "unchanged":
            plan.unchanged += 1
        else:
            return Fault(outcome, None, _HINTS[outcome])
        if write is not None:
            if write is not body or position in batch.known_by:
                row = self.encoder.encode(*key, write, as_of)
            mark = now.mark if now else None
            if mark is not None:
                plan.marks[len(plan.rows)] = mark
            plan.rows.append(row)
            plan.usccs.append(key[0])
            current[key] = Current(None, digest_in(row), as_of, self.delivered, mark, True, write)
            if now is not None and now.record_id is not None:
                plan.replaced.append(now.record_id)
        elif now is not None and now.record_id is not None and not now.established:
            plan.confirmed.append(now.record_id)
            current[key] = now._replace(established=True)
        return None

    def _withdraw(
        self, plan: _Plan, key: Key, now: Current | None, current: dict[Key, Current]
    ) -> Fault | None:
        if now is None or now.record_id is None:
            plan.unchanged += 1
            return None
        if self.delivered < now.delivered:
            return Fault("older_than_stored", None, _HINTS["older_than_stored"])
        plan.superseded += 1
        plan.replaced.append(now.record_id)
        plan.withdrawn.append((key, now.record_id))
        del current[key]
        return None

    async def _resolved(self, batch: Batch) -> tuple[Sequence[str | None], dict[int, Fault]]:
        """The enterprise of each row; and by position, why there is none."""
        if not batch.known_by:
            return batch.usccs, {}
        found = await resolve(self.connection, batch.known_by.values())
        usccs: list[str | None] = list(batch.usccs)
        faults: dict[int, Fault] = {}
        for position, known_by in batch.known_by.items():
            answer = found[known_by]
            if isinstance(answer, Fault):
                faults[position] = answer
            else:
                usccs[position] = answer
        return usccs, faults

    async def _correctable(self, batch: Batch) -> set[int] | None:
        """The lines that this batch may correct; None when it corrects nothing."""
        if self.corrects is None:
            return None
        rows = await self.connection.fetch(
            "SELECT line_number FROM quarantined_rows WHERE intake_id = $1 AND line_number = ANY($2)",
            self.corrects,
            list(batch.corrected.values()),
        )
        return {row["line_number"] for row in rows}

    async def _current(self, batch: Batch, usccs: Sequence[str | None]) -> dict[Key, Current]:
        """What is stored of the batch's keys, with the bodies of those that differ.

        Lateral with LIMIT: one look into the index per row, however large the table; a join would be planned as a scan.
        """
        known = [uscc is not None for uscc in usccs]
        rows = await self.connection.fetch(
            _CURRENT,
            self.contract.id,
            list(compress(usccs, known)),
            list(compress(batch.parts, known)),
        )
        if not rows:
            return {}
        await self._learn_delivery_days({row["intake_id"] for row in rows})
        current = {}
        for uscc, part, record_id, intake_id, digest, as_of, mark in rows:
            established = intake_id == self.intake_id or record_id in self.met
            delivered = self._delivery_days.get(intake_id, as_of)
            current[uscc, part] = Current(record_id, digest, as_of, delivered, mark, established)
        await self._read_bodies(batch, usccs, current)
        return current

    async def _learn_delivery_days(self, intake_ids: set[int]) -> None:
        if unknown := intake_ids - self._delivery_days.keys():
            rows = await self.connection.fetch(
                "SELECT intake_id, as_of FROM intakes WHERE intake_id = ANY($1)", list(unknown)
            )
            self._delivery_days |= {row["intake_id"]: row["as_of"] for row in rows}

    async def _read_bodies(
        self, batch: Batch, usccs: Sequence[str | None], current: dict[Key, Current]
    ) -> None:
        keys = zip(usccs, batch.parts, strict=True)
        differing = {
            now.record_id: key
            for key, row in zip(keys, batch.encoded, strict=True)
            if (now := current.get(key)) and now.digest != digest_in(row)  # type: ignore[arg-type]
        }
        if not differing:
            return
        rows = await self.connection.fetch(
            "SELECT record_id, body FROM records WHERE dataset = $1 AND record_id = ANY($2)",
            self.contract.id,
            list(differing),
        )
        for record_id, body in rows:
            key = differing[record_id]
            current[key] = current[key]._replace(body=body.encode())  # type: ignore[index]

    # --- storing

    async def _carry_out(self, plan: _Plan, batch: Batch) -> None:
        if plan.replaced:
            done = await self.connection.execute(_SUPERSEDE, self.contract.id, plan.replaced)
            if done != f"UPDATE {len(plan.replaced)}":
                raise _Overtaken
        await self._copy(plan)
        await self._record_withdrawals(plan)
        if self.contract.id == REGISTRATION:
            await know(self.connection, list(zip(plan.usccs, map(body_in, plan.rows), strict=True)))
            await forget(self.connection, [uscc for (uscc, _), _ in plan.withdrawn])
        rows = [*batch.quarantined, *plan.quarantined]
        if rows:
            await self.connection.copy_records_to_table(
                "quarantined_rows",
                records=[(self.intake_id, *row) for row in rows],
                columns=["intake_id", *Quarantined._fields],
            )
        if self.corrects is not None:
            await self.connection.execute(_RESOLVE, self.corrects, plan.corrected, self.intake_id)
        cells = plan.taken * len(self.contract.fields)
        counted = (plan.accepted, plan.unchanged, plan.superseded, len(rows), cells, plan.filled)
        await self.connection.execute(_COUNT, self.intake_id, batch.received, *counted)

    async def _copy(self, plan: _Plan) -> None:
        if not plan.rows:
            return
        if plan.marks:
            rows = b"".join(
                row + encoded_mark(plan.marks.get(position)) for position, row in enumerate(plan.rows)
            )
        else:
            rows = NO_MARK.join(plan.rows) + NO_MARK
        await self.connection.copy_to_table(
            "records",
            source=_each(COPY_BEGIN, rows, COPY_END),
            columns=COPY_COLUMNS,
            format="binary",
        )

    async def _record_withdrawals(self, plan: _Plan) -> None:
        if plan.withdrawn:
            await self.connection.execute(
                _WITHDRAWN,
                self.contract.id,
                [uscc for (uscc, _), _ in plan.withdrawn],
                [part for (_, part), _ in plan.withdrawn],
                [record_id for _, record_id in plan.withdrawn],
                f"intake:{self.intake_id}",
                "责任单位报送撤回",
            )


async def _each(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


_CURRENT = """
    SELECT asked.uscc, asked.part, current.record_id, current.intake_id, current.digest, current.as_of, current.mark
    FROM unnest($2::text[], $3::text[]) AS asked (uscc, part)
    CROSS JOIN LATERAL (
        SELECT record_id, intake_id, digest, as_of, mark FROM records
        WHERE dataset = $1 AND uscc = asked.uscc AND part = asked.part AND superseded_at IS NULL
        LIMIT 1
    ) AS current
"""

# Not before it was recorded, though that may have been after this transaction began.
_SUPERSEDE = """
    UPDATE records SET superseded_at = greatest(now(), recorded_at)
    WHERE dataset = $1 AND record_id = ANY($2) AND superseded_at IS NULL
"""

_WITHDRAWN = """
    INSERT INTO record_events (dataset, uscc, part, verb, record_id, actor, reason)
    SELECT $1, uscc, part, 'withdraw', record_id, $5, $6
    FROM unnest($2::text[], $3::text[], $4::bigint[]) AS withdrawn (uscc, part, record_id)
"""

# With a correction that did not pass and was corrected in its turn passes the row that it was to correct.
_RESOLVE = """
    WITH RECURSIVE passed AS (
        SELECT intake_id, line_number, corrects, corrects_line
        FROM quarantined_rows JOIN intakes USING (intake_id)
        WHERE intake_id = $1 AND line_number = ANY($2)
        UNION
        SELECT faulty.intake_id, faulty.line_number, intake.corrects, faulty.corrects_line
        FROM passed
        JOIN quarantined_rows AS faulty
            ON faulty.intake_id = passed.corrects AND faulty.line_number = passed.corrects_line
        JOIN intakes AS intake ON intake.intake_id = faulty.intake_id
    )
    UPDATE quarantined_rows AS faulty SET resolved_by = $3
    FROM passed
    WHERE faulty.intake_id = passed.intake_id AND faulty.line_number = passed.line_number AND faulty.resolved_by IS NULL
"""

_COUNT = """
    UPDATE intakes
    SET received = received + $2, accepted = accepted + $3, unchanged = unchanged + $4,
        superseded = superseded + $5, quarantined = quarantined + $6, cells = cells + $7, filled = filled + $8,
        stored_at = now()
    WHERE intake_id = $1
"""
