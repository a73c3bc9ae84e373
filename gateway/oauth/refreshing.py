"""Refresh tokens at the token endpoint: good for as long as the consent lives, never rotated (FAPI 2.0 §5.3.2.1)."""

from dataclasses import dataclass
from typing import Any

from consent import Client, find_refresh_token
from gateway.hub import Hub
from gateway.oauth.codes import grant_for
from gateway.oauth.tokens import TokenGrant


@dataclass(frozen=True)
class KeptRefreshToken:
    """A refresh token as it comes to the token endpoint, in the form that Authlib asks for."""

    client_id: str
    grant: TokenGrant

    def check_client(self, client: Any) -> bool:
        return bool(client.get_client_id() == self.client_id)

    def get_scope(self) -> str:
        return ""


class RefreshTokens:
    """The grant type `refresh_token` at the token endpoint, around what Authlib checks."""

    grant_type = "refresh_token"

    async def look_up(self, form: dict[str, str], hub: Hub) -> KeptRefreshToken | None:
        """The token, unless it was ended or its consent is over."""
        async with hub.database.transaction() as tx:
            token = await find_refresh_token(tx, form.get("refresh_token", ""))
        if token is None:
            return None
        grant = await grant_for(token.participant_id, token.consent_id, hub)
        return KeptRefreshToken(token.client_id, grant) if grant else None

    async def spend(
        self,
        kept: KeptRefreshToken,
        client: Client,
        form: dict[str, str],
        answer: dict[str, str],
        hub: Hub,
    ) -> None:
        """Nothing is used up: the same token comes again."""

    async def refused(self, kept: KeptRefreshToken, client: Client, form: dict[str, str], hub: Hub) -> None:
        """Nothing to take back."""
