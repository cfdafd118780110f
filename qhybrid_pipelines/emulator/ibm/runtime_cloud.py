"""IBM's side of the cloud: accepting jobs, their status, lists, cancelling, results, use.

Accepted jobs are in the same book as those of the other faces, under devices of their own; their course is fixed when they are
accepted, as theirs is.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from qhybrid_pipelines.emulator.circuits import BadRequest, gate_counts
from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.cloud import COMPILE_SECONDS, Cloud, ResultInputs, compute_shots
from qhybrid_pipelines.emulator.ibm.devices import (
    DEVICES,
    LOADING_SECONDS,
    LONGEST_SECONDS,
    SECOND_USD,
    SHOT_SECONDS,
    properties,
    snapshot,
    told_errors,
)
from qhybrid_pipelines.emulator.ibm.orders import Order, RuntimeRefusal, read_order
from qhybrid_pipelines.emulator.ibm.results import result_text
from qhybrid_pipelines.emulator.ibm.sessions import Sessions
from qhybrid_pipelines.emulator.machines import Machine
from qhybrid_pipelines.emulator.store import Job
from qhybrid_pipelines.emulator.strict_json import read_json, read_stored

STATES = {
    "submitted": "Queued",
    "ready": "Queued",
    "started": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "canceled": "Cancelled",
}
"""The interface's word for each state of the book."""
ENDED = ("Completed", "Failed", "Cancelled")
RAN_TOO_LONG = 1305
ACCEPTING_ROUTE = "POST /ibm/jobs"

_MAX_CACHED_RESULTS = 64
_OFFLINE = {"available": ("active", True), "paused": ("paused", True)}


