"""Access tokens: RFC 9068 JWTs of at most 300 seconds, bound to a DPoP key or to a client certificate.

Checking one needs no database: the signature is ours, and a token that was checked once is remembered by its
hash until it expires.
"""

import hashlib
import secrets
import time
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import jwt

from core.errors import NotAuthenticated
from core.keys import Keys

LIFETIME_SECONDS = 300
CACHE_MAX = 50_000
TYPE = "at+jwt"
CLASS_CLAIM = "participant_class"


class TokenGrant(NamedTuple):
    """What an enterprise granted, as a token says it (RFC 9396 §9.1)."""

    grant_id: str
    """the consent, under the name that OAuth's grant management gives it"""
    authorization_details: Sequence[Mapping[str, Any]]


class Token(NamedTuple):
    """What a checked token says. Exactly one of ``jkt`` and ``x5t`` is set (RFC 9449 §6, RFC 8705 §3.1)."""

    client_id: str
    participant_id: str
    participant_class: str
    jkt: str | None
    x5t: str | None
    expires_at: float
    grant_id: str | None = None
    """the only consent that may be used with it; None: any consent of its participant"""
    jti: str = ""


class AccessTokens:
    def __init__(self, keys: Keys, issuer: str, denied: Container[str] = ()) -> None:
        """``denied``: ids of tokens, and of grants with all their tokens, that are void before they expire."""
        self._keys = keys
        self._issuer = issuer
        self._denied = denied
        self._checked: dict[bytes, Token] = {}
        self._keys_then = keys.version

    def issue(
        self,
        *,
        client_id: str,
        participant_id: str,
        participant_class: str,
        confirmation: dict[str, str],
        grant: TokenGrant | None = None,
    ) -> str:
        """A token for ``client_id``; ``confirmation`` is its `cnf` (``jkt`` or ``x5t#S256``)."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": client_id,
            "client_id": client_id,
            "participant_id": participant_id,
            CLASS_CLAIM: participant_class,
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": secrets.token_urlsafe(12),
            "cnf": confirmation,
        }
        if grant is not None:
            claims["grant_id"] = grant.grant_id
            claims["authorization_details"] = grant.authorization_details
        key = self._keys["tokens"]
        private: Any = key.get_op_key("sign")
        return jwt.encode(claims, private, algorithm="ES256", headers={"typ": TYPE, "kid": key.kid})

    def check(self, token: str) -> Token:
        """Raise `NotAuthenticated` unless the token is ours and still good."""
        if self._keys_then != self._keys.version:
            self._checked.clear()
            self._keys_then = self._keys.version
        digest = hashlib.sha256(token.encode()).digest()
        found = self._checked.get(digest)
        if found is None:
            found = self._verify(token)
            if len(self._checked) >= CACHE_MAX:
                self._forget_expired()
            self._checked[digest] = found
        if found.expires_at <= time.time():
            del self._checked[digest]
            raise NotAuthenticated("token_expired")
        if found.jti in self._denied or found.grant_id in self._denied:
            raise NotAuthenticated("token_revoked")
        return found

    def _verify(self, token: str) -> Token:
        claims = self.claims_of(token)
        confirmation = claims["cnf"]
        return Token(
            claims["client_id"],
            claims["participant_id"],
            claims[CLASS_CLAIM],
            confirmation.get("jkt"),
            confirmation.get("x5t#S256"),
            float(claims["exp"]),
            claims.get("grant_id"),
            claims["jti"],
        )

    def claims_of(self, token: str) -> dict[str, Any]:
        """All that a token says, whether or not it is denied. Raises `NotAuthenticated`."""
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.verifying("tokens", header.get("kid"))
            if header.get("typ") != TYPE or key is None:
                raise NotAuthenticated("token_invalid", "not an access token of ours")
            public: Any = key.get_op_key("verify")
            claims: dict[str, Any] = jwt.decode(
                token,
                public,
                algorithms=["ES256"],
                audience=self._issuer,
                issuer=self._issuer,
                options={"require": ["exp", "iat", "sub", "jti", "client_id", "cnf"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise NotAuthenticated("token_expired") from error
        except jwt.InvalidTokenError as error:
            raise NotAuthenticated("token_invalid") from error
        return claims

    def _forget_expired(self) -> None:
        now = time.time()
        self._checked = {digest: token for digest, token in self._checked.items() if token.expires_at > now}
        if len(self._checked) >= CACHE_MAX:
            self._checked.clear()
