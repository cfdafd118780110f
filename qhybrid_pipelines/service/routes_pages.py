"""Pages for people: their jobs and experiments, and how the home stands. They need no script and load nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.service import cursors
from qhybrid_pipelines.service.actions import Actions
from qhybrid_pipelines.service.callers import Caller, Scope
from qhybrid_pipelines.service.json_bodies import too_large
from qhybrid_pipelines.service.pages.job_index import Choice
from qhybrid_pipelines.service.pages.rendering import HEADERS, page, style
from qhybrid_pipelines.service.pages.sessions import Session, is_form_of
from qhybrid_pipelines.service.problem_documents import (
    Problem,
    ProblemError,
    bad_request,
    not_found,
    problem_of,
)
from qhybrid_pipelines.service.routes_common import let_in, parts_of
from qhybrid_pipelines.service.service_parts import ServiceParts
from qhybrid_pipelines.steps.on_demand.status import read_status

router = APIRouter(prefix="/pages", include_in_schema=False)
COOKIE = "qhybrid_session"
SIGN_IN = "/pages/sign-in"
MAX_FORM_BYTES = 8 * 1024
#: Jobs on one page of the list.
ROWS = 50
#: Who asks for what did not exist before he signed in.
_SEE_OTHER = 303
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page, in which session."""

    caller: Caller
    session: Session
    session_id: str
    is_new: bool


@router.get("/pages.css")
async def pages_style() -> Response:
    """Return the style of all pages."""
    return style()


@router.get("/sign-in")
def ask_to_sign_in(request: Request) -> Response:
    """Show the form that takes a key; where nobody needs one, the list."""
    if parts_of(request).authenticator.is_open:
        return _go("/pages")
    return page("sign_in", problem=None)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Exchange a key for a cookie. The key is in the body: addresses are kept in histories and logs."""
    parts = parts_of(request)
    try:
        _check_origin(request)
        form = await _form(request)
        authorization = f"Bearer {form.get('key', '').strip()}"
        caller = await run_in_threadpool(parts.authenticator.caller, authorization)
        if "read" not in caller.scopes and not caller.sees_all:
            raise _forbidden("This key may not read.")
    except ProblemError as error:
        return page("sign_in", http_status=error.problem.status, problem=error.problem.detail)
    answer = _go("/pages")
    parts.pages.sessions.end(request.cookies.get(COOKIE))
    _set_cookie(request, answer, parts.pages.sessions.begin(authorization))
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session."""
    return await _act(request, lambda parts, visitor, _: parts.pages.sessions.end(visitor.session_id), SIGN_IN)


@router.get("")
def list_jobs(
    request: Request,
    state: Annotated[str, Query(max_length=40)] = "",
    backend: Annotated[str, Query(max_length=120)] = "",
    text: Annotated[str, Query(max_length=120)] = "",
    cursor: Annotated[str, Query(max_length=400)] = "",
) -> Response:
    """List the jobs that the visitor may see, newest first."""

    def show(parts: ServiceParts, visitor: Visitor) -> Response:
        choice = Choice(state=state, backend=backend.strip(), text=text.strip())
        may_see = parts.visibility_of(visitor.caller)
        listing = parts.pages.index.listing(choice, may_see=may_see, before=cursors.decode(cursor), limit=ROWS)
        filters = {name: value for name, value in asdict(choice).items() if value}
        following = urlencode({**filters, "cursor": cursors.encode(listing.following)}) if listing.following else ""
        others = urlencode({name: value for name, value in filters.items() if name != "state"})
        return page(
            "jobs",
            **_frame(parts, visitor),
            choice=choice,
            jobs=listing.jobs,
            counts=listing.counts,
            all_count=sum(listing.counts.values()),
            following=following,
            others=others,
            is_first=not cursor,
            without_jobs=_without_jobs(parts, visitor) if not (cursor or filters) else [],
        )

    return _show(request, show)


