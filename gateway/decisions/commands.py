"""``python -m gateway rules …`` and ``explain``: what they do; `gateway.cli` says how they are called."""

import difflib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Literal
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection
from typer import echo

from consent import names_of, note_deed
from core.clock import CHINA, now
from core.database import Database, connect_database
from core.errors import InvalidInput
from core.settings import Settings
from datasets import (
    Catalogue,
    FieldChange,
    Replay,
    StoredRuleSet,
    activate_rule_set,
    approve_rule_set,
    contract_text,
    draft_rule_set,
    earlier_contracts,
    enter_contracts,
    events_of_rule_set,
    find_rule_set,
    list_contract_versions,
    list_rule_sets,
    load_active,
    load_catalogue,
    read_rule_set,
    seed_rule_sets,
    withdraw_rule_set,
)
from gateway.console.commands import Signed, in_the_name_of
from gateway.decisions.endpoints import consent_of
from gateway.decisions.rules import replay_recorded
from gateway.decisions.schemas import ExplanationOut, FieldDecisionOut
from ledger import find_decision

STATES = {"draft": "草案", "approved": "已批准", "active": "执行中", "retired": "已停用"}
CONSENT_VERDICTS = {"allowed": "相符", "refused": "不符", "not_judged": "未审"}
OUTCOMES = {"disclosed": "已提供", "nothing_found": "无记录", "refused": "未提供"}


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    """With the rules of this release entered, as a hub that starts would have done."""
    database = await connect_database(url, connections=2)
    try:
        async with database.transaction() as tx:
            await seed_rule_sets(tx, at=now())
        yield database
    finally:
        await database.close()


async def _catalogue(tx: AsyncConnection) -> Catalogue:
    """As a hub has it: under the active rules, with what was before the rules and contracts of today."""
    today, rules = load_catalogue(), await load_active(tx)
    earlier = await earlier_contracts(tx, today.contracts)
    return today.under(rules.active, rules.earlier).after(earlier.contracts)


async def keep_contracts(url: str) -> None:
    """Enter the contracts of this release. Raises `ContractError` for one that was changed under its old version."""
    database = await connect_database(url, connections=2)
    try:
        async with database.transaction() as tx:
            await enter_contracts(tx, load_catalogue().contracts.values(), at=now())
    finally:
        await database.close()


# --- rule sets
# ---------------------------------------------------------------------------------------------------


def check(file: Path) -> None:
    """Read a rule file as a draft would be read. Raises `ContractError`."""
    rule_set = read_rule_set(_text_of(file))
    echo(f"{rule_set.id}: {len(rule_set.rules)} 条规则，没有矛盾（sha256 {rule_set.digest}）")


