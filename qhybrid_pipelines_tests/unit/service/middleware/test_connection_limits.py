"""Slow, silent and greedy clients are cut, and nobody else waits for them; with uvicorn's own protocol they would stay."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from qhybrid_pipelines.service.middleware import connection_limits
from qhybrid_pipelines.service.middleware.connection_limits import LimitedHttpProtocol

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
BIG = 24 * 1024 * 1024


async def echo(scope, receive, send) -> None:
    """Answer with the body; for /big with more than any buffer holds."""
    assert scope["type"] == "http"
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/big":
        for _ in range(BIG // 65536):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(protocol: type[asyncio.Protocol]) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    config = uvicorn.Config(
        echo,
        http=protocol,
        log_config=None,
        lifespan="off",
        ws="none",
        timeout_keep_alive=2,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    for name, seconds in (("HEADER_SECONDS", 0.6), ("BODY_SECONDS", 0.8), ("READING_SECONDS", 0.7)):
        monkeypatch.setattr(connection_limits, name, seconds)
    with serving(LimitedHttpProtocol) as found:
        yield found


def everything(connection: socket.socket, seconds: float = 5.0) -> bytes:
    """Return all that comes until the other side closes."""
    connection.settimeout(seconds)
    answer = bytearray()
    try:
        while piece := connection.recv(1024 * 1024):
            answer += piece
    except ConnectionResetError:
        pass
    return bytes(answer)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"POST / HTTP/1.1\r\nHost: x\r\n", b"HTTP/1.1 408 "),
        (b"P", b"HTTP/1.1 408 "),
        (HEAD + b"12345", b"HTTP/1.1 408 "),
        (HEAD + b"1234567890POST / HT", b"HTTP/1.1 200 "),
    ],
    ids=["nothing", "half a header", "one letter", "half a body", "a second half header"],
)
def test_half_a_request_is_cut(address, sent, answer):
    began = time.monotonic()
    with socket.create_connection(address) as connection:
        connection.sendall(sent)
        found = everything(connection)
    assert found.startswith(answer)
    assert time.monotonic() - began < 4


def test_uvicorns_own_protocol_keeps_them():
    """The control: without our protocol a half header is still open when ours would long be closed."""
    with serving(HttpToolsProtocol) as address, socket.create_connection(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
        connection.settimeout(2.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_byte_now_and_then_buys_no_time(address):
    with socket.create_connection(address) as connection:
        connection.settimeout(5)
        began = time.monotonic()
        try:
            for letter in HEAD * 20:
                connection.sendall(bytes([letter]))
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() - began < 4


def test_a_connection_that_is_kept_open_has_time_for_each_request(address):
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", trust_env=False) as client:
        for number in range(5):
            assert client.post("/", content=b"%d" % number).content == b"%d" % number
            time.sleep(0.3)  # together more than the time for one


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(3000)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000,
    ],
    ids=["one field", "the address", "many fields", "no end"],
)
def test_a_long_header_is_refused(address, sent):
    with socket.create_connection(address) as connection:
        try:
            connection.sendall(sent)
        except OSError:
            return  # cut before all of it was sent
        found = everything(connection)
    assert found.startswith((b"HTTP/1.1 431 ", b""))
    assert b" 200 " not in found


def test_a_body_in_the_packet_of_its_header_is_not_counted_as_header(address):
    body = b"z" * 60_000
    with socket.create_connection(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 60000\r\n\r\n" + body)
        assert body in everything(connection)


def test_a_client_that_does_not_read_is_dropped(address):
    before = LimitedHttpProtocol.cut["reading"]
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        until = time.monotonic() + 5
        while LimitedHttpProtocol.cut["reading"] == before:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert len(everything(connection)) < BIG


def test_a_client_that_reads_gets_all_of_it(address):
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert len(everything(connection)) > BIG


def test_three_hundred_of_them_keep_nobody_waiting(address):
    held = [socket.create_connection(address) for _ in range(300)]
    for number, connection in enumerate(held):
        connection.sendall((b"", b"POST / HTTP/1.1\r\n", HEAD + b"1")[number % 3])
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", trust_env=False) as client:
        for _ in range(20):
            assert client.post("/", content=b"x").status_code == 200
    until = time.monotonic() + 8
    for connection in held:
        connection.settimeout(max(0.1, until - time.monotonic()))
        everything(connection, max(0.1, until - time.monotonic()))
        connection.close()
