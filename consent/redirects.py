"""Where the browser of an enterprise may be sent back to: addresses that a client registered, compared exactly."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from core.errors import InvalidInput

REDIRECT_URIS_MAX = 10
REDIRECT_URI_CHARACTERS_MAX = 500
LOOPBACK = frozenset({"127.0.0.1", "::1"})


def check_redirect_uris(addresses: Sequence[str]) -> None:
    """Raise `InvalidInput` for an address that nobody may be sent to.

    FAPI 2.0 §5.3.2.2: https only, but for a loopback address (RFC 8252 §7.3); RFC 6749 §3.1.2: absolute, no fragment.
    """
    if len(addresses) > REDIRECT_URIS_MAX:
        raise InvalidInput("redirect_uri", f"at most {REDIRECT_URIS_MAX} addresses")
    for address in addresses:
        fault = _fault(address)
        if fault:
            raise InvalidInput("redirect_uri", f"{address}: {fault}")


def _fault(address: str) -> str | None:
    if len(address) > REDIRECT_URI_CHARACTERS_MAX or not address.isascii() or not address.isprintable():
        return f"at most {REDIRECT_URI_CHARACTERS_MAX} printable ASCII characters"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "not an address"
    if not host or " " in address or "\\" in address:
        return "not an absolute address"
    if parts.username is not None or "#" in address:
        return "no user name and no fragment in it"
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        return "https only, but for http on a loopback address"
    return None
