"""``Prefer`` (RFC 7240): how long a client would wait for the end of what it sends, and waiting for so long."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence

#: Longest wait; a longer one that is asked for is this one.
MOST_SECONDS = 60
#: Requests that wait at a time; one more is answered at once, as if it had not asked.
MOST_WAITING = 64
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?', re.IGNORECASE)


def wanted_seconds(headers: Sequence[str]) -> int | None:
    """Return how long a client would wait; None where it does not say so.

    The first of equal preferences counts, and one that is not understood is left aside, as the RFC wants it.

    Args:
        headers: the values of all its headers ``Prefer``.
    """
    for header in headers:
        for preference in header.split(","):
            if (match := _WAIT.fullmatch(preference.strip())) is not None:
                return min(int(match[1]), MOST_SECONDS)
    return None


class Waiters:
    """Requests that wait for something to come to its end."""

    def __init__(self) -> None:
        self.waiting = 0

    @property
    def has_room(self) -> bool:
        """Whether one more may wait."""
        return self.waiting < MOST_WAITING

    async def wait(
        self, ended: Callable[[], Awaitable[bool]], *, seconds: float, gone: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Return whether something came to its end within some seconds; looks ever more rarely.

        Args:
            ended: looks.
            seconds: the longest time.
            gone: tells whether nobody waits any more.
        """
        self.waiting += 1
        began = time.monotonic()
        try:
            while not await ended():
                waited = time.monotonic() - began
                if waited >= seconds or await gone():
                    return False
                pause = min(max(_SHORTEST_PAUSE, waited / 8), _LONGEST_PAUSE)
                await asyncio.sleep(min(pause, max(seconds - waited, 0.0)))
            return True
        finally:
            self.waiting -= 1
