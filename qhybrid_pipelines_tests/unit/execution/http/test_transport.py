"""Requests end: against servers that drip, hang, reset, redirect, flood and pack."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import ssl
import struct
import subprocess
import threading
import time

import httpx  # noqa: F401 - loaded by the first request, and that is not the request's time
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.execution.http.transport import (
    CERTIFICATE_VARIABLES,
    ConnectionBroken,
    NotSent,
    RequestLimits,
    check_url,
    send,
)
from qhybrid_pipelines_tests.support.scripted_server import closed_port, raw_server, reply, scripted_server

SHORT = RequestLimits(connect_seconds=0.5, read_seconds=0.3, total_seconds=0.8, body_bytes=10_000)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def drip(first: bytes, drop: bytes):
    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(first)
        while not over.wait(0.05):
            connection.sendall(drop)

    return behave


def reset(connection: socket.socket, over: threading.Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_after(first: bytes):
    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(first)
        reset(connection, over)

    return behave


def hang(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def say(content: bytes):
    return lambda connection, over: connection.sendall(content)


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(drip(HEAD + b"Content-Length: 9000\r\n\r\n[", b" "), id="a body that drips"),
        pytest.param(drip(HEAD, b"X-A: b\r\n"), id="headers without end"),
        pytest.param(drip(b"HTTP/1.1 200", b" "), id="a status line that drips"),
        pytest.param(hang, id="silence"),
        pytest.param(reset, id="reset"),
        pytest.param(say(b""), id="closed without a word"),
        pytest.param(reset_after(HEAD), id="reset within the headers"),
        pytest.param(reset_after(HEAD + b"Content-Length: 100\r\n\r\n{}"), id="reset within the body"),
        pytest.param(say(HEAD + b"Content-Length: 100\r\n\r\n"), id="headers only, then closed"),
        pytest.param(
            lambda *sides: (sides[0].sendall(HEAD + b"Content-Length: 9\r\n\r\n"), hang(*sides)),
            id="headers only, then silence",
        ),
        pytest.param(say(HEAD + b"Content-Length: 20000\r\n\r\n" + b"a" * 20_000), id="too large, as announced"),
        pytest.param(say(HEAD + b"Content-Length: 100\r\n\r\n{}"), id="a body cut off"),
        pytest.param(say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"), id="a chunk cut off"),
        pytest.param(say(HEAD + b"\r\n" + b"a" * 20_000), id="too large"),
        pytest.param(say(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}")), id="packed"),
        pytest.param(say(b"SSH-2.0-OpenSSH\r\n\r\n"), id="not HTTP"),
    ],
)
def test_a_connection_that_breaks_leaves_doubt_and_ends_in_time(behave):
    with raw_server(behave) as url:
        begin = time.monotonic()
        with pytest.raises(ConnectionBroken):
            send("POST", url, body=b"{}", limits=SHORT)
        assert time.monotonic() - begin < SHORT.total_seconds + 0.5


def test_a_request_that_expired_leaves_no_thread_behind():
    before = set(threading.enumerate())
    with (
        raw_server(drip(HEAD, b"X-A: b\r\n")) as url,
        pytest.raises(ConnectionBroken, match=r"longer than 0\.8 seconds"),
    ):
        send("GET", url, limits=SHORT)
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if "(handle)" not in thread.name]  # that is the server's


def test_refused_and_unresolvable_were_not_sent():
    with pytest.raises(NotSent):
        send("POST", f"http://127.0.0.1:{closed_port()}", body=b"{}", limits=SHORT)
    with pytest.raises(NotSent):
        send("POST", "http://no-such-host.invalid", body=b"{}", limits=SHORT)


def test_a_look_up_of_a_name_that_hangs_does_not_hold_the_call(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(5) and [])
    begin = time.monotonic()
    with pytest.raises(NotSent, match=r"within 0\.5 seconds|longer"):
        send("POST", "http://localhost:1", body=b"{}", limits=SHORT)
    assert time.monotonic() - begin < SHORT.total_seconds + 0.5
    over.set()


def test_a_body_that_nobody_takes_is_in_doubt_in_time():
    """The system's buffers take the first part of it."""
    with raw_server(hang) as url:
        begin = time.monotonic()
        with pytest.raises(ConnectionBroken):
            send("POST", url, body=b"a" * (32 << 20), limits=SHORT)
        assert time.monotonic() - begin < SHORT.total_seconds + 0.5


def test_a_caller_with_an_event_loop_of_its_own_is_served():
    """As in a notebook, whose cells run within one."""

    async def cell() -> int:
        return send("GET", server.url).status

    with scripted_server(lambda *_: reply({})) as server:
        assert asyncio.run(cell()) == 200


