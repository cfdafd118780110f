"""Requests end: against servers that drip, hang, reset, redirect, flood and pack."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.execution.transport import ConnectionBroken, NotSent, RequestLimits, check_url, send
from qhybrid_pipelines_tests.vendors import closed_port, raw_server, reply, scripted_server

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
    with raw_server(drip(HEAD, b"X-A: b\r\n")) as url:
        with pytest.raises(ConnectionBroken, match=r"longer than 0\.8 seconds"):
            send("GET", url, limits=SHORT)
        time.sleep(0.2)
        assert not [thread for thread in threading.enumerate() if thread.name == "http-request"]


def test_refused_and_unresolvable_were_not_sent():
    with pytest.raises(NotSent):
        send("POST", f"http://127.0.0.1:{closed_port()}", body=b"{}", limits=SHORT)
    with pytest.raises(NotSent):
        send("POST", "http://no-such-host.invalid", body=b"{}", limits=SHORT)


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
        answer = send("GET", first.url, authorization="apiKey abc")
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
        send("GET", server.url, authorization="apiKey abc")
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
