"""Work in parts on all cores, results in the order of the parts, never many of them at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    make_worker: Callable[[], Callable[[Item], Result]], parts: Iterable[Item], *, threads: int
) -> Iterator[Result]:
    """Yield the answer to every part, in order.

    Args:
        make_worker: called once in each thread, so that a worker may keep buffers of its own.
        parts: taken as they are needed, at most two per thread ahead of the answer that is awaited.
        threads: how many; with one, the work is done by the caller.
    """
    if threads == 1:
        yield from map(make_worker(), parts)
        return
    own = threading.local()

    def work(part: Item) -> Result:
        if not hasattr(own, "worker"):
            own.worker = make_worker()
        answer: Result = own.worker(part)
        return answer

    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for part in parts:
                waiting.append(pool.submit(work, part))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
