"""What those who keep the service ask it: whether it lives, whether it is ready, and its figures."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from qhybrid_pipelines.service.problem_documents import Problem, ProblemError
from qhybrid_pipelines.service.response_models import Health
from qhybrid_pipelines.service.routes.routes_common import Reader, parts_of, problems
from qhybrid_pipelines.service.routes.routes_submission import not_ready
from qhybrid_pipelines.steps.operate.telemetry import prometheus_text

router = APIRouter(tags=["operations"])
_FIGURES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get("/livez", operation_id="is_alive", responses=problems(), response_model=Health)
async def is_alive() -> dict[str, str]:
    """Tell that the process answers; no database is asked."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="is_ready", responses=problems(), response_model=Health)
def is_ready(request: Request) -> dict[str, str]:
    """Tell whether requests are taken: everything is warm, the ledger answers, and requests can be written."""
    reasons = parts_of(request).not_ready()
    if reasons:
        raise ProblemError(not_ready(reasons))
    return {"status": "ok"}


@router.get(
    "/metrics", operation_id="get_metrics", responses={**_FIGURES, **problems()}, response_class=PlainTextResponse
)
def get_metrics(request: Request, caller: Reader) -> PlainTextResponse:
    """Return figures of the ledger and of the service itself, without names of jobs, experiments or people."""
    parts = parts_of(request)
    if not caller.sees_all:
        raise ProblemError(
            Problem(
                status=403,
                code="forbidden",
                detail="The figures are about everybody's work.",
                remedy="Use a key with the scope 'all'.",
            )
        )
    text = prometheus_text(parts.workspace.control_plane.ledger, parts.workspace.home) + parts.figures.text()
    text += parts.webhooks.figures()
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")
