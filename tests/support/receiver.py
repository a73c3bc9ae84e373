"""Any ASGI application on a real socket, for as long as a block lasts."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn


@asynccontextmanager
async def listening(app: Any, port: int, *, certificates: Path | None = None) -> AsyncIterator[None]:
    """With ``certificates`` (a folder of `sandbox.certificates`) it speaks TLS."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, access_log=False, ws="none", lifespan="off"
    )
    if certificates is not None:
        config.ssl_certfile = certificates / "hub.pem"
        config.ssl_keyfile = certificates / "hub.key"
        config.ssl_version = ssl.PROTOCOL_TLS_SERVER
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await task
