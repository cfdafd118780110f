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

from qhybrid_pipelines.service.access.callers import Caller
from qhybrid_pipelines.service.access.money_quota import refuse_if_spent
from qhybrid_pipelines.service.intake.network_request import FILES, UPLOAD, NetworkRequest, read_request
from qhybrid_pipelines.service.intake.preferences import wanted_seconds
from qhybrid_pipelines.service.intake.request_store import (
    Acceptance,
    KeyReused,
    NewRequest,
    OwnedByOther,
    StoreBusy,
)
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError, bad_request, invalid, overloaded
from qhybrid_pipelines.service.response_models import Accepted, Estimate, ExperimentRequest, Outcome
from qhybrid_pipelines.service.routes.routes_common import RETRY_SECONDS, Submitter, json_body, parts_of, problems
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
    asked = await _read(request)
    parts = parts_of(request)
    await _ready(parts)
    uploads = await run_in_threadpool(_uploads, parts, caller, asked)
    return await run_in_threadpool(parts.estimators.estimate, asked, uploads)


@router.post(
    "/experiments",
    tags=["experiments"],
    operation_id="submit_experiment",
    status_code=202,
    responses={
        200: {
            "model": Outcome,
            "description": "Accepted, and come to its end within the time of `Prefer: wait=N`.",
            "headers": {
                "Location": {"description": "The experiment.", "schema": {"type": "string"}},
                "Preference-Applied": {"description": "How long was waited at most.", "schema": {"type": "string"}},
            },
        },
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
    prefer: Annotated[
        str | None,
        Header(
            description="`wait=N`: answer with the outcome where it is there within N seconds, at most 60 (RFC 7240)."
        ),
    ] = None,
) -> Response:
    """Accept an experiment. The same request with the same key gets the same answer, and is one request."""
    del prefer  # read below: there may be several such headers
    key = _read_key(idempotency_key)
    asked = await _read(request)
    parts = parts_of(request)
    await _ready(parts)
    accepted = await _accept(parts, caller, key, asked)
    experiment = json.loads(accepted.answer)["experiment"]
    headers = {"location": f"/v1/experiments/{experiment}"}
    seconds = wanted_seconds(request.headers.getlist("prefer"))
    if seconds is not None and parts.waiters.has_room:
        headers["preference-applied"] = f"wait={seconds}"
        if (outcome := await _outcome(request, parts, experiment, seconds)) is not None:
            body = json.dumps({**json.loads(accepted.answer), **outcome})
            return Response(body, status_code=200, media_type="application/json", headers=headers)
    headers["retry-after"] = str(RETRY_SECONDS["accepted"])
    return Response(accepted.answer, status_code=202, media_type="application/json", headers=headers)


async def _outcome(request: Request, parts: ServiceParts, experiment: str, seconds: int) -> dict[str, Any] | None:
    """Return what an experiment came to within some seconds; None where it has not come to its end."""
    state: dict[str, Any] = {}

    async def ended() -> bool:
        state.update(await run_in_threadpool(parts.resources.experiment, experiment))
        return state["state"] not in RETRY_SECONDS

    if not await parts.waiters.wait(ended, seconds=seconds, gone=request.is_disconnected):
        return None
    results = await run_in_threadpool(parts.resources.results, experiment)
    return {"state": state["state"], "reason": state["reason"]} | {
        name: results[name] for name in ("verdicts", "answers")
    }


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
    except OwnedByOther:
        raise _owned_by_other() from None
    except StoreBusy:
        raise overloaded("Too many requests wait to be written.", seconds=2) from None
    except sqlite3.Error:
        raise ProblemError(
            Problem(
                status=503,
                code="storage",
                detail="The request could not be written to the disk, and was not accepted.",
                remedy="Send the same request with the same key again; the operator of this service has to free some disk space.",
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
        found = parts.checkers.check(asked, _uploads(parts, caller, asked))
        if parts.is_anothers(caller, found["experiment"]):
            raise _owned_by_other()
        budget = json.loads(found["specification"]).get("budget") or {}
        refuse_if_spent(parts.workspace.control_plane, caller.principal, budget_usd=budget.get("usd", 0.0))
        return found
    if before.fingerprint != asked.fingerprint:
        raise _key_reused()
    return Acceptance(before.answer, new=False)


def _uploads(parts: ServiceParts, caller: Caller, asked: NetworkRequest) -> dict[str, bytes]:
    """Return the contents of a request's uploads by name: its sender's own, and nobody else's."""
    found = {}
    for name, sha256 in asked.uploads.items():
        try:
            found[name] = parts.uploads.read(caller.principal, sha256)
        except ProblemError:
            raise invalid(
                "you have no upload with this hash",
                remedy="Send the file with POST /v1/uploads first.",
                field=f"{FILES}.{name}.{UPLOAD}",
            ) from None
    return found


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
            "there is no Idempotency-Key" if not text else "this is not a valid Idempotency-Key",
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


def _owned_by_other() -> ProblemError:
    return ProblemError(
        Problem(
            status=409,
            code="conflict",
            detail="Somebody else already has an experiment with exactly this specification.",
            remedy="Change its name or its seed, which makes it an experiment of its own, with its own jobs and costs.",
            field="specification",
        )
    )
