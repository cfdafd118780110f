"""Names of routes, for the fault plan and the counts, and which backend a request is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from starlette.types import Scope

from qhybrid_pipelines.emulator.strict_json import NotJsonError, read_json

PREFIX = "/v0.4"
SAPI_PREFIX = "/sapi/v2"
"""Of the annealing face."""
BRAKET_PREFIX, STORAGE_PREFIX = "/braket", "/s3"
"""Of Braket's face, and of the bucket where its results are."""
IBM_PREFIX = "/ibm"
"""Of IBM's face: of the runtime, and of the services for keys and instances that its clients ask."""

_PATTERNS = (
    (r"/jobs", "/jobs"),
    (r"/jobs/estimate", "/jobs/estimate"),
    (r"/jobs/status/cancel", "/jobs/status/cancel"),
    (r"/jobs/[^/]+", "/jobs/{id}"),
    (r"/jobs/[^/]+/cost", "/jobs/{id}/cost"),
    (r"/jobs/[^/]+/artifacts/[^/]+", "/jobs/{id}/artifacts/{id}"),
    (r"/jobs/[^/]+/status/cancel", "/jobs/{id}/status/cancel"),
    (r"/jobs/[^/]+/(variants/[^/]+/)?results/.+", "/jobs/{id}/results"),
    (r"/backends", "/backends"),
    (r"/backends/[^/]+", "/backends/{backend}"),
    (r"/backends/[^/]+/characterizations", "/backends/{backend}/characterizations"),
    (r"/backends/[^/]+/characterizations/[^/]+", "/backends/{backend}/characterizations/{id}"),
    (r"/whoami", "/whoami"),
)

_SAPI_PATTERNS = (
    (r"/problems/?", "/problems"),
    (r"/problems/[^/]+/info/?", "/problems/{id}/info"),
    (r"/problems/[^/]+/answer/?", "/problems/{id}/answer"),
    (r"/problems/[^/]+/messages/?", "/problems/{id}/messages"),
    (r"/problems/[^/]+/?", "/problems/{id}"),
    (r"/bqm/multipart/?", "/bqm/multipart"),
    (r"/bqm/multipart/[^/]+/part/[^/]+/?", "/bqm/multipart/{id}/part/{id}"),
    (r"/bqm/multipart/[^/]+/status/?", "/bqm/multipart/{id}/status"),
    (r"/bqm/multipart/[^/]+/combine/?", "/bqm/multipart/{id}/combine"),
    (r"/solvers/remote/?", "/solvers"),
    (r"/solvers/remote/[^/]+/?", "/solvers/{backend}"),
)

_BRAKET_PATTERNS = (
    (r"/quantum-task", "/quantum-task"),
    (r"/quantum-task/.+/cancel", "/quantum-task/{id}/cancel"),
    (r"/quantum-task/.+", "/quantum-task/{id}"),
    (r"/quantum-tasks", "/quantum-tasks"),
    (r"/device/.+", "/device/{backend}"),
    (r"/devices", "/devices"),
)
_STORAGE_PATTERNS = ((r"/.+", "/s3/{object}"),)
_IBM_PATTERNS = (
    (r"/identity/token", "/ibm/token"),
    (r"/v3/resources/search", "/ibm/instances"),
    (r"/catalog/api/v1/[^/]+", "/ibm/plan"),
    (r"/api/v1/instances/usage", "/ibm/usage"),
    (r"/api/v1/backends", "/ibm/backends"),
    (r"/api/v1/backends/[^/]+/(status|configuration|properties)", "/ibm/backends/{backend}"),
    (r"/api/v1/jobs", "/ibm/jobs"),
    (r"/api/v1/jobs/[^/]+", "/ibm/jobs/{id}"),
    (r"/api/v1/jobs/[^/]+/cancel", "/ibm/jobs/{id}/cancel"),
    (r"/api/v1/jobs/[^/]+/results", "/ibm/jobs/{id}/results"),
    (r"/api/v1/jobs/[^/]+/metrics", "/ibm/jobs/{id}/metrics"),
    (r"/api/v1/jobs/[^/]+/logs", "/ibm/jobs/{id}/logs"),
    (r"/api/v1/jobs/[^/]+/tags", "/ibm/jobs/{id}/tags"),
    (r"/api/v1/tags", "/ibm/tags"),
    (r"/api/v1/sessions", "/ibm/sessions"),
    (r"/api/v1/sessions/[^/]+", "/ibm/sessions/{id}"),
    (r"/api/v1/sessions/[^/]+/close", "/ibm/sessions/{id}/close"),
)
_FACES = tuple(
    (prefix, tuple((re.compile(pattern), name) for pattern, name in patterns))
    for prefix, patterns in (
        (SAPI_PREFIX, _SAPI_PATTERNS),
        (IBM_PREFIX, _IBM_PATTERNS),
        (BRAKET_PREFIX, _BRAKET_PATTERNS),
        (STORAGE_PREFIX, _STORAGE_PATTERNS),
        (PREFIX, _PATTERNS),
    )
)
PREFIXES = tuple(prefix for prefix, _ in _FACES)
"""Of all faces."""


