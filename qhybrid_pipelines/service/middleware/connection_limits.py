"""uvicorn's HTTP protocol with an end to patience: whoever sends slowly, reads slowly or sends too much is cut.

uvicorn closes no connection that sends nothing, half a header or half a body, and its parser takes headers of any length. Here
every connection owes the end of its header and of its body by a time, and a client that does not read its answer is dropped.
"""

from __future__ import annotations

import secrets
from asyncio import TimerHandle, Transport
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from qhybrid_pipelines.service.intake.json_bodies import MAX_BODY_BYTES
from qhybrid_pipelines.service.problem_documents import Problem

#: A header has to be there so many seconds after the connection, or after the first byte of the next request.
HEADER_SECONDS = 10.0
#: A body has to be there so many seconds after its header: 256 kB by then are 8.5 kB/s.
BODY_SECONDS = 30.0
#: A client that takes nothing of its answer for so long is dropped.
READING_SECONDS = 30.0
#: Most bytes of a request's first line and header fields together.
MAX_HEADER_BYTES = 16 * 1024
#: More connections than this are closed at once.
MAX_CONNECTIONS = 1024

_TOO_SLOW = Problem(
    status=408,
    code="too-slow",
    detail="The request did not arrive completely in time.",
    remedy="Send the whole request again; nothing was accepted.",
)
_TOO_LONG = Problem(
    status=431,
    code="too-large",
    detail=f"The header has more than {MAX_HEADER_BYTES // 1024} kB.",
    remedy="Send fewer and shorter header fields.",
)
_NOT_HTTP = Problem(
    status=400,
    code="bad-request",
    detail="This is not an HTTP request.",
    remedy="Use an HTTP/1.1 client.",
)


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits of time and size."""

    #: Connections that were cut, by reason, since this process began.
    cut: ClassVar[dict[str, int]] = {"header": 0, "body": 0, "reading": 0, "size": 0, "crowd": 0}

    _timer: TimerHandle | None = None
    _reading_timer: TimerHandle | None = None
    _header_bytes: int = 0
    _in_header: bool = False
    _too_long: bool = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for a header; refuse where there are too many connections."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self.cut["crowd"] += 1
            transport.abort()
            return
        self._wait_for("header", HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        if self._reading_timer is not None:
            self._reading_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on what came, and count it as long as the header is not whole."""
        if self.transport.is_closing():
            return
        if self._timer is None and not self._in_header:
            self._wait_for("header", HEADER_SECONDS)  # the next request of a connection that was kept open
        super().data_received(data)
        if self._in_header and not self.transport.is_closing():
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self.cut["size"] += 1
                self._refuse(_TOO_LONG)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_header, self._header_bytes = True, 0
        if self._timer is None:
            self._wait_for("header", HEADER_SECONDS)

    def on_headers_complete(self) -> None:
        """The header is there: wait for the body.

        Raises:
            ValueError: it is too long, which ends the reading of this connection.
        """
        self._in_header, self._header_bytes = False, 0
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEADER_BYTES:
            self._too_long = True
            raise ValueError("the header is too long")
        self._wait_for("body", BODY_SECONDS)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body; more than anybody may send is never kept."""
        super().on_body(body)
        if self.cycle is not None and len(self.cycle.body) > MAX_BODY_BYTES + 65_536 and self.cycle.response_started:
            self.cut["size"] += 1
            self.transport.close()

    def on_message_complete(self) -> None:
        """The request is whole; the next one has its own time."""
        self._stop_waiting()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not read: give it some time."""
        super().pause_writing()
        if self._reading_timer is None:
            self._reading_timer = self.loop.call_later(READING_SECONDS, self._stop_writing)

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._reading_timer is not None:
            self._reading_timer.cancel()
            self._reading_timer = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with a problem document."""
        del msg
        self._stop_waiting()
        if self._too_long:
            self.cut["size"] += 1
        self._refuse(_TOO_LONG if self._too_long else _NOT_HTTP)

    def _wait_for(self, what: str, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, self._end, what)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, what: str) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        self.cut[what] += 1
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
        elif what == "header" and not self._in_header:
            self.transport.close()  # nothing was asked, so nothing is answered
        else:
            self._refuse(_TOO_SLOW)

    def _stop_writing(self) -> None:
        self.cut["reading"] += 1
        self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Answer outside of the application, and close."""
        body = problem.body(instance="", correlation_id=secrets.token_hex(8))
        head = f"HTTP/1.1 {problem.status} {problem.document(instance='', correlation_id='')['title']}\r\n"
        fields = {**problem.all_headers(), "content-length": str(len(body)), "connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.transport.write(f"{head}{lines}\r\n".encode("latin-1") + body)
        self.transport.close()
