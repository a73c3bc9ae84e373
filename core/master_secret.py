"""One secret of the hub, kept in a file, from which symmetric keys are derived: what can be derived is not stored."""

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import Unavailable

FILE = "master-secret.txt"
OCTETS = 32


@dataclass(frozen=True)
class MasterSecret:
    _octets: bytes = field(repr=False)

    def derive(self, *names: str) -> bytes:
        """32 octets that nobody can tell from random ones without the file; always the same for the same names."""
        told = b"".join(len(name.encode()).to_bytes(4) + name.encode() for name in names)
        return hmac.digest(self._octets, told, hashlib.sha256)


def load_master_secret(directory: Path) -> MasterSecret:
    """Read the secret, making it where it is missing. Safe when several processes start at once.

    Raises `Unavailable` for a file that does not hold one.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / FILE
    if not path.exists():
        _make(path)
    octets = _decoded(path.read_text())
    if len(octets) < OCTETS:
        raise Unavailable("master_secret", f"{path.name} does not hold a secret of {OCTETS} octets")
    return MasterSecret(octets)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except ValueError:
        return b""


def _make(path: Path) -> None:
    draft = path.with_suffix(f".{secrets.token_hex(8)}")
    draft.touch(mode=0o600)
    draft.write_text(base64.b64encode(secrets.token_bytes(OCTETS)).decode() + "\n")
    try:
        os.link(draft, path)  # whoever links first wins; the others read the winner's
    except FileExistsError:
        pass
    finally:
        draft.unlink()
