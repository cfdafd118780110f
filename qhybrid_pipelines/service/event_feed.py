"""Waiting for events: one query of the last position serves everybody who listens, and nobody listens for free for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

#: Between two queries of the last position.
HEAD_SECONDS = 0.25
#: Streams that are open at a time.
MOST_LISTENERS = 200


class EventFeed:
    """Tells when there are more events, of the ledger or among the upgrades of decisions.

    Args:
        read_head: returns the position of the last event; may take a moment, and runs in a thread.
    """

    def __init__(self, read_head: Callable[[], int]) -> None:
        self._read_head = read_head
        self._last_head, self._refreshed_at = 0, float("-inf")
        self._refreshing = asyncio.Lock()
        self.listeners = 0

    async def wait_beyond(self, position: int, *, seconds: float) -> bool:
        """Return once there is an event after a position: True; False where there is none for so long."""
        until = time.monotonic() + seconds
        while await self.head() <= position:
            left = until - time.monotonic()
            if left <= 0:
                return False
            await asyncio.sleep(min(HEAD_SECONDS, left))
        return True

    async def head(self) -> int:
        """Return the position of the last event, as it was at most one interval ago."""
        async with self._refreshing:
            if time.monotonic() - self._refreshed_at >= HEAD_SECONDS:
                self._last_head = await asyncio.to_thread(self._read_head)
                self._refreshed_at = time.monotonic()
            return self._last_head
