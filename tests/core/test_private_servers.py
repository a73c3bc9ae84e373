"""The private PostgreSQL and Redis: shared, stopped by the last to leave, unharmed by kill -9."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
import redis

from core.private_servers import PrivateServers, ServerStartError, private_servers

ROOT = Path(__file__).parents[2]
NOBODY = pwd.getpwnam("nobody")

# Another program of the same hub: says "up" when it has the servers, leaves when its input ends.
PROGRAM = """
import sys
from pathlib import Path
from core.private_servers import private_servers
with private_servers(Path(sys.argv[1]), throwaway=sys.argv[2] == "throwaway") as servers:
    print("up", servers.postgres_pid, servers.redis_pid, servers.app_url, flush=True)
    sys.stdin.read()
print("left", flush=True)
"""


@contextmanager
def program(var: Path, *before: str, kind: str = "throwaway") -> Iterator[subprocess.Popen[str]]:
    command = [*before, sys.executable, "-c", PROGRAM, str(var), kind]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests that need no new one: making a database takes longer than starting it."""
    return tmp_path_factory.mktemp("hub") / "var"


def says(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def leave(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert says(process) == ["left"]
    assert process.wait(10) == 0


def command_line(pid: int | None) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def runs(pid: int | None) -> bool:
    """A process that exists and is not merely waiting to be reaped."""
    return command_line(pid) != b""


async def ask(url: str, *statements: str) -> object:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        for statement in statements:
            answer = await connection.fetchval(statement)
    finally:
        await connection.close()
    return answer


def ping(servers: PrivateServers) -> bool:
    with redis.Redis.from_url(servers.redis_url) as client:
        return bool(client.ping())


async def test_the_first_start_makes_a_hub_database_with_an_owner_and_an_app_role(var: Path) -> None:
    with private_servers(var, throwaway=True) as servers:
        pids = servers.postgres_pid, servers.redis_pid
        assert all(runs(pid) for pid in pids)
        assert (
            await ask(servers.owner_url, "CREATE TABLE hidden (n int)", "SELECT current_user::text")
            == "hub_owner"
        )
        assert await ask(servers.superuser_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(servers.app_url, "SELECT * FROM hidden")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(servers.app_url, "CREATE TABLE mine (n int)")
        assert ping(servers)
    assert not any(runs(pid) for pid in pids)


async def test_nobody_gets_in_without_the_password_and_it_is_not_shown(var: Path) -> None:
    with private_servers(var, throwaway=True) as servers:
        address = servers.app_url.split("@")[1]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(f"postgresql://hub_app:guess@{address}")
        with (
            pytest.raises(redis.AuthenticationError),
            redis.Redis.from_url("redis://" + servers.redis_url.split("@")[1]) as client,
        ):
            client.ping()
        password = servers.app_url.split(":")[2].split("@")[0]
        assert password not in repr(servers)
        commands = command_line(servers.postgres_pid) + command_line(servers.redis_pid)
        assert password not in commands.decode()
        assert (var / "servers.json").stat().st_mode & 0o777 == 0o600


async def test_rows_and_addresses_are_the_same_after_a_restart_even_with_a_lost_password_file(
    var: Path,
) -> None:
    with private_servers(var, throwaway=True) as first:
        await ask(first.owner_url, "CREATE TABLE kept AS SELECT 7 AS n")
    with private_servers(var, throwaway=True) as second:
        assert (second.app_url, second.redis_url) == (first.app_url, first.redis_url)
    (var / "servers.json").unlink()
    with private_servers(var, throwaway=True) as third:
        assert third.app_url != first.app_url
        assert await ask(third.owner_url, "SELECT n FROM kept") == 7


def test_two_programs_share_one_pair_and_the_last_to_leave_stops_it(tmp_path: Path) -> None:
    with program(tmp_path) as one, program(tmp_path) as two:  # both start at once, from nothing
        seen = says(one), says(two)
        assert seen[0] == seen[1]
        pids = [int(pid) for pid in seen[0][1:3]]
        leave(one)
        assert all(runs(pid) for pid in pids)
        leave(two)
        assert not any(runs(pid) for pid in pids)


def test_a_killed_program_neither_stops_the_pair_for_others_nor_keeps_it_for_ever(var: Path) -> None:
    with program(var) as one, private_servers(var, throwaway=True) as servers:
        assert says(one)[1] == str(servers.postgres_pid)
        one.kill()
        one.wait()
        assert ping(servers)
        pids = servers.postgres_pid, servers.redis_pid
    assert not any(runs(pid) for pid in pids)


def test_servers_left_behind_by_a_killed_program_are_adopted_and_then_stopped(var: Path) -> None:
    with program(var) as one:
        pid = int(says(one)[1])
    assert runs(pid)
    with private_servers(var, throwaway=True) as servers:
        assert servers.postgres_pid == pid
    assert not runs(pid)


async def test_committed_rows_outlive_kill_9_of_the_servers_and_of_the_program(tmp_path: Path) -> None:
    with program(tmp_path, kind="durable") as one:
        said = says(one)
        with private_servers(tmp_path) as servers:
            assert await ask(servers.superuser_url, "SHOW fsync") == "on"
            assert await ask(servers.superuser_url, "SHOW synchronous_commit") == "on"
            await ask(servers.owner_url, "CREATE TABLE kept AS SELECT 7 AS n")
        for pid in (int(said[1]), int(said[2]), one.pid):
            os.kill(pid, signal.SIGKILL)
        one.wait()
    with private_servers(tmp_path) as servers:
        assert servers.postgres_pid != int(said[1])
        assert await ask(servers.owner_url, "SELECT n FROM kept") == 7
        assert ping(servers)


def test_a_second_start_brings_back_a_pair_that_died_under_its_users(var: Path) -> None:
    with private_servers(var, throwaway=True) as servers:
        for pid in (servers.postgres_pid, servers.redis_pid):
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while servers.postgres_pid or servers.redis_pid:
            assert time.monotonic() < deadline
        with private_servers(var, throwaway=True) as again:
            assert again.app_url == servers.app_url
        assert ping(servers)  # the inner block was not the last to leave


def test_a_process_that_has_the_pid_by_accident_is_left_alone(var: Path) -> None:
    with private_servers(var, throwaway=True):
        stale = (var / "postgres/data/postmaster.pid").read_text().split("\n")
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pid_file = var / "postgres/data/postmaster.pid"
        pid_file.write_text("\n".join([str(stranger.pid), *stale[1:]]))
        (var / "redis/redis.pid").write_text(str(stranger.pid))
        with private_servers(var, throwaway=True) as servers:
            assert ping(servers)
        assert stranger.poll() is None
        stranger.kill()


def test_durable_data_is_never_served_by_a_careless_server(var: Path) -> None:
    with private_servers(var, throwaway=True):
        pass
    with pytest.raises(ServerStartError, match="HUB_VAR_DIR"), private_servers(var):
        pass


def test_a_folder_that_cannot_be_used_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    with pytest.raises(ServerStartError, match="HUB_VAR_DIR"), private_servers(tmp_path / "var"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a closed folder that nobody else may enter")
def test_root_can_use_a_folder_that_only_root_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    with private_servers(closed / "var", throwaway=True) as servers:
        owner = Path(f"/proc/{servers.postgres_pid}").stat().st_uid
        assert ping(servers)
    assert owner in (NOBODY.pw_uid, 0)  # 0: in a user namespace of its own


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test already runs as an ordinary user")
def test_an_ordinary_user_can_run_the_pair(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    # The right to pass closed folders is for reading the interpreter and the tests, wherever root keeps them.
    right = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup")
    as_nobody = ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups", *right)
    with program(home / "var", *as_nobody) as one:
        pids = [int(pid) for pid in says(one)[1:3]]
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in pids} == {NOBODY.pw_uid}
        leave(one)
        assert not any(runs(pid) for pid in pids)
