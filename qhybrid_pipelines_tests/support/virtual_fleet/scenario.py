"""What may happen to a fleet, as a value that hypothesis generates and shrinks, and the run of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from hypothesis import strategies as st

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.jobs.context import SEND_WITHIN_SECONDS
from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.jobs import provider_time
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines_tests.support.durable_vendor import make_batch
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger
from qhybrid_pipelines_tests.support.virtual_fleet.event_queue import EventQueue
from qhybrid_pipelines_tests.support.virtual_fleet.fleet import ASKED_CLASS, Fleet
from qhybrid_pipelines_tests.support.virtual_fleet.vendor import FAULTS, Terms, Vendor
from qhybrid_pipelines_tests.support.virtual_fleet.worker_clocks import RIGHT, Skew
from qhybrid_pipelines_tests.support.virtual_fleet.worker_life import Hazards, Work, places_of_lives

VENDORS = ("one", "two")
ROUNDS, PAUSE_SECONDS = 24, 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A worker's machine: its clock, when its processes die, stand still or lose their locks, and how quick they are."""

    skew: Skew = RIGHT
    kills: frozenset[int] = frozenset()
    stalls: tuple[tuple[int, float], ...] = ()
    drops: frozenset[int] = frozenset()
    pace_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A piece of work: of how many jobs, for which tier, whether a person is asked, and which machines are told to do it."""

    parts: int = 1
    tier: Literal["interactive", "batch"] = "batch"
    is_asked: bool = False
    machines: frozenset[int] = frozenset({0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a person says about a work, when, and on which machine."""

    kind: Literal["cancel", "reroute"]
    work: int
    after_seconds: float
    machine: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What there is, and what happens.

    Attributes:
        faults: of each vendor, by method, what befalls its calls in their order.
        has_server_clock: the ledger's time is that of a server; else each machine has its own.
    """

    terms: tuple[Terms, Terms]
    faults: tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]
    machines: tuple[Machine, ...]
    works: tuple[Wanted, ...]
    words: tuple[Word, ...] = ()
    has_server_clock: bool = True


def scenarios(*, dedupe: tuple[str, ...] = ("tag_lookup", "token", "none")) -> st.SearchStrategy[Scenario]:
    """Return the scenarios; the simplest one is one machine and one job, to which nothing happens.

    Args:
        dedupe: what the vendors can tell.
    """
    terms = st.builds(
        Terms,
        dedupe=st.sampled_from(dedupe),
        listing_lag_seconds=st.sampled_from([5.0, 0.0, 60.0]),
        acceptance_seconds=st.sampled_from([600.0, 0.0]),
        run_seconds=st.sampled_from([40.0, 2.0, 900.0]),
        places=st.sampled_from([4, 1]),
    )
    faults = st.fixed_dictionaries(
        {},
        optional={
            method: st.lists(st.sampled_from(["", *known]), max_size=6).map(tuple) for method, known in FAULTS.items()
        },
    )
    skews = st.builds(
        Skew,
        offset_seconds=st.sampled_from([0.0, 25.0, -25.0, 660.0, -660.0, 86_400.0, -86_400.0]),
        drift=st.sampled_from([0.0, 1e-4, -1e-4]),
        steps=st.lists(
            st.tuples(st.integers(1, 1200).map(float), st.sampled_from([660.0, -660.0, 30.0, 86_400.0, -86_400.0])),
            max_size=2,
        ).map(tuple),
    )
    machines = st.builds(
        Machine,
        skew=skews,
        kills=st.frozensets(st.integers(1, 90), max_size=4),
        stalls=st.lists(st.tuples(st.integers(1, 60), st.sampled_from([10.0, 90.0, 1300.0])), max_size=2).map(tuple),
        drops=st.frozensets(st.integers(1, 60), max_size=3),
        pace_seconds=st.sampled_from([0.0, 0.05, 3.0]),
    )

    def of_machines(chosen: list[Machine]) -> st.SearchStrategy[Scenario]:
        numbers = st.integers(0, len(chosen) - 1)
        wanted = st.builds(
            Wanted,
            parts=st.integers(1, 2),
            tier=st.sampled_from(["batch", "interactive"]),
            is_asked=st.booleans(),
            machines=st.frozensets(numbers, min_size=1, max_size=len(chosen)),
        )
        words = st.builds(
            Word,
            kind=st.sampled_from(["cancel", "reroute"]),
            work=st.integers(0, 2),
            after_seconds=st.integers(0, 1500).map(float),
            machine=numbers,
        )
        return st.builds(
            Scenario,
            terms=st.tuples(terms, terms),
            faults=st.tuples(faults, faults),
            machines=st.just(tuple(chosen)),
            works=st.lists(wanted, min_size=1, max_size=3).map(tuple),
            words=st.lists(words, max_size=3).map(tuple),
            has_server_clock=st.booleans(),
        ).map(_with_true_windows)

    return st.lists(machines, min_size=1, max_size=3).flatmap(of_machines)


def _with_true_windows(scenario: Scenario) -> Scenario:
    """Let vendors count the half minute that a sender has among the time in which they accept, where locks are lost at once."""
    if not any(machine.drops for machine in scenario.machines):
        return scenario
    one, two = (
        replace(terms, acceptance_seconds=max(terms.acceptance_seconds, SEND_WITHIN_SECONDS))
        for terms in scenario.terms
    )
    return replace(scenario, terms=(one, two))


def run_scenario(scenario: Scenario, *, ledger: Any = None) -> Fleet:
    """Let a scenario happen, then let everything go well until all has come to an end, and return the fleet.

    Args:
        scenario: what happens.
        ledger: a new one; the default is one in memory.
    """
    queue = EventQueue()
    vendors = [
        Vendor(queue, name, terms, next_fault=_queued(faults), work_of=work_of)
        for name, terms, faults in zip(VENDORS, scenario.terms, scenario.faults, strict=True)
    ]
    fleet = Fleet(
        queue,
        ledger or MemoryLedger(),
        vendors,
        [make_work(number, wanted) for number, wanted in enumerate(scenario.works)],
        skews=[machine.skew for machine in scenario.machines],
        hazards=[
            Hazards(
                kills=machine.kills,
                stalls=dict(machine.stalls),
                drops=machine.drops,
                pace_seconds=machine.pace_seconds,
            )
            for machine in scenario.machines
        ],
        has_server_clock=scenario.has_server_clock,
    )
    readings = provider_time._readings
    try:
        with places_of_lives():
            for machine in range(len(scenario.machines)):
                works = [number for number, wanted in enumerate(scenario.works) if machine in wanted.machines]
                fleet.start_worker(machine, works, pause_seconds=PAUSE_SECONDS, rounds=ROUNDS)
            for word in scenario.words:
                if word.work < len(scenario.works):
                    fleet.speak(word.machine, partial(_say, fleet, word), after=word.after_seconds)
            queue.run()
            fleet.set_clocks_right()
            fleet.settle()
    finally:
        provider_time._readings = readings
    return fleet


def make_work(number: int, wanted: Wanted) -> Work:
    """Return a work; its jobs are told apart by their number of shots."""
    batches = [
        replace(
            make_batch(seed=1000 * number + 10 * part, backend=f"{VENDORS[0]}:device"), shots=100 + 10 * number + part
        )
        for part in range(wanted.parts)
    ]
    return Work(
        sub_batches=[
            SubBatch(batch=batch, first_point=0, first_repetition=2 * part) for part, batch in enumerate(batches)
        ],
        request=SubmitRequest(
            tier=wanted.tier, budget_usd=100.0, data_class=ASKED_CLASS if wanted.is_asked else "internal"
        ),
    )


def work_of(batch: CircuitBatch) -> str:
    """Return what a batch is the work of, by the shots of its job."""
    return str(batch.shots * batch.points * batch.repetitions)


def _queued(faults: dict[str, tuple[str, ...]]) -> Callable[[str], str]:
    left = {method: list(reversed(kinds)) for method, kinds in faults.items()}

    def next_fault(method: str) -> str:
        kinds = left.get(method)
        return kinds.pop() if kinds else ""

    return next_fault


def _say(fleet: Fleet, word: Word, dispatcher: Dispatcher) -> None:
    """Say a word about all jobs of a work, as far as they are written down."""
    for sub_batch in fleet.works[word.work].sub_batches:
        job = dispatcher.latest_job(sub_batch.batch)
        if job is None:
            continue
        fleet.words.add((work_of(sub_batch.batch), word.kind))
        try:
            if word.kind == "cancel":
                dispatcher.decisions.cancel(dispatcher.current_job(job.job_id).job_id, by="grace")
            else:
                other = replace(sub_batch.batch, backend=f"{VENDORS[1]}:device")
                dispatcher.decisions.reroute(job.job_id, other, reason="its queue is shorter", principal="grace")
        except QHybridError:
            continue
