"""``python -m gateway rules …`` and ``explain``: what an operator reads."""

import subprocess
import sys
import uuid
from datetime import date
from pathlib import Path

import orjson
import pytest

from consent import deeds
from core.clock import china_day, now
from core.database import connect_database
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.redis import connect_redis
from core.settings import Settings
from datasets.catalogue import RULES
from gateway.console import commands as operators
from gateway.console.commands import Signed
from gateway.console.sessions import OperatorSessions
from gateway.decisions import commands
from tests.conftest import ENTERPRISE, PROJECT, Consents
from tests.support.bank import Bank

RELEASED = (RULES / "2026-11.toml").read_text("utf-8")


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """As the release, but banks see sensitive business data masked or not at all."""
    file = tmp_path / "proposal.toml"
    before, rest = RELEASED.replace('id = "2026-11"', 'id = "2026-12"', 1).split(
        'id = "credit-review-sensitive"'
    )
    changed = rest.replace('["banded", "masked"]', '["masked"]', 1)
    file.write_text(f'{before}id = "credit-review-sensitive"{changed}', "utf-8")
    return file


class Desk:
    """Operators at the command line, each with the codes that they are handed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def add(self, operator_id: str, role: str = "security_admin") -> None:
        await operators.add(self._settings, operator_id, name=operator_id, role=role)

    async def signs(self, operator_id: str) -> Signed:
        assert self._settings.redis_url is not None
        redis = connect_redis(self._settings.redis_url)
        try:
            return Signed(operator_id, await OperatorSessions(redis).issue_code(operator_id))
        finally:
            await redis.aclose()

    async def deeds(self) -> list[tuple[str, str, str]]:
        """Who did what to which, in order."""
        assert self._settings.database_url is not None
        database = await connect_database(self._settings.database_url, connections=2)
        try:
            async with database.transaction() as tx:
                found = await deeds(tx, limit=100)
        finally:
            await database.close()
        return [(one.operator_id, one.verb, one.about) for one in reversed(found) if one.verb != "add"]


@pytest.fixture
async def desk(settings: Settings) -> Desk:
    """An (drafts), Ping (approves) and Kai (looks after the data)."""
    made = Desk(settings)
    await made.add("an")
    await made.add("ping")
    await made.add("kai", "system_admin")
    return made


async def test_a_rule_set_from_draft_to_active(
    settings: Settings, url: str, desk: Desk, draft: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await commands.draft(settings, draft, by=await desk.signs("an"))
    with pytest.raises(Refused) as own:
        await commands.act(settings, "approve", "2026-12", by=await desk.signs("an"), reason="")
    assert own.value.reason == "rule_set_own_draft"
    await commands.act(settings, "approve", "2026-12", by=await desk.signs("ping"), reason="已核对")
    await commands.act(settings, "activate", "2026-12", by=await desk.signs("ping"), reason="")
    capsys.readouterr()
    await commands.show_all(url)
    newest, oldest = capsys.readouterr().out.splitlines()
    assert newest.startswith("2026-12  执行中  起草 an，批准 ping，")
    assert oldest.startswith("2026-11  已停用  起草 seed，批准 release，")
    await commands.show(url, "2026-11")
    shown = capsys.readouterr().out
    assert "retire → retired  ping：2026-12 took its place" in shown
    assert '-views = ["masked"]' in shown
    assert '+views = ["banded", "masked"]' in shown
    assert await desk.deeds() == [
        ("an", "draft", "2026-12"),
        ("ping", "approve", "2026-12"),
        ("ping", "activate", "2026-12"),
    ]


async def test_a_draft_that_is_given_up(
    settings: Settings, desk: Desk, draft: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await commands.draft(settings, draft, by=await desk.signs("an"))
    await commands.act(settings, "withdraw", "2026-12", by=await desk.signs("an"), reason="写错了")
    assert "已停用" in capsys.readouterr().out
    with pytest.raises(Conflict):
        await commands.act(settings, "activate", "2026-12", by=await desk.signs("ping"), reason="")


async def test_a_name_alone_changes_no_rules(settings: Settings, desk: Desk, draft: Path) -> None:
    """Neither a guessed code, nor another's, nor one that was used, nor one without an operator behind it."""
    used = await desk.signs("an")
    await commands.draft(settings, draft, by=used)
    for signed in (
        Signed("ping", "AAAA-BBBB"),
        Signed("ping", (await desk.signs("an")).code),
        used,
        await desk.signs("nobody"),
    ):
        with pytest.raises((Refused, NotFound)) as refused:
            await commands.act(settings, "approve", "2026-12", by=signed, reason="")
        assert refused.value.reason in ("operator_code_wrong", "operator_unknown")
    assert await desk.deeds() == [
        ("an", "draft", "2026-12"),
        ("ping", "login_refused", ""),
        ("ping", "login_refused", ""),
        ("an", "login_refused", ""),
    ]


