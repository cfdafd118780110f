"""Putting the emulator together and serving it on the loopback address."""

from __future__ import annotations

import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from filelock import FileLock, Timeout
from starlette.exceptions import HTTPException

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.emulator.braket.routes import application as braket_application
from qhybrid_pipelines.emulator.braket.routes import storage_application
from qhybrid_pipelines.emulator.braket.task_cloud import TaskCloud
from qhybrid_pipelines.emulator.circuits import BadRequest
from qhybrid_pipelines.emulator.clock import Clock, Stretch
from qhybrid_pipelines.emulator.cloud import Cloud, NotFound
from qhybrid_pipelines.emulator.faults import read_plan
from qhybrid_pipelines.emulator.ibm.routes import application as ibm_application
from qhybrid_pipelines.emulator.ibm.runtime_cloud import RuntimeCloud
from qhybrid_pipelines.emulator.interface_versions import APRIL, INTERFACES
from qhybrid_pipelines.emulator.keys import ApiKeys
from qhybrid_pipelines.emulator.middleware import FaultMiddleware, TrackedProtocol, error_body
from qhybrid_pipelines.emulator.route_names import BRAKET_PREFIX, IBM_PREFIX, PREFIX, SAPI_PREFIX, STORAGE_PREFIX
from qhybrid_pipelines.emulator.routes.admin import AdminPages
from qhybrid_pipelines.emulator.routes.jobs import JobPages
from qhybrid_pipelines.emulator.routes.machines import MachinePages
from qhybrid_pipelines.emulator.routes.results import ResultPages
from qhybrid_pipelines.emulator.sapi.annealing_cloud import AnnealingCloud
from qhybrid_pipelines.emulator.sapi.routes import application as sapi_application
from qhybrid_pipelines.emulator.store import EmulatorStore

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How to start an emulator.

    Attributes:
        folder: where its state is; made when absent.
        port: 0 takes any free one.
        key: the API key in force.
        speed: virtual seconds per real second.
        seed: of everything drawn; None keeps the folder's, or 0 in a new one.
        drift_hours: virtual hours between two characterizations; None keeps the folder's, or 12 in a new one.
        noise: as `read_noise` reads it; None keeps the folder's, or ``uniform`` in a new one.
        faults: file with a fault plan that replaces the folder's; None keeps it.
        interface: the published form that it speaks, a name of `interface.INTERFACES`.
        billing_unit: what prices are told in.
    """

    folder: Path
    port: int
    key: str
    speed: float
    seed: int | None
    drift_hours: float | None
    noise: str | None = None
    faults: Path | None
    interface: str = APRIL.name
    billing_unit: str = "usd"


def serve(start: ServerOptions) -> int:
    """Serve until the process is asked to end; prints one line ``ready URL`` when it listens.

    Returns:
        The number of the signal that asked for it; 0 where none did.

    Raises:
        InvalidInput: the port is taken, the folder cannot be used, the fault plan is malformed.
    """
    listener = _listen(start.port)
    lock = _lock_folder(start.folder)
    try:
        cloud = open_cloud(start)
        config = uvicorn.Config(
            application(cloud, ApiKeys(start.key)),
            http=TrackedProtocol,
            log_level="error",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        server.run(sockets=[listener])
        cloud.store.close()
        return server.stopped_by
    finally:
        lock.release()
        listener.close()


def open_cloud(start: ServerOptions) -> Cloud:
    """Open the folder's state, or begin it, and put the settings of this start into force."""
    rules = None
    if start.faults is not None:
        try:
            text = start.faults.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"the fault plan cannot be read ({error})", remedy="Name a readable file.", field="--faults"
            ) from None
        rules = read_plan(text, file=str(start.faults))
    store = EmulatorStore(start.folder / "emulator.sqlite")
    seed = _stored_setting(store, "seed", start.seed, 0)
    hours = _stored_setting(store, "drift_hours", start.drift_hours, 12.0)
    noise = _stored_setting(store, "noise", start.noise, "uniform")
    now = time.time()
    stored = store.read("clock") or [now, now, start.speed]
    clock = Clock(Stretch(virtual_seconds=stored[0], real_seconds=stored[1], speed=stored[2]))
    # jobs of the book are never in the future, even when the wall clock was set back between two starts
    behind = max((job.accepted_at for job in store.job_log()[-1:]), default=0.0) - clock.now()
    if behind > 0:
        clock.advance(behind)
    clock.stretch = clock.restarted(start.speed)
    store.write_setting("clock", [clock.stretch.virtual_seconds, clock.stretch.real_seconds, clock.stretch.speed])
    if store.read("began_at") is None:
        store.write_setting("began_at", clock.now())
    if store.read("realm") is None:
        # Two clouds never give two jobs the same id, however alike their seeds are.
        store.write_setting("realm", secrets.token_hex(16))
    if rules is not None:
        store.replace_rules(rules)
    return Cloud(
        store=store,
        clock=clock,
        seed=int(seed),
        every_seconds=float(hours) * 3600.0,
        noise=str(noise),
        interface=INTERFACES[start.interface],
        billing_unit=start.billing_unit,
    )


