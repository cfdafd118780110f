"""Pages of IBM's face: the exchange of keys, the account's instances, and the runtime interface, with the interface's errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from qhybrid_pipelines.emulator.ibm.orders import RuntimeRefusal, read_object, read_order, read_tags
from qhybrid_pipelines.emulator.ibm.runtime_cloud import ENDED, RuntimeCloud, settings_of, tags_of
from qhybrid_pipelines.emulator.ibm.tokens import AccessTokens
from qhybrid_pipelines.emulator.keys import ApiKeys
from qhybrid_pipelines.emulator.process import IBM_INSTANCE
from qhybrid_pipelines.emulator.store import Job

MOST_JOBS, USUAL_JOBS = 200, 10
"""Jobs of a page at most, and where nothing is said."""
PLAN = "00000000-0000-4000-8000-000000000005"
_GRANT = "urn:ibm:params:oauth:grant-type:apikey"
_ALLOWANCE_SECONDS = 36_000


def application(runtime: RuntimeCloud, keys: ApiKeys) -> FastAPI:
    """Return the face as an application of its own, for the server to mount; addresses in it are those below its prefix."""
    tokens = AccessTokens(keys, runtime.cloud.realm, runtime.cloud.wall)
    api = FastAPI(title="IBM runtime emulator", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    _explain_errors(api)
    account, pages = AccountPages(tokens), RuntimePages(runtime)

    async def has_token(request: Request) -> None:
        if not tokens.opens(request.headers.get("authorization")):
            raise RuntimeRefusal(401, 1200, "The access token is missing, not valid or expired.")

    async def has_instance(request: Request) -> None:
        await has_token(request)
        if request.headers.get("service-crn") != IBM_INSTANCE:
            raise RuntimeRefusal(403, 1204, "The service instance is not one of this key's.")

    api.add_api_route("/identity/token", account.token, methods=["POST"], response_model=None)
    for path, page, method in (
        ("/v3/resources/search", account.search, "POST"),
        ("/catalog/api/v1/{plan}", account.plan, "GET"),
    ):
        api.add_api_route(path, page, methods=[method], dependencies=[Depends(has_token)], response_model=None)
    keyed = APIRouter(prefix="/api/v1", dependencies=[Depends(has_instance)])
    for method, path, answer in (
        ("GET", "/instances/usage", pages.usage),
        ("GET", "/backends", pages.devices),
        ("GET", "/backends/{name}/status", pages.status),
        ("GET", "/backends/{name}/configuration", pages.configuration),
        ("GET", "/backends/{name}/properties", pages.properties),
        ("POST", "/jobs", pages.submit),
        ("GET", "/jobs", pages.jobs),
        ("GET", "/jobs/{identifier}", pages.job),
        ("DELETE", "/jobs/{identifier}", pages.delete),
        ("POST", "/jobs/{identifier}/cancel", pages.cancel),
        ("GET", "/jobs/{identifier}/results", pages.results),
        ("GET", "/jobs/{identifier}/metrics", pages.metrics),
        ("GET", "/jobs/{identifier}/logs", pages.logs),
        ("PUT", "/jobs/{identifier}/tags", pages.tags),
        ("GET", "/tags", pages.all_tags),
        ("POST", "/sessions", pages.begin_session),
        ("GET", "/sessions/{identifier}", pages.session),
        ("PATCH", "/sessions/{identifier}", pages.change_session),
        ("DELETE", "/sessions/{identifier}/close", pages.close_session),
    ):
        keyed.add_api_route(path, answer, methods=[method], response_model=None)
    api.include_router(keyed)
    return api


class AccountPages:
    """What is asked of the account: a token for its key, its instances, and their plans."""

    def __init__(self, tokens: AccessTokens) -> None:
        self._tokens = tokens

    async def token(self, request: Request) -> Response:
        """Exchange a key for an access token."""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode("latin-1")).items()}
        if form.get("grant_type") != _GRANT:
            return _iam_error("BXNIM0103E", "Unsupported grant type.")
        given = self._tokens.given_for(form.get("apikey", ""))
        return _iam_error("BXNIM0415E", "Provided API key could not be found.") if given is None else _answer(given)

    async def search(self, request: Request) -> Response:
        """List the account's instances, of which there is one."""
        read_object(await request.body())
        item = {
            "crn": IBM_INSTANCE,
            "name": "emulated",
            "service_plan_unique_id": PLAN,
            "tags": [],
            "doc": {"extensions": {"backends": "all"}},
        }
        return _answer({"items": [item], "limit": 100})

    async def plan(self, plan: str) -> Response:
        """Show the instance's plan."""
        if plan != PLAN:
            raise RuntimeRefusal(404, 1205, f"Plan {plan[:60]} not found.")
        words = {"en": {"display_name": "Pay-as-you-go"}}
        return _answer({"id": PLAN, "overview_ui": words, "metadata": {"pricing": {"type": "paid"}}})


