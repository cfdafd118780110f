"""The door between the network and the cloud: counts requests, keeps what clients send, and plays the fault plan.

It is the outermost ASGI layer, because a fault may hide an answer that was already given. Connections are closed
through their transports, which ASGI does not show; `TrackedProtocol` remembers them by the client's address.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import zlib
from asyncio import Transport
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from qhybrid_pipelines.emulator.cloud import Cloud
from qhybrid_pipelines.emulator.route_names import (
    BRAKET_PREFIX,
    IBM_PREFIX,
    PREFIXES,
    SAPI_PREFIX,
    STORAGE_PREFIX,
    requested_backend,
    route_name,
)

_LARGEST_UNPACKED_BYTES = 64 * 2**20
"""A body that unpacks to more is refused."""

_CARRYING_KEYS = f"{IBM_PREFIX}/identity/"
"""Below it bodies are not kept, because a key is in them."""

_MAINTENANCE = b"<!DOCTYPE html><html><body><h1>Scheduled maintenance</h1><p>We will be back soon.</p></body></html>"


class TrackedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with its open connections known by the client's address."""

    transports: ClassVar[dict[tuple[str, int], Transport]] = {}

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Remember the connection."""
        self.transports[transport.get_extra_info("peername")[:2]] = transport
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.transports.pop(self.transport.get_extra_info("peername")[:2], None)
        super().connection_lost(exc)


class FaultMiddleware:
    """ASGI application around the cloud's own.

    Args:
        inner: answers requests.
        cloud: whose fault plan is played.

    Attributes:
        requests: requests by route since this process began.
    """

    def __init__(self, inner: ASGIApp, cloud: Cloud) -> None:
        self._inner, self._cloud = inner, cloud
        self.requests: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, well or as the plan has it."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIXES):
            await self._inner(scope, receive, send)
            return
        body = _unpacked(scope, await _whole_body(receive))
        route = route_name(scope["method"], scope["path"])
        self.requests[route] += 1
        store = self._cloud.store
        if body and not scope["path"].startswith(_CARRYING_KEYS):
            scope["emulator.body"] = store.store_body(
                at_real=self._cloud.wall(), route=route, query=scope["query_string"].decode("latin-1"), body=body
            )
        rule = None
        if store.rules:
            rule = store.next_fault(
                stage="request", route=route, backend=requested_backend(route, scope, body), seed=self._cloud.seed
            )
        if rule is None:
            await self._inner(scope, _replay_body(body, receive), send)
        else:
            await _FAULTS[rule.fault](FaultedRequest(self._inner, scope, body, receive, send), rule.params)


class FaultedRequest:
    """One request that a fault strikes."""

    def __init__(self, inner: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        self._inner, self._scope, self._body = inner, scope, body
        self._receive, self.send = receive, send

    def error(self, status: int, message: str) -> CapturedResponse:
        """Return an error in the shape of the face that was asked."""
        path = self._scope["path"]
        content: dict[str, Any] = error_body(status, message)
        if path.startswith(SAPI_PREFIX):
            content = {"error_code": status, "error_msg": message}
        elif path.startswith((BRAKET_PREFIX, STORAGE_PREFIX)):
            content = {"message": message}
        elif path.startswith(IBM_PREFIX):
            content = {"errors": [{"code": status, "message": message}]}
        headers = [(b"content-type", b"application/json")]
        return CapturedResponse(status=status, headers=headers, body=json.dumps(content).encode())

    async def run_inner(self) -> CapturedResponse:
        """Let the cloud do its work and keep the answer."""
        answer = CapturedResponse()
        await self._inner(self._scope, _replay_body(self._body, self._receive), answer.capture)
        return answer

    async def close(self, *, reset: bool) -> None:
        """End the connection without a word, or with a TCP reset instead of a farewell."""
        transport = TrackedProtocol.transports.get(tuple(self._scope["client"]))
        if transport is None:  # the client was faster
            return
        if reset:
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        else:
            transport.close()
        # the server would try to answer on a connection that it does not know to be gone
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _before_accept(call: FaultedRequest, params: Mapping[str, Any]) -> None:
    if params["drop"]:
        await call.close(reset=False)
    else:
        await call.error(params["status"], "The service is not available.").send(call.send)


async def _after_accept(call: FaultedRequest, params: Mapping[str, Any]) -> None:
    await call.run_inner()
    if params["drop"]:
        await call.close(reset=False)
    else:
        await call.error(params["status"], "The answer took too long.").send(call.send)


async def _gateway(call: FaultedRequest, params: Mapping[str, Any]) -> None:
    if params["accept"]:
        await call.run_inner()
    status = params["status"]
    page = f"<html><head><title>{status} {_NAMES.get(status, 'Error')}</title></head><body>gateway</body></html>"
    refusal = CapturedResponse(status=status, headers=[(b"content-type", b"text/html")], body=page.encode())
    if status == 429:
        refusal.headers.append((b"retry-after", b"0"))
    await refusal.send(call.send)


async def _early_answer(call: FaultedRequest, params: Mapping[str, Any]) -> None:
    answer = await call.run_inner()
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if answer.status == 200 and isinstance(found, dict | list):
        answer.body = json.dumps(_too_early(found, params["what"])).encode()
    await answer.send(call.send)


def _too_early(found: dict[str, Any] | list[Any], what: str) -> dict[str, Any] | list[Any]:
    """Return an answer as it may look for a moment: without content, a piece short, or with another job's word."""
    if what == "empty":
        return type(found)()
    if what == "short":
        return found[:-1] if isinstance(found, list) else dict(list(found.items())[:-1])
    job_bodies = found if isinstance(found, list) else found.get("jobs", [found])
    for job in job_bodies:
        if what == "no_shots":
            job.pop("shots", None)
        elif str(job.get("status")).lower() == "completed":
            job["status"] = {"completed": "failed", "COMPLETED": "FAILED"}.get(job["status"], "Failed")
            if isinstance(job.get("state"), dict):
                job["state"]["status"] = job["status"]
    return found


