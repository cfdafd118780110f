"""Pages for people: their jobs and experiments, and the state of the home. They need no script and load nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from qhybrid_pipelines.service.access.callers import Caller, Scope
from qhybrid_pipelines.service.actions import Actions
from qhybrid_pipelines.service.pages.experiment_view import view_of
from qhybrid_pipelines.service.pages.job_index import Choice
from qhybrid_pipelines.service.pages.rendering import page, page_with_script, style
from qhybrid_pipelines.service.problem_documents import ProblemError, bad_request, not_found
from qhybrid_pipelines.service.routes import cursors
from qhybrid_pipelines.service.routes.page_visits import (
    COOKIE,
    SIGN_IN,
    Visitor,
    act_on_form,
    address_of,
    check_origin,
    forbidden,
    form_of,
    frame,
    go,
    set_cookie,
    show_page,
)
from qhybrid_pipelines.service.routes.routes_common import parts_of
from qhybrid_pipelines.service.service_parts import ServiceParts
from qhybrid_pipelines.steps.on_demand.status import read_status

router = APIRouter(prefix="/pages", include_in_schema=False)
#: Jobs on one page of the list.
ROWS = 50


@router.get("/pages.css")
async def pages_style() -> Response:
    """Return the style of all pages."""
    return style()


@router.get("/sign-in")
def ask_to_sign_in(request: Request) -> Response:
    """Show the form that takes a key; where nobody needs one, the list."""
    if parts_of(request).authenticator.is_open:
        return go("/pages")
    return page("sign_in", problem=None)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Exchange a key for a cookie. The key is in the body: addresses are kept in histories and logs."""
    parts = parts_of(request)
    try:
        check_origin(request)
        form = await form_of(request)
        authorization = f"Bearer {form.get('key', '').strip()}"
        caller = await run_in_threadpool(parts.authenticator.caller, authorization)
        if "read" not in caller.scopes and not caller.sees_all:
            raise forbidden("This key may not read.")
    except ProblemError as error:
        return page("sign_in", http_status=error.problem.status, problem=error.problem.detail)
    answer = go("/pages")
    parts.pages.sessions.end(request.cookies.get(COOKIE))
    set_cookie(request, answer, parts.pages.sessions.begin(authorization))
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session."""
    return await act_on_form(request, lambda parts, visitor, _: parts.pages.sessions.end(visitor.session_id), SIGN_IN)


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
            **frame(parts, visitor),
            choice=choice,
            jobs=listing.jobs,
            counts=listing.counts,
            all_count=sum(listing.counts.values()),
            following=following,
            others=others,
            is_first=not cursor,
            without_jobs=_without_jobs(parts, visitor) if not (cursor or filters) else [],
        )

    return show_page(request, show)


@router.get("/experiments/{key}")
def show_experiment(request: Request, key: str) -> Response:
    """Show an experiment: its state, what it waits for, its jobs, its verdict."""

    def show(parts: ServiceParts, visitor: Visitor) -> Response:
        if not parts.visibility_of(visitor.caller)(key):
            raise not_found("experiment")
        view = view_of(parts.resources, key)
        return page_with_script(
            "experiment",
            **frame(parts, visitor),
            experiment=view.experiment,
            is_final=view.is_final,
            version=view.version,
            jobs=parts.pages.jobs_of(key),
            results=view.results,
            may_change=parts.may_change(visitor.caller)(key) and _has(visitor.caller, "submit", "operate"),
            may_approve=_has(visitor.caller, "approve"),
            address=address_of(request),
        )

    return show_page(request, show)


@router.post("/experiments/{key}/cancel")
async def cancel_experiment(request: Request, key: str) -> Response:
    """Stop an experiment."""

    def cancel(parts: ServiceParts, visitor: Visitor, _: Mapping[str, str]) -> None:
        if not _has(visitor.caller, "submit", "operate"):
            raise forbidden("This key may not change anything.")
        if not (parts.may_change(visitor.caller)(key) and parts.resources.known(key)):
            raise not_found("experiment")
        _actions(parts, visitor, "operate").cancel_experiment(key)

    return await act_on_form(request, cancel, f"/pages/experiments/{key}")


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
            raise forbidden("This key does not allow that.")
        else:
            raise not_found("action")

    return await act_on_form(request, decide, f"/pages/experiments/{experiment}" if experiment else "/pages")


@router.get("/operations")
def show_operations(request: Request) -> Response:
    """Show the state of the home, to whoever sees everything."""

    def show(parts: ServiceParts, visitor: Visitor) -> Response:
        if not visitor.caller.sees_all:
            raise forbidden("This page is about everybody's work.")
        workspace = parts.workspace
        found = read_status(
            workspace.home, workspace.control_plane, workspace.specifications, workspace.lake, now=datetime.now(UTC)
        )
        endpoints = parts.webhooks.registry.store.all()
        return page("operations", **frame(parts, visitor), status=found, endpoints=endpoints)

    return show_page(request, show)


def _without_jobs(parts: ServiceParts, visitor: Visitor) -> list[str]:
    """Return the experiments that the visitor has sent and that have no job, by key."""
    return sorted(parts.requests.requested(visitor.caller.principal) - parts.pages.index.experiments())


def _actions(parts: ServiceParts, visitor: Visitor, scope: Scope) -> Actions:
    return Actions(parts.workspace, visitor.caller.principal, parts.may_change(visitor.caller, scope=scope))


def _has(caller: Caller, *scopes: str) -> bool:
    return not caller.scopes.isdisjoint(scopes)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise bad_request("this is not a price", remedy="Send the form of the page.", field="cost_quoted_usd") from None