@router.get("/experiments/{key}")
def show_experiment(request: Request, key: str) -> Response:
    """Show an experiment: where it stands, what it waits for, its jobs, its verdict."""

    def show(parts: ServiceParts, visitor: Visitor) -> Response:
        if not parts.visibility_of(visitor.caller)(key):
            raise not_found("experiment")
        found = parts.resources.experiment(key)
        return page(
            "experiment",
            **_frame(parts, visitor),
            experiment=found,
            jobs=parts.pages.jobs_of(key),
            results=parts.resources.results(key),
            may_change=parts.may_change(visitor.caller)(key) and _has(visitor.caller, "submit", "operate"),
            may_approve=_has(visitor.caller, "approve"),
            address=str(request.base_url).rstrip("/"),
        )

    return _show(request, show)


@router.post("/experiments/{key}/cancel")
async def cancel_experiment(request: Request, key: str) -> Response:
    """Stop an experiment."""

    def cancel(parts: ServiceParts, visitor: Visitor, _: Mapping[str, str]) -> None:
        if not _has(visitor.caller, "submit", "operate"):
            raise _forbidden("This key may not change anything.")
        if not (parts.may_change(visitor.caller)(key) and parts.resources.known(key)):
            raise not_found("experiment")
        _actions(parts, visitor, "operate").cancel_experiment(key)

    return await _act(request, cancel, f"/pages/experiments/{key}")


@router.post("/jobs/{job}/{what}")
async def decide_about_job(request: Request, job: str, what: str) -> Response:
    """Cancel a job, agree to it at the price that the page has shown, or decline it."""
    parts = parts_of(request)
    experiment = await run_in_threadpool(parts.pages.experiment_of, job)

    def decide(parts: ServiceParts, visitor: Visitor, form: Mapping[str, str]) -> None:
        if what == "cancel" and _has(visitor.caller, "submit", "operate"):
            _actions(parts, visitor, "operate").cancel(job)
        elif what == "approve" and _has(visitor.caller, "approve"):
            price = _number(form.get("cost_quoted_usd", ""))
            _actions(parts, visitor, "approve").approve(job, cost_quoted_usd=price)
        elif what == "decline" and _has(visitor.caller, "approve"):
            _actions(parts, visitor, "approve").decline(job, reason=form.get("reason", "").strip()[:500] or "declined")
        elif what in {"cancel", "approve", "decline"}:
            raise _forbidden("This key does not allow that.")
        else:
            raise not_found("action")

    return await _act(request, decide, f"/pages/experiments/{experiment}" if experiment else "/pages")


@router.get("/operations")
def show_operations(request: Request) -> Response:
    """Show how the home stands, to whoever sees everything."""

    def show(parts: ServiceParts, visitor: Visitor) -> Response:
        if not visitor.caller.sees_all:
            raise _forbidden("This page is about everybody's work.")
        workspace = parts.workspace
        found = read_status(
            workspace.home, workspace.control_plane, workspace.specifications, workspace.lake, now=datetime.now(UTC)
        )
        endpoints = parts.webhooks.registry.store.all()
        return page("operations", **_frame(parts, visitor), status=found, endpoints=endpoints)

    return _show(request, show)


def _show(request: Request, make: Callable[[ServiceParts, Visitor], Response]) -> Response:
    """Return a page for whoever has signed in; others are asked to."""
    parts = parts_of(request)
    visitor = _visitor(request, parts)
    if visitor is None:
        return _go(SIGN_IN)
    try:
        let_in(request, visitor.caller)
        answer = make(parts, visitor)
    except (ProblemError, QHybridError) as error:
        answer = _problem_page(parts, visitor, problem_of(error))
    if visitor.is_new:
        _set_cookie(request, answer, visitor.session_id)
    return answer


