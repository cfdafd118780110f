"""Pages that need no key: what machines there are, their status, how they were characterized."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from qhybrid_pipelines.emulator.circuits import BadRequest
from qhybrid_pipelines.emulator.cloud import Cloud, NotFound
from qhybrid_pipelines.emulator.response_bodies import backend_view

_MOST_PER_PAGE = 10


class MachinePages:
    """Backends and characterizations of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def public(self) -> APIRouter:
        """Return the routes that need no key."""
        router = APIRouter()
        router.get("/backends")(self.backends)
        router.get("/backends/{backend}")(self.backend)
        router.get("/backends/{backend}/characterizations")(self.characterizations)
        return router

    def keyed(self) -> APIRouter:
        """Return the route that needs a key."""
        router = APIRouter()
        router.get("/backends/{backend}/characterizations/{identifier}")(self.characterization)
        return router

    async def backends(self) -> JSONResponse:
        """Show all machines."""
        machines = [self._cloud.machine(name) for name in self._cloud.interface.machines]
        return JSONResponse([backend_view(self._cloud, one) for one in machines])

    async def backend(self, backend: str) -> JSONResponse:
        """Show one machine."""
        return JSONResponse(backend_view(self._cloud, self._cloud.machine(backend)))

    async def characterizations(
        self, *, backend: str, start: str | None = None, end: str | None = None, limit: int = 10, page: int = 1
    ) -> JSONResponse:
        """Show the characterizations of a machine, newest first."""
        if not 1 <= limit <= _MOST_PER_PAGE:
            raise BadRequest(f"limit is {limit}; it is 1 to {_MOST_PER_PAGE}.", "limit")
        if page < 1:
            raise BadRequest(f"page is {page}; pages count from 1.", "page")
        history = self._cloud.histories.get(self._cloud.machine(backend).name)
        if history is None:
            return JSONResponse({"characterizations": [], "pages": 0})
        now = self._cloud.clock.now()
        # start belongs to the range, end does not
        newest = history.index_at(now) if end is None else history.last_before(min(now, _moment(end, "end")))
        oldest = 0 if start is None else history.last_before(_moment(start, "start")) + 1
        newest -= (page - 1) * limit
        numbers = range(newest, max(oldest, newest - limit + 1) - 1, -1)
        skew = self._cloud.store.permanent_fault_seconds("clock_skew")
        return JSONResponse(
            {
                "characterizations": [
                    history.characterization(number).payload(skew_seconds=skew) for number in numbers
                ],
                "pages": -(-max(0, newest - limit + 1 - oldest) // limit),
            }
        )

    async def characterization(self, backend: str, identifier: str) -> JSONResponse:
        """Show one characterization."""
        history = self._cloud.histories.get(self._cloud.machine(backend).name)
        found = history.find(identifier, self._cloud.clock.now()) if history is not None else None
        if found is None:
            raise NotFound(identifier)
        return JSONResponse(found.payload(skew_seconds=self._cloud.store.permanent_fault_seconds("clock_skew")))


def _moment(text: str, name: str) -> float:
    """Read a date or a moment, UTC unless it says otherwise, as Unix seconds."""
    try:
        return datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00+00:00").timestamp()
    except (ValueError, OverflowError):
        raise BadRequest(f"{name} is {text!r}; it is a date such as 2026-12-31.", name) from None
