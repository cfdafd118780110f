"""Doing something about a job or an experiment: cancel, approve, decline, reprioritise, reroute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request

from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.service.access.callers import Caller, Scope
from qhybrid_pipelines.service.actions import Actions
from qhybrid_pipelines.service.intake.json_bodies import read_object, validated
from qhybrid_pipelines.service.problem_documents import not_found
from qhybrid_pipelines.service.response_models import JobDetail
from qhybrid_pipelines.service.routes.action_models import (
    ActionBody,
    Approval,
    CancelledExperiment,
    Destination,
    NewPriority,
    Refusal,
)
from qhybrid_pipelines.service.routes.routes_common import json_body, needs, parts_of, problems
from qhybrid_pipelines.service.service_parts import ServiceParts

router = APIRouter(prefix="/v1")
Changer = Annotated[Caller, Depends(needs("submit", or_scope="operate"))]
Approver = Annotated[Caller, Depends(needs("approve"))]
_Model = TypeVar("_Model", bound=ActionBody)
_Route = TypeVar("_Route", bound=Callable[..., Any])


def _job_action(name: str, body: type[ActionBody]) -> Callable[[_Route], _Route]:
    """Return the decorator of a route that does something about a job, as a small body says."""
    content = {"application/json": {"schema": body.model_json_schema()}}
    return router.post(
        f"/jobs/{{job}}/{name}",
        tags=["jobs"],
        operation_id=f"{name}_job",
        responses=problems(404, 409, 413, 415, 422, 502),
        response_model=JobDetail,
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )


@router.post(
    "/experiments/{key}/cancel",
    tags=["experiments"],
    operation_id="cancel_experiment",
    responses=problems(404, 502),
    response_model=CancelledExperiment,
)
async def cancel_experiment(request: Request, caller: Changer, key: str) -> dict[str, Any]:
    """Stop an experiment: nothing of it is begun any more, and its jobs are asked to be cancelled."""
    parts = parts_of(request)

    def cancel() -> dict[str, Any]:
        if not (parts.may_change(caller)(key) and parts.resources.known(key)):
            raise not_found("experiment")
        rows = _actions(parts, caller, "operate").cancel_experiment(key)
        jobs = [{"job" if name == "job_id" else name: value for name, value in row.items()} for row in rows]
        return {"experiment": key, "state": "stopped", "jobs": jobs}

    return await parts.action_threads.run(cancel)


@router.post(
    "/jobs/{job}/cancel",
    tags=["jobs"],
    operation_id="cancel_job",
    responses=problems(404, 409, 502),
    response_model=JobDetail,
)
async def cancel_job(request: Request, caller: Changer, job: str) -> dict[str, Any]:
    """Ask for a job to be cancelled; its provider may be too late, and then its result counts."""
    return await _do(request, caller, lambda actions: actions.cancel(job))


@_job_action("approve", Approval)
async def approve_job(request: Request, caller: Approver, job: str) -> dict[str, Any]:
    """Agree to a job that waits for approval, at the price that it has; its next run submits it."""
    asked = await _read(request, Approval)
    return await _do(
        request, caller, lambda actions: actions.approve(job, cost_quoted_usd=asked.cost_quoted_usd), scope="approve"
    )


@_job_action("decline", Refusal)
async def decline_job(request: Request, caller: Approver, job: str) -> dict[str, Any]:
    """Say no to a job that waits for approval, and why."""
    asked = await _read(request, Refusal)
    return await _do(request, caller, lambda actions: actions.decline(job, reason=asked.reason), scope="approve")


@_job_action("reprioritise", NewPriority)
async def reprioritise_job(request: Request, caller: Changer, job: str) -> dict[str, Any]:
    """Change the place of a job among those that were not sent yet."""
    asked = await _read(request, NewPriority)
    return await _do(request, caller, lambda actions: actions.reprioritise(job, priority=asked.priority))


@_job_action("reroute", Destination)
async def reroute_job(request: Request, caller: Changer, job: str) -> dict[str, Any]:
    """Take a job's work to another backend, and show the job that stands for it then."""
    asked = await _read(request, Destination)
    return await _do(request, caller, lambda actions: actions.reroute(job, backend=asked.backend))


async def _do(
    request: Request, caller: Caller, act: Callable[[Actions], JobRecord], *, scope: Scope = "operate"
) -> dict[str, Any]:
    """Do something in one of the few threads for it, and return the job as it stands afterwards with its events."""
    parts = parts_of(request)

    def do() -> dict[str, Any]:
        return parts.resources.job(act(_actions(parts, caller, scope)).job_id, lambda _: True)

    return await parts.action_threads.run(do)


def _actions(parts: ServiceParts, caller: Caller, scope: Scope) -> Actions:
    return Actions(parts.workspace, caller.principal, parts.may_change(caller, scope=scope))


async def _read(request: Request, model: type[_Model]) -> _Model:
    """Return what a small body asks for.

    Raises:
        ProblemError: 415 or 400, it is not JSON; 422, a field is missing, unknown or wrong.
    """
    return validated(model, read_object(await json_body(request)), strict=True)
