"""电子营业执照: the holder of an electronic business licence presents it, as the licence service's relying party.

OpenID for Verifiable Presentations 1.0 in the code flow (§5 ``response_type=code``, §8: the VP token comes in the token
answer). The person goes to the licence service, in this browser or by scanning its code with the licence app, and
confirms; the service hands out an SD-JWT of the licence, signed by the authority, bound to the holder's key.

The key lives in the authority's app and nowhere else, so what it signs about how the holder unlocked it (``acr``) is the
authority's word. Only the claims of `CLAIMS` are asked for: the hub needs no address and no capital to know who it is.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from adapters.logins import CodeFlow, LoginAnswer, LoginStart, SubjectOf, refused, signatory
from adapters.presentations import Presentation, read_presentation, status_in
from consent import BUSINESS_LICENCE, Signatory
from core.errors import Refused
from core.identifiers import InvalidUSCC, parse_uscc

VCT = "urn:xinyi:business-licence:1"
QUERY_ID = "licence"
CLAIMS = ("uscc", "enterprise_name", "signatory_name", "signatory_role", "person_id")
VALID = 0
"""in a status list; anything else is revoked, suspended or cancelled"""


class BusinessLicence:
    """Raises `Refused` for a genuine licence that is not valid any more."""

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
            "licence",
            issuer=issuer,
            client_id=client_id,
            redirect_uri=redirect_uri,
            key=key,
            metadata_at="/.well-known/oauth-authorization-server",
            clock=clock,
        )

    async def close(self) -> None:
        await self._flow.close()

    async def begin(self) -> tuple[str, LoginStart]:
        return await self._flow.begin(dcql_query=json.dumps(_query()))

    async def finish(self, answer: LoginAnswer, start: LoginStart) -> Signatory:
        presentation = _the_presentation(await self._flow.redeem(answer, start))
        keys = await self._flow.keys_for(presentation.partition("~")[0])
        try:
            shown = read_presentation(
                presentation,
                issuer=self._flow.issuer,
                issuer_keys=keys,
                vct=VCT,
                audience=self._flow.client_id,
                nonce=start.nonce,
                clock=self._flow.clock,
            )
            person = self._person(shown)
            expires_at, (listed_at, index) = float(shown.credential["exp"]), _place(shown.credential)
        except (JoseError, InvalidUSCC, KeyError, TypeError, ValueError, AttributeError) as error:
            raise refused(f"the presentation is not good: {type(error).__name__} {_why(error)}") from error
        if expires_at <= self._flow.clock():
            raise Refused("licence_not_valid", "the licence has expired")
        if await self._status(listed_at, index, keys) != VALID:
            raise Refused("licence_not_valid", "the licence is revoked, suspended or cancelled")
        return person

    def _person(self, shown: Presentation) -> Signatory:
        return signatory(
            {**shown.credential, "acr": shown.binding["acr"]},
            parse_uscc(shown.credential["uscc"]),
            proven_by=BUSINESS_LICENCE,
            subject_of=self._subject_of,
        )

    async def _status(self, uri: str, index: object, keys: KeySet) -> int:
        """Asked anew at each log-in: a licence that was revoked a minute ago opens nothing."""
        if not uri.startswith(f"{self._flow.issuer}/"):
            raise refused("the status list is not the issuer's")
        answered, body = await self._flow.fetch("GET", uri)
        if answered != 200:
            raise refused(f"no status list: {answered}")
        try:
            return status_in(
                body.decode().strip(), uri=uri, index=index, issuer_keys=keys, clock=self._flow.clock
            )
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise refused(f"the status list is not good: {type(error).__name__} {_why(error)}") from error


def _query() -> Mapping[str, Any]:
    """DCQL, OpenID4VP §6."""
    return {
        "credentials": [
            {
                "id": QUERY_ID,
                "format": "dc+sd-jwt",
                "meta": {"vct_values": [VCT]},
                "claims": [{"path": [claim]} for claim in CLAIMS],
            }
        ]
    }


def _the_presentation(redeemed: Mapping[str, Any]) -> str:
    """OpenID4VP §8.1: by the id of the query a list of presentations, of which we asked for one."""
    try:
        [presentation] = redeemed["vp_token"][QUERY_ID]
    except (KeyError, TypeError, ValueError) as error:
        raise refused("there is no presentation, or more than one") from error
    if not isinstance(presentation, str):
        raise refused("the presentation is no text")
    return presentation


def _place(credential: Mapping[str, Any]) -> tuple[str, object]:
    """Where its status is told: the list's address, and the entry in it."""
    listed = credential["status"]["status_list"]
    return str(listed["uri"]), listed["idx"]


def _why(error: Exception) -> str:
    """The words of our own errors; those of others may repeat what was presented."""
    return str(error) if type(error) is ValueError else ""