async def test_rules_are_nobody_elses_work_and_not_that_of_one_who_left(
    settings: Settings, desk: Desk, draft: Path
) -> None:
    left = await desk.signs("ping")
    await operators.close(settings, "ping")
    for signed in (await desk.signs("kai"), left):
        with pytest.raises(Refused) as refused:
            await commands.draft(settings, draft, by=signed)
        assert refused.value.reason == "not_your_work"
    assert await desk.deeds() == [("ping", "close", "")]


async def test_a_file_in_another_encoding_is_said_to_be_one(
    settings: Settings, desk: Desk, tmp_path: Path
) -> None:
    file = tmp_path / "gb.toml"
    file.write_bytes(RELEASED.encode("gb18030"))
    with pytest.raises(InvalidInput, match=r"gb\.toml is not in UTF-8"):
        await commands.draft(settings, file, by=await desk.signs("an"))


@pytest.mark.usefixtures("stocked")
async def test_a_replay_as_table_and_as_json(
    settings: Settings,
    url: str,
    desk: Desk,
    draft: Path,
    bank: Bank,
    consents: Consents,
    capsys: pytest.CaptureFixture[str],
) -> None:
    consent_id = await consents.active()
    for _ in range(2):
        await bank.query("tax", consent_id, ENTERPRISE)
    await commands.draft(settings, draft, by=await desk.signs("an"))
    today = china_day(now())
    capsys.readouterr()
    await commands.replay(url, "2026-12", today, today, as_json=False)
    table = capsys.readouterr().out
    assert "的 2 次查询" in table
    assert "不变 0 + 会变 2" in table
    line = "测试银行  tax  credit_review  collected  sales_fen（申报销售收入）  banded → withheld  2 次，其中有数据 2 次"
    assert line in table
    await commands.replay(url, "2026-12", today, today, as_json=True)
    told = orjson.loads(capsys.readouterr().out)
    assert (told["rule_set_id"], told["calls"], told["changed"]) == ("2026-12", 2, 2)
    sales = next(change for change in told["changes"] if change["field"] == "sales_fen")
    assert (sales["was"], sales["becomes"], sales["calls"]) == ("banded", None, 2)


@pytest.mark.parametrize(
    ("first", "last"), [(date(2026, 2, 1), date(2026, 1, 1)), (date(2000, 1, 1), date(2026, 1, 1))]
)
async def test_a_period_that_is_none_is_refused(url: str, first: date, last: date) -> None:
    with pytest.raises(InvalidInput):
        await commands.replay(url, "2026-11", first, last, as_json=False)


@pytest.mark.usefixtures("stocked")
async def test_a_decision_is_explained_to_the_operator_as_it_was_recorded(
    url: str, bank: Bank, other_bank: Bank, consents: Consents, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = (await bank.query("tax", await consents.active(), ENTERPRISE)).json()
    await commands.explain(url, uuid.UUID(answer["decision_id"]), as_json=False)
    told = capsys.readouterr().out
    assert "test-bank 查询 tax（credit_review，collected）\n  已提供" in told
    assert "sales_fen（申报销售收入，4 级）  banded  credit-review-sensitive" in told
    assert ENTERPRISE not in told
    stolen = (await other_bank.query("tax", await consents.active(), ENTERPRISE)).json()
    await commands.explain(url, uuid.UUID(stolen["decision_id"]), as_json=True)
    explained = orjson.loads(capsys.readouterr().out)
    assert explained["reason"] == "consent_of_another_participant"  # the bank is told less
    assert (explained["consent"]["verdict"], explained["consent"]["clause"]) == ("refused", "existence")
    with pytest.raises(NotFound):
        await commands.explain(url, uuid.uuid4(), as_json=False)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_rule_file_is_checked_without_a_database(tmp_path: Path) -> None:
    good = run("rules", "check", str(RULES / "2026-11.toml"))
    assert good.returncode == 0
    assert good.stdout.startswith("2026-11: ")
    bad = tmp_path / "2026-12.toml"
    marketing = RELEASED[RELEASED.index('[[rules]]\nid = "marketing-nothing"') :].replace(
        "marketing-nothing", "again"
    )
    bad.write_text(RELEASED.replace('id = "2026-11"', 'id = "2026-12"', 1) + "\n" + marketing, "utf-8")
    refused = run("rules", "check", str(bad))
    assert refused.returncode == 1
    assert "2026-12.toml: rule again: decides" in refused.stderr
    assert "which rule marketing-nothing decides already" in refused.stderr