class RuntimePages:
    """The runtime's pages."""

    def __init__(self, runtime: RuntimeCloud) -> None:
        self._runtime = runtime

    async def usage(self) -> Response:
        """Show how much of the instance's time is used."""
        consumed = self._runtime.consumed_seconds()
        return _answer(
            {
                "instance_id": IBM_INSTANCE,
                "plan_id": PLAN,
                "usage_consumed_seconds": consumed,
                "usage_limit_seconds": _ALLOWANCE_SECONDS,
                "usage_limit_reached": consumed >= _ALLOWANCE_SECONDS,
                "usage_remaining_seconds": max(0, _ALLOWANCE_SECONDS - consumed),
            }
        )

    async def devices(self) -> Response:
        """List the devices."""
        return _answer({"devices": self._runtime.listed_devices()})

    async def status(self, name: str) -> Response:
        """Show whether a device works."""
        return _answer(self._runtime.status(name))

    async def configuration(self, name: str) -> Response:
        """Show what a device is."""
        return _answer(self._runtime.configuration(name))

    async def properties(self, name: str) -> Response:
        """Show how good a device is now."""
        return _answer(self._runtime.properties(name))

    async def submit(self, request: Request) -> Response:
        """Accept a job."""
        body = await request.body()
        order = read_order(body)
        job = self._runtime.accept(order, body_seq=request.scope["emulator.body"], body=body)
        return _answer({"id": job.id, "backend": job.backend})

    async def jobs(self, request: Request) -> Response:
        """List jobs that match all filters, a page of them, newest first unless told otherwise."""
        query = parse_qs(request.scope["query_string"].decode("latin-1"))
        limit, offset = _whole(query, "limit", USUAL_JOBS), _whole(query, "offset", 0)
        found = self._runtime.listed(self._filter(query))
        if query.get("sort", ["DESC"])[-1].upper() == "ASC":
            found.reverse()
        limit = min(limit, MOST_JOBS)
        with_params = query.get("exclude_params", ["false"])[-1] != "true"
        page = [self._runtime.shown(job, with_params=with_params) for job in found[offset : offset + limit]]
        return _answer({"jobs": page, "count": len(found), "limit": limit, "offset": offset})

    def _filter(self, query: dict[str, list[str]]) -> Callable[[Job], bool]:
        wanted = set(query.get("tags", []))
        after, before = _moment(query, "created_after"), _moment(query, "created_before")

        def last(name: str) -> str | None:
            return query[name][-1] if name in query else None

        def matches(job: Job) -> bool:
            has_ended = self._runtime.state(job) in ENDED
            return (
                wanted <= set(tags_of(job))
                and last("backend") in (None, job.backend)
                and last("program") in (None, job.type)
                and last("session_id") in (None, settings_of(job)["session_id"])
                and last("pending") in (None, "false" if has_ended else "true")
                and (after is None or job.accepted_at >= after)
                and (before is None or job.accepted_at <= before)
            )

        return matches

    async def job(self, request: Request, identifier: str) -> Response:
        """Show one job."""
        with_params = request.query_params.get("exclude_params") != "true"
        return _answer(self._runtime.shown(self._runtime.find(identifier), with_params=with_params))

    async def delete(self, identifier: str) -> Response:
        """Delete one job."""
        self._runtime.delete(self._runtime.find(identifier))
        return Response(status_code=204)

    async def cancel(self, identifier: str) -> Response:
        """Cancel one job."""
        self._runtime.cancel(self._runtime.find(identifier))
        return Response(status_code=204)

    async def results(self, identifier: str) -> Response:
        """Show the result of a job; before its end there is none."""
        found = await self._runtime.result(self._runtime.find(identifier))
        return Response(status_code=204) if found is None else Response(found, media_type="text/plain")

    async def metrics(self, identifier: str) -> Response:
        """Show times and use of a job."""
        return _answer(self._runtime.metrics(self._runtime.find(identifier)))

    async def logs(self, identifier: str) -> Response:
        """Show what a job has logged, once it has ended."""
        job = self._runtime.find(identifier)
        if self._runtime.state(job) not in ENDED:
            return Response(status_code=204)
        return Response(f"{job.id}: {self._runtime.state(job)}\n", media_type="text/plain")

    async def tags(self, request: Request, identifier: str) -> Response:
        """Replace the tags of a job."""
        job = self._runtime.find(identifier)
        self._runtime.replace_tags(job, read_tags(read_object(await request.body())))
        return Response(status_code=204)

    async def all_tags(self, request: Request) -> Response:
        """List the tags of all jobs that contain a text."""
        text = request.query_params.get("search", "")
        found = {tag for job in self._runtime.listed(lambda _: True) for tag in tags_of(job) if text in tag}
        return _answer({"tags": sorted(found)})

    async def begin_session(self, request: Request) -> Response:
        """Begin a session."""
        given = read_object(await request.body())
        if given.get("backend") is not None:
            self._runtime.device(str(given["backend"]))
        return _answer(self._runtime.sessions.begin(given))

    async def session(self, identifier: str) -> Response:
        """Show one session."""
        return _answer(self._runtime.sessions.shown(identifier, self._runtime.jobs_of_session(identifier)))

    async def change_session(self, request: Request, identifier: str) -> Response:
        """Let a session take no more jobs."""
        given = read_object(await request.body())
        self._runtime.sessions.stop_accepting(identifier, accepting=given.get("accepting_jobs"))
        return Response(status_code=204)

    async def close_session(self, identifier: str) -> Response:
        """End a session with all its jobs."""
        self._runtime.close_session(identifier)
        return Response(status_code=204)


