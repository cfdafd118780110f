"""A server between a client and the emulated cloud, that sees what passes and may change the answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from qhybrid_pipelines_tests.support.scripted_server import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One request, as it left the client."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A running proxy.

    Attributes:
        url: stands for the emulator's.
        seen: every request.
    """

    url: str
    seen: list[RecordedRequest]


@contextmanager
def proxy(upstream: str, change_answer: Callable[[RecordedRequest, Reply], Reply]) -> Iterator[Proxy]:
    """Pass requests on to ``upstream`` (with its path) and what ``change_answer`` makes of the answers back."""
    server_root, _, path = upstream.rpartition("/")
    seen: list[RecordedRequest] = []
    client = httpx.Client(timeout=60, verify=False)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = RecordedRequest(
                method=self.command, target=self.path, headers=dict(self.headers.items()), body=content
            )
            seen.append(asked)
            forward = {name: value for name, value in asked.headers.items() if name.lower() != "host"}
            answer = client.request(self.command, server_root + self.path, content=content, headers=forward)
            status, headers, content = change_answer(asked, (answer.status_code, {}, answer.content))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - names of the base class

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield Proxy(url=f"http://127.0.0.1:{server.server_address[1]}/{path}", seen=seen)
    finally:
        server.shutdown()
        server.server_close()
        client.close()
