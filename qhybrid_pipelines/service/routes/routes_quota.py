"""What a caller may still ask for and spend."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from qhybrid_pipelines.service.access.callers import Caller
from qhybrid_pipelines.service.access.money_quota import money_rows
from qhybrid_pipelines.service.response_models import Quota
from qhybrid_pipelines.service.routes.routes_common import needs, parts_of, problems

router = APIRouter(prefix="/v1")


@router.get("/quota", tags=["operations"], operation_id="get_quota", responses=problems(), response_model=Quota)
def get_quota(request: Request, caller: Annotated[Caller, Depends(needs("read", or_scope="submit"))]) -> dict[str, Any]:
    """Show how often the caller may ask, and what it may still spend."""
    parts = parts_of(request)
    limit = parts.rates.limit_of(caller.principal)
    return {
        "principal": caller.principal,
        "requests": limit.requests,
        "per_seconds": limit.per_seconds,
        "at_once": limit.at_once,
        "money": list(money_rows(parts.workspace.control_plane, caller.principal)),
    }
