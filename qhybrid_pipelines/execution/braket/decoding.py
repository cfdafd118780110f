"""From a task and its result to counts. Pure: the same bytes give the same counts today and in ten years.

A raw result is one JSON object that holds two texts of the vendor, letter for letter: what it says of the task, and the object that the
device left in the bucket. Measurements are rows of 0 and 1, one column for each of ``measuredQubits``; where there are none,
probabilities are frequencies of shots, their keys read in the same order.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, RawResult
from qhybrid_pipelines.execution.braket.payload import CIRCUIT_TAG, circuit_digest
from qhybrid_pipelines.execution.counts import counts_of_one_circuit, verify_counts

CONTENT_TYPE = "application/vnd.qhybrid.braket+json"
RESULT = "braket.task_result.gate_model_task_result"

#: How far a frequency times shots may be from a whole number: the vendor may round what it prints.
WHOLE_TOLERANCE = 1e-2


def envelope(task: bytes, result: bytes) -> bytes:
    """Return the raw result that holds what is said of a task, and its result. Raises `CorruptResult` for bytes that are not text."""
    try:
        return canonical_json({"task": task.decode(), "result": result.decode()}).encode()
    except UnicodeDecodeError:
        raise CorruptResult("the result is not text") from None


def decode(raw: RawResult, batch: CircuitBatch) -> pa.Table:
    """Return the counts of a raw result in `COUNTS_SCHEMA`.

    Raises:
        CorruptResult: cut off, not of this task or batch, or qubits, shots or outcomes are not those of the batch.
    """
    task, result = _open_envelope(raw.content)
    _check_equal("task", task.get("quantumTaskArn"), raw.ref.provider_job_id)
    _check_equal("status", task.get("status"), "COMPLETED")
    _check_equal("circuit", _inner(task, "tags", CIRCUIT_TAG), circuit_digest(batch))
    _check_equal("kind", _inner(result, "braketSchemaHeader", "name"), RESULT)
    _check_equal("own task", _inner(result, "taskMetadata", "id"), raw.ref.provider_job_id)
    _check_equal("device", _inner(result, "taskMetadata", "deviceId"), task.get("deviceArn"))
    _check_equal("shots", _inner(result, "taskMetadata", "shots"), batch.shots)
    qubits = result.get("measuredQubits")
    width = batch.template.n_qubits
    if not isinstance(qubits, list) or sorted(qubits, key=str) != sorted(range(width), key=str):
        raise CorruptResult(f"the result's measured qubits are not 0 to {width - 1}, each once")
    rows, occurrences = _measured(result, batch)
    in_order = np.empty_like(rows)
    in_order[:, np.array(qubits, dtype=np.int64)] = rows
    counts = counts_of_one_circuit(in_order, occurrences)
    verify_counts(counts, batch)
    return counts


def details(raw: RawResult) -> dict[str, Any]:
    """Return which device it was. Raises `CorruptResult` for a result that cannot be read."""
    task, _ = _open_envelope(raw.content)
    return {"engine": str(task.get("deviceArn")).partition("::device/")[2]}


def _open_envelope(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        texts = json.loads(content)
        task, result = json.loads(texts["task"]), json.loads(texts["result"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptResult(f"the result cannot be read: {error}") from None
    if not isinstance(task, dict) or not isinstance(result, dict):
        raise CorruptResult("the result cannot be read: it is not an object")
    return task, result


def _measured(result: dict[str, Any], batch: CircuitBatch) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return outcomes as rows of 0 and 1, and how often each came."""
    width, given = batch.template.n_qubits, result.get("measurements")
    if given is not None:
        try:
            shots = np.array(given)
        except ValueError:
            raise CorruptResult("the result's measurements have rows of unequal length") from None
        if shots.shape != (batch.shots, width) or shots.dtype.kind != "i" or not np.isin(shots, (0, 1)).all():
            raise CorruptResult(f"the result's measurements are not {batch.shots} rows of {width} times 0 or 1")
        return shots.astype(np.uint8), np.ones(batch.shots, dtype=np.int64)
    frequencies = result.get("measurementProbabilities")
    if not isinstance(frequencies, dict) or not frequencies:
        raise CorruptResult("the result has neither measurements nor probabilities")
    if not all(len(key) == width and set(key) <= {"0", "1"} for key in frequencies):
        raise CorruptResult(f"the result has outcomes that are not {width} times 0 or 1")
    try:
        scaled = np.array(list(frequencies.values()), dtype=np.float64) * batch.shots
    except (TypeError, ValueError, OverflowError):
        raise CorruptResult("the result has probabilities that are not numbers") from None
    if scaled.ndim != 1:
        raise CorruptResult("the result has probabilities that are not numbers")
    counts = np.rint(scaled)
    if not np.isfinite(scaled).all() or np.abs(scaled - counts).max() > WHOLE_TOLERANCE or (counts < 0).any():
        raise CorruptResult(f"the result's probabilities are not frequencies of {batch.shots} shots")
    keys = np.array(list(frequencies), dtype=f"S{width}")
    rows = keys.view(np.uint8).reshape(len(keys), width) - ord("0")
    return rows[counts > 0], counts[counts > 0].astype(np.int64)


def _inner(said: dict[str, Any], field: str, name: str) -> Any:
    """Return a field of an object's object; None where there is none."""
    found = said.get(field)
    return found.get(name) if isinstance(found, dict) else None


def _check_equal(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise CorruptResult(f"the result's {what} is {str(found)[:120]!r}, expected {expected!r}")
