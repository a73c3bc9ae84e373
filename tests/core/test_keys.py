"""Signing keys: private files, made once however many programs start at the same time, rotated without an outage."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from core import keys as key_rings
from core.errors import InvalidInput
from core.keys import OLD_KEYS_GOOD, SIGNS_AFTER, USES, Keys, Use, existing_keys, load_keys, rotate
from core.sm2 import SM2Key

PROGRAMS = 8
FILES = sorted(f"{use}.keys.json" for use in USES)


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
        assert sorted(file.name for file in folder.iterdir()) == FILES


def test_only_their_owner_may_read_them(tmp_path: Path) -> None:
    load_keys(tmp_path / "keys")
    rotate(tmp_path / "keys", "tokens")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "keys").iterdir()} == {0o600}


class Clock:
    """What `core.keys` reads instead of the time of day."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self, _: object) -> datetime:
        return self.at

    def fromisoformat(self, text: str) -> datetime:
        return datetime.fromisoformat(text)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    told = Clock()
    monkeypatch.setattr(key_rings, "datetime", told)
    return told


def published(keys: Keys) -> set[str]:
    return {key["kid"] for jwks in (keys.public_jwks(), keys.sm2_jwks()) for key in jwks["keys"]}


def test_a_rotation_is_seen_by_every_process_before_the_new_key_signs(tmp_path: Path, clock: Clock) -> None:
    here, there = load_keys(tmp_path), load_keys(tmp_path)
    old = here["tokens"]
    known_before = published(there)
    rotate(tmp_path, "tokens")
    here.look()
    assert here["tokens"].kid == old.kid, "the others may not have looked yet"
    clock.at += SIGNS_AFTER
    new = here["tokens"]
    assert new.kid != old.kid
    assert new.kid in known_before, "whoever keeps a copy of the key set must know it already"
    there.look()
    assert there["tokens"].kid == new.kid
    for keys in (here, there):
        assert keys.verifying("tokens", old.kid) is not None
        assert keys.verifying("tokens", new.kid) is not None


def test_a_key_that_is_newer_than_what_a_process_knows_is_looked_for_at_once(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = load_keys(tmp_path)
    rotate(tmp_path, "tokens", distrust=True)
    signing = load_keys(tmp_path)["tokens"].kid
    monkeypatch.setattr(keys, "_looked_at", float("-inf"))
    assert keys.verifying("tokens", signing) is not None
    assert keys.verifying("tokens", "of somebody else") is None


def test_an_old_token_key_is_good_for_an_hour_and_an_old_artefact_key_for_ever(
    tmp_path: Path, clock: Clock
) -> None:
    keys = load_keys(tmp_path)
    old = {use: keys[use].kid for use in USES}
    for use in USES:
        rotate(tmp_path, use)
    keys.look()
    clock.at += SIGNS_AFTER + OLD_KEYS_GOOD - timedelta(seconds=1)
    assert set(old.values()) <= published(keys)
    clock.at += timedelta(seconds=2)
    assert published(keys) & set(old.values()) == {old["artefacts"], old["sm2"]}
    assert keys.verifying("tokens", old["tokens"]) is None
    clock.at += timedelta(days=3650)
    assert keys.verifying("artefacts", old["artefacts"]) is not None


def test_what_an_artefact_key_signed_can_be_checked_after_any_number_of_rotations(
    tmp_path: Path, clock: Clock
) -> None:
    keys = load_keys(tmp_path)
    signed = []
    for number in range(5):
        key = keys["artefacts"]
        signed.append((key.kid, jws.serialize_compact({"alg": "ES256"}, str(number), key)))
        rotate(tmp_path, "artefacts")
        clock.at += timedelta(days=400)
        keys.look()
    for number, (kid, evidence) in enumerate(signed):
        key = keys.verifying("artefacts", kid)
        assert key is not None
        assert jws.deserialize_compact(evidence, key).payload == str(number).encode()


@pytest.mark.parametrize("use", ["artefacts", "sm2"])
def test_a_key_that_signs_no_more_loses_its_private_half(tmp_path: Path, clock: Clock, use: Use) -> None:
    load_keys(tmp_path)
    for _ in range(3):
        rotate(tmp_path, use)
        clock.at += SIGNS_AFTER
    stored = json.loads((tmp_path / f"{use}.keys.json").read_text())["keys"]
    assert ["d" in entry["jwk"] for entry in stored] == [False, False, True, True, True]


def test_rotations_in_quick_succession_leave_a_key_that_signs(tmp_path: Path, clock: Clock) -> None:
    keys = load_keys(tmp_path)
    for _ in range(5):
        rotate(tmp_path, "tokens")
        keys.look()
        assert keys["tokens"].is_private
        clock.at += SIGNS_AFTER / 3
    clock.at += SIGNS_AFTER
    assert keys["tokens"].is_private


def test_a_distrusted_key_checks_nothing_any_more(tmp_path: Path) -> None:
    keys = load_keys(tmp_path)
    before = {one.kid for ring in keys.rings() if ring.use == "tokens" for one in ring.keys}
    rotate(tmp_path, "tokens", distrust=True)
    keys.look()
    assert not before & published(keys), "the next key lay beside it and is as well known"
    assert keys["tokens"].kid not in before


@pytest.mark.parametrize("use", ["artefacts", "sm2"])
def test_a_key_that_signs_consents_cannot_be_distrusted(tmp_path: Path, use: Use) -> None:
    with pytest.raises(InvalidInput, match="check old consents"):
        rotate(tmp_path, use, distrust=True)


def test_sm2_keys_are_rotated_like_the_others_and_published_apart(tmp_path: Path, clock: Clock) -> None:
    keys = load_keys(tmp_path)
    old, known = keys["sm2"], {key["kid"] for key in keys.sm2_jwks()["keys"]}
    rotate(tmp_path, "sm2")
    clock.at += SIGNS_AFTER
    keys.look()
    new = keys["sm2"]
    assert new.kid != old.kid
    assert new.kid in known
    assert new.is_private
    published_apart = [SM2Key.import_key(jwk) for jwk in keys.sm2_jwks()["keys"]]
    assert {old.kid, new.kid} < {key.kid for key in published_apart}
    assert not any(key.is_private for key in published_apart)
    assert {key["crv"] for key in keys.public_jwks()["keys"]} == {"P-256"}, "what every JOSE library can read"


def test_a_hub_of_before_there_was_sm2_gets_its_keys(tmp_path: Path) -> None:
    tokens = load_keys(tmp_path)["tokens"].kid
    (tmp_path / "sm2.keys.json").unlink()
    keys = existing_keys(tmp_path)
    assert keys["tokens"].kid == tokens
    assert keys["sm2"].is_private


def test_the_one_key_of_before_there_were_rings_is_taken_over(tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True)
    key.ensure_kid()
    (tmp_path / "artefacts.jwk.json").write_text(json.dumps(key.as_dict(private=True)))
    assert load_keys(tmp_path)["artefacts"].kid == key.kid


def test_a_ring_that_cannot_be_read_leaves_the_known_keys_in_force(tmp_path: Path) -> None:
    keys = load_keys(tmp_path)
    kid = keys["tokens"].kid
    (tmp_path / "tokens.keys.json").write_text("{")
    keys._look_again()
    assert keys["tokens"].kid == kid


def test_where_no_hub_ran_there_are_no_keys(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="HUB_VAR_DIR"):
        existing_keys(tmp_path)
