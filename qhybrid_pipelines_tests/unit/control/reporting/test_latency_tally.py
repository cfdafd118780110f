"""How long jobs took, kept from one question to the next: always what reading everything says."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, Ledger, Transition
from qhybrid_pipelines.control.reporting import latency_tally
from qhybrid_pipelines.control.reporting.latency_tally import BUCKETS, COMPONENTS, read_latency_tally
from qhybrid_pipelines.control.reporting.ledger_tables import latency
from qhybrid_pipelines_tests.support.job_histories import COMPLETE, noon_plus, write_job_history
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger


def counted_by_hand(ledger: Ledger) -> tuple[Counter[tuple[str, str, int]], dict[tuple[str, str], float]]:
    counts, sums = Counter(), {}
    for job in ledger.jobs():
        parts = latency(job, ledger.events(job.job_id))
        for component in COMPONENTS:
            seconds = getattr(parts, f"{component}_seconds")
            if seconds is not None:
                counts[job.backend, component, bisect_left(BUCKETS, seconds)] += 1
                sums[job.backend, component] = sums.get((job.backend, component), 0.0) + seconds
    return counts, sums


def assert_complete(ledger: Ledger, file: Path) -> None:
    found = read_latency_tally(ledger, file=file, tmp=None)
    counts, sums = counted_by_hand(ledger)
    assert +found.counts == counts
    assert {key: total / 1e6 for key, total in found.microseconds.items() if key in sums} == pytest.approx(sums)
    assert found.head == ledger.head()


#: A job that is written down with so many steps, or one step more of a job that has some, and whether somebody asks then.
STEPS = st.lists(st.tuples(st.integers(0, 4), st.integers(2, len(COMPLETE)), st.booleans()), max_size=12)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, page=st.sampled_from([1, 3, 1000]))
def test_whenever_it_is_asked_it_says_what_reading_everything_says(tmp_path_factory, steps, page) -> None:
    ledger, file = MemoryLedger(), tmp_path_factory.mktemp("tally") / "job_seconds.json"
    jobs, before = {}, latency_tally.EVENTS_PER_PAGE
    latency_tally.EVENTS_PER_PAGE = page
    try:
        for number, length, is_asked in steps:
            if number not in jobs:
                steps_taken = COMPLETE[:length]
                backend = ("ionq:simulator", "v:d")[number % 2]
                jobs[number] = (
                    write_job_history(ledger, f"j{number}", steps_taken, backend=backend, budget_usd=99.0),
                    length,
                )
            elif jobs[number][1] < len(COMPLETE):
                job, done = jobs[number]
                event, at, clock = COMPLETE[done]
                step = EventData(event=event, at=noon_plus(at), clock=clock)
                more = {"provider_job_id": f"p-{number}"} if event is Event.ACKNOWLEDGE else {}
                moved = ledger.advance(Transition(job=job, steps=(step,), observed_at=step.at, **more))
                jobs[number] = (moved, done + 1)
            if is_asked:
                assert_complete(ledger, file)
        assert_complete(ledger, file)
    finally:
        latency_tally.EVENTS_PER_PAGE = before


def test_only_new_events_are_read_again(tmp_path: Path) -> None:
    ledger, asked, file = MemoryLedger(), [], tmp_path / "job_seconds.json"
    write_job_history(ledger, "j1")
    assert_complete(ledger, file)
    events = ledger.events
    ledger.events = lambda *ids, **how: (asked.append(how.get("after")), events(*ids, **how))[1]
    known = ledger.head().position
    read_latency_tally(ledger, file=file, tmp=None)
    assert asked == [known]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"position": 1}', b'{"position": "x", "hash": 1, "buckets": []}']
)
def test_a_damaged_file_is_counted_anew(tmp_path: Path, content: bytes) -> None:
    ledger, file = MemoryLedger(), tmp_path / "job_seconds.json"
    write_job_history(ledger, "j1")
    file.write_bytes(content)
    assert_complete(ledger, file)


def test_the_counts_of_another_ledger_are_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "job_seconds.json"
    one, other = MemoryLedger(), MemoryLedger()
    write_job_history(one, "j1")
    write_job_history(other, "j2", COMPLETE[:6], cost_quoted_usd=0.25)
    assert_complete(one, file)
    assert_complete(other, file)


def test_where_nothing_can_be_kept_everything_is_read(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    write_job_history(ledger, "j1")
    (tmp_path / "job_seconds.json").mkdir()
    assert_complete(ledger, tmp_path / "job_seconds.json")
