"""Two executions side by side, from the lake alone: what changed, what came out, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from qhybrid_pipelines.classical.count_comparison import PointCounts, compare_counts
from qhybrid_pipelines.classical.statistics import wilson_interval
from qhybrid_pipelines.core.binary_models.bits import WORD
from qhybrid_pipelines.core.errors import InvalidInput, MissingUpstream
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.problems.execution_differences import changed_facts
from qhybrid_pipelines.problems.measured_counts import I64, read_counts, sum_out_ancillas
from qhybrid_pipelines.problems.point_scores import best_point
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.problems.source_sense import as_stated, is_negated
from qhybrid_pipelines.steps.on_demand.comparison_result import Comparison, conclude, pair_by_backend
from qhybrid_pipelines.steps.on_demand.series_comparisons import compare_series
from qhybrid_pipelines.steps.values_from_rows import Row, to_columns
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

if TYPE_CHECKING:
    from qhybrid_pipelines.core.binary_models.bits import U64
    from qhybrid_pipelines.core.binary_models.ising import F64
    from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
    from qhybrid_pipelines.storage.specifications import Specifications

#: Figures of the comparison with the baselines, in the order in which they are shown.
_FIGURES = ("verdict", "best_quantum_raw", "best_quantum", "best_classical", "ratio", "sample_ratio", "quantum_seconds")
#: Columns of `reduced_models` that say what a qubit stands for.
_MODEL = ("model", "root", "value")


@dataclass(frozen=True)
class Execution:
    """One experiment on one backend, as far as the lake has it."""

    experiment: str
    backend: str
    spec: ExperimentSpec
    lake: Lake

    @property
    def _key(self) -> PartitionKey:
        return PartitionKey(experiment=self.experiment, backend=self.backend)

    @cached_property
    def comparison(self) -> Row:
        """Its row of `baseline_comparisons`, objectives as their source means them."""
        row = self._one_row(schemas.BASELINE_COMPARISONS)
        return as_stated(row, negated=is_negated(row))

    @cached_property
    def reduced_model_row(self) -> Row:
        """Its row of `reduced_models`."""
        rows: list[Row] = self.lake.read(schemas.REDUCED_MODELS, PartitionKey(experiment=self.experiment)).to_pylist()
        return rows[0]

    @cached_property
    def batch(self) -> Row | None:
        """Its row of `circuit_batches`; None where reduction left nothing to run."""
        rows = self.lake.read(schemas.CIRCUIT_BATCHES, self._key).to_pylist()
        return rows[0] if rows else None

    @cached_property
    def scores(self) -> Row:
        """Its rows of `point_scores`, by column."""
        return to_columns(
            self.lake.read(schemas.POINT_SCORES, self._key).select(
                ["point", "repetition", "shots", "mean_energy", "p_reduced_model_optimum"]
            )
        )

    @property
    def best_point(self) -> int | None:
        """The point with the lowest mean energy."""
        return best_point(self.scores)

    @property
    def angles(self) -> list[list[float]]:
        """Of every point."""
        return self.batch["bindings"] if self.batch else []

    def facts(self) -> Row:
        """Return what is compared field by field."""
        exists = self.lake.exists(schemas.PROVENANCE, self._key)
        return {
            "specification": self.spec.model_dump(mode="json"),
            "backend": self.backend,
            "provenance": self._one_row(schemas.PROVENANCE) if exists else None,
        }

    def counts(self, point: int) -> tuple[U64, I64]:
        """Return the distinct outcomes of a point and their counts over all repetitions, ascending."""
        width = self.reduced_model_row["n_qubits"]
        wide = ("high_bits",) if width > WORD else ()
        table = self.lake.read(schemas.QPU_RESULT_SETS, self._key).select(
            ["point", "repetition", "bits", "count", *wide]
        )
        columns = to_columns(table)
        if self.spec.problem.circuit is not None:
            columns = dict(sum_out_ancillas(columns, width=width))
        here = columns["point"] == point
        measured = read_counts({name: values[here] for name, values in columns.items()}, width=width)
        outcomes = measured.distinct_outcomes
        counts = np.bincount(measured.outcome, weights=measured.count, minlength=len(outcomes))
        return outcomes, np.asarray(counts, dtype=np.int64)

    def energies(self, outcomes: U64) -> F64:
        """Return the energies of outcomes in the reduced model."""
        return reduced_model_from_row(self.reduced_model_row).model.energies(outcomes)

    def p_optimum(self) -> tuple[float, float, float] | None:
        """Return the share of shots at the reduced model's optimum at the best point, with its 95 % interval; None where there are no shots."""
        if (point := self.best_point) is None or self.comparison["p_optimum"] is None:
            return None
        here = self.scores["point"] == point
        shots = int(self.scores["shots"][here].sum())
        hits = round(float((self.scores["shots"] * self.scores["p_reduced_model_optimum"])[here].sum()))
        return hits / shots, *wilson_interval(hits, shots)

    def _one_row(self, table: schemas.Table) -> Row:
        rows: list[Row] = self.lake.read(table, self._key).to_pylist()
        return rows[0]


