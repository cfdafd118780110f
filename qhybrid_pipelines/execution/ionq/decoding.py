"""From the vendor's answers to counts. Pure: the same bytes give the same counts today and in ten years.

A raw result is one JSON object that holds the vendor's answers as texts, letter for letter: the job, the pages that
list its circuits, and the probabilities. Outcomes are decimal numbers with qubit 0 as their least significant bit.

Probabilities of a machine, an emulator or a noisy simulation are frequencies of shots and give whole counts. The
vendor's ideal simulator returns exact probabilities instead; these are sampled here with the batch's own seeds. Which
of both it is shows in the numbers: a distribution is sampled when it gives no whole counts. Where the job states no shots
at all, it is exact, whatever its numbers are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, RawResult
from qhybrid_pipelines.execution.counts import counts_table, verify_counts
from qhybrid_pipelines.execution.ionq.payload import JOB_TYPE, SIMULATOR, circuit_names
from qhybrid_pipelines.execution.port import COUNTS_SCHEMA
from qhybrid_pipelines.execution.sampling import sample_point

CONTENT_TYPE = "application/vnd.qhybrid.ionq+json"

#: How far a frequency times shots may be from a whole number: the vendor may round what it prints to nine digits.
WHOLE_TOLERANCE = 1e-2
#: How far exact probabilities may be from a sum of 1, for the same reason.
SUM_TOLERANCE = 1e-6
WIDEST = 63


def envelope(job: bytes, children: Sequence[bytes], results: bytes) -> bytes:
    """Return the raw result that holds these answers."""
    texts = {
        "job": job.decode(),
        "children": [page.decode() for page in children],
        "results": results.decode(),
    }
    return canonical_json(texts).encode()


def decode(raw: RawResult, batch: CircuitBatch) -> pa.Table:
    """Return the counts of a raw result in `COUNTS_SCHEMA`.

    Raises:
        CorruptResult: cut off, not of this job or batch, a circuit is missing, renamed or in another place, the width
            or the shots differ, or a probability is negative, NaN, or no frequency of shots.
    """
    job, children, results = _open_envelope(raw.content)
    names = circuit_names(batch)
    _check_equal("job", job.get("id"), raw.ref.provider_job_id)
    _check_equal("status", job.get("status"), "completed")
    _check_equal("type", job.get("type"), JOB_TYPE)
    _check_run("job", job, batch)
    order = job.get("child_job_ids")
    if not isinstance(order, list) or len(order) != len(names) or len(set(map(str, order))) != len(names):
        raise CorruptResult(f"the result does not name {len(names)} circuits, each once")
    if set(results) != set(order) or set(children) != set(order):
        raise CorruptResult("the result has other circuits than the job")
    sampled = job.get("backend") == SIMULATOR
    exact = _has_no_shots(job)
    parts = []
    for place, (child_id, name) in enumerate(zip(order, names, strict=True)):
        child, what = children[child_id], f"circuit {place}"
        _check_equal(f"{what}'s name", child.get("name"), name)
        _check_equal(f"{what}'s job", child.get("parent_job_id"), raw.ref.provider_job_id)
        _check_run(what, child, batch)
        bits, probabilities = _distribution(results[child_id], batch.template.n_qubits, what)
        point, repetition = divmod(place, batch.repetitions)
        parts.append(_counts(bits, probabilities, batch, point, repetition, what=what, sampled=sampled, exact=exact))
    counts = counts_table(parts)
    verify_counts(counts, batch)
    return counts


def details(raw: RawResult) -> dict[str, Any]:
    """Return what a raw result says about its making. Raises `CorruptResult` for one that cannot be read."""
    job, _, _ = _open_envelope(raw.content)
    found: dict[str, Any] = {"engine": job.get("backend")}
    output = job.get("output")
    own = output.get("emulator") if isinstance(output, dict) else None
    if isinstance(own, dict) and own.get("characterization_id"):
        found["calibration_id"] = own["characterization_id"]
    if isinstance(job.get("execution_duration_ms"), int):
        found["device_seconds"] = job["execution_duration_ms"] / 1000
    return found


def _open_envelope(content: bytes) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the job, its circuits by id and their probabilities by id."""
    try:
        texts = json.loads(content)
        job = json.loads(texts["job"])
        pages = [json.loads(text)["jobs"] for text in texts["children"]]
        results = json.loads(texts["results"], object_pairs_hook=_reject_duplicate_keys)
        children = _reject_duplicate_keys([(child["id"], child) for page in pages for child in page])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptResult(f"the result cannot be read: {error}") from None
    if not isinstance(job, dict) or not isinstance(results, dict):
        raise CorruptResult("the result cannot be read: it is not an object")
    return job, children, results


