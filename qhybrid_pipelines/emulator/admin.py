"""Pages for whoever runs the emulator: the book of accepted jobs, what clients sent, faults, time, machines, keys.

No key is needed here. The book is the judge of "was anything lost or paid twice": it is kept by the vendor's side and
no client can change it, not even by deleting a job.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.cloud import Cloud
from qhybrid_pipelines.emulator.faults import read_plan
from qhybrid_pipelines.emulator.keys import Keys
from qhybrid_pipelines.emulator.machines import MACHINES
from qhybrid_pipelines.emulator.orders import BadRequest
from qhybrid_pipelines.emulator.views import backend_view, book_view

_CHANGEABLE = {"status": str, "degraded": bool, "extra_wait_seconds": (int, float)}


def admin_routes(cloud: Cloud, keys: Keys, requests: Any) -> APIRouter:
    """Return the administrator's routes.

    Args:
        cloud: that is looked at.
        keys: that open it.
        requests: gives the counts of requests by route.
    """
    router = APIRouter()
    store = cloud.store

    @router.get("/jobs")
    async def book() -> JSONResponse:
        return JSONResponse({"jobs": [book_view(cloud, job) for job in store.book()]})

    @router.get("/requests")
    async def counts() -> JSONResponse:
        return JSONResponse({"requests": dict(sorted(requests().items()))})

    @router.get("/bodies")
    async def bodies() -> JSONResponse:
        return JSONResponse(
            {
                "bodies": [
                    {
                        "seq": seq,
                        "at_real_seconds": at,
                        "route": route,
                        "query": query,
                        "body": body.decode("utf-8", "replace"),
                    }
                    for seq, at, route, query, body in store.bodies()
                ]
            }
        )

    @router.get("/faults")
    async def faults() -> JSONResponse:
        counted = zip(store.rules, store.rule_counts(), strict=True)
        return JSONResponse(
            {"rules": [{**rule.as_json(), "seen": seen, "fired": fired} for rule, (seen, fired) in counted]}
        )

    @router.put("/faults")
    async def plan(request: Request) -> JSONResponse:
        try:
            rules = read_plan((await request.body()).decode("utf-8", "replace"))
        except InvalidInput as error:
            raise BadRequest(str(error)) from error
        store.replace_rules(rules)
        return JSONResponse({"rules": [rule.as_json() for rule in rules]})

    @router.get("/clock")
    async def time() -> JSONResponse:
        return JSONResponse(_clock(cloud))

    @router.put("/clock")
    async def advance(request: Request) -> JSONResponse:
        given = await _object(request)
        seconds = given.get("advance_seconds")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
            raise BadRequest("advance_seconds is not a number from 0.", "advance_seconds")
        stretch = cloud.clock.advance(float(seconds))
        store.remember("clock", [stretch.virtual_seconds, stretch.real_seconds, stretch.speed])
        return JSONResponse(_clock(cloud))

    @router.put("/backends/{backend}")
    async def change(backend: str, request: Request) -> JSONResponse:
        if backend not in MACHINES:
            raise BadRequest(f"Unknown backend {backend!r}.", "backend")
        given = await _object(request)
        for name, value in given.items():
            if name not in _CHANGEABLE or not isinstance(value, _CHANGEABLE[name]):  # type: ignore[arg-type]
                raise BadRequest(f"{name} cannot be {value!r}; known are {', '.join(_CHANGEABLE)}.", name)
        store.change_backend(backend, {**store.backend_changes(backend), **given})
        return JSONResponse(backend_view(cloud, MACHINES[backend]))

    @router.put("/key")
    async def rotate(request: Request) -> JSONResponse:
        key = (await _object(request)).get("key")
        if not isinstance(key, str) or not key:
            raise BadRequest("key is not a text.", "key")
        keys.rotate(key)
        return JSONResponse({"rotated": True})

    return router


def _clock(cloud: Cloud) -> dict[str, Any]:
    """Return what time it is."""
    now = cloud.clock.now()
    return {"now": stamp(now), "now_seconds": now, "speed": cloud.clock.stretch.speed}


async def _object(request: Request) -> dict[str, Any]:
    """Read a JSON object from a body."""
    try:
        given = json.loads(await request.body())
    except ValueError:
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(given, dict):
        raise BadRequest("The body is not a JSON object.")
    return given
