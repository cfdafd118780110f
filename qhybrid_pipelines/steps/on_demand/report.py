"""What a report of experiments says, read from the lake and the ledger. Figures and the page are made by `reports`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from qhybrid_pipelines.control.experiments.due_stages import ControlPlaneView
from qhybrid_pipelines.core.binary_models.bits import WORD
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.problems.baseline_runs import RANDOM
from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.measured_counts import MeasuredCounts, read_counts, sum_out_ancillas
from qhybrid_pipelines.problems.named_answer import name_answer
from qhybrid_pipelines.problems.point_scores import best_point
from qhybrid_pipelines.problems.reduction import is_proved, reduced_model_from_row
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.source_sense import as_stated, is_negated, stated
from qhybrid_pipelines.quantum.qasm import draw_circuit
from qhybrid_pipelines.reports.content import (
    AnswerContent,
    CalibrationWindow,
    ExecutionContent,
    ExperimentContent,
    OptimisationContent,
    RandomReference,
    SolverSeries,
)
from qhybrid_pipelines.reports.words import first_lines
from qhybrid_pipelines.steps.on_demand import report_measurements as measurements
from qhybrid_pipelines.steps.on_demand.report_jobs import experiment_progress, job_contents
from qhybrid_pipelines.steps.on_demand.report_learning import learning_content
from qhybrid_pipelines.steps.on_demand.report_sampling import sampling_content
from qhybrid_pipelines.steps.values_from_rows import Row, of_sweep, to_columns
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.removals import RemovalStore
from qhybrid_pipelines.storage.schemas import Table
from qhybrid_pipelines.storage.specifications import Specifications

#: A wider drawing cannot be read.
MAX_DRAWN_QUBITS = 20


def report_content(
    key: str, specifications: Specifications, lake: Lake, control_plane: ControlPlaneView, home: Home
) -> ExperimentContent:
    """Return what a report says about one experiment, however far it is.

    Args:
        key: of the experiment.
        specifications: have it.
        lake: has its tables.
        control_plane: has its jobs.
        home: says whether a person stopped it.

    Raises:
        InvalidInput: it is not registered.
    """
    spec = specifications.load_any(key)
    common: dict[str, Any] = {
        "key": key,
        "name": spec.name,
        "registered_at": specifications.registered_at(key),
        "specification": spec.model_dump(mode="json"),
        "progress": experiment_progress(key, spec, lake, control_plane, home),
        "jobs": job_contents(control_plane.ledger, key),
        "budget_usd": spec.budget.usd,
        "removed": tuple(str(one) for one in RemovalStore(home).of_experiment(key)),
    }
    if isinstance(spec, LearningSpec):
        return learning_content(spec, lake, specifications, common)
    if isinstance(spec, SamplingSpec):
        return sampling_content(spec, lake, common)
    assert isinstance(spec, ExperimentSpec)
    return _optimisation_content(key, spec, lake, common)


def _optimisation_content(key: str, spec: ExperimentSpec, lake: Lake, common: dict[str, Any]) -> OptimisationContent:
    family = family_named(spec.problem.family)
    instance_row = _row(lake, schemas.PROBLEM_INSTANCES, key)
    model_row = _row(lake, schemas.REDUCED_MODELS, key)
    baselines = _rows(lake, schemas.BASELINES, key)
    executions: list[ExecutionContent] = []
    quantum: list[SolverSeries] = []
    random = None
    for backend in spec.backends:
        execution, expected = _execution(backend, spec, lake, instance_row, model_row, baselines, common)
        executions.append(execution)
        random = random or expected
        quantum += _quantum_series(_rows(lake, schemas.SCORED_SOLUTIONS, key, backend), spec, backend)
    content = OptimisationContent(
        **common,
        family=family.name,
        title=family.title,
        sense=family.sense,
        unit=family.unit if instance_row is None else instance_row["unit"],
        instance=instance_row,
        reduced_model=model_row,
        random=random,
        solvers=(*quantum, *_classical_series(baselines)),
        executions=tuple(executions),
    )
    return _as_stated(content) if instance_row is not None and is_negated(instance_row) else content


def _as_stated(content: OptimisationContent) -> OptimisationContent:
    """Return a report whose source is maximised with objectives, sense and unit as it means them; energies stay energies."""

    def row(found: Mapping[str, Any] | None) -> Row | None:
        return None if found is None else as_stated(found, negated=True)

    def execution(one: ExecutionContent) -> ExecutionContent:
        histogram = None
        if (bins := one.histogram) is not None:
            measured, random = bins.measured[::-1], bins.random[::-1]
            histogram = replace(bins, edges=0 - bins.edges[::-1], measured=measured, random=random)
        return replace(one, comparison=row(one.comparison), decision=row(one.decision), histogram=histogram)

    return replace(
        content,
        **as_stated({"sense": content.sense, "unit": content.unit}, negated=True),
        instance=row(content.instance),
        reduced_model=row(content.reduced_model),
        solvers=tuple(
            replace(one, objectives=tuple(stated(o, negated=True) for o in one.objectives)) for one in content.solvers
        ),
        executions=tuple(map(execution, content.executions)),
    )


def _execution(  # noqa: PLR0917  one table each
    backend: str,
    spec: ExperimentSpec,
    lake: Lake,
    instance_row: Row | None,
    model_row: Row | None,
    baselines: list[Row],
    common: dict[str, Any],
) -> tuple[ExecutionContent, RandomReference | None]:
    """Return one execution, and what random outcomes would give it."""
    key = common["key"]
    comparison, decision, batch, provenance = (
        _row(lake, table, key, backend)
        for table in (schemas.BASELINE_COMPARISONS, schemas.DECISIONS, schemas.CIRCUIT_BATCHES, schemas.PROVENANCE)
    )
    parts: dict[str, Any] = {
        "backend": backend,
        "batch": batch,
        "comparison": comparison,
        "decision": decision,
        "provenance": provenance,
        "answer": None if instance_row is None or decision is None else _answer(instance_row, decision),
        "calibration": _calibration(lake, backend, provenance, common),
        "sensitivity": tuple(_rows(lake, schemas.PARAMETER_SENSITIVITY, key, backend)),
        "loop": tuple(_rows(lake, schemas.OPTIMISER_STEPS, key, backend)),
        "estimates": tuple(_rows(lake, schemas.ESTIMATES, key, backend)),
    }
    if batch is not None and batch["template"] and batch["n_qubits"] <= MAX_DRAWN_QUBITS:
        parts["circuit"] = first_lines(draw_circuit(batch["template"]))
    measured = None if model_row is None else _measured(lake, key, backend, spec, model_row["n_qubits"])
    if instance_row is None or model_row is None or not model_row["n_qubits"]:
        return ExecutionContent(**parts), None
    reduced_model = reduced_model_from_row(model_row)
    lowest = None if is_proved(model_row) else model_row["reduced_model_minimum_energy"]
    random = measurements.random_reference(reduced_model, measured, lowest)
    partition = PartitionKey(experiment=key, backend=backend)
    if measured is None or not lake.exists(schemas.POINT_SCORES, partition):
        return ExecutionContent(**parts), random
    scores = to_columns(lake.read(schemas.POINT_SCORES, partition).drop_columns(["experiment", "backend", "instance"]))
    point = best_point(scores)
    if point is None:
        return ExecutionContent(**parts), random
    instance = Instance.from_row(instance_row)
    problem = Problem.of(family_named(instance.family), instance)
    return ExecutionContent(
        **parts,
        best=measurements.best_point_results(
            scores,
            point,
            random=random,
            sense=measurements.reference_sense(problem),
            reference=None if comparison is None else comparison["reference"],
            random_objective=measurements.random_mean_objective(baselines, RANDOM),
        ),
        sweep=measurements.sweep_series(backend, scores),
        best_of_shots=measurements.best_of_shots(reduced_model, measured, point),
        top_outcomes=measurements.top_outcomes(reduced_model, measured, point, lowest=random.minimum_energy),
        histogram=measurements.objective_histogram(problem, reduced_model, measured, point),
    ), random


def _measured(lake: Lake, key: str, backend: str, spec: ExperimentSpec, width: int) -> MeasuredCounts | None:
    partition = PartitionKey(experiment=key, backend=backend)
    if not width or not lake.exists(schemas.QPU_RESULT_SETS, partition):
        return None
    table = of_sweep(lake.read(schemas.QPU_RESULT_SETS, partition), spec.mitigation)
    if not table.num_rows:
        return None
    wide = ("high_bits",) if width > WORD else ()
    counts = to_columns(table.select(["point", "repetition", "bits", "count", *wide]))
    if spec.problem.circuit is not None:
        return read_counts(sum_out_ancillas(counts, width=width), width=width)
    return read_counts(counts, width=width)


def _classical_series(baselines: list[Row]) -> list[SolverSeries]:
    by_solver: dict[str, list[Row]] = {}
    for row in baselines:
        by_solver.setdefault(row["solver"], []).append(row)
    return [
        SolverSeries(
            name=solver,
            quantum=False,
            objectives=tuple(row["objective"] for row in rows if row["feasible"]),
            runs=len(rows),
        )
        for solver, rows in by_solver.items()
    ]


def _quantum_series(solutions: list[Row], spec: ExperimentSpec, backend: str) -> list[SolverSeries]:
    by_source: dict[str, list[Row]] = {}
    for row in solutions:
        if row["rank"] == 1:
            by_source.setdefault(row["source"], []).append(row)
    return [
        SolverSeries(
            name=source,
            quantum=True,
            backend=backend,
            objectives=tuple(row["objective"] for row in rows if row["feasible"]),
            runs=spec.repetitions,
        )
        for source, rows in by_source.items()
    ]


def _answer(instance_row: Row, decision: Row) -> AnswerContent:
    answer = name_answer(Instance.from_row(instance_row), decision)
    return AnswerContent(
        source=answer.source,
        objective=answer.objective,
        unit=answer.unit,
        feasible=answer.feasible,
        violation=answer.violation,
        description=answer.description,
        groups=answer.groups,
    )


def _calibration(lake: Lake, backend: str, provenance: Row | None, common: dict[str, Any]) -> CalibrationWindow | None:
    if provenance is None or not provenance["calibration_id"]:
        return None
    known: list[Row] = []
    if lake.exists(schemas.BACKEND_CALIBRATIONS, PartitionKey()):
        table = lake.read(schemas.BACKEND_CALIBRATIONS, PartitionKey())
        ran_on = set((provenance["ran_on"] or backend).split(", "))
        known = [row for row in table.drop_columns(["payload"]).to_pylist() if row["backend"] in ran_on]
    row = next((row for row in known if row["calibration_id"] == provenance["calibration_id"]), None)
    measured_at: datetime | None = provenance["calibrated_at"]
    times = [each["measured_at"] for each in known if each["measured_at"] is not None]
    later = [time for time in times if measured_at is not None and time > measured_at]
    ran = [job.row["created_at"] for job in common["jobs"] if job.row["requested_backend"] == backend]
    return CalibrationWindow(
        row=row or {"calibration_id": provenance["calibration_id"], "measured_at": measured_at},
        valid_until=min(later, default=None),
        ran_at=min(ran, default=None),
    )


def _row(lake: Lake, table: Table, key: str, backend: str | None = None) -> Row | None:
    return next(iter(_rows(lake, table, key, backend)), None)


def _rows(lake: Lake, table: Table, key: str, backend: str | None = None) -> list[Row]:
    partition = PartitionKey(experiment=key, backend=backend)
    if not lake.exists(table, partition):
        return []
    rows: list[Row] = lake.read(table, partition).to_pylist()
    return rows
