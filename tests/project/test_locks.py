"""Locks name packages and their digests, never an address: whoever installs decides where from."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT

LOCKS = sorted(PROJECT.glob("*.lock"))
INPUTS = sorted(PROJECT.glob("requirements*.in"))
ADDRESS = re.compile(r"https?://|^\s*(?:--(?:extra-)?index-url|--find-links|-i )", re.MULTILINE)


def normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name.partition("[")[0].strip()).lower()


def asked_for(requirements: Path) -> set[str]:
    lines = [line.partition("#")[0].strip() for line in requirements.read_text().splitlines()]
    own = {normal(re.split(r"[<>=!~; ]", line)[0]) for line in lines if line and not line.startswith("-")}
    for other in (line.removeprefix("-r ") for line in lines if line.startswith("-r ")):
        own |= asked_for(requirements.parent / other)
    return own


def pinned(lock: Path) -> dict[str, str]:
    """Name → the rest of its entry."""
    entries = re.split(r"^(?=[A-Za-z0-9])", lock.read_text(), flags=re.MULTILINE)
    return {normal(entry.partition("==")[0]): entry for entry in entries if "==" in entry.partition("\n")[0]}


def test_there_is_a_lock_for_every_list_of_requirements() -> None:
    assert {file.stem for file in INPUTS} == {file.stem for file in LOCKS}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_has_digests_and_no_address(lock: Path) -> None:
    assert not ADDRESS.search(lock.read_text())
    for name, entry in pinned(lock).items():
        assert "--hash=sha256:" in entry, name


@pytest.mark.parametrize("requirements", INPUTS, ids=lambda file: file.name)
def test_a_lock_has_every_package_that_is_asked_for(requirements: Path) -> None:
    assert asked_for(requirements) <= set(pinned(requirements.with_suffix(".lock")))


def test_tests_run_on_the_versions_that_operation_runs_on() -> None:
    operation, tests = (pinned(PROJECT / f"requirements{kind}.lock") for kind in ("", "-dev"))
    version = {name: entry.partition("\n")[0].partition(" ")[0] for name, entry in tests.items()}
    for name, entry in operation.items():
        assert version[name] == entry.partition("\n")[0].partition(" ")[0]


def test_the_front_end_lock_has_digests_and_no_address() -> None:
    lock = json.loads((PROJECT / "package-lock.json").read_text())
    wanted = json.loads((PROJECT / "package.json").read_text())
    asked = {**wanted["dependencies"], **wanted["devDependencies"]}
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert {f"node_modules/{name}" for name in asked} <= set(packages)
    for path, package in packages.items():
        assert "resolved" not in package, path
        assert package["integrity"], path
    assert "omit-lockfile-registry-resolved=true" in (PROJECT / ".npmrc").read_text()


def test_no_lock_that_would_carry_addresses_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: nothing is tracked")
    tracked = {Path(line).name for line in listed.stdout.splitlines()}
    assert not tracked & {
        "uv.lock",
        "pylock.toml",
        "poetry.lock",
        "Pipfile.lock",
        "yarn.lock",
        "pnpm-lock.yaml",
    }
