"""Golden vectors: results written by hand, in the forms of the published schema, and the outcomes that they mean."""

from __future__ import annotations

import json

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import CorruptResult, Unavailable
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, JobRef, RawResult, Template
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.braket.decoding import CONTENT_TYPE, decode, details, envelope, has_results
from qhybrid_pipelines.execution.braket.payload import circuit_digest
from qhybrid_pipelines.execution.braket.set_results import gather
from qhybrid_pipelines.execution.braket.tasks import snapshot

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


HEADER = "braket.task_result.program_set_task_result"


def set_batch(points: int, repetitions: int) -> CircuitBatch:
    template = Template(text="OPENQASM 3.0;", parameters=("a",), n_qubits=2)
    seeds = np.zeros((points, repetitions), dtype=np.uint64)
    bindings = np.arange(points, dtype=np.float64)[:, None]
    return CircuitBatch(
        experiment="e", backend="braket:iqm.Garnet", template=template, bindings=bindings, shots=2, seeds=seeds
    )


def outcome(index: int, *rows: list[int]) -> dict:
    return {"inputsIndex": index, "measurements": list(rows), "measuredQubits": [0, 1]}


def failure(index: int, reason: str) -> dict:
    return {
        "inputsIndex": index,
        "failureMetadata": {"failureReason": reason, "retryable": True, "category": "DEVICE"},
    }


def set_result(
    asked: CircuitBatch,
    programs: list,
    *,
    said: list[dict] | None = None,
    objects: dict | None = None,
    **result: object,
) -> RawResult:
    circuits = asked.points * asked.repetitions
    task = {
        "quantumTaskArn": TASK,
        "status": "COMPLETED",
        "deviceArn": DEVICE,
        "tags": {"qhybrid_circuit": circuit_digest(asked)},
    }
    metadata = {
        "id": TASK,
        "deviceId": DEVICE,
        "requestedShots": asked.shots * circuits,
        "programMetadata": [{"executables": said or []}],
    }
    whole = {"braketSchemaHeader": {"name": HEADER}, "programResults": programs, "taskMetadata": metadata, **result}
    named = {path: json.dumps(body).encode() for path, body in (objects or {}).items()}
    ref = JobRef(provider="braket", backend=asked.backend, provider_job_id=TASK)
    content = envelope(json.dumps(task).encode(), json.dumps(whole).encode(), named)
    return RawResult(ref=ref, content=content, content_type=CONTENT_TYPE)


def test_an_executable_is_the_point_and_repetition_whose_inputs_it_had():
    asked = set_batch(2, 2)
    entries = [outcome(n, [n % 2, n // 2], [1, 1]) for n in (3, 0, 2, 1)]
    inlined = decode(set_result(asked, [{"executableResults": entries}]), asked)
    seen = [(row["point"], row["repetition"], row["bits"], row["count"]) for row in inlined.to_pylist()]
    assert seen == [(0, 0, 0, 1), (0, 0, 3, 1), (0, 1, 1, 1), (0, 1, 3, 1), (1, 0, 2, 1), (1, 0, 3, 1), (1, 1, 3, 2)]
    objects = {f"p/{n}.json": entry for n, entry in enumerate(entries)}
    objects["p/results.json"] = {"executableResults": [f"{n}.json" for n in range(4)]}
    assert decode(set_result(asked, ["p/results.json"], objects=objects), asked).equals(inlined)


def test_programs_without_inputs_are_counted_by_their_place():
    asked = set_batch(1, 3)
    programs = [{"executableResults": [outcome(0, [n % 2, 0], [n % 2, 0])]} for n in range(3)]
    said = [{"executables": [{}]}] * 3
    metadata = {"id": TASK, "deviceId": DEVICE, "requestedShots": 2, "programMetadata": said}
    counts = decode(set_result(asked, programs, taskMetadata=metadata), asked)
    assert [(row["repetition"], row["bits"]) for row in counts.to_pylist()] == [(0, 0), (1, 1), (2, 0)]


def test_executables_that_failed_or_were_cancelled_are_named_and_the_others_counted():
    asked = set_batch(4, 1)
    entries = [outcome(0, [1, 0], [1, 0]), failure(2, "No ions."), outcome(1, [0, 0], [0, 0])]
    raw = set_result(asked, [{"executableResults": entries}], said=[{}, {}, {}, {"status": "CANCELLED"}])
    assert [(row["point"], row["bits"]) for row in decode(raw, asked).to_pylist()] == [(0, 1), (1, 0)]
    assert details(raw)["failed_circuits"] == ["circuit 2: No ions. (device)", "circuit 3: cancelled"]
    nothing_said = set_result(asked, [{"executableResults": entries}])
    with pytest.raises(CorruptResult, match="circuits"):
        decode(nothing_said, asked)


def test_results_are_gathered_from_the_folder_of_the_task_and_from_nowhere_else():
    bucket = {
        "f/t/p/0/results.json": {"executableResults": ["e/0.json"], "source": "source.json"},
        "f/t/p/0/e/0.json": {"inputsIndex": 0},
        "f/t/metadata.json": {"id": TASK},
    }
    load = {key: json.dumps(body).encode() for key, body in bucket.items()}.__getitem__
    whole = {"programResults": ["p/0/results.json"], "taskMetadata": "metadata.json", "s3Location": ["b", "f/t"]}
    found = gather(json.dumps(whole).encode(), bucket="b", folder="f/t", load=load)
    assert sorted(found) == ["metadata.json", "p/0/e/0.json", "p/0/results.json"]
    assert gather(json.dumps(whole | {"s3Location": None}).encode(), bucket="b", folder="f/t", load=load) == {}
    assert gather(b"{", bucket="b", folder="f/t", load=load) == {}
    for changes in (
        {"s3Location": ["another", "f/t"]},
        {"s3Location": ["b", "f"]},
        {"programResults": ["../t2/results.json"]},
        {"taskMetadata": "p//x"},
    ):
        with pytest.raises(Unavailable, match=r"not in its folder|not a path below"):
            gather(json.dumps(whole | changes).encode(), bucket="b", folder="f/t", load=load)


SET_ACTION = {"actionType": "braket.ir.openqasm.program_set", "programCount": 1, "executableCount": 5}


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"status": "COMPLETED"}, JobState.COMPLETED),
        ({"status": "FAILED", "actionMetadata": SET_ACTION, "numSuccessfulShots": 40}, JobState.COMPLETED),
        ({"status": "FAILED", "actionMetadata": SET_ACTION, "numSuccessfulShots": 0}, JobState.FAILED),
        ({"status": "FAILED", "actionMetadata": SET_ACTION}, JobState.FAILED),
        ({"status": "FAILED", "numSuccessfulShots": 40}, JobState.FAILED),
        ({"status": "CANCELLED", "actionMetadata": SET_ACTION, "numSuccessfulShots": 40}, JobState.CANCELLED),
    ],
)
def test_a_set_that_failed_in_part_is_collected(task, expected):
    ref = JobRef(provider="braket", backend="braket:iqm.Garnet", provider_job_id=TASK)
    assert snapshot(task, ref).state is expected
    assert has_results(task) is (expected is JobState.COMPLETED)
