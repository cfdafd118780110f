"""What clients see: jobs and backends in the words of the published interface.

Everything that is the emulator's own is under a key ``emulator``, in objects that the interface leaves open.
"""

from __future__ import annotations

from typing import Any

from qhybrid_pipelines.emulator.artifacts import descriptors
from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.cloud import COMPILE_SECONDS, Cloud, child_ids, is_ideal
from qhybrid_pipelines.emulator.gates import NATIVE_GATES, QIS_GATES, gate_qubits
from qhybrid_pipelines.emulator.interface_versions import OCTOBER
from qhybrid_pipelines.emulator.job_requests import MULTI, SINGLE, wants_debiasing
from qhybrid_pipelines.emulator.machines import (
    DEBIASING_MINIMUM_SHOTS,
    MACHINES,
    PAGE_LIMIT,
    WIDEST_SIMULATION_QUBITS,
    Machine,
)
from qhybrid_pipelines.emulator.store import Job
from qhybrid_pipelines.emulator.strict_json import read_stored

SUBMITTER, PROJECT = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
VARIANTS = 4
"""Debiasing runs a circuit on this many different sets of ions."""

_LARGEST_INT32 = 2**31 - 1


def job_view(cloud: Cloud, job: Job, *, child: int | None = None, listed: bool = False) -> dict[str, Any]:
    """Return a job as ``GET /jobs/{id}`` shows it.

    Args:
        cloud: that accepted it.
        job: the parent, when a child is asked for.
        child: number of the circuit of a child, from 0.
        listed: as it is in a list, where children are not named.
    """
    now, state = cloud.clock.now(), cloud.state(job)
    skew = cloud.store.permanent_fault_seconds("clock_skew")
    began = now >= job.starts_at and (job.canceled_at is None or job.canceled_at >= job.starts_at)
    ended = {"completed": job.ends_at, "failed": job.ends_at, "canceled": job.canceled_at}.get(state)
    public_id = job.id if child is None else child_ids(job)[child]
    waiting = state in ("submitted", "ready")
    view: dict[str, Any] = {
        "id": public_id,
        "status": state,
        "type": job.type if child is None else SINGLE,
        "backend": job.backend,
        "dry_run": bool(job.dry_run),
        "submitter_id": SUBMITTER,
        "project_id": PROJECT,
        "parent_job_id": None if child is None else job.id,
        "session_id": None,
        "metadata": read_stored(job.metadata) if job.metadata is not None else None,
        "name": job.name if child is None else cloud.job_request(job.body_seq).circuits[child].name,
        "submitted_at": stamp(job.accepted_at + skew),
        "started_at": stamp(job.starts_at + skew) if began and not waiting else None,
        "completed_at": None if ended is None else stamp(ended + skew),
        "predicted_wait_time_ms": _milliseconds(max(0.0, job.starts_at - now)) if waiting else None,
        "predicted_execution_duration_ms": _milliseconds(job.ends_at - job.starts_at),
        "execution_duration_ms": _milliseconds(job.ends_at - job.starts_at) if state == "completed" else None,
        "failure": _failure(job) if state == "failed" else None,
        "output": _output(cloud, job, state=state, waiting=waiting, listed=listed, public_id=public_id),
        "settings": read_stored(job.settings),
        "stats": _stats(cloud, job, child),
        "results": None,
    }
    october = cloud.interface is OCTOBER
    if not (october and is_ideal(job)):
        view["shots"] = job.shots
    if not october:
        view["cost_model"] = "execution_time"
    elif MACHINES[job.backend].minimum_usd > 0:
        view["cost_model"] = "2QGE_operations"
    if state == "completed" and not job.dry_run:
        several = job.type == MULTI and child is None
        view["results"] = (
            descriptors(public_id, several=several, exact=is_ideal(job)) if october else _results(public_id)
        )
    if job.noise is not None:
        view["noise"] = read_stored(job.noise)
    if not listed:
        view["child_job_ids"] = child_ids(job) if job.type == MULTI and child is None else None
    return view


def variant_id(public_id: str, number: int) -> str:
    """Return the id of a debiasing variant, numbered from 0."""
    return f"{public_id[:24]}{number + 1:04x}{public_id[28:]}"


def variant_number(public_id: str, identifier: str) -> int | None:
    """Return the number of the variant with this id."""
    return next((number for number in range(VARIANTS) if variant_id(public_id, number) == identifier), None)


