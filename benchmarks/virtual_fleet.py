"""A hundred workers and three vendors in virtual time: is the book exact, and do time and memory grow with the jobs and no faster?

The real dispatcher works on the ledger in memory, with the clock of a server; queues, faults, kills and wrong clocks come from a seed. The
vendors' books are the judge. Each size runs in a process of its own, whose processor seconds and most memory are printed. The exit
code is 0 if nothing was lost, paid twice, guessed, ended by nobody or left unfinished.

    python benchmarks/virtual_fleet.py --jobs 10000 30000
    python benchmarks/virtual_fleet.py --jobs 10000 30000 100000 --workers 100
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from measuring import figure, machine, show

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.lifecycle import TERMINAL
from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines_tests.support.durable_vendor import make_batch
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger
from qhybrid_pipelines_tests.support.virtual_fleet.event_queue import EventQueue
from qhybrid_pipelines_tests.support.virtual_fleet.fleet import Fleet
from qhybrid_pipelines_tests.support.virtual_fleet.judge import judge
from qhybrid_pipelines_tests.support.virtual_fleet.scenario import work_of
from qhybrid_pipelines_tests.support.virtual_fleet.vendor import FAULTS, Terms, Vendor
from qhybrid_pipelines_tests.support.virtual_fleet.worker_clocks import Skew
from qhybrid_pipelines_tests.support.virtual_fleet.worker_life import Hazards, Life, Work, places_of_lives

PARTS = 10
POLLERS = 3
#: Works of a worker that are under way at the same time.
WORKS_UNDER_WAY = 4
PAUSE_SECONDS = 30.0
TERMS = {
    "one": Terms(dedupe="tag_lookup", listing_lag_seconds=10.0, acceptance_seconds=120.0, run_seconds=60.0, places=300),
    "two": Terms(dedupe="token", acceptance_seconds=60.0, run_seconds=90.0, places=400),
    "three": Terms(dedupe="tag_lookup", listing_lag_seconds=2.0, acceptance_seconds=60.0, run_seconds=45.0, places=200),
}
#: How often something befalls a call, by method.
SHARES = {"submit": 0.06, "list": 0.02, "poll": 0.05, "fetch": 0.03, "cancel": 0.1}
#: A process dies about once in so many places.
PLACES_PER_KILL = 1500
UNSENT = frozenset({JobState.PLANNED, JobState.APPROVED, JobState.SUBMITTING})
#: A worker has nothing more to do about these; what nobody can know is for a person, at the end.
LEFT_ALONE = TERMINAL | {JobState.SUBMIT_UNKNOWN}


class Works(Sequence[Work]):
    """What is wanted, made when it is looked at: the batches of all jobs together would be most of the memory."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Work:
        if not 0 <= number < self._count:
            raise IndexError(number)
        backend = f"{list(TERMS)[number % len(TERMS)]}:device"
        like = make_batch(experiment=f"fleet-{number:08d}", backend=backend, points=1)
        parts = [replace(like, shots=100 + PARTS * number + part) for part in range(PARTS)]
        return Work(
            sub_batches=[
                SubBatch(batch=batch, first_point=0, first_repetition=2 * part) for part, batch in enumerate(parts)
            ],
            request=SubmitRequest(tier="batch", budget_usd=10.0),
        )


def drawn_faults(rng: random.Random, struck: Counter[str]) -> Callable[[str], str]:
    def next_fault(method: str) -> str:
        if rng.random() >= SHARES.get(method, 0.0):
            return ""
        fault = rng.choice(FAULTS[method])
        struck[f"{method}: {fault}"] += 1
        return fault

    return next_fault


def start_submitter(fleet: BusyFleet, number: int, left: list[int]) -> None:
    """Start a worker that goes through its works, some at the same time, in one process after the other."""
    under_way: dict[int, dict[str, JobState]] = {}

    def work(dispatcher: Dispatcher) -> None:
        while left or under_way:
            while left and len(under_way) < WORKS_UNDER_WAY:
                under_way[left.pop()] = {}
            for work_number in list(under_way):
                go_on(dispatcher, work_number)
            fleet.queue.wait(PAUSE_SECONDS)
        fleet.at_work.discard(number)

    def go_on(dispatcher: Dispatcher, work_number: int) -> None:
        wanted, jobs = fleet.works[work_number], under_way[work_number]
        found = {job.job_id: job for job in fleet.ledger.jobs(ids=jobs)}
        known = {job_id: found[job_id] for job_id in jobs}
        if not jobs or any(job.state in UNSENT for job in known.values()):
            with suppress(QHybridError):
                dispatcher.submit_all(wanted.sub_batches, wanted.request)
            latest = [dispatcher.latest_job(sub_batch.batch) for sub_batch in wanted.sub_batches]
            known = {job.job_id: job for job in latest if job is not None}
        for sub_batch, job in zip(wanted.sub_batches, known.values(), strict=False):
            if job.state in (JobState.COMPLETED, JobState.FETCHED):
                with suppress(QHybridError):
                    known[job.job_id] = dispatcher.collect(job.job_id, sub_batch.batch).job
        under_way[work_number] = {job_id: job.state for job_id, job in known.items()}
        if len(known) == PARTS and all(job.state in LEFT_ALONE for job in known.values()):
            del under_way[work_number]

    live_again_and_again(fleet, number, work)


