"""Braket's side of the cloud: accepting tasks, their status, cancelling, results.

Accepted tasks are in the same book as the jobs of the other faces, under devices of their own; their course is fixed when they are
accepted, as theirs is.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from qhybrid_pipelines.emulator.braket.devices import BY_ARN, DEVICES, PROGRAM_SET, SHOT_SECONDS, Device, capabilities
from qhybrid_pipelines.emulator.braket.orders import BraketError, Order, read_order
from qhybrid_pipelines.emulator.braket.results import program_result, set_results, successful_shots
from qhybrid_pipelines.emulator.circuits import gate_counts
from qhybrid_pipelines.emulator.cloud import COMPILE_SECONDS, Cloud, ResultInputs, compute_shots, make_job_id
from qhybrid_pipelines.emulator.store import Job

ACCOUNT = "000000000000"
STATES = {
    "submitted": "CREATED",
    "ready": "QUEUED",
    "started": "RUNNING",
    "completed": "COMPLETED",
    "failed": "FAILED",
    "canceled": "CANCELLED",
}
"""The interface's word for each state of the book."""
ENDED = ("COMPLETED", "FAILED", "CANCELLED")

_DEVICE_STATUS = {"available": "ONLINE", "paused": "PAUSED", "retired": "RETIRED"}
_MAX_CACHED_RESULTS = 64


