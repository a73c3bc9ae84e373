"""Signing keys of the hub: ES256, one per use, kept as private JWK files that only the hub's user may read."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from joserfc.jwk import ECKey

Use = Literal["tokens", "artefacts", "login"]
USES: tuple[Use, ...] = ("tokens", "artefacts", "login")


@dataclass(frozen=True)
class Keys:
    """``tokens`` signs access tokens, ``artefacts`` consents, ``login`` the hub's own client assertions."""

    by_use: dict[Use, ECKey]

    def __getitem__(self, use: Use) -> ECKey:
        return self.by_use[use]

    def public_jwks(self) -> dict[str, Any]:
        """The published key set (RFC 7517), at ``/jwks``."""
        return {"keys": [key.as_dict(private=False) for key in self.by_use.values()]}


def load_keys(directory: Path) -> Keys:
    """Read the keys, making those that are missing. Safe when several processes start at once."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Keys({use: _load_or_make(directory / f"{use}.jwk.json") for use in USES})


def _load_or_make(path: Path) -> ECKey:
    if not path.exists():
        _make(path)
    return ECKey.import_key(json.loads(path.read_text()))


def _make(path: Path) -> None:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True)
    key.ensure_kid()
    draft = path.with_suffix(f".{secrets.token_hex(8)}")  # containers that share a volume share pids
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(key.as_dict(private=True)))
    try:
        os.link(draft, path)  # whoever links first wins; the others read the winner's key
    except FileExistsError:
        pass
    finally:
        draft.unlink()
