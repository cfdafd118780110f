"""Pages of Braket and of the bucket that stands in for S3, with the errors of the interface."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from qhybrid_pipelines.emulator.braket.devices import DEVICES
from qhybrid_pipelines.emulator.braket.orders import BraketError, read_object, read_order
from qhybrid_pipelines.emulator.braket.signatures import is_signed_with
from qhybrid_pipelines.emulator.braket.task_cloud import TaskCloud, task_arn
from qhybrid_pipelines.emulator.keys import ApiKeys
from qhybrid_pipelines.emulator.store import Job

MOST_RESULTS, MOST_VALUES, MOST_FILTERS = 100, 10, 10
"""Entries of a page, values of a filter, and filters of a search, at most."""

_TASK_FILTERS = ("quantumTaskArn", "deviceArn", "status", "createdAt", "jobArn")
_DEVICE_FILTERS = ("deviceArn", "deviceName", "deviceType", "deviceStatus", "providerName")
_ORDERS = {"LT": (-1,), "LTE": (-1, 0), "GT": (1,), "GTE": (0, 1), "EQUAL": (0,)}


def application(tasks: TaskCloud, keys: ApiKeys) -> FastAPI:
    """Return the face as an application of its own, for the server to mount; addresses in it are those below its prefix."""
    api = _application("Braket emulator")
    pages = BraketPages(tasks, keys)
    for method, path, page in (
        ("POST", "/quantum-task", pages.submit),
        ("GET", "/quantum-task/{arn:path}", pages.task),
        ("PUT", "/quantum-task/{rest:path}", pages.cancel),
        ("POST", "/quantum-tasks", pages.search),
        ("GET", "/device/{arn:path}", pages.device),
        ("POST", "/devices", pages.devices),
    ):
        api.add_api_route(path, page, methods=[method], response_model=None)
    return api


def storage_application(tasks: TaskCloud, keys: ApiKeys) -> FastAPI:
    """Return the bucket as an application of its own, for the server to mount."""
    api = _application("Bucket emulator")
    api.add_api_route("/{bucket}/{key:path}", BraketPages(tasks, keys).stored, methods=["GET"], response_model=None)
    return api


class BraketPages:
    """The pages of both."""

    def __init__(self, tasks: TaskCloud, keys: ApiKeys) -> None:
        self._tasks, self._keys = tasks, keys

    async def submit(self, request: Request) -> Response:
        """Accept a task; one whose token was seen is the task that there is."""
        body = await self._signed(request)
        order = read_order(body)
        job = self._tasks.accept(order, body_seq=request.scope["emulator.body"], body=body)
        return _answer({"quantumTaskArn": task_arn(job)}, status=201)

    async def task(self, request: Request, arn: str) -> Response:
        """Show one task."""
        await self._signed(request)
        with_queue = "QueueInfo" in request.query_params.getlist("additionalAttributeNames")
        return _answer(self._tasks.status(self._tasks.find(unquote(arn)), with_queue=with_queue))

    async def cancel(self, request: Request, rest: str) -> Response:
        """Cancel one task."""
        given = read_object(await self._signed(request))
        arn, _, verb = unquote(rest).rpartition("/")
        token = given.get("clientToken")
        if verb != "cancel" or not isinstance(token, str) or not 1 <= len(token) <= 64:
            raise BraketError(400, "Validation", "clientToken is not a text of 1 to 64 characters.")
        job = self._tasks.find(arn)
        return _answer({"quantumTaskArn": arn, "cancellationStatus": self._tasks.cancel(job)})

    async def search(self, request: Request) -> Response:
        """List tasks that match all filters, newest first."""
        given = read_object(await self._signed(request))
        filters, most = _filters(given, _TASK_FILTERS), _page_size(given)
        page = given.get("nextToken")
        if page is not None and (not isinstance(page, str) or not re.fullmatch("[0-9]{1,15}", page)):
            raise BraketError(400, "Validation", "nextToken does not begin a page.")

        def matches(job: Job) -> bool:
            view = self._tasks.brief(job)
            return all(_holds(view.get(name), operator, values) for name, operator, values in filters)

        found, following = self._tasks.listed(matches, before=int(page) if page else 2**62, most=most)
        body: dict[str, Any] = {"quantumTasks": [self._tasks.brief(job) for job in found]}
        return _answer(body if following is None else {**body, "nextToken": str(following)})

    async def device(self, request: Request, arn: str) -> Response:
        """Show one device."""
        await self._signed(request)
        return _answer(self._tasks.definition(self._tasks.device(unquote(arn))))

    async def devices(self, request: Request) -> Response:
        """List devices that match all filters."""
        given = read_object(await self._signed(request))
        filters = _filters(given, _DEVICE_FILTERS, has_operator=False)
        found = [self._tasks.summary(device) for device in DEVICES.values()]
        return _answer(
            {"devices": [one for one in found if all(str(one[name]) in values for name, _, values in filters)]}
        )

    async def stored(self, request: Request, bucket: str, key: str) -> Response:
        """Show an object of the bucket."""
        try:
            await self._signed(request)
            return Response(await self._tasks.result(bucket, key), media_type="application/json")
        except BraketError as error:
            code = {"AccessDenied": "SignatureDoesNotMatch"}.get(error.kind, error.kind)
            text = (
                f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{error}</Message></Error>'
            )
            return Response(text, status_code=error.status, media_type="application/xml")

    async def _signed(self, request: Request) -> bytes:
        """Return the body of a request that is signed with the key in force. Raises `BraketError` for any other."""
        body = await request.body()
        scope = request.scope
        if not is_signed_with(
            self._keys.in_force,
            method=request.method,
            raw_path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        ):
            raise BraketError(403, "AccessDenied", "The request signature does not match the signature you provided.")
        return body


def _filters(
    given: dict[str, Any], known: tuple[str, ...], *, has_operator: bool = True
) -> list[tuple[str, str, list[str]]]:
    entries = given.get("filters")
    if not isinstance(entries, list) or len(entries) > MOST_FILTERS:
        raise BraketError(400, "Validation", f"filters is not a list of at most {MOST_FILTERS}.")
    found = []
    for entry in entries:
        name, values = (entry.get("name"), entry.get("values")) if isinstance(entry, dict) else (None, None)
        operator = entry.get("operator", "EQUAL") if isinstance(entry, dict) else None
        if name not in known or (has_operator and operator not in (*_ORDERS, "BETWEEN")):
            raise BraketError(400, "Validation", f"A filter is about one of {', '.join(known)}.")
        if (
            not isinstance(values, list)
            or not 1 <= len(values) <= MOST_VALUES
            or not all(isinstance(v, str) for v in values)
        ):
            raise BraketError(400, "Validation", f"{name} has 1 to {MOST_VALUES} texts as values.")
        found.append((str(name), str(operator), list(values)))
    return found


def _holds(found: Any, operator: str, values: list[str]) -> bool:
    if found is None:
        return False
    if operator == "EQUAL":
        return str(found) in values
    if not isinstance(found, int | float):
        return False
    try:
        bounds = [_seconds(value) for value in values]
    except ValueError:
        raise BraketError(400, "Validation", "createdAt is not compared with a time.") from None
    if operator == "BETWEEN":
        return len(bounds) == 2 and bounds[0] <= found <= bounds[1]
    return (found > bounds[0]) - (found < bounds[0]) in _ORDERS[operator]


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _page_size(given: dict[str, Any]) -> int:
    most = given.get("maxResults", MOST_RESULTS)
    if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= MOST_RESULTS:
        raise BraketError(400, "Validation", f"maxResults is not between 1 and {MOST_RESULTS}.")
    return most


def _answer(content: Any, *, status: int = 200) -> Response:
    return Response(json.dumps(content, separators=(",", ":")), status_code=status, media_type="application/json")


def error_response(error: BraketError) -> Response:
    """Return a refusal in the shape that the interface publishes."""
    answer = _answer({"message": str(error)}, status=error.status)
    answer.headers["x-amzn-ErrorType"] = f"{error.kind}Exception"
    return answer


def _application(title: str) -> FastAPI:
    api = FastAPI(title=title, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    @api.exception_handler(BraketError)
    async def refused(_: Request, error: BraketError) -> Response:
        return error_response(error)

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        names = ", ".join(str(one["loc"][-1]) for one in error.errors())
        return error_response(BraketError(400, "Validation", f"Bad value for {names}."))

    @api.exception_handler(HTTPException)
    async def missing(_: Request, error: HTTPException) -> Response:
        return error_response(BraketError(error.status_code, "UnknownOperation", str(error.detail)))

    @api.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        return error_response(BraketError(500, "InternalService", f"The emulator failed: {type(error).__name__}."))

    return api
