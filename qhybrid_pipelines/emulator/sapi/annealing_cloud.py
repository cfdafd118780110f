"""The annealing side of the cloud: accepting problems, their status, cancelling, answers.

Accepted problems are in the same book as the circuits of the other interface, under solvers of their own; their course is fixed when
they are accepted, as theirs is.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.cloud import COMPILE_SECONDS, Cloud, make_job_id
from qhybrid_pipelines.emulator.sapi.annealing import answer_body, sample
from qhybrid_pipelines.emulator.sapi.problems import Problem, SapiError, read_problem
from qhybrid_pipelines.emulator.sapi.solvers import (
    QPU_SECOND_USD,
    SOLVERS,
    Solver,
    WorkingGraph,
    properties,
    run_times,
    working_graph,
)
from qhybrid_pipelines.emulator.store import Job
from qhybrid_pipelines.emulator.strict_json import read_json, read_stored

KEPT_SECONDS = 30 * 86_400.0
"""Virtual seconds after which an answer is gone; how long the vendor keeps them is not published."""

STATES = {
    "submitted": "PENDING",
    "ready": "PENDING",
    "started": "IN_PROGRESS",
    "completed": "COMPLETED",
    "failed": "FAILED",
    "canceled": "CANCELLED",
}
"""The interface's word for each state of the book."""

ENDED = ("COMPLETED", "FAILED", "CANCELLED")
_MAX_CACHED_ANSWERS = 64


