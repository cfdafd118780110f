"""One HTTP request that ends: in time, within a size, at the host that was asked, and sent at most once.

No library default does that. A read timeout starts anew with every byte, so a body or header that drips never times
out; a redirect may lead a key to another host; a retry may pay twice. Here a request has a deadline as a whole, and
whoever calls is told whether anything can have reached the other side.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException, Session
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from qhybrid_pipelines.core.errors import InvalidInput

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What a request may take.

    Attributes:
        connect_seconds: until the connection stands.
        read_seconds: of silence while waiting for the answer.
        total_seconds: all together, from the look-up of the host's name to the last byte.
        body_bytes: size of an answer.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 15.0
    total_seconds: float = 30.0
    body_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class NotSent(Exception):
    """No connection came about, so the other side has seen nothing of the request."""


class ConnectionBroken(Exception):
    """The connection stood, and no whole answer came over it: the other side may have acted on the request."""


def check_url(url: str, *, variable: str) -> str:
    """Return a base URL without its last slash.

    Raises:
        InvalidInput: it is not https (plain http is for this machine only), has no host, or holds a user or a query.
    """
    remedy = f"Set {variable} to an address such as https://host/path; http is for this machine only."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidInput(f"{variable} is not an address", remedy=remedy) from None
    if not host or parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidInput(f"{variable} is not the plain address of a service", remedy=remedy)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
        raise InvalidInput(f"{variable} does not start with https", remedy=remedy)
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def send(
    method: str,
    url: str,
    *,
    authorization: str | None = None,
    headers: Mapping[str, str] | None = None,
    params: list[tuple[str, str]] | None = None,
    body: bytes | None = None,
    limits: RequestLimits | None = None,
) -> HttpResponse:
    """Make one request over one new connection and return the answer; redirects are returned, not followed.

    Raises:
        NotSent: no connection came about.
        ConnectionBroken: timed out, cut off, too large or not HTTP, after the connection stood.
    """
    limits = limits or RequestLimits()
    request = _Request(
        method=method, url=url, authorization=authorization, headers=headers or {}, params=params or [], body=body
    )
    call = _Call()

    def work() -> None:
        try:
            call.answer = _exchange(call, request, limits)
        except (RequestException, HTTPError, OSError, ValueError) as error:
            call.error = error
        finally:
            call.done.set()

    # A thread of its own, because neither the look-up of a name nor a handshake can be told a deadline.
    threading.Thread(target=work, daemon=True, name="http-request").start()
    in_time = call.done.wait(limits.total_seconds)
    if not in_time:
        call.expire()
    if in_time and call.answer is not None:
        return call.answer
    reason = _reason(call.error) if in_time else f"it took longer than {limits.total_seconds:g} seconds"
    if call.connected:
        raise ConnectionBroken(reason)
    raise NotSent(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    url: str
    authorization: str | None = field(repr=False)
    headers: Mapping[str, str]
    params: list[tuple[str, str]]
    body: bytes | None = field(repr=False)


class _Call:
    """What both threads know of a request. Once it has expired, no connection of it may stand any more."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: HttpResponse | None = None
        self.error: Exception | None = None
        self.connected = False
        self._expired = False
        self._connection: Any = None
        self._lock = threading.Lock()

    def on_connected(self, connection: Any) -> None:
        with self._lock:
            if self._expired:
                connection.close()
                raise OSError("the connection came too late")
            self.connected, self._connection = True, connection

    def expire(self) -> None:
        """Cut the connection, which ends the other thread; or keep it from sending anything."""
        with self._lock:
            self._expired = True
            if self._connection is None or self._connection.sock is None:
                return
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Tells a call when its connection stands."""

    def __init__(self, call: _Call) -> None:
        super().__init__(max_retries=0)
        self._call = call

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **named)
        pool.ConnectionCls = _notifying_connection(pool.ConnectionCls, self._call.on_connected)
        return pool


def _notifying_connection(connection_class: type[Any], on_connected: Callable[[Any], None]) -> type[Any]:
    def connect(self: Any) -> None:
        connection_class.connect(self)
        on_connected(self)

    return type("Watched", (connection_class,), {"connect": connect})


def _exchange(call: _Call, request: _Request, limits: RequestLimits) -> HttpResponse:
    def authorise(prepared: PreparedRequest) -> PreparedRequest:
        # As a function, because a plain header gives way to whatever a netrc file holds for the host.
        if request.authorization is not None:
            prepared.headers["Authorization"] = request.authorization
        return prepared

    with Session() as session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Adapter(call))
        if is_loopback(request.url):
            session.trust_env = False  # no proxy stands between this machine and itself
        with session.request(
            request.method,
            request.url,
            params=request.params,
            data=request.body,
            # An answer that unpacks itself has no bounded size.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", **request.headers},
            auth=authorise,
            timeout=(limits.connect_seconds, limits.read_seconds),
            allow_redirects=False,
            stream=True,
        ) as response:
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise ValueError("the answer is packed, although it was asked for as it is")
            content = bytearray()
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                content += chunk
                if len(content) > limits.body_bytes:
                    raise ValueError(f"the answer is larger than {limits.body_bytes} bytes")
            return HttpResponse(status=response.status_code, headers=response.headers, body=bytes(content))


def _reason(error: Exception | None) -> str:
    """Return the innermost cause, one line; requests and urllib3 wrap it several times."""
    text = str(error)
    cause: BaseException | None = error
    while cause is not None:
        text = str(cause) or type(cause).__name__
        cause = cause.__cause__ or cause.__context__
    return " ".join(text.split())[:200]
