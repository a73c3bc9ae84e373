"""``python -m gateway webhook …`` and ``notices …``: where banks are told, and what could not be told."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection
from typer import echo

from adapters import Outcome, open_sender, written_secret
from consent import (
    Webhook,
    close_webhook,
    find_webhook,
    list_webhooks,
    names_of,
    note_handled,
    open_webhook,
    renew_secret,
    send_again,
    undelivered,
)
from core.clock import CHINA, now
from core.database import connect_database
from core.errors import InvalidInput, Unavailable
from core.keys import load_keys
from core.master_secret import MasterSecret, load_master_secret
from core.settings import Settings
from gateway.notices.sending import secret_of, signed_headers, trial_of

LISTED_AT_ONCE = 500


async def register(settings: Settings, participant_id: str, url: str) -> None:
    """Check the address, enter it, and print the secret by which the bank checks what it gets."""
    secret = await enter(settings, participant_id, url)
    echo(f"{participant_id} 的通知从现在起发往 {url}")
    _show_secret(secret)


async def enter(settings: Settings, participant_id: str, url: str) -> str:
    """The secret, as the bank is to have it."""
    sender = open_sender(settings)
    try:
        await sender.check(url)
    finally:
        await sender.close()
    async with _transaction(settings) as tx:
        webhook = await open_webhook(tx, participant_id, url, at=now())
    return _secret_of(webhook, _master(settings))


async def new_secret(settings: Settings, participant_id: str) -> None:
    async with _transaction(settings) as tx:
        webhook = await renew_secret(tx, participant_id, at=now())
    echo("已换新密钥；此后 24 小时内，新旧两个密钥都会签名")
    _show_secret(_secret_of(webhook, _master(settings)))


async def try_out(settings: Settings, participant_id: str) -> None:
    """Send a message about nothing. Raises `Unavailable` if the bank did not take it."""
    async with _transaction(settings) as tx:
        webhook = await find_webhook(tx, participant_id)
    if webhook.closed_at is not None:
        raise InvalidInput("webhook_closed", "this webhook is closed; set it again first")
    outcome = await _send_trial(settings, webhook)
    if outcome.fault is not None:
        raise Unavailable("webhook_not_heard", f"the receiver did not take it: {outcome.fault}")
    echo(f"{webhook.url} 收到了试发的通知（2xx）。对方是否验过签名，请向其确认")


async def _send_trial(settings: Settings, webhook: Webhook) -> Outcome:
    at, trial = now(), secrets.token_hex(8)
    key = load_keys(settings.var_dir / "keys")["artefacts"]
    body = trial_of(webhook, trial, issuer=settings.public_url, key=key, at=at)
    headers = signed_headers(f"trial-{trial}", body, webhook, _master(settings), at)
    sender = open_sender(settings)
    try:
        return await sender.post(webhook.url, headers=headers, body=body)
    finally:
        await sender.close()


async def close(settings: Settings, participant_id: str) -> None:
    async with _transaction(settings) as tx:
        await close_webhook(tx, participant_id, because="operator", at=now())
    echo(f"不再向 {participant_id} 发送通知；它仍可用 GET /v1/events 取得")


async def show_webhooks(settings: Settings) -> None:
    async with _transaction(settings) as tx:
        for webhook in await list_webhooks(tx):
            why = {"operator": "（已关闭）", "gone": "（对方答 410，已停发）", None: ""}
            echo(f"{webhook.participant_id}  {webhook.url}{why[webhook.closed_because]}")


async def show_undelivered(settings: Settings) -> None:
    """What was given up after three days and nobody has seen to."""
    async with _transaction(settings) as tx:
        found = await undelivered(tx, limit=LISTED_AT_ONCE)
        names = await names_of(tx, (one.participant_id for one in found))
    if not found:
        echo("没有未送达的通知")
    for one in found:
        echo(
            f"{one.event_id}  {one.created_at.astimezone(CHINA):%Y-%m-%d %H:%M}  {names[one.participant_id]}"
            f"  {one.verb}  授权 {one.consent_id}  试了 {one.attempts} 次：{one.fault}"
        )


async def again(settings: Settings, participant_id: str) -> None:
    async with _transaction(settings) as tx:
        number = await send_again(tx, participant_id, at=now())
    echo(f"{number} 条通知将重新发送")


async def handled(settings: Settings, event_id: int, *, by: str) -> None:
    async with _transaction(settings) as tx:
        await note_handled(tx, event_id, by=by, at=now())
    echo(f"通知 {event_id} 已由 {by} 办结")


def _secret_of(webhook: Webhook, master: MasterSecret) -> str:
    return written_secret(secret_of(master, webhook.participant_id, webhook.secret_number))


def _show_secret(secret: str) -> None:
    echo(f"验签密钥（请当面或加密交给对方）：{secret}")


def _master(settings: Settings) -> MasterSecret:
    return load_master_secret(settings.var_dir / "keys")


@asynccontextmanager
async def _transaction(settings: Settings) -> AsyncIterator[AsyncConnection]:
    assert settings.database_url is not None
    database = await connect_database(settings.database_url, connections=2)
    try:
        async with database.transaction() as tx:
            yield tx
    finally:
        await database.close()
