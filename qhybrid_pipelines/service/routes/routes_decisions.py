"""Decisions over HTTP: one at once, what became of it, which answer was used, and what came of that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Request, Response

from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK
from qhybrid_pipelines.service.access.callers import Caller
from qhybrid_pipelines.service.decisions import decision_body, decision_models
from qhybrid_pipelines.service.decisions.decider import moment
from qhybrid_pipelines.service.decisions.decision_records import DecisionRecord
from qhybrid_pipelines.service.decisions.decision_service import DecisionService, gates_of
from qhybrid_pipelines.service.decisions.decision_views import decision_fields, entity_tag, gate_fields
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError
from qhybrid_pipelines.service.routes.routes_common import json_body, needs, parts_of, problems
from qhybrid_pipelines.service.routes.routes_submission import not_ready
from qhybrid_pipelines.service.service_parts import ServiceParts

router = APIRouter(prefix="/v1", tags=["decisions"])
#: Decisions do not wait for the ledger: what was decided is beside it.
DecisionReader = Annotated[Caller, Depends(needs("read", ledger=False))]
DecisionSubmitter = Annotated[Caller, Depends(needs("submit", ledger=False))]
Result = TypeVar("Result")


def _body(model: type) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_HEADERS = {
    "ETag": {"description": "Changes with every change of the decision.", "schema": {"type": "string"}},
    "Location": {"description": "The decision.", "schema": {"type": "string"}},
}


@router.post(
    "/decisions",
    operation_id="decide",
    responses={
        200: {"model": decision_models.Decision, "description": "Decided, and stored.", "headers": _HEADERS},
        **problems(404, 413, 415, 422),
    },
    openapi_extra=_body(decision_models.DecisionRequest),
)
async def decide(request: Request, caller: DecisionSubmitter) -> Response:
    """Decide at once by classical means; a better answer may take its place until the deadline, on the terms that are given."""
    arrived = moment(SYSTEM_CLOCK)
    service = await decisions_of(request)
    order = decision_body.read_decision(await json_body(request))
    record = await _apart(service, service.decide, caller.principal, order, arrived)
    return _shown(record, location=True)


@router.get(
    "/decisions/{decision}",
    operation_id="get_decision",
    responses={
        200: {"model": decision_models.Decision, "headers": {"ETag": _HEADERS["ETag"]}},
        304: {"description": "It is as it was."},
        **problems(404),
    },
)
async def get_decision(
    request: Request,
    caller: DecisionReader,
    decision: str,
    if_none_match: Annotated[str | None, Header(description="The ETag that is known.", max_length=400)] = None,
) -> Response:
    """Show a decision: its current answer and all others."""
    service = await decisions_of(request)
    record = await _apart(service, service.decider.owned, seen_by(request, caller), decision)
    if if_none_match is not None and entity_tag(record) in [tag.strip() for tag in if_none_match.split(",")]:
        return Response(status_code=304, headers={"etag": entity_tag(record)})
    return _shown(record)


@router.post(
    "/decisions/{decision}/used",
    operation_id="use_decision",
    responses={
        200: {"model": decision_models.Decision, "headers": {"ETag": _HEADERS["ETag"]}},
        **problems(404, 409, 413, 415, 422),
    },
    openapi_extra=_body(decision_models.UsedVersion),
)
async def use_decision(request: Request, caller: DecisionSubmitter, decision: str) -> Response:
    """Say which version you have acted on; nothing changes the decision afterwards. Repeating it is not an error."""
    service = await decisions_of(request)
    version = decision_body.read_used(await json_body(request)).version
    return _shown(await _apart(service, service.use, caller.principal, decision, version))


@router.post(
    "/decisions/{decision}/outcome",
    operation_id="report_outcome",
    responses={
        200: {"model": decision_models.Decision, "headers": {"ETag": _HEADERS["ETag"]}},
        **problems(404, 409, 413, 415, 422),
    },
    openapi_extra=_body(decision_models.OutcomeReport),
)
async def report_outcome(request: Request, caller: DecisionSubmitter, decision: str) -> Response:
    """Report the outcome of a decision, with which the claim about its candidate is compared."""
    service = await decisions_of(request)
    reported = decision_body.read_outcome(await json_body(request))
    return _shown(await _apart(service, service.report, caller.principal, decision, reported))


@router.get(
    "/decision-gates",
    operation_id="list_gates",
    responses=problems(404),
    response_model=decision_models.GateList,
)
async def list_gates(request: Request, caller: DecisionReader) -> dict[str, Any]:
    """List your subjects: how often what was claimed held, and whether their gates are closed."""
    service = await decisions_of(request)
    found = await _apart(service, gates_of, service, seen_by(request, caller))
    return {"items": [gate_fields(subject, gate) for subject, gate in found]}


async def decisions_of(request: Request) -> DecisionService:
    """Return the decision service, once it is warm.

    Raises:
        ProblemError: 404, there is none here; 503, it is warming up.
    """
    parts: ServiceParts = parts_of(request)
    if parts.decisions is None:
        raise ProblemError(
            Problem(
                status=404,
                code="not-found",
                detail="This service makes no decisions.",
                remedy="Its operator can start it with `qhybrid serve --decisions`.",
            )
        )
    if not parts.is_warm:
        raise ProblemError(not_ready([parts.warming_problem]))
    return parts.decisions


async def _apart(service: DecisionService, function: Callable[..., Result], *args: Any) -> Result:
    """Run something that waits in the threads that decisions have for themselves."""
    return await asyncio.get_running_loop().run_in_executor(service.threads, function, *args)


def seen_by(request: Request, caller: Caller) -> str | None:
    """Return whose decisions a caller may see; None is everybody's."""
    return None if parts_of(request).authenticator.is_open or caller.sees_all else caller.principal


def _shown(record: DecisionRecord, *, location: bool = False) -> Response:
    body = decision_models.Decision(**decision_fields(record)).model_dump_json()
    headers = {"etag": entity_tag(record)}
    if location:
        headers["location"] = f"/v1/decisions/{record.id}"
    return Response(body, media_type="application/json", headers=headers)
