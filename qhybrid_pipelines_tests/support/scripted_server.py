"""Servers on loopback that answer as they are told, for clients that must survive what no real server should do."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Reply = tuple[int, dict[str, str], bytes]


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, content


class ScriptedServer:
    """What a scripted server was asked.

    Attributes:
        url: its base address.
        asked: method, path and query of every request.
        authorizations: the Authorization header of every request.
        bodies: of every request.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, str, dict[str, list[str]]]] = []
        self.authorizations: list[str | None] = []
        self.bodies: list[bytes] = []


@contextmanager
def scripted_server(answer: Callable[[str, str, dict[str, list[str]]], Reply]) -> Iterator[ScriptedServer]:
    """Serve what ``answer`` gives for method, path and query."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            seen.asked.append((self.command, parts.path, query))
            seen.authorizations.append(self.headers.get("Authorization"))
            seen.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            status, headers, content = answer(self.command, parts.path, query)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_CONNECT = handle_any  # noqa: N815 - names of the base class

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen = ScriptedServer(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def raw_server(behave: Callable[[socket.socket, threading.Event], None], *, peek: bool = False) -> Iterator[str]:
    """Hand every connection, its request read as far as it came at once, to ``behave``, and close it then.

    With ``peek`` what came is left to be read, for a ``behave`` that speaks TLS.
    """
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(1 << 16, socket.MSG_PEEK if peek else 0)
            behave(connection, over)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
