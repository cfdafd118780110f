"""What a report says, as plain values: rows of tables as they are in the lake and the ledger, and what was computed from them.

Nothing here is text for people or a picture; both are made of it by the other modules of this room. A part that is not
there yet is None or empty, so that a report of something unfinished shows what there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverSeries:
    """What one solver, or the quantum side after one kind of post-processing, reached in each run.

    Attributes:
        name: as in the tables.
        quantum: it starts from measured bit strings.
        objectives: one per run with a feasible answer, in the family's unit.
        runs: how many runs there were.
        backend: that was measured; None for classical solvers.
    """

    name: str
    quantum: bool
    objectives: tuple[float, ...]
    runs: int
    backend: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSeries:
    """Means over runs of every parameter point on one backend; all arrays have the shape ``(points,)``.

    Attributes:
        point: numbers of the points.
        mean_energy: of the reduced model, in cost units.
        energy_low: lower 95 % bound of that mean over runs; NaN where one run says nothing about it.
        energy_high: upper bound.
        optimum_share: share of shots at the reduced model's lowest energy.
        share_low: lower 95 % Wilson bound of that share.
        share_high: upper bound.
    """

    backend: str
    point: npt.NDArray[np.int64]
    mean_energy: F64
    energy_low: F64
    energy_high: F64
    optimum_share: F64
    share_low: F64
    share_high: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomReference:
    """What uniform random outcomes of the reduced model are worth.

    Attributes:
        mean_energy: of one random outcome, in cost units.
        minimum_energy: the lowest there is; where that is not proved, the lowest that is known.
        optimum_share: chance that a random outcome has the lowest energy; None where that is not proved.
        outcome_share: chance of one particular outcome.
        cardinality: where measured outcomes always have the right number of ones, random ones are drawn from those, too.
    """

    mean_energy: float
    minimum_energy: float
    optimum_share: float | None
    outcome_share: float
    cardinality: int | None

    @property
    def lowest_label(self) -> str:
        """What the minimum is called beside its line."""
        return "lowest known" if self.optimum_share is None else "lowest there is"


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOfShots:
    """Lowest energy among ``shots`` raw shots, expected; arrays have the shape of ``shots``.

    Attributes:
        shots: numbers of shots, ascending.
        measured: mean over runs at the best point.
        low: lower 95 % bound of that mean, bootstrap over runs.
        high: upper bound.
        random: the same for uniform random outcomes, exact.
    """

    shots: npt.NDArray[np.int64]
    measured: F64
    low: F64
    high: F64
    random: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class TopOutcome:
    """One of the outcomes that were measured most often at the best point, over all runs.

    Attributes:
        bits: 0 and 1 of the reduced model, first variable first.
        count: shots.
        share: of all shots at that point.
        low: lower 95 % Wilson bound of the share.
        high: upper bound.
        energy: in cost units.
        optimal: it has the lowest energy there is.
    """

    bits: str
    count: int
    share: float
    low: float
    high: float
    energy: float
    optimal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveHistogram:
    """Objectives of feasible outcomes as measured at the best point, and of random ones.

    Attributes:
        edges: of the bins, shape ``(bins + 1,)``, in the family's unit.
        measured: share of all shots in each bin.
        random: share of all random outcomes in each bin.
        measured_infeasible: share of shots that break a constraint.
        random_infeasible: the same for random outcomes.
        random_drawn: how many random outcomes were drawn; None where all there are were counted.
    """

    edges: F64
    measured: F64
    random: F64
    measured_infeasible: float
    random_infeasible: float
    random_drawn: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BestPoint:
    """What raw shots did at the point with the lowest mean energy.

    Attributes:
        point: its number.
        optimum_hits: shots at the reduced model's lowest energy.
        shots: shots there, over all runs.
        share: of shots at the lowest energy.
        share_low: lower 95 % Wilson bound.
        share_high: upper bound.
        shots_to_99: shots that hit it once with 99 %; a lower bound where it was never hit.
        random_share: the same share for random outcomes; None where nobody knows it.
        random_shots_to_99: the same number for random outcomes; None where nobody knows it.
        above_random: (quantum - random) / (reference - random) of mean objectives: 0 is random, 1 is the reference.
        above_random_low: lower 95 % bound over runs; None where that cannot be said.
        above_random_high: upper bound.
    """

    point: int
    optimum_hits: int
    shots: int
    share: float
    share_low: float
    share_high: float
    shots_to_99: float
    random_share: float | None
    random_shots_to_99: float | None
    above_random: float | None = None
    above_random_low: float | None = None
    above_random_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContent:
    """One job of the ledger.

    Attributes:
        row: of the table `jobs`.
        cost: of the table `costs`.
        stretches: where its time went, in order: name, seconds, and whether it is the provider's share.
        advice: what a person can do about it.
        ended_without_result: it will never have one.
        open: a provider has it, or a person has to say something.
    """

    row: Row
    cost: Row
    stretches: tuple[tuple[str, float, bool], ...]
    advice: str
    ended_without_result: bool
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationWindow:
    """The calibration that an execution ran under.

    Attributes:
        row: of the table `backend_calibrations`; only its id and time where that table does not have it.
        valid_until: when the next one of the device was measured, as far as is known.
        ran_at: when the first job ran or was submitted.
    """

    row: Row
    valid_until: datetime | None
    ran_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerContent:
    """The current answer, in the words of its family: for 1 and for 0, what it says and the variables that have it."""

    source: str
    objective: float | None
    unit: str
    feasible: bool
    violation: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionContent:
    """An experiment on one backend. Rows are those of the tables of their names; None before they are written."""

    backend: str
    batch: Row | None = None
    comparison: Row | None = None
    decision: Row | None = None
    provenance: Row | None = None
    answer: AnswerContent | None = None
    best: BestPoint | None = None
    sweep: SweepSeries | None = None
    best_of_shots: BestOfShots | None = None
    top_outcomes: tuple[TopOutcome, ...] = ()
    histogram: ObjectiveHistogram | None = None
    calibration: CalibrationWindow | None = None
    circuit: str | None = None
    sensitivity: tuple[Row, ...] = ()
    loop: tuple[Row, ...] = ()
    estimates: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an experiment is.

    Attributes:
        decided: every verdict is there, and nothing is left to do.
        sentences: what is under way, waits or went wrong.
        failed: something of it ended without a result.
    """

    decided: bool
    sentences: tuple[str, ...]
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentContent:
    """What every experiment has.

    Attributes:
        key: of the experiment.
        name: that its author gave it.
        family: name of the family; qml for learning, sampling for sampling.
        registered_at: when it was registered first.
        specification: as plain data.
        progress: how far it is.
        jobs: of the ledger, in order.
        budget_usd: what it may spend.
        removed: what of it was removed because its time was over, one sentence each.
    """

    key: str
    name: str
    family: str
    registered_at: datetime
    specification: Mapping[str, Any]
    progress: Progress
    jobs: tuple[JobContent, ...]
    budget_usd: float
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimisationContent(ExperimentContent):
    """An optimisation.

    Attributes:
        title: of the family, in words.
        sense: max or min.
        unit: of the objective.
        instance: row of `problem_instances`.
        reduced_model: row of `reduced_models`.
        random: what random outcomes are worth; None where there is no reduced model, or nothing in it.
        solvers: classical ones first, in the order of their table.
        executions: one per backend, in the order of the specification.
    """

    title: str
    sense: str
    unit: str
    instance: Row | None = None
    reduced_model: Row | None = None
    random: RandomReference | None = None
    solvers: tuple[SolverSeries, ...] = ()
    executions: tuple[ExecutionContent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingContent(ExperimentContent):
    """A sampling experiment.

    Attributes:
        circuits: rows of `sampling_circuits` without templates.
        verdicts: rows of `sampling_verdicts`, by backend.
        scores: rows of `sampling_scores`, by backend.
        baselines: rows of `sampling_baselines`.
        estimates: rows of `estimates`, by backend.
        drawing: of the first circuit as text; empty before it is built, and where it is too wide.
    """

    circuits: Sequence[Row] = ()
    verdicts: Sequence[Row] = ()
    scores: Sequence[Row] = ()
    baselines: Sequence[Row] = ()
    estimates: Sequence[Row] = ()
    drawing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningContent(ExperimentContent):
    """A learning experiment.

    Attributes:
        metric: that verdicts are about.
        dataset: row of `qml_datasets`.
        verdicts: rows of `qml_verdicts`.
        summaries: rows of `qml_summaries` of that metric.
        losses: by circuit, the losses of each fold's training by step.
        kernels: how noisy each measured kernel is and what that did, a sentence each.
        on_backend: how training with the shots of a backend went, in a sentence or two; None where it was exact.
        models: rows of `qml_models` without the models themselves.
        circuits: by circuit, a drawing as text.
    """

    metric: str
    dataset: Row | None = None
    verdicts: Sequence[Row] = ()
    summaries: Sequence[Row] = ()
    losses: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    on_backend: str | None = None
    kernels: tuple[str, ...] = ()
    models: Sequence[Row] = ()
    circuits: Mapping[str, str] = field(default_factory=dict)