def compare_experiments(keys: Sequence[str], specifications: Specifications, lake: Lake) -> list[Comparison]:
    """Compare every further experiment with the first, on each backend that both have; else on the first of each.

    Raises:
        InvalidInput: fewer than two, the same twice, an unknown one, a learning experiment, or sampling mixed with another kind.
        MissingUpstream: one has no verdict yet.
    """
    if len(set(keys)) < 2 or len(set(keys)) < len(keys):
        raise InvalidInput(
            "two different experiments are needed to compare", remedy="Name two or more keys.", field="KEY"
        )
    sampled = [isinstance(specifications.load_any(key), SamplingSpec) for key in keys]
    if all(sampled):
        return compare_series(keys, specifications, lake)
    if any(sampled):
        raise InvalidInput(
            "a sampling experiment and one of another kind have nothing in common",
            remedy="Name experiments of one kind.",
            field="KEY",
        )
    decided = [_decided(key, specifications, lake) for key in keys]
    return [compare_executions(before, after) for before, after in pair_by_backend(decided)]


def _decided(key: str, specifications: Specifications, lake: Lake) -> dict[str, Execution]:
    spec = specifications.load(key)
    decided = {
        backend: Execution(experiment=key, backend=backend, spec=spec, lake=lake)
        for backend in spec.backends
        if lake.exists(schemas.BASELINE_COMPARISONS, PartitionKey(experiment=key, backend=backend))
    }
    if not decided:
        raise MissingUpstream(schemas.BASELINE_COMPARISONS.name, key)
    return decided


def compare_executions(before: Execution, after: Execution) -> Comparison:
    """Compare two executions."""
    changes = changed_facts(before.facts(), after.facts(), angles_differ=before.angles != after.angles)
    reason = _why_counts_cannot_be_compared(before, after)
    points = _matched_points(before, after) if reason is None else ()
    counts = compare_counts([_point_counts(before, b, after, a) for b, a in points]) if points else None
    return Comparison(
        before=f"{before.experiment} on {before.backend}",
        after=f"{after.experiment} on {after.backend}",
        changes=tuple(changes),
        figures=tuple(_figures(before, after)),
        points=points,
        counts=counts,
        conclusion=conclude(changes, counts, reason=reason),
    )


def _why_counts_cannot_be_compared(before: Execution, after: Execution) -> str | None:
    instances = before.comparison["instance"], after.comparison["instance"]
    if before.batch is None or after.batch is None:
        return "reduction left nothing to measure"
    models = [[row[name] for name in _MODEL] for row in (before.reduced_model_row, after.reduced_model_row)]
    if len(set(instances)) > 1:
        return f"they are about different instances, {instances[0]} and {instances[1]}"
    if models[0] != models[1]:
        return "their reduced models differ, so that a qubit of one is not that of the other"
    return None


def _matched_points(before: Execution, after: Execution) -> tuple[tuple[int, int], ...]:
    """Return all points where both have as many, else the best of each."""
    if len(before.angles) == len(after.angles):
        return tuple((point, point) for point in range(len(before.angles)))
    best = before.best_point, after.best_point
    assert best[0] is not None
    assert best[1] is not None
    return ((best[0], best[1]),)


def _point_counts(before: Execution, point_before: int, after: Execution, point_after: int) -> PointCounts:
    (outcomes_before, counts_before), (outcomes_after, counts_after) = (
        before.counts(point_before),
        after.counts(point_after),
    )
    outcomes, place = np.unique(np.concatenate([outcomes_before, outcomes_after]), axis=0, return_inverse=True)
    aligned = np.zeros((2, len(outcomes)), dtype=np.int64)
    places = np.split(place.ravel(), [len(outcomes_before)])
    aligned[0, places[0]] = counts_before
    aligned[1, places[1]] = counts_after
    return PointCounts(before=aligned[0], after=aligned[1], energies=before.energies(outcomes))


def _figures(before: Execution, after: Execution) -> list[Row]:
    rows = [
        {"figure": name, "before": before.comparison[name], "after": after.comparison[name]}
        for name in _FIGURES
        if before.comparison[name] is not None or after.comparison[name] is not None
    ]
    shares = [execution.p_optimum() for execution in (before, after)]
    if any(share is not None for share in shares):
        texts = ["" if s is None else f"{s[0]:.4f} ({s[1]:.4f} to {s[2]:.4f})" for s in shares]
        rows.insert(3, {"figure": "p_optimum_per_shot", "before": texts[0], "after": texts[1]})
    return rows
