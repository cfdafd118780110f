"""Telling an open page that its experiment has changed, as server-sent events; what has changed the page fetches as it always does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

from fastapi.concurrency import run_in_threadpool

from qhybrid_pipelines.service.event_feed import EventFeed
from qhybrid_pipelines.service.pages.experiment_view import ExperimentView

#: Between two readings of an experiment whose jobs have no news: a stage that ends without a job writes no event.
CHECK_SECONDS = 3.0
#: Between two readings in any case: a busy ledger must not make every open page read all the time.
PAUSE_SECONDS = 1.0
PING_SECONDS = 15.0
#: What a browser that was cut waits before it comes again.
RETRY_MILLISECONDS = 3000


async def updates(feed: EventFeed, read_view: Callable[[], ExperimentView | None], *, known: str) -> AsyncIterator[str]:
    """Yield an event `changed` for every version of an experiment that differs from the last one that is known, and `end` at its end.

    Args:
        feed: tells when the ledger has news, and counts who listens.
        read_view: returns the experiment; None where the visitor may not see it any more, which ends the stream. Runs in a thread.
        known: the version that the page shows.
    """
    feed.listeners += 1
    sent_at = time.monotonic()
    try:
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        while True:
            position = await feed.head()
            view = await run_in_threadpool(read_view)
            if view is None:
                yield "event: end\ndata: {}\n\n"
                return
            if view.version != known:
                known, sent_at = view.version, time.monotonic()
                yield f"id: {known}\nevent: changed\ndata: {json.dumps({'state': view.experiment['state']})}\n\n"
            if view.is_final:
                yield "event: end\ndata: {}\n\n"
                return
            if time.monotonic() - sent_at >= PING_SECONDS:
                sent_at = time.monotonic()
                yield ": nothing new\n\n"
            await asyncio.sleep(PAUSE_SECONDS)
            await feed.wait_beyond(position, seconds=CHECK_SECONDS - PAUSE_SECONDS)
    finally:
        feed.listeners -= 1
