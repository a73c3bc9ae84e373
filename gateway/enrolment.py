"""Entering a bank or platform with the public keys of its OAuth client; from the command line and the demo."""

from collections.abc import Sequence
from pathlib import Path

from consent import register_client, register_participant
from core.clock import now
from core.database import connect_database


async def enrol(
    url: str,
    *,
    participant_id: str,
    name: str,
    participant_class: str,
    client_id: str,
    jwks: Path,
    redirect_uris: Sequence[str] | None = None,
    notification_url: str | None = None,
) -> None:
    """Enter the participant and its client, or change them; addresses that are None stay as they are.

    Raises `InvalidInput` for unusable keys or addresses.
    """
    keys = jwks.read_text()
    database = await connect_database(url, connections=2)
    try:
        async with database.transaction() as tx:
            await register_participant(
                tx, participant_id=participant_id, name=name, participant_class=participant_class, at=now()
            )
            await register_client(
                tx,
                client_id=client_id,
                participant_id=participant_id,
                jwks=keys,
                redirect_uris=redirect_uris,
                notification_url=notification_url,
                at=now(),
            )
    finally:
        await database.close()
