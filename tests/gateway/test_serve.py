"""The program as operators start it: real processes, mutual TLS, several workers, signals."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.keys import load_keys
from gateway.oauth.bearer import thumbprint
from gateway.oauth.tokens import AccessTokens
from tests.conftest import PROJECT, DatabaseUrls


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def gateway(*command: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *command],
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_for(url: str, process: "subprocess.Popen[str]", verify: ssl.SSLContext | bool = True) -> None:
    for _ in range(300):
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, verify=verify, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the gateway did not come up")


@pytest.fixture
def environment(database_urls: DatabaseUrls, redis_url: str, tmp_path: Path) -> dict[str, str]:
    port = free_port()
    return {
        "HUB_DATABASE_URL": database_urls.app,
        "HUB_OWNER_DATABASE_URL": database_urls.owner,
        "HUB_REDIS_URL": redis_url,
        "HUB_VAR_DIR": str(tmp_path / "var"),
        "HUB_PORT": str(port),
        "HUB_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }


def test_several_workers_share_the_port_and_a_killed_one_is_replaced(environment: dict[str, str]) -> None:
    health = environment["HUB_PUBLIC_URL"] + "/health"
    with gateway("serve", "--workers", "2", **environment) as parent:
        wait_for(health, parent)
        children = workers_of(parent.pid)
        assert len(children) == 2
        os.kill(children[0], signal.SIGKILL)
        for _ in range(100):
            if len(now := workers_of(parent.pid)) == 2 and now != children:
                break
            time.sleep(0.1)
        wait_for(health, parent)
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(20) == 0
        assert workers_of(parent.pid) == []


def workers_of(parent: int) -> list[int]:
    """Processes spawned by ``parent``, without multiprocessing's own resource tracker."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and b"spawn_main" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return sorted(found)


def test_a_certificate_bound_token_works_only_over_its_own_mutual_tls(
    environment: dict[str, str], tmp_path: Path
) -> None:
    certificates = tmp_path / "certificates"
    made = [sys.executable, "-m", "sandbox", "certificates", "--out", str(certificates)]
    subprocess.run(made, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    port = free_port()
    mutual = {
        "HUB_MTLS_PORT": str(port),
        "HUB_MTLS_URL": f"https://127.0.0.1:{port}",
        "HUB_MTLS_CERTIFICATE": str(certificates / "hub.pem"),
        "HUB_MTLS_KEY": str(certificates / "hub.key"),
        "HUB_MTLS_CLIENT_CA": str(certificates / "ca.pem"),
    }
    with gateway("serve", **environment, **mutual) as process:
        wait_for(environment["HUB_PUBLIC_URL"] + "/health", process)
        context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        context.load_cert_chain(certificates / "bank.pem", certificates / "bank.key")
        keys = load_keys(Path(environment["HUB_VAR_DIR"]) / "keys")
        certificate = ssl.PEM_cert_to_DER_cert((certificates / "bank.pem").read_text())
        token = AccessTokens(keys, environment["HUB_PUBLIC_URL"]).issue(
            client_id="b",
            participant_id="b",
            participant_class="bank",
            confirmation={"x5t#S256": thumbprint(certificate)},
        )
        header = {"Authorization": f"Bearer {token}"}
        over_tls = httpx.get(
            f"{mutual['HUB_MTLS_URL']}/v1/usage", headers=header, verify=context, trust_env=False
        )
        assert over_tls.status_code == 200, over_tls.text
        plain = httpx.get(f"{environment['HUB_PUBLIC_URL']}/v1/usage", headers=header, trust_env=False)
        assert plain.json()["type"] == "/problems/certificate-of-another"
        forged = {**header, "X-SSL-Client-Cert": "anything"}
        assert (
            httpx.get(f"{environment['HUB_PUBLIC_URL']}/v1/usage", headers=forged, trust_env=False).json()[
                "type"
            ]
            == "/problems/certificate-of-another"
        )
        without = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{mutual['HUB_MTLS_URL']}/health", verify=without, trust_env=False)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_taken_port_is_said_in_one_line(environment: dict[str, str]) -> None:
    with (
        socket.create_server(("127.0.0.1", int(environment["HUB_PORT"]))),
        gateway("serve", **environment) as process,
    ):
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert output.startswith("cannot listen on 127.0.0.1:")
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "command", "said"),
    [
        ({"HUB_DATABASE_URL": "mysql://x"}, ["serve"], "setting HUB_DATABASE_URL"),
        ({"HUB_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x"}, ["serve"], "database_away"),
        ({"HUB_RATE_PER_SECOND": "fast"}, ["worker"], "setting HUB_RATE_PER_SECOND"),
        ({}, ["ingest", "gossip", "package.json"], "dataset_unknown"),
        ({}, ["participant", "Bad Name", "--name", "x", "--jwks", "package.json"], "participant_id"),
        ({}, ["participant", "good", "--name", "x", "--jwks", "package.json"], "jwks"),
    ],
)
def test_a_wrong_setting_is_one_clear_line_and_no_traceback(
    environment: dict[str, str], changes: dict[str, str], command: list[str], said: str
) -> None:
    with gateway(*command, **{**environment, **changes}) as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode in (1, 2)
    assert said in output
    assert "Traceback" not in output
    assert "secret" not in output


def test_an_empty_database_is_not_served(environment: dict[str, str], database_urls: DatabaseUrls) -> None:
    empty = environment | {"HUB_DATABASE_URL": database_urls.app.rsplit("/", 1)[0] + "/postgres"}
    with gateway("serve", **empty) as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "run `python -m gateway migrate`" in output
