"""How the hub is, for load balancers and operators: what works, what is degraded, in plain words."""

import asyncio
from typing import Any

import asyncpg
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from core.database import AWAY as DATABASE_AWAY
from core.redis import AWAY as REDIS_AWAY
from gateway.access import HubDep
from gateway.hub import Hub

router = APIRouter(tags=["运行 Operation"])

REDIS_AWAY_MEANS = [
    "rates are kept per process, at a quarter",
    "DPoP calls and token requests are refused; calls over mutual TLS with a token in hand go on",
    "enterprises cannot log in",
]
OWNER_AWAY = ("away", "probing")
"""as the process that answers sees it; each finds out by itself"""


@router.get("/health", summary="状态")
async def health(hub: HubDep) -> JSONResponse:
    """200 while questions can be answered (at least over mutual TLS), 503 when they cannot."""
    database, redis = await asyncio.gather(_database(hub), _redis(hub))
    degraded = ["no question can be answered: PostgreSQL is away"] if not database else []
    degraded += [] if redis else REDIS_AWAY_MEANS
    owners = hub.spine.live.owners_health()
    degraded += [
        f"live data of {owner} is refused: the owner is away"
        for owner in owners
        if owners[owner] in OWNER_AWAY
    ]
    body: dict[str, Any] = {
        "status": "down" if not database else "degraded" if degraded else "ok",
        "postgresql": "ok" if database else "away",
        "redis": "ok" if redis else "away",
        "owners": owners,
        "degraded": degraded,
    }
    return JSONResponse(body, 200 if database else 503, headers={"cache-control": "no-store"})


async def _database(hub: Hub) -> bool:
    try:
        async with hub.database.hot.acquire(timeout=2) as connection:
            await connection.fetchval("SELECT 1", timeout=2)
    except (*DATABASE_AWAY, asyncpg.PostgresError):
        return False
    return True


async def _redis(hub: Hub) -> bool:
    try:
        await hub.redis.ping()
    except REDIS_AWAY:
        return False
    return True
