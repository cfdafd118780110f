"""The cloud itself, without HTTP: accepting jobs, their status, cancelling, results, prices.

The course of a job is fixed when it is accepted: when it starts, when it ends and what outcome it has. Its status is
then a function of the time, so that nothing has to run in the background and nothing is lost by a kill. Only results
cost work, and only when somebody asks for them.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from qhybrid_pipelines.emulator.circuits import BadRequest, Circuit
from qhybrid_pipelines.emulator.clock import Clock
from qhybrid_pipelines.emulator.drift import CharacterizationHistory
from qhybrid_pipelines.emulator.interface_versions import APRIL, Interface
from qhybrid_pipelines.emulator.job_requests import MULTI, JobRequest, read_job_request
from qhybrid_pipelines.emulator.local_errors import LocalErrors
from qhybrid_pipelines.emulator.machines import MACHINES, NOISE_MODELS, Fidelity, Machine
from qhybrid_pipelines.emulator.noise_laws import read_noise
from qhybrid_pipelines.emulator.sampling import Shots, draw
from qhybrid_pipelines.emulator.store import EmulatorStore, Job
from qhybrid_pipelines.emulator.strict_json import read_stored

STATES = ("submitted", "ready", "started", "completed", "failed", "canceled")
"""Every status of the interface, in the order of a job's life."""

COMPILE_SECONDS = 1.0
"""Virtual seconds a job spends as ``submitted`` before it joins a queue as ``ready``."""