def test_no_socket_is_left_open():
    """Warnings are errors, and a socket that is left to the collector warns."""
    for behave in (hang, reset, say(HEAD + b"Content-Length: 100\r\n\r\n{}")):
        with raw_server(behave) as url:
            for address in (url, url.replace("http:", "https:")):
                with pytest.raises((ConnectionBroken, NotSent)):
                    send("POST", address, body=b"{}", limits=SHORT)
    gc.collect()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return a certificate for 127.0.0.1 that signs itself, with its key in the same file."""
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", f"{file}.key", "-out", f"{file}.crt"], check=True, capture_output=True)
    file.write_bytes(
        file.with_name("certificate.pem.crt").read_bytes() + file.with_name("certificate.pem.key").read_bytes()
    )
    return file


@pytest.fixture
def tls_server(certificate, monkeypatch):
    """Return the address of a server that speaks TLS, and what it was told."""
    for variable in CERTIFICATE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    told: list[bytes] = []

    def behave(connection: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as protected:
            told.append(protected.recv(1 << 16))
            while told[-1] and not told[-1].endswith(b"{}"):  # what is left unread would reset the connection
                told[-1] += protected.recv(1 << 16)
            protected.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    with raw_server(behave, peek=True) as url:
        yield url.replace("http:", "https:"), told


@pytest.mark.parametrize("variable", CERTIFICATE_VARIABLES[:3])
def test_a_certificate_is_believed_if_the_environment_names_it(variable, tls_server, certificate, monkeypatch):
    monkeypatch.setenv(variable, str(certificate))
    assert send("POST", tls_server[0], headers={"Authorization": "apiKey abc"}, body=b"{}").body == b"{}"
    assert b"apiKey abc" in tls_server[1][0]


def test_nothing_is_sent_to_a_server_whose_certificate_nobody_vouches_for(tls_server):
    with pytest.raises(NotSent, match="certificate"):
        send("POST", tls_server[0], headers={"Authorization": "apiKey abc"}, body=b"{}", limits=SHORT)
    assert tls_server[1] in ([], [b""])


def test_nothing_is_sent_under_another_name_than_the_certificates(tls_server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(NotSent, match=r"(?i)hostname"):
        send("POST", tls_server[0].replace("127.0.0.1", "localhost"), body=b"{}", limits=SHORT)
    assert tls_server[1] in ([], [b""])


def test_nothing_is_sent_where_tls_is_not_spoken():
    with raw_server(say(HEAD + b"\r\n")) as url, pytest.raises(NotSent):
        send("POST", url.replace("http:", "https:"), body=b"{}", limits=SHORT)


def test_certificates_that_are_not_there_stop_the_request(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/certificates.pem")
    with pytest.raises(NotSent, match="No such file"):
        send("POST", f"https://127.0.0.1:{closed_port()}", body=b"{}", limits=SHORT)


def test_a_proxy_is_asked_only_where_the_environment_names_it_and_never_for_this_machine(monkeypatch):
    for variable in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
    ):
        monkeypatch.delenv(variable, raising=False)
    with scripted_server(lambda *_: reply({}, 403)) as proxy, scripted_server(lambda *_: reply({})) as server:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert send("GET", server.url).status == 200
        assert not proxy.asked
        # A refusal to connect is the proxy's; the host that was asked has seen nothing.
        with pytest.raises(NotSent):
            send(
                "POST",
                "https://no-such-host.invalid/",
                headers={"Authorization": "apiKey abc"},
                body=b"{}",
                limits=SHORT,
            )
        assert not any("apiKey" in (said or "") for said in proxy.authorizations)


def test_a_header_that_cannot_be_sent_is_not_sent():
    with scripted_server(lambda *_: reply({})) as server:
        with pytest.raises((NotSent, ConnectionBroken)):
            send("GET", server.url, headers={"Authorization": "apiKey a\nX: b"}, limits=SHORT)
        assert not server.asked


def test_nothing_is_sent_after_the_deadline():
    """A connection that comes about too late is closed without a byte."""
    received: list[bytes] = []

    def accept_late(listener: socket.socket) -> None:
        time.sleep(0.6)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(0.5)
            received.append(connection.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        # A listener accepts into its backlog at once, so the delay is put into the handshake of TLS, which never comes.
        thread = threading.Thread(target=accept_late, args=(listener,))
        thread.start()
        limits = RequestLimits(connect_seconds=5, read_seconds=5, total_seconds=0.3)
        with pytest.raises(NotSent, match="longer"):
            send("POST", f"https://127.0.0.1:{listener.getsockname()[1]}", body=b"SECRET", limits=limits)
        thread.join()
    assert b"SECRET" not in received[0]


def test_redirects_are_returned_and_the_key_goes_nowhere_else():
    with (
        scripted_server(lambda *_: reply({})) as other,
        scripted_server(lambda *_: reply({}, 302, Location=other.url)) as first,
    ):
        answer = send("GET", first.url, headers={"Authorization": "apiKey abc"})
        assert answer.status == 302
        assert not other.asked


def test_one_request_whatever_the_status():
    with scripted_server(lambda *_: reply({}, 503)) as server:
        assert send("POST", server.url, body=b"{}").status == 503
        assert len(server.asked) == 1


def test_a_netrc_file_does_not_replace_the_key(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted_server(lambda *_: reply({})) as server:
        send("GET", server.url, headers={"Authorization": "apiKey abc"})
        assert server.authorizations == ["apiKey abc"]


@pytest.mark.parametrize(
    "url", ["https://api.example.com/v0.4/", "http://127.0.0.1:80/v0.4", "http://localhost:1", "http://[::1]:1"]
)
def test_safe_addresses(url):
    assert check_url(url, variable="X_URL") == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "https://user:secret-word@example.com",
        "https://example.com/?a=b",
        "https://",
        "https://[",
        "https://example.com:port",
        "127.0.0.1",
    ],
)
def test_unsafe_addresses_are_refused_without_being_repeated(url):
    with pytest.raises(InvalidInput, match="X_URL") as caught:
        check_url(url, variable="X_URL")
    assert "secret-word" not in str(caught.value)
