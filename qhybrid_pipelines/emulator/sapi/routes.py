"""Pages of the annealing face, with the media types, versions and errors of the Solver API."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from qhybrid_pipelines.emulator.keys import ApiKeys
from qhybrid_pipelines.emulator.sapi.annealing_cloud import ENDED, AnnealingCloud
from qhybrid_pipelines.emulator.sapi.hybrid import HYBRIDS
from qhybrid_pipelines.emulator.sapi.problems import SapiError
from qhybrid_pipelines.emulator.sapi.solvers import SOLVERS
from qhybrid_pipelines.emulator.strict_json import NotJsonError, read_json

VERSION = "3.0.0"
MOST_IDS, MOST_RESULTS, MOST_PROBLEMS = 1000, 1000, 1000
"""Ids of a bulk poll, problems of a list, and problems of one submission, at most."""

_POLL_SECONDS, _BLOCK_SECONDS = 0.05, 1.0
_FIELDS = ("identity", "status", "description", "avg_load", "properties")


def application(annealers: AnnealingCloud, keys: ApiKeys) -> FastAPI:
    """Return the face as an application of its own, for the server to mount."""

    async def authorized(request: Request) -> None:
        status = keys.refusal(f"apiKey {request.headers.get('x-auth-token', '')}")
        if status is not None:
            raise SapiError(status, "Invalid token or access denied.")

    api = FastAPI(
        title="Annealing cloud emulator",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(authorized)],
    )
    _explain_errors(api)
    pages = SapiPages(annealers)
    for method, path, page, kind in (
        ("GET", "/solvers/remote", pages.solvers, "solver-definition-list"),
        ("GET", "/solvers/remote/{name}", pages.solver, "solver-definition"),
        ("POST", "/problems", pages.submit, "problems"),
        ("GET", "/problems", pages.problems, "problems"),
        ("DELETE", "/problems", pages.cancel_many, "problems"),
        ("GET", "/problems/{identifier}", pages.problem, "problem"),
        ("DELETE", "/problems/{identifier}", pages.cancel, "problem"),
        ("GET", "/problems/{identifier}/info", pages.info, "problem-data"),
        ("GET", "/problems/{identifier}/answer", pages.answer, "problem-answer"),
        ("GET", "/problems/{identifier}/messages", pages.messages, "problem-message"),
    ):
        for ending in ("", "/"):
            api.add_api_route(
                path + ending, page, methods=[method], dependencies=[Depends(_speaks(kind))], response_model=None
            )
    for method, path, upload_page in (
        ("POST", "/bqm/multipart", pages.begin_upload),
        ("PUT", "/bqm/multipart/{identifier}/part/{number}", pages.upload_part),
        ("GET", "/bqm/multipart/{identifier}/status", pages.upload_status),
        ("POST", "/bqm/multipart/{identifier}/combine", pages.combine_upload),
    ):
        for ending in ("", "/"):
            api.add_api_route(path + ending, upload_page, methods=[method], response_model=None)
    return api


class SapiPages:
    """The pages of annealers and hybrid solvers."""

    def __init__(self, annealers: AnnealingCloud) -> None:
        self._annealers = annealers

    async def solvers(self, request: Request, filter: str | None = None) -> Response:  # noqa: A002 - the interface calls it so
        """List the solvers."""
        definitions = [self._annealers.definition(name) for name in (*SOLVERS, *HYBRIDS)]
        return _cacheable(request, [_filtered(one, filter) for one in definitions], "solver-definition-list")

    async def solver(self, request: Request, name: str, filter: str | None = None) -> Response:  # noqa: A002
        """Show one solver."""
        return _cacheable(request, _filtered(self._annealers.definition(name), filter), "solver-definition")

    async def begin_upload(self, request: Request) -> JSONResponse:
        """Begin to bring a model for a hybrid solver."""
        given = _read(await request.body())
        size = given.get("size") if isinstance(given, dict) else None
        return JSONResponse({"id": self._annealers.uploads.begin(size, body_seq=request.scope["emulator.body"])})

    async def upload_part(self, request: Request, identifier: str, number: str) -> JSONResponse:
        """Bring a part of it."""
        self._annealers.uploads.add(
            identifier,
            number,
            await request.body(),
            checksum=request.headers.get("content-md5"),
            body_seq=request.scope.get("emulator.body"),
        )
        return JSONResponse({})

    async def upload_status(self, identifier: str) -> JSONResponse:
        """Show which parts are here."""
        return JSONResponse(self._annealers.uploads.status(identifier))

    async def combine_upload(self, request: Request, identifier: str) -> JSONResponse:
        """Make a model of the parts."""
        given = _read(await request.body())
        self._annealers.uploads.combine(identifier, given.get("checksum") if isinstance(given, dict) else None)
        return JSONResponse({})

    async def submit(self, request: Request) -> Response:
        """Accept problems; those of a list are accepted or refused one by one, a single one is waited for a little."""
        body = await request.body()
        given = _read(body)
        body_seq = request.scope["emulator.body"]
        if not isinstance(given, list):
            job = self._annealers.accept(given, index=0, body_seq=body_seq, body=body)
            return _answer(await self._with_answer(job.id, _BLOCK_SECONDS), "problems")
        if not 1 <= len(given) <= MOST_PROBLEMS:
            raise SapiError(400, f"A submission has 1 to {MOST_PROBLEMS} problems, and {len(given)} were sent.")
        said: list[dict[str, Any]] = []
        for index, one in enumerate(given):
            try:
                job = self._annealers.accept(one, index=index, body_seq=body_seq, body=body)
            except SapiError as error:
                said.append(error.body())
            else:
                said.append(self._annealers.status(job))
        return _answer(said, "problems")

    async def problems(
        self,
        *,
        id: str | None = None,  # noqa: A002
        label: str | None = None,
        solver: str | None = None,
        status: str | None = None,
        max_results: Annotated[int, Query(ge=1, le=MOST_RESULTS)] = MOST_RESULTS,
        timeout: Annotated[float, Query(ge=0, le=30)] = _BLOCK_SECONDS,  # noqa: ASYNC109 - a parameter of the interface
    ) -> Response:
        """Poll problems by id, waiting until one of them has ended, or list them, newest first.

        One unknown id refuses the whole poll. A label matches if it occurs anywhere within a problem's.
        """
        if id is not None:
            ids = [one for one in id.split(",") if one]
            if not 1 <= len(ids) <= MOST_IDS:
                raise SapiError(400, f"id names {len(ids)} problems; 1 to {MOST_IDS} are polled together.")
            await self._until_one_ended(ids, timeout)
            return _answer([self._annealers.status(self._annealers.find(one)) for one in ids], "problems")
        found = self._annealers.listed(
            lambda job: (
                (label is None or label in (job.name or ""))
                and (solver is None or job.backend == solver)
                and (status is None or self._annealers.state(job) == status)
            ),
            max_results,
        )
        return _answer([self._annealers.status(job) for job in found], "problems")

    async def problem(
        self,
        identifier: str,
        timeout: Annotated[float, Query(ge=0, le=30)] = _BLOCK_SECONDS,  # noqa: ASYNC109
    ) -> Response:
        """Show one problem, with its answer where there is one."""
        return _answer(await self._with_answer(identifier, timeout), "problem")

    async def info(self, identifier: str) -> Response:
        """Show data and parameters as they were sent."""
        job = self._annealers.find(identifier)
        view = self._annealers.info(job)
        if self._annealers.state(job) == "COMPLETED":
            view["answer"] = await self._annealers.answer(job)
        return _answer(view, "problem-data")

    async def answer(self, identifier: str) -> Response:
        """Show the answer."""
        return _answer({"answer": await self._annealers.answer(self._annealers.find(identifier))}, "problem-answer")

    async def messages(self, identifier: str) -> Response:
        """Show what the system says about a problem: nothing."""
        self._annealers.find(identifier)
        return _answer([], "problem-message")

    async def cancel(self, identifier: str) -> Response:
        """Cancel one problem."""
        job = self._annealers.find(identifier)
        code = self._annealers.cancel(job)
        if code == 409:
            raise SapiError(409, f"Problem {identifier} has ended.")
        return _answer(self._cancelled(identifier, code), "problem", status=code)

    async def cancel_many(self, request: Request) -> Response:
        """Cancel problems one by one."""
        ids = _read(await request.body())
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            raise SapiError(400, "The body is not a list of ids.")
        said = []
        for identifier in ids:
            try:
                code = self._annealers.cancel(self._annealers.find(identifier))
                said.append(self._cancelled(identifier, code))
            except SapiError as error:
                said.append(error.body())
        return _answer(said, "problems")

    def _cancelled(self, identifier: str, code: int) -> dict[str, Any]:
        if code == 200:
            return self._annealers.status(self._annealers.find(identifier))
        words = {
            202: f"Problem {identifier} is in progress; it is cancelled if in time, otherwise it completes.",
            409: f"Problem {identifier} has ended.",
        }
        return {"error_code": code, "error_msg": words[code]}

    async def _with_answer(self, identifier: str, seconds: float) -> dict[str, Any]:
        await self._until_one_ended([identifier], seconds)
        job = self._annealers.find(identifier)
        view = self._annealers.status(job)
        if view["status"] == "COMPLETED":
            view["answer"] = await self._annealers.answer(job)
        return view

    async def _until_one_ended(self, ids: list[str], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not any(self._annealers.state(self._annealers.find(one)) in ENDED for one in ids):
            if time.monotonic() >= until:
                return
            await asyncio.sleep(_POLL_SECONDS)


def _filtered(definition: dict[str, Any], filter_text: str | None) -> dict[str, Any]:
    """Return the parts of a solver that a filter such as ``none,+identity,+status`` names."""
    if filter_text is None:
        return definition
    base, *changes = filter_text.split(",")
    if base not in ("all", "none") or not all(one[:1] in "+-" and one[1:] in _FIELDS for one in changes):
        raise SapiError(400, f"filter {filter_text[:100]!r} is not all or none with +FIELD or -FIELD of {_FIELDS}.")
    shown = set(_FIELDS) if base == "all" else set[str]()
    for one in changes:
        shown = shown | {one[1:]} if one[0] == "+" else shown - {one[1:]}
    return {name: value for name, value in definition.items() if name in shown}


def _read(body: bytes) -> Any:
    try:
        return read_json(body)
    except NotJsonError as error:
        raise SapiError(400, f"The body is not JSON: {error}.") from None


def _cacheable(request: Request, content: Any, kind: str) -> Response:
    """Return an answer with its tag, or 304 to a client that has it already."""
    answer = _answer(content, kind)
    tag = f'"{hashlib.sha256(bytes(answer.body)).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer


def _answer(content: Any, kind: str, *, status: int = 200) -> Response:
    return Response(
        json.dumps(content, separators=(",", ":")),
        status_code=status,
        media_type=f"application/vnd.dwave.sapi.{kind}+json; version={VERSION}",
    )


def _speaks(kind: str) -> Callable[[Request], Awaitable[None]]:
    """Return a check that a client takes what this page answers with."""

    async def check(request: Request) -> None:
        accept = request.headers.get("accept", "*/*")
        for part in accept.split(","):
            media_type, *parameters = (one.strip() for one in part.split(";"))
            if media_type in ("*/*", "application/*", "application/json"):
                return
            version = next((one[8:].strip('"') for one in parameters if one.startswith("version=")), VERSION)
            if media_type == f"application/vnd.dwave.sapi.{kind}+json" and version.split(".")[0] in ("2", "3"):
                return
        raise SapiError(415, f"Unsupported media type {accept[:100]!r}.")

    return check


def _explain_errors(api: FastAPI) -> None:
    """Give every error the shape that the interface publishes."""

    def refusal(error: SapiError) -> Response:
        return Response(json.dumps(error.body()), status_code=error.code, media_type="application/json")

    @api.exception_handler(SapiError)
    async def refused(_: Request, error: SapiError) -> Response:
        return refusal(error)

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        names = ", ".join(str(one["loc"][-1]) for one in error.errors())
        return refusal(SapiError(400, f"Bad value for {names}."))

    @api.exception_handler(HTTPException)
    async def missing(_: Request, error: HTTPException) -> Response:
        return refusal(SapiError(error.status_code, str(error.detail)))

    @api.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        return refusal(SapiError(500, f"The emulator failed: {type(error).__name__}."))
