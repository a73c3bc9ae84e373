"""Signing keys of the hub: ES256 and SM2, a ring per use, kept in files that only the hub's user may read.

A ring holds the key that signs now, the next one, and the old ones. The next key is published from the day it is
made, long before it signs, so whoever keeps a copy of the key set knows it already. A rotation names the instant
from which the next key signs, a few seconds ahead: by then every process has read the file, so none of them ever
meets a signature of a key it does not know, and nothing has to be restarted.
"""

import asyncio
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args, overload

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from core.errors import InvalidInput
from core.sm2 import SM2Key

ES256Use = Literal["tokens", "artefacts", "login"]
SM2Use = Literal["sm2"]
Use = ES256Use | SM2Use
ES256_USES: tuple[ES256Use, ...] = get_args(ES256Use)
USES: tuple[Use, ...] = (*ES256_USES, "sm2")
FOR_EVER: tuple[Use, ...] = ("artefacts", "sm2")
"""what these sign must be verifiable for as long as anybody keeps it"""

LOOK_SECONDS = 2.0
"""how often a running process looks whether a ring has changed"""
SIGNS_AFTER = timedelta(seconds=5 * LOOK_SECONDS)
"""after a rotation, until the new key signs"""
OLD_KEYS_GOOD = timedelta(hours=1)
"""for checking what an old key signed (a token lives 5 minutes), except what is `FOR_EVER`"""

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class RingKey:
    key: ECKey | SM2Key
    made_at: datetime
    signs_from: datetime | None
    """None: the next key, whose time has not been named"""

    @property
    def kid(self) -> str:
        return str(self.key.kid)


@dataclass(frozen=True)
class Ring:
    """The keys of one use, from the oldest to the next."""

    use: Use
    keys: tuple[RingKey, ...]

    def signing(self, at: datetime) -> RingKey:
        return next(one for one in reversed(self.keys) if one.signs_from is not None and one.signs_from <= at)

    def retired_at(self, one: RingKey) -> datetime | None:
        """The instant from which its successor signs; None for the newest."""
        position = self.keys.index(one)
        return self.keys[position + 1].signs_from if position + 1 < len(self.keys) else None

    def published(self, at: datetime) -> Sequence[RingKey]:
        """Those with which a signature may be checked at ``at``."""
        return [one for one in self.keys if self._is_good(one, at)]

    def _is_good(self, one: RingKey, at: datetime) -> bool:
        retired_at = self.retired_at(one)
        return self.use in FOR_EVER or retired_at is None or at < retired_at + OLD_KEYS_GOOD


class Keys:
    """``tokens`` signs access tokens, ``artefacts`` consents, ``login`` the hub's own client assertions, ``sm2``
    consents a second time.

    Ask for the key each time it is needed (``keys["tokens"]``): it changes when the keys are rotated.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[Use, tuple[int, int]] = {}
        self._rings: dict[Use, Ring] = {}
        self._looked_at = 0.0
        self.version = 0
        """another number whenever a ring was read anew: what was found good before is to be checked again"""
        self.look()

    @overload
    def __getitem__(self, use: ES256Use) -> ECKey: ...
    @overload
    def __getitem__(self, use: SM2Use) -> SM2Key: ...
    def __getitem__(self, use: Use) -> ECKey | SM2Key:
        """The key that signs now."""
        return self._rings[use].signing(datetime.now(UTC)).key

    def verifying(self, use: ES256Use, kid: object) -> ECKey | None:
        """The key with that id, unless it is unknown or too old to be believed."""
        for last_look in (False, True):
            for one in self._rings[use].published(datetime.now(UTC)):
                if one.kid == kid and isinstance(one.key, ECKey):
                    return one.key
            if last_look or time.monotonic() - self._looked_at < LOOK_SECONDS / 4:
                return None
            self._look_again()  # it may be newer than what we know
        return None

    def public_jwks(self) -> dict[str, Any]:
        """The published key set (RFC 7517), at ``/jwks``: also the next keys, and old ones of artefacts for ever."""
        return self._published(*ES256_USES)

    def sm2_jwks(self) -> dict[str, Any]:
        """The SM2 keys, at ``/jwks/sm2``: apart, because JOSE libraries stumble over a curve that they do not know."""
        return self._published("sm2")

    def _published(self, *uses: Use) -> dict[str, Any]:
        at = datetime.now(UTC)
        return {
            "keys": [one.key.as_dict(private=False) for use in uses for one in self._rings[use].published(at)]
        }

    def rings(self) -> Sequence[Ring]:
        return list(self._rings.values())

    def look(self) -> None:
        """Read the rings that have changed. Raises, and keeps what it knows, when one cannot be read."""
        self._looked_at = time.monotonic()
        for use in USES:
            file = _file(self._directory, use)
            about = file.stat()
            seen = (about.st_mtime_ns, about.st_ino)
            if self._seen.get(use) != seen:
                self._rings[use] = _read(file, use)
                self._seen[use] = seen
                self.version += 1

    async def keep_looking(self) -> None:
        """Notice rotations while the process runs."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._look_again()

    def _look_again(self) -> None:
        try:
            self.look()
        except (OSError, ValueError, KeyError, JoseError) as error:
            log.warning("keys_unreadable", error=type(error).__name__)


