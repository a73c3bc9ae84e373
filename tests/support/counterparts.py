"""The sandbox's counterparts of identity on real sockets, knowing two enterprises, and a person who uses them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import uvicorn
from fastapi import FastAPI
from joserfc.jwk import ECKey

from adapters import LoginAnswer
from sandbox.code_provider import CodeProvider, Enterprise
from sandbox.hub_keys import HubKeys
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE

KNOWN = [
    Enterprise(ENTERPRISE, "苏州示例精密机械有限公司", "张三丰", "苏州"),
    Enterprise(OTHER_ENTERPRISE, "北京示例商贸有限公司", "王小五", "北京"),
]
HUB_KEY = ECKey.generate_key("P-256", {"kid": "hub-1", "use": "sig", "alg": "ES256"})


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on, each another one."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(one.getsockname()[1]) for one in taken]
    for one in taken:
        one.close()
    return ports


def hub_keys(key: ECKey = HUB_KEY) -> HubKeys:
    """The key set of a hub that is not there."""

    async def fetch() -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False)]}

    return HubKeys(fetch)


@asynccontextmanager
async def serving_site(site: FastAPI | Callable[..., Any], port: int) -> AsyncIterator[None]:
    """A web site on a real socket, in this event loop."""
    config = uvicorn.Config(site, host="127.0.0.1", port=port, log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    server.config.timeout_graceful_shutdown = 1
    task = asyncio.create_task(server.serve())
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def answered(
    provider: CodeProvider, address: str, uscc: str = ENTERPRISE, *, agent: bool = False, level: int = 3
) -> LoginAnswer:
    """What the browser brings back once the person has chosen and confirmed."""
    handle = provider.begin(dict(parse_qsl(urlsplit(address).query)))
    return brought_back(provider.choose(handle, uscc, agent=agent, level=level))


def brought_back(address: str) -> LoginAnswer:
    query = dict(parse_qsl(urlsplit(address).query))
    return LoginAnswer(
        state=query.get("state", ""),
        code=query.get("code", ""),
        error=query.get("error", ""),
        issuer=query.get("iss", ""),
    )
