"""Life of a job through ``qiskit-ionq``: one circuit, several, a machine, noise, cancelling."""

import json
import os
import sys
import warnings

warnings.simplefilter("ignore")
os.environ |= {"IONQ_API_URL": sys.argv[1], "IONQ_API_KEY": sys.argv[2]}

from qiskit import QuantumCircuit, transpile
from qiskit.providers import JobStatus
from qiskit_ionq import IonQProvider

ids = []


def flip(qubit, width=3):
    circuit = QuantumCircuit(width, width)
    circuit.x(qubit)
    circuit.measure(range(width), range(width))
    return circuit


def run(backend, circuits, **options):
    job = backend.run(transpile(circuits, backend), **options)
    ids.append(job.job_id())
    return job


provider = IonQProvider()
simulator, machine = provider.get_backend("ionq_simulator"), provider.get_backend("qpu.forte-1")
assert run(simulator, flip(0), shots=100).get_counts() == {"001": 100}
many = run(simulator, [flip(0), flip(1), flip(2)], shots=50)
assert [many.get_counts(at) for at in range(3)] == [{"001": 50}, {"010": 50}, {"100": 50}]

counts = run(machine, flip(1), shots=500).get_counts()
assert max(counts, key=counts.get) == "010", counts
noisy = run(simulator, flip(2), shots=100, noise_model="forte-1", sampler_seed=7).get_counts()
assert max(noisy, key=noisy.get) == "100", noisy

job = run(machine, flip(0), shots=100)
job.cancel()
assert job.status() in {JobStatus.CANCELLED, JobStatus.DONE}, job.status()

print(json.dumps({"ids": ids}))
