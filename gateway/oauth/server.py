"""The token endpoint: Authlib's framework-neutral core behind one thin adapter.

Authlib's core is synchronous and knows no database of ours: the endpoint fetches the client, and what is kept under
a code or refresh token, before (``kept``), and spends one-time things after. In between the core asks nobody, so it
runs where it is called: some 150 µs, less than a thread would add.
FAPI 2.0 §5.3.2.1: clients authenticate with `private_key_jwt`, ES256, whose audience is the issuer as a string; tokens
are sender-constrained.
"""

import secrets
from dataclasses import dataclass
from typing import Any, ClassVar

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.errors import (
    InvalidClientError,
    InvalidGrantError,
    OAuth2Error,
)
from authlib.oauth2.rfc6749.grants import (
    AuthorizationCodeGrant,
    BaseGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
    TokenEndpointMixin,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from authlib.oauth2.rfc7636 import CodeChallenge

from consent import Client
from gateway.oauth.assertions import Assertion, check_assertion
from gateway.oauth.tokens import LIFETIME_SECONDS, AccessTokens, TokenGrant

AUTH_METHOD = "private_key_jwt"


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
        return True  # what a client may ask for is decided by who grants it


class TokenRequest(OAuth2Request):  # type: ignore[misc]
    """``said``: by the form's assertion, whose ``client`` is known but not proven.

    ``kept``: what is kept under the code or refresh token of the form, if there is such.
    """

    def __init__(
        self,
        form: dict[str, str],
        said: Assertion | None = None,
        client: TokenClient | None = None,
        kept: Any = None,
    ) -> None:
        # Whether the transport is encrypted is decided where it ends (the TLS proxy, or loopback).
        super().__init__("POST", "https://token.invalid/", headers={})
        self.payload = BasicOAuth2Payload(form)
        self.said = said
        self.known_client = client
        self.kept = kept

    @property
    def form(self) -> dict[str, str]:
        data: dict[str, str] = self.payload.data
        return data


class ClientAssertion:
    """How a client proves itself, as Authlib asks for it: the client, or None where the form holds no assertion."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer

    def __call__(self, query_client: object, request: TokenRequest) -> TokenClient | None:
        if request.form.get("client_assertion_type") != ASSERTION_TYPE or request.said is None:
            return None
        if request.known_client is None:
            raise InvalidClientError(description="There is no such client, or it is suspended.")
        text = request.form["client_assertion"]
        check_assertion(text, request.said, request.known_client.client, self._issuer)
        request.client = request.known_client
        return request.known_client


class BankGrant(ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = [AUTH_METHOD]  # noqa: RUF012 - Authlib's own form


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """The kept code is a `gateway.oauth.codes.KeptCode`."""

    TOKEN_ENDPOINT_AUTH_METHODS = [AUTH_METHOD]  # noqa: RUF012

    def query_authorization_code(self, code: str, client: TokenClient) -> Any:
        kept = self.request.kept
        mine = kept is not None and kept.client_id == client.get_client_id()
        return kept if mine and not kept.code.used else None

    def validate_token_request(self) -> None:
        super().validate_token_request()
        bound = self.request.kept.code.dpop_jkt
        if bound not in (None, self.request.client.confirmation.get("jkt")):
            raise InvalidGrantError("The code is bound to another DPoP key (RFC 9449 section 10).")

    def authenticate_user(self, kept: Any) -> TokenGrant | None:
        """Authlib's "user" is what was granted."""
        grant: TokenGrant | None = kept.grant
        return grant

    def delete_authorization_code(self, kept: Any) -> None:
        """Used up by the endpoint, in Redis, after everything else was found good."""


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    """The kept token is a `gateway.oauth.refreshing.KeptRefreshToken`."""

    TOKEN_ENDPOINT_AUTH_METHODS = [AUTH_METHOD]  # noqa: RUF012

    def authenticate_refresh_token(self, refresh_token: str) -> Any:
        kept = self.request.kept
        if kept is None or not kept.check_client(self.request.client):
            raise InvalidGrantError("The refresh token is not good, or the consent behind it is over.")
        return kept

    def authenticate_user(self, kept: Any) -> TokenGrant:
        grant: TokenGrant = kept.grant
        return grant

    def revoke_old_credential(self, kept: Any) -> None:
        """Not rotated: the client's own key guards it."""


class BackchannelGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """CIBA §10.1; the kept request is a `gateway.oauth.backchannel.KeptBackchannelRequest`."""

    GRANT_TYPE = "urn:openid:params:grant-type:ciba"
    TOKEN_ENDPOINT_AUTH_METHODS = [AUTH_METHOD]  # noqa: RUF012

    def validate_token_request(self) -> None:
        client = self.authenticate_token_endpoint_client()
        kept = self.request.kept
        if kept is None or kept.client_id != client.get_client_id():
            raise InvalidGrantError("The auth_req_id is not one of yours.")
        if kept.pending is not None:
            raise NotYetError(kept.pending)
        self.request.client = client

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        token = self.generate_token(user=self.request.kept.grant, include_refresh_token=True)
        self.save_token(token)
        return 200, token, self.TOKEN_RESPONSE_HEADER


class NotYetError(OAuth2Error):  # type: ignore[misc]
    """CIBA §11: the enterprise has not answered, or has not agreed."""

    DESCRIPTIONS: ClassVar[dict[str, str]] = {
        "authorization_pending": "The enterprise has not answered yet.",
        "slow_down": "The enterprise has not answered yet; wait five seconds longer between polls.",
        "expired_token": "The enterprise did not answer in time; ask anew.",
        "access_denied": "The enterprise did not agree, or took it back.",
    }

    def __init__(self, error: str) -> None:
        super().__init__(description=self.DESCRIPTIONS[error])
        self.error = error


class TokenServer(AuthorizationServer):  # type: ignore[misc]
    def __init__(self, tokens: AccessTokens, issuer: str) -> None:
        super().__init__()
        self._tokens = tokens
        self.register_grant(BankGrant)
        self.register_grant(CodeGrant, [CodeChallenge(required=True)])
        self.register_grant(RefreshGrant)
        self.register_grant(BackchannelGrant)
        self.register_client_auth_method(AUTH_METHOD, ClientAssertion(issuer))
        self.register_token_generator("default", self._generate)

    def _generate(
        self,
        *,
        client: TokenClient,
        user: TokenGrant | None = None,
        include_refresh_token: bool = False,
        **_: object,
    ) -> dict[str, Any]:
        token = self._tokens.issue(
            client_id=client.client.client_id,
            participant_id=client.client.participant_id,
            participant_class=client.client.participant_class,
            confirmation=client.confirmation,
            grant=user,
        )
        kind = "DPoP" if "jkt" in client.confirmation else "Bearer"
        answer: dict[str, Any] = {"access_token": token, "token_type": kind, "expires_in": LIFETIME_SECONDS}
        if user is not None:
            answer |= {"grant_id": user.grant_id, "authorization_details": user.authorization_details}
        if include_refresh_token:
            answer["refresh_token"] = secrets.token_urlsafe(32)
        return answer

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

    def authenticated(self, request: TokenRequest) -> TokenClient:
        """The client of an endpoint's form, proven by its assertion. Raises Authlib's `OAuth2Error`."""
        client: TokenClient = self.authenticate_client(request, [AUTH_METHOD])
        return client

    def answer(self, request: TokenRequest) -> tuple[int, dict[str, Any]]:
        """Status and JSON body of the token response or of its error (RFC 6749 §5)."""
        try:
            status, body = self.create_token_response(request)
        except OAuth2Error as error:  # raised outside Authlib's own handling
            status, body = error.status_code, dict(error.get_body())
        return (401 if body.get("error") == "invalid_client" else status), body