def variant_slice(shots: int, number: int) -> slice:
    """Return which shots of a job were taken on a variant."""
    edges = [shots * edge // VARIANTS for edge in range(VARIANTS + 1)]
    return slice(edges[number], edges[number + 1])


def backend_view(cloud: Cloud, machine: Machine) -> dict[str, Any]:
    """Return a backend as ``GET /backends/{backend}`` shows it; the limits in April's form are the emulator's addition."""
    now, skew = cloud.clock.now(), cloud.store.permanent_fault_seconds("clock_skew")
    backend_changes = cloud.backend_changes(machine.name)
    view: dict[str, Any] = {
        "backend": machine.name,
        "status": backend_changes.get("status", "available"),
        "qubits": machine.qubits,
        "average_queue_time": _milliseconds(cloud.queue_seconds(machine)),
        "last_updated": stamp(now + skew),
        "degraded": bool(backend_changes.get("degraded", False)),
        "location": "this machine",
    }
    if cloud.interface is OCTOBER:
        view["supported_gates"] = sorted(QIS_GATES)
        view["supported_native_gates"] = sorted(NATIVE_GATES)
        view["supported_error_mitigations"] = ["debiasing"] if machine.name in cloud.histories else []
    else:
        view["limits"] = {
            "min_shots": 1,
            "max_shots": machine.max_shots,
            "max_circuits_per_job": cloud.max_circuits(machine),
            "jobs_per_page": PAGE_LIMIT,
            "debiasing_min_shots": DEBIASING_MINIMUM_SHOTS,
            "max_touched_qubits": WIDEST_SIMULATION_QUBITS,
        }
    if machine.name in cloud.histories:
        view["characterization_id"] = cloud.histories[machine.name].at(now).id
    return view


def october_estimate(cloud: Cloud, machine: Machine, context: dict[str, Any], size: dict[str, int]) -> dict[str, Any]:
    """Return an estimate in October's form; ``context`` is what was asked for, ``size`` the arguments of the price."""
    rate = {
        "sku": machine.name,
        "unit": "gates",
        "cost_1q_gate": machine.one_qubit_gate_usd,
        "cost_2q_gate": machine.two_qubit_gate_usd,
        "job_cost_minimum": machine.minimum_usd,
    }
    free = machine.minimum_usd == 0
    return {
        "estimate_context": {**context, "organization": "emulator", "project": PROJECT},
        "estimated_at": stamp(cloud.clock.now() + cloud.store.permanent_fault_seconds("clock_skew")),
        "estimated_unit": cloud.billing_unit,
        "rate_card": {"id": "emulator", "rates": [] if free else [rate]},
        "estimated_total_cost": machine.price_usd(**size),
        "estimated_execution_time": _milliseconds(machine.execution_seconds(circuits=1, **size)),
        "current_predicted_queue_time": _milliseconds(cloud.queue_seconds(machine)),
    }


def job_log_view(cloud: Cloud, job: Job) -> dict[str, Any]:
    """Return a job as the emulator's own book has it, whatever clients are shown."""
    return {
        "id": job.id,
        "name": job.name,
        "metadata": read_stored(job.metadata) if job.metadata is not None else {},
        "body_sha256": job.body_sha256,
        "body_seq": job.body_seq,
        "backend": job.backend,
        "type": job.type,
        "shots": job.shots,
        "circuits": job.circuits,
        "accepted_at": stamp(job.accepted_at),
        "accepted_real_seconds": job.accepted_real,
        "starts_at": stamp(job.starts_at),
        "ends_at": stamp(job.ends_at),
        "state": cloud.state(job),
        "outcome": job.outcome_fault,
        "deleted": bool(job.deleted),
        "estimated_usd": job.estimated_usd,
        "charged_usd": cloud.charged_usd(job),
    }


def _milliseconds(seconds: float) -> int:
    """Return whole milliseconds that fit the interface's 32 bits."""
    return min(round(seconds * 1000), _LARGEST_INT32)


def _failure(job: Job) -> dict[str, str]:
    """Return why a job failed."""
    params = job.outcome_rule["params"]
    return {"code": params["code"], "message": params["message"]}


def _stats(cloud: Cloud, job: Job, child: int | None) -> dict[str, Any]:
    """Return the figures of a job or of one of its circuits."""
    circuits, qubits, one, two = job.circuits, job.qubits, job.one_qubit_gates, job.two_qubit_gates
    if child is not None:
        circuit = cloud.job_request(job.body_seq).circuits[child]
        sizes = [sum(len(side) for side in gate_qubits(gate)) for gate in circuit.gates]
        circuits, qubits, one = 1, circuit.qubits, sum(size == 1 for size in sizes)
        two = len(sizes) - one
    return {"qubits": qubits, "circuits": circuits, "gate_counts": {"1q": one, "2q": two}}


def _results(public_id: str) -> dict[str, dict[str, str]]:
    """Return where the results of a job are."""
    return {form: {"url": f"/v0.4/jobs/{public_id}/results/{form}"} for form in ("probabilities", "histogram", "shots")}


def _output(cloud: Cloud, job: Job, *, state: str, waiting: bool, listed: bool, public_id: str) -> dict[str, Any]:
    """Return the open part of a job: debiasing variants, and what the emulator adds."""
    if listed:
        return {}
    own: dict[str, Any] = {}
    if waiting:
        own["queue_position"] = cloud.store.jobs_ahead(job, cloud.clock.now()) + 1
        own["compiled_at"] = stamp(job.accepted_at + COMPILE_SECONDS)
    elif job.backend in cloud.histories:
        own["characterization_id"] = cloud.histories[job.backend].at(job.starts_at).id
    output: dict[str, Any] = {"emulator": own}
    if state == "completed" and not job.dry_run and wants_debiasing(read_stored(job.settings)):
        october = cloud.interface is OCTOBER
        variants = [_variant(job, public_id, number, october=october) for number in range(VARIANTS)]
        output["error_mitigation"] = {"debiasing": {"variants": variants}}
    return output


def _variant(job: Job, public_id: str, number: int, *, october: bool) -> dict[str, Any]:
    """Return one debiasing variant of a finished job: the circuit on ions shifted by its number."""
    width, identifier = MACHINES[job.backend].qubits, variant_id(public_id, number)
    shot_range = variant_slice(job.shots, number)
    results = {
        form: {"url": f"/v0.4/jobs/{public_id}/variants/{identifier}/results/{form}"}
        for form in ("probabilities", "histogram", "shots")
    }
    return {
        "variant_id": identifier,
        "qubit_map": [(qubit + number) % width for qubit in range(job.qubits)],
        "shots": shot_range.stop - shot_range.start,
        "results": descriptors(identifier, several=False, exact=False) if october else results,
    }
