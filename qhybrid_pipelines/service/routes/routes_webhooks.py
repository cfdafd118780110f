"""Endpoints that are told of events: registered, shown, given a new secret, tried again, replayed, removed."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from qhybrid_pipelines.service.access.callers import Caller
from qhybrid_pipelines.service.intake.json_bodies import read_object, validated
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError, invalid, not_found
from qhybrid_pipelines.service.routes.routes_common import Reader, json_body, parts_of, problems
from qhybrid_pipelines.service.service_parts import ServiceParts
from qhybrid_pipelines.service.webhooks import messages
from qhybrid_pipelines.service.webhooks.endpoints import Endpoint
from qhybrid_pipelines.service.webhooks.registry import endpoint_fields
from qhybrid_pipelines.service.webhooks.response_models import (
    EndpointBody,
    EndpointDetail,
    EndpointList,
    EndpointWithSecret,
    JobCloudEvent,
    NewEndpoint,
    NewSecret,
    NoticeCloudEvent,
    ReplayRange,
    UpgradeCloudEvent,
)

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
#: What is sent, for the description: one entry for each type.
outgoing = APIRouter()
EndpointId = Annotated[str, Path(max_length=40, description="Id of an endpoint.")]
_Model = TypeVar("_Model", bound=BaseModel)


def _body(model: type[BaseModel]) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}},
        }
    }


@router.post(
    "",
    operation_id="create_webhook",
    status_code=201,
    response_model=EndpointWithSecret,
    responses=problems(413, 415, 422),
    openapi_extra=_body(NewEndpoint),
)
async def create_webhook(request: Request, response: Response, caller: Reader) -> dict[str, Any]:
    """Register an endpoint of the caller's. It is sent a first message, and events once it has acknowledged that."""
    asked = await _read(request, NewEndpoint)
    parts = parts_of(request)

    def add() -> tuple[Endpoint, str | None]:
        after = asked.after
        head = parts.workspace.control_plane.ledger.head().position
        if after is not None and after > head:
            raise invalid(f"the last event has position {head}", remedy="Leave `after` out.", field="after")
        return parts.webhooks.registry.add(
            principal=caller.principal,
            sees_all=caller.sees_all,
            kind=asked.kind,
            target=asked.url,
            types=asked.types,
            by_tier=asked.by_tier,
            after=head if after is None else after,
        )

    endpoint, secret = await run_in_threadpool(add)
    response.headers["location"] = f"/v1/webhooks/{endpoint.id}"
    return endpoint_fields(endpoint) | {"secret": secret}


@router.get("", operation_id="list_webhooks", response_model=EndpointList, responses=problems())
def list_webhooks(request: Request, caller: Reader) -> dict[str, Any]:
    """List the caller's endpoints; with a key that reads everything, everybody's."""
    store = parts_of(request).webhooks.registry.store
    found = store.all() if caller.sees_all else store.of(caller.principal)
    return {"items": [endpoint_fields(endpoint) for endpoint in found]}


@router.get("/{endpoint}", operation_id="get_webhook", response_model=EndpointDetail, responses=problems(404))
def get_webhook(request: Request, caller: Reader, endpoint: EndpointId) -> dict[str, Any]:
    """Show an endpoint, how far it has got, and what was set aside."""
    parts = parts_of(request)
    found = _find(parts, caller, endpoint)
    dead = [
        {"message": one.message, "position": one.position, "at": one.at, "problem": one.problem}
        for one in parts.webhooks.registry.store.dead(found.id)
    ]
    return endpoint_fields(found) | {"dead": dead}


@router.delete("/{endpoint}", operation_id="delete_webhook", status_code=204, responses=problems(404))
def delete_webhook(request: Request, caller: Reader, endpoint: EndpointId) -> Response:
    """Remove an endpoint; nothing more is sent to it, but for what is under way."""
    parts = parts_of(request)
    parts.webhooks.registry.store.remove(_find_to_change(parts, caller, endpoint).id)
    return Response(status_code=204)


