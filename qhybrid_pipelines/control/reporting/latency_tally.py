"""How long jobs took, counted into buckets: kept beside the ledger, and brought up to date from its new events.

What a job adds follows from its events up to a position, so its earlier share is taken away and its present one added:
the counts are those of reading everything, whatever was kept. Seconds are summed as whole microseconds, which adding and
taking away leave exact. The file is a cache: without it, or where the ledger is another one, all events are read once.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead
from qhybrid_pipelines.control.reporting.ledger_tables import EVENTS_PER_PAGE, latency
from qhybrid_pipelines.core.system.files import write_bytes

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord, Ledger

COMPONENTS = ("network", "orchestration", "compile", "queue", "execute", "fetch")
#: Upper bounds in seconds: from a simulator's milliseconds to a queue of days.
BUCKETS = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0, 259200.0)
#: Pages after which what was counted is kept: who is interrupted goes on from there.
PAGES_PER_SAVE = 20


@dataclass(slots=True)
class LatencyTally:
    """Times of jobs by backend and component.

    Attributes:
        head: link of the chain of events up to which they are counted.
        counts: jobs by backend, component and number of the bucket.
        microseconds: their sums by backend and component.
    """

    head: ChainHead = field(default_factory=ChainHead)
    counts: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    microseconds: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, job: JobRecord, events: Sequence[EventRecord], *, sign: int) -> None:
        """Add what a job's events say, or take it away with a ``sign`` of -1."""
        parts = latency(job, events)
        for component in COMPONENTS:
            seconds = getattr(parts, f"{component}_seconds")
            if seconds is not None:
                self.counts[job.backend, component, bisect_left(BUCKETS, seconds)] += sign
                self.microseconds[job.backend, component] += sign * round(seconds * 1e6)


def read_latency_tally(ledger: Ledger, *, file: Path | None, tmp: Path | None) -> LatencyTally:
    """Return the times of all jobs of a ledger.

    Args:
        ledger: has the jobs and their events.
        file: holds what was counted before, and is written again; None reads all events.
        tmp: folder of unfinished files.
    """
    tally = _load(file) if file else LatencyTally()
    if not ledger.contains(tally.head):
        tally = LatencyTally()
    begin, pages = tally.head, 0
    while events := ledger.events(after=tally.head.position, limit=EVENTS_PER_PAGE):
        _count_page(ledger, tally, events)
        tally.head = ChainHead(position=events[-1].position, hash=events[-1].hash)
        pages += 1
        if file and pages % PAGES_PER_SAVE == 0:
            _save(tally, file, tmp or file.parent)
    if file and tally.head != begin:
        _save(tally, file, tmp or file.parent)
    return tally


def _count_page(ledger: Ledger, tally: LatencyTally, page: Sequence[EventRecord]) -> None:
    names = {event.job_id for event in page}
    jobs, histories = ledger.jobs(ids=names), ledger.histories(names)
    for job in jobs:
        known = [event for event in histories[job.job_id] if event.position <= page[-1].position]
        before = [event for event in known if event.position <= tally.head.position]
        if before:
            tally.count(job, before, sign=-1)
        tally.count(job, known, sign=1)


def _load(file: Path) -> LatencyTally:
    """Return what was counted before; nothing where the file is missing, damaged or of other buckets."""
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
        if found["buckets"] != list(BUCKETS):
            return LatencyTally()
        return LatencyTally(
            head=ChainHead(position=int(found["position"]), hash=str(found["hash"])),
            counts=Counter({(str(b), str(c), int(n)): int(jobs) for b, c, n, jobs in found["counts"]}),
            microseconds=Counter({(str(b), str(c)): int(total) for b, c, total in found["microseconds"]}),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return LatencyTally()


def _save(tally: LatencyTally, file: Path, tmp: Path) -> None:
    content = {
        "position": tally.head.position,
        "hash": tally.head.hash,
        "buckets": BUCKETS,
        "counts": [[*key, jobs] for key, jobs in sorted(tally.counts.items()) if jobs],
        "microseconds": [[*key, total] for key, total in sorted(tally.microseconds.items())],
    }
    with suppress(OSError):  # a home that may only be read is counted anew each time
        write_bytes(file, json.dumps(content).encode(), tmp=tmp)
