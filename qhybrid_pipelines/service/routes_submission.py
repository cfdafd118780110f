"""Sending: what an experiment would cost, and accepting one. Nothing is acknowledged before it is on the disk."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sqlite3
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool

from qhybrid_pipelines.service.callers import Caller
from qhybrid_pipelines.service.network_intake import NetworkRequest, read_request
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError, bad_request, overloaded
from qhybrid_pipelines.service.request_store import (
    Acceptance,
    KeyReused,
    NewRequest,
    StoreBusy,
    TakenByOther,
)
from qhybrid_pipelines.service.response_models import Accepted, Estimate, ExperimentRequest
from qhybrid_pipelines.service.routes_common import RETRY_SECONDS, Submitter, json_body, parts_of, problems
from qhybrid_pipelines.service.service_parts import ServiceParts

router = APIRouter(prefix="/v1")
ROUTE = "POST /v1/experiments"
#: As it is described: without the letters that would have to be escaped in a quoted string.
KEY_PATTERN = r"^(?:[A-Za-z0-9._:-]{1,255}|\"[A-Za-z0-9._:-]{1,255}\")$"
_KEY = re.compile(KEY_PATTERN)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{ExperimentRequest.__name__}"}}},
    }
}


@router.post(
    "/estimates",
    tags=["experiments"],
    operation_id="estimate_experiment",
    responses=problems(413, 415, 422, 502),
    response_model=Estimate,
    openapi_extra=_BODY,
)
async def estimate(request: Request, caller: Submitter) -> dict[str, Any]:
    """Say what an experiment would take and cost, and what policy and its budget say. Nothing is registered or sent."""
    del caller
    asked = await _read(request)
    parts = parts_of(request)
    await _ready(parts)
    return await run_in_threadpool(parts.estimators.estimate, asked)


@router.post(
    "/experiments",
    tags=["experiments"],
    operation_id="submit_experiment",
    status_code=202,
    responses={
        202: {
            "model": Accepted,
            "description": "Accepted: it is on the disk.",
            "headers": {
                "Location": {"description": "The experiment.", "schema": {"type": "string"}},
                "Retry-After": {
                    "description": "Seconds after which to ask for its state.",
                    "schema": {"type": "string"},
                },
            },
        },
        **problems(409, 413, 415, 422),
    },
    openapi_extra=_BODY,
)
async def submit(
    request: Request,
    caller: Submitter,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Yours, for this request and its repetitions, bare or in double quotes; 1 to 255 letters, digits and ``. _ : -``. "
            "The same key with another body is refused. Keys are kept as long as the requests."
        ),
    ] = None,
) -> Response:
    """Accept an experiment. The same request with the same key gets the same answer, and is one request."""
    key = _read_key(idempotency_key)
    asked = await _read(request)
    parts = parts_of(request)
    await _ready(parts)
    accepted = await _accept(parts, caller, key, asked)
    experiment = json.loads(accepted.answer)["experiment"]
    return Response(
        accepted.answer,
        status_code=202,
        media_type="application/json",
        headers={"location": f"/v1/experiments/{experiment}", "retry-after": str(RETRY_SECONDS["accepted"])},
    )


async def _accept(parts: ServiceParts, caller: Caller, key: str, asked: NetworkRequest) -> Acceptance:
    fingerprint = asked.fingerprint
    found = await run_in_threadpool(_find_or_check, parts, caller, key, asked)
    if isinstance(found, Acceptance):
        return found
    accepted_at = datetime.now(UTC).isoformat()
    request_id = f"r-{secrets.token_hex(12)}"
    answer = {
        "request": request_id,
        "experiment": found["experiment"],
        "state": "accepted",
        "accepted_at": accepted_at,
        "href": f"/v1/experiments/{found['experiment']}",
    }
    new = NewRequest(
        id=request_id,
        principal=caller.principal,
        route=ROUTE,
        idempotency_key=key,
        fingerprint=fingerprint,
        experiment=found["experiment"],
        learning=found["learning"],
        specification=found["specification"],
        labels=found["labels"],
        content=found["content"],
        circuit=found["circuit"],
        answer=json.dumps(answer),
        accepted_at=accepted_at,
    )
    try:
        accepted = await asyncio.wrap_future(parts.requests.accept(new, shared=parts.authenticator.is_open))
    except KeyReused:
        raise _key_reused() from None
    except TakenByOther:
        raise _taken() from None
    except StoreBusy:
        raise overloaded("Too many requests wait to be written.", seconds=2) from None
    except sqlite3.Error:
        raise ProblemError(
            Problem(
                status=503,
                code="storage",
                detail="The request could not be written to the disk, and was not accepted.",
                remedy="Send the same request with the same key again; whoever keeps this service has to make room.",
                retry_after_seconds=30,
            )
        ) from None
    if accepted.new:
        parts.registrar.wake()
    return accepted


def _find_or_check(parts: ServiceParts, caller: Caller, key: str, asked: NetworkRequest) -> Acceptance | dict[str, Any]:
    """Return what was answered to this request before; else what it means, when nothing is wrong with it."""
    before = parts.requests.find(principal=caller.principal, route=ROUTE, idempotency_key=key)
    if before is None:
        found = parts.checkers.check(asked)
        if parts.is_anothers(caller, found["experiment"]):
            raise _taken()
        return found
    if before.fingerprint != asked.fingerprint:
        raise _key_reused()
    return Acceptance(before.answer, new=False)


async def _read(request: Request) -> NetworkRequest:
    return read_request(await json_body(request))


async def _ready(parts: ServiceParts) -> None:
    """Refuse while the service warms up: a request would only wait behind that."""
    if not parts.is_warm:
        raise ProblemError(not_ready([parts.warming_problem]))


def not_ready(reasons: list[str]) -> Problem:
    """Return the answer of a service that does not take requests yet, or no more."""
    return Problem(
        status=503,
        code="not-ready",
        detail=f"The service is not ready: {'; '.join(reasons)}.",
        remedy="Ask again in a moment; /readyz says when.",
        retry_after_seconds=2,
        extra={"reasons": reasons},
    )


def _read_key(given: str | None) -> str:
    """Return an Idempotency-Key, which is a quoted string by its draft and a bare word by habit.

    Raises:
        ProblemError: 400, there is none, or it is neither.
    """
    text = given or ""
    if not _KEY.fullmatch(text):
        raise bad_request(
            "there is no Idempotency-Key" if not text else "this is no Idempotency-Key",
            remedy="Send one that is new for every request and the same for its repetitions, for example a UUID: up to 255 "
            "letters, digits, dots, dashes, colons and underscores.",
            field="Idempotency-Key",
        )
    return text.strip('"')


def _key_reused() -> ProblemError:
    return ProblemError(
        Problem(
            status=422,
            code="key-reused",
            detail="This Idempotency-Key came with another body before.",
            remedy="Send a new key for a new request; nothing was accepted now.",
            field="Idempotency-Key",
        )
    )


def _taken() -> ProblemError:
    return ProblemError(
        Problem(
            status=409,
            code="conflict",
            detail="Somebody else has an experiment with exactly this specification, and it stays theirs.",
            remedy="Change its name or its seed, which makes it an experiment of its own, with its own jobs and costs.",
            field="specification",
        )
    )
