"""Whole life of IBM's own client, which nobody has changed, at the emulated cloud; all that it is told are environment variables."""

from __future__ import annotations

import json
import time

import numpy as np
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.circuit import Parameter
from qiskit_ibm_runtime import Batch, QiskitRuntimeService, SamplerV2, Session
from qiskit_ibm_runtime.exceptions import (
    IBMInputValueError,
    IBMRuntimeError,
    RuntimeInvalidStateError,
    RuntimeJobNotFound,
)

DONE_SECONDS = 120
FAR = "ibm_fez"
ids: list[str] = []


def turned(width: int = 3) -> QuantumCircuit:
    """Bit 0 as ``a`` turns it, bit 1 always 1, the others 0."""
    circuit = QuantumCircuit(width)
    circuit.rx(Parameter("a"), 0)
    circuit.x(1)
    circuit.measure_all()
    return circuit


def finished(job):
    ids.append(job.job_id())
    until = time.monotonic() + DONE_SECONDS
    while not job.in_final_state():
        assert time.monotonic() < until, job.status()
        time.sleep(0.05)
    return job


def refused(what, error, word: str) -> None:
    try:
        what()
    except error as caught:
        assert word in str(caught), caught
    else:
        raise AssertionError(f"{word}: nothing was refused")


def main() -> None:
    service = QiskitRuntimeService()
    [instance] = service.instances()
    assert instance["crn"] == service.active_instance()
    assert (instance["plan"], instance["pricing_type"]) == ("pay-as-you-go", "paid")
    assert {backend.name for backend in service.backends()} == {
        "ibm_manila",
        "ibm_torino",
        "ibm_fez",
        "ibm_marrakesh",
    }
    assert service.least_busy(min_num_qubits=100).num_qubits >= 100
    backend = service.backend("ibm_manila")
    assert backend.status().operational
    assert backend.properties().gate_error("cx", (0, 1)) > 0
    compiled = generate_preset_pass_manager(1, backend=backend, initial_layout=[2, 1, 0]).run(turned())

    sampler = SamplerV2(backend)
    sampler.options.environment.job_tags = ["colour-blue", "life"]
    sampler.options.dynamical_decoupling.enable = True
    job = finished(sampler.run([(compiled, np.array([[0.0], [np.pi]]), 500), (compiled, [0.0], 300)]))
    assert job.status() == "DONE"
    low, high = (job.result()[0].data.meas.get_counts(row) for row in range(2))
    assert max(low, key=low.get) == "010", low
    assert max(high, key=high.get) == "011", high
    assert job.result()[1].data.meas.num_shots == 300
    assert service.job(ids[0]).result()[0].data.meas.get_counts(0) == low
    assert job.metrics()["usage"]["quantum_seconds"] == job.usage() == job.usage_estimation["quantum_seconds"] == 3
    assert job.metrics()["timestamps"]["created"] < job.metrics()["timestamps"]["finished"]
    assert ids[0] in job.logs()
    assert job.inputs["options"]["dynamical_decoupling"]["enable"] is True
    assert job.properties().last_update_date is not None
    assert service.usage()["usage_consumed_seconds"] == 3

    assert [one.job_id() for one in service.jobs(job_tags=["life", "colour-blue"])] == ids
    assert service.jobs(job_tags=["life", "colour-red"]) == []
    job.update_tags(["colour-red"])
    assert [one.job_id() for one in service.jobs(job_tags=["colour-red"])] == ids
    more = [sampler.run([(compiled, [0.1])], shots=20 + n) for n in range(5)]
    ids.extend(one.job_id() for one in more)
    assert [one.job_id() for one in service.jobs(limit=3, skip=1)] == ids[-2:-5:-1]
    assert [one.job_id() for one in service.jobs(limit=None, descending=False)] == ids

    far = service.backend(FAR)  # where jobs wait for days
    waiting = SamplerV2(far).run([generate_preset_pass_manager(0, backend=far).run(turned().assign_parameters([0.0]))])
    ids.append(waiting.job_id())
    assert waiting.status() == "QUEUED"
    assert waiting.metrics()["position_in_queue"] == 1
    assert [one.job_id() for one in service.jobs(pending=True, backend_name=FAR)] == [waiting.job_id()]
    waiting.cancel()
    assert waiting.status() == "CANCELLED"
    refused(waiting.result, RuntimeInvalidStateError, "cancelled")
    refused(job.cancel, RuntimeInvalidStateError, "cannot be cancelled")
    assert service.jobs(pending=True, backend_name=FAR) == []
    assert [one.job_id() for one in service.jobs(pending=False, backend_name=FAR)] == [waiting.job_id()]

    sampler.options.max_execution_time = 1
    long = sampler.run([(compiled, [0.0])], shots=10_000)
    assert finished(long).errored()
    assert "1305" in long.error_message() or "1305" in str(long._reason)
    refused(long.result, IBMRuntimeError, "maximum execution time")

    for kind, mode in ((Session, "dedicated"), (Batch, "batch")):
        with kind(backend, max_time="30m") as group:
            inside = SamplerV2(mode=group)
            jobs = [inside.run([(compiled, [0.0])], shots=60 + n) for n in range(2)]
            assert group.details()["mode"] == mode
            assert group.details()["accepting_jobs"]
        for one in jobs:
            assert finished(one).status() == "DONE"
            assert one.session_id == group.session_id
        assert {one.job_id() for one in service.jobs(session_id=group.session_id)} == {one.job_id() for one in jobs}
        assert group.status() == "Closed"
        assert group.usage() > 0
        again = kind.from_id(group.session_id, service)
        refused(lambda sampler=SamplerV2(mode=again): sampler.run([(compiled, [0.0])]), IBMRuntimeError, "closed")
    group = Session(far)
    unwanted = SamplerV2(mode=group).run(
        [generate_preset_pass_manager(0, backend=far).run(turned().assign_parameters([0.0]))]
    )
    ids.append(unwanted.job_id())
    group.cancel()
    assert unwanted.status() == "CANCELLED"
    assert group.status() == "Closed"
    refused(lambda: Session.from_id("unknown", service), IBMInputValueError, "not found")

    service.delete_job(ids[0])
    refused(lambda: service.job(ids[0]), RuntimeJobNotFound, "not found")
    print(json.dumps({"ids": ids}))


main()
