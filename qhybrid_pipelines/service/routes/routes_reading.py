"""Reading: experiments, their results, jobs and events, page by page. Nothing here changes anything."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from qhybrid_pipelines.service.problem_documents import not_found
from qhybrid_pipelines.service.response_models import (
    EventList,
    ExperimentDetail,
    ExperimentPage,
    JobDetail,
    JobPage,
    Results,
)
from qhybrid_pipelines.service.routes import cursors
from qhybrid_pipelines.service.routes.routes_common import (
    DEFAULT,
    MAX_POSITION,
    Cursor,
    EventTypes,
    ExperimentFilter,
    Limit,
    Reader,
    check_experiment,
    event_types,
    parts_of,
    problems,
    retry_header,
)

router = APIRouter(prefix="/v1")


@router.get(
    "/experiments",
    tags=["experiments"],
    operation_id="list_experiments",
    responses=problems(),
    response_model=ExperimentPage,
)
def list_experiments(
    request: Request,
    response: Response,
    caller: Reader,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    tag: Annotated[str | None, Query(max_length=64, description="Only experiments with this tag.")] = None,
) -> dict[str, Any]:
    """List the registered experiments that the caller may see, by key."""
    parts = parts_of(request)
    page = parts.resources.experiments(
        after=cursors.decode(cursor), limit=limit, may_see=parts.visibility_of(caller), tag=tag
    )
    return _linked(response, page.items, "/v1/experiments", page.last, limit, {"tag": tag})


@router.get(
    "/experiments/{key}",
    tags=["experiments"],
    operation_id="get_experiment",
    responses=problems(404),
    response_model=ExperimentDetail,
)
def get_experiment(request: Request, response: Response, caller: Reader, key: str) -> dict[str, Any]:
    """Show an experiment, its state on each backend, and what it waits for."""
    parts = parts_of(request)
    if not parts.visibility_of(caller)(key):
        raise not_found("experiment")
    found = parts.resources.experiment(key)
    response.headers.update(retry_header(found["state"]))
    return found


@router.get(
    "/experiments/{key}/results",
    tags=["experiments"],
    operation_id="get_results",
    responses=problems(404),
    response_model=Results,
)
def get_results(request: Request, caller: Reader, key: str) -> dict[str, Any]:
    """Show the verdicts of an experiment and its answers; both lists are empty before anything is decided."""
    parts = parts_of(request)
    if not parts.visibility_of(caller)(key):
        raise not_found("experiment")
    return parts.resources.results(key)


@router.get("/jobs", tags=["jobs"], operation_id="list_jobs", responses=problems(404), response_model=JobPage)
def list_jobs(
    request: Request,
    response: Response,
    caller: Reader,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    experiment: ExperimentFilter = None,
) -> dict[str, Any]:
    """List the jobs of experiments that the caller may see, by id."""
    parts = parts_of(request)
    may_see = parts.visibility_of(caller)
    check_experiment(parts, may_see, experiment)
    page = parts.resources.jobs(after=cursors.decode(cursor), limit=limit, may_see=may_see, experiment=experiment)
    return _linked(response, page.items, "/v1/jobs", page.last, limit, {"experiment": experiment})


@router.get("/jobs/{job}", tags=["jobs"], operation_id="get_job", responses=problems(404), response_model=JobDetail)
def get_job(request: Request, caller: Reader, job: str) -> dict[str, Any]:
    """Show a job with its events."""
    parts = parts_of(request)
    return parts.resources.job(job, parts.visibility_of(caller))


@router.get("/events", tags=["events"], operation_id="list_events", responses=problems(404), response_model=EventList)
def list_events(
    request: Request,
    response: Response,
    caller: Reader,
    after: Annotated[
        int, Query(ge=0, le=MAX_POSITION, description="Position of the last event that is known already.")
    ] = 0,
    limit: Limit = DEFAULT,
    experiment: ExperimentFilter = None,
    type: EventTypes = None,  # noqa: A002  the name of the parameter
) -> dict[str, Any]:
    """List the events of jobs that the caller may see, in the order of the ledger, after a position.

    A position never changes its event, so that a reader who asks on with `position` sees each event once.
    """
    parts = parts_of(request)
    may_see = parts.visibility_of(caller)
    check_experiment(parts, may_see, experiment)
    found = parts.resources.events(
        after=after,
        limit=limit,
        may_see=may_see if experiment is None else lambda key: key == experiment and may_see(key),
        types=event_types(type),
    )
    wanted = f"&type={type}" if type else ""
    wanted += f"&experiment={experiment}" if experiment else ""
    following = f"/v1/events?after={found.position}&limit={limit}{wanted}" if found.more else None
    if following:
        response.headers["link"] = f'<{following}>; rel="next"'
    return {"items": found.items, "position": found.position, "next": following}


def _linked(
    response: Response,
    items: list[dict[str, Any]],
    path: str,
    last: str | None,
    limit: int,
    filters: dict[str, str | None],
) -> dict[str, Any]:
    """Return a page with the address of the next one, in the body and in the header `Link`."""
    following = None if last is None else cursors.next_link(path, last=last, limit=limit, filters=filters)
    if following is not None:
        response.headers["link"] = f'<{following}>; rel="next"'
    return {"items": items, "next": following}
