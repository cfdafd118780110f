"""Step 9, beside the scores: the expectation of the cost at each point, as measured and with readout errors taken out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.classical.shot_means import ShotMean, mean_over_shots
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.core.bits import WORD
from qhybrid_pipelines.core.ising import F64, IsingModel
from qhybrid_pipelines.core.job_states import JobState
from qhybrid_pipelines.core.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.specification import ExperimentSpec
from qhybrid_pipelines.problems.measured_counts import I64, Labels, MeasuredCounts, read_counts, sum_out_ancillas
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.quantum.mitigation.readout_inverse import correctable, corrected_energies, widest_difference
from qhybrid_pipelines.steps.execute.qpu_result_sets import get_current_jobs, sub_batch_for
from qhybrid_pipelines.steps.values_from_rows import (
    ExecutionKey,
    Row,
    get_circuits_specification,
    get_row,
    select_rows,
    to_columns,
)
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows

ENERGY = "energy"
Rows: TypeAlias = Sequence[Row]


def estimates(
    executions: Iterable[ExecutionKey],
    *,
    experiments: pa.Table,
    reduced_models: pa.Table,
    circuit_batches: pa.Table,
    qpu_submissions: pa.Table,
    qpu_result_sets: pa.Table,
    dispatcher: Dispatcher,
) -> pa.Table:
    """Return the table `estimates`: the plain mean of every point, and what the specification's ``mitigation`` asks for.

    Raises:
        CorruptFile: a kept result is gone or changed.
    """
    rows: list[Row] = []
    for backend, key in executions:
        spec = get_circuits_specification(experiments, key)
        measured = select_rows(qpu_result_sets, key, backend)
        if not isinstance(spec, ExperimentSpec) or not measured.num_rows:
            continue
        model_row = get_row(reduced_models, key)
        model, width = reduced_model_from_row(model_row).model, int(model_row["n_qubits"])
        labels = {"experiment": key, "backend": backend, "observable": ENERGY}
        counts = _read_counts(measured, spec, width)
        plain = _means(counts, model.energies(counts.distinct_outcomes)[counts.outcome], widest_difference(model))
        rows += [_row(labels | {"point": point, "method": "none"}, mean) for point, mean in plain.items()]
        if spec.mitigation is not None and spec.mitigation.estimation == "two_body":
            batches = select_rows(circuit_batches, key, backend).to_pylist()
            parts = select_rows(qpu_submissions, key, backend).to_pylist()
            errors = {
                job_id: _of_variables(found, width)
                for job_id, found in _errors_by_job(batches, parts, dispatcher).items()
            }
            job_ids = measured.column("job_id")
            counts_by_job = {
                job_id: _read_counts(measured.filter(pc.equal(job_ids, job_id)), spec, width)
                for job_id in job_ids.unique().to_pylist()
            }
            rows += _two_body_rows(labels, model, counts_by_job, errors)
    return from_rows(schemas.ESTIMATES, rows)


def _two_body_rows(
    labels: Row,
    model: IsingModel,
    counts_by_job: Mapping[str, MeasuredCounts],
    errors: Mapping[str, ReadoutErrors | None],
) -> list[Row]:
    """Return the rows of the corrected expectation: the counts of each job are corrected by the errors behind it."""
    columns: list[tuple[Labels, F64, I64, Labels]] = []
    used: dict[int, list[ReadoutErrors]] = {}
    unknown: set[int] = set()
    for job_id, counts in counts_by_job.items():
        own, points = errors.get(job_id), np.unique(counts.point).tolist()
        if own is None:
            unknown |= set(points)
            values = np.zeros(len(counts.point))
        else:
            values = corrected_energies(model, counts.distinct_outcomes, own)[counts.outcome]
        for point in points:
            used.setdefault(point, []).extend([] if own is None else [own])
        columns.append((counts.point, values, counts.count, counts.repetition))
    point, values, shots, runs = (np.concatenate(column) for column in zip(*columns, strict=True))
    rows = []
    for one in np.unique(point).tolist():
        here, place = point == one, labels | {"point": one, "method": "two_body"}
        if one in unknown:
            rows.append(_row(place, None, shots=int(shots[here].sum())))
            continue
        widest = max(widest_difference(model, own) for own in used[one])
        rows.append(_row(place, mean_over_shots(values[here], shots[here], runs[here], widest=widest), used[one]))
    return rows


def _of_variables(errors: ReadoutErrors | None, width: int) -> ReadoutErrors | None:
    """Return the errors of the bits that are variables; None where they are not known or cannot be taken out."""
    if errors is None or len(errors.zero_as_one) < width:
        return None
    own = ReadoutErrors(
        zero_as_one=errors.zero_as_one[:width],
        one_as_zero=errors.one_as_zero[:width],
        calibration_id=errors.calibration_id,
        measured_at=errors.measured_at,
    )
    return own if correctable(own) else None


def _read_counts(measured: pa.Table, spec: ExperimentSpec, width: int) -> MeasuredCounts:
    wide = ("high_bits",) if width > WORD else ()
    counts: Mapping[str, npt.NDArray[Any]] = to_columns(
        measured.select(["point", "repetition", "bits", "count", *wide])
    )
    if spec.problem.circuit is not None:
        counts = sum_out_ancillas(counts, width=width)
    return read_counts(counts, width=width)


def _means(counts: MeasuredCounts, values: F64, widest: float) -> dict[int, ShotMean]:
    """Return the mean of each point over the shots of all its runs; rows are sorted by point."""
    points, first = np.unique(counts.point, return_index=True)
    bounds = [*first.tolist(), len(counts.point)]
    return {
        int(point): mean_over_shots(values[a:b], counts.count[a:b], counts.repetition[a:b], widest=widest)
        for point, a, b in zip(points.tolist(), bounds[:-1], bounds[1:], strict=True)
    }


def _errors_by_job(batches: Rows, parts: Rows, dispatcher: Dispatcher) -> dict[str, ReadoutErrors | None]:
    """Return the readout errors behind the result of each job of an execution, by the job's id."""
    planned = sorted(((row["first_point"] or 0, batch_from_row(row)) for row in batches), key=itemgetter(0))
    found: dict[str, ReadoutErrors | None] = {}
    for part, job in zip(parts, get_current_jobs(parts, dispatcher), strict=True):
        if job.state is JobState.VERIFIED:
            first_point, batch = next(item for item in reversed(planned) if item[0] <= part["first_point"])
            sub_batch = sub_batch_for(batch, part, first_point).batch
            found[job.job_id] = dispatcher.collect(job.job_id, sub_batch).readout_errors()
    return found


def _row(place: Row, mean: ShotMean | None, errors: Sequence[ReadoutErrors] = (), *, shots: int = 0) -> Row:
    """Return a row; without a mean it says how many ``shots`` there were."""
    names = dict.fromkeys(one.calibration_id for one in errors if one.calibration_id is not None)
    said: Row = {"expectation": None, "standard_error": None, "low": None, "high": None, "effective_shots": None}
    if mean is not None:
        said = {**asdict(mean), "expectation": mean.mean}
        del said["mean"]
    return {
        **place,
        "shots": shots,
        **said,
        "calibration_id": ", ".join(names) or None,
        "calibration_measured_at": min(
            (one.measured_at for one in errors if one.measured_at is not None), default=None
        ),
        "overhead_shots": 0,
        "overhead_usd": 0.0,
    }
