"""Pages for whoever runs the emulator: the book of accepted jobs, what clients sent, faults, time, machines, keys.

No key is needed here. The book is the judge of "was anything lost or paid twice": it is kept by the vendor's side and
no client can change it, not even by deleting a job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.emulator.braket.devices import DEVICES
from qhybrid_pipelines.emulator.circuits import BadRequest
from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.cloud import Cloud
from qhybrid_pipelines.emulator.faults import read_plan
from qhybrid_pipelines.emulator.ibm.devices import DEVICES as IBM_DEVICES
from qhybrid_pipelines.emulator.keys import ApiKeys
from qhybrid_pipelines.emulator.machines import MACHINES
from qhybrid_pipelines.emulator.response_bodies import backend_view, job_log_view
from qhybrid_pipelines.emulator.sapi.hybrid import HYBRIDS
from qhybrid_pipelines.emulator.sapi.solvers import SOLVERS
from qhybrid_pipelines.emulator.strict_json import NotJsonError, read_json

_CHANGEABLE: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "status": (str,),
        "degraded": (bool,),
        "extra_wait_seconds": (int, float),
        "max_circuits_per_job": (int,),
        "graph_version": (int,),
        "spending_limit_usd": (int, float),
        "price_factor": (int, float),
    }
)


class AdminPages:
    """The administrator's view of one cloud.

    Args:
        cloud: that is looked at.
        keys: that open it.
        requests: gives the counts of requests by route.
    """

    def __init__(self, cloud: Cloud, keys: ApiKeys, requests: Callable[[], Mapping[str, int]]) -> None:
        self._cloud, self._keys, self._requests = cloud, keys, requests

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter()
        router.get("/jobs")(self.job_log)
        router.get("/requests")(self.requests)
        router.get("/bodies")(self.bodies)
        router.get("/faults")(self.faults)
        router.put("/faults")(self.replace_faults)
        router.get("/clock")(self.clock)
        router.put("/clock")(self.advance)
        router.put("/backends/{backend}")(self.change_backend)
        router.put("/key")(self.rotate_key)
        return router

    async def job_log(self) -> JSONResponse:
        """Show every job ever accepted."""
        return JSONResponse({"jobs": [job_log_view(self._cloud, job) for job in self._cloud.store.job_log()]})

    async def requests(self) -> JSONResponse:
        """Show how many requests came by route, since this process began."""
        return JSONResponse({"requests": dict(sorted(self._requests().items()))})

    async def bodies(self) -> JSONResponse:
        """Show everything that clients sent in bodies, refused requests too."""
        names = ("seq", "at_real_seconds", "route", "query")
        return JSONResponse(
            {
                "bodies": [
                    {**dict(zip(names, rest, strict=True)), "body": body.decode("utf-8", "replace")}
                    for *rest, body in self._cloud.store.bodies()
                ]
            }
        )

    async def faults(self) -> JSONResponse:
        """Show the fault plan, and how often each rule saw a request and fired."""
        store = self._cloud.store
        counted = zip(store.rules, store.rule_counts(), strict=True)
        return JSONResponse(
            {"rules": [{**rule.as_json(), "seen": seen, "fired": fired} for rule, (seen, fired) in counted]}
        )

    async def replace_faults(self, request: Request) -> JSONResponse:
        """Put another fault plan into force."""
        try:
            body = await request.body()
            read_json(body)
            rules = read_plan(body.decode("utf-8", "replace"))
        except NotJsonError as error:
            raise BadRequest(f"The fault plan is not JSON: {error}.") from error
        except InvalidInput as error:
            raise BadRequest(str(error)) from error
        self._cloud.store.replace_rules(rules)
        return JSONResponse({"rules": [rule.as_json() for rule in rules]})

    async def clock(self) -> JSONResponse:
        """Show what time it is."""
        return JSONResponse(_clock(self._cloud))

    async def advance(self, request: Request) -> JSONResponse:
        """Jump ahead in time."""
        seconds = (await _object(request)).get("advance_seconds")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < _A_CENTURY_SECONDS:
            raise BadRequest("advance_seconds is not a number from 0.", "advance_seconds")
        stretch = self._cloud.clock.advance(float(seconds))
        self._cloud.store.write_setting("clock", [stretch.virtual_seconds, stretch.real_seconds, stretch.speed])
        return JSONResponse(_clock(self._cloud))

    async def change_backend(self, backend: str, request: Request) -> JSONResponse:
        """Change a machine's status, whether it is degraded, how long other customers make jobs wait, its largest job, its graph, its price, or its spending limit."""
        if backend not in (*self._cloud.interface.machines, *SOLVERS, *HYBRIDS, *DEVICES, *IBM_DEVICES):
            raise BadRequest(f"Unknown backend {backend!r}.", "backend")
        given = await _object(request)
        for name, value in given.items():
            kinds = _CHANGEABLE.get(name, ())
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise BadRequest(f"{name} cannot be {value!r}; known are {', '.join(_CHANGEABLE)}.", name)
            if isinstance(value, int | float) and not 0 <= value < _A_CENTURY_SECONDS:
                raise BadRequest(f"{name} is not a number from 0.", name)
        store = self._cloud.store
        store.change_backend(backend, {**store.backend_changes(backend), **given})
        if backend in (*SOLVERS, *HYBRIDS, *DEVICES, *IBM_DEVICES):
            return JSONResponse({"backend": backend, **store.backend_changes(backend)})
        return JSONResponse(backend_view(self._cloud, MACHINES[backend]))

    async def rotate_key(self, request: Request) -> JSONResponse:
        """Put another key into force and revoke the one before."""
        key = (await _object(request)).get("key")
        if not isinstance(key, str) or not key:
            raise BadRequest("key is not a text.", "key")
        self._keys.rotate(key)
        return JSONResponse({"rotated": True})


_A_CENTURY_SECONDS = 100 * 365.25 * 86400.0


def _clock(cloud: Cloud) -> dict[str, Any]:
    """Return what time it is."""
    now = cloud.clock.now()
    return {"now": stamp(now), "now_seconds": now, "speed": cloud.clock.stretch.speed}


async def _object(request: Request) -> dict[str, Any]:
    """Read a JSON object from a body."""
    try:
        given = read_json(await request.body())
    except NotJsonError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise BadRequest("The body is not a JSON object.")
    return given
