"""Rows of the table `estimates`, and the readout errors that they take out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from operator import itemgetter

from qhybrid_pipelines.classical.shot_means import ShotMean
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.specifications.mitigation_specification import MitigationSpec
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.quantum.mitigation.extrapolation import extrapolate
from qhybrid_pipelines.steps.execute.qpu_result_sets import get_current_jobs, sub_batch_for
from qhybrid_pipelines.steps.values_from_rows import Row


def errors_by_job(
    batches: Sequence[Row], parts: Sequence[Row], dispatcher: Dispatcher
) -> dict[str, ReadoutErrors | None]:
    """Return the readout errors behind the result of each job of an execution, by the job's id.

    Args:
        batches: its rows of `circuit_batches`.
        parts: its rows of `qpu_submissions`.
        dispatcher: has the results.

    Raises:
        CorruptFile: a kept result is gone or changed.
    """
    planned = sorted(((row["first_point"] or 0, batch_from_row(row)) for row in batches), key=itemgetter(0))
    found: dict[str, ReadoutErrors | None] = {}
    for part, job in zip(parts, get_current_jobs(parts, dispatcher), strict=True):
        if job.state is JobState.VERIFIED:
            first_point, batch = next(item for item in reversed(planned) if item[0] <= part["first_point"])
            sub_batch = sub_batch_for(batch, part, first_point).batch
            found[job.job_id] = dispatcher.collect(job.job_id, sub_batch).readout_errors()
    return found


def estimate_row(
    place: Row,
    mean: ShotMean | None,
    errors: Sequence[ReadoutErrors] = (),
    *,
    shots: int = 0,
) -> Row:
    """Return a row.

    Args:
        place: its other columns; what is usual is filled in.
        mean: the estimate; None where there is none.
        errors: that were taken out.
        shots: where there is no estimate, how many there were.
    """
    names = dict.fromkeys(one.calibration_id for one in errors if one.calibration_id is not None)
    said: Row = {"expectation": None, "standard_error": None, "low": None, "high": None, "effective_shots": None}
    if mean is not None:
        said = {**asdict(mean), "expectation": mean.mean}
        del said["mean"]
    return {
        "counts_point": place["point"],
        "exact": None,
        "parameters": None,
        "overhead_shots": 0,
        "quoted_usd": 0.0,
        **place,
        "shots": shots,
        **said,
        "calibration_id": ", ".join(names) or None,
        "calibration_measured_at": min(
            (one.measured_at for one in errors if one.measured_at is not None), default=None
        ),
    }


def extrapolated_row(
    place: Row, mitigation: MitigationSpec, means: list[tuple[int, int, ShotMean]], quotes: Mapping[int, float]
) -> Row:
    """Return the row of an expectation without noise; without a value if a strength is missing.

    Args:
        place: its other columns.
        mitigation: how it is carried on, and from which factors.
        means: noise factor, point of the counts and mean, at each strength.
        quotes: highest quoted cost in US dollars of each point.
    """
    means = sorted(means, key=itemgetter(0))
    factors = [factor for factor, _, _ in means]
    extra = [(point, mean) for factor, point, mean in means if factor > 1]
    overhead = {
        "overhead_shots": sum(mean.shots for _, mean in extra),
        "quoted_usd": sum(quotes.get(point, 0.0) for point, _ in extra),
        "parameters": canonical_json(
            {
                "extrapolation": mitigation.extrapolation,
                "expectations": {str(factor): mean.mean for factor, _, mean in means},
            }
        ),
    }
    if factors != list(mitigation.noise_factors):
        return estimate_row(place | overhead, None, shots=sum(mean.shots for _, _, mean in means))
    found = extrapolate([mean for _, _, mean in means], factors, mitigation.extrapolation)
    return estimate_row(place | overhead, found)


def quotes_by_point(parts: Iterable[Row]) -> dict[int, float]:
    """Return the highest quoted cost of each point in US dollars, its share of every part of `qpu_submissions` that it is in."""
    quotes: Counter[int] = Counter()
    for part in parts:
        for point in range(part["first_point"], part["first_point"] + part["points"]):
            quotes[point] += part["cost_quoted_usd"] / part["points"]
    return dict(quotes)
