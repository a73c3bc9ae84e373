"""申请进展: how far requests get on their way to an answer, by bank, way of asking and stage. No person, no enterprise."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BeforeValidator

from consent import ENDS, STAGES, WAYS, End, RequestsAlike, Stage, Way, names_of, requests_alike
from core.clock import china_day, china_midnight
from core.errors import InvalidInput
from gateway.access import HubDep
from gateway.console.access import Duty, May
from gateway.console.pages import READ, Day, show

DAYS = 30
"""that are shown unless told"""
DAYS_MAX = 92
"""a quarter: every request of the period is counted anew at each look"""
WITHOUT_ANSWER: tuple[End, ...] = ("lapsed", "withdrawn")

router = APIRouter()

_Day = Annotated[Day | None, BeforeValidator(lambda text: text or None)]


class Stop(NamedTuple):
    """One stage of the way: how many came so far, and how many of them went no further."""

    stage: Stage | Literal["approved"]
    reached: int
    waiting: int
    gone: int
    """without an answer"""
    share: float
    """of all that were asked"""


@dataclass(frozen=True)
class Funnel:
    """``less``, ``challenged``, ``confirmed``: how many came by there too."""

    stops: tuple[Stop, ...]
    ends: Mapping[End, int]
    less: int
    challenged: int
    confirmed: int

    @property
    def asked(self) -> int:
        return self.stops[0].reached


def funnel_of(alike: Iterable[RequestsAlike]) -> Funnel:
    counted = list(alike)
    asked = _sum(counted)
    stops: list[Stop] = []
    for place, stage in enumerate(STAGES):
        here = [one for one in counted if one.stage == stage]
        stops.append(
            Stop(
                stage,
                reached := _sum(one for one in counted if STAGES.index(one.stage) >= place),
                _sum(one for one in here if one.end == "waiting"),
                _sum(one for one in here if one.end in WITHOUT_ANSWER),
                reached / asked if asked else 0.0,
            )
        )
    ends = {end: _sum(one for one in counted if one.end == end) for end in ENDS}
    stops.append(Stop("approved", ends["approved"], 0, 0, ends["approved"] / asked if asked else 0.0))
    return Funnel(
        tuple(stops),
        ends,
        less=_sum(one for one in counted if one.less),
        challenged=_sum(one for one in counted if one.challenged),
        confirmed=_sum(one for one in counted if one.confirmed),
    )


def _sum(alike: Iterable[RequestsAlike]) -> int:
    return sum(one.requests for one in alike)


@dataclass(frozen=True)
class Wanted:
    """The filter, as it stands in the address; empty means all."""

    participant: str
    way: Way | Literal[""]
    first: date | None
    last: date | None

    def period(self, today: date) -> tuple[date, date]:
        """Both days included, by when the request was made. Raises `InvalidInput`."""
        last = self.last or today
        first = self.first or last - timedelta(days=DAYS - 1)
        if not 0 <= (last - first).days < DAYS_MAX:
            raise InvalidInput("request_invalid", errors={"from": f"up to {DAYS_MAX} days before `to`"})
        return first, last

    def takes(self, one: RequestsAlike) -> bool:
        return self.participant in ("", one.participant_id) and self.way in ("", one.way)


def wanted_of(
    participant: Annotated[str, Query(pattern="^[a-z0-9-]{0,63}$")] = "",
    way: Way | Literal[""] = "",
    first: Annotated[_Day, Query(alias="from")] = None,
    last: Annotated[_Day, Query(alias="to")] = None,
) -> Wanted:
    return Wanted(participant, way, first, last)


@router.api_route("/funnel", methods=READ)
async def funnel(
    request: Request,
    hub: HubDep,
    duty: Annotated[Duty, Depends(May("see_funnel"))],
    wanted: Annotated[Wanted, Depends(wanted_of)],
) -> HTMLResponse:
    """The way of the requests of a period as a funnel, and the same in numbers by bank and way."""
    at = hub.clock()
    first, last = wanted.period(china_day(at))
    async with hub.database.transaction() as tx:
        found = await requests_alike(
            tx, china_midnight(first), china_midnight(last + timedelta(days=1)), at=at
        )
        names = await names_of(tx, {one.participant_id for one in found} | {wanted.participant})
    chosen = [one for one in found if wanted.takes(one)]
    return show(
        request,
        duty,
        "funnel.html",
        wanted=wanted,
        first=first,
        last=last,
        names=dict(sorted(names.items(), key=lambda name: name[1])),
        ways=WAYS,
        ends=ENDS,
        whole=funnel_of(chosen),
        rows=by_bank_and_way(chosen),
    )


def by_bank_and_way(alike: Iterable[RequestsAlike]) -> dict[tuple[str, Way], Funnel]:
    """Each bank's ways together, the one with the most requests first."""
    groups: defaultdict[tuple[str, Way], list[RequestsAlike]] = defaultdict(list)
    for one in alike:
        groups[one.participant_id, one.way].append(one)
    return {
        key: funnel_of(groups[key])
        for key in sorted(groups, key=lambda key: (key[0], -_sum(groups[key]), key[1]))
    }