def _text_of(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("request_invalid", f"{file.name} is not in UTF-8") from error


async def show_all(url: str) -> None:
    async with _database(url) as database, database.transaction() as tx:
        for stored in await list_rule_sets(tx):
            echo(_line(stored))


def _line(stored: StoredRuleSet) -> str:
    approved = f"，批准 {stored.approved_by}" if stored.approved_by else ""
    since = f"，{stored.activated_at.astimezone(CHINA):%Y-%m-%d %H:%M} 起执行" if stored.activated_at else ""
    return f"{stored.id}  {STATES[stored.state]}  起草 {stored.drafted_by}{approved}{since}  {stored.rule_set.title}"


async def show(url: str, rule_set_id: str) -> None:
    """How far it has come, what was done with it, and how its text differs from the active one's."""
    async with _database(url) as database, database.transaction() as tx:
        stored = await find_rule_set(tx, rule_set_id)
        events = await events_of_rule_set(tx, rule_set_id)
        active = await find_rule_set(tx, (await load_active(tx)).active.id)
    echo(_line(stored))
    echo(f"sha256 {stored.rule_set.digest}")
    for event in events:
        reason = f"：{event.reason}" if event.reason else ""
        echo(
            f"  {event.at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}  {event.verb} → {event.to_state}  {event.actor}{reason}"
        )
    old, new = active.toml.splitlines(), stored.toml.splitlines()
    for line in difflib.unified_diff(old, new, active.id, stored.id, lineterm=""):
        echo(line)


async def draft(settings: Settings, file: Path, *, by: Signed) -> None:
    async with in_the_name_of(settings, by, "draft_rules") as tx:
        await seed_rule_sets(tx, at=now())
        stored = await draft_rule_set(tx, _text_of(file), by=by.operator_id, at=now())
        await note_deed(tx, by.operator_id, "draft", stored.id, at=now())
    echo(_line(stored))


Act = Literal["approve", "activate", "withdraw"]
_ACTS: dict[Act, Callable[..., Awaitable[StoredRuleSet]]] = {
    "approve": approve_rule_set,
    "activate": activate_rule_set,
    "withdraw": withdraw_rule_set,
}


async def act(settings: Settings, act: Act, rule_set_id: str, *, by: Signed, reason: str) -> None:
    """What the console does at a click, with the record of it in the same transaction."""
    async with in_the_name_of(settings, by, "approve_rules") as tx:
        await seed_rule_sets(tx, at=now())
        stored = await _ACTS[act](tx, rule_set_id, by=by.operator_id, at=now(), reason=reason)
        await note_deed(tx, by.operator_id, act, rule_set_id, at=now())
    echo(_line(stored))


# --- replay
# ---------------------------------------------------------------------------------------------------


async def replay(url: str, rule_set_id: str, first_day: date, last_day: date, *, as_json: bool) -> None:
    """What the rule set would have changed about the recorded questions of the period."""
    async with _database(url) as database:
        async with database.transaction() as tx:
            stored = await find_rule_set(tx, rule_set_id)
            catalogue = await _catalogue(tx)
        replayed = await replay_recorded(database, catalogue, stored.rule_set, first_day, last_day)
        async with database.transaction() as tx:
            names = await names_of(tx, {change.participant_id for change in replayed.changes})
    if as_json:
        echo(orjson.dumps(replayed, option=orjson.OPT_INDENT_2).decode())
        return
    echo(f"{stored.id}（{STATES[stored.state]}）重演 {first_day} 至 {last_day} 的 {replayed.calls:,} 次查询")
    for line in _account(replayed):
        echo(line)
    for change in replayed.changes:
        echo(_change_line(change, names.get(change.participant_id, change.participant_id)))


def _account(replayed: Replay) -> list[str]:
    lines = [
        f"  不变 {replayed.unchanged:,} + 会变 {replayed.changed:,} + 当时因授权等未提供 "
        f"{replayed.refused_otherwise:,} + 无法比较 {replayed.incomparable:,}",
        f"  会变的当中：原来不提供、今后提供 {replayed.opened:,}；原来提供、今后不提供 {replayed.closed:,}",
    ]
    if replayed.approximate:
        lines.append(f"  其中 {replayed.approximate:,} 次的合同已有新版，按现行规则比较")
    return lines


def _change_line(change: FieldChange, participant: str) -> str:
    return (
        f"  {participant}  {change.dataset}  {change.purpose}  {change.mode}  {change.field}（{change.title}）"
        f"  {change.was or 'withheld'} → {change.becomes or 'withheld'}  {change.calls:,} 次"
        f"，其中有数据 {change.disclosed:,} 次"
    )


# --- contracts
# ---------------------------------------------------------------------------------------------------


async def show_contracts(url: str) -> None:
    """Every version of every contract that a hub on this database has worked with."""
    async with _database(url) as database, database.transaction() as tx:
        for kept in await list_contract_versions(tx):
            since = f"{kept.entered_at.astimezone(CHINA):%Y-%m-%d %H:%M}"
            echo(f"{kept.dataset}  第 {kept.version} 版  {since} 起  sha256 {kept.digest.hex()}")


async def show_contract(url: str, dataset: str, version: int) -> None:
    """The text of one version, as it came in the file."""
    async with _database(url) as database, database.transaction() as tx:
        echo(await contract_text(tx, dataset, version), nl=False)


# --- explain
# ---------------------------------------------------------------------------------------------------


async def explain(url: str, decision_id: UUID, *, as_json: bool) -> None:
    """What a bank is told about its own call, with the reason as it was recorded."""
    async with _database(url) as database, database.transaction() as tx:
        decision = await find_decision(tx, decision_id)
        consent = await consent_of(tx, decision)
        catalogue = await _catalogue(tx)
    explanation = ExplanationOut.of(decision, consent, catalogue, reason=decision.reason)
    if as_json:
        echo(explanation.model_dump_json(indent=2))
        return
    for line in _told(explanation):
        echo(line)


def _told(explanation: ExplanationOut) -> list[str]:
    refusal = f"：{explanation.reason}（{explanation.reason_title}）" if explanation.reason else ""
    consent = explanation.consent
    clause = f"，{consent.clause}" if consent.clause else ""
    rules = f"规则 {explanation.rule_set or '（已无）'}，合同第 {explanation.contract_version or '?'} 版"
    return [
        f"{explanation.decision_id}  {explanation.at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
        f"  {explanation.participant_id} 查询 {explanation.dataset}（{explanation.purpose}，{explanation.mode}）",
        f"  {OUTCOMES[explanation.outcome]}{refusal}",
        f"  授权 {consent.consent_id}：{CONSENT_VERDICTS[consent.verdict]}{clause}。{consent.because}",
        f"  {rules}，{explanation.view_id}",
        *(_field_line(field) for field in explanation.fields or []),
        *([f"  {explanation.note}"] if explanation.note else []),
    ]


def _field_line(field: FieldDecisionOut) -> str:
    title = f"{field.field}（{field.title}，{field.level} 级）"
    return f"    {title}  {field.view or '不提供'}  {field.rule or '-'}  {field.because}"
