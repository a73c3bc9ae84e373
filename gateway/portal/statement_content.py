"""What a quarter's statement says to an enterprise: who held which consent, who asked for what, and what was refused.

Made of what is only ever appended: disclosures, events of consents, looks before asking. Of a quarter that is over it
therefore says the same for ever; `record_of` is that, without names and titles, which may change.
"""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy.ext.asyncio import AsyncConnection

from consent import Held, held_between
from core.clock import Quarter, china_day
from datasets import Catalogue, defuse
from gateway.portal.explain import purpose_of, title_of
from gateway.portal.words import Speech, yuan
from ledger import CallsAlike, ChecksAlike, calls_between, checks_between, uses_between

SCHEMA = "xinyi-hub-quarter-1"
TYPE = "statement+jws"
CLOSES_AFTER = timedelta(hours=1)
"""the end of a quarter: what was begun before it has been written down by then, or never will be"""

CSV_COLUMNS = (
    "row", "institution", "data", "used_for", "from_day", "until_day", "state_then", "times", "outcome_disclosed",
    "outcome_nothing_found", "outcome_refused", "why_refused", "price_yuan", "consent_number",
)  # fmt: skip


@dataclass(frozen=True)
class CallLine:
    """One participant's calls for one data set and purpose."""

    participant_id: str
    dataset: str
    purpose: str
    disclosed: int
    nothing_found: int
    refused: int
    because: Mapping[str, int]
    """of the refused ones"""
    price_fen: int

    @property
    def calls(self) -> int:
        return self.disclosed + self.nothing_found + self.refused


@dataclass(frozen=True)
class QuarterlyStatement:
    """``until``: the first instant that it says nothing of. ``uses``: of each consent, in the quarter."""

    uscc: str
    quarter: Quarter
    until: datetime
    closed: bool
    held: Sequence[Held]
    uses: Mapping[UUID, int]
    lines: Sequence[CallLine]
    checks: Sequence[ChecksAlike]

    @property
    def totals(self) -> dict[str, int]:
        names = ("calls", "disclosed", "nothing_found", "refused", "price_fen")
        return {name: sum(getattr(line, name) for line in self.lines) for name in names}

    @property
    def in_force(self) -> int:
        """Consents at its end."""
        return sum(one.state == "active" for one in self.held)

    @property
    def participant_ids(self) -> set[str]:
        return {
            *(one.participant_id for one in self.held),
            *(line.participant_id for line in self.lines),
            *(check.participant_id for check in self.checks),
        }


async def read_statement(
    tx: AsyncConnection, uscc: str, quarter: Quarter, *, at: datetime
) -> QuarterlyStatement:
    """The quarter as it stands at ``at``; while it runs, up to then."""
    since, until = quarter.begins, min(quarter.ends, at)
    return QuarterlyStatement(
        uscc,
        quarter,
        until,
        closed=at >= quarter.ends + CLOSES_AFTER,
        held=await held_between(tx, uscc, since, until),
        uses=await uses_between(tx, uscc, since, until),
        lines=lines_of(await calls_between(tx, uscc, since, until)),
        checks=await checks_between(tx, uscc, since, until),
    )


def lines_of(alike: Iterable[CallsAlike]) -> list[CallLine]:
    """One line for each participant, data set and purpose; ``alike`` come sorted by these."""
    return [
        _line(*kind, list(calls))
        for kind, calls in groupby(alike, key=lambda one: (one.participant_id, one.dataset, one.purpose))
    ]


def _line(participant_id: str, dataset: str, purpose: str, alike: Sequence[CallsAlike]) -> CallLine:
    ended: Counter[str] = Counter()
    because: Counter[str] = Counter()
    for one in alike:
        ended[one.outcome] += one.calls
        if one.reason is not None:
            because[one.reason] += one.calls
    return CallLine(
        participant_id,
        dataset,
        purpose,
        ended["disclosed"],
        ended["nothing_found"],
        ended["refused"],
        dict(sorted(because.items())),
        sum(one.price_fen for one in alike),
    )


# --- to keep and to check ---------------------------------------------------------------------------------------


