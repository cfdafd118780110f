"""Serving: one process per home, on the loopback address unless keys are asked for."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from filelock import FileLock, Timeout

from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.system.stop_request import note_stop_signal, raise_if_stop_requested
from qhybrid_pipelines.service.access.callers import Authenticator
from qhybrid_pipelines.service.application import application
from qhybrid_pipelines.service.middleware.connection_limits import LimitedHttpProtocol
from qhybrid_pipelines.service.service_parts import ServiceParts
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home

LOOPBACK = "127.0.0.1"
#: Seconds that requests have when the service is asked to end; streams of events are cut then.
GRACE_SECONDS = 5
#: Seconds that a connection is kept open between two requests.
KEEP_ALIVE_SECONDS = 15
#: How long to wait for the lock of a ledger on a server, which learns of the end of a killed process a little later.
LEDGER_LOCK_SECONDS = 5.0
_LEDGER_LOCK = "the HTTP service"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """How to start a service.

    Attributes:
        home: of the experiments.
        host: address to listen on.
        port: 0 takes any free one.
        authenticator: who may come in; None is everybody who reaches the loopback address.
        decisions: decide as well.
        interactive: run what callers wait for, in a separate process.
    """

    home: Path
    host: str = LOOPBACK
    port: int = 8800
    authenticator: Authenticator | None = None
    decisions: bool = False
    interactive: bool = False


def serve(options: ServiceOptions) -> None:
    """Serve until the process is asked to end; prints one line ``ready URL`` when it listens.

    Raises:
        InvalidInput: the address cannot be used or needs authentication, another process serves this home or its ledger,
            or that cannot be opened.
        StopRequested: it was asked to end, and has.
    """
    local = _is_loopback(options.host)
    if not local and options.authenticator is None:
        raise InvalidInput(
            f"{options.host} can be reached from other machines, and no key is required",
            remedy="Make keys first, with `qhybrid keys create`, or leave --host out.",
            field="--host",
        )
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    home = Home(options.home)
    with _only_one(home), _only_one_on_server(home), _listening(options.host, options.port) as listener:
        parts = ServiceParts.open(
            options.home, options.authenticator, interactive=options.interactive, decisions=options.decisions
        )
        config = uvicorn.Config(
            application(parts, hosts={LOOPBACK, "localhost", "[::1]"} if local else None),
            http=LimitedHttpProtocol,
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        _Server(config).run(sockets=[listener])
        raise_if_stop_requested()


class _Server(uvicorn.Server):
    """uvicorn's server, saying when it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if sockets and not self.should_exit:
            host, port = sockets[0].getsockname()[:2]
            url_host = f"[{host}]" if ":" in host else host
            print(f"ready http://{url_host}:{port}", flush=True)  # noqa: T201 - the one line that is promised

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in peace; uvicorn's own way sends the signal once more, which would be taken for the second one."""
        del frame
        note_stop_signal(sig)
        self.should_exit = True


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise InvalidInput(
            f"{host!r} is not an address", remedy="Give an IP address of this machine.", field="--host"
        ) from None


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Open a socket that listens."""
    address = LOOPBACK if host == "localhost" else host
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
        except (OSError, OverflowError) as error:
            raise InvalidInput(
                f"port {port} of {host} cannot be used ({error})",
                remedy="Choose another one, or 0 for any free one.",
                field="--port",
            ) from None
        listener.listen(2048)
        yield listener
    finally:
        listener.close()


@contextmanager
def _only_one(home: Home) -> Iterator[None]:
    """Keep a second service off this home; the kernel gives the lock back when this process ends, however it ends."""
    home.locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home.locks / "service.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InvalidInput(
            f"another process serves {home.path}", remedy="Stop that one, or name another home.", field="--home"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _only_one_on_server(home: Home) -> Iterator[None]:
    """Keep a second service off a ledger that several machines share, whether or not they share the folder too.

    Two services would keep two lists of requests: neither would know the other's keys of requests, nor whose an experiment is. The
    server gives the lock back when this process ends; after a restart of the server nobody has it.
    """
    control_plane = Workspace(home).control_plane
    if control_plane.deployment.ledger_url is None:
        yield
        return
    with ExitStack() as held:
        held.callback(control_plane.ledger.close)
        try:
            held.enter_context(control_plane.ledger.job_lock(_LEDGER_LOCK, timeout_seconds=LEDGER_LOCK_SECONDS))
        except LockBusy:
            raise InvalidInput(
                "another process serves the experiments of this ledger, maybe on another machine",
                remedy="Send requests to that one, or stop it first.",
                field="--home",
            ) from None
        yield
