"""Events as they happen: a stream of server-sent events that goes on where it was cut."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from qhybrid_pipelines.service.event_feed import MOST_LISTENERS
from qhybrid_pipelines.service.problem_documents import ProblemError, bad_request, overloaded
from qhybrid_pipelines.service.resources import MaySee
from qhybrid_pipelines.service.routes.routes_common import (
    MAX_POSITION,
    EventTypes,
    ExperimentFilter,
    Reader,
    check_experiment,
    event_types,
    parts_of,
    problems,
)
from qhybrid_pipelines.service.service_parts import ServiceParts

router = APIRouter(prefix="/v1")
#: A comment is sent so often when nothing happens, so that nobody in between takes the connection for dead.
PING_SECONDS = 15.0
#: What a client that was cut waits before it comes again.
RETRY_MILLISECONDS = 2000
TOGETHER = 100
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events: `id` is the position, `event` the type, `data` the event as in GET /v1/events.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/events/stream",
    tags=["events"],
    operation_id="stream_events",
    responses={**_STREAM, **problems(404)},
    response_class=StreamingResponse,
)
async def stream_events(
    request: Request,
    caller: Reader,
    after: Annotated[int, Query(ge=0, le=MAX_POSITION, description="Position of the last event that is known.")] = 0,
    experiment: ExperimentFilter = None,
    type: EventTypes = None,  # noqa: A002  the name of the parameter
    last_event_id: Annotated[
        str | None, Header(description="Takes the place of `after`: browsers send it when they come again.")
    ] = None,
) -> StreamingResponse:
    """Send the events of jobs that the caller may see, those that are there and then each as it happens, until cut."""
    parts = parts_of(request)
    if last_event_id is not None:
        after = event_id(last_event_id)
    types = event_types(type)
    may_see = await run_in_threadpool(parts.visibility_of, caller)
    await run_in_threadpool(check_experiment, parts, may_see, experiment)
    if parts.feed.listeners >= MOST_LISTENERS:
        raise overloaded("Too many clients are listening to events already.", seconds=10)

    def visibility() -> MaySee:
        # What a caller may see grows with what it sends, and ends with its key.
        found = parts.authenticator.caller(request.headers.get("authorization"))
        seen = parts.visibility_of(found)
        return seen if experiment is None else lambda key: key == experiment and seen(key)

    return StreamingResponse(
        _events(parts, after, types, visibility),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _events(
    parts: ServiceParts, position: int, types: Collection[str] | None, visibility: Any
) -> AsyncIterator[str]:
    parts.feed.listeners += 1
    try:
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        while True:
            try:
                may_see = await run_in_threadpool(visibility)
            except ProblemError:
                return  # the key is not in force any more
            page = await run_in_threadpool(
                parts.resources.events, after=position, limit=TOGETHER, may_see=may_see, types=types
            )
            for event in page.items:
                yield f"id: {event['position']}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"
            if page.position > (page.items[-1]["position"] if page.items else position):
                yield f"id: {page.position}\n\n"  # others' events: who comes again need not look at them again
            position = page.position
            if not page.more and not await parts.feed.wait_beyond(position, seconds=PING_SECONDS):
                yield ": nothing new\n\n"
    finally:
        parts.feed.listeners -= 1


def event_id(text: str) -> int:
    """Return the number that a client that comes again has seen last.

    Raises:
        ProblemError: 400.
    """
    if not text.isascii() or not text.isdigit() or int(text[:20]) > MAX_POSITION or len(text) > 19:
        raise bad_request(
            "this is not the id of an event", remedy="Send the id of the last event.", field="Last-Event-ID"
        )
    return int(text)
