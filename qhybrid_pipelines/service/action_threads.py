"""A few threads for what asks providers: one that does not answer must not take the threads in which everybody reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from qhybrid_pipelines.service.problem_documents import overloaded

_T = TypeVar("_T")
THREADS = 4
#: Actions that wait for a thread; more are refused.
MOST_WAITING = 32


class ActionThreads:
    """Runs actions, a few at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="action")
        self._under_way = 0

    async def run(self, act: Callable[[], _T]) -> _T:
        """Return what an action comes to.

        Raises:
            ProblemError: 503, too many are under way.
        """
        if self._under_way >= THREADS + MOST_WAITING:
            raise overloaded("Too many actions are under way.", seconds=5)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, act)
        finally:
            self._under_way -= 1

    def close(self) -> None:
        """Begin no more of them."""
        self._pool.shutdown(wait=False, cancel_futures=True)
