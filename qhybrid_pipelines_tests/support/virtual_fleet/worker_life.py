"""One life of a worker's process: it submits, polls and collects until it is killed, and reaches places where that may happen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenlet import getcurrent

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.core.system import failpoints
from qhybrid_pipelines_tests.support.virtual_fleet.event_queue import Killed, current_life

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qhybrid_pipelines_tests.support.virtual_fleet.fleet import Fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What somebody wants to have run: parts that are planned together, and on which terms."""

    sub_batches: Sequence[SubBatch]
    request: SubmitRequest


@dataclass(slots=True, kw_only=True)
class Hazards:
    """What befalls the processes of one machine, counted over all places that they reach.

    Attributes:
        kills: numbers of places at which the process dies.
        stalls: numbers of places at which the machine stands still, and for how many seconds.
        drops: numbers of places at which a ledger's server ends the session that holds the process's locks, which goes on.
        pace_seconds: between two places; where it is zero, other workers come to their turn only when this one waits.
        reached: how many places there were so far.
        died_at: names of the places of the kills that landed.
    """

    kills: frozenset[int] = frozenset()
    stalls: dict[int, float] = field(default_factory=dict)
    drops: frozenset[int] = frozenset()
    pace_seconds: float = 0.0
    reached: int = 0
    died_at: list[str] = field(default_factory=list)


#: A machine that stands still for longer is cut off from a ledger's server, which gives its locks to others.
CONNECTION_LOST_AFTER_SECONDS = 60.0


class Life:
    """A process on a machine.

    Args:
        fleet: whose worker it is.
        machine: number of the machine.
    """

    def __init__(self, fleet: Fleet, machine: int) -> None:
        self.fleet, self.machine = fleet, machine
        self.hazards = fleet.hazards[machine]
        self.is_dead = False

    def reach(self, place: str) -> None:
        """Die here, stand still, or let the others go on."""
        hazards, queue = self.hazards, self.fleet.queue
        assert not self.is_dead, f"a process that was killed went on to {place}"
        hazards.reached += 1
        if hazards.reached in hazards.kills:
            hazards.died_at.append(place)
            self.is_dead = True
            raise Killed(place)
        if hazards.reached in hazards.drops and self.fleet.has_server_clock:
            self.fleet.locks.lose(getcurrent())
        # A request that stands still on its way out is one that is accepted late, which its vendor's terms bound.
        if (seconds := hazards.stalls.get(hazards.reached)) and not place.startswith("vendor."):
            if self.fleet.has_server_clock and seconds > CONNECTION_LOST_AFTER_SECONDS:
                task = getcurrent()
                queue.call_after(CONNECTION_LOST_AFTER_SECONDS, lambda: self.fleet.locks.lose(task))
            queue.wait(seconds)
        elif hazards.pace_seconds:
            queue.wait(hazards.pace_seconds)

    def run(self, do: Callable[[Dispatcher], None]) -> bool:
        """Do something with a dispatcher as a new process makes it; return whether the process lived to the end."""
        try:
            do(self.fleet.make_dispatcher(self.machine))
        except Killed:
            return False
        assert not self.is_dead, "something has caught the end of the process"
        return True


def submit_and_collect(life: Life, dispatcher: Dispatcher, works: Sequence[int]) -> None:
    """Go through works once: submit what is not, look, and collect what is done."""
    for number in works:
        with suppress(QHybridError):  # the next round, or the next process, goes on with it
            submit(life, dispatcher, number)
    life.fleet.cursors[life.machine] = dispatcher.poll_due(cursor=life.fleet.cursors[life.machine]).cursor
    for number in works:
        collect(life, dispatcher, number)
    dispatcher.expire_due()


def submit(life: Life, dispatcher: Dispatcher, number: int) -> None:
    """Submit one work, and note when that was first wanted."""
    work = life.fleet.works[number]
    life.fleet.wanted_at.setdefault(number, life.fleet.queue.seconds)
    dispatcher.submit_all(work.sub_batches, work.request)


def collect(life: Life, dispatcher: Dispatcher, number: int) -> None:
    """Collect the results of one work that are there."""
    for sub_batch in life.fleet.works[number].sub_batches:
        with suppress(QHybridError):
            job = dispatcher.latest_job(sub_batch.batch)
            job = job and dispatcher.current_job(job.job_id)
            if job is not None and job.state in (JobState.COMPLETED, JobState.FETCHED):
                dispatcher.collect(job.job_id, sub_batch.batch)


@contextmanager
def places_of_lives() -> Iterator[None]:
    """Let failpoints be reached by the life whose task runs."""

    def reached(name: str) -> None:
        if (life := current_life()) is not None:
            life.reach(name)

    before, failpoints.on_reached = failpoints.on_reached, reached
    try:
        yield
    finally:
        failpoints.on_reached = before
