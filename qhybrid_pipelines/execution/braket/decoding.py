"""From a task and its result to counts. Pure: the same bytes give the same counts today and in ten years.

A raw result is one JSON object that holds texts of the vendor, letter for letter: what it says of the task, the object that the
device left in the bucket, and those that this one names. Measurements are rows of 0 and 1, one column for each of ``measuredQubits``; where there are none,
probabilities are frequencies of shots, their keys read in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, RawResult
from qhybrid_pipelines.execution.braket import set_results
from qhybrid_pipelines.execution.braket.payload import CIRCUIT_TAG, SET_ACTION, circuit_digest
from qhybrid_pipelines.execution.counts import counts_of_one_circuit, verify_counts
from qhybrid_pipelines.execution.port import COUNTS_SCHEMA

CONTENT_TYPE = "application/vnd.qhybrid.braket+json"
RESULT = "braket.task_result.gate_model_task_result"

#: How far a frequency times shots may be from a whole number: the vendor may round what it prints.
WHOLE_TOLERANCE = 1e-2


def envelope(task: bytes, result: bytes, objects: Mapping[str, bytes] | None = None) -> bytes:
    """Return the raw result that holds what is said of a task, its result, and the objects that it names.

    Raises:
        CorruptResult: some bytes are not text.
    """
    try:
        named = {path: content.decode() for path, content in (objects or {}).items()}
        texts: dict[str, Any] = {"task": task.decode(), "result": result.decode()}
        return canonical_json(texts | ({"objects": named} if named else {})).encode()
    except UnicodeDecodeError:
        raise CorruptResult("the result is not text") from None


def decode(raw: RawResult, batch: CircuitBatch) -> pa.Table:
    """Return the counts of a raw result in `COUNTS_SCHEMA`.

    Raises:
        CorruptResult: cut off, not of this task or batch, or qubits, shots or outcomes are not those of the batch.
    """
    task, result, objects = _open_envelope(raw.content)
    _check_equal("task", task.get("quantumTaskArn"), raw.ref.provider_job_id)
    if not has_results(task):
        raise CorruptResult(f"the task is {str(task.get('status'))[:40]!r}")
    _check_equal("circuit", _inner(task, "tags", CIRCUIT_TAG), circuit_digest(batch))
    circuits = batch.points * batch.repetitions
    _check_equal("kind", _inner(result, "braketSchemaHeader", "name"), RESULT if circuits == 1 else set_results.RESULT)
    if circuits == 1:
        executables = set_results.Executables(metadata=result.get("taskMetadata") or {}, results={0: result}, failed={})
        _check_equal("shots", _inner(result, "taskMetadata", "shots"), batch.shots)
    else:
        executables = set_results.read_executables(result, objects)
        # The schema's text says shots of each executable, the vendor's client reads them as those of all.
        if executables.metadata.get("requestedShots") not in (batch.shots, batch.shots * circuits):
            raise CorruptResult(f"the result is of {executables.metadata.get('requestedShots')} shots")
        _check_equal("circuits", sorted({*executables.results, *executables.failed}), list(range(circuits)))
    _check_equal("own task", executables.metadata.get("id"), raw.ref.provider_job_id)
    _check_equal("device", executables.metadata.get("deviceId"), task.get("deviceArn"))
    of_circuits = (_counts(one, batch, number) for number, one in sorted(executables.results.items()))
    counts = pa.concat_tables([COUNTS_SCHEMA.empty_table(), *of_circuits]).combine_chunks()
    verify_counts(counts, batch, without=executables.failed)
    return counts


def has_results(task: Mapping[str, Any]) -> bool:
    """Return whether a task left results: it is completed, or it has failed as a program set of which some circuits ran."""
    if task.get("status") != "FAILED":
        return task.get("status") == "COMPLETED"
    ran = task.get("numSuccessfulShots")
    return _inner(task, "actionMetadata", "actionType") == SET_ACTION and isinstance(ran, int) and ran > 0


def details(raw: RawResult) -> dict[str, Any]:
    """Return which device it was, and which circuits failed. Raises `CorruptResult` for a result that cannot be read."""
    task, result, objects = _open_envelope(raw.content)
    said: dict[str, Any] = {"engine": str(task.get("deviceArn")).partition("::device/")[2]}
    if _inner(result, "braketSchemaHeader", "name") == set_results.RESULT:
        failed = set_results.read_executables(result, objects).failed
        if failed:
            said["failed_circuits"] = [f"circuit {number}: {why}" for number, why in sorted(failed.items())]
    return said


def _counts(result: dict[str, Any], batch: CircuitBatch, number: int) -> pa.Table:
    """Return the counts of one circuit of a batch."""
    qubits = result.get("measuredQubits")
    width = batch.template.n_qubits
    if not isinstance(qubits, list) or sorted(qubits, key=str) != sorted(range(width), key=str):
        raise CorruptResult(f"the result's measured qubits are not 0 to {width - 1}, each once")
    rows, occurrences = _measured(result, batch)
    in_order = np.empty_like(rows)
    in_order[:, np.array(qubits, dtype=np.int64)] = rows
    point, repetition = divmod(number, batch.repetitions)
    return counts_of_one_circuit(in_order, occurrences, point=point, repetition=repetition)


def _open_envelope(content: bytes) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return what is said of the task, its result, and the objects that this names."""
    try:
        texts = json.loads(content)
        task, result = json.loads(texts["task"]), json.loads(texts["result"])
        objects = {path: json.loads(text) for path, text in texts.get("objects", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptResult(f"the result cannot be read: {error}") from None
    if not isinstance(task, dict) or not isinstance(result, dict):
        raise CorruptResult("the result cannot be read: it is not an object")
    return task, result, objects


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


def _inner(said: Mapping[str, Any], field: str, name: str) -> Any:
    """Return a field of an object's object; None where there is none."""
    found = said.get(field)
    return found.get(name) if isinstance(found, dict) else None


def _check_equal(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise CorruptResult(f"the result's {what} is {str(found)[:120]!r}, expected {expected!r}")
