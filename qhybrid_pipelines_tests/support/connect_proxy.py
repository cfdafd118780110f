"""An HTTP proxy between a client and the emulated cloud, as companies have it: the client asks for a tunnel (CONNECT).

The tunnel ends in the proxy itself, which speaks TLS under the cloud's names and passes requests on; all other names it refuses.
It may lose answers: the cloud has done the work, and the client sees its connection cut.
"""

from __future__ import annotations

import random
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import httpx

HOST = "cloud.test"
"""The cloud's name; only the proxy knows where it is."""
IBM_HOSTS: Mapping[str, str] = {
    "iam.cloud.ibm.com": "/ibm",
    "api.global-search-tagging.cloud.ibm.com": "/ibm",
    "globalcatalog.cloud.ibm.com": "/ibm/catalog",
    "quantum.cloud.ibm.com": "/ibm",
}
"""The names that IBM's client has built in, and where the emulated cloud has what is asked of each."""


@dataclass(slots=True, kw_only=True)
class ConnectProxy:
    """A running proxy.

    Attributes:
        url: of the proxy.
        tunnels: what was asked for by CONNECT.
        passed: method and path of the requests that were passed on.
        answers_to_lose: to requests that submit a job, from now on.
        share_to_lose: of the answers to further requests that submit a job, by chance.
    """

    url: str
    tunnels: list[str] = field(default_factory=list)
    passed: list[tuple[str, str]] = field(default_factory=list)
    answers_to_lose: int = 0
    share_to_lose: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(7))


def make_certificate(folder: Path, hosts: Mapping[str, str] = MappingProxyType({HOST: ""})) -> Path:
    """Return a file with a certificate for the cloud's names that signs itself, and its key."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    names = ",".join(f"DNS:{host}" for host in hosts)
    subject = ["-subj", f"/CN={next(iter(hosts))}", "-addext", f"subjectAltName={names}"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
    return certificate


@contextmanager
def connect_proxy(
    upstream: str, certificate: Path, hosts: Mapping[str, str] = MappingProxyType({HOST: ""})
) -> Iterator[ConnectProxy]:
    """Pass what comes through tunnels to some hosts on to a server.

    Args:
        upstream: its address, without a path.
        certificate: of all hosts, with its key.
        hosts: names, and what is put before the paths of their requests.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    client = httpx.Client(timeout=60, trust_env=False)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            running.tunnels.append(self.path)
            host = self.path.removesuffix(":443")
            if host not in hosts:
                self.send_error(403, "This proxy knows no such host")
                self.close_connection = True
                return
            self.prefix = hosts[host]
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.wfile.flush()
            try:
                self.connection = context.wrap_socket(self.connection, server_side=True)
            except (ssl.SSLError, OSError):
                self.close_connection = True
                return
            self.rfile = self.connection.makefile("rb", 0)
            self.wfile = self.connection.makefile("wb", 0)
            self.close_connection = False

        def pass_on(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            running.passed.append((self.command, self.path))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            try:
                answer = client.request(
                    self.command, upstream + self.prefix + self.path, content=content, headers=headers
                )
            except httpx.HTTPError:  # the cloud itself has cut the connection
                self.cut()
                return
            with lock:
                is_submission = self.command == "POST" and self.path.endswith("/jobs")
                planned = is_submission and running.answers_to_lose > 0
                running.answers_to_lose -= planned
                lost = planned or (is_submission and running.chance.random() < running.share_to_lose)
            if lost:
                self.cut()
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("content-type", "application/json"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def cut(self) -> None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815 - the base class calls them so

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()
            self.connection.close()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running = ConnectProxy(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        client.close()
