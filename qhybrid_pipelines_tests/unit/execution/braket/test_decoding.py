"""Golden vectors: results written by hand, in the forms of the published schema, and the outcomes that they mean."""

from __future__ import annotations

import json

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, JobRef, RawResult, Template
from qhybrid_pipelines.execution.braket.decoding import CONTENT_TYPE, decode, envelope
from qhybrid_pipelines.execution.braket.payload import circuit_digest

TASK, DEVICE = (
    "arn:aws:braket:eu-north-1:123456789012:quantum-task/abc",
    "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet",
)


def batch(*, width: int, shots: int) -> CircuitBatch:
    template = Template(text="OPENQASM 3.0;", parameters=(), n_qubits=width)
    zeros = np.zeros((1, 1), dtype=np.uint64)
    return CircuitBatch(
        experiment="e", backend="braket:iqm.Garnet", template=template, bindings=zeros[:, :0], shots=shots, seeds=zeros
    )


def decoded(asked: CircuitBatch, **result: object) -> list[tuple[int, bytes | None, int]]:
    """Return bits, higher bits and count of each outcome."""
    task = {
        "quantumTaskArn": TASK,
        "status": "COMPLETED",
        "deviceArn": DEVICE,
        "tags": {"qhybrid_circuit": circuit_digest(asked)},
    }
    said = {
        "braketSchemaHeader": {"name": "braket.task_result.gate_model_task_result", "version": "1"},
        "taskMetadata": {"id": TASK, "deviceId": DEVICE, "shots": asked.shots},
        "measuredQubits": list(range(asked.width)),
        **result,
    }
    content = envelope(json.dumps(task).encode(), json.dumps(said).encode())
    ref = JobRef(provider="braket", backend=asked.backend, provider_job_id=TASK)
    counts = decode(RawResult(ref=ref, content=content, content_type=CONTENT_TYPE), asked)
    return [(row["bits"], row["high_bits"], row["count"]) for row in counts.to_pylist()]


@pytest.mark.parametrize(
    ("qubits", "row", "bits"),
    [
        ([0, 1, 2], [1, 0, 0], 0b001),  # the first column is qubit 0, the least significant bit
        ([0, 1, 2], [0, 0, 1], 0b100),
        ([0, 1, 2], [1, 1, 0], 0b011),
        ([2, 0, 1], [1, 0, 0], 0b100),  # columns in another order say which qubit each is
        ([1, 2, 0], [0, 1, 1], 0b101),
    ],
)
def test_a_column_is_the_qubit_that_it_is_named_after(qubits, row, bits):
    asked = batch(width=3, shots=4)
    key = "".join(map(str, row))
    assert decoded(asked, measurements=[row] * 4, measuredQubits=qubits) == [(bits, None, 4)]
    assert decoded(asked, measurementProbabilities={key: 1.0}, measuredQubits=qubits) == [(bits, None, 4)]


def test_outcomes_are_counted_in_ascending_order():
    rows = [[1, 1], [0, 1], [1, 1], [0, 0], [1, 1]]
    assert decoded(batch(width=2, shots=5), measurements=rows) == [(0, None, 1), (2, None, 1), (3, None, 3)]
    shares = {"11": 0.6, "01": 0.2, "00": 0.2, "10": 0.0}
    assert decoded(batch(width=2, shots=5), measurementProbabilities=shares) == [
        (0, None, 1),
        (2, None, 1),
        (3, None, 3),
    ]


def test_outcomes_wider_than_a_word():
    row = [0] * 70
    row[3] = row[64] = row[69] = 1
    [(bits, high, count)] = decoded(batch(width=70, shots=2), measurements=[row, row])
    assert (bits, count) == (1 << 3, 2)
    assert int.from_bytes(high, "little") == (1 << 0) | (1 << 5)


@pytest.mark.parametrize(
    "measurements", [[], [[0]], [[0, 1.5], [0, 1]], [[0, 1], [0, 3]], "0101", [[True, False]] * 2, {}]
)
def test_what_is_not_a_table_of_shots_is_refused(measurements):
    with pytest.raises(CorruptResult):
        decoded(batch(width=2, shots=2), measurements=measurements)


@pytest.mark.parametrize(
    "shares", [{"00": [0.5], "01": [0.5]}, {"00": 10**400}, {"00": None}, {"00": 0.0}, {"0": 1.0}, {}]
)
def test_what_is_not_a_frequency_of_shots_is_refused(shares):
    with pytest.raises(CorruptResult):
        decoded(batch(width=2, shots=2), measurementProbabilities=shares)
