"""数据质量: how well the owners deliver, by data set and day, and the correction files that go back to them."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BeforeValidator
from starlette.background import BackgroundTask

from consent import note_deed
from core.clock import china_day
from core.errors import InvalidInput
from datasets import (
    REASONS,
    Account,
    AccountOfDay,
    Catalogue,
    Contract,
    Delivered,
    accounts_by_day,
    intakes_to_correct,
    newest_deliveries,
    open_rows,
    write_corrections,
)
from gateway.access import HubDep
from gateway.console.access import Duty, May
from gateway.console.chart import PARTS, draw
from gateway.console.pages import READ, Day, show
from gateway.portal.pages import SECURITY_HEADERS

DAYS = 30
"""that are shown unless told"""
DAYS_MAX = 366
INTAKES_ROWS = 20

router = APIRouter()

SeesQuality = Annotated[Duty, Depends(May("see_quality"))]
_Day = Annotated[Day | None, BeforeValidator(lambda text: text or None)]


@dataclass(frozen=True)
class Wanted:
    """The filter, as it stands in the address; empty means all."""

    owner: str
    dataset: str
    first: date | None
    last: date | None

    def query(self, **also: object) -> str:
        """For a link to the same page."""
        given = {"owner": self.owner, "dataset": self.dataset, "from": self.first, "to": self.last, **also}
        return urlencode({name: value for name, value in given.items() if value})

    def period(self, today: date) -> tuple[date, date]:
        """Both days included. Raises `InvalidInput`."""
        last = self.last or today
        first = self.first or max(last, date.min + timedelta(days=DAYS)) - timedelta(days=DAYS - 1)
        if not 0 <= (last - first).days < DAYS_MAX:
            raise InvalidInput("request_invalid", errors={"from": f"up to {DAYS_MAX} days before `to`"})
        return first, last

    def contracts(self, catalogue: Catalogue) -> dict[str, Contract]:
        """The data sets that are delivered and asked for here."""
        return {
            name: contract
            for name, contract in delivered(catalogue).items()
            if self.owner in ("", contract.owner) and self.dataset in ("", name)
        }


def wanted_of(
    owner: Annotated[str, Query(max_length=100)] = "",
    dataset: Annotated[str, Query(pattern="^[a-z0-9_]{0,60}$")] = "",
    first: Annotated[_Day, Query(alias="from")] = None,
    last: Annotated[_Day, Query(alias="to")] = None,
) -> Wanted:
    return Wanted(owner, dataset, first, last)


def delivered(catalogue: Catalogue) -> dict[str, Contract]:
    """All data sets but the computed ones."""
    return {
        name: contract for name, contract in catalogue.contracts.items() if "derived" not in contract.modes
    }


@dataclass(frozen=True)
class Row:
    """One data set in the table. ``newest`` None: it never came."""

    contract: Contract
    account: Account
    newest: Delivered | None
    overdue: bool


@router.api_route("/quality", methods=READ)
async def quality(
    request: Request,
    hub: HubDep,
    duty: SeesQuality,
    wanted: Annotated[Wanted, Depends(wanted_of)],
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> HTMLResponse:
    """Intake rate, timeliness and completeness by data set and day, and what waits to be corrected."""
    today = china_day(hub.clock())
    first, last = wanted.period(today)
    contracts = wanted.contracts(hub.catalogue)
    async with hub.database.transaction() as tx:
        accounts = await accounts_by_day(tx, contracts, first, last)
        newest = await newest_deliveries(tx, contracts)
        quarantine = await open_rows(tx, contracts)
        to_correct = await intakes_to_correct(tx, contracts, before=before, limit=INTAKES_ROWS + 1)
    by_day = added_up(accounts)
    rows = rows_of(contracts, accounts, newest, today)
    everything = delivered(hub.catalogue)
    return show(
        request,
        duty,
        "quality.html",
        wanted=wanted,
        first=first,
        last=last,
        today=today,
        owners=sorted({contract.owner for contract in everything.values()}),
        datasets=everything,
        total=Account.of(by_day.values()),
        days=sorted(by_day.items(), reverse=True),
        chart=draw(by_day, first, last) if by_day else None,
        parts=PARTS,
        rows=rows,
        never=len(contracts) - len(newest),
        overdue=sum(row.overdue for row in rows),
        quarantine=quarantine,
        open_count=sum(row.rows for row in quarantine),
        reasons=REASONS,
        to_correct=to_correct[:INTAKES_ROWS],
        older=to_correct[INTAKES_ROWS - 1].intake_id if len(to_correct) > INTAKES_ROWS else None,
        continued=before is not None,
        may_fetch=duty.may("fetch_corrections"),
    )


def added_up(accounts: Sequence[AccountOfDay]) -> dict[date, Account]:
    """Of all data sets together, by day."""
    by_day: defaultdict[date, list[Account]] = defaultdict(list)
    for one in accounts:
        by_day[one.day].append(one.account)
    return {day: Account.of(of_day) for day, of_day in by_day.items()}


def rows_of(
    contracts: Mapping[str, Contract],
    accounts: Sequence[AccountOfDay],
    newest: Mapping[str, Delivered],
    today: date,
) -> list[Row]:
    """Every data set that ever came or came now; what needs somebody's attention first."""
    by_dataset: defaultdict[str, list[Account]] = defaultdict(list)
    for one in accounts:
        by_dataset[one.dataset].append(one.account)
    rows = [
        Row(
            contract,
            Account.of(by_dataset[name]),
            newest.get(name),
            overdue=name in newest and newest[name].due(contract) < today,
        )
        for name, contract in contracts.items()
        if name in newest or name in by_dataset
    ]
    return sorted(rows, key=lambda row: not (row.overdue or row.account.below_goal))


@router.get("/intakes/{intake_id}/corrections")
async def corrections(
    intake_id: Annotated[int, InPath(ge=1, le=2**62)],
    hub: HubDep,
    duty: Annotated[Duty, Depends(May("fetch_corrections"))],
) -> FileResponse:
    """The correction file of an intake, for its owner. That it was fetched is recorded before it leaves."""
    folder = Path(tempfile.mkdtemp(prefix="corrections-"))
    file = folder / f"corrections-{intake_id}.csv"
    try:
        async with hub.database.hot.acquire() as connection:
            await write_corrections(connection, hub.catalogue.contracts, intake_id, file)
        async with hub.database.transaction() as tx:
            await note_deed(
                tx, duty.operator.operator_id, "corrections", f"intake {intake_id}", at=hub.clock()
            )
    except BaseException:
        shutil.rmtree(folder)
        raise
    return FileResponse(
        file,
        media_type="text/csv; charset=utf-8",
        filename=file.name,
        headers=SECURITY_HEADERS,
        background=BackgroundTask(shutil.rmtree, folder),
    )