@router.post(
    "/{endpoint}/secret", operation_id="rotate_webhook_secret", response_model=NewSecret, responses=problems(404, 422)
)
def rotate_webhook_secret(request: Request, caller: Reader, endpoint: EndpointId) -> dict[str, Any]:
    """Give an endpoint a new secret, shown once. Messages carry two signatures for a day: by the new one and the one before."""
    parts = parts_of(request)
    found = _find_to_change(parts, caller, endpoint)
    return {"endpoint": found.id, "secret": parts.webhooks.registry.rotate(found)}


@router.post("/{endpoint}/enable", operation_id="enable_webhook", response_model=EndpointBody, responses=problems(404))
def enable_webhook(request: Request, caller: Reader, endpoint: EndpointId) -> dict[str, Any]:
    """Try an endpoint again at once, from where it was: also one that was disabled."""
    parts = parts_of(request)
    store = parts.webhooks.registry.store
    found = _find_to_change(parts, caller, endpoint)
    store.enable(found.id)
    return endpoint_fields(store.get(found.id) or found)


@router.post(
    "/{endpoint}/replay",
    operation_id="replay_webhook",
    status_code=202,
    response_model=EndpointBody,
    responses=problems(404, 413, 415, 422),
    openapi_extra=_body(ReplayRange),
)
async def replay_webhook(request: Request, caller: Reader, endpoint: EndpointId) -> dict[str, Any]:
    """Send events once more, before new ones, with the ids and bodies that they had."""
    asked = await _read(request, ReplayRange)
    parts = parts_of(request)

    def replay() -> Endpoint:
        found = _find_to_change(parts, caller, endpoint)
        head = parts.workspace.control_plane.ledger.head().position
        parts.webhooks.registry.replay(found, after=asked.after, until=asked.until, head=head)
        return found

    return endpoint_fields(await run_in_threadpool(replay))


def _find(parts: ServiceParts, caller: Caller, endpoint: str) -> Endpoint:
    """Return an endpoint that the caller may see: its own, or anybody's where it sees everything."""
    found = parts.webhooks.registry.store.get(endpoint)
    if found is None or not (caller.sees_all or found.principal == caller.principal):
        raise not_found("endpoint")
    return found


def _find_to_change(parts: ServiceParts, caller: Caller, endpoint: str) -> Endpoint:
    """Return an endpoint that the caller may change: its own, or anybody's with the scope `operate`."""
    found = _find(parts, caller, endpoint)
    if found.principal != caller.principal and "operate" not in caller.scopes:
        raise ProblemError(
            Problem(
                status=403,
                code="forbidden",
                detail=f"This is an endpoint of {found.principal}.",
                remedy="Use a key of theirs, or one that has the scope 'operate'.",
            )
        )
    return found


async def _read(request: Request, model: type[_Model]) -> _Model:
    """Return a body.

    Raises:
        ProblemError: 415 where it is not said to be JSON, 422 where a field is wrong, and as `read_object`.
    """
    return validated(model, read_object(await json_body(request)))


def _describe_outgoing() -> None:
    """Add every message that is sent to the description."""
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": "Any status from 200 to 299 acknowledges the message; every other one is a failure."},
        410: {"description": "The endpoint is gone: it is disabled at once."},
    }
    for kind, name in messages.EVENT_TYPES.items():

        async def job_event(body: JobCloudEvent) -> None:
            del body

        job_event.__doc__ = f"{name}: signed, at least once, and in the order of its job."
        outgoing.post(kind, operation_id=f"send_{name}", responses=answers, tags=["webhooks"])(job_event)

    async def upgrade(body: UpgradeCloudEvent) -> None:
        """DecisionUpgraded: signed, and at least once."""
        del body

    outgoing.post(messages.UPGRADED, operation_id="send_DecisionUpgraded", responses=answers, tags=["webhooks"])(
        upgrade
    )
    notices = {messages.PING: "The first message of an endpoint.", messages.DISABLED: "An endpoint was disabled."}
    for kind, words in notices.items():

        async def notice(body: NoticeCloudEvent) -> None:
            del body

        notice.__doc__ = words
        operation = f"send_{kind.split('.')[2]}"
        outgoing.post(kind, operation_id=operation, responses=answers, tags=["webhooks"])(notice)


_describe_outgoing()
