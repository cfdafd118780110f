"""Upgrades of decisions as they happen: a stream of server-sent events that goes on where it was cut."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from qhybrid_pipelines.service.decisions.decision_service import DecisionService
from qhybrid_pipelines.service.event_feed import MOST_LISTENERS
from qhybrid_pipelines.service.problem_documents import ProblemError, overloaded
from qhybrid_pipelines.service.routes.routes_common import MAX_POSITION, parts_of, problems
from qhybrid_pipelines.service.routes.routes_decisions import DecisionReader, decisions_of, seen_by
from qhybrid_pipelines.service.routes.routes_streaming import PING_SECONDS, RETRY_MILLISECONDS, TOGETHER, event_id
from qhybrid_pipelines.service.service_parts import ServiceParts

router = APIRouter(prefix="/v1", tags=["decisions"])
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Upgrades: `id` is the number, `event` is DecisionUpgraded, `data` as webhooks have it.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/decision-upgrades/stream",
    operation_id="stream_upgrades",
    responses={**_STREAM, **problems(404)},
    response_class=StreamingResponse,
)
async def stream_upgrades(
    request: Request,
    caller: DecisionReader,
    after: Annotated[int, Query(ge=0, le=MAX_POSITION, description="Number of the last upgrade that is known.")] = 0,
    last_event_id: Annotated[
        str | None, Header(description="Takes the place of `after`: browsers send it when they come again.")
    ] = None,
) -> StreamingResponse:
    """Send the upgrades of the caller's decisions, those that are there and then each as it happens, until cut."""
    del caller  # let in; what it may see is found anew for every page
    parts, service = parts_of(request), await decisions_of(request)
    if last_event_id is not None:
        after = event_id(last_event_id)
    if parts.feed.listeners >= MOST_LISTENERS:
        raise overloaded("Too many clients are listening to events already.", seconds=10)
    return StreamingResponse(
        _upgrades(parts, service, after, request),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _upgrades(parts: ServiceParts, service: DecisionService, number: int, request: Request) -> AsyncIterator[str]:
    parts.feed.listeners += 1
    try:
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        while True:
            try:
                caller = await run_in_threadpool(parts.authenticator.caller, request.headers.get("authorization"))
            except ProblemError:
                return  # the key is not in force any more
            found, last = await run_in_threadpool(
                service.decider.store.upgrades, after=number, principal=seen_by(request, caller), limit=TOGETHER
            )
            for upgrade in found:
                yield f"id: {upgrade['number']}\nevent: {upgrade['type']}\ndata: {json.dumps(upgrade)}\n\n"
            if last > (found[-1]["number"] if found else number):
                yield f"id: {last}\n\n"  # others' upgrades: who comes again need not look at them again
            number = last
            if not await service.feed.wait_beyond(number, seconds=PING_SECONDS):
                yield ": nothing new\n\n"
    finally:
        parts.feed.listeners -= 1
