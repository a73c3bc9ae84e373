"""Uvicorn, twice in one process: the ordinary listener, and the one that asks for client certificates."""

import asyncio
import contextlib
import gc
import multiprocessing
import signal
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.context import SpawnProcess
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from core.log import configure_log
from core.settings import Settings
from gateway.main import build_app
from gateway.oauth.bearer import thumbprint

GRACE_SECONDS = 10
CANNOT_START = 3
SPAWN = multiprocessing.get_context("spawn")
BACKLOG = 2048


class CertificateProtocol(HttpToolsProtocol):
    """Lets the application see the client certificate of the connection; the ASGI TLS extension is not there yet."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        certificate = transport.get_extra_info("ssl_object").getpeercert(True)
        if certificate is not None:
            self.app_state = {**self.app_state, "client_certificate_thumbprint": thumbprint(certificate)}

    def shutdown(self) -> None:
        """Idle connections are dropped: a polite TLS good-bye would wait for each peer's, for seconds."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.abort()
        else:
            super().shutdown()


class Listener(uvicorn.Server):
    """A server that leaves the signals to `_run`, as there are two of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(settings: Settings, *, workers: int) -> None:
    """Serve until SIGINT or SIGTERM; with several workers, one process each on the same sockets."""
    sockets = [_bind(settings.host, settings.port)]
    if _has_mtls(settings):
        sockets.append(_bind(settings.host, settings.mtls_port))
    if workers == 1:
        _work(settings, sockets)
    else:
        _supervise(settings, sockets, workers)


def _supervise(settings: Settings, sockets: Sequence[socket.socket], workers: int) -> None:
    """Keep ``workers`` processes on the same sockets: one that dies is replaced, one that cannot start ends all."""
    stopping = threading.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: stopping.set())

    def start() -> SpawnProcess:
        process = SPAWN.Process(target=_work, args=(settings, sockets))
        process.start()
        return process

    processes = [start() for _ in range(workers)]
    while not stopping.wait(0.2):
        if any(process.exitcode == CANNOT_START for process in processes):
            break
        processes = [process if process.is_alive() else start() for process in processes]
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(GRACE_SECONDS + 2)
        process.kill()
    if not stopping.is_set():
        raise SystemExit(CANNOT_START)


def _bind(host: str, port: int) -> socket.socket:
    try:
        bound = socket.create_server(
            (host, port), backlog=BACKLOG, family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        raise SystemExit(
            f"cannot listen on {host}:{port}: {error.strerror}; is the hub running already?"
        ) from error
    bound.set_inheritable(True)
    return bound


def _has_mtls(settings: Settings) -> bool:
    return None not in (
        settings.mtls_certificate,
        settings.mtls_key,
        settings.mtls_client_ca,
        settings.mtls_url,
    )


def _work(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    configure_log(form=settings.log_format, level=settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, sockets))


async def _run(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    app = build_app(settings)
    common: dict[str, Any] = {
        "log_config": None,
        "access_log": False,
        "proxy_headers": False,  # who speaks is the connection's address: the certificate header hangs on it
        "server_header": False,
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "backlog": BACKLOG,
        "http": "httptools",
        "ws": "none",
    }
    listeners = [Listener(uvicorn.Config(app, lifespan="on", **common))]
    if len(sockets) > 1:
        with_certificates = {**common, "http": CertificateProtocol}
        listeners.append(
            Listener(
                uvicorn.Config(
                    app,
                    lifespan="off",  # the first listener's connects for both
                    ssl_certfile=str(settings.mtls_certificate),
                    ssl_keyfile=str(settings.mtls_key),
                    ssl_ca_certs=str(settings.mtls_client_ca),
                    ssl_cert_reqs=ssl.CERT_REQUIRED,
                    **with_certificates,
                )
            )
        )

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stopping.set)
    serving = [asyncio.create_task(listeners[0].serve(sockets=[sockets[0]]))]
    while not listeners[0].started and not serving[0].done():
        await asyncio.sleep(0.01)
    gc.set_threshold(20_000, 20, 20)
    gc.collect()
    gc.freeze()  # what lives as long as the process need not be looked at again
    if not serving[0].done():
        serving += [
            asyncio.create_task(other.serve(sockets=[s]))
            for other, s in zip(listeners[1:], sockets[1:], strict=True)
        ]
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait([stopped, *serving], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
    # The first listener's application disconnects from the database: it goes last.
    for listener, task in reversed([*zip(listeners, serving, strict=False)]):
        listener.should_exit = True
        await task
    if not listeners[0].started:
        raise SystemExit(CANNOT_START)
