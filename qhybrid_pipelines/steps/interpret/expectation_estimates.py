"""Step 9, beside the scores: expectations of the cost or of observables, as measured and with readout errors taken out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.classical.shot_means import ShotMean, mean_over_shots
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.core.binary_models.bits import WORD
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.mitigation_specification import (
    AMPLIFIED_POINTS,
    MitigationSpec,
    noise_factors,
)
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.problems.measured_counts import I64, Labels, MeasuredCounts, read_counts, sum_out_ancillas
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.quantum.mitigation.readout_inverse import (
    correctable,
    corrected_energies,
    of_bits,
    widest_difference,
)
from qhybrid_pipelines.steps.interpret.estimate_rows import (
    errors_by_job,
    estimate_row,
    extrapolated_row,
    quotes_by_point,
)
from qhybrid_pipelines.steps.sampling.observable_estimates import Made, observable_rows
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


def estimates(
    executions: Iterable[ExecutionKey],
    *,
    experiments: pa.Table,
    reduced_models: pa.Table,
    circuit_batches: pa.Table,
    qpu_submissions: pa.Table,
    qpu_result_sets: pa.Table,
    dispatcher: Dispatcher,
    sampling_circuits: pa.Table | None = None,
) -> pa.Table:
    """Return the table `estimates`: the plain mean of every point or observable, and what the specification's ``mitigation`` asks for.

    Raises:
        CorruptFile: a kept result is gone or changed.
    """
    rows: list[Row] = []
    for backend, key in executions:
        spec = get_circuits_specification(experiments, key)
        measured = select_rows(qpu_result_sets, key, backend)
        if not measured.num_rows:
            continue
        corrects = spec.mitigation is not None and spec.mitigation.estimation == "two_body"
        errors: dict[str, ReadoutErrors | None] = {}
        parts = select_rows(qpu_submissions, key, backend).to_pylist()
        if corrects:
            errors = errors_by_job(select_rows(circuit_batches, key, backend).to_pylist(), parts, dispatcher)
        if isinstance(spec, SamplingSpec):
            assert sampling_circuits is not None
            circuits = select_rows(sampling_circuits, key).sort_by("point").to_pylist()
            place = {"experiment": key, "backend": backend}
            made = Made(errors=errors if corrects else None, quotes=quotes_by_point(parts))
            rows += observable_rows(place, spec, circuits, measured, made)
            continue
        model_row = get_row(reduced_models, key)
        model, width = reduced_model_from_row(model_row).model, int(model_row["n_qubits"])
        labels = {"experiment": key, "backend": backend, "observable": ENERGY}
        counts = _read_counts(measured, spec, width)
        means = _means(counts, model.energies(counts.distinct_outcomes)[counts.outcome], widest_difference(model))
        factors = noise_factors(spec.mitigation)
        if len(factors) == 1:
            plain = means
        else:
            assert spec.mitigation is not None
            plain = {point: mean for point, mean in means.items() if point < AMPLIFIED_POINTS}
            rows += _extrapolated_rows(labels, spec.mitigation, means, quotes_by_point(parts))
        rows += [estimate_row(labels | {"point": point, "method": "none"}, mean) for point, mean in plain.items()]
        if corrects:
            job_ids = measured.column("job_id")
            counts_by_job = {
                job_id: _read_counts(measured.filter(pc.equal(job_ids, job_id)), spec, width)
                for job_id in job_ids.unique().to_pylist()
            }
            own = {job_id: _of_variables(found, width) for job_id, found in errors.items()}
            rows += _two_body_rows(labels, model, counts_by_job, own)
    return from_rows(schemas.ESTIMATES, rows)


def _extrapolated_rows(
    labels: Row, mitigation: MitigationSpec, means: Mapping[int, ShotMean], quotes: Mapping[int, float]
) -> list[Row]:
    """Return the rows of the expectation without noise: each point's, from its means at all noise factors."""
    found: dict[int, list[tuple[int, int, ShotMean]]] = {}
    for counted, mean in means.items():
        place, point = divmod(counted, AMPLIFIED_POINTS)
        found.setdefault(point, []).append((mitigation.noise_factors[place], counted, mean))
    return [
        extrapolated_row(labels | {"point": point, "method": "zne"}, mitigation, at_factors, quotes)
        for point, at_factors in sorted(found.items())
    ]


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
            rows.append(estimate_row(place, None, shots=int(shots[here].sum())))
            continue
        widest = max(widest_difference(model, own) for own in used[one])
        rows.append(
            estimate_row(place, mean_over_shots(values[here], shots[here], runs[here], widest=widest), used[one])
        )
    return rows


def _of_variables(errors: ReadoutErrors | None, width: int) -> ReadoutErrors | None:
    """Return the errors of the bits that are variables; None where they are not known or cannot be taken out."""
    if errors is None or len(errors.zero_as_one) < width:
        return None
    own = of_bits(errors, range(width))
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