async def _act(
    request: Request, act: Callable[[ServiceParts, Visitor, Mapping[str, str]], None], afterwards: str
) -> Response:
    """Do what a form asks for, when it is a form of this visitor's own session, and show the page that it is on."""
    parts = parts_of(request)
    visitor = await run_in_threadpool(_visitor, request, parts)
    if visitor is None:
        return _go(SIGN_IN)
    try:
        await run_in_threadpool(let_in, request, visitor.caller)
        _check_origin(request)
        form = await _form(request)
        if visitor.is_new or not is_form_of(visitor.session, form.get("form_token", "")):
            raise _forbidden("This form is not of your session. Open the page again, and send it from there.")
        await parts.action_threads.run(lambda: act(parts, visitor, form))
    except (ProblemError, QHybridError) as error:
        return _problem_page(parts, visitor, problem_of(error))
    return _go(afterwards)


def _visitor(request: Request, parts: ServiceParts) -> Visitor | None:
    """Return who looks; None where somebody has to sign in. A key that is not in force any more ends its session."""
    session_id = request.cookies.get(COOKIE, "")
    session = parts.pages.sessions.find(session_id)
    is_new = session is None
    if session is None:
        if not parts.authenticator.is_open:
            return None
        session_id = parts.pages.sessions.begin(None)
        session = parts.pages.sessions.find(session_id)
        assert session is not None
    try:
        caller = parts.authenticator.caller(session.authorization)
    except ProblemError:
        parts.pages.sessions.end(session_id)
        return None
    return Visitor(caller, session, session_id, is_new)


def _frame(parts: ServiceParts, visitor: Visitor) -> dict[str, Any]:
    """Return what every page shows."""
    return {
        "principal": visitor.caller.principal,
        "sees_all": visitor.caller.sees_all,
        "form_token": visitor.session.form_token,
        "is_open": parts.authenticator.is_open,
    }


def _without_jobs(parts: ServiceParts, visitor: Visitor) -> list[str]:
    """Return the experiments that the visitor has sent and that have no job, by key."""
    return sorted(parts.requests.requested(visitor.caller.principal) - parts.pages.index.experiments())


def _problem_page(parts: ServiceParts, visitor: Visitor, problem: Problem) -> Response:
    return page("problem", http_status=problem.status, **_frame(parts, visitor), problem=problem)


def _actions(parts: ServiceParts, visitor: Visitor, scope: Scope) -> Actions:
    return Actions(parts.workspace, visitor.caller.principal, parts.may_change(visitor.caller, scope=scope))


def _has(caller: Caller, *scopes: str) -> bool:
    return not caller.scopes.isdisjoint(scopes)


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        ProblemError: 400 or 413, it is none, or too large.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise bad_request("this is not a form", remedy="Send the form of the page.")
    body = await request.body()
    if len(body) > MAX_FORM_BYTES:
        raise too_large()
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=20, keep_blank_values=True)
    except ValueError:
        raise bad_request("this is not a form", remedy="Send the form of the page.") from None
    return {name: values[-1] for name, values in fields.items()}


def _check_origin(request: Request) -> None:
    """Refuse a form that a page of another site has sent; browsers say where a form comes from.

    Raises:
        ProblemError: 403.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    foreign = origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    if foreign or (site is not None and site not in {"same-origin", "none"}):
        raise _forbidden("This form was sent by another site.")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise bad_request("this is not a price", remedy="Send the form of the page.", field="cost_quoted_usd") from None


def _forbidden(detail: str) -> ProblemError:
    problem = Problem(status=403, code="forbidden", detail=detail, remedy="Use a key that allows it.")
    return ProblemError(problem)


def _go(where: str) -> Response:
    return Response(status_code=_SEE_OTHER, headers={**HEADERS, "location": where})


def _set_cookie(request: Request, answer: Response, session_id: str) -> None:
    host = request.headers.get("host", "").rsplit(":", 1)[0].lower()
    answer.set_cookie(
        COOKIE,
        session_id,
        path="/pages",
        httponly=True,
        samesite="strict",
        # Other hosts are reached through a proxy that speaks TLS; a browser would not send the cookie back over HTTP.
        secure=host not in _LOOPBACK,
    )
