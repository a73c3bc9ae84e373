"""``python -m gateway operator …``: who may work at the console, and the codes with which they log in.

Who changes something on the command line shows such a code as well: the history names operators, not names that were
typed.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection
from typer import echo

from consent import (
    Right,
    add_operator,
    close_operator,
    find_operator,
    list_operators,
    note_deed,
    note_refused_login,
)
from core.clock import CHINA, now
from core.database import connect_database
from core.errors import Conflict, Refused
from core.redis import connect_redis
from core.settings import Settings
from gateway.console.sessions import CODE_SECONDS, OperatorSessions
from gateway.console.words import WORDS


class Signed(NamedTuple):
    """Who does it, with a one-time code that proves it."""

    operator_id: str
    code: str


def _role_title(role: str) -> str:
    return WORDS[f"role_{role}"].zh


async def add(settings: Settings, operator_id: str, *, name: str, role: str) -> None:
    database = await connect_database(_url(settings), connections=2)
    try:
        async with database.transaction() as tx:
            await add_operator(tx, operator_id, name=name, role=role, at=now())
    finally:
        await database.close()
    echo(
        f"{operator_id}（{name}）可作为{_role_title(role)}登录：python -m gateway operator code {operator_id}"
    )


async def close(settings: Settings, operator_id: str) -> None:
    database = await connect_database(_url(settings), connections=2)
    try:
        async with database.transaction() as tx:
            await close_operator(tx, operator_id, at=now())
    finally:
        await database.close()
    echo(f"{operator_id} 已停用，即刻生效；其编号不再给别人用")


async def show_all(settings: Settings) -> None:
    database = await connect_database(_url(settings), connections=2)
    try:
        async with database.transaction() as tx:
            for operator in await list_operators(tx):
                since = f"{operator.created_at.astimezone(CHINA):%Y-%m-%d} 起"
                until = (
                    f"，{operator.closed_at.astimezone(CHINA):%Y-%m-%d} 停用" if operator.closed_at else ""
                )
                echo(f"{operator.operator_id}  {_role_title(operator.role)}  {operator.name}  {since}{until}")
    finally:
        await database.close()


async def code(settings: Settings, operator_id: str) -> None:
    """Print a code that logs the operator in once. Only its digest is kept."""
    assert settings.redis_url is not None
    database = await connect_database(_url(settings), connections=2)
    redis = connect_redis(settings.redis_url)
    try:
        async with database.transaction() as tx:
            operator = await find_operator(tx, operator_id)
            if operator.closed_at is not None:
                raise Conflict("operator_closed", f"{operator_id} is closed")
            await note_deed(tx, operator_id, "code", at=now())
        issued = await OperatorSessions(redis).issue_code(operator_id)
    finally:
        await redis.aclose()
        await database.close()
    echo(f"{operator.name}（{_role_title(operator.role)}）的登录码，{CODE_SECONDS // 60} 分钟内可用一次：")
    echo(f"  {issued}")
    echo(f"请在 {settings.public_url}/console/login 填写编号 {operator_id} 和登录码，或在命令行用于一次操作")


@asynccontextmanager
async def in_the_name_of(settings: Settings, signed: Signed, right: Right) -> AsyncIterator[AsyncConnection]:
    """A transaction for what an operator does here. The code is used up, whatever becomes of it.

    Raises `Refused` for a code that is not this operator's, or used, and for somebody else's work.
    """
    assert settings.redis_url is not None
    database = await connect_database(_url(settings), connections=2)
    redis = connect_redis(settings.redis_url)
    try:
        if not await OperatorSessions(redis).redeem(signed.operator_id, signed.code):
            async with database.transaction() as tx:
                await note_refused_login(tx, signed.operator_id, at=now())
            raise Refused(
                "operator_code_wrong", "no unused code of this operator; `operator code` issues one"
            )
        async with database.transaction() as tx:
            operator = await find_operator(tx, signed.operator_id)
            if not operator.may(right):
                raise Refused("not_your_work", f"{signed.operator_id} ({operator.role}) has no right {right}")
            yield tx
    finally:
        await redis.aclose()
        await database.close()


def _url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url
