"""谁看了我的数据: which calls the enterprise wants to see, and what a call showed, for the page and for a spreadsheet."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, BeforeValidator
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import china_day, china_midnight
from datasets import Catalogue, defuse
from gateway.portal.chart import Chart, draw, first_day, thirty_days
from gateway.portal.explain import ShownGroup, groups_of, purpose_of, title_of
from gateway.portal.words import Speech, clock_time, yuan
from ledger import Look, looks_at, looks_per_day

UNLINKED = ("consent_unknown", "consent_of_another_participant", "consent_of_another_enterprise")
"""Refusals whose consent is, or may be, somebody else's: its number is not the enterprise's to know."""

CSV_COLUMNS = (
    "day", "time", "institution", "data", "used_for", "outcome", "explanation", "price_yuan", "consent_number",
    "decision_number",
)  # fmt: skip


class Wanted(BaseModel):
    """The filter of the list, as it stands in the address; empty means all."""

    dataset: Annotated[str, Query(pattern="^[a-z0-9_]{0,60}$")] = ""
    outcome: Literal["", "disclosed", "nothing_found", "refused"] = ""
    consent: Annotated[UUID | None, BeforeValidator(lambda text: text or None)] = None

    def query(self) -> dict[str, str]:
        """For a link to the same list."""
        return {name: str(value) for name, value in self if value}

    async def looks(
        self, tx: AsyncConnection, uscc: str, *, before: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Look]:
        return await looks_at(
            tx,
            uscc,
            dataset=self.dataset or None,
            outcome=self.outcome or None,
            consent_id=self.consent,
            before=before,
            limit=limit,
        )


WantedDep = Annotated[Wanted, Depends()]


async def chart_of(tx: AsyncConnection, uscc: str, at: datetime) -> Chart:
    today = china_day(at)
    since = china_midnight(first_day(today))
    return draw(await looks_per_day(tx, uscc, since=since), thirty_days(today))


def what_was_shown(catalogue: Catalogue, looks: Sequence[Look]) -> dict[str, tuple[ShownGroup, ...]]:
    """Groups of fields by view id, for the views that the catalogue still knows."""
    views = {
        look.view_id: catalogue.view_by_id(look.view_id) for look in looks if look.outcome == "disclosed"
    }
    return {view_id: groups_of(view) for view_id, view in views.items() if view is not None}


def looks_as_csv(catalogue: Catalogue, looks: Sequence[Look], names: Mapping[str, str], t: Speech) -> str:
    text = io.StringIO()
    text.write("\ufeff")  # tells spreadsheets that the file is UTF-8
    csv.writer(text).writerows(_csv_rows(catalogue, looks, names, t))
    return text.getvalue()


def _csv_rows(
    catalogue: Catalogue, looks: Sequence[Look], names: Mapping[str, str], t: Speech
) -> Iterator[list[str]]:
    yield [t(column) for column in CSV_COLUMNS]
    for look in looks:
        purpose = purpose_of(catalogue, look.purpose)
        yield [
            china_day(look.at).isoformat(),
            clock_time(look.at),
            defuse(names.get(look.participant_id, look.participant_id)),
            t.pick(*title_of(catalogue, look.dataset)),
            t.pick(purpose.title, purpose.title_en),
            t(f"outcome_{look.outcome}"),
            t.refusal(look.reason) if look.reason else "",
            yuan(look.price_fen),
            "" if look.reason in UNLINKED else str(look.consent_id),
            str(look.decision_id),
        ]
