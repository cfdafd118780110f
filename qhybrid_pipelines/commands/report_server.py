"""Pages about experiments, drawn when somebody opens one: what the links of Dagster's assets `report` lead to.

For the person at this machine: it listens on the loopback interface only, answers `GET` only, and nobody else's names for it.
"""

from __future__ import annotations

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from qhybrid_pipelines.core.errors import InvalidInput, QHybridError

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.workspace import Workspace

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
#: Newest experiments that the first page lists.
MAX_LISTED = 200


class ReportServer(ThreadingHTTPServer):
    """Serves ``/KEY`` for every registered experiment, and a list at ``/``.

    Args:
        workspace: the home.
        port: 0 takes any free one.
    """

    daemon_threads = True

    def __init__(self, workspace: Workspace, port: int) -> None:
        self._workspace = workspace
        self._drawing = threading.Lock()  # Matplotlib draws one figure at a time
        super().__init__((HOST, port), _Handler)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.server_address[1]}"

    def page(self, path: str) -> str | None:
        """Return the page of a path as HTML; None where there is none."""
        from qhybrid_pipelines.reports.page import chapters, render_page
        from qhybrid_pipelines.steps.on_demand.report import report_content

        key, workspace = unquote(path).strip("/"), self._workspace
        if not key:
            return _list_page(list(workspace.specifications)[::-1][:MAX_LISTED])
        try:
            if key not in workspace.specifications:
                return None
        except InvalidInput:  # it is not the shape of a key
            return None
        with self._drawing:
            content = report_content(
                key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home
            )
            return render_page(chapters([content]))


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer
    server_version, sys_version = "qhybrid", ""

    def do_GET(self) -> None:
        # Another name than this machine's own is a page from elsewhere that was made to point here.
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in NAMES:
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, _message_page("This server has another name."))
            return
        try:
            page = self.server.page(urlsplit(self.path).path)
        except QHybridError as error:
            self._answer(HTTPStatus.CONFLICT, _message_page(str(error)))
            return
        if page is None:
            self._answer(HTTPStatus.NOT_FOUND, _message_page("There is no experiment of this key here."))
        else:
            self._answer(HTTPStatus.OK, page)

    def _answer(self, status: HTTPStatus, page: str) -> None:
        body = page.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        """Say nothing: a person's terminal is not a log."""


def _list_page(keys: list[str]) -> str:
    from html import escape
    from urllib.parse import quote

    lines = "".join(f'<li><a href="/{quote(key)}">{escape(key)}</a></li>' for key in keys)
    return _page("Reports", f"<ul>{lines}</ul>" if keys else "<p>No experiment is registered yet.</p>")


def _message_page(message: str) -> str:
    from html import escape

    return _page("No report", f"<p>{escape(message)}</p>")


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}</style>"
        f"<main><h1>{title}</h1>{body}</main></html>"
    )
