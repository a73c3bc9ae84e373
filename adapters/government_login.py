"""Legal-person log-in of the government service network (省政务服务网 法人登录), as an OpenID Connect relying party.

What it must say in the ID token beyond OpenID Connect: ``uscc``, ``enterprise_name``, ``signatory_name``,
``signatory_role``, ``acr``, and ``person_id``, the person's identifier that every way in knows alike (for instance the
网号 of 国家网络身份认证公共服务, opaque and one per person): without it one person could agree twice.
"""

import time
from collections.abc import Callable

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from adapters.logins import (
    CLOCK_SKEW_SECONDS,
    CodeFlow,
    LoginAnswer,
    LoginStart,
    SubjectOf,
    refused,
    signatory,
    within_skew,
)
from consent import GOVERNMENT_LOGIN, Signatory
from core.identifiers import InvalidUSCC, parse_uscc


class GovernmentLogin:
    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        redirect_uri: str,
        key: Callable[[], ECKey],
        subject_of: SubjectOf,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._subject_of = subject_of
        self._flow = CodeFlow(
            "government",
            issuer=issuer,
            client_id=client_id,
            redirect_uri=redirect_uri,
            key=key,
            metadata_at="/.well-known/openid-configuration",
            clock=clock,
        )

    async def close(self) -> None:
        await self._flow.close()

    async def begin(self) -> tuple[str, LoginStart]:
        # The person shows themself anew, whoever was logged in there before.
        return await self._flow.begin(scope="openid", prompt="login")

    async def finish(self, answer: LoginAnswer, start: LoginStart) -> Signatory:
        id_token = (await self._flow.redeem(answer, start)).get("id_token", "")
        return self._signatory(id_token, await self._flow.keys_for(id_token), start)

    def _signatory(self, id_token: str, keys: KeySet, start: LoginStart) -> Signatory:
        """OpenID Connect Core §3.1.3.7, besides that the token is new and the person came after we had asked."""
        try:
            claims = jwt.decode(id_token, keys, algorithms=["ES256"]).claims
            jwt.JWTClaimsRegistry(
                now=lambda: int(self._flow.clock()),
                leeway=CLOCK_SKEW_SECONDS,
                iss={"essential": True, "value": self._flow.issuer},
                aud={"essential": True, "value": self._flow.client_id},
                nonce={"essential": True, "value": start.nonce},
                exp={"essential": True},
                iat={"essential": True},
                auth_time={"essential": True},
            ).validate(claims)
            if not within_skew(claims["iat"], self._flow.clock):
                raise ValueError("it is not of now")
            if not claims["auth_time"] >= start.begun_at - CLOCK_SKEW_SECONDS:
                raise ValueError("the person had logged in before we asked")
            return signatory(
                claims, parse_uscc(claims["uscc"]), proven_by=GOVERNMENT_LOGIN, subject_of=self._subject_of
            )
        except (JoseError, InvalidUSCC, KeyError, TypeError, ValueError, AttributeError) as error:
            raise refused(f"the ID token is not good: {type(error).__name__}") from error