def _whole(query: dict[str, list[str]], name: str, usual: int) -> int:
    text = query.get(name, [str(usual)])[-1]
    if not re.fullmatch("[0-9]{1,9}", text):
        raise RuntimeRefusal(400, 1212, f"{name} is not a whole number from 0.")
    return int(text)


def _moment(query: dict[str, list[str]], name: str) -> float | None:
    if name not in query:
        return None
    try:
        moment = datetime.fromisoformat(query[name][-1].replace(" ", "+"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise RuntimeRefusal(400, 1212, f"{name} is not a time.") from None


def _answer(content: Any, *, status: int = 200) -> Response:
    return Response(json.dumps(content, separators=(",", ":")), status_code=status, media_type="application/json")


def _iam_error(code: str, message: str) -> Response:
    return _answer({"errorCode": code, "errorMessage": message}, status=400)


def _explain_errors(api: FastAPI) -> None:
    def told(status: int, message: str, code: int | None = None) -> Response:
        error = {"code": code or status, "message": message, "more_info": ""}
        return _answer({"errors": [error], "status_code": status, "trace": ""}, status=status)

    @api.exception_handler(RuntimeRefusal)
    async def refused(_: Request, error: RuntimeRefusal) -> Response:
        return told(error.status, str(error), error.code)

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return told(400, f"Bad value for {', '.join(str(one['loc'][-1]) for one in error.errors())}.")

    @api.exception_handler(HTTPException)
    async def missing(_: Request, error: HTTPException) -> Response:
        return told(error.status_code, str(error.detail))

    @api.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        return told(500, f"The emulator failed: {type(error).__name__}.")