def route_name(method: str, path: str) -> str:
    """Return the name of a route for the fault plan and the counts, for example ``GET /jobs/{id}``."""
    prefix, patterns = next((face for face in _FACES if path.startswith(face[0])), _FACES[-1])
    inner = path.removeprefix(prefix)
    name = next((name for pattern, name in patterns if pattern.fullmatch(inner)), "(unknown)")
    return f"{method} {name}"


def requested_backend(route: str, scope: Scope, body: bytes) -> str | None:
    """Return which backend a request is about, where it says so."""
    if route in _BACKEND_IN_BODY:
        try:
            return _BACKEND_IN_BODY[route](read_json(body))
        except NotJsonError:
            return None
    if route in _BACKEND_IN_PATH:
        return _BACKEND_IN_PATH[route](str(scope["path"]))
    if "{backend}" in route:
        return str(scope["path"].removeprefix(PREFIX).split("/")[2])
    pairs = (pair.partition("=") for pair in scope["query_string"].decode("latin-1").split("&"))
    return next((value for name, _, value in pairs if name == "backend"), None)


def _named(found: Any, field: str) -> str | None:
    """Return a text of an object; None where there is none."""
    name = found.get(field) if isinstance(found, dict) else None
    return name if isinstance(name, str) else None


def _requested_device(found: Any) -> str | None:
    """Return which device a task is for."""
    arn = _named(found, "deviceArn")
    return None if arn is None else device_name(arn)


def device_name(arn: str) -> str:
    """Return a device's vendor and name with a dot between them, as the book knows it."""
    return ".".join(arn.split("/")[-2:])


def _first_solver(found: Any) -> str | None:
    """Return which solver the first problem of a submission is for."""
    first = found[0] if isinstance(found, list) and found else found
    solver = first.get("solver") if isinstance(first, dict) else None
    return _named(solver, "name") if isinstance(solver, dict) else solver if isinstance(solver, str) else None


_BACKEND_IN_BODY: Mapping[str, Callable[[Any], str | None]] = {
    "POST /jobs": lambda found: _named(found, "backend"),
    "POST /ibm/jobs": lambda found: _named(found, "backend"),
    "POST /ibm/sessions": lambda found: _named(found, "backend"),
    "POST /problems": _first_solver,
    "POST /quantum-task": _requested_device,
}

_BACKEND_IN_PATH: Mapping[str, Callable[[str], str]] = {
    "GET /device/{backend}": lambda path: device_name(unquote(path).partition("/device/")[2]),
    "GET /solvers/{backend}": lambda path: path.rstrip("/").rpartition("/")[2],
    "GET /ibm/backends/{backend}": lambda path: path.split("/")[-2],
}
