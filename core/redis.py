"""Redis: only what may be lost without loss of truth (rates, one-time proofs, sessions, wake-ups)."""

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

Redis = redis.Redis

AWAY = (RedisError, OSError, TimeoutError)


def connect_redis(url: str) -> Redis:
    """A client with short time limits: a slow Redis must not make a bank wait.

    Who comes when all connections are taken waits for one: being busy is not being away.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url,
        timeout=1.0,
        socket_connect_timeout=0.5,
        socket_timeout=1.0,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 1),
        max_connections=64,
    )
    return redis.Redis.from_pool(pool)
