"""Putting the service together: its routes, one shape for all errors, and its description."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from copy import deepcopy
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.specifications.validation_messages import explain_parameter
from qhybrid_pipelines.service import response_models
from qhybrid_pipelines.service.decisions import decision_models
from qhybrid_pipelines.service.middleware.deprecations import DEPRECATIONS, Deprecation, announcements, mark
from qhybrid_pipelines.service.middleware.request_boundary import RequestBoundary
from qhybrid_pipelines.service.pages.rendering import page
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError, problem_of
from qhybrid_pipelines.service.routes import (
    routes_actions,
    routes_decisions,
    routes_experiment_pages,
    routes_operations,
    routes_pages,
    routes_quota,
    routes_reading,
    routes_streaming,
    routes_submission,
    routes_upgrades,
    routes_uploads,
    routes_webhooks,
)
from qhybrid_pipelines.service.routes.routes_common import only_known_parameters
from qhybrid_pipelines.service.routes.routes_submission import KEY_PATTERN
from qhybrid_pipelines.service.service_parts import ServiceParts
from qhybrid_pipelines.service.webhooks import response_models as webhook_models
from qhybrid_pipelines.service.webhooks.messages import MEDIA_TYPE as EVENT_MEDIA_TYPE

_ROUTERS = (
    routes_operations.router,
    routes_reading.router,
    routes_streaming.router,
    routes_submission.router,
    routes_actions.router,
    routes_webhooks.router,
    routes_decisions.router,
    routes_upgrades.router,
    routes_pages.router,
    routes_experiment_pages.router,
    routes_quota.router,
    routes_uploads.router,
)
#: Models that are read from bodies here, and so are not known to the framework.
_DESCRIBED_MODELS = (
    response_models.ProblemDocument,
    response_models.ExperimentRequest,
    webhook_models.NewEndpoint,
    webhook_models.ReplayRange,
    decision_models.DecisionRequest,
    decision_models.UsedVersion,
    decision_models.OutcomeReport,
)
TITLE = "qhybrid"
DESCRIPTION = """Hybrid quantum-classical experiments over HTTP: what they would cost, sending them, and reading what became of them.

Every answer that is not a success is a problem document (RFC 9457) with a stable `code` and a `remedy`.
"""


def api(parts: ServiceParts | None, *, deprecations: Collection[Deprecation] = DEPRECATIONS) -> FastAPI:
    """Return the routes; without parts they can be described, and only those served that need none."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        assert parts is not None
        threading.Thread(target=parts.warm, name="warm-up", daemon=True).start()
        yield
        parts.close()

    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=version("qhybrid-pipelines"),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        dependencies=[Depends(only_known_parameters)],
        # Its own logs would keep what others sent; spans and figures come from the ledger.
        telemetry={"logs": False, "tracing": False, "metrics": False},
    )
    app.state.parts = parts
    for router in _ROUTERS:
        app.include_router(router)
    app.webhooks.include_router(routes_webhooks.outgoing)

    @app.get("/openapi.json", include_in_schema=False)
    async def description() -> dict[str, Any]:
        return describe(app, deprecations=deprecations)

    _shape_errors(app)
    return app


def application(
    parts: ServiceParts, *, hosts: Collection[str] | None, deprecations: Collection[Deprecation] = DEPRECATIONS
) -> ASGIApp:
    """Return the whole ASGI application of a service.

    Args:
        parts: of the service.
        hosts: as for `service.middleware.request_boundary.RequestBoundary`.
        deprecations: fields that will go.
    """
    routes = api(parts, deprecations=deprecations)
    going = announcements(describe(routes, deprecations=deprecations), deprecations) if deprecations else {}
    return RequestBoundary(routes, parts.figures, hosts, going)


def describe(app: FastAPI, *, deprecations: Collection[Deprecation] = DEPRECATIONS) -> dict[str, Any]:
    """Return the description of the interface, OpenAPI 3.1."""
    found = deepcopy(app.openapi())  # the framework keeps its own and gives it out again
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for model in _DESCRIBED_MODELS:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas.setdefault(model.__name__, schema)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in found["paths"].values():
        for operation in path.values():
            # FastAPI names its own document for a wrong parameter, and here it is a problem document of status 400.
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "idempotency-key":
                    # Read as optional, so that its absence is refused in our own words.
                    parameter |= {"required": True, "schema": {"type": "string", "pattern": KEY_PATTERN}}
            content = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in content:
                del operation["responses"]["422"]
    for path in found.get("webhooks", {}).values():
        for operation in path.values():
            operation["requestBody"]["content"] = {EVENT_MEDIA_TYPE: operation["requestBody"]["content"].popitem()[1]}
            operation["responses"] = {
                code: {"description": one["description"]}
                for code, one in operation["responses"].items()
                if code != "422"
            }
            operation["security"] = []
    found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{"key": []}, {}]
    found["components"]["schemas"] = dict(sorted(schemas.items()))
    mark(found, deprecations)
    return found


def _shape_errors(app: FastAPI) -> None:
    """Give whatever is refused, here or by the framework, one shape."""

    @app.exception_handler(ProblemError)
    @app.exception_handler(QHybridError)
    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return _respond(request, problem_of(error))

    @app.exception_handler(ClientDisconnect)
    async def went_away(_: Request, __: Exception) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    @app.exception_handler(RequestValidationError)
    async def wrong_parameter(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name = str(first["loc"][-1])[:60]
        wrong, remedy = explain_parameter(first)
        problem = Problem(
            status=400,
            code="bad-request",
            detail=f"The parameter {name!r} is wrong: {wrong}.",
            remedy=remedy,
            field=name,
        )
        return _respond(request, problem)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        code, detail, remedy = _FRAMEWORK.get(
            error.status_code, ("bad-request", "The request cannot be understood.", "Correct the request.")
        )
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"allow": ", ".join(_allowed_methods(request.url.path))}
        problem = Problem(status=error.status_code, code=code, detail=detail, remedy=remedy, headers=headers)
        return _respond(request, problem)


def _allowed_methods(path: str) -> list[str]:
    """Return the methods of all routes of an address; the framework names those of the first one only."""
    routes = [route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return sorted({method for route in routes if route.path_regex.match(path) for method in route.methods or ()})


def _respond(request: Request, problem: Problem) -> Response:
    if request.url.path.startswith("/pages"):  # a person reads it
        return page("wrong_address", http_status=problem.status, problem=problem)
    body = problem.body(instance=request.url.path, correlation_id=request.state.correlation_id)
    return Response(body, status_code=problem.status, headers=problem.all_headers())


#: What the framework refuses by itself: code, what is wrong, and the remedy.
_FRAMEWORK = {
    404: ("not-found", "There is no such address.", "/openapi.json lists the addresses."),
    405: ("method-not-allowed", "This address does not take this method.", "The header Allow names the methods."),
}
