"""One HTTP request that ends: in time, within a size, at the host that was asked, and sent at most once.

No library default does that. A read timeout starts again with every byte, so a body or header that drips never times
out; a redirect may lead a key to another host; a retry may pay twice. Here a request has a deadline as a whole, and
whoever calls is told whether anything can have reached the other side.

=======================================================================  ===========================================
what httpx raises                                                        what it means
=======================================================================  ===========================================
ConnectError, ConnectTimeout, PoolTimeout, ProxyError, or the deadline   `NotSent`: the request never left
passes while it is still connecting
ReadError, ReadTimeout, WriteError, WriteTimeout, RemoteProtocolError,   `ConnectionBroken`: it may have been accepted
the deadline passes later, and everything else
=======================================================================  ===========================================
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import ssl
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.provider_time import note_answer
from qhybrid_pipelines.core.system.clock import boot_seconds
from qhybrid_pipelines.core.text.redaction import redact_content, vendor_text

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_CHUNK = 1 << 16
#: Each may name a file or a folder of certificates; the first that is set decides.
CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What a request may take.

    Attributes:
        connect_seconds: until the connection is made.
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
    headers: Mapping[str, str] | None = None,
    params: Sequence[tuple[str, str]] | None = None,
    body: bytes | None = None,
    limits: RequestLimits | None = None,
    asks_for_secret: bool = False,
) -> HttpResponse:
    """Make one request over one new connection and return the answer; redirects are returned, not followed.

    Proxies and certificates are those that the environment names; no proxy is used between this machine and itself. Whatever field of
    the answer repeats a key, an id or a date as well as a message, the key gets no further than here, unless the answer is
    a secret that was asked for.

    Raises:
        NotSent: no connection came about.
        ConnectionBroken: timed out, cut off, too large or not HTTP, after the connection stood.
    """
    import httpx

    limits = limits or RequestLimits()
    try:
        client = httpx.AsyncClient(
            verify=_tls_context(url), trust_env=not is_loopback(url), timeout=_timeout(limits), follow_redirects=False
        )
        # An answer that unpacks itself has no bounded size.
        wanted = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        request = client.build_request(method, url, params=tuple(params or ()) or None, headers=wanted, content=body)
    except (httpx.InvalidURL, OSError, ValueError, ImportError) as error:
        raise NotSent(_reason(error, limits)) from None
    sent = boot_seconds()
    answer = _run(_exchange(client, request, limits))
    note_answer(answer.headers, sent=sent, received=boot_seconds())
    return answer if asks_for_secret else replace(answer, body=redact_content(answer.body))


async def _exchange(client: httpx.AsyncClient, request: httpx.Request, limits: RequestLimits) -> HttpResponse:
    import anyio
    import httpx

    progress = _Progress()
    request.extensions = {**request.extensions, "trace": progress.trace}
    try:
        with anyio.fail_after(limits.total_seconds):
            async with client:
                return await _read_response(await client.send(request, stream=True), limits)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        raise NotSent(_reason(error, limits)) from None
    except TimeoutError:
        reason = f"it took longer than {limits.total_seconds:g} seconds"
        raise (NotSent if progress.is_connecting else ConnectionBroken)(reason) from None
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise ConnectionBroken(_reason(error, limits)) from None
    finally:
        await progress.close()


class _Progress:
    """How far a request has come, by the events that httpx reports."""

    def __init__(self) -> None:
        self._last_event = ""
        self._streams: list[Any] = []

    async def trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Take note of an event, as httpx's extension `trace` calls it."""
        self._last_event = event
        if event == "connection.connect_tcp.complete":
            self._streams.append(details["return_value"])

    @property
    def is_connecting(self) -> bool:
        """Whether nothing can have been sent yet. It has to be seen: doubt is the rule."""
        return self._last_event.startswith(("connection.connect_tcp.", "connection.start_tls."))

    async def close(self) -> None:
        """Close what was connected: a handshake that the deadline interrupts leaves its connection open."""
        for stream in self._streams:
            await stream.aclose()


async def _read_response(response: httpx.Response, limits: RequestLimits) -> HttpResponse:
    async with contextlib.aclosing(response):
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ValueError("the answer is compressed, although it was requested uncompressed")
        content = bytearray()
        async for chunk in response.aiter_raw(_CHUNK):
            content += chunk
            if len(content) > limits.body_bytes:
                raise ValueError(f"the answer is larger than {limits.body_bytes} bytes")
        return HttpResponse(status=response.status_code, headers=response.headers, body=bytes(content))


def _timeout(limits: RequestLimits) -> httpx.Timeout:
    import httpx

    return httpx.Timeout(limits.read_seconds, connect=limits.connect_seconds)


def _tls_context(url: str) -> ssl.SSLContext:
    """Return which certificates are believed: those that the environment names, else the usual authorities'.

    Raises:
        OSError: what the environment names is not there or holds no certificates.
    """
    import httpx

    if not url.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not used; it believes nobody
    for variable in CERTIFICATE_VARIABLES:
        named = os.environ.get(variable)
        if named:
            folder = Path(named).is_dir()
            return ssl.create_default_context(cafile=None if folder else named, capath=named if folder else None)
    return httpx.create_ssl_context(trust_env=False)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where the calling thread has an event loop of its own, as in a notebook."""
    if not _has_running_loop():
        return _run_in_new_loop(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_run_in_new_loop, work).result()


def _has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_in_new_loop(work: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    try:
        return loop.run_until_complete(task)
    finally:
        if not task.done():  # interrupted by the keyboard
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()  # unlike `asyncio.run` without waiting for a look-up of a name that hangs in its thread


def _reason(error: BaseException, limits: RequestLimits) -> str:
    """Return the innermost cause that says something, one line; httpx and httpcore wrap it several times."""
    import httpx

    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {limits.connect_seconds:g} seconds"
    if isinstance(error, httpx.TimeoutException):
        return f"silence for {limits.read_seconds:g} seconds"
    text = type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        text = str(cause) or text
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__ or cause.__context__
    return vendor_text(text, max_characters=200)