class AnnealingCloud:
    """The annealers of one cloud.

    Args:
        cloud: whose store, clock, seed and fault plan they share.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._problem = lru_cache(maxsize=256)(self._read_stored_problem)
        self._answers: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    # solvers

    def solver(self, name: str) -> Solver:
        """Return the solver with this name. Raises `SapiError` where there is none."""
        if name not in SOLVERS:
            raise SapiError(404, f"There is no solver {name!r}.")
        return SOLVERS[name]

    def graph(self, solver: Solver) -> WorkingGraph:
        """Return what works of a solver now; an administrator can have it lose other qubits."""
        version = int(self.cloud.backend_changes(solver.name).get("graph_version", 0))
        return working_graph(solver, self.cloud.seed, version)

    def definition(self, solver: Solver) -> dict[str, Any]:
        """Return a solver as the interface shows it."""
        changes = self.cloud.backend_changes(solver.name)
        graph = self.graph(solver)
        return {
            "identity": _identity(solver.name, graph.graph_id),
            "status": "ONLINE" if changes.get("status", "available") == "available" else "OFFLINE",
            "description": "An emulated annealer on this machine",
            "avg_load": 0.1,
            "properties": properties(solver, graph),
        }

    # problems

    def accept(self, given: Any, *, index: int, body_seq: int, body: bytes) -> Job:
        """Write a problem into the book; from here on it exists and will be charged.

        Args:
            given: the problem.
            index: its place in the body.
            body_seq: number of the body in the store.
            body: as it was sent.

        Raises:
            SapiError: it cannot be accepted.
        """
        problem = read_problem(given, self.graph)
        solver, cloud = problem.solver, self.cloud
        if cloud.backend_changes(solver.name).get("status") == "retired":
            raise SapiError(404, f"Solver {solver.name} does not exist any more.")
        now, seq = cloud.clock.now(), cloud.store.next_seq()
        times = run_times(len(problem.qubits), problem.params)
        luck = random.Random(f"wait/{cloud.seed}/{seq}").lognormvariate(0.0, 0.5)  # noqa: S311 - a queue, no secret
        wait = solver.average_wait_seconds * luck + float(
            cloud.backend_changes(solver.name).get("extra_wait_seconds", 0.0)
        )
        starts_at = max(now + COMPILE_SECONDS + wait, cloud.store.last_ends_at(solver.name))
        rule = cloud.store.next_fault(stage="job", route="POST /problems", backend=solver.name, seed=cloud.seed)
        job = Job(
            seq=seq,
            id=make_job_id(cloud.realm, seq),
            body_seq=body_seq,
            body_sha256=hashlib.sha256(body).hexdigest(),
            backend=solver.name,
            type=problem.type,
            name=problem.label,
            metadata=json.dumps({"label": problem.label}),
            shots=problem.reads,
            circuits=1,
            qubits=len(problem.qubits),
            one_qubit_gates=0,
            two_qubit_gates=0,
            noise=None,
            settings=json.dumps(
                {
                    "index": index,
                    "graph_version": int(cloud.backend_changes(solver.name).get("graph_version", 0)),
                    "qpu_access_time_us": times.access,
                }
            ),
            dry_run=0,
            estimated_usd=times.access * 1e-6 * QPU_SECOND_USD,
            accepted_at=now,
            accepted_real=cloud.wall(),
            starts_at=starts_at,
            ends_at=starts_at + times.access * 1e-6,
            outcome=json.dumps({"fault": rule.fault, "params": dict(rule.params)}) if rule else None,
        )
        cloud.store.add(job)
        return job

    def find(self, identifier: str) -> Job:
        """Return the problem with this id. Raises `SapiError` where clients may see none."""
        job = self.cloud.store.job(identifier)
        if job is None or job.backend not in SOLVERS or job.outcome_fault == "lost":
            raise SapiError(404, f"Problem {identifier} does not exist.")
        return job

    def listed(self, matches: Callable[[Job], bool], most: int) -> list[Job]:
        """Return problems that clients may see and that match, newest first."""
        before, found = 2**62, list[Job]()
        lag = self.cloud.store.permanent_fault_seconds("listing_lag")
        while len(found) < most:
            batch = self.cloud.store.newest(
                before_seq=before,
                limit=1000,
                accepted_before_real=self.cloud.wall() - lag,
                backends=tuple(SOLVERS),
                ids=(),
            )
            found += [job for job in batch if job.outcome_fault != "lost" and matches(job)]
            if len(batch) < 1000:
                break
            before = batch[-1].seq
        return found[:most]

    def state(self, job: Job) -> str:
        """Return the status of a problem, in the words of the interface."""
        return STATES[self.cloud.state(job)]

    def status(self, job: Job) -> dict[str, Any]:
        """Return a problem as lists and polls show it, without a start time."""
        state, skew = self.state(job), self.cloud.store.permanent_fault_seconds("clock_skew")
        view: dict[str, Any] = {
            "id": job.id,
            "type": job.type,
            "solver": _identity(job.backend, self._graph_of(job).graph_id),
            "label": job.name,
            "status": state,
            "submitted_on": stamp(job.accepted_at + skew),
        }
        if state in ENDED:
            view["solved_on"] = stamp((job.ends_at if job.canceled_at is None else job.canceled_at) + skew)
        if state == "FAILED":
            view["error_message"] = job.outcome_rule["params"]["message"]
        return view

    def info(self, job: Job) -> dict[str, Any]:
        """Return data and parameters as they were sent."""
        given, status = self._given(job), self.status(job)
        return {
            "id": job.id,
            "data": given["data"],
            "params": given.get("params") or {},
            "metadata": {name: value for name, value in status.items() if name != "id"} | {"submitted_by": "emulator"},
        }

    def cancel(self, job: Job) -> int:
        """Cancel a problem, and return the HTTP status that says what came of it.

        200 before it is started, 409 after its end. One that is running is cancelled with an even chance, else it completes; both
        are answered with 202.
        """
        state = self.state(job)
        if state in ENDED:
            return 409
        even = random.Random(f"cancel/{self.cloud.seed}/{job.seq}").random() < 0.5  # noqa: S311 - a race, no secret
        if state == "PENDING" or even:
            self.cloud.store.change(job.id, canceled_at=self.cloud.clock.now())
        return 200 if state == "PENDING" else 202

    async def answer(self, job: Job) -> dict[str, Any]:
        """Return the answer of a problem.

        Raises:
            SapiError: it has none, none yet, or none any more.
        """
        if self.state(job) != "COMPLETED":
            raise SapiError(404, f"Problem {job.id} has no answer.")
        if self.cloud.clock.now() > job.ends_at + KEPT_SECONDS:
            raise SapiError(410, f"The answer of problem {job.id} is not kept any longer.")
        if job.outcome_fault == "result_missing" and job.result_polls < job.outcome_rule["params"]["n"]:
            self.cloud.store.change(job.id, result_polls=job.result_polls + 1)
            raise SapiError(404, f"Problem {job.id} has no answer yet.")
        async with self._one_at_a_time:
            if job.id not in self._answers:
                problem = self._problem(job.id)
                seed = int.from_bytes(hashlib.sha256(f"anneal/{self.cloud.seed}/{job.seq}".encode()).digest()[:4]) >> 1
                samples = await asyncio.to_thread(sample, problem, seed)
                self._answers[job.id] = answer_body(problem, samples)
                while len(self._answers) > _MAX_CACHED_ANSWERS:
                    self._answers.popitem(last=False)
        return self._answers[job.id]

    def _given(self, job: Job) -> dict[str, Any]:
        body = read_json(self.cloud.store.body(job.body_seq))
        given: dict[str, Any] = body[read_stored(job.settings)["index"]] if isinstance(body, list) else body
        return given

    def _graph_of(self, job: Job) -> WorkingGraph:
        return working_graph(SOLVERS[job.backend], self.cloud.seed, read_stored(job.settings)["graph_version"])

    def _read_stored_problem(self, identifier: str) -> Problem:
        job = self.find(identifier)
        graph = self._graph_of(job)
        return read_problem(self._given(job), lambda _: graph)


def _identity(name: str, graph_id: str) -> dict[str, Any]:
    return {"name": name, "version": {"graph_id": graph_id}}
