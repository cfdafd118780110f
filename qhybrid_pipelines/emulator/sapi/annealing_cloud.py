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
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.cloud import COMPILE_SECONDS, Cloud, make_job_id
from qhybrid_pipelines.emulator.sapi import hybrid
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
from qhybrid_pipelines.emulator.sapi.uploads import Uploads
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

_ALL_SOLVERS = (*SOLVERS, *hybrid.HYBRIDS)
ENDED = ("COMPLETED", "FAILED", "CANCELLED")
_MAX_CACHED_ANSWERS = 64


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What an accepted problem takes, on whichever solver."""

    solver: str
    type: str
    label: str | None
    shots: int
    qubits: int
    seconds: float
    usd: float
    average_wait_seconds: float
    settings: dict[str, Any]


class AnnealingCloud:
    """The annealers and hybrid solvers of one cloud.

    Args:
        cloud: whose store, clock, seed and fault plan they share.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.uploads = Uploads(cloud.store)
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

    def definition(self, name: str) -> dict[str, Any]:
        """Return a solver as the interface shows it. Raises `SapiError` where there is none."""
        changes = self.cloud.backend_changes(name)
        if name in hybrid.HYBRIDS:
            what, stated, graph_id = "hybrid solver", hybrid.hybrid_properties(name), None
        else:
            solver = self.solver(name)
            graph = self.graph(solver)
            what, stated, graph_id = "annealer", properties(solver, graph), graph.graph_id
        return {
            "identity": _identity(name, graph_id),
            "status": "ONLINE" if changes.get("status", "available") == "available" else "OFFLINE",
            "description": f"An emulated {what} on this machine",
            "avg_load": 0.1,
            "properties": stated,
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
        if hybrid.is_for_a_hybrid_solver(given):
            asked = hybrid.read_hybrid_problem(given)
            variables = hybrid.read_model(self.uploads.content(asked.upload_id)).num_variables
            seconds = hybrid.granted_seconds(asked, variables)
            work = _Work(
                solver=asked.solver,
                type="bqm",
                label=asked.label,
                shots=1,
                qubits=variables,
                seconds=seconds,
                usd=seconds * hybrid.HYBRID_SECOND_USD,
                average_wait_seconds=hybrid.AVERAGE_WAIT_SECONDS,
                settings={"upload": asked.upload_id, "seconds": seconds},
            )
        else:
            problem = read_problem(given, self.graph)
            times = run_times(len(problem.qubits), problem.params)
            work = _Work(
                solver=problem.solver.name,
                type=problem.type,
                label=problem.label,
                shots=problem.reads,
                qubits=len(problem.qubits),
                seconds=times.access * 1e-6,
                usd=times.access * 1e-6 * QPU_SECOND_USD,
                average_wait_seconds=problem.solver.average_wait_seconds,
                settings={
                    "graph_version": int(self.cloud.backend_changes(problem.solver.name).get("graph_version", 0)),
                    "qpu_access_time_us": times.access,
                },
            )
        return self._add(work, index=index, body_seq=body_seq, body=body)

    def _add(self, work: _Work, *, index: int, body_seq: int, body: bytes) -> Job:
        cloud = self.cloud
        changes = cloud.backend_changes(work.solver)
        if changes.get("status") == "retired":
            raise SapiError(404, f"Solver {work.solver} does not exist any more.")
        now, seq = cloud.clock.now(), cloud.store.next_seq()
        luck = random.Random(f"wait/{cloud.seed}/{seq}").lognormvariate(0.0, 0.5)  # noqa: S311 - a queue, no secret
        wait = work.average_wait_seconds * luck + float(changes.get("extra_wait_seconds", 0.0))
        starts_at = max(now + COMPILE_SECONDS + wait, cloud.store.last_ends_at(work.solver))
        rule = cloud.store.next_fault(stage="job", route="POST /problems", backend=work.solver, seed=cloud.seed)
        job = Job(
            seq=seq,
            id=make_job_id(cloud.realm, seq),
            body_seq=body_seq,
            body_sha256=hashlib.sha256(body).hexdigest(),
            backend=work.solver,
            type=work.type,
            name=work.label,
            metadata=json.dumps({"label": work.label}),
            shots=work.shots,
            circuits=1,
            qubits=work.qubits,
            one_qubit_gates=0,
            two_qubit_gates=0,
            noise=None,
            settings=json.dumps({"index": index, **work.settings}),
            dry_run=0,
            estimated_usd=work.usd * cloud.price_factor(work.solver),
            accepted_at=now,
            accepted_real=cloud.wall(),
            starts_at=starts_at,
            ends_at=starts_at + work.seconds,
            outcome=json.dumps({"fault": rule.fault, "params": dict(rule.params)}) if rule else None,
        )
        cloud.store.add(job)
        return job

    def find(self, identifier: str) -> Job:
        """Return the problem with this id. Raises `SapiError` where clients may see none."""
        job = self.cloud.store.job(identifier)
        if job is None or job.backend not in _ALL_SOLVERS or job.outcome_fault == "lost":
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
                backends=_ALL_SOLVERS,
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
            "solver": _identity(job.backend, self._graph_of(job).graph_id if job.backend in SOLVERS else None),
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
                seed = int.from_bytes(hashlib.sha256(f"anneal/{self.cloud.seed}/{job.seq}".encode()).digest()[:4]) >> 1
                self._answers[job.id] = await self._computed(job, seed)
                while len(self._answers) > _MAX_CACHED_ANSWERS:
                    self._answers.popitem(last=False)
        return self._answers[job.id]

    async def _computed(self, job: Job, seed: int) -> dict[str, Any]:
        if job.backend in hybrid.HYBRIDS:
            settings = read_stored(job.settings)
            content = self.uploads.content(settings["upload"])
            return await asyncio.to_thread(hybrid.answer_body, content, seconds=settings["seconds"], seed=seed)
        problem = self._problem(job.id)
        return answer_body(problem, await asyncio.to_thread(sample, problem, seed))

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


def _identity(name: str, graph_id: str | None) -> dict[str, Any]:
    return {"name": name} if graph_id is None else {"name": name, "version": {"graph_id": graph_id}}
