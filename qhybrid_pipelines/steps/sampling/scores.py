"""What the counts of a series say: scores, and a verdict for each circuit."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.sampling.baselines import SAMPLER, UNIFORM
from qhybrid_pipelines.sampling.counts import Aligned, align_counts
from qhybrid_pipelines.sampling.reference import Reference
from qhybrid_pipelines.sampling.scores import Score, measured_scores
from qhybrid_pipelines.sampling.verdict import Judgement, judge, judge_unmeasured
from qhybrid_pipelines.steps.execute.qpu_result_sets import (
    explain_failed_circuits,
    explain_missing_counts,
    get_current_jobs,
)
from qhybrid_pipelines.steps.sampling.circuits import join_words, read_references
from qhybrid_pipelines.steps.values_from_rows import ExecutionKey, Row, get_sampling_specification, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def sampling_scores(
    executions: Iterable[ExecutionKey],
    *,
    sampling_circuits: pa.Table,
    sampling_references: pa.Table,
    sampling_baselines: pa.Table,
    qpu_result_sets: pa.Table,
) -> pa.Table:
    """Return the table `sampling_scores`; without rows where a deadline passed."""
    rows: list[Row] = []
    for backend, key in executions:
        references = read_references(sampling_circuits, sampling_references, key)
        counts = select_rows(qpu_result_sets, key, backend)
        beside = {
            (row["point"], row["baseline"], row["score"]): row["value"]
            for row in select_rows(sampling_baselines, key).to_pylist()
        }
        for circuit in select_rows(sampling_circuits, key).to_pylist():
            aligned = _aligned(counts, circuit["point"], references[circuit["point"]])
            if aligned is None:
                continue
            rows += [
                {
                    "experiment": key,
                    "backend": backend,
                    "point": circuit["point"],
                    "circuit": circuit["circuit"],
                    "n_qubits": circuit["n_qubits"],
                    "score": score.name,
                    "value": score.value,
                    "low": score.low,
                    "high": score.high,
                    **{name: beside[circuit["point"], name, score.name] for name in (UNIFORM, "product_of_marginals")},
                    "shots": aligned.shots,
                    "effective_shots": aligned.effective_shots,
                }
                for score in measured_scores(aligned)
            ]
    return from_rows(schemas.SAMPLING_SCORES, rows)


def sampling_verdicts(
    executions: Iterable[ExecutionKey],
    *,
    experiments: pa.Table,
    sampling_circuits: pa.Table,
    sampling_baselines: pa.Table,
    sampling_scores: pa.Table,
    qpu_submissions: pa.Table,
    dispatcher: Dispatcher,
) -> pa.Table:
    """Return the table `sampling_verdicts`, a row for every circuit of a series."""
    rows: list[Row] = []
    for backend, key in executions:
        spec = get_sampling_specification(experiments, key)
        measured = select_rows(sampling_scores, key, backend).to_pylist()
        seconds = {
            row["point"]: row["seconds"]
            for row in select_rows(sampling_baselines, key).to_pylist()
            if row["baseline"] == SAMPLER
        }
        for circuit in select_rows(sampling_circuits, key).to_pylist():
            own = [row for row in measured if row["point"] == circuit["point"]]
            scores = {
                row["score"]: Score(name=row["score"], value=row["value"], low=row["low"], high=row["high"])
                for row in own
            }
            if scores:
                square = circuit["layers"] == circuit["n_qubits"]
                said = judge(scores, margin=spec.margin, family=circuit["family"], square=square)
            else:
                said = _unmeasured(select_rows(qpu_submissions, key, backend), dispatcher)
            rows.append(
                {
                    "experiment": key,
                    "backend": backend,
                    **{name: circuit[name] for name in ("point", "circuit", "n_qubits", "depth")},
                    "verdict": said.verdict.value,
                    "reason": said.reason,
                    **_bounds("fidelity", scores.get("hellinger_fidelity")),
                    **_bounds("polarisation", scores.get("polarisation")),
                    "margin": spec.margin,
                    "shots": own[0]["shots"] if own else 0,
                    "sampler_seconds": seconds.get(circuit["point"]),
                }
            )
    return from_rows(schemas.SAMPLING_VERDICTS, rows)


def _aligned(counts: pa.Table, point: int, reference: Reference) -> Aligned | None:
    here = counts.filter(pa.array(counts.column("point").to_numpy() == point))
    if not here.num_rows:
        return None
    outcomes = join_words(here.column("bits").to_numpy(), here.column("high_bits").to_pylist(), reference.width)
    return align_counts(reference, outcomes, here.column("repetition").to_numpy(), here.column("count").to_numpy())


def _unmeasured(submissions: pa.Table, dispatcher: Dispatcher) -> Judgement:
    jobs = get_current_jobs(submissions.to_pylist(), dispatcher)
    return judge_unmeasured(explain_missing_counts(jobs) or explain_failed_circuits(jobs) or "There are no counts.")


def _bounds(name: str, score: Score | None) -> Row:
    value, low, high = (None, None, None) if score is None else (score.value, score.low, score.high)
    return {name: value, f"{name}_low": low, f"{name}_high": high}
