"""A receiver of webhooks as a process of its own, which can be killed: the official libraries verify every message.

What it has taken is written to a file and flushed to the disk before it acknowledges, as a careful receiver does.
Run as a script: ``webhook_receiver.py PORT FILE SECONDS``; it answers each message after so many seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from qhybrid_pipelines_tests.support.browser import get_free_port


def verify(body: bytes, headers: dict[str, str], secret: str) -> dict:
    """Return the fields of a message that the official libraries of Standard Webhooks and CloudEvents have accepted."""
    from cloudevents.core.bindings.http import HTTPMessage, from_http_event
    from standardwebhooks import Webhook

    lower = {name.lower(): value for name, value in headers.items()}
    fields = Webhook(secret).verify(body, lower)
    assert lower["content-type"] == "application/cloudevents+json"
    event = from_http_event(HTTPMessage(headers=lower, body=body))
    assert event.get_id() == fields["id"] == lower["webhook-id"]
    assert (event.get_type(), event.get_subject()) == (fields["type"], fields["subject"])
    assert event.get_specversion() == "1.0"
    assert event.get_time() is not None
    assert event.get_data() == fields["data"]
    assert len(body) < 20_000
    return fields


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        server = self.server
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # its sender was killed in the middle of it: no message, and nobody to answer
            print(f"cut: {len(body)} of {length} bytes", file=sys.stderr, flush=True)
            self.close_connection = True
            return
        time.sleep(server.seconds)
        line, status = "", 503
        try:
            if server.file.with_suffix(".secret").exists():  # else it is being registered just now
                line = json.dumps({"at": time.time(), "body": body.decode()})
                verify(body, dict(self.headers.items()), server.file.with_suffix(".secret").read_text())
                status = server.status()
        except Exception as error:  # noqa: BLE001  it is written down, and fails the test that reads it
            line, status = f"ERROR {type(error).__name__} {error}", 400
        if status < 300 or line.startswith("ERROR"):
            with server.file.open("a") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status in (301, 302, 307, 308):
            self.send_header("Location", server.file.with_suffix(".location").read_text())
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing of senders that were killed."""

    def status(self) -> int:
        """Return the status of answers: a file may ask for another than 204."""
        try:
            return int(self.file.with_suffix(".status").read_text() or 204)
        except (OSError, ValueError):
            return 204


class Receiver:
    """A receiver that can be started, killed and read.

    Attributes:
        file: what it has taken, one line each.
        port: it listens on, the same after a restart.
    """

    def __init__(self, folder: Path, name: str = "receiver", *, seconds: float = 0.0) -> None:
        self.file, self.port = folder / f"{name}.jsonl", get_free_port()
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?of=home"

    @property
    def secret(self) -> str:
        """What messages are signed with; read for every message."""
        return self.file.with_suffix(".secret").read_text()

    @secret.setter
    def secret(self, secret: str) -> None:
        self.file.with_suffix(".secret").write_text(secret)

    def start(self) -> Receiver:
        """Start it, and return once it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, str(self.port), str(self.file), str(self._seconds)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(30)
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None

    def answer(self, status: int) -> None:
        """Answer with another status from now on."""
        self.file.with_suffix(".status").write_text(str(status))

    def send_to(self, other: Receiver) -> None:
        """Answer with a redirect to another receiver from now on."""
        self.file.with_suffix(".location").write_text(other.url)
        self.answer(307)

    def lines(self) -> list[dict]:
        """Return what it has taken, in order: the fields of each message, with its body and the time under other names."""
        if not self.file.exists():
            return []
        found = []
        for line in self.file.read_text().splitlines():
            assert not line.startswith("ERROR"), line
            if not line.endswith("}"):
                continue  # cut by a kill, and not acknowledged
            row = json.loads(line)
            found.append(json.loads(row["body"]) | {"_at": row["at"], "_body": row["body"]})
        return found

    def events(self) -> list[dict]:
        """Return the messages about jobs, in order."""
        return [line for line in self.lines() if line["type"].startswith("qhybrid.job.")]


if __name__ == "__main__":
    _, port, file, seconds = sys.argv
    listening = _Server(("127.0.0.1", int(port)), _Handler)
    listening.file, listening.seconds = Path(file), float(seconds)
    print("ready", flush=True)
    listening.serve_forever()