def start_poller(fleet: BusyFleet, number: int) -> None:
    """Start one that polls for all."""

    def work(dispatcher: Dispatcher) -> None:
        while fleet.at_work:
            fleet.cursors[number] = dispatcher.poll_due(cursor=fleet.cursors[number]).cursor
            fleet.queue.wait(PAUSE_SECONDS)

    live_again_and_again(fleet, number, work)


def live_again_and_again(fleet: Fleet, number: int, work: Callable[[Dispatcher], None]) -> None:
    def live(life: Life) -> None:
        if not life.run(work):
            again = Life(fleet, number)
            fleet.queue.start(lambda: live(again), after=7.0, life=again)

    first = Life(fleet, number)
    fleet.queue.start(lambda: live(first), after=number * 0.3, life=first)


class BusyFleet(Fleet):
    """A fleet that knows which submitters still have something to do."""

    at_work: set[int]


def run_one(jobs: int, workers: int, seed: int) -> Mapping[str, Any]:
    """Run a fleet and judge it."""
    rng, struck, queue = random.Random(seed), Counter[str](), EventQueue()
    works = Works(jobs // PARTS)
    machines = workers + POLLERS
    kills = [frozenset(_kill_places(rng, jobs * 40 // workers)) for _ in range(machines)]
    fleet = BusyFleet(
        queue,
        MemoryLedger(),
        [
            Vendor(queue, name, terms, next_fault=drawn_faults(rng, struck), work_of=work_of)
            for name, terms in TERMS.items()
        ],
        works,
        skews=[
            Skew(offset_seconds=rng.choice([0, 0, 0, 20, -20, 660, -86_400]), drift=rng.uniform(-1e-4, 1e-4))
            for _ in kills
        ],
        hazards=[Hazards(kills=places) for places in kills],
        has_server_clock=True,
    )
    fleet.at_work = set(range(workers))
    gc.freeze()
    started, worked = time.perf_counter(), time.process_time()
    with places_of_lives():
        for number in range(workers):
            start_submitter(fleet, number, list(range(number, len(works), workers)))
        for number in range(workers, machines):
            start_poller(fleet, number)
        queue.run()
        fleet.set_clocks_right()
        fleet.settle()
    ran, ran_worked, findings = time.perf_counter() - started, time.process_time() - worked, judge(fleet)
    for finding in findings[:20]:
        print(finding, file=sys.stderr)
    return {
        "jobs": jobs,
        "findings": len(findings),
        "accepted": sum(len(vendor.book.jobs) for vendor in fleet.vendors.values()),
        "verified": len(fleet.ledger.jobs(states=[JobState.VERIFIED])),
        "refused": len(fleet.ledger.jobs(states=[JobState.REJECTED])),
        "other ends": len(fleet.ledger.jobs(states=TERMINAL - {JobState.VERIFIED, JobState.REJECTED})),
        "events": fleet.ledger.head().position,
        "kills": sum(len(hazards.died_at) for hazards in fleet.hazards),
        "faults": struck.total(),
        "virtual hours": round(queue.seconds / 3600, 1),
        "seconds": round(ran),
        "processor seconds": round(ran_worked),
        "with judging": round(time.process_time() - worked),
        "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _kill_places(rng: random.Random, until: int) -> list[int]:
    places, at = [], 0
    while (at := at + 1 + int(rng.expovariate(1 / PLACES_PER_KILL))) < until:
        places.append(at)
    return places


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--jobs", type=int, nargs="+", default=[10_000, 30_000])
    arguments.add_argument("--workers", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--one", action="store_true", help="run one size in this process, and print it as JSON")
    options = arguments.parse_args()
    if options.one:
        print(json.dumps(run_one(options.jobs[0], options.workers, options.seed)))
        return 0
    rows = []
    for jobs in options.jobs:
        command = [sys.executable, __file__, "--one", "--jobs", str(jobs)]
        command += ["--workers", str(options.workers), "--seed", str(options.seed)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        row = json.loads(done.stdout)
        row["ms per job"] = figure(1000 * row["processor seconds"] / jobs)
        row["kB per job"] = figure(1000 * row["peak MB"] / jobs)
        rows.append(row)
    about = machine("sqlalchemy") | {"workers": options.workers, "vendors": len(TERMS), "seed": options.seed}
    show(f"{options.workers} workers, {len(TERMS)} vendors, in virtual time", rows, about)
    return 1 if any(row["findings"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
