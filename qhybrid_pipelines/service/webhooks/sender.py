"""The sender: one task for each endpoint, in a thread of the service with an event loop of its own.

A part of `qhybrid serve`, and no process of its own: the lock of the service keeps a second one off the home, so that no two send the
same; it waits for networks and hardly computes; and what it has to remember is in the file of the endpoints, from which it goes on after
any end. Its own loop, so that neither a flood of requests delays messages, nor a flood of messages requests.

Every endpoint has its own task, connections, position and pauses: one that does not answer keeps nobody else waiting.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from qhybrid_pipelines.service.webhooks.channels import Channel
from qhybrid_pipelines.service.webhooks.deliveries import Deliveries
from qhybrid_pipelines.service.webhooks.endpoint_store import EndpointStore
from qhybrid_pipelines.service.webhooks.endpoints import Endpoint
from qhybrid_pipelines.service.webhooks.outbox import Outbox

#: Between two polls of the head of the ledger and at the endpoints.
POLL_SECONDS = 0.2
#: After something of this machine has failed: a full disk, a ledger that is away.
PAUSE_SECONDS = 5.0
#: A waiting endpoint is checked again after this time at the latest.
LONGEST_WAIT_SECONDS = 60.0
_log = logging.getLogger("qhybrid.service.webhooks")


@dataclass
class _Running:
    """The task of an endpoint, and its connections."""

    endpoint: Endpoint
    channel: Channel
    task: asyncio.Task[None] | None = field(default=None)


class WebhookSender:
    """Tells endpoints what happens.

    Args:
        store: of the endpoints.
        outbox: has the messages.
        open_channel: makes the connections of one endpoint.
        usable: returns why nothing can be sent to an endpoint as things are here; None where it can.
    """

    def __init__(
        self,
        store: EndpointStore,
        outbox: Outbox,
        *,
        open_channel: Callable[[Endpoint], Channel],
        usable: Callable[[Endpoint], str | None],
    ) -> None:
        self._store, self._outbox, self._open_channel, self._usable = store, outbox, open_channel, usable
        self.deliveries = Deliveries(store, outbox)
        self._pulse = asyncio.Event()
        self._end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun = threading.Event()
        self._running: dict[str, _Running] = {}
        self._thread = threading.Thread(target=self._run, name="webhook-sender", daemon=True)

    def start(self) -> None:
        """Begin, where an earlier process has stopped."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether endpoints are being told."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End; what is under way may be sent again by the next process."""
        if self._thread.is_alive() and self._begun.wait(10):
            assert self._loop is not None
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(timeout=10)

    def _run(self) -> None:
        asyncio.run(self._watch())

    async def _watch(self) -> None:
        """Keep one task for each endpoint, and wake all when there is something new."""
        self._loop = asyncio.get_running_loop()
        self._begun.set()
        seen: object = None
        while not self._end.is_set():
            try:
                now = await asyncio.to_thread(self._read_changes)
                if now != seen:
                    await self._keep_tasks(await asyncio.to_thread(self._store.all))
                    seen = now if self._running else (now[0], 0, 0)
                    self._pulse, before = asyncio.Event(), self._pulse
                    before.set()
                pause = POLL_SECONDS
            except Exception as error:  # noqa: BLE001  whatever it is, the endpoints wait for the next poll
                _log.warning("endpoints cannot be looked at: %s", type(error).__name__)
                pause = PAUSE_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), pause)
        await self._keep_tasks([])

    def _read_changes(self) -> tuple[object, int, int]:
        """Return what changes when there may be something to do."""
        outbox = self._outbox
        return self._store.version(), *((outbox.head(), outbox.last_upgrade()) if self._running else (0, 0))

    async def _keep_tasks(self, endpoints: list[Endpoint]) -> None:
        there = {endpoint.id: endpoint for endpoint in endpoints}
        for gone in self._running.keys() - there.keys():
            running = self._running.pop(gone)
            if running.task is not None:
                running.task.cancel()
                with suppress(asyncio.CancelledError):
                    await running.task
            await running.channel.close()
        for new in there.keys() - self._running.keys():
            running = _Running(there[new], self._open_channel(there[new]))
            running.task = asyncio.create_task(self._serve(new, running.channel), name=f"webhook {new}")
            self._running[new] = running

    async def _serve(self, endpoint_id: str, channel: Channel) -> None:
        """Tell one endpoint what it is to be told, until it is removed."""
        while True:
            pulse = self._pulse  # taken before anything is read: what comes in after that sets it
            try:
                wait = await self._turn(endpoint_id, channel)
            except Exception as error:  # noqa: BLE001  the position stays, and the next turn goes on from there
                _log.warning("endpoint %s: %s", endpoint_id, type(error).__name__)
                wait = PAUSE_SECONDS
            if wait > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(pulse.wait(), wait)

    async def _turn(self, endpoint_id: str, channel: Channel) -> float:
        """Do what can be done now for one endpoint, and return how long there is nothing to be done, in seconds."""
        endpoint = await asyncio.to_thread(self._store.get, endpoint_id)
        if endpoint is None or endpoint.state == "disabled":
            return LONGEST_WAIT_SECONDS
        problem = self._usable(endpoint)
        if problem is not None:
            if problem != endpoint.problem:
                await asyncio.to_thread(self._store.note_obstacle, endpoint_id, problem)
            return LONGEST_WAIT_SECONDS
        now = datetime.now(UTC)
        left = self.deliveries.seconds_until_due(endpoint, now)
        if left > 0:
            return min(left, LONGEST_WAIT_SECONDS)
        more = await self.deliveries.make_round(endpoint, channel, now=lambda: datetime.now(UTC), chance=random.random)
        return 0.0 if more else LONGEST_WAIT_SECONDS