def _reject_duplicate_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _check_equal(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise CorruptResult(f"the result's {what} is {str(found)[:80]!r}, expected {expected!r}")


def _check_run(what: str, job: Any, batch: CircuitBatch) -> None:
    """Check backend, shots and width, which are in the job and in each of its circuits."""
    stats = job.get("stats")
    _check_equal(f"{what}'s backend", job.get("backend"), batch.backend.partition(":")[2])
    if not _has_no_shots(job):
        _check_equal(f"{what}'s shots", job.get("shots"), batch.shots)
    _check_equal(f"{what}'s width", stats.get("qubits") if isinstance(stats, dict) else None, batch.template.n_qubits)


def _has_no_shots(job: dict[str, Any]) -> bool:
    """Tell whether a job of the ideal simulator states no shots: its probabilities are exact (interface of October 2026)."""
    noise = job.get("noise")
    ideal = noise is None or (isinstance(noise, dict) and noise.get("model") == "ideal")
    return job.get("backend") == SIMULATOR and ideal and "shots" not in job


def _distribution(answer: Any, width: int, what: str) -> tuple[U64, F64]:
    """Return outcomes, ascending, and their probabilities."""
    if not isinstance(answer, dict) or not answer:
        raise CorruptResult(f"{what} has no outcomes")
    if not all(key.isascii() and key.isdigit() and len(key) <= 19 for key in answer):
        raise CorruptResult(f"{what} has outcomes that are not decimal numbers")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in answer.values()):
        raise CorruptResult(f"{what} has probabilities that are not numbers")
    bits = np.array(list(answer), dtype="U19").astype(np.uint64)
    probabilities = np.array(list(answer.values()), dtype=np.float64)
    if width > WIDEST or int(bits.max()) >> width:
        raise CorruptResult(f"{what} has an outcome wider than its {width} qubits")
    if len(np.unique(bits)) != len(bits):
        raise CorruptResult(f"{what} has an outcome twice")
    if not np.isfinite(probabilities).all() or (probabilities < 0).any():
        raise CorruptResult(f"{what} has a probability that is negative or not finite")
    order = np.argsort(bits)
    return bits[order], probabilities[order]


def _counts(
    bits: U64,
    probabilities: F64,
    batch: CircuitBatch,
    point: int,
    repetition: int,
    *,
    what: str,
    sampled: bool,
    exact: bool,
) -> pa.RecordBatch:
    scaled = probabilities * batch.shots
    counts = np.rint(scaled).astype(np.int64)
    whole = not exact and np.abs(scaled - counts).max() <= WHOLE_TOLERANCE and int(counts.sum()) == batch.shots
    if not whole:
        if not sampled or abs(float(probabilities.sum()) - 1.0) > SUM_TOLERANCE:
            raise CorruptResult(f"{what}'s probabilities are not frequencies of {batch.shots} shots")
        seeds = batch.seeds[point, repetition : repetition + 1]
        drawn = sample_point(probabilities, seeds, batch.shots, point=point, outcomes=bits)
        bits, counts = drawn.column("bits").to_numpy(), drawn.column("count").to_numpy()
    happened = counts > 0
    n = int(happened.sum())
    return pa.record_batch(
        [
            pa.array(np.full(n, point, dtype=np.int32)),
            pa.array(np.full(n, repetition, dtype=np.int32)),
            pa.array(bits[happened]),
            pa.nulls(n, pa.binary()),
            pa.array(counts[happened]),
        ],
        schema=COUNTS_SCHEMA,
    )