def record_of(statement: QuarterlyStatement) -> dict[str, Any]:
    """What is signed: numbers and identifiers only."""
    quarter = statement.quarter
    return {
        "schema_version": SCHEMA,
        "uscc": statement.uscc,
        "quarter": str(quarter),
        "from": quarter.first_day.isoformat(),
        "to": quarter.last_day.isoformat(),
        "consents": [_held_record(one, statement.uses.get(one.consent_id, 0)) for one in statement.held],
        "calls": [
            {
                "participant_id": line.participant_id,
                "dataset": line.dataset,
                "purpose": line.purpose,
                "disclosed": line.disclosed,
                "nothing_found": line.nothing_found,
                "refused": line.refused,
                "refused_because": dict(line.because),
                "charged_fen": line.price_fen,
            }
            for line in statement.lines
        ],
        "availability_checks": [
            {
                "participant_id": one.participant_id,
                "purpose": one.purpose,
                "datasets": list(one.datasets),
                "checks": one.checks,
            }
            for one in statement.checks
        ],
        "totals": statement.totals,
    }


def _held_record(held: Held, uses: int) -> dict[str, Any]:
    return {
        "record_id": str(held.consent_id),
        "participant_id": held.participant_id,
        "purpose": held.terms.purpose,
        "datasets": list(held.terms.datasets),
        "uses_max": held.terms.uses_max,
        "uses": uses,
        "valid_from": held.valid_from.isoformat() if held.valid_from else None,
        "valid_until": held.valid_until.isoformat() if held.valid_until else None,
        "state": held.state,
        "changes": [
            {"at": change.at.isoformat(), "verb": change.verb, "by": change.actor.partition(":")[0]}
            for change in held.changes
        ],
    }


def digest_of(statement: QuarterlyStatement) -> str:
    """SHA-256 of the record in canonical JSON (RFC 8785): the payload of the signed statement."""
    return hashlib.sha256(rfc8785.dumps(record_of(statement))).hexdigest()


# --- for a spreadsheet ------------------------------------------------------------------------------------------


def statement_as_csv(
    catalogue: Catalogue, statement: QuarterlyStatement, names: Mapping[str, str], t: Speech
) -> str:
    text = io.StringIO()
    text.write("\ufeff")  # tells spreadsheets that the file is UTF-8
    table = csv.writer(text)
    table.writerow([t(column) for column in CSV_COLUMNS])
    for row in _csv_rows(catalogue, statement, t):
        row["institution"] = defuse(names.get(row["institution"], row["institution"]))
        table.writerow([row.get(column, "") for column in CSV_COLUMNS])
    return text.getvalue()


def _csv_rows(catalogue: Catalogue, statement: QuarterlyStatement, t: Speech) -> Iterator[dict[str, str]]:
    def words(participant_id: str, datasets: Sequence[str], purpose_id: str) -> dict[str, str]:
        purpose = purpose_of(catalogue, purpose_id)
        return {
            "institution": participant_id,
            "data": t("list").join(t.pick(*title_of(catalogue, dataset)) for dataset in datasets),
            "used_for": t.pick(purpose.title, purpose.title_en),
        }

    for held in statement.held:
        yield {
            **words(held.participant_id, held.terms.datasets, held.terms.purpose),
            "row": t("row_consent"),
            "from_day": china_day(held.valid_from).isoformat() if held.valid_from else "",
            "until_day": china_day(held.valid_until).isoformat() if held.valid_until else "",
            "state_then": t(f"state_{held.state}"),
            "times": str(statement.uses.get(held.consent_id, 0)),
            "consent_number": str(held.consent_id),
        }
    for line in statement.lines:
        yield {
            **words(line.participant_id, [line.dataset], line.purpose),
            "row": t("row_calls"),
            "times": str(line.calls),
            "outcome_disclosed": str(line.disclosed),
            "outcome_nothing_found": str(line.nothing_found),
            "outcome_refused": str(line.refused),
            "why_refused": t("list").join(f"{t.refusal(why)} ×{n}" for why, n in line.because.items()),
            "price_yuan": yuan(line.price_fen),
        }
    for check in statement.checks:
        yield {
            **words(check.participant_id, check.datasets, check.purpose),
            "row": t("row_early_look"),
            "times": str(check.checks),
        }