class NotFound(Exception):
    """No such thing, or none that a client may see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultInputs:
    """All that is needed to compute the result of a job, away from the store."""

    key: str
    circuits: Sequence[Circuit]
    shots: int
    fidelity: Fidelity | None
    errors: LocalErrors | None = None


def is_ideal(job: Job) -> bool:
    """Return whether a job runs without noise: the published interface then has no shots."""
    ideal = job.noise is None or read_stored(job.noise)["model"] == "ideal"
    return MACHINES[job.backend].average_fidelity is None and ideal


class Cloud:
    """One provider's cloud.

    Args:
        store: what is remembered.
        clock: tells virtual time.
        seed: of everything that is drawn.
        every_seconds: virtual seconds between two characterizations.
        interface: the published form that clients meet.
        billing_unit: what prices are told in.
        noise: ``uniform``, or ``local`` for errors of qubits and pairs; ``local:3`` makes qubit 3 of every machine the bad one.
        wall: gives Unix time in seconds.
    """

    def __init__(
        self,
        *,
        store: EmulatorStore,
        clock: Clock,
        seed: int,
        every_seconds: float,
        interface: Interface = APRIL,
        billing_unit: str = "usd",
        noise: str = "uniform",
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.store, self.clock, self.seed, self.wall = store, clock, seed, wall
        self.interface, self.billing_unit = interface, billing_unit
        self.realm = str(store.read("realm"))
        law = read_noise(noise)
        self._history_settings: dict[str, Any] = {
            "seed": seed,
            "began_at": float(store.read("began_at")),
            "every_seconds": every_seconds,
            "local": law.is_local,
            "bad_qubit": law.bad_qubit,
        }
        self.histories = {
            name: self.history_of(machine) for name, machine in MACHINES.items() if machine.average_fidelity is not None
        }
        self.job_request = lru_cache(maxsize=512)(lambda body_seq: read_job_request(store.body(body_seq), None))

    def history_of(self, machine: Machine) -> CharacterizationHistory:
        """Return all characterizations of a noisy machine."""
        return CharacterizationHistory(machine, **self._history_settings)

    # taking orders

    def accept(self, job_request: JobRequest, *, body_seq: int, body: bytes) -> Job:
        """Write a job into the book; from here on it exists and will be charged."""
        now, seq = self.clock.now(), self.store.next_seq()
        machine = MACHINES[job_request.backend]
        identifier = make_job_id(self.realm, seq)
        starts_at = now + COMPILE_SECONDS + self.draw_wait_seconds(machine, str(seq))
        if machine.serial:
            starts_at = max(starts_at, self.store.last_ends_at(machine.name))
        busy = machine.execution_seconds(
            circuits=len(job_request.circuits),
            one_qubit_gates=job_request.one_qubit_gates,
            two_qubit_gates=job_request.two_qubit_gates,
            shots=job_request.shots,
        )
        fault_rule = self.store.next_fault(stage="job", route="POST /jobs", backend=job_request.backend, seed=self.seed)
        job = Job(
            seq=seq,
            id=identifier,
            body_seq=body_seq,
            body_sha256=hashlib.sha256(body).hexdigest(),
            backend=job_request.backend,
            type=job_request.type,
            name=job_request.name,
            metadata=None if job_request.metadata is None else json.dumps(job_request.metadata),
            shots=job_request.shots,
            circuits=len(job_request.circuits),
            qubits=job_request.qubits,
            one_qubit_gates=job_request.one_qubit_gates,
            two_qubit_gates=job_request.two_qubit_gates,
            noise=None if job_request.noise is None else json.dumps(job_request.noise),
            settings=json.dumps(job_request.settings),
            dry_run=int(job_request.dry_run),
            estimated_usd=self.priced(machine).price_usd(
                one_qubit_gates=job_request.one_qubit_gates,
                two_qubit_gates=job_request.two_qubit_gates,
                shots=job_request.shots,
            ),
            accepted_at=now,
            accepted_real=self.wall(),
            starts_at=starts_at,
            ends_at=starts_at + busy,
            outcome=json.dumps({"fault": fault_rule.fault, "params": dict(fault_rule.params)}) if fault_rule else None,
        )
        self.store.add(job)
        return job

    # status

    def state(self, job: Job) -> str:
        """Return the present status of a job."""
        now = self.clock.now()
        if job.canceled_at is not None:
            return "canceled"
        ends = "failed" if job.outcome_fault == "failed" else "completed"
        course: tuple[tuple[float, str], ...] = (
            (job.ends_at, ends),
            (job.starts_at, "started"),
            (job.accepted_at + COMPILE_SECONDS, "ready"),
        )
        state = next((state for since, state in course if now >= since), "submitted")
        if job.outcome_fault == "stuck":
            # it comes as far as the rule says and stays there
            furthest = str(job.outcome_rule["params"]["state"])
            return min(state, furthest, key=STATES.index)
        return state

    def seconds_since_end(self, job: Job) -> float:
        """Return how many real seconds ago a job came to the end of its course; negative before."""
        return (self.clock.now() - job.ends_at) / self.clock.stretch.speed

    def find(self, identifier: str) -> tuple[Job, int | None]:
        """Return the job with this id and, for a child, the number of its circuit.

        A child's id is its parent's with the number of the circuit, from 1, in the last group.

        Raises:
            NotFound: never accepted, deleted, or lost by a fault.
        """
        stem, _, tail = identifier.rpartition("-")
        try:
            number = int(tail, 16)
        except ValueError:
            raise NotFound(identifier) from None
        job = self.store.job(f"{stem}-{0:012x}")
        children = job.circuits if job is not None and job.type == MULTI else 0
        if job is None or job.backend not in MACHINES:
            raise NotFound(identifier)
        if job.deleted or job.outcome_fault == "lost" or number > children:
            raise NotFound(identifier)
        return job, number - 1 if number else None

    def charged_usd(self, job: Job) -> float:
        """Return what was charged for a job: its price once it ran, else nothing."""
        return 0.0 if job.dry_run or self.state(job) != "completed" else job.estimated_usd

    def list_jobs(
        self, *, after: str | None, limit: int, ids: Sequence[str], state: str | None, backends: Sequence[str]
    ) -> tuple[list[Job], str | None]:
        """Return one page of jobs, newest first, and the id with which the next page begins."""
        lag = self.store.permanent_fault_seconds("listing_lag")
        backends = backends or tuple(MACHINES)  # the book has the problems of annealers, too
        first = None if after is None else self.store.job(after)
        if after is not None and first is None:
            raise BadRequest(f"{after!r} does not begin a page.", "next")
        before = 2**62 if first is None else first.seq + 1
        page: list[Job] = []
        while len(page) <= limit:
            batch = self.store.newest(
                before_seq=before,
                limit=limit + 1,
                accepted_before_real=self.wall() - lag,
                backends=backends,
                ids=ids,
            )
            page += [
                job for job in batch if job.outcome_fault != "lost" and (state is None or self.state(job) == state)
            ]
            if len(batch) <= limit:
                break
            before = batch[-1].seq
        return page[:limit], page[limit].id if len(page) > limit else None

    def cancel(self, job: Job) -> str:
        """Cancel a job unless it has ended, and return its status afterwards."""
        state = self.state(job)
        if state in ("completed", "failed", "canceled"):
            return state
        self.store.change(job.id, canceled_at=self.clock.now())
        return "canceled"

    # waiting and prices

    def draw_wait_seconds(self, machine: Machine, key: str) -> float:
        """Return how long other customers keep a machine from turning to a job, virtual seconds."""
        luck = random.Random(f"wait/{self.seed}/{key}").lognormvariate(0.0, 0.5)  # noqa: S311 - a queue, no secret
        return machine.average_wait_seconds * luck + float(
            self.backend_changes(machine.name).get("extra_wait_seconds", 0.0)
        )

    def queue_seconds(self, machine: Machine) -> float:
        """Return how long a job accepted now would wait, virtual seconds, on an average day."""
        own = max(0.0, self.store.last_ends_at(machine.name) - self.clock.now()) if machine.serial else 0.0
        others = machine.average_wait_seconds + float(self.backend_changes(machine.name).get("extra_wait_seconds", 0.0))
        return max(own, COMPILE_SECONDS + others)

    def max_circuits(self, machine: Machine) -> int:
        """Return how many circuits a machine takes in one job now; an administrator can lower it."""
        most = self.interface.max_circuits or machine.max_circuits
        return min(most, int(self.backend_changes(machine.name).get("max_circuits_per_job", most)))

    def machine(self, name: str) -> Machine:
        """Return the machine with this name.

        Raises:
            NotFound: the interface lists none.
        """
        if name not in self.interface.machines:
            raise NotFound(name)
        return MACHINES[name]

    def price_factor(self, backend: str) -> float:
        """Return the factor by which an administrator has changed a backend's prices for new jobs."""
        return float(self.backend_changes(backend).get("price_factor", 1.0))

    def priced(self, machine: Machine) -> Machine:
        """Return a machine with its current prices."""
        factor = self.price_factor(machine.name)
        return replace(
            machine,
            one_qubit_gate_usd=machine.one_qubit_gate_usd * factor,
            two_qubit_gate_usd=machine.two_qubit_gate_usd * factor,
            minimum_usd=machine.minimum_usd * factor,
        )

    def backend_changes(self, backend: str) -> Mapping[str, Any]:
        """Return what an administrator changed about a backend."""
        return self.store.backend_changes(backend)

    # results

    def result_inputs(self, job: Job) -> ResultInputs:
        """Return what a result is computed from: the order and the machine's fidelities when it started."""
        machine = MACHINES[job.backend]
        history = self.histories.get(job.backend)
        if machine.average_fidelity is None and job.noise is not None:
            model = json.loads(job.noise)["model"]
            history = None if model == "ideal" else self.histories[NOISE_MODELS[model]]
        job_request = self.job_request(job.body_seq)
        day = None if history is None else history.at(job.starts_at)
        # a customer's own seed decides alone, so that the same order gives the same shots
        customer_seed = json.loads(job.noise or "{}").get("seed") if machine.average_fidelity is None else None
        return ResultInputs(
            key=f"{self.seed}/{job.seq}" if customer_seed is None else f"customer/{customer_seed}",
            circuits=job_request.circuits,
            shots=job.shots,
            fidelity=None if day is None else day.fidelity,
            errors=None if day is None else day.errors,
        )


def compute_shots(result_inputs: ResultInputs) -> list[Shots]:
    """Compute the shots of every circuit of a job; a pure function, safe in any thread."""
    return draw(
        result_inputs.circuits,
        shots=result_inputs.shots,
        fidelity=result_inputs.fidelity,
        seed=result_inputs.key,
        errors=result_inputs.errors,
    )


def child_ids(job: Job) -> list[str]:
    """Return the ids of a multi-circuit job's children, in the order of its circuits."""
    stem = job.id.rpartition("-")[0]
    return [f"{stem}-{number:012x}" for number in range(1, job.circuits + 1)]


def make_job_id(realm: str, seq: int) -> str:
    """Return the UUID of the job with a number; its last group is free for children."""
    text = hashlib.sha256(f"job/{realm}/{seq}".encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-a{text[17:20]}-{0:012x}"
