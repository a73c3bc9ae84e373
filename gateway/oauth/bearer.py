"""Who asks: from the headers and the connection of a request to a proven caller (design.md §4, step 1)."""

import base64
import binascii
import hashlib
import ssl
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from core.errors import NotAuthenticated
from gateway.oauth.dpop import check_proof
from gateway.oauth.nonces import Nonces
from gateway.oauth.tokens import AccessTokens, Token

Headers = list[tuple[bytes, bytes]]


class Credentials(NamedTuple):
    """What a request brings to show who sends it."""

    authorization: str
    dpop: str | None
    certificate: str | None
    """thumbprint (`x5t#S256`) of the TLS client certificate of this connection"""


class Caller(NamedTuple):
    client_id: str
    participant_id: str
    participant_class: str
    replay_key: str | None
    """set when the call is proven by a one-time proof, whose uniqueness is still to be checked"""
    grant_id: str | None = None
    """the only consent that may be used with this token; None: any consent of the participant"""


class Doorkeeper:
    def __init__(self, tokens: AccessTokens, own_urls: Sequence[str], nonces: Nonces | None = None) -> None:
        """``nonces``: what every proof must carry one of; None: none is asked for."""
        self._tokens = tokens
        self._own_urls = own_urls
        self.nonces = nonces

    def who_asks(self, credentials: Credentials, method: str, path: str) -> Caller:
        """The proven caller. Raises `NotAuthenticated`."""
        scheme, _, text = credentials.authorization.partition(" ")
        if scheme.lower() not in ("dpop", "bearer") or not text:
            raise NotAuthenticated("token_missing")
        token = self._tokens.check(text)
        replay_key = None
        if token.x5t is not None:
            if credentials.certificate != token.x5t:
                raise NotAuthenticated("certificate_of_another")
        elif scheme.lower() != "dpop":
            raise NotAuthenticated("proof_missing", "a DPoP-bound token is no bearer token (RFC 9449 §7.2)")
        else:
            replay_key = self._possession(token, text, credentials.dpop, method, path)
        return Caller(
            token.client_id, token.participant_id, token.participant_class, replay_key, token.grant_id
        )

    def nonce_for(self, headers: Headers) -> Headers:
        """The answer's header that hands out the nonce of now, if the request came with a proof (RFC 9449 §8.2)."""
        if self.nonces is None or b"dpop" not in dict(headers):
            return []
        return [(b"dpop-nonce", self.nonces.current.encode())]

    def _possession(self, token: Token, text: str, dpop: str | None, method: str, path: str) -> str:
        if dpop is None:
            raise NotAuthenticated("proof_missing")
        urls = [url + path for url in self._own_urls]
        proof = check_proof(dpop, method=method, urls=urls, token=text, nonces=self.nonces)
        if proof.jkt != token.jkt:
            raise NotAuthenticated("proof_of_another_key")
        return proof.replay_key


def thumbprint(certificate_der: bytes) -> str:
    """`x5t#S256` of a certificate: RFC 8705 §3.1."""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate_der).digest()).rstrip(b"=").decode()


@lru_cache(maxsize=1024)
def thumbprint_of_header(value: bytes) -> str | None:
    """Thumbprint of the URL-encoded PEM that a TLS proxy hands over in ``X-SSL-Client-Cert``."""
    try:
        return thumbprint(ssl.PEM_cert_to_DER_cert(unquote_to_bytes(value).decode("ascii").strip()))
    except (ValueError, binascii.Error):
        return None