def load_keys(directory: Path) -> Keys:
    """Read the keys, making those that are missing. Safe when several processes start at once."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for use in USES:
        if not _file(directory, use).exists():
            _put_first(_file(directory, use), _written(_first_ring(directory, use)))
    return Keys(directory)


def existing_keys(directory: Path) -> Keys:
    """The keys of a hub that has run here. Raises `InvalidInput` when there are none."""
    if not any(_file(directory, use).exists() for use in USES):
        raise InvalidInput("no_keys", f"no hub has kept its keys in {directory}: is HUB_VAR_DIR right?")
    return load_keys(directory)


def rotate(directory: Path, use: Use, *, distrust: bool = False) -> Ring:
    """Let the next key sign from a few seconds on, and make a new next one.

    With ``distrust`` the present keys have become known to others: a new key signs at once, and what the old ones
    signed is void. Raises `InvalidInput` for those that sign consents, which must stay verifiable for ever.
    """
    if distrust:
        must_be_distrustable(use)
    load_keys(directory)
    with _alone(directory):
        ring, at = _read(_file(directory, use), use), datetime.now(UTC)
        kept = () if distrust else tuple(_only_for_checking(ring, at))
        newest = _new_key(use, at) if distrust else ring.keys[-1]
        signs_from = at if distrust else at + SIGNS_AFTER
        rotated = Ring(use, (*kept, RingKey(newest.key, newest.made_at, signs_from), _new_key(use, at)))
        draft = _drafted(_file(directory, use), _written(rotated))
        os.replace(draft, _file(directory, use))
    return rotated


def must_be_distrustable(use: Use) -> None:
    """Raise `InvalidInput` for the keys that sign consents."""
    if use in FOR_EVER:
        raise InvalidInput(
            "artefacts_are_for_ever", f"old keys {use} check old consents: they cannot be distrusted"
        )


def _only_for_checking(ring: Ring, at: datetime) -> Iterator[RingKey]:
    """The keys before the next one: what signs no more loses its private half, what checks no more is dropped."""
    signing = ring.signing(at)
    for one in ring.keys[:-1]:
        if one not in ring.published(at):
            continue
        if (
            one.signs_from is not None
            and signing.signs_from is not None
            and one.signs_from < signing.signs_from
        ):
            public = one.key.as_dict(private=False)
            one = RingKey(_imported(ring.use, public), one.made_at, one.signs_from)
        yield one


def _first_ring(directory: Path, use: Use) -> Ring:
    """A key that signs and the next one. Before there were rings, a use had one key in a file of its own."""
    at, alone = datetime.now(UTC), directory / f"{use}.jwk.json"
    first = _imported(use, json.loads(alone.read_text())) if alone.exists() else _new_key(use, at).key
    return Ring(use, (RingKey(first, at, at), _new_key(use, at)))


def _imported(use: Use, jwk: dict[str, Any]) -> ECKey | SM2Key:
    return SM2Key.import_key(jwk) if use == "sm2" else ECKey.import_key(jwk)


def _new_key(use: Use, at: datetime) -> RingKey:
    if use == "sm2":
        return RingKey(SM2Key.generate(), at, None)
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True)
    key.ensure_kid()
    return RingKey(key, at, None)


def _file(directory: Path, use: Use) -> Path:
    return directory / f"{use}.keys.json"


def _read(file: Path, use: Use) -> Ring:
    entries = json.loads(file.read_text())["keys"]
    return Ring(
        use,
        tuple(
            RingKey(
                _imported(use, entry["jwk"]),
                datetime.fromisoformat(entry["made_at"]),
                datetime.fromisoformat(entry["signs_from"]) if entry["signs_from"] else None,
            )
            for entry in entries
        ),
    )


def _written(ring: Ring) -> str:
    entries = [
        {
            "made_at": one.made_at.isoformat(),
            "signs_from": one.signs_from.isoformat() if one.signs_from else None,
            "jwk": one.key.as_dict(private=one.key.is_private),
        }
        for one in ring.keys
    ]
    return json.dumps({"keys": entries}, indent=1)


def _drafted(file: Path, content: str) -> Path:
    draft = file.with_suffix(f".{secrets.token_hex(8)}")  # containers that share a volume share pids
    draft.touch(mode=0o600)
    draft.write_text(content)
    return draft


def _put_first(file: Path, content: str) -> None:
    draft = _drafted(file, content)
    try:
        os.link(draft, file)  # whoever links first wins; the others read the winner's keys
    except FileExistsError:
        pass
    finally:
        draft.unlink()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One rotation at a time."""
    with (directory / "rotation.lock").open("w") as lock:
        (directory / "rotation.lock").chmod(0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