class TaskCloud:
    """The devices of one cloud.

    Args:
        cloud: whose store, clock, seed and fault plan they share.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._histories = {name: cloud.history_of(device.machine) for name, device in DEVICES.items()}
        self.order = lru_cache(maxsize=512)(lambda body_seq: read_order(cloud.store.body(body_seq)))
        self._results: OrderedDict[str, dict[str, bytes]] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    # devices

    def device(self, arn: str) -> Device:
        """Return the device with this ARN. Raises `BraketError` where there is none."""
        if arn not in BY_ARN:
            raise BraketError(404, "ResourceNotFound", f"Device {arn} not found.")
        return BY_ARN[arn]

    def summary(self, device: Device) -> dict[str, Any]:
        """Return a device as lists show it."""
        vendor, _, name = device.name.partition(".")
        changes = self.cloud.backend_changes(device.name)
        return {
            "deviceArn": device.arn,
            "deviceName": name,
            "providerName": _VENDORS[vendor],
            "deviceType": "QPU",
            "deviceStatus": _DEVICE_STATUS.get(changes.get("status", "available"), "OFFLINE"),
        }

    def definition(self, device: Device) -> dict[str, Any]:
        """Return a device as the interface shows it."""
        now = self.cloud.clock.now()
        found = self.summary(device)
        waiting = self.cloud.store.waiting(device.name, now)
        found["deviceCapabilities"] = capabilities(self._priced(device), self._histories[device.name].at(now))
        found["deviceQueueInfo"] = [
            {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": str(waiting), "queuePriority": "Normal"},
            {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": "0", "queuePriority": "Priority"},
            {"queue": "JOBS_QUEUE", "queueSize": "0"},
        ]
        if found["deviceStatus"] == "PAUSED":
            found["deviceStatusReason"] = {"reason": "MAINTENANCE", "estimatedEndAt": now + 3600.0, "updatedAt": now}
        return found

    # tasks

    def accept(self, order: Order, *, body_seq: int, body: bytes) -> Job:
        """Write a task into the book, or return the one that its token stands for.

        Raises:
            BraketError: it cannot be accepted.
        """
        device, cloud = order.device, self.cloud
        region = tuple(name for name, one in DEVICES.items() if one.region == device.region)
        earlier = cloud.store.named(order.token, region)
        if earlier is not None:
            if self.order(earlier.body_seq).content != order.content:
                raise BraketError(400, "Validation", "The clientToken was used for another quantum task.")
            return earlier
        status = self.summary(device)["deviceStatus"]
        if status == "OFFLINE":
            raise BraketError(424, "DeviceOffline", f"Device {device.arn} is offline.")
        if status == "RETIRED":
            raise BraketError(410, "DeviceRetired", f"Device {device.arn} is retired.")
        self._check_spending(device, order)
        now, seq = cloud.clock.now(), cloud.store.next_seq()
        wait = cloud.draw_wait_seconds(device.machine, str(seq))
        starts_at = max(now + COMPILE_SECONDS + wait, cloud.store.last_ends_at(device.name))
        ones, twos = gate_counts(order.circuits)
        rule = cloud.store.next_fault(stage="job", route="POST /quantum-task", backend=device.name, seed=cloud.seed)
        job = Job(
            seq=seq,
            id=make_job_id(cloud.realm, seq),
            body_seq=body_seq,
            body_sha256=hashlib.sha256(body).hexdigest(),
            backend=device.name,
            type=order.kind,
            name=order.token,
            metadata=json.dumps(dict(order.tags)),
            shots=order.shots,
            circuits=len(order.executables),
            qubits=max(circuit.qubits for circuit in order.circuits),
            one_qubit_gates=ones,
            two_qubit_gates=twos,
            noise=None,
            settings=json.dumps({}),
            dry_run=0,
            estimated_usd=self._priced(device).price_usd(order.shots),
            accepted_at=now,
            accepted_real=cloud.wall(),
            starts_at=starts_at,
            ends_at=starts_at + order.shots * SHOT_SECONDS,
            outcome=json.dumps({"fault": rule.fault, "params": dict(rule.params)}) if rule else None,
        )
        if job.outcome_fault == "executables_failed":  # shots that did not succeed are not charged
            ran = successful_shots(job, job.circuits, self._failed(job))
            job = replace(job, estimated_usd=self._priced(device).price_usd(ran) if ran else 0.0)
        cloud.store.add(job)
        return job

    def _failed(self, job: Job) -> dict[int, str]:
        """Return why some executables of a program set fail, by their number."""
        if job.type != PROGRAM_SET or job.outcome_fault != "executables_failed":
            return {}
        said = job.outcome_rule["params"]
        order = random.Random(f"executables/{self.cloud.seed}/{job.seq}")  # noqa: S311 - which one, no secret
        numbers = order.sample(range(job.circuits), min(int(said["n"]), job.circuits))
        return dict.fromkeys(sorted(numbers), said["message"])

    def find(self, arn: str) -> Job:
        """Return the task with this ARN. Raises `BraketError` where clients may see none."""
        job = self.cloud.store.job(arn.rpartition("/")[2])
        if job is None or job.backend not in DEVICES or job.outcome_fault == "lost" or task_arn(job) != arn:
            raise BraketError(404, "ResourceNotFound", f"Quantum task {arn} not found.")
        return job

    def listed(self, matches: Callable[[Job], bool], *, before: int, most: int) -> tuple[list[Job], int | None]:
        """Return tasks that clients may see and that match, newest first, and where the next page begins; None at the end."""
        found: list[Job] = []
        lag = self.cloud.store.permanent_fault_seconds("listing_lag")
        while True:
            batch = self.cloud.store.newest(
                before_seq=before,
                limit=1000,
                accepted_before_real=self.cloud.wall() - lag,
                backends=tuple(DEVICES),
                ids=(),
            )
            for job in batch:
                if job.outcome_fault != "lost" and matches(job):
                    if len(found) == most:
                        return found, found[-1].seq
                    found.append(job)
            if len(batch) < 1000:
                return found, None
            before = batch[-1].seq

    def state(self, job: Job) -> str:
        """Return the status of a task, in the words of the interface."""
        state = STATES[self.cloud.state(job)]
        return "FAILED" if state == "COMPLETED" and len(self._failed(job)) == job.circuits else state

    def brief(self, job: Job) -> dict[str, Any]:
        """Return a task as lists show it: without the reason of a failure, and without its place in the queue."""
        state, skew = self.state(job), self.cloud.store.permanent_fault_seconds("clock_skew")
        order = self.order(job.body_seq)
        view: dict[str, Any] = {
            "quantumTaskArn": task_arn(job),
            "status": state,
            "deviceArn": order.device.arn,
            "shots": job.shots,
            "outputS3Bucket": order.bucket,
            "outputS3Directory": f"{order.prefix}/{job.id}",
            "createdAt": job.accepted_at + skew,
            "tags": dict(order.tags),
        }
        if state in ENDED:
            view["endedAt"] = (job.ends_at if job.canceled_at is None else job.canceled_at) + skew
        return view

    def status(self, job: Job, *, with_queue: bool) -> dict[str, Any]:
        """Return a task as a poll shows it, with neither a start time nor a cost."""
        view = self.brief(job)
        state = view["status"]
        view |= {
            "deviceParameters": "{}",
            "actionMetadata": {
                "actionType": job.type,
                "programCount": self.order(job.body_seq).executables[-1][0] + 1,
                "executableCount": job.circuits,
            },
        }
        if state == "FAILED":
            view["failureReason"] = job.outcome_rule["params"]["message"]
        if state == "COMPLETED":
            view["numSuccessfulShots"] = successful_shots(job, job.circuits, self._failed(job))
        if with_queue:
            ahead = self.cloud.store.jobs_ahead(job, self.cloud.clock.now())
            queued = {"position": str(ahead + 1)}
            ran = {"position": "None", "message": f"Task is in {state} status."}
            view["queueInfo"] = {"queue": "QUANTUM_TASKS_QUEUE", "queuePriority": "Normal"}
            view["queueInfo"] |= queued if state == "QUEUED" else ran
        return view

    def cancel(self, job: Job) -> str:
        """Cancel a task that has not ended, and return its status; one that runs completes with an even chance.

        Raises:
            BraketError: it has ended.
        """
        state = self.state(job)
        if state in ("COMPLETED", "FAILED"):
            raise BraketError(409, "Conflict", f"Cannot cancel a quantum task in the {state} state.")
        even = random.Random(f"cancel/{self.cloud.seed}/{job.seq}").random() < 0.5  # noqa: S311 - a race, no secret
        if state in ("CREATED", "QUEUED") or (state == "RUNNING" and even):
            self.cloud.store.change(job.id, canceled_at=self.cloud.clock.now())
        return "CANCELLED" if state == "CANCELLED" else "CANCELLING"

    # results

    async def result(self, bucket: str, key: str) -> bytes:
        """Return an object of the bucket. Raises `BraketError` where there is none."""
        job = next((found for part in key.split("/") if (found := self.cloud.store.job(part)) is not None), None)
        missing = BraketError(404, "NoSuchKey", "The specified key does not exist.")
        if job is None or job.backend not in DEVICES or self.state(job) != "COMPLETED":
            raise missing
        order = self.order(job.body_seq)
        folder = f"{order.prefix}/{job.id}/"
        if bucket != order.bucket or not key.startswith(folder) or job.outcome_fault == "lost":
            raise missing
        if job.outcome_fault == "result_missing" and job.result_polls < job.outcome_rule["params"]["n"]:
            self.cloud.store.change(job.id, result_polls=job.result_polls + 1)
            raise missing
        async with self._one_at_a_time:
            if job.id not in self._results:
                day = self._histories[job.backend].at(job.starts_at)
                inputs = ResultInputs(
                    key=f"{self.cloud.seed}/{job.seq}",
                    circuits=order.circuits,
                    shots=job.shots // job.circuits,
                    fidelity=day.fidelity,
                    errors=day.errors,
                )
                shots = await asyncio.to_thread(compute_shots, inputs)
                self._results[job.id] = (
                    set_results(job, order, task_arn(job), shots, self._failed(job))
                    if job.type == PROGRAM_SET
                    else program_result(job, order, task_arn(job), shots[0])
                )
                while len(self._results) > _MAX_CACHED_RESULTS:
                    self._results.popitem(last=False)
            objects = self._results[job.id]
        if key.removeprefix(folder) not in objects:
            raise missing
        return objects[key.removeprefix(folder)]

    def _priced(self, device: Device) -> Device:
        """Return a device with its current price of a shot."""
        return replace(device, shot_usd=device.shot_usd * self.cloud.price_factor(device.name))

    def _check_spending(self, device: Device, order: Order) -> None:
        """Refuse what goes beyond the limit that an administrator has set for a device."""
        limit = self.cloud.backend_changes(device.name).get("spending_limit_usd")
        if limit is None:
            return
        spent = sum(
            job.estimated_usd
            for job in self.cloud.store.job_log()
            if job.backend == device.name and self.state(job) not in ("FAILED", "CANCELLED")
        )
        if spent + self._priced(device).price_usd(order.shots) > limit:
            message = f"The quantum task exceeds the spending limit of {limit:g} USD for {device.arn}; {spent:g} USD are spent."
            raise BraketError(400, "Validation", message)


def task_arn(job: Job) -> str:
    """Return how the interface names a task."""
    return f"arn:aws:braket:{DEVICES[job.backend].region}:{ACCOUNT}:quantum-task/{job.id}"


_VENDORS = {"ionq": "IonQ", "iqm": "IQM", "rigetti": "Rigetti", "aqt": "AQT"}
