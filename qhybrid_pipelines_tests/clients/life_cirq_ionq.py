"""Life of a job through ``cirq-ionq``: one circuit, several, a machine with error mitigation, cancelling, refusals."""

import json
import sys

import cirq
import cirq_ionq

root, key = sys.argv[1].removesuffix("/v0.4"), sys.argv[2]
service = cirq_ionq.Service(remote_host=root, api_key=key, default_target="simulator", max_retry_seconds=5)
qubits = cirq.LineQubit.range(3)
ids = []

bell = cirq.Circuit(cirq.H(qubits[0]), cirq.CNOT(qubits[0], qubits[1]), cirq.measure(qubits[0], qubits[1], key="m"))
job = service.create_job(bell, repetitions=200, name="bell")
ids.append(job.job_id())
result = job.results(polling_seconds=0.05)
probabilities = result.probabilities()
assert set(probabilities) == {0, 3}, probabilities
assert abs(sum(probabilities.values()) - 1) < 1e-9

flips = [cirq.Circuit(cirq.X(qubits[at]), cirq.measure(*qubits, key="m")) for at in range(3)]
batch = service.create_batch_job(flips, repetitions=100)
ids.append(batch.job_id())
outcomes = [max(one.probabilities(), key=one.probabilities().get) for one in batch.results(polling_seconds=0.05)]
assert outcomes == [0b100, 0b010, 0b001], outcomes  # the first measured qubit is the leftmost bit

flip = cirq.Circuit(cirq.X(qubits[1]), cirq.measure(*qubits, key="m"))
machine = service.create_job(
    flip, repetitions=500, target="qpu.forte-1", error_mitigation={"debiasing": True}, name="machine"
)
ids.append(machine.job_id())
counts = machine.results(polling_seconds=0.05, sharpen=False).counts("m")
assert max(counts, key=counts.get) == 0b010, counts
assert sum(counts.values()) == 500, counts

noisy = service.create_job(flip, repetitions=100, noise={"model": "aria-1", "seed": 7})
ids.append(noisy.job_id())
shares = noisy.results(polling_seconds=0.05).probabilities()
assert max(shares, key=shares.get) == 0b010, shares

cancelled = service.create_job(flip, repetitions=100, target="qpu.forte-1")
ids.append(cancelled.job_id())
cancelled.cancel()
assert service.get_job(cancelled.job_id()).status() in {"canceled", "completed"}
assert {one.job_id() for one in service.list_jobs(limit=25, batch_size=25)} >= set(ids)

try:
    service.create_job(flip, repetitions=100, target="qpu.nowhere")
except cirq_ionq.IonQException as error:
    assert "qpu.nowhere" in str(error), error
else:
    raise AssertionError("an unknown target was accepted")

print(json.dumps({"ids": ids}))
