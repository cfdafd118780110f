"""Sending one message in the form of its endpoint: a signed webhook, a text for a Slack-compatible address, or a mail.

One attempt has one deadline, from looking the name up to the end of the answer. What a receiver writes is not kept.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import httpcore

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.service.webhooks.delivery_schedule import Attempt
from qhybrid_pipelines.service.webhooks.endpoints import Endpoint
from qhybrid_pipelines.service.webhooks.guarded_connections import GuardedBackend, NotAllowed, Resolve
from qhybrid_pipelines.service.webhooks.messages import MEDIA_TYPE, Message
from qhybrid_pipelines.service.webhooks.readable_messages import chat_line
from qhybrid_pipelines.service.webhooks.signatures import signature_headers
from qhybrid_pipelines.service.webhooks.target_addresses import Target, parse_target

#: For one attempt, all in all; receivers are expected to acknowledge first and to work afterwards.
DEADLINE_SECONDS = 15.0
#: Messages of different jobs that one endpoint is sent at a time.
LANES = 4
#: An answer is read up to here, so that its connection can be used again; a longer one costs the connection.
MAX_ANSWER_BYTES = 16 * 1024
USER_AGENT = "qhybrid-webhooks"
_SUCCESS = range(200, 300)
_REDIRECTS = range(300, 400)


class Channel(Protocol):
    """Where the messages of one endpoint go."""

    async def send(self, message: Message) -> Attempt:
        """Make one attempt."""

    async def close(self) -> None:
        """Close connections."""


class HttpChannel:
    """Sends by HTTP, as a signed webhook or as a text for a Slack-compatible address.

    Args:
        endpoint: to be told.
        secrets: returns those that sign now; none for a Slack-compatible address, whose secret is its address.
        resolve: looks names up.
        loopback: receivers on this machine are allowed.
    """

    def __init__(
        self, endpoint: Endpoint, *, secrets: Callable[[], Sequence[bytes]], resolve: Resolve, loopback: bool
    ) -> None:
        self._endpoint, self._secrets, self._loopback = endpoint, secrets, loopback
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpcore.default_ssl_context(),
            max_connections=LANES,
            max_keepalive_connections=LANES,
            keepalive_expiry=30.0,
            network_backend=GuardedBackend(resolve, loopback=loopback),
        )

    async def send(self, message: Message) -> Attempt:
        """Make one attempt."""
        try:
            target = parse_target(self._endpoint.target, loopback=self._loopback)
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await self._post(target, message)
        except InvalidInput as error:  # the setting that allowed it was taken back
            return Attempt(delivered=False, problem=f"Nothing is sent to this address: {error.problem}.")
        except NotAllowed:
            return Attempt(delivered=False, problem="Its name leads to an address inside a network.")
        except (TimeoutError, httpcore.TimeoutException):
            return Attempt(delivered=False, problem=f"It did not answer within {DEADLINE_SECONDS:.0f} seconds.")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            return Attempt(delivered=False, problem=f"It cannot be reached ({type(error).__name__}).")

    async def close(self) -> None:
        """Close connections."""
        await self._pool.aclose()

    async def _post(self, target: Target, message: Message) -> Attempt:
        if self._endpoint.kind == "slack":
            body = json.dumps({"text": chat_line(message.fields)}).encode()
            headers = {"content-type": "application/json"}
        else:
            body = message.body
            signed = signature_headers(self._secrets(), message_id=message.id, timestamp=int(time.time()), body=body)
            headers = {"content-type": MEDIA_TYPE, **signed}
        host = f"[{target.host}]" if ":" in target.host else target.host
        usual = (target.scheme, target.port) in {("https", 443), ("http", 80)}
        headers |= {
            "host": host if usual else f"{host}:{target.port}",
            "user-agent": USER_AGENT,
            "content-length": str(len(body)),
        }
        fields: list[tuple[bytes | str, bytes | str]] = list(headers.items())
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        async with self._pool.stream("POST", url, headers=fields, content=body) as answer:
            read = 0
            async for piece in answer.aiter_stream():
                read += len(piece)
                if read > MAX_ANSWER_BYTES:
                    break
            answered = {name.lower(): value for name, value in answer.headers}
            return _attempt(answer.status, answered.get(b"retry-after", b"").decode("latin-1"))


def _attempt(status: int, retry_after: str) -> Attempt:
    if status in _SUCCESS:
        return Attempt(delivered=True, status=status)
    problem = f"It answered with status {status}."
    if status in _REDIRECTS:
        problem = f"It answered with a redirect ({status}), which is not followed."
    seconds = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 7 else None
    return Attempt(delivered=False, status=status, problem=problem, retry_after_seconds=seconds)
