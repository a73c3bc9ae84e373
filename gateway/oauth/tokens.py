"""Access tokens: RFC 9068 JWTs of at most 300 seconds, bound to a DPoP key or to a client certificate.

Checking one needs no database: the signature is ours, and a token that was checked once is remembered by its
hash until it expires.
"""

import hashlib
import secrets
import time
from typing import Any, NamedTuple

import jwt
from joserfc.jwk import ECKey

from core.errors import NotAuthenticated

LIFETIME_SECONDS = 300
CACHE_MAX = 50_000
TYPE = "at+jwt"
CLASS_CLAIM = "participant_class"


class Token(NamedTuple):
    """What a checked token says. Exactly one of ``jkt`` and ``x5t`` is set (RFC 9449 §6, RFC 8705 §3.1)."""

    client_id: str
    participant_id: str
    participant_class: str
    jkt: str | None
    x5t: str | None
    expires_at: float


class AccessTokens:
    def __init__(self, key: ECKey, issuer: str) -> None:
        self._issuer = issuer
        self._kid = key.kid
        self._private: Any = key.get_op_key("sign")
        self._public: Any = key.get_op_key("verify")
        self._checked: dict[bytes, Token] = {}

    def issue(
        self, *, client_id: str, participant_id: str, participant_class: str, confirmation: dict[str, str]
    ) -> str:
        """A token for ``client_id``; ``confirmation`` is its `cnf` (``jkt`` or ``x5t#S256``)."""
        now = int(time.time())
        claims = {
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
        return jwt.encode(claims, self._private, algorithm="ES256", headers={"typ": TYPE, "kid": self._kid})

    def check(self, token: str) -> Token:
        """Raise `NotAuthenticated` unless the token is ours and still good."""
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
        return found

    def _verify(self, token: str) -> Token:
        try:
            if jwt.get_unverified_header(token).get("typ") != TYPE:
                raise NotAuthenticated("token_invalid", "not an access token")
            claims = jwt.decode(
                token,
                self._public,
                algorithms=["ES256"],
                audience=self._issuer,
                issuer=self._issuer,
                options={"require": ["exp", "iat", "sub", "client_id", "cnf"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise NotAuthenticated("token_expired") from error
        except jwt.InvalidTokenError as error:
            raise NotAuthenticated("token_invalid") from error
        confirmation = claims["cnf"]
        return Token(
            claims["client_id"],
            claims["participant_id"],
            claims[CLASS_CLAIM],
            confirmation.get("jkt"),
            confirmation.get("x5t#S256"),
            float(claims["exp"]),
        )

    def _forget_expired(self) -> None:
        now = time.time()
        self._checked = {digest: token for digest, token in self._checked.items() if token.expires_at > now}
        if len(self._checked) >= CACHE_MAX:
            self._checked.clear()
