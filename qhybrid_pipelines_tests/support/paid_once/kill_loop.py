"""Real processes that are killed at random moments and started again, until every request has come to its end.

They are forked from a process that has everything imported and connections closed, so a life costs milliseconds.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from qhybrid_pipelines.control.jobs.job_ids import job_id_for
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.jobs import provider_time
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.paid_once.judge import Tally, judge_naive, judge_protocol
from qhybrid_pipelines_tests.support.paid_once.ledger_copies import HomeCopies, LedgerBackups
from qhybrid_pipelines_tests.support.paid_once.machine_clocks import draw_clock
from qhybrid_pipelines_tests.support.paid_once.named_places import Errand, NamedPlaces, States
from qhybrid_pipelines_tests.support.paid_once.protocols import DONE, PROTOCOLS, TRY_AGAIN, Life, Worker, note_path
from qhybrid_pipelines_tests.support.paid_once.provider_setups import ProviderSetup, number_of, submit_known_job

WORKERS = 2
#: Rounds of processes after which a request has not come to its end for another reason than bad luck.
MOST_ROUNDS_PER_REQUEST = 60
ENDED = frozenset({JobState.VERIFIED, JobState.SUBMIT_UNKNOWN, JobState.CANCELLED})
#: Longest life of a process that is to die at a named place, in those of one request.
LONGEST_LIFE = 6.0
#: Where a process may die outside of the submission itself, in the order of a job's life.
PLACES: dict[str, frozenset[JobState | None]] = {
    "nothing written": frozenset({None}),
    "APPROVED": frozenset({JobState.APPROVED}),
    "SUBMITTED to RUNNING": frozenset({JobState.SUBMITTED, JobState.QUEUED, JobState.RUNNING}),
    "COMPLETED": frozenset({JobState.COMPLETED}),
    "FETCHED": frozenset({JobState.FETCHED}),
}


#: Between two looks whether a process has ended by itself.
PAUSE_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    slot: int
    kill_at: float


def _wait_until(process: _Process) -> None:
    """Wait until a process is to be killed; not longer than it lives, since a life may end early, and in vain."""
    while (left := process.kill_at - time.perf_counter()) > 0:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(min(left, PAUSE_SECONDS))


class KillTest:
    """One provider setup whose processes are killed.

    Args:
        setup: a new one.
        ledger: an empty one, opened by this process.
        protocol: a name of `protocols.PROTOCOLS`.
        rng: decides who is killed when.
        backups: keeps copies of the ledger, and puts one back now and then.
        copies: copies the home now and then, and lets both work.
        home: of the ledger, where it has copies.
        has_clocks: clocks of machines are wrong, or are set.
        places: lets half of the processes die at named places, as long as there are too few.
    """

    def __init__(
        self,
        setup: ProviderSetup,
        ledger: SqlLedger,
        protocol: str,
        rng: random.Random,
        *,
        backups: LedgerBackups | None = None,
        copies: HomeCopies | None = None,
        home: Home | None = None,
        has_clocks: bool = False,
        places: NamedPlaces | None = None,
    ) -> None:
        self._places = places
        self._backups, self._copies, self._home, self._has_clocks = backups, copies, home, has_clocks
        self._setup, self._ledger, self._protocol, self._chance = setup, ledger, protocol, rng
        self._life: Worker = PROTOCOLS[protocol]
        self._shared = mmap.mmap(-1, 4 * WORKERS)  # which request each process is at
        self._landed, self._at = 0, dict[str, int]()

    def run_until_done(self) -> Tally:
        """Kill and start again until every request has come to its end; return the figures.

        Raises:
            RuntimeError: a process failed by itself, or there is no end.
        """
        if self._protocol != "naive":
            submit_known_job(self._setup, self._ledger)
        usual, left, in_vain = 1.3 * self._run_without_kills(), len(self._setup.requests), 0
        for _ in range(MOST_ROUNDS_PER_REQUEST * left):
            if not (todo := self._unfinished()):
                break
            in_vain, left = (in_vain if len(todo) == left else 0), len(todo)
            # A life that is longer than the others, for example in recovery, must come to its end some time.
            in_vain += self._round(todo, usual * 1.2 ** max(0, in_vain - 1))
        else:
            raise RuntimeError(f"requests {sorted(todo)} have no end")
        naive = self._protocol == "naive"
        tally = (
            judge_naive(self._setup)
            if naive
            else judge_protocol(self._setup, self._ledger, has_cancellations=self._places is not None)
        )
        if self._places is not None:
            tally.broken += [f"a process was at {place}, where no way leads" for place in self._places.wrongly_passed()]
        tally.landed = self._landed
        if self._backups is not None:
            tally.restored, tally.undone = self._backups.restored, self._backups.undone
        if self._copies is not None:
            tally.copied, tally.asked = self._copies.copied, self._copies.asked
        tally.at.update(self._at)
        return tally

    def _run_without_kills(self) -> float:
        """Live once in this process, so that its children find everything warm, and once in a child; return its seconds."""
        guard = self._copies.guard(self._home, self._ledger) if self._copies and self._home else None
        life = Life(setup=self._setup, ledger=self._ledger, guard=guard)  # nobody wants its job back
        self._life(life, [0], lambda _: None)
        self._ledger.close()
        began = time.perf_counter()
        end = os.waitstatus_to_exitcode(os.waitpid(self._fork(0, [1], life), 0)[1])
        if end not in (DONE, TRY_AGAIN):
            raise RuntimeError("a process failed by itself")
        return time.perf_counter() - began

    def _round(self, todo: dict[int, States], span: float) -> bool:
        """Start one or two processes on the same work, kill each within ``span`` seconds, and tell whether all moments were random."""
        self._ledger.close()  # a child must not inherit an open SQLite file
        if self._backups is not None:
            self._backups.next_round(self._chance)
        ledger, guard = self._ledger, None
        if self._copies is not None:
            home, ledger = self._copies.next_round(self._chance)
            guard = self._copies.guard(home, ledger)
        now, running, is_random = time.perf_counter(), list[_Process](), True
        for slot in range(self._chance.choice((1, 1, WORKERS))):
            order, delay = list(todo), self._chance.uniform(0.0, span)
            if slot > 0:
                self._chance.shuffle(order)
            life = Life(setup=self._setup, ledger=ledger, guard=guard, has_cancellations=self._places is not None)
            errand = self._places.choose(self._chance, todo) if self._places and self._chance.random() < 0.5 else None
            if errand is not None:
                is_random, order, delay = False, errand.order, LONGEST_LIFE * span
                life = replace(life, asks=errand.asks)
            if self._has_clocks:
                life = replace(life, clock=draw_clock(self._chance, span))
            running.append(_Process(self._fork(slot, order, life, errand), slot, now + delay))
        for process in sorted(running, key=lambda process: process.kill_at):
            self._kill(process)
        return is_random

    def _kill(self, process: _Process) -> None:
        """Kill a process at its moment, unless it has died at its place or come to its end, and note where that was."""
        _wait_until(process)
        # Until it is waited for, even a process that has ended keeps its number.
        os.kill(process.pid, signal.SIGKILL)
        end = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
        if end == -signal.SIGKILL:
            self._landed += 1
            if self._places is not None:
                self._places.count(process.slot)
            [number] = struct.unpack_from("i", self._shared, 4 * process.slot)
            place = self._place(number)
            self._at[place] = self._at.get(place, 0) + 1
        elif end not in (DONE, TRY_AGAIN):
            raise RuntimeError("a process failed by itself")

    def _fork(self, slot: int, order: list[int], life: Life, errand: Errand | None = None) -> int:
        struct.pack_into("i", self._shared, 4 * slot, -1)
        if self._places is not None:
            self._places.clear(slot)
        child = os.fork()
        if child == 0:
            if self._places is not None:
                self._places.arm(slot, errand and errand.place)
            os._exit(self._run_worker(slot, order, life))
        return child

    def _run_worker(self, slot: int, order: list[int], life: Life) -> int:
        try:
            provider_time.forget()  # a new process has heard from nobody
            return self._life(life, order, self._marking(slot))
        except BaseException:  # noqa: BLE001 - a child must report, whatever happened
            traceback.print_exc()
            return 1

    def _marking(self, slot: int) -> Callable[[int], None]:
        return lambda number: struct.pack_into("i", self._shared, 4 * slot, number)

    def _unfinished(self) -> dict[int, States]:
        """Return the states of the jobs of each request that has not come to its end; of the naive protocol there are none."""
        if self._protocol == "naive":
            return {
                number: frozenset()
                for number, sub_batches in enumerate(self._setup.requests)
                if not all(note_path(self._setup, sub_batch).exists() for sub_batch in sub_batches)
            }
        known = {job.job_id: job.state for job in self._ledger.jobs()}
        found = {
            number: frozenset(known.get(job_id_for(sub_batch.batch)) for sub_batch in sub_batches)
            for number, sub_batches in enumerate(self._setup.requests)
        }
        return {number: states for number, states in found.items() if not states <= ENDED}

    def _place(self, number: int) -> str:
        """Return where a process was when it died, by what stands in the ledger and in the book."""
        if number < 0:
            return "process start"
        sub_batches = self._setup.requests[number]
        if self._protocol == "naive":
            noted = all(note_path(self._setup, sub_batch).exists() for sub_batch in sub_batches)
            return "noted" if noted else "not noted"
        known = {job.job_id: job.state for job in self._ledger.jobs()}
        states = {number_of(sub_batch.batch): known.get(job_id_for(sub_batch.batch)) for sub_batch in sub_batches}
        # Of several jobs of a request the one that was being worked at decides.
        if sending := {number for number, state in states.items() if state is JobState.SUBMITTING}:
            accepted = sending & {line.number for line in self._setup.book()}
            return "SUBMITTING, accepted" if accepted else "SUBMITTING, not accepted"
        return next((place for place, of in PLACES.items() if of & set(states.values())), "request at its end")
