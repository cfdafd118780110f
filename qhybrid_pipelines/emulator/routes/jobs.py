"""Pages about jobs: submitting, polling, listing, cancelling, deleting, prices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from qhybrid_pipelines.emulator.circuits import BadRequest
from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.cloud import STATES, Cloud, child_ids
from qhybrid_pipelines.emulator.interface_versions import OCTOBER
from qhybrid_pipelines.emulator.job_requests import MULTI, SINGLE, read_job_request
from qhybrid_pipelines.emulator.machines import MACHINES, PAGE_LIMIT
from qhybrid_pipelines.emulator.response_bodies import job_view, october_estimate
from qhybrid_pipelines.emulator.strict_json import NotJsonError, read_json

_LARGEST_COUNT = 10**12
_MOST_PARTS = 1000
_ENDED = ("completed", "failed", "canceled")


class JobPages:
    """The jobs of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def router(self) -> APIRouter:
        """Return the routes; fixed paths come before those with an id in their place."""
        router = APIRouter()
        router.post("/jobs")(self.create)
        router.get("/jobs")(self.jobs)
        router.delete("/jobs")(self.delete_many)
        router.get("/jobs/estimate")(self.estimate)
        router.put("/jobs/status/cancel")(self.cancel_many)
        router.get("/jobs/{identifier}")(self.job)
        router.delete("/jobs/{identifier}")(self.delete)
        router.put("/jobs/{identifier}/status/cancel")(self.cancel)
        router.get("/jobs/{identifier}/cost")(self.cost)
        return router

    async def create(self, request: Request) -> JSONResponse:
        """Accept a job."""
        body = await request.body()
        job_request = read_job_request(body, self._cloud.interface)
        if self._cloud.backend_changes(job_request.backend).get("status") == "retired":
            raise BadRequest(f"{job_request.backend} is retired.", "backend")
        most = self._cloud.max_circuits(MACHINES[job_request.backend])
        if len(job_request.circuits) > most:
            problem = f"The job has {len(job_request.circuits)} circuits; {job_request.backend} takes {most} per job."
            raise BadRequest(problem, "input.circuits")
        job = self._cloud.accept(job_request, body_seq=request.scope["emulator.body"], body=body)
        return JSONResponse({"id": job.id, "status": self._cloud.state(job), "session_id": None}, status_code=201)

    async def jobs(
        self,
        *,
        ids: Annotated[list[str] | None, Query()] = None,
        parent_job_id: str | None = None,
        status: str | None = None,
        target: str | None = None,
        session_id: str | None = None,
        limit: int = PAGE_LIMIT,
        next: str | None = None,  # noqa: A002 - the interface calls it so
    ) -> JSONResponse:
        """List jobs, newest first, children only under their parent."""
        if not 1 <= limit <= PAGE_LIMIT:
            raise BadRequest(f"limit is {limit}; it is 1 to {PAGE_LIMIT}.", "limit")
        if status is not None and status not in STATES:
            raise BadRequest(f"{status!r} is not a status.", "status")
        if session_id is not None:
            return JSONResponse({"jobs": [], "next": None})
        if parent_job_id is not None:
            return JSONResponse(self._children(parent_job_id, limit=limit, after=next))
        wanted = {"ids": _parts(ids or (), "ids"), "backends": _parts([target or ""], "target")}
        page, following = self._cloud.list_jobs(after=next, limit=limit, state=status, **wanted)
        return JSONResponse({"jobs": [job_view(self._cloud, one, listed=True) for one in page], "next": following})

    async def job(self, identifier: str) -> JSONResponse:
        """Show one job or child."""
        found, child = self._cloud.find(identifier)
        return JSONResponse(job_view(self._cloud, found, child=child))

    async def cancel(self, identifier: str) -> JSONResponse:
        """Cancel a job; one that has ended stays as it is, and its true status is the answer."""
        found, _ = self._cloud.find(identifier)
        return JSONResponse({"id": identifier, "status": self._cloud.cancel(found)})

    async def cancel_many(self, request: Request) -> JSONResponse:
        """Cancel all jobs of a list, or none when one of them is unknown."""
        ids = await _ids(request)
        for found in [self._cloud.find(identifier)[0] for identifier in ids]:
            self._cloud.cancel(found)
        return JSONResponse({"ids": ids, "status": "canceled"})

    async def delete(self, identifier: str) -> JSONResponse:
        """Hide a job from clients; the book keeps it."""
        found, _ = self._cloud.find(identifier)
        self._cloud.store.change(found.id, deleted=1)
        return JSONResponse({"id": identifier, "status": "deleted"})

    async def delete_many(self, request: Request) -> JSONResponse:
        """Hide all jobs of a list, or none when one of them is unknown."""
        ids = await _ids(request)
        for found in [self._cloud.find(identifier)[0] for identifier in ids]:
            self._cloud.store.change(found.id, deleted=1)
        return JSONResponse({"ids": ids, "status": "deleted"})

    async def cost(self, identifier: str) -> JSONResponse:
        """Show what a job will cost, and what it cost once it has ended; children are billed with their parent."""
        found, child = self._cloud.find(identifier)
        share = 1.0 if child is None else 0.0
        unit = self._cloud.billing_unit
        view: dict[str, Any] = {"dry_run": bool(found.dry_run)}
        if self._cloud.interface is OCTOBER and MACHINES[found.backend].minimum_usd == 0:
            return JSONResponse(view)  # what is free has no unit
        view["estimated_cost"] = {"value": found.estimated_usd * share, "unit": unit}
        if self._cloud.state(found) in _ENDED:
            view["cost"] = {"value": self._cloud.charged_usd(found) * share, "unit": unit}
        return JSONResponse(view)

    async def estimate(
        self,
        request: Request,
        *,
        backend: str,
        type: str = SINGLE,  # noqa: A002 - the interface calls it so
        qubits: int = 25,
        shots: int = 1000,
        one_qubit_gates: Annotated[int, Query(alias="1q_gates")] = 0,
        two_qubit_gates: Annotated[int, Query(alias="2q_gates")] = 0,
        error_mitigation: bool = False,
    ) -> JSONResponse:
        """Show what a job of some size would cost and how long it would take."""
        machine = self._cloud.priced(self._cloud.machine(backend))
        for name, value in (("shots", shots), ("1q_gates", one_qubit_gates), ("2q_gates", two_qubit_gates)):
            if not 0 <= value <= _LARGEST_COUNT:
                raise BadRequest(f"{name} is not between 0 and {_LARGEST_COUNT}.", name)
        size = {"one_qubit_gates": one_qubit_gates, "two_qubit_gates": two_qubit_gates, "shots": shots}
        session = request.query_params.get("session")
        context = {
            "backend": backend,
            "type": type,
            "qubits": qubits,
            "shots": shots,
            "1q_gates": one_qubit_gates,
            "2q_gates": two_qubit_gates,
            "error_mitigation": error_mitigation,
        }
        if self._cloud.interface is OCTOBER:
            return JSONResponse(october_estimate(self._cloud, machine, context, size))
        return JSONResponse(
            {
                "input_values": context | ({} if session is None else {"session": session == "true"}),
                "estimated_at": stamp(
                    self._cloud.clock.now() + self._cloud.store.permanent_fault_seconds("clock_skew")
                ),
                "cost_unit": self._cloud.billing_unit,
                "rate_information": {
                    "job_cost_minimum": machine.minimum_usd,
                    "cost_1q_gate": machine.one_qubit_gate_usd,
                    "cost_2q_gate": machine.two_qubit_gate_usd,
                    "organization": "emulator",
                },
                "estimated_cost": machine.price_usd(**size),
                "estimated_execution_time": machine.execution_seconds(circuits=1, **size),
                "current_predicted_queue_time": self._cloud.queue_seconds(machine),
            }
        )

    def _children(self, parent: str, *, limit: int, after: str | None) -> dict[str, Any]:
        """Return one page of the children of a multi-circuit job, in the order of its circuits."""
        found, _ = self._cloud.find(parent)
        names = child_ids(found) if found.type == MULTI else []
        if self._cloud.seconds_since_end(found) < self._cloud.store.permanent_fault_seconds("children_lag"):
            names = names[: len(names) // 2]
        if after is not None and after not in names:
            raise BadRequest(f"{after!r} does not begin a page.", "next")
        first = names.index(after) if after is not None else 0
        page = range(first, min(first + limit, len(names)))
        return {
            "jobs": [job_view(self._cloud, found, child=number, listed=True) for number in page],
            "next": names[page.stop] if page.stop < len(names) else None,
        }


def _parts(entries: Iterable[str], name: str) -> list[str]:
    """Read a parameter that is repeated, or separated by commas."""
    parts = [part for entry in entries for part in entry.split(",") if part]
    if len(parts) > _MOST_PARTS:
        raise BadRequest(f"{name} has more than {_MOST_PARTS} parts.", name)
    return parts


async def _ids(request: Request) -> list[str]:
    """Read the body of a request about many jobs."""
    try:
        ids = read_json(await request.body())["ids"]
    except (NotJsonError, KeyError, TypeError):
        raise BadRequest("The body has no list of ids.", "ids") from None
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise BadRequest("ids is not a list of texts.", "ids")
    return ids
