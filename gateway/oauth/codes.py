"""Authorization codes: 60 seconds, once, for one client, one address and one verifier (RFC 6749 §4.1, RFC 7636).

A code that comes twice takes back what it gave (§4.1.2): its refresh token ends, its access tokens are denied.
"""

import time
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from consent import Client, end_what_it_gave, find_for_participant, keep_refresh_token
from gateway.hub import Hub
from gateway.oauth.details import details_of
from gateway.oauth.memory import Memory
from gateway.oauth.refusals import OAuthRefusal
from gateway.oauth.tokens import LIFETIME_SECONDS, TokenGrant

CODE_SECONDS = 60
REMEMBERED_SECONDS = LIFETIME_SECONDS + CODE_SECONDS
"""how long a used code is known as used: as long as what it gave could do harm"""
LIVING = frozenset({"active", "paused"})
"""states of a consent in which tokens are given for it; whether it may be used is seen at each question"""


class Code(msgspec.Struct):
    """What a code stands for. Once used, it stays until nothing that it gave is good any more."""

    client_id: str
    participant_id: str
    consent_id: UUID
    redirect_uri: str
    code_challenge: str
    dpop_jkt: str | None
    used: bool = False


@dataclass(frozen=True)
class KeptCode:
    """A code as it comes to the token endpoint, in the form that Authlib asks for."""

    code: Code
    grant: TokenGrant | None
    """None: the consent is over"""
    code_challenge_method: str = field(default="S256", init=False)

    @property
    def client_id(self) -> str:
        return self.code.client_id

    @property
    def code_challenge(self) -> str:
        return self.code.code_challenge

    def get_redirect_uri(self) -> str:
        return self.code.redirect_uri

    def get_scope(self) -> str:
        return ""


class Codes:
    """The grant type `authorization_code` at the token endpoint, around what Authlib checks."""

    grant_type = "authorization_code"

    async def look_up(self, form: dict[str, str], hub: Hub) -> KeptCode | None:
        """What is kept under the code that was sent; nothing is used up yet."""
        code = await Memory(hub.redis).find(Code, form.get("code", ""))
        if code is None:
            return None
        return KeptCode(code, await grant_for(code.participant_id, code.consent_id, hub))

    async def spend(
        self, kept: KeptCode, client: Client, form: dict[str, str], answer: dict[str, str], hub: Hub
    ) -> None:
        """Everything was good: use the code up, and keep the refresh token of the answer. Raises `OAuthRefusal`."""
        used = msgspec.structs.replace(kept.code, used=True)
        before = await Memory(hub.redis).exchange(form["code"], used, REMEMBERED_SECONDS)
        if before is None:
            raise OAuthRefusal("invalid_grant", "the code is over")
        if before.used:
            await self.refused(kept, client, form, hub)
            raise OAuthRefusal("invalid_grant", "the code was used before; what it gave is taken back")
        async with hub.database.transaction() as tx:
            fresh = await keep_refresh_token(
                tx,
                answer["refresh_token"],
                origin=form["code"],
                client_id=client.client_id,
                consent_id=kept.code.consent_id,
                at=hub.clock(),
            )
        if not fresh:
            raise OAuthRefusal("invalid_grant", "the code was used before; what it gave is taken back")

    async def refused(self, kept: KeptCode, client: Client, form: dict[str, str], hub: Hub) -> None:
        """The proven client got `invalid_grant`: if because its code had been used, that takes back what it gave."""
        code = await Memory(hub.redis).find(Code, form["code"])
        if code is None or not code.used or code.client_id != client.client_id:
            return
        async with hub.database.transaction() as tx:
            await end_what_it_gave(
                tx, form["code"], client_id=client.client_id, consent_id=code.consent_id, at=hub.clock()
            )
        await hub.denied.deny(str(code.consent_id), time.time() + REMEMBERED_SECONDS)


async def grant_for(participant_id: str, consent_id: UUID, hub: Hub) -> TokenGrant | None:
    """What a token for this consent says; None when the consent is over."""
    async with hub.database.transaction() as tx:
        consent = await find_for_participant(tx, participant_id, consent_id)
    if consent.state_at(hub.clock()) not in LIVING:
        return None
    return TokenGrant(str(consent_id), details_of(consent, hub.settings.public_url))
