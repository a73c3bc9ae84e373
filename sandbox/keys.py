"""ES256 keys kept in files: the private half readable by its owner only, the public half as a JWK set."""

import os
from pathlib import Path
from typing import Any

import orjson
from joserfc.jwk import ECKey


def load_or_create(path: Path) -> ECKey:
    """The private key at `path`; a new P-256 key is made and saved there (mode 0600) if there is none yet."""
    if path.exists():
        return ECKey.import_key(orjson.loads(path.read_bytes()))
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"})
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = orjson.dumps({**key.as_dict(private=True), "kid": key.thumbprint()})
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    return ECKey.import_key(orjson.loads(content))


def public_set(key: ECKey) -> dict[str, Any]:
    """The JWK set to publish: the public half only."""
    return {"keys": [{**key.as_dict(private=False), "kid": key.kid}]}
