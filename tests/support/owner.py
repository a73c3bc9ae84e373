"""The sandbox's data owner on a real socket, and a register of one enterprise with one seizure."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import uvicorn

from adapters import ExchangeOwner
from sandbox.data_owner import REQUESTER, SERVICE, DataOwner, Enterprise, build

ENTERPRISE = "91350100M000100Y43"
OTHER_ENTERPRISE = "91110108551385082Q"
KEY = b"a key that only the owner and the hub know"
TODAY = date(2026, 11, 22)
SEIZURES = "real_estate_seizures"


def played_register() -> DataOwner:
    known = [
        Enterprise(ENTERPRISE, "苏州示例精密机械有限公司", "苏州"),
        Enterprise(OTHER_ENTERPRISE, "南京示例食品有限公司", "南京"),
    ]
    register = DataOwner({one.uscc: one for one in known}, KEY, today=lambda: TODAY)
    register.enter(ENTERPRISE, begun=date(2026, 3, 1))
    return register


@asynccontextmanager
async def serving(register: DataOwner, port: int) -> AsyncIterator[str]:
    """The address of its exchange."""
    config = uvicorn.Config(
        build(register), host="127.0.0.1", port=port, log_config=None, access_log=False, ws="none"
    )
    server = uvicorn.Server(config)
    server.config.timeout_graceful_shutdown = 1
    task = asyncio.create_task(server.serve())
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{port}/exchange"
    finally:
        server.should_exit = True
        await task


def exchange_owner(url: str, **changes: object) -> ExchangeOwner:
    given = {"url": url, "requester": REQUESTER, "key": KEY, "services": {SEIZURES: SERVICE}}
    return ExchangeOwner(**{**given, **changes})  # type: ignore[arg-type]
