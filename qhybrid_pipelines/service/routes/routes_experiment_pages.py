"""What belongs to the page of one experiment: its report, the script, and the news for pages that are open."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.service.event_feed import MOST_LISTENERS
from qhybrid_pipelines.service.pages.experiment_updates import updates
from qhybrid_pipelines.service.pages.experiment_view import ExperimentView, view_of
from qhybrid_pipelines.service.pages.rendering import HEADERS, report_page, script
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError, not_found, overloaded
from qhybrid_pipelines.service.routes.page_visits import Visitor, show_page
from qhybrid_pipelines.service.routes.routes_common import Reader, parts_of, problems
from qhybrid_pipelines.service.service_parts import ServiceParts

router = APIRouter()


@router.get("/pages/experiment.js", include_in_schema=False)
async def page_script() -> Response:
    """Return the script of the page of an experiment."""
    return script()


@router.get("/pages/experiments/{key}/report", include_in_schema=False)
def show_report(request: Request, key: str) -> Response:
    """Show the report of an experiment to a person."""

    def show(parts: ServiceParts, visitor: Visitor) -> Response:
        if not parts.visibility_of(visitor.caller)(key):
            raise not_found("experiment")
        return report_page(_report(parts, visitor.caller.principal, key))

    return show_page(request, show)


@router.get(
    "/v1/experiments/{key}/report",
    tags=["experiments"],
    operation_id="get_report",
    responses={
        200: {"description": "One page that loads nothing.", "content": {"text/html": {"schema": {"type": "string"}}}},
        **problems(404, 409, 422),
    },
    response_class=Response,
)
def get_report(request: Request, caller: Reader, key: str) -> Response:
    """Return the report of an experiment: question, verdict, figures, cost, provenance and answer, as one HTML page."""
    parts = parts_of(request)
    if not parts.visibility_of(caller)(key):
        raise not_found("experiment")
    return report_page(_report(parts, caller.principal, key))


def _report(parts: ServiceParts, principal: str, key: str) -> str:
    view = view_of(parts.resources, key)
    if view.experiment["specification"] is None:
        raise ProblemError(
            Problem(
                status=409,
                code="wrong-state",
                detail="The experiment is not registered yet, and there is nothing to report.",
                remedy="Ask again when its state is another one.",
            )
        )
    return parts.reports.html(principal, key, view.version)


@router.get("/pages/experiments/{key}/updates", include_in_schema=False)
def stream_updates(
    request: Request,
    key: str,
    version: Annotated[str, Query(max_length=16)] = "",
    last_event_id: Annotated[str, Header(max_length=16)] = "",
) -> Response:
    """Tell an open page when its experiment has changed, until it changes no more or the visitor may not see it any more."""

    def stream(parts: ServiceParts, visitor: Visitor) -> Response:
        if not (parts.visibility_of(visitor.caller)(key) and parts.resources.known(key)):
            raise not_found("experiment")
        if parts.feed.listeners >= MOST_LISTENERS:
            raise overloaded("Too many pages are kept up to date already.", seconds=10)

        def read_view() -> ExperimentView | None:
            session = parts.pages.sessions.find(visitor.session_id, is_used=False)
            if session is None:
                return None
            try:
                caller = parts.authenticator.caller(session.authorization)
                return view_of(parts.resources, key) if parts.visibility_of(caller)(key) else None
            except (ProblemError, QHybridError):
                return None  # the key is not in force any more, or a file is damaged: the page itself says which

        return StreamingResponse(
            updates(parts.feed, read_view, known=last_event_id or version),
            media_type="text/event-stream",
            headers={**HEADERS, "x-accel-buffering": "no"},
        )

    return show_page(request, stream)
