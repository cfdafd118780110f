"""From an answer's bytes to counts of the model's variables, and to how whole the chains were.

An answer in the format ``qp`` has its rows padded to bytes, the first used qubit in the highest bit of the first byte, 1 for
spin +1. The published page says little-endian; its own example and the vendor's client say otherwise, and so does this.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.circuit_jobs import RawResult
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.execution.counts import counts_of_one_circuit, verify_counts
from qhybrid_pipelines.execution.dwave.payload import PROBLEM_TYPE, read_label
from qhybrid_pipelines.quantum.annealing.programming import random_gauge
from qhybrid_pipelines.quantum.annealing.unembedding import Unembedded, majority_vote

CONTENT_TYPE = "application/vnd.qhybrid.sapi-answer+json"
#: A year; what an answer says beyond is not a time.
_LONGEST_MICROS = 366 * 86_400e6


@dataclass(frozen=True, kw_only=True)
class QubitSamples:
    """Spins of qubits as they came.

    Attributes:
        qubits: numbers of the used qubits, shape ``(k,)``.
        spins: shape ``(rows, k)`` of +1 and -1.
        occurrences: how often each row came, shape ``(rows,)``.
    """

    qubits: npt.NDArray[np.int64]
    spins: npt.NDArray[np.int8]
    occurrences: npt.NDArray[np.int64]


def envelope(info: bytes, answer: bytes) -> bytes:
    """Return the raw result that holds what the service says was asked, and its answer."""
    return canonical_json({"info": info.decode(), "answer": answer.decode()}).encode()


def decode(raw: RawResult, batch: AnnealBatch) -> pa.Table:
    """Return the counts of a raw result in `COUNTS_SCHEMA`.

    Raises:
        CorruptResult: cut off, not of this problem or batch, or qubits, reads or rows are not those of the batch.
    """
    samples, unembedded = _read(raw, batch)
    counts = counts_of_one_circuit(unembedded.assignments, samples.occurrences)
    verify_counts(counts, batch)
    return counts


def broken_by_variable(raw: RawResult, batch: AnnealBatch) -> npt.NDArray[np.float64]:
    """Return the share of the reads in which each variable's chain was broken, shape ``(n,)``. Raises as `decode`."""
    samples, unembedded = _read(raw, batch)
    return np.asarray(samples.occurrences @ unembedded.broken / samples.occurrences.sum(), dtype=np.float64)


def details(raw: RawResult) -> dict[str, Any]:
    """Return what a raw result says about its making. Raises `CorruptResult` for one that cannot be read."""
    info, answer = open_envelope(raw.content)
    solver = info["metadata"].get("solver")
    found: dict[str, Any] = {
        "engine": solver.get("name") if isinstance(solver, dict) else None,
        "unembedding": AnnealBatch.unembedding,
    }
    version = solver.get("version") if isinstance(solver, dict) else None
    if isinstance(version, dict) and isinstance(version.get("graph_id"), str):
        found["engine_version"] = version["graph_id"]
    micros = access_micros(answer)
    return found if micros is None else found | {"device_seconds": micros * 1e-6}


def access_micros(answer: dict[str, Any]) -> float | None:
    """Return the QPU access time of an answer in microseconds, None where it does not say."""
    timing = answer.get("timing")
    return read_micros(timing.get("qpu_access_time")) if isinstance(timing, dict) else None


def read_samples(answer: dict[str, Any]) -> QubitSamples:
    """Return what an answer in the format ``qp`` holds. Raises `CorruptResult` for an answer in another format."""
    if answer.get("format") != "qp":
        raise CorruptResult(f"the answer has format {str(answer.get('format'))[:40]!r}, not qp")
    qubits, occurrences = (_numbers(answer, name) for name in ("active_variables", "num_occurrences"))
    width, packed = -(-len(qubits) // 8), _content(answer, "solutions")
    if not len(qubits) or len(packed) != width * len(occurrences):
        raise CorruptResult(f"the answer has {len(packed)} bytes for {len(occurrences)} rows of {len(qubits)} qubits")
    if (occurrences < 1).any():
        raise CorruptResult("the answer has a row that came less than once")
    matrix = np.frombuffer(packed, dtype=np.uint8).reshape(len(occurrences), width)
    ups = np.unpackbits(matrix, axis=1, count=len(qubits), bitorder="big")
    return QubitSamples(qubits=qubits, spins=(2 * ups.astype(np.int8) - 1), occurrences=occurrences)


def _read(raw: RawResult, batch: AnnealBatch) -> tuple[QubitSamples, Unembedded]:
    params, answer = open_result(raw, batch, PROBLEM_TYPE)
    check_equal("reads", params.get("num_reads"), batch.shots)
    samples = read_samples(answer)
    own = batch.embedding.qubits
    if not np.array_equal(samples.qubits, np.sort(own)):
        raise CorruptResult("the answer has other qubits than the embedding")
    if int(samples.occurrences.sum()) != batch.shots:
        raise CorruptResult(f"the answer has {samples.occurrences.sum()} reads, expected {batch.shots}")
    gauge = random_gauge(batch.width, seed=batch.gauge_seed, number=int(batch.gauges[0]))
    spins = samples.spins[:, np.searchsorted(samples.qubits, own)]
    return samples, majority_vote(spins, batch.embedding, gauge)


def open_envelope(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the service says was asked, and its answer. Raises `CorruptResult` for what cannot be read."""
    try:
        texts = json.loads(content)
        info, answer = json.loads(texts["info"]), json.loads(texts["answer"])["answer"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptResult(f"the result cannot be read: {error}") from None
    if not isinstance(info, dict) or not isinstance(answer, dict) or not isinstance(info.get("metadata"), dict):
        raise CorruptResult("the result cannot be read: it is not an object")
    return info, answer


def open_result(
    raw: RawResult, batch: AnnealBatch | HybridBatch, problem_type: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a problem's parameters and its answer. Raises `CorruptResult` where it is another one, or has not completed."""
    info, answer = open_envelope(raw.content)
    metadata, params = info["metadata"], info.get("params")
    label = read_label(metadata.get("label"))
    check_equal("problem", info.get("id"), raw.ref.provider_job_id)
    check_equal("status", metadata.get("status"), "COMPLETED")
    check_equal("type", metadata.get("type"), problem_type)
    check_equal("batch", None if label is None else label[2], batch.payload_sha256[:16])
    return params if isinstance(params, dict) else {}, answer


def read_micros(value: Any) -> float | None:
    """Return a time in microseconds, None for what cannot be one; JSON has whole numbers that no float can hold."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= _LONGEST_MICROS else None


def _content(answer: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(answer[name], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptResult(f"the answer's {name} cannot be read: {error}") from None


def _numbers(answer: dict[str, Any], name: str) -> npt.NDArray[np.int64]:
    content = _content(answer, name)
    if len(content) % 4:
        raise CorruptResult(f"the answer's {name} is cut off")
    return np.frombuffer(content, dtype="<i4").astype(np.int64)


def check_equal(what: str, found: Any, expected: Any) -> None:
    """Raise `CorruptResult` where a result says something else than was expected."""
    if found != expected:
        raise CorruptResult(f"the result's {what} is {str(found)[:80]!r}, expected {expected!r}")