class RuntimeCloud:
    """The devices of one cloud.

    Args:
        cloud: whose store, clock, seed and fault plan they share.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.sessions = cloud, Sessions(cloud)
        self._histories = {name: cloud.history_of(machine) for name, machine in DEVICES.items()}
        self._order = lru_cache(maxsize=128)(lambda body_seq: read_order(cloud.store.body(body_seq)))
        self._results: OrderedDict[str, str] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    # devices

    def device(self, name: str) -> Machine:
        """Return the device with this name. Raises `RuntimeRefusal` where there is none."""
        if name not in DEVICES or self.cloud.backend_changes(name).get("status") == "retired":
            raise RuntimeRefusal(404, 1216, f"Backend {name[:60]!r} not found.")
        return DEVICES[name]

    def listed_devices(self) -> list[dict[str, Any]]:
        """Return the devices as the list shows them."""
        found = []
        for name, machine in DEVICES.items():
            if self.cloud.backend_changes(name).get("status") == "retired":
                continue
            shown = self.status(name)
            online = shown["state"] and shown["status"] == "active"
            about, wait = snapshot(name).configuration, round(self.cloud.queue_seconds(machine))
            # The snapshots say so in either of two places, and "None" in the other.
            clops = next((about[key] for key in ("clops_h", "clops") if isinstance(about.get(key), int)), 0)
            found.append(
                {
                    "name": name,
                    "status": {"name": "online" if online else "offline", "reason": shown["status"]},
                    "is_simulator": False,
                    "qubits": machine.qubits,
                    "clops": {"value": clops, "type": "hardware"},
                    "processor_type": about.get("processor_type", {}),
                    "queue_length": shown["length_queue"],
                    "wait_time_seconds": {"p50": wait, "p95": 3 * wait},
                }
            )
        return found

    def status(self, name: str) -> dict[str, Any]:
        """Return whether a device works, and how many jobs wait for it."""
        self.device(name)
        word = self.cloud.backend_changes(name).get("status", "available")
        status, state = _OFFLINE.get(word, (str(word), False))
        return {
            "state": state,
            "status": status,
            "message": "available" if status == "active" else status,
            "length_queue": self.cloud.store.waiting(name, self.cloud.clock.now()),
            "backend_version": snapshot(name).configuration["backend_version"],
        }

    def configuration(self, name: str) -> dict[str, Any]:
        """Return a device's configuration."""
        self.device(name)
        return snapshot(name).configuration

    def properties(self, name: str) -> dict[str, Any]:
        """Return a device's properties as they are now."""
        return properties(self.device(name), self._histories[name].at(self.cloud.clock.now()))

    # jobs

    def accept(self, order: Order, *, body_seq: int, body: bytes) -> Job:
        """Write a job into the book. Raises `RuntimeRefusal` where it cannot be accepted."""
        cloud, device = self.cloud, self.device(order.backend)
        waits = True
        if order.session_id is not None:
            others = self.jobs_of_session(order.session_id)
            self.sessions.check_accepts(order.session_id, order.backend, others)
            waits = not any(job.canceled_at is None for job in others)
        now, seq = cloud.clock.now(), cloud.store.next_seq()
        wait = cloud.draw_wait_seconds(device, str(seq)) if waits else 0.0
        starts_at = max(now + COMPILE_SECONDS + wait, cloud.store.last_ends_at(device.name))
        seconds, longest = use_seconds(order), min(order.longest_seconds or LONGEST_SECONDS, LONGEST_SECONDS)
        rule = cloud.store.next_fault(stage="job", route=ACCEPTING_ROUTE, backend=device.name, seed=cloud.seed)
        outcome: dict[str, Any] | None = None
        if rule is not None:
            outcome = {"fault": rule.fault, "params": dict(rule.params)}
        elif seconds > longest:
            message = f"Job exceeded the maximum execution time of {longest} s"
            outcome = {"fault": "failed", "params": {"code": str(RAN_TOO_LONG), "message": message}}
            seconds = longest
        try:
            first = [pub.circuits()[0] for pub in order.pubs if pub.rows]
        except BadRequest as error:
            raise RuntimeRefusal(400, 1517, str(error)) from None
        ones, twos = gate_counts(first)
        job = Job(
            seq=seq,
            id=_job_id(cloud.realm, seq),
            body_seq=body_seq,
            body_sha256=hashlib.sha256(body).hexdigest(),
            backend=device.name,
            type=order.program,
            name=order.tags[0] if order.tags else None,
            metadata=json.dumps({"tags": order.tags}),
            shots=sum(pub.shots for pub in order.pubs),
            circuits=sum(pub.rows for pub in order.pubs),
            qubits=max((len(pub.layout.used) for pub in order.pubs), default=0),
            one_qubit_gates=ones,
            two_qubit_gates=twos,
            noise=None,
            settings=json.dumps(
                {
                    "session_id": order.session_id,
                    "private": order.private,
                    "seconds": seconds,
                    "executions": order.executions,
                }
            ),
            dry_run=0,
            estimated_usd=round(seconds * SECOND_USD * cloud.price_factor(device.name), 6),
            accepted_at=now,
            accepted_real=cloud.wall(),
            starts_at=starts_at,
            ends_at=starts_at + seconds,
            outcome=None if outcome is None else json.dumps(outcome),
        )
        cloud.store.add(job)
        return job

    def find(self, identifier: str) -> Job:
        """Return the job with this id. Raises `RuntimeRefusal` where clients may see none."""
        job = self.cloud.store.job(identifier)
        if job is None or job.backend not in DEVICES or job.deleted or job.outcome_fault == "lost":
            raise RuntimeRefusal(404, 1291, f"Job {identifier[:60]} not found.")
        return job

    def listed(self, matches: Callable[[Job], bool]) -> list[Job]:
        """Return all jobs that clients may see in a list and that match, newest first."""
        lag = self.cloud.store.permanent_fault_seconds("listing_lag")
        batch = self.cloud.store.newest(
            before_seq=2**62,
            limit=2**31,
            accepted_before_real=self.cloud.wall() - lag,
            backends=tuple(DEVICES),
            ids=(),
        )
        return [job for job in batch if job.outcome_fault != "lost" and matches(job)]

    def jobs_of_session(self, session_id: str) -> list[Job]:
        """Return the jobs of a session, oldest first."""
        jobs = (job for job in self.cloud.store.job_log() if job.backend in DEVICES)
        return [job for job in jobs if settings_of(job)["session_id"] == session_id]

    def state(self, job: Job) -> str:
        """Return the status of a job, in the words of the interface; one that ran too long counts as cancelled there."""
        state = STATES[self.cloud.state(job)]
        return "Cancelled" if state == "Failed" and _reason(job)["reason_code"] == RAN_TOO_LONG else state

    def shown(self, job: Job, *, with_params: bool) -> dict[str, Any]:
        """Return a job as the interface shows it."""
        state, settings = self.state(job), settings_of(job)
        skew = self.cloud.store.permanent_fault_seconds("clock_skew")
        view: dict[str, Any] = {
            "id": job.id,
            "backend": job.backend,
            "state": {"status": state, **(_reason(job) if self.cloud.state(job) == "failed" else {})},
            "status": state,
            "program": {"id": job.type},
            "created": stamp(job.accepted_at + skew),
            "tags": tags_of(job),
            "session_id": settings["session_id"],
            "private": settings["private"],
            "user_id": "IBMid-emulated",
            "cost": LONGEST_SECONDS,
            "estimated_running_time_seconds": settings["seconds"],
            "usage": self._usage(job),
        }
        if with_params and not settings["private"]:
            view["params"] = read_json(self.cloud.store.body(job.body_seq))["params"]
        return view

    def metrics(self, job: Job) -> dict[str, Any]:
        """Return times and use of a job."""
        now, skew = self.cloud.clock.now(), self.cloud.store.permanent_fault_seconds("clock_skew")
        state = self.cloud.state(job)
        ended_at = job.ends_at if job.canceled_at is None else job.canceled_at
        ran = job.starts_at <= now and (job.canceled_at is None or job.canceled_at >= job.starts_at)
        waits = state in ("submitted", "ready")
        return {
            "timestamps": {
                "created": stamp(job.accepted_at + skew),
                "running": stamp(job.starts_at + skew) if ran and not waits else None,
                "finished": stamp(ended_at + skew) if self.state(job) in ENDED else None,
            },
            "usage": self._usage(job),
            "bss": {"seconds": self._usage(job)["seconds"]},
            "executions": settings_of(job)["executions"],
            "num_circuits": job.circuits,
            "num_qubits": [job.qubits],
            "estimated_start_time": stamp(job.starts_at + skew),
            "estimated_completion_time": stamp(job.ends_at + skew),
            "position_in_queue": self.cloud.store.jobs_ahead(job, now) + 1 if waits else None,
        }

    def cancel(self, job: Job) -> None:
        """Cancel a job. Raises `RuntimeRefusal` for one that has ended."""
        if self.state(job) in ENDED:
            raise RuntimeRefusal(409, 1292, f"Job {job.id} is in a final state and cannot be cancelled.")
        self.cloud.store.change(job.id, canceled_at=self.cloud.clock.now())

    def delete(self, job: Job) -> None:
        """Delete a job that has ended; the book keeps it."""
        if self.state(job) not in ENDED:
            raise RuntimeRefusal(409, 1293, f"Job {job.id} has not ended and cannot be deleted.")
        self.cloud.store.change(job.id, deleted=1)

    def replace_tags(self, job: Job, tags: tuple[str, ...]) -> None:
        """Give a job other tags; the book keeps the first of those that it came with as its name."""
        self.cloud.store.change(job.id, metadata=json.dumps({"tags": tags}))

    def close_session(self, session_id: str) -> None:
        """End a session and cancel its jobs that have not ended."""
        self.sessions.close(session_id)
        for job in self.jobs_of_session(session_id):
            if self.state(job) not in ENDED:
                self.cancel(job)

    def consumed_seconds(self) -> int:
        """Return the seconds that all jobs have used."""
        jobs = (job for job in self.cloud.store.job_log() if job.backend in DEVICES)
        return sum(self._usage(job)["quantum_seconds"] for job in jobs)

    def _usage(self, job: Job) -> dict[str, Any]:
        seconds = settings_of(job)["seconds"] if self.cloud.state(job) in ("completed", "failed") else 0
        return {"quantum_seconds": seconds, "seconds": seconds}

    # results

    async def result(self, job: Job) -> str | None:
        """Return the result of a job as text, or why it failed; None before its end. Raises `RuntimeRefusal` for a cancelled one."""
        state = self.cloud.state(job)
        if state == "failed":
            return str(_reason(job)["reason"])
        if state == "canceled":
            raise RuntimeRefusal(404, 1294, f"Job {job.id} was cancelled and has no result.")
        if state != "completed":
            return None
        if job.outcome_fault == "result_missing" and job.result_polls < job.outcome_rule["params"]["n"]:
            self.cloud.store.change(job.id, result_polls=job.result_polls + 1)
            return None
        async with self._one_at_a_time:
            if job.id not in self._results:
                self._results[job.id] = await asyncio.to_thread(self._compute, job, self._order(job.body_seq))
                while len(self._results) > _MAX_CACHED_RESULTS:
                    self._results.popitem(last=False)
        return self._results[job.id]

    def _compute(self, job: Job, order: Order) -> str:
        """Return a result, a function of the seed, the job and the day on which it started."""
        device, day = DEVICES[job.backend], self._histories[job.backend].at(job.starts_at)
        drawn = []
        for number, pub in enumerate(order.pubs):
            inputs = ResultInputs(
                key=f"{self.cloud.seed}/{job.seq}/{number}",
                circuits=pub.circuits(),
                shots=pub.shots,
                fidelity=day.fidelity,
                errors=None if day.errors is None else told_errors(device, day, pub.layout.used),
            )
            drawn.append(compute_shots(inputs))
        return result_text(order.pubs, drawn, order.returned)


def use_seconds(order: Order) -> int:
    """Return how many seconds a job uses: whole ones, as they are billed."""
    return math.ceil(LOADING_SECONDS + order.executions * SHOT_SECONDS)


def tags_of(job: Job) -> list[str]:
    """Return the tags of a job."""
    return list(read_stored(job.metadata or "{}").get("tags", []))


def settings_of(job: Job) -> Mapping[str, Any]:
    """Return a job's session, whether it is private, its executions, and the seconds that it uses."""
    found: dict[str, Any] = read_stored(job.settings)
    return found


def _reason(job: Job) -> dict[str, Any]:
    """Return why a job failed, in the interface's words; the code of a fault that is not a number is told as an internal error."""
    params = job.outcome_rule["params"]
    code = str(params["code"])
    return {"reason": params["message"], "reason_code": int(code) if re.fullmatch("[0-9]{1,9}", code) else 9999}


def _job_id(realm: str, seq: int) -> str:
    """Return the id of the job with a number, in the form of the interface's: 20 letters and digits."""
    return "d" + hashlib.sha256(f"ibm/{realm}/{seq}".encode()).hexdigest()[:19]
