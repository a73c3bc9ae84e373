"""The token endpoint: Authlib's framework-neutral core behind one thin adapter.

Authlib's core is synchronous and knows no database of ours: the adapter fetches the client before and spends
the assertion's one-time id after, and runs the core in a thread. FAPI 2.0 §5.3.2.1: clients authenticate with
`private_key_jwt`, ES256, whose audience is the issuer as a string; tokens are sender-constrained.
"""

import base64
import time
from dataclasses import dataclass
from typing import Any

import msgspec
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError, OAuth2Error
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from consent import Client
from gateway.oauth.tokens import LIFETIME_SECONDS, AccessTokens

AUTH_METHOD = "private_key_jwt"
CLOCK_AHEAD_SECONDS_MAX = 8
ASSERTION_SECONDS_MAX = 300
GRANT_TYPE = "client_credentials"


@dataclass
class TokenClient(ClientMixin):  # type: ignore[misc]  # Authlib is untyped
    """A registered client as it comes to the token endpoint, with what its token will be bound to."""

    client: Client
    confirmation: dict[str, str]

    def get_client_id(self) -> str:
        return self.client.client_id

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == AUTH_METHOD

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == GRANT_TYPE


class TokenRequest(OAuth2Request):  # type: ignore[misc]
    def __init__(self, form: dict[str, str], client: TokenClient | None) -> None:
        # Whether the transport is encrypted is decided where it ends (the TLS proxy, or loopback).
        super().__init__("POST", "https://token.invalid/", headers={})
        self.payload = BasicOAuth2Payload(form)
        self.known_client = client

    @property
    def form(self) -> dict[str, str]:
        data: dict[str, str] = self.payload.data
        return data


class ClientAssertion(JWTBearerClientAssertion):  # type: ignore[misc]
    """RFC 7523 §3 as FAPI 2.0 demands it."""

    CLIENT_AUTH_METHOD = AUTH_METHOD

    def __init__(self, issuer: str) -> None:
        super().__init__(leeway=CLOCK_AHEAD_SECONDS_MAX)
        self._issuer = issuer

    def __call__(self, query_client: object, request: TokenRequest) -> TokenClient | None:
        found: TokenClient | None = super().__call__(lambda client_id: request.known_client, request)
        return found

    def process_assertion_claims(self, assertion: str, resolve_key: KeySet) -> dict[str, Any]:
        try:
            claims = jwt.decode(assertion, resolve_key, algorithms=["ES256"]).claims
        except (JoseError, ValueError) as error:
            raise InvalidClientError(
                description="The assertion's signature does not fit the client's keys."
            ) from error
        self.verify_claims(claims)
        return claims

    def verify_claims(self, claims: dict[str, Any]) -> None:
        super().verify_claims(claims)
        if claims["aud"] != self._issuer:
            raise InvalidClientError(description="aud must be the issuer, as a single string.")
        now = time.time()
        if not now < claims["exp"] <= now + ASSERTION_SECONDS_MAX:
            raise InvalidClientError(description=f"exp must be within {ASSERTION_SECONDS_MAX} seconds.")
        if not isinstance(claims["jti"], str) or not 8 <= len(claims["jti"]) <= 256:
            raise InvalidClientError(description="jti must be a string of 8 to 256 characters.")

    def get_audiences(self) -> list[str]:
        return [self._issuer]

    def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
        return True  # spent by the endpoint, in Redis, after everything else was found good

    def resolve_client_public_key(self, client: TokenClient) -> KeySet:
        return KeySet.import_key_set(client.client.jwks)  # type: ignore[arg-type]  # checked at enrolment


class BankGrant(ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = [AUTH_METHOD]  # noqa: RUF012 - Authlib's own form


class TokenServer(AuthorizationServer):  # type: ignore[misc]
    def __init__(self, tokens: AccessTokens, issuer: str) -> None:
        super().__init__()
        self._tokens = tokens
        self.register_grant(BankGrant)
        self.register_client_auth_method(AUTH_METHOD, ClientAssertion(issuer))
        self.register_token_generator("default", self._generate)

    def _generate(self, *, client: TokenClient, **_: object) -> dict[str, Any]:
        token = self._tokens.issue(
            client_id=client.client.client_id,
            participant_id=client.client.participant_id,
            participant_class=client.client.participant_class,
            confirmation=client.confirmation,
        )
        kind = "DPoP" if "jkt" in client.confirmation else "Bearer"
        return {"access_token": token, "token_type": kind, "expires_in": LIFETIME_SECONDS}

    def query_client(self, client_id: str) -> None:
        return None  # clients come with the request, see `ClientAssertion`

    def save_token(self, token: dict[str, Any], request: TokenRequest) -> None:
        """Tokens are not stored: they live 300 seconds and are bound to a key."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Authlib's signals have no listener here."""

    def create_oauth2_request(self, request: TokenRequest) -> TokenRequest:
        return request

    def handle_response(
        self, status: int, body: dict[str, Any], headers: object
    ) -> tuple[int, dict[str, Any]]:
        return status, body

    def answer(self, request: TokenRequest) -> tuple[int, dict[str, Any]]:
        """Status and JSON body of the token response or of its error (RFC 6749 §5)."""
        try:
            status, body = self.create_token_response(request)
        except OAuth2Error as error:  # raised outside Authlib's own handling
            status, body = error.status_code, dict(error.get_body())
        return (401 if body.get("error") == "invalid_client" else status), body


def claims_of(assertion: str) -> dict[str, Any]:
    """The claims of an assertion, not verified: to know whose keys to fetch. Raises `InvalidRequestError`."""
    try:
        payload = assertion.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if isinstance(claims, dict):
            return claims
    except (IndexError, ValueError, RecursionError, msgspec.DecodeError):
        pass
    raise InvalidRequestError("client_assertion is not a JWT")
