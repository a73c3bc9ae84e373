"""Nonces for DPoP proofs (RFC 9449 §8, §9): a proof with one was signed minutes ago at most, whatever its clock says.

Nothing is stored: a nonce is a keyed digest of the current two minutes, so every process that has the secret makes
and recognises the same ones.
"""

import base64
import hashlib
import hmac
import time

PERIOD_SECONDS = 120
OCTETS = 18


class Nonces:
    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._period = -1
        self._current = ""
        self._good: frozenset[str] = frozenset()

    @property
    def current(self) -> str:
        """The one to hand out now; it is good for 2 to 4 minutes."""
        self._turn()
        return self._current

    def accepts(self, nonce: str | None) -> bool:
        self._turn()
        return nonce in self._good

    def _turn(self) -> None:
        period = int(time.time() // PERIOD_SECONDS)
        if period != self._period:
            before, self._current, after = (self._of(number) for number in (period - 1, period, period + 1))
            self._good = frozenset((before, self._current, after))  # another machine's clock may be ahead
            self._period = period

    def _of(self, period: int) -> str:
        digest = hmac.digest(self._secret, b"dpop-nonce %d" % period, hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:OCTETS]).decode()
