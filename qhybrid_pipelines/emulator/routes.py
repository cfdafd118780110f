"""The published routes, each a thin reader of its parameters before `cloud`.

All handlers run on the event loop and use the store from there, one after the other: a cancellation and a completion
never see half of each other. Only the simulation of a result leaves for a worker thread.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.cloud import Cloud, NotFound, child_ids, result
from qhybrid_pipelines.emulator.machines import MACHINES, PAGE_LIMIT, Machine
from qhybrid_pipelines.emulator.orders import MULTI, SINGLE, BadRequest, read_order
from qhybrid_pipelines.emulator.sampling import Shots, frequencies, histogram
from qhybrid_pipelines.emulator.store import Job
from qhybrid_pipelines.emulator.views import backend_view, job_view, variant_number, variant_slice

_STATES = ("submitted", "ready", "started", "completed", "failed", "canceled")
_MOST_CHARACTERIZATIONS = 10
_KEPT_RESULTS = 256


def public_routes(cloud: Cloud) -> APIRouter:
    """Return the routes that need no key: what machines there are and how they were characterized."""
    router = APIRouter()

    @router.get("/backends")
    async def backends() -> JSONResponse:
        return JSONResponse([backend_view(cloud, machine) for machine in MACHINES.values()])

    @router.get("/backends/{backend}")
    async def backend(backend: str) -> JSONResponse:
        return JSONResponse(backend_view(cloud, _machine(backend)))

    @router.get("/backends/{backend}/characterizations")
    async def characterizations(
        backend: str, start: str | None = None, end: str | None = None, limit: int = 10, page: int = 1
    ) -> JSONResponse:
        if not 1 <= limit <= _MOST_CHARACTERIZATIONS:
            raise BadRequest(f"limit is {limit}; it is 1 to {_MOST_CHARACTERIZATIONS}.", "limit")
        if page < 1:
            raise BadRequest(f"page is {page}; pages count from 1.", "page")
        history = cloud.histories.get(_machine(backend).name)
        if history is None:
            return JSONResponse({"characterizations": [], "pages": 0})
        latest = history.number_at(min(cloud.clock.now(), _moment(end, "end")) if end else cloud.clock.now())
        first = max(0, history.number_at(_moment(start, "start"))) if start else 0
        newest = latest - (page - 1) * limit
        skew = cloud.store.standing_seconds("clock_skew")
        return JSONResponse(
            {
                "characterizations": [
                    history.numbered(number).payload(skew_seconds=skew)
                    for number in range(newest, max(first, newest - limit + 1) - 1, -1)
                ],
                "pages": -(-max(0, latest - first + 1) // limit),
            }
        )

    return router


def keyed_routes(cloud: Cloud, key_name: Any) -> APIRouter:
    """Return the routes that need a key.

    Args:
        cloud: behind them.
        key_name: gives the name of the key in force.
    """
    router = APIRouter()
    results: OrderedDict[str, list[Shots]] = OrderedDict()

    @router.get("/whoami")
    async def whoami() -> JSONResponse:
        return JSONResponse(key_name())

    @router.get("/backends/{backend}/characterizations/{identifier}")
    async def characterization(backend: str, identifier: str) -> JSONResponse:
        history = cloud.histories.get(_machine(backend).name)
        found = history.find(identifier, cloud.clock.now()) if history is not None else None
        if found is None:
            raise NotFound(identifier)
        return JSONResponse(found.payload(skew_seconds=cloud.store.standing_seconds("clock_skew")))

    @router.post("/jobs")
    async def create(request: Request) -> JSONResponse:
        body = await request.body()
        order = read_order(body)
        if cloud.changes(order.backend).get("status") == "retired":
            raise BadRequest(f"{order.backend} is retired.", "backend")
        job = cloud.accept(order, body_seq=request.scope["emulator.body"], body=body)
        return JSONResponse({"id": job.id, "status": cloud.state(job), "session_id": None}, status_code=201)

    @router.get("/jobs")
    async def jobs(
        ids: Annotated[list[str] | None, Query()] = None,
        parent_job_id: str | None = None,
        status: str | None = None,
        target: str | None = None,
        session_id: str | None = None,
        limit: int = PAGE_LIMIT,
        next: str | None = None,  # noqa: A002 - the interface calls it so
    ) -> JSONResponse:
        if not 1 <= limit <= PAGE_LIMIT:
            raise BadRequest(f"limit is {limit}; it is 1 to {PAGE_LIMIT}.", "limit")
        if status is not None and status not in _STATES:
            raise BadRequest(f"{status!r} is no status.", "status")
        if session_id is not None:
            return JSONResponse({"jobs": [], "next": None})
        if parent_job_id is not None:
            return JSONResponse(_children_page(cloud, parent_job_id, limit=limit, after=next))
        wanted = [part for entry in ids or () for part in entry.split(",") if part]
        page, following = cloud.listed(
            after=next,
            limit=limit,
            ids=wanted,
            state=status,
            backends=[part for part in (target or "").split(",") if part],
        )
        return JSONResponse({"jobs": [job_view(cloud, job, listed=True) for job in page], "next": following})

    @router.get("/jobs/estimate")
    async def estimate(
        backend: str,
        request: Request,
        type: str = SINGLE,  # noqa: A002 - the interface calls it so
        qubits: int = 25,
        shots: int = 1000,
        one_qubit_gates: Annotated[int, Query(alias="1q_gates")] = 0,
        two_qubit_gates: Annotated[int, Query(alias="2q_gates")] = 0,
        error_mitigation: bool = False,
    ) -> JSONResponse:
        machine = _machine(backend)
        session = request.query_params.get("session")
        return JSONResponse(
            {
                "input_values": {
                    "backend": backend,
                    "type": type,
                    "qubits": qubits,
                    "shots": shots,
                    "1q_gates": one_qubit_gates,
                    "2q_gates": two_qubit_gates,
                    "error_mitigation": error_mitigation,
                    **({} if session is None else {"session": session == "true"}),
                },
                "estimated_at": stamp(cloud.clock.now() + cloud.store.standing_seconds("clock_skew")),
                "cost_unit": "usd",
                "rate_information": {
                    "job_cost_minimum": machine.minimum_usd,
                    "cost_1q_gate": machine.one_qubit_gate_usd,
                    "cost_2q_gate": machine.two_qubit_gate_usd,
                    "organization": "emulator",
                },
                "estimated_cost": machine.price_usd(
                    one_qubit_gates=one_qubit_gates, two_qubit_gates=two_qubit_gates, shots=shots
                ),
                "estimated_execution_time": machine.execution_seconds(
                    circuits=1, one_qubit_gates=one_qubit_gates, two_qubit_gates=two_qubit_gates, shots=shots
                ),
                "current_predicted_queue_time": cloud.queue_seconds(machine),
            }
        )

    @router.delete("/jobs")
    async def delete_many(request: Request) -> JSONResponse:
        ids = await _ids(request)
        for job in [cloud.find(identifier)[0] for identifier in ids]:
            cloud.store.change(job.id, deleted=1)
        return JSONResponse({"ids": ids, "status": "deleted"})

    @router.put("/jobs/status/cancel")
    async def cancel_many(request: Request) -> JSONResponse:
        ids = await _ids(request)
        for job in [cloud.find(identifier)[0] for identifier in ids]:
            cloud.cancel(job)
        return JSONResponse({"ids": ids, "status": "canceled"})

    @router.get("/jobs/{identifier}")
    async def job(identifier: str) -> JSONResponse:
        found, child = cloud.find(identifier)
        return JSONResponse(job_view(cloud, found, child=child))

    @router.delete("/jobs/{identifier}")
    async def delete(identifier: str) -> JSONResponse:
        found, _ = cloud.find(identifier)
        cloud.store.change(found.id, deleted=1)
        return JSONResponse({"id": identifier, "status": "deleted"})

    @router.put("/jobs/{identifier}/status/cancel")
    async def cancel(identifier: str) -> JSONResponse:
        found, _ = cloud.find(identifier)
        return JSONResponse({"id": identifier, "status": cloud.cancel(found)})

    @router.get("/jobs/{identifier}/cost")
    async def cost(identifier: str) -> JSONResponse:
        found, child = cloud.find(identifier)
        # children are billed with their parent
        view: dict[str, Any] = {
            "dry_run": bool(found.dry_run),
            "estimated_cost": {"value": found.estimated_usd if child is None else 0.0, "unit": "usd"},
        }
        if cloud.state(found) in ("completed", "failed", "canceled"):
            view["cost"] = {"value": cloud.charged_usd(found) if child is None else 0.0, "unit": "usd"}
        return JSONResponse(view)

    async def shots_of(job: Job) -> list[Shots]:
        """Return the shots of a finished job, simulated once and kept while it is asked for."""
        if cloud.state(job) != "completed" or job.dry_run:
            raise NotFound(job.id)
        if job.fate_name == "result_missing" and job.result_looks < job.fate_rule["params"]["n"]:
            cloud.store.change(job.id, result_looks=job.result_looks + 1)
            raise NotFound(job.id)
        if job.id not in results:
            results[job.id] = await asyncio.to_thread(result, cloud.work(job))
            while len(results) > _KEPT_RESULTS:
                results.popitem(last=False)
        return results[job.id]

    @router.get("/jobs/{identifier}/results/probabilities/aggregated")
    @router.get("/jobs/{identifier}/results/{form}")
    async def results_of(identifier: str, form: str = "probabilities") -> JSONResponse:
        found, child = cloud.find(identifier)
        shots = await shots_of(found)
        if child is None and found.type == MULTI:
            answer = {one: _formed(form, states) for one, states in zip(child_ids(found), shots, strict=True)}
            return JSONResponse(answer)
        return JSONResponse(_formed(form, shots[child or 0]))

    @router.get("/jobs/{identifier}/variants/{variant}/results/{form}")
    async def variant_results(identifier: str, variant: str, form: str) -> JSONResponse:
        found, child = cloud.find(identifier)
        number = variant_number(identifier, variant)
        mitigation = json.loads(found.settings).get("error_mitigation") or {}
        if number is None or not mitigation.get("debiasing") or (found.type == MULTI and child is None):
            raise NotFound(variant)
        shots = await shots_of(found)
        return JSONResponse(_formed(form, shots[child or 0][variant_slice(found.shots, number)]))

    return router


def _machine(name: str) -> Machine:
    """Return the machine with this name."""
    if name not in MACHINES:
        raise NotFound(name)
    return MACHINES[name]


def _formed(form: str, states: Shots) -> Any:
    """Return shots in one of the published forms; per shot, the state's number is a text."""
    if form == "probabilities":
        return frequencies(states)
    if form == "histogram":
        return histogram(states)
    if form == "shots":
        return [str(state) for state in states.tolist()]
    raise NotFound(form)


def _children_page(cloud: Cloud, parent: str, *, limit: int, after: str | None) -> dict[str, Any]:
    """Return one page of the children of a multi-circuit job, in the order of its circuits."""
    job, _ = cloud.find(parent)
    names = child_ids(job) if job.type == MULTI else []
    if after is not None and after not in names:
        raise BadRequest(f"{after!r} does not begin a page.", "next")
    first = names.index(after) if after is not None else 0
    page = range(first, min(first + limit, len(names)))
    return {
        "jobs": [job_view(cloud, job, child=number, listed=True) for number in page],
        "next": names[page.stop] if page.stop < len(names) else None,
    }


def _moment(text: str, name: str) -> float:
    """Read a date or a moment as Unix seconds."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{name} is {text!r}; it is a date such as 2026-12-31.", name) from None
    return (moment if moment.tzinfo else datetime.fromisoformat(f"{text[:10]}T00:00:00+00:00")).timestamp()


async def _ids(request: Request) -> list[str]:
    """Read the body of a request about many jobs."""
    try:
        ids = json.loads(await request.body())["ids"]
    except (ValueError, KeyError, TypeError):
        raise BadRequest("The body has no list of ids.", "ids") from None
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise BadRequest("ids is not a list of texts.", "ids")
    return ids