async def _slow(call: FaultedRequest, params: Mapping[str, Any]) -> None:
    if params["accept"] == "first":
        answer = await call.run_inner()
        await asyncio.sleep(params["seconds"])
    else:
        await asyncio.sleep(params["seconds"])
        answer = await call.run_inner()
    await answer.send(call.send)


async def _cut_off(call: FaultedRequest, _: Mapping[str, Any]) -> None:
    await (await call.run_inner()).send_half(call.send)
    await call.close(reset=True)


async def _truncated(call: FaultedRequest, _: Mapping[str, Any]) -> None:
    answer = await call.run_inner()
    answer.body = answer.body[: len(answer.body) // 2]
    await answer.send(call.send)


async def _html(call: FaultedRequest, params: Mapping[str, Any]) -> None:
    if params["accept"]:
        await call.run_inner()
    await CapturedResponse(status=200, headers=[(b"content-type", b"text/html")], body=_MAINTENANCE).send(call.send)


async def _throttled(call: FaultedRequest, params: Mapping[str, Any]) -> None:
    refusal = call.error(429, "Too many requests.")
    refusal.headers.append((b"retry-after", str(params["retry_after"]).encode()))
    await refusal.send(call.send)


_FAULTS: Mapping[str, Callable[[FaultedRequest, Mapping[str, Any]], Awaitable[None]]] = {
    "before_accept": _before_accept,
    "after_accept": _after_accept,
    "gateway": _gateway,
    "early_answer": _early_answer,
    "slow": _slow,
    "reset": _cut_off,
    "truncated_json": _truncated,
    "html_200": _html,
    "throttle": _throttled,
}


class CapturedResponse:
    """A whole HTTP answer, kept instead of sent."""

    def __init__(
        self, *, status: int = 500, headers: list[tuple[bytes, bytes]] | None = None, body: bytes = b""
    ) -> None:
        self.status, self.headers, self.body = status, headers or [], body

    async def capture(self, message: Message) -> None:
        """Take the place of ASGI's ``send``."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")

    async def send(self, send: Send) -> None:
        """Send it, with the length that its body has."""
        await self._head(send)
        await send({"type": "http.response.body", "body": self.body})

    async def send_half(self, send: Send) -> None:
        """Send the head and half of the body."""
        await self._head(send)
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})

    async def _head(self, send: Send) -> None:
        """Send status and headers."""
        headers = [(name, value) for name, value in self.headers if name.lower() != b"content-length"]
        headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})


def error_body(status: int, message: str, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return an error in the shape that the interface publishes."""
    body: dict[str, Any] = {"statusCode": status, "error": _NAMES.get(status, "Error"), "message": message}
    if keys:
        body["validation"] = {"source": "payload", "keys": list(keys)}
    return body


_NAMES: Mapping[int, str] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Payload Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def _unpacked(scope: Scope, body: bytes) -> bytes:
    """Return a body as it was before its client packed it; one that cannot be unpacked stays as it is."""
    if dict(scope["headers"]).get(b"content-encoding") != b"deflate":
        return body
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(body, _LARGEST_UNPACKED_BYTES)
    except zlib.error:
        return body
    return unpacked if unpacking.eof else body


async def _whole_body(receive: Receive) -> bytes:
    """Receive a request's body."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay_body(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that begins with a body received before."""
    pending = [body]

    async def replayed() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replayed
