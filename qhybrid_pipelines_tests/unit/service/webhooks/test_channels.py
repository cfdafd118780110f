"""Messages over real connections: what a receiver gets, and every way in which one can fail to acknowledge."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from qhybrid_pipelines.service.webhooks import channels
from qhybrid_pipelines.service.webhooks.channels import HttpChannel
from qhybrid_pipelines.service.webhooks.endpoint_store import EndpointStore
from qhybrid_pipelines.service.webhooks.guarded_connections import Resolver
from qhybrid_pipelines.service.webhooks.messages import event_message
from qhybrid_pipelines.service.webhooks.signatures import secret_for, shown
from qhybrid_pipelines_tests.support.browser import get_free_port
from qhybrid_pipelines_tests.support.webhook_receiver import verify
from qhybrid_pipelines_tests.unit.service.webhooks.test_endpoint_store import add
from qhybrid_pipelines_tests.unit.service.webhooks.test_messages import EVENT

SECRET = secret_for(b"p" * 32, "w-1", 0)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        status, headers, answer = self.server.answer
        if status is None:  # never
            self.server.silent.wait(30)
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.got, made.answer, made.silent = [], (204, {}, b""), threading.Event()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.silent.set()
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def store(tmp_path):
    made = EndpointStore(tmp_path / "webhooks.db")
    yield made
    made.close()


def send(store, target: str, *, kind: str = "webhook", loopback: bool = True, times: int = 1):
    resolver = Resolver()

    async def talk():
        channel = HttpChannel(
            add(store, target=target, kind=kind), secrets=lambda: [SECRET], resolve=resolver, loopback=loopback
        )
        found = [await channel.send(event_message("home", EVENT)) for _ in range(times)]
        await channel.close()
        return found[-1]

    try:
        return asyncio.run(talk())
    finally:
        resolver.close()


def url(server, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{server.server_port}/in?of=home"


def test_the_official_libraries_verify_what_a_receiver_gets(server, store):
    assert send(store, url(server)).delivered
    [(path, headers, body)] = server.got
    assert path == "/in?of=home"
    assert headers["host"] == f"127.0.0.1:{server.server_port}"
    assert verify(body, headers, shown(SECRET))["data"] == EVENT


def test_a_name_is_kept_in_the_request_though_an_address_is_connected_to(server, store):
    assert send(store, url(server, "localhost")).delivered
    assert server.got[0][1]["host"] == f"localhost:{server.server_port}"


def test_a_slack_compatible_address_gets_a_text(server, store):
    assert send(store, url(server), kind="slack").delivered
    [(_, headers, body)] = server.got
    assert json.loads(body) == {"text": "qhybrid: JobResultArrivedLate: job j-1 of maxcut-small-00000000 is EXPIRED"}
    assert not [name for name in headers if name.startswith("webhook-")]


@pytest.mark.parametrize("status", [300, 302, 307, 308, 400, 404, 410, 429, 500, 503])
def test_everything_but_a_success_is_a_failure(server, store, status):
    server.answer = (status, {"Location": "/elsewhere", "Retry-After": "7"}, b"words of the receiver")
    attempt = send(store, url(server))
    assert (attempt.delivered, attempt.status, attempt.retry_after_seconds) == (False, status, 7.0)
    assert "words" not in attempt.problem
    assert len(server.got) == 1


def test_a_long_answer_is_not_read_to_its_end(server, store):
    server.answer = (200, {"Content-Length": str(10**9)}, b"x" * 100_000)
    assert send(store, url(server)).delivered


def test_one_that_is_silent_is_left_after_the_deadline(server, store, monkeypatch):
    monkeypatch.setattr(channels, "DEADLINE_SECONDS", 0.5)
    server.answer = (None, {}, b"")
    assert "did not answer within" in send(store, url(server)).problem


def test_one_that_is_not_there(store):
    assert "cannot be reached" in send(store, f"http://127.0.0.1:{get_free_port()}/").problem


def test_a_setting_that_was_taken_back_ends_messages_to_this_machine(server, store):
    assert "Nothing is sent to this address" in send(store, url(server), loopback=False).problem
    assert not server.got


def test_proxies_of_the_environment_are_not_used(server, store, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert send(store, url(server)).delivered


def test_a_certificate_that_nobody_vouches_for_is_refused(server, store, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    attempt = send(store, url(server, "localhost").replace("http:", "https:"))
    assert (attempt.delivered, server.got) == (False, [])
    assert "cannot be reached" in attempt.problem


def certificate(folder):
    """Make a certificate that signs itself, and return the files of it and of its key."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