def application(cloud: Cloud, keys: ApiKeys) -> FaultMiddleware:
    """Return the whole ASGI application."""
    api = FastAPI(title="QPU cloud emulator", openapi_url=None, docs_url=None, redoc_url=None)
    middleware = FaultMiddleware(api, cloud)

    async def authorized(request: Request) -> None:
        status = keys.refusal(request.headers.get("authorization"))
        if status is not None:
            raise HTTPException(status, "The API key was revoked." if status == 403 else "A valid API key is needed.")

    async def whoami() -> JSONResponse:
        return JSONResponse(keys.whoami())

    machines = MachinePages(cloud)
    keyed = APIRouter(prefix=PREFIX, dependencies=[Depends(authorized)])
    keyed.get("/whoami")(whoami)
    for router in (machines.keyed(), JobPages(cloud).router(), ResultPages(cloud).router()):
        keyed.include_router(router)
    api.include_router(machines.public(), prefix=PREFIX)
    api.include_router(keyed)
    api.mount(SAPI_PREFIX, sapi_application(AnnealingCloud(cloud), keys))
    tasks = TaskCloud(cloud)
    api.mount(BRAKET_PREFIX, braket_application(tasks, keys))
    api.mount(STORAGE_PREFIX, storage_application(tasks, keys))
    api.mount(IBM_PREFIX, ibm_application(RuntimeCloud(cloud), keys))
    api.include_router(AdminPages(cloud, keys, lambda: middleware.requests).router(), prefix="/_admin")
    _explain_errors(api)
    return middleware


def _explain_errors(api: FastAPI) -> None:
    """Give every error the shape that the interface publishes."""

    @api.exception_handler(BadRequest)
    async def bad(_: Request, error: BadRequest) -> JSONResponse:
        return JSONResponse(error_body(400, str(error), error.keys), status_code=400)

    @api.exception_handler(NotFound)
    async def missing(_: Request, error: NotFound) -> JSONResponse:
        return JSONResponse(error_body(404, f"There is no {error}, or not yet."), status_code=404)

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        keys_at_fault = tuple(str(one["loc"][-1]) for one in error.errors())
        return JSONResponse(
            error_body(400, f"Bad value for {', '.join(keys_at_fault)}.", keys_at_fault), status_code=400
        )

    @api.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse(error_body(500, f"The emulator failed: {type(error).__name__}."), status_code=500)

    @api.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(error_body(error.status_code, str(error.detail)), status_code=error.status_code)


class _Server(uvicorn.Server):
    """uvicorn's server, saying when it listens, and which signal has ended it."""

    stopped_by = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        port = sockets[0].getsockname()[1] if sockets else 0
        print(f"ready http://{HOST}:{port}{PREFIX}", flush=True)  # noqa: T201 - the one line that is promised

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in peace; uvicorn's own way sends itself the signal again, and ends without an exit code."""
        del frame
        self.stopped_by = self.stopped_by or sig
        self.should_exit = True


def _listen(port: int) -> socket.socket:
    """Return a socket that listens on the loopback address."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise InvalidInput(
            f"port {port} cannot be used ({error})", remedy="Choose another one, or 0 for any free one.", field="--port"
        ) from None
    listener.listen(2048)
    return listener


def _lock_folder(folder: Path) -> FileLock:
    """Make the folder and take it for this process; a kill gives it free."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "emulator.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise InvalidInput(
            f"{folder} is used by another emulator", remedy="Stop that one, or name another folder.", field="--folder"
        ) from None
    except OSError as error:
        raise InvalidInput(
            f"{folder} cannot be used ({error})", remedy="Name a folder that can be written.", field="--folder"
        ) from None
    return lock


def _stored_setting(store: EmulatorStore, name: str, given: float | str | None, default: float | str) -> Any:
    """Return a setting that is fixed when a folder is new.

    Raises:
        InvalidInput: another one is asked for later.
    """
    stored = store.read(name)
    if stored is None:
        store.write_setting(name, default if given is None else given)
        return default if given is None else given
    if given is not None and given != stored:
        raise InvalidInput(
            f"the folder was begun with {stored}, not {given}",
            remedy="Leave it out, or name a new folder.",
            field=f"--{name.replace('_', '-')}",
        )
    return stored
