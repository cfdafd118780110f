"""The outermost layer of the service: every request gets an id, a bound for its body, and an answer of one shape.

It lies around all routes, so that what they do not foresee comes out as a problem document too, and nobody's text is repeated in it.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
import traceback
from collections.abc import Collection, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qhybrid_pipelines.core.text.redaction import redact
from qhybrid_pipelines.service.intake import uploads
from qhybrid_pipelines.service.intake.json_bodies import MAX_BODY_BYTES, too_large
from qhybrid_pipelines.service.middleware.deprecations import Announcements
from qhybrid_pipelines.service.middleware.request_figures import RequestFigures
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError

#: A caller may name its own id for the log; other text is replaced.
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: A body that is too large is read up to here before the answer, so that its sender is able to read that.
DRAINED_BYTES = 1024 * 1024
#: Addresses whose bodies may be larger than others'.
_MOST_BYTES = {"/v1/uploads": uploads.MOST_BYTES}
#: What a route leaves in the state of its request: headers of the answer, and what to call when that was sent.
ANSWER_HEADERS, ON_END = "answer_headers", "on_end"
_NOTHING_GOES: Announcements = MappingProxyType({})
_log = logging.getLogger("qhybrid.service")


class RequestBoundary:
    """ASGI application around the routes.

    Args:
        inner: answers requests.
        figures: counts them.
        hosts: names that a request may be for; None takes any. On a loopback address a page of another site that was
            resolved to it (DNS rebinding) is refused by this.
        announcements: headers of successful answers that carry a field which will go, by route.
    """

    def __init__(
        self,
        inner: ASGIApp,
        figures: RequestFigures,
        hosts: Collection[str] | None,
        announcements: Announcements = _NOTHING_GOES,
    ) -> None:
        self._inner, self._figures, self._announcements = inner, figures, announcements
        self._hosts = None if hosts is None else frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        began = time.monotonic()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get(b"x-correlation-id", "")
        correlation_id = given if _CORRELATION_ID.fullmatch(given) else secrets.token_hex(8)
        state = scope.setdefault("state", {})
        state["correlation_id"] = correlation_id
        answer = _Answer(send, correlation_id, scope, self._announcements)
        most_bytes = _MOST_BYTES.get(scope["path"], MAX_BODY_BYTES)
        body = _BoundedBody(receive, most_bytes)
        try:
            self._check(headers, most_bytes)
            await self._inner(scope, body, answer)
        except ProblemError as error:
            await body.drain()
            await send_problem(answer, error.problem, instance=scope["path"], correlation_id=correlation_id)
        except Exception as error:  # told already, and logged here: the framework raises it once more
            if answer.status is None:
                raise
            trace = redact("".join(traceback.format_exception(error)))
            _log.error("%s %s failed: %s", correlation_id, scope["path"], trace)
        finally:
            if ON_END in state:
                state[ON_END]()
            route = getattr(scope.get("route"), "path", "(none)")
            if answer.status is not None:
                self._figures.add(route, answer.status, (answer.began_at or time.monotonic()) - began)

    def _check(self, headers: Mapping[bytes, str], most_bytes: int) -> None:
        length = headers.get(b"content-length", "0")
        if length.isdecimal() and int(length[:20]) > most_bytes:
            raise too_large(most_bytes)
        host = headers.get(b"host", "")
        name = host.rpartition(":")[0] if re.search(r":\d*$", host) else host
        if self._hosts is not None and name.lower() not in self._hosts:
            raise ProblemError(
                Problem(
                    status=421,
                    code="wrong-host",
                    detail="This service has another name.",
                    remedy=f"Ask for {' or '.join(sorted(self._hosts))}.",
                    field="Host",
                )
            )


async def send_problem(send: Send, problem: Problem, *, instance: str, correlation_id: str) -> None:
    """Send a problem document as the whole answer."""
    body = problem.body(instance=instance, correlation_id=correlation_id)
    fields = {**problem.all_headers(), "content-length": str(len(body))}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


class _Answer:
    """Sends on, and knows what was sent."""

    def __init__(self, send: Send, correlation_id: str, scope: Scope, announcements: Announcements) -> None:
        self._send, self._correlation_id = send, correlation_id
        self._scope, self._announcements = scope, announcements
        self.status: int | None = None
        self.began_at: float | None = None

    async def __call__(self, message: Message) -> None:
        """Send one message; the first one gets the id of the request."""
        if message["type"] == "http.response.start":
            self.status, self.began_at = message["status"], time.monotonic()
            extra: list[tuple[bytes, bytes]] = [
                (b"x-correlation-id", self._correlation_id.encode()),
                (b"cache-control", b"no-store"),
                (b"x-content-type-options", b"nosniff"),
                *(
                    (name.encode(), value.encode())
                    for name, value in self._scope["state"].get(ANSWER_HEADERS, {}).items()
                ),
            ]
            given = {name.lower() for name, _ in message.get("headers", ())}
            message = {
                **message,
                "headers": [
                    *message.get("headers", ()),
                    *(each for each in extra if each[0] not in given),
                    *self._announced(message["status"]),
                ],
            }
        await self._send(message)

    def _announced(self, status: int) -> list[tuple[bytes, bytes]]:
        """Return what says that a field of this answer will go; a problem document has none."""
        route = getattr(self._scope.get("route"), "path", "")
        found = self._announcements.get((self._scope["method"], route), ()) if status < HTTPStatus.BAD_REQUEST else ()
        return [(name.encode(), value.encode()) for name, value in found]


class _BoundedBody:
    """Receives on, and refuses what goes beyond the bound."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive, self._most_bytes = receive, most_bytes
        self._bytes = 0
        self._whole = False

    async def __call__(self) -> Message:
        """Return the next message."""
        message = await self._next()
        if self._bytes > self._most_bytes:
            await self.drain()
            raise too_large(self._most_bytes)
        return message

    async def drain(self) -> None:
        """Read on for a while without keeping anything."""
        while not self._whole and self._bytes < DRAINED_BYTES:
            await self._next()

    async def _next(self) -> Message:
        message: dict[str, Any] = dict(await self._receive())
        self._bytes += len(message.get("body", b""))
        self._whole = self._whole or message["type"] != "http.request" or not message.get("more_body", False)
        return message
