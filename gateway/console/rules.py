"""共享规则: drafted by one person, approved by another, replayed before they decide anything."""

import difflib
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import groupby
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Depends, File, Form, Path, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, Response
from pydantic import BeforeValidator
from sqlalchemy.ext.asyncio import AsyncConnection

from consent import names_of, note_deed
from core.clock import china_day
from core.errors import Conflict
from datasets import (
    ContractError,
    FieldChange,
    RuleSetState,
    activate_rule_set,
    approve_rule_set,
    draft_rule_set,
    events_of_rule_set,
    find_rule_set,
    list_rule_sets,
    load_active,
    withdraw_rule_set,
)
from gateway.access import HubDep
from gateway.console.access import Duty, May, own_form
from gateway.console.pages import READ, Day, show, to
from gateway.decisions.rules import replay_recorded
from gateway.hub import Hub
from gateway.portal.endpoints import one_line
from gateway.portal.explain import purpose_of, title_of

REPLAY_DAYS = 30
REASON_CHARACTERS_MAX = 200
Act = Literal["approve", "activate", "withdraw"]
ACTS: dict[Act, Callable[..., Any]] = {
    "approve": approve_rule_set,
    "activate": activate_rule_set,
    "withdraw": withdraw_rule_set,
}

router = APIRouter(prefix="/rules")

SeesRules = Annotated[Duty, Depends(May("see_rules"))]
RuleSetId = Annotated[str, Path(pattern="^[a-z0-9._-]{1,40}$")]
Reason = Annotated[str, Form(max_length=REASON_CHARACTERS_MAX), BeforeValidator(one_line)]


@router.api_route("", methods=READ)
async def overview(request: Request, hub: HubDep, duty: SeesRules) -> HTMLResponse:
    """Every rule set and how far it has come."""
    return await _overview(request, hub, duty)


async def _overview(
    request: Request, hub: Hub, duty: Duty, *, status: int = 200, fault: str = ""
) -> HTMLResponse:
    async with hub.database.transaction() as tx:
        found = await list_rule_sets(tx)
    return show(request, duty, "rules.html", status, rule_sets=found, fault=fault)


@router.post("", dependencies=[Depends(own_form)])
async def draft(
    request: Request,
    hub: HubDep,
    duty: Annotated[Duty, Depends(May("draft_rules"))],
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Keep an uploaded rule file as a draft, or say what is wrong with it."""
    try:
        toml = (await file.read()).decode("utf-8-sig") if file else ""
    except UnicodeDecodeError:
        toml = ""
    if not toml.strip():
        return await _overview(request, hub, duty, status=400, fault="draft_no_file")
    try:
        async with hub.database.transaction() as tx:
            stored = await draft_rule_set(tx, toml, by=duty.operator.operator_id, at=hub.clock())
            await note_deed(tx, duty.operator.operator_id, "draft", stored.id, at=hub.clock())
    except (ContractError, Conflict) as error:
        return await _overview(request, hub, duty, status=400, fault=str(error))
    return to(f"/console/rules/{stored.id}", done="draft")


@router.api_route("/{rule_set_id}", methods=READ)
async def one_rule_set(
    request: Request,
    hub: HubDep,
    duty: SeesRules,
    rule_set_id: RuleSetId,
    done: Literal["", "draft", "approve", "activate", "withdraw"] = "",
) -> HTMLResponse:
    """Its history, its text, how it differs from the active one, and what may be done with it."""
    async with hub.database.transaction() as tx:
        stored = await find_rule_set(tx, rule_set_id)
        events = await events_of_rule_set(tx, rule_set_id)
        active = await find_rule_set(tx, (await load_active(tx)).active.id)
    today = china_day(hub.clock())
    return show(
        request,
        duty,
        "rule_set.html",
        stored=stored,
        events=events,
        acts=[]
        if not duty.may("approve_rules")
        else acts_on(stored.state, once_active=bool(stored.activated_at)),
        own=stored.drafted_by.casefold() == duty.operator.operator_id,
        is_active=stored.id == active.id,
        active_id=active.id,
        difference=list(difference(active.toml, stored.toml)),
        first=today - timedelta(days=REPLAY_DAYS - 1),
        last=today,
        done=done,
        reason_max=REASON_CHARACTERS_MAX,
    )


def acts_on(state: RuleSetState, *, once_active: bool) -> list[Act]:
    """What may be done with a rule set, as `datasets.rule_sets` allows it."""
    allowed: dict[RuleSetState, list[Act]] = {
        "draft": ["approve", "withdraw"],
        "approved": ["activate", "withdraw"],
        "active": [],
        "retired": ["activate"] if once_active else [],
    }
    return allowed[state]


class Line(NamedTuple):
    kind: Literal["added", "removed", "place", "same"]
    text: str


_KINDS: dict[str, Literal["added", "removed", "place"]] = {"+": "added", "-": "removed", "@": "place"}


def difference(old: str, new: str) -> Iterable[Line]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    for number, line in enumerate(lines):
        if number >= 2:  # after the two lines that name the files
            yield Line(_KINDS.get(line[:1], "same"), line)


@router.post("/{rule_set_id}/{act}", dependencies=[Depends(own_form)])
async def act_on(
    hub: HubDep,
    duty: Annotated[Duty, Depends(May("approve_rules"))],
    rule_set_id: RuleSetId,
    act: Act,
    reason: Reason = "",
) -> Response:
    """Approve, activate or withdraw, with the record of it in the same transaction."""
    who, at = duty.operator.operator_id, hub.clock()
    async with hub.database.transaction() as tx:
        await ACTS[act](tx, rule_set_id, by=who, at=at, reason=reason)
        await note_deed(tx, who, act, rule_set_id, at=at)
    return to(f"/console/rules/{rule_set_id}", done=act)


class ChangesOf(NamedTuple):
    """What would change for one bank about one data set."""

    participant_id: str
    dataset: str
    changes: list[FieldChange]


@router.api_route("/{rule_set_id}/replay", methods=READ)
async def replay(
    request: Request,
    hub: HubDep,
    duty: SeesRules,
    rule_set_id: RuleSetId,
    first: Annotated[Day, Query(alias="from")],
    last: Annotated[Day, Query(alias="to")],
) -> HTMLResponse:
    """What this rule set would have changed about the recorded questions, by bank, data set and field."""
    async with hub.database.transaction() as tx:
        stored = await find_rule_set(tx, rule_set_id)
    replayed = await replay_recorded(hub.database, hub.catalogue, stored.rule_set, first, last)
    async with hub.database.transaction() as tx:
        names = await _names(tx, replayed.changes)
        await note_deed(tx, duty.operator.operator_id, "replay", rule_set_id, at=hub.clock())
    grouped = groupby(replayed.changes, key=lambda change: (change.participant_id, change.dataset))
    return show(
        request,
        duty,
        "replay.html",
        stored=stored,
        first=first,
        last=last,
        replayed=replayed,
        groups=[ChangesOf(*key, list(changes)) for key, changes in grouped],
        names=names,
        contracts=hub.catalogue.contracts,
        title_of=lambda dataset: title_of(hub.catalogue, dataset),
        purpose_of=lambda purpose: purpose_of(hub.catalogue, purpose),
    )


async def _names(tx: AsyncConnection, changes: Iterable[FieldChange]) -> dict[str, str]:
    return await names_of(tx, {change.participant_id for change in changes})
