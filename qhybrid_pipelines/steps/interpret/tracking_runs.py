"""Step 13: the reproducibility record of each execution, in MLflow or in the spool."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import WORD, bitstring
from qhybrid_pipelines.core.specifications.labels import Labels
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.core.vocabulary.kinds import SAMPLING_FAMILY
from qhybrid_pipelines.core.vocabulary.verdicts import count_verdicts
from qhybrid_pipelines.problems.point_scores import best_point
from qhybrid_pipelines.problems.source_sense import as_stated, is_negated
from qhybrid_pipelines.quantum.qasm import draw_circuit
from qhybrid_pipelines.steps.values_from_rows import (
    ExecutionKey,
    Row,
    get_circuits_specification,
    get_row,
    select_rows,
    to_columns,
)
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.label_store import LabelStore, read_labels
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines.storage.tracking import Tracker
from qhybrid_pipelines.storage.tracking_record import TrackingRecord

METRICS = (
    "best_quantum",
    "best_quantum_raw",
    "best_classical",
    "reference",
    "ratio",
    "mean_ratio",
    "sample_ratio",
    "random_corrected_ratio",
    "random_corrected_low",
    "random_corrected_high",
    "p_optimum",
    "p_optimum_low",
    "p_optimum_high",
    "random_p_optimum",
    "gain",
    "gain_low",
    "gain_high",
    "p_feasible",
    "quantum_seconds",
    "classical_seconds",
)

#: Of the job, from the provenance.
DURATIONS = ("queue_seconds", "execute_seconds")
HASHES = ("instance_sha256", "template_id", "payload_sha256", "compiled_sha256", "result_sha256")
#: What is drawn over the points of a sweep, and its column of `point_scores`.
POINT_SERIES = {"mean_energy": "mean_energy", "p_optimum": "p_reduced_model_optimum", "p_feasible": "p_feasible"}
#: Points of a sweep that are sent to MLflow.
MAX_STEPS = 500


def tracking_runs(
    executions: Iterable[ExecutionKey],
    *,
    experiments: pa.Table,
    circuit_batches: pa.Table,
    optimiser_steps: pa.Table,
    point_scores: pa.Table,
    qpu_result_sets: pa.Table,
    baseline_comparisons: pa.Table,
    sampling_verdicts: pa.Table,
    provenance: pa.Table,
    labels: LabelStore,
    tracker: Tracker,
    dagster_run_id: str,
) -> pa.Table:
    """Return the table `tracking_runs`. An unavailable store never fails this step: the record waits in the spool."""
    rows = []
    for backend, key in executions:
        if isinstance(found := get_circuits_specification(experiments, key), SamplingSpec):
            record = _series_record(
                key,
                backend,
                found,
                verdicts=select_rows(sampling_verdicts, key, backend).to_pylist(),
                origin=get_row(provenance, key, backend),
                label_tags=_label_tags(read_labels(labels.home, key)),
                dagster_run_id=dagster_run_id,
            )
            rows.append(_tracked_row(key, backend, record, tracker))
            continue
        compared = get_row(baseline_comparisons, key, backend)
        comparison = as_stated(compared, negated=is_negated(compared))
        batch = next(iter(select_rows(circuit_batches, key, backend).to_pylist()), None)
        spec = found.model_dump(mode="json")
        origin = get_row(provenance, key, backend)
        record = TrackingRecord(
            key=f"{key}|{backend}",
            family=comparison["family"],
            name=f"{key} on {backend}",
            params=_params(spec, backend, comparison, origin),
            metrics={name: comparison[name] for name in METRICS} | {name: origin[name] for name in DURATIONS},
            tags={"verdict": comparison["verdict"], "backend": backend, "experiment": key}
            | _hashes(origin)
            | _label_tags(read_labels(labels.home, key)),
            specification=spec,
            circuit=batch["template"] if batch and batch["template"] else None,
            drawing=draw_circuit(batch["template"]) if batch and batch["template"] else None,
            counts=_best_counts(
                select_rows(point_scores, key, backend),
                select_rows(qpu_result_sets, key, backend),
                comparison["n_qubits"],
            ),
            verdict=comparison,
            provenance=origin,
            series=_point_series(select_rows(point_scores, key, backend))
            | _loop_series(select_rows(optimiser_steps, key, backend).sort_by("point").to_pylist()),
            dagster_run_id=dagster_run_id,
        )
        rows.append(_tracked_row(key, backend, record, tracker))
    return from_rows(schemas.TRACKING_RUNS, rows)


def _tracked_row(key: str, backend: str, record: TrackingRecord, tracker: Tracker) -> Row:
    tracked = tracker.record(record)
    return {
        "experiment": key,
        "backend": backend,
        "tracking_key": record.key,
        "mlflow_experiment": f"qhybrid/{record.family}",
        "mlflow_run_id": tracked.run_id,
        "spooled": tracked.spooled,
        "dagster_run_id": record.dagster_run_id,
    }


def _series_record(
    key: str,
    backend: str,
    spec: SamplingSpec,
    *,
    verdicts: list[Row],
    origin: Row,
    label_tags: dict[str, str],
    dagster_run_id: str,
) -> TrackingRecord:
    """Return the record of a sampling experiment on a backend: of every circuit its fidelity and polarisation."""
    metrics = {
        f"{name}.{row['circuit']}": row[name]
        for row in verdicts
        for name in ("fidelity", "polarisation")
        if row[name] is not None
    }
    return TrackingRecord(
        key=f"{key}|{backend}",
        family=SAMPLING_FAMILY,
        name=f"{key} on {backend}",
        params={
            "backend": backend,
            "circuits": len(verdicts),
            "family": spec.circuit.family or "file",
            "shots": spec.shots,
            "repetitions": spec.repetitions,
            "seed": spec.seed,
            "engine": origin["engine"],
        },
        metrics=metrics | {name: origin[name] for name in DURATIONS},
        tags={"backend": backend, "experiment": key, "verdict": count_verdicts(row["verdict"] for row in verdicts)}
        | _hashes(origin)
        | label_tags,
        specification=spec.model_dump(mode="json"),
        provenance=origin,
        texts={"verdicts.json": json.dumps(verdicts, indent=2, sort_keys=True, default=str) + "\n"},
        dagster_run_id=dagster_run_id,
    )


def _loop_series(rows: list[Row]) -> dict[str, list[tuple[int, float]]]:
    """Return what MLflow shows of a loop: the best objective of each step, and the best up to it; nothing for a sweep."""
    steps: dict[int, list[Row]] = {}
    for row in rows:
        if row["value"] is not None:
            steps.setdefault(row["step"], []).append(row)
    if not steps:
        return {}
    return {
        "loop.objective": [(step, min(row["value"] for row in found)) for step, found in steps.items()],
        "loop.best_objective": [(step, found[-1]["best_value"]) for step, found in steps.items()],
    }


def _label_tags(labels: Labels) -> dict[str, str]:
    """Return the owner, and a tag of MLflow for each tag, which its search finds by ``tags.label_paper = 'true'``."""
    owner = {} if labels.owner is None else {"owner": labels.owner}
    return owner | {f"label_{tag}": "true" for tag in labels.tags}


def _params(spec: dict[str, Any], backend: str, comparison: Row, origin: Row) -> dict[str, str | float | None]:
    return {
        "backend": backend,
        "instance": comparison["instance"],
        "n_variables": comparison["n_variables"],
        "n_qubits": comparison["n_qubits"],
        "ansatz": spec["ansatz"]["kind"],
        "layers": spec["ansatz"]["layers"],
        "sweep": spec["sweep"]["strategy"],
        "points": spec["sweep"]["points"],
        **{name: spec["sweep"][name] for name in ("optimiser", "steps") if name in spec["sweep"]},
        "shots": spec["shots"],
        "repetitions": spec["repetitions"],
        "seed": spec["seed"],
        "engine": origin["engine"],
    }


def _hashes(origin: Row) -> dict[str, str]:
    """Return the hashes of what a run was made from, as tags: runs are searched for by a hash, and not compared by one."""
    return {name: origin[name] for name in HASHES if origin[name]}


def _point_series(point_scores: pa.Table) -> dict[str, list[tuple[int, float]]]:
    """Return what MLflow draws over the points of a sweep: mean energy, P(optimum) and feasible share, means over runs.

    Of more than `MAX_STEPS` points they are evenly spaced ones.
    """
    if not point_scores.num_rows:
        return {}
    points, place = np.unique(point_scores.column("point").to_numpy(), return_inverse=True)
    runs = np.bincount(place)
    shown = np.unique(np.linspace(0, len(points) - 1, min(len(points), MAX_STEPS)).round().astype(np.int64))
    series = {}
    for name, column in POINT_SERIES.items():
        means = np.bincount(place, weights=point_scores.column(column).to_numpy()) / runs
        finite = shown[np.isfinite(means[shown])]
        series[f"point.{name}"] = [(int(points[at]), float(means[at])) for at in finite]
    return series


def _best_counts(point_scores: pa.Table, counts: pa.Table, n_qubits: int) -> tuple[tuple[str, int], ...]:
    """Return the counts of the point with the lowest mean energy, summed over runs; none above 64 qubits, where each differs."""
    if not point_scores.num_rows or n_qubits > WORD:
        return ()
    best = best_point(to_columns(point_scores.select(["point", "mean_energy"])))
    chosen = counts.column("point").to_numpy() == best
    outcomes, inverse = np.unique(counts.column("bits").to_numpy()[chosen], return_inverse=True)
    totals = np.bincount(inverse, weights=counts.column("count").to_numpy()[chosen]).astype(np.int64)
    return tuple((bitstring(b, n_qubits), int(c)) for b, c in zip(outcomes, totals, strict=True))
