"""A visit to a page: who looks, in which session, and what a form may do in its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.service.access.callers import Caller
from qhybrid_pipelines.service.intake.json_bodies import too_large
from qhybrid_pipelines.service.pages.rendering import HEADERS, page
from qhybrid_pipelines.service.pages.sessions import Session, is_form_of
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError, bad_request, problem_of
from qhybrid_pipelines.service.routes.routes_common import let_in, parts_of
from qhybrid_pipelines.service.service_parts import ServiceParts

COOKIE = "qhybrid_session"
SIGN_IN = "/pages/sign-in"
MAX_FORM_BYTES = 8 * 1024
#: Who asks for what did not exist before he signed in.
_SEE_OTHER = 303
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page, in which session."""

    caller: Caller
    session: Session
    session_id: str
    is_new: bool


def show_page(request: Request, make: Callable[[ServiceParts, Visitor], Response]) -> Response:
    """Return a page for whoever has signed in; others are asked to."""
    parts = parts_of(request)
    visitor = visitor_of(request, parts)
    if visitor is None:
        return go(SIGN_IN)
    try:
        let_in(request, visitor.caller)
        answer = make(parts, visitor)
    except (ProblemError, QHybridError) as error:
        answer = _problem_page(parts, visitor, problem_of(error))
    if visitor.is_new:
        set_cookie(request, answer, visitor.session_id)
    return answer


async def act_on_form(
    request: Request, act: Callable[[ServiceParts, Visitor, Mapping[str, str]], None], afterwards: str
) -> Response:
    """Do what a form asks for, when it is a form of this visitor's own session, and show the page that it is on."""
    parts = parts_of(request)
    visitor = await run_in_threadpool(visitor_of, request, parts)
    if visitor is None:
        return go(SIGN_IN)
    try:
        await run_in_threadpool(let_in, request, visitor.caller)
        check_origin(request)
        form = await form_of(request)
        if visitor.is_new or not is_form_of(visitor.session, form.get("form_token", "")):
            raise forbidden("This form is not of your session. Open the page again, and send it from there.")
        await parts.action_threads.run(lambda: act(parts, visitor, form))
    except (ProblemError, QHybridError) as error:
        return _problem_page(parts, visitor, problem_of(error))
    return go(afterwards)


def visitor_of(request: Request, parts: ServiceParts) -> Visitor | None:
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


def frame(parts: ServiceParts, visitor: Visitor) -> dict[str, Any]:
    """Return what every page shows."""
    return {
        "principal": visitor.caller.principal,
        "sees_all": visitor.caller.sees_all,
        "form_token": visitor.session.form_token,
        "is_open": parts.authenticator.is_open,
    }


def _problem_page(parts: ServiceParts, visitor: Visitor, problem: Problem) -> Response:
    return page("problem", http_status=problem.status, **frame(parts, visitor), problem=problem)


async def form_of(request: Request) -> dict[str, str]:
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


def check_origin(request: Request) -> None:
    """Refuse a form that a page of another site has sent; browsers say where a form comes from.

    Raises:
        ProblemError: 403.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    foreign = origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    if foreign or (site is not None and site not in {"same-origin", "none"}):
        raise forbidden("This form was sent by another site.")


def forbidden(detail: str) -> ProblemError:
    """Return the refusal of what the visitor's key does not allow."""
    problem = Problem(status=403, code="forbidden", detail=detail, remedy="Use a key that allows it.")
    return ProblemError(problem)


def go(where: str) -> Response:
    """Send the browser to another page."""
    return Response(status_code=_SEE_OTHER, headers={**HEADERS, "location": where})


def set_cookie(request: Request, answer: Response, session_id: str) -> None:
    """Give the browser the cookie that stands for its session."""
    answer.set_cookie(
        COOKIE,
        session_id,
        path="/pages",
        httponly=True,
        samesite="strict",
        # Other hosts are reached through a proxy that speaks TLS; a browser would not send the cookie back over HTTP.
        secure=not _is_loopback(request),
    )


def address_of(request: Request) -> str:
    """Return the address of this service as a program of the visitor has to write it: by TLS, where a proxy is in front of it."""
    return f"{'http' if _is_loopback(request) else 'https'}://{request.url.netloc}"


def _is_loopback(request: Request) -> bool:
    return (request.url.hostname or "").lower() in _LOOPBACK
