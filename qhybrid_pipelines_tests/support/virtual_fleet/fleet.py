"""A fleet in virtual time: vendors, one ledger, and workers on machines of their own, which are killed and started again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.virtual_fleet.event_queue import EventQueue
from qhybrid_pipelines_tests.support.virtual_fleet.vendor import Vendor
from qhybrid_pipelines_tests.support.virtual_fleet.virtual_ledgers import put_in_virtual_time
from qhybrid_pipelines_tests.support.virtual_fleet.worker_clocks import RIGHT, Skew, machine_clock
from qhybrid_pipelines_tests.support.virtual_fleet.worker_life import Hazards, Life, Work, submit_and_collect

#: Work of this class waits for a person, all other is allowed.
ASKED_CLASS = "confidential"
POLICY = Policy.model_validate(
    {
        "rules": [
            {"name": "ask", "then": "approve", "reason": "somebody looks", "data_class": ASKED_CLASS},
            {"name": "all", "then": "allow", "reason": "trust"},
        ]
    }
)
#: A new process is there so long after the last one died.
RESTART_SECONDS = 7.0


class MemoryStore:
    """Raw results by their checksum."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self._contents[digest] = content
        return digest

    def get(self, digest: str) -> bytes:
        return self._contents[digest]


class Fleet:
    """Vendors, a ledger and machines.

    Args:
        queue: of virtual time.
        ledger: of the home that all work for.
        vendors: by name.
        works: what is wanted.
        skews: of each machine's clock.
        hazards: of each machine.
        has_server_clock: the ledger's time is that of a server.
    """

    def __init__(
        self,
        queue: EventQueue,
        ledger: Any,
        vendors: Sequence[Vendor],
        works: Sequence[Work],
        *,
        skews: Sequence[Skew],
        hazards: Sequence[Hazards],
        has_server_clock: bool,
    ) -> None:
        self.queue, self.ledger, self.works, self.store = queue, ledger, works, MemoryStore()
        self.vendors = {vendor.name: vendor for vendor in vendors}
        self.skews, self.hazards, self.has_server_clock = list(skews), list(hazards), has_server_clock
        self.locks, self.written_at = put_in_virtual_time(ledger, queue, has_server_clock=has_server_clock)
        self.wanted_at: dict[int, float] = {}
        self.cursors: list[Mapping[str, str]] = [{} for _ in skews]
        #: Jobs about which a person has said something, and what.
        self.words: set[tuple[str, str]] = set()

    def make_dispatcher(self, machine: int) -> Dispatcher:
        """Return a dispatcher as a new process on a machine makes it."""
        return Dispatcher(
            self.ledger,
            self.vendors,
            self.store,  # type: ignore[arg-type]  # puts and gets, as the store on disk
            deployment=Deployment(environment="dev", principal="ada"),
            policy=POLICY,
            clock=machine_clock(self.queue, self.skews[machine], self.queue.wait),
        )

    def start_worker(self, machine: int, works: Sequence[int], *, pause_seconds: float, rounds: int) -> None:
        """Start a worker that goes through its works again and again, in one process after the other."""
        left = rounds

        def work(dispatcher: Dispatcher) -> None:
            nonlocal left
            while left:
                left -= 1
                submit_and_collect(life, dispatcher, works)
                self.queue.wait(pause_seconds)

        def begin() -> None:
            nonlocal life
            life = Life(self, machine)
            self.queue.start(lambda: live(life), after=RESTART_SECONDS, life=life)

        def live(me: Life) -> None:
            if not me.run(work) and left:
                begin()

        life = Life(self, machine)
        begin()

    def speak(self, machine: int, say: Callable[[Dispatcher], None], *, after: float) -> None:
        """Let a person say something later, by a command on a machine, again where its process dies."""

        def run() -> None:
            if not life.run(say):
                self.speak(machine, say, after=RESTART_SECONDS)

        life = Life(self, machine)
        self.queue.start(run, after=after, life=life)

    def set_clocks_right(self) -> None:
        """Let everything go well from now on: right clocks and no hazards; faults end by themselves."""
        self.skews = [RIGHT for _ in self.skews]
        for hazards in self.hazards:
            hazards.kills, hazards.stalls, hazards.drops = frozenset(), {}, frozenset()

    def settle(self, *, rounds: int = 60) -> None:
        """Let a person see to everything, on a machine with a right clock, until all jobs have come to an end."""
        for number in range(rounds):
            if not self.unsettled():
                return
            self.speak(0, self._see_to_everything, after=30.0 * 1.3 ** min(number, 30))
            self.queue.run()

    def unsettled(self) -> list[int]:
        """Return the works that have not come to an end."""
        dispatcher = self.make_dispatcher(0)
        left = []
        for number, work in enumerate(self.works):
            jobs = [dispatcher.latest_job(sub_batch.batch) for sub_batch in work.sub_batches]
            current = [dispatcher.current_job(job.job_id) if job else None for job in jobs]
            if not all(job is not None and job.state in ENDS for job in current):
                left.append(number)
        return left

    def _see_to_everything(self, dispatcher: Dispatcher) -> None:
        for job in self.ledger.jobs(states=[JobState.SUBMIT_UNKNOWN]):
            vendor = self.vendors[job.provider]
            found = [line for line in vendor.book.jobs.values() if line.token == job.token]
            vendor.book.unresolved.discard(str(job.shots))
            dispatcher.decisions.resolve(job.job_id, found[0].provider_job_id if found else None)
        for job in self.ledger.jobs(states=[JobState.AWAITING_APPROVAL]):
            try:
                dispatcher.decisions.approve(job.job_id, by="grace")
            except QHybridError:  # too late
                continue
        life = Life(self, 0)
        submit_and_collect(life, dispatcher, self.unsettled())


ENDS = frozenset(
    {
        JobState.VERIFIED,
        JobState.FAILED,
        JobState.REJECTED,
        JobState.CANCELLED,
        JobState.EXPIRED,
    }
)
