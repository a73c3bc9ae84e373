"""One secret in a file, from which others are derived: made once, read by its owner only, never shown."""

import threading
from pathlib import Path

import pytest

from core.errors import Unavailable
from core.master_secret import FILE, load_master_secret


def test_the_same_names_give_the_same_secret_and_others_another(tmp_path: Path) -> None:
    first, again = load_master_secret(tmp_path), load_master_secret(tmp_path)
    assert first.derive("webhook", "my-bank", "1") == again.derive("webhook", "my-bank", "1")
    others = [
        ("webhook", "my-bank", "2"),
        ("webhook", "my-bank1", ""),
        ("webhookmy-bank1",),
        ("webhook", "my-bank"),
    ]
    derived = {first.derive(*names) for names in [("webhook", "my-bank", "1"), *others]}
    assert len(derived) == len(others) + 1
    assert {len(secret) for secret in derived} == {32}


def test_another_hub_has_another_secret(tmp_path: Path) -> None:
    assert load_master_secret(tmp_path / "a").derive("x") != load_master_secret(tmp_path / "b").derive("x")


def test_programs_that_start_together_get_the_same(tmp_path: Path) -> None:
    found: list[bytes] = []
    start = threading.Barrier(8)

    def program() -> None:
        start.wait()
        found.append(load_master_secret(tmp_path / "keys").derive("x"))

    programs = [threading.Thread(target=program) for _ in range(8)]
    for one in programs:
        one.start()
    for one in programs:
        one.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [file.name for file in (tmp_path / "keys").iterdir()] == [FILE]


def test_only_its_owner_may_read_it_and_nothing_prints_it(tmp_path: Path) -> None:
    secret = load_master_secret(tmp_path / "keys")
    file = tmp_path / "keys" / FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().strip() not in repr(secret)
    assert repr(secret) == "MasterSecret()"


@pytest.mark.parametrize("content", ["", "c2hvcnQ=", "not base64 ❄"])
def test_a_file_without_a_secret_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(Unavailable):
        load_master_secret(tmp_path)
