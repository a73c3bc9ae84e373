"""Signing keys: private files, made once however many programs start at the same time."""

import threading
from pathlib import Path

from core.keys import USES, load_keys

PROGRAMS = 8


def test_programs_that_start_together_get_the_same_keys(tmp_path: Path) -> None:
    """Threads stand for containers on one volume: those have the same process id."""
    for number in range(20):
        folder = tmp_path / str(number)
        found: list[str] = []
        start = threading.Barrier(PROGRAMS)

        def program(
            folder: Path = folder, found: list[str] = found, start: threading.Barrier = start
        ) -> None:
            start.wait()
            found.append(str(load_keys(folder).public_jwks()))

        programs = [threading.Thread(target=program) for _ in range(PROGRAMS)]
        for one in programs:
            one.start()
        for one in programs:
            one.join()
        assert len(found) == PROGRAMS
        assert len(set(found)) == 1
        assert sorted(file.name for file in folder.iterdir()) == sorted(f"{use}.jwk.json" for use in USES)


def test_only_their_owner_may_read_them(tmp_path: Path) -> None:
    load_keys(tmp_path / "keys")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "keys").iterdir()} == {0o600}
