"""What routes share: who asks, which parameters there are, and how an answer is documented."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES
from qhybrid_pipelines.service.access.callers import Caller, Scope
from qhybrid_pipelines.service.middleware.request_boundary import ANSWER_HEADERS, ON_END
from qhybrid_pipelines.service.problem_documents import MEDIA_TYPE, Problem, ProblemError, bad_request, not_found
from qhybrid_pipelines.service.resources import MaySee
from qhybrid_pipelines.service.response_models import ProblemDocument
from qhybrid_pipelines.service.routes.cursors import DEFAULT_LIMIT, MAX_LIMIT
from qhybrid_pipelines.service.service_parts import ServiceParts

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="At most so many.")]
ExperimentFilter = Annotated[str | None, Query(max_length=100, description="Only what belongs to this experiment.")]
EventTypes = Annotated[
    str | None, Query(max_length=400, description="Only these events, by name and separated by commas.")
]
#: Positions of the ledger are 64-bit numbers.
MAX_POSITION = 2**63 - 1
Cursor = Annotated[str | None, Query(description="From the `next` of the page before.", max_length=400)]
DEFAULT = DEFAULT_LIMIT
#: How long a client had better wait before it asks for something again that is under way.
RETRY_SECONDS: dict[str, int] = {"accepted": 1, "due": 10, "with_provider": 15, "needs_a_person": 60}

_WORDS = {
    400: "A parameter or the form of the request is wrong.",
    401: "No key was sent, or one that is not in force.",
    403: "The key does not allow this, or policy says no.",
    404: "There is nothing here that the caller may see.",
    405: "The address does not take this method.",
    408: "The request did not arrive completely in time.",
    409: "Somebody else has this, or its state does not allow it, or something else was said before.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    421: "The request is for another host.",
    422: "The body says something wrong: `field` names where.",
    429: "Too many requests, or too much spent: `Retry-After` says when to ask again.",
    431: "The header is too long.",
    500: "An error of the service.",
    502: "A provider could not be asked.",
    503: "Too much waits, or the service is not ready; `Retry-After` says when to ask again.",
}
_ALWAYS = (400, 401, 403, 405, 408, 421, 429, 431, 500, 503)


def parts_of(request: Request) -> ServiceParts:
    """Return the parts of the service."""
    return cast("ServiceParts", request.app.state.parts)


def needs(scope: Scope, *, or_scope: Scope | None = None, ledger: bool = True) -> Callable[[Request], Caller]:
    """Return the dependency that lets callers of one scope in, or of another one that will do, as often as they may.

    Args:
        scope: the caller has it,
        or_scope: or this one.
        ledger: nothing is answered while it is away.
    """

    def caller(request: Request) -> Caller:
        found = parts_of(request).authenticator.caller(request.headers.get("authorization"))
        if not {scope, or_scope} & found.scopes and not (scope == "read" and found.sees_all):
            raise ProblemError(
                Problem(
                    status=403,
                    code="forbidden",
                    detail=f"This key does not have the scope {scope!r}.",
                    remedy="Use a key that has it; `qhybrid keys create --scope` makes one.",
                    headers={"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
                )
            )
        let_in(request, found, ledger=ledger)
        return found

    return caller


def let_in(request: Request, caller: Caller, *, ledger: bool = True) -> None:
    """Count a request of a caller, and let it in as often as the caller may ask.

    Raises:
        ProblemError: 429, too often; 503, the ledger is away.
    """
    parts = parts_of(request)
    if ledger:
        parts.ledger_watch.check()
    request.scope["state"][ANSWER_HEADERS] = parts.rates.begin(caller.principal)
    request.scope["state"][ON_END] = partial(parts.rates.end, caller.principal)


Reader = Annotated[Caller, Depends(needs("read"))]
Submitter = Annotated[Caller, Depends(needs("submit"))]


async def json_body(request: Request) -> bytes:
    """Return a body that is said to be JSON.

    Raises:
        ProblemError: 415, it is not; 413, it is too large.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(
            Problem(
                status=415,
                code="media-type",
                detail="The body is not declared as JSON.",
                remedy="Send the header Content-Type: application/json.",
                field="Content-Type",
            )
        )
    return await request.body()


def only_known_parameters(request: Request) -> None:
    """Refuse a query parameter that the route does not know: a misspelt filter must not silently be ignored.

    Raises:
        ProblemError: 400.
    """
    dependant: Any = getattr(request.scope.get("route"), "dependant", None)
    known = {field.alias for field in getattr(dependant, "query_params", ())}
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            raise bad_request(
                f"there is no parameter {name[:60]!r} here",
                remedy=f"Known here: {', '.join(sorted(known)) or 'none'}.",
                field=name[:60],
            )
        if names.count(name) > 1:
            raise bad_request("a parameter is given twice", remedy="Give it once.", field=name)


def problems(*statuses: int, always: tuple[int, ...] = _ALWAYS) -> dict[int | str, dict[str, Any]]:
    """Return the answers that report an error, for the description of a route."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}}}
    return {status: {"description": _WORDS[status], "content": content} for status in sorted({*always, *statuses})}


def retry_header(state: str) -> dict[str, str]:
    """Return when to ask again for something in a state; nothing where it is at its end."""
    return {"retry-after": str(RETRY_SECONDS[state])} if state in RETRY_SECONDS else {}


def check_experiment(parts: ServiceParts, may_see: MaySee, experiment: str | None) -> None:
    """Refuse a filter by an experiment that the caller cannot see.

    Raises:
        ProblemError: 404.
    """
    if experiment is not None and not (may_see(experiment) and parts.resources.known(experiment)):
        raise not_found("experiment")


def event_types(text: str | None) -> frozenset[str] | None:
    """Return the names of events that a parameter lists; None where it is left out.

    Raises:
        ProblemError: 400, there is no event of a name.
    """
    if text is None:
        return None
    known, names = set(EVENT_NAMES.values()), text.split(",")
    for name in names:
        if name not in known:
            raise bad_request(
                f"there is no event {name[:60]!r}", remedy=f"Choose one of {', '.join(sorted(known))}.", field="type"
            )
    return frozenset(names)
