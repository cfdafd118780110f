"""Training with the shots of a backend: one batch of circuits for each model and iteration, all folds in it.

Every iteration goes the way of other jobs: the same door to the provider, the same ledger, the same tokens. What is asked for next
follows from specification and data and from what was measured, so that a process that was killed anywhere finds the jobs
of the iterations before it in the ledger and goes on from there. A backend that answers at once is asked iteration after
iteration; one that queues has one at a time, and the stage is due again when that is settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.system.stop_request import raise_if_stop_requested
from qhybrid_pipelines.steps.execute.optimiser_steps import LATE, Caller
from qhybrid_pipelines.steps.execute.qpu_result_sets import collect_series, get_current_jobs, may_be_collected
from qhybrid_pipelines.steps.execute.qpu_submissions import submit_batches
from qhybrid_pipelines.steps.learning.datasets_and_folds import load_verified_dataset, stored_folds
from qhybrid_pipelines.steps.learning.fold_trainings import (
    FoldTraining,
    ModelStep,
    fold_trainings,
    measured_iterations,
    plan_iteration,
    take_measured_steps,
)
from qhybrid_pipelines.steps.learning.requested_models import model_request
from qhybrid_pipelines.steps.learning.training_budget import check_training_budget
from qhybrid_pipelines.steps.values_from_rows import (
    ExecutionKey,
    Row,
    check_backend_is_named,
    get_learning_specification,
)
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows

#: Said where every training has come to its end.
DONE = "every training is done"


def qml_training_steps(
    executions: Iterable[ExecutionKey],
    *,
    experiments: pa.Table,
    qml_datasets: pa.Table,
    qml_folds: pa.Table,
    specifications: Specifications,
    dispatcher: Dispatcher,
    lake: Lake,
    caller: Caller,
) -> pa.Table:
    """Go on with some trainings as far as their backends let them, and return the table `qml_training_steps`.

    Args:
        executions: backends and experiments; those whose circuits are not trained there have no rows in the result.
        experiments: their table.
        qml_datasets: of these experiments.
        qml_folds: of these experiments.
        specifications: keep their data.
        dispatcher: the only caller of a provider.
        lake: may hold the iterations that were measured before; where it does not, they are found in the ledger.
        caller: who asked.

    Raises:
        Refused: training and measuring do not fit the budget, or the policy, a limit or the budget said no to an iteration.
        JobFailed: a job of an iteration ended without a usable result.
        ProviderError: the provider could not be reached; calling again continues.
        InvalidInput: the experiment does not name the backend, or training diverged with the stated learning rate.
    """
    rows: list[Row] = []
    for backend, key in executions:
        spec = get_learning_specification(experiments, key)
        check_backend_is_named(spec, key, backend)
        if backend != spec.training.backend:
            continue
        dataset = load_verified_dataset(key, spec, qml_datasets, specifications)
        known = measured_iterations(key, spec, lake)
        trainings = fold_trainings(spec, model_request(spec, specifications), dataset, stored_folds(qml_folds, key))
        take_measured_steps(trainings, known)
        loop = _Loop(key=key, backend=backend, spec=spec, trainings=trainings, dispatcher=dispatcher, caller=caller)
        rows += loop.advance(known, specifications=specifications, lake=lake)
    return from_rows(schemas.QML_TRAINING_STEPS, rows)


def latest_jobs(qml_training_steps: pa.Table) -> list[str]:
    """Return the jobs of each experiment's last iteration, each once."""
    last = qml_training_steps.group_by("experiment").aggregate([("iteration", "max")]).to_pylist()
    wanted = {(row["experiment"], row["iteration_max"]) for row in last}
    rows = qml_training_steps.select(["experiment", "iteration", "job_ids"]).to_pylist()
    found = [job for row in rows if (row["experiment"], row["iteration"]) in wanted for job in row["job_ids"]]
    return list(dict.fromkeys(found))


@dataclass(frozen=True, kw_only=True)
class _Loop:
    """The trainings of one experiment on one backend."""

    key: str
    backend: str
    spec: LearningSpec
    trainings: list[FoldTraining]
    dispatcher: Dispatcher
    caller: Caller

    def advance(self, rows: list[Row], *, specifications: Specifications, lake: Lake) -> list[Row]:
        """Make iterations until one has to be waited for or all are done; return the rows of all of them."""
        iteration, rows = 1 + max((row["iteration"] for row in rows), default=0), list(rows)
        reason: str | None = DONE
        while planned := plan_iteration(self.trainings, self.key, self.backend, self.spec, iteration):
            raise_if_stop_requested()
            if iteration == 1:
                batches = [step.batch for step in planned]
                check_training_budget(
                    batches, self.spec, self.dispatcher, self.caller.principal, specifications=specifications, lake=lake
                )
            submitted = self._submit(planned)
            jobs = get_current_jobs(submitted, self.dispatcher)
            ready = all(may_be_collected(job, self.dispatcher) for job in jobs)
            tables = self._collect(planned, submitted) if ready else None
            new = self._rows(planned, submitted, iteration)
            if not tables:
                rows += new
                reason = None if tables is None else LATE
                break
            rows += self._take(planned, pa.concat_tables(tables), new, jobs)
            iteration += 1
        return [row | {"stop_reason": reason} for row in rows]

    def _submit(self, planned: Sequence[ModelStep]) -> list[Row]:
        return submit_batches(
            [(step.first_point, step.batch) for step in planned],
            self.spec,
            self.dispatcher,
            principal=self.caller.principal,
            requested_at=self.caller.requested_at,
            steps=self.spec.training.iterations or 1,
        )

    def _collect(self, planned: Sequence[ModelStep], submitted: Sequence[Row]) -> list[pa.Table]:
        return collect_series([(step.first_point, step.batch) for step in planned], submitted, self.dispatcher)

    def _rows(self, planned: Sequence[ModelStep], submitted: Sequence[Row], iteration: int) -> list[Row]:
        """Return the rows of an iteration as it was submitted; each has its share of the price, by its circuits."""
        rows: list[Row] = []
        for number, step in enumerate(planned):
            last = planned[number + 1].first_point if number + 1 < len(planned) else None
            mine = [row for row in submitted if step.first_point <= row["first_point"] < (last or np.inf)]
            price = sum(row["cost_quoted_usd"] for row in mine)
            rows += [
                {
                    "experiment": self.key,
                    "backend": self.backend,
                    "model": training.model,
                    "repeat": training.split.repeat,
                    "fold": training.split.fold,
                    "iteration": iteration,
                    "optimiser": asked.optimiser,
                    "parameters": asked.circuit.parameters.tolist(),
                    "circuits": asked.circuits,
                    "shots": step.batch.shots,
                    "job_ids": [row["job_id"] for row in mine],
                    "cost_quoted_usd": price * asked.circuits / step.batch.points,
                    "loss": None,
                    "gradient_norm": None,
                    "gradient": None,
                    "seconds": None,
                }
                for training, asked in zip(step.trainings, step.steps, strict=True)
            ]
        return rows

    def _take(
        self, planned: Sequence[ModelStep], counts: pa.Table, rows: list[Row], jobs: Sequence[JobRecord]
    ) -> list[Row]:
        """Let every training take its step, and return the rows with what was measured."""
        seconds = max((job.updated_at - job.created_at).total_seconds() for job in jobs)
        found = [pair for step in planned for pair in _gradients(step, counts)]
        trainings = [training for step in planned for training in step.trainings]
        taken = []
        for row, training, (loss, gradient) in zip(rows, trainings, found, strict=True):
            done = training.trainer.take_step(loss, gradient, seconds=seconds)
            measured = {"loss": loss, "gradient_norm": done.gradient_norm, "gradient": gradient.tolist()}
            taken.append(row | measured | {"seconds": seconds})
        return taken


def _gradients(step: ModelStep, counts: pa.Table) -> list[tuple[float, np.ndarray[tuple[int], np.dtype[np.float64]]]]:
    """Return loss and gradient of each training, from the counts of all models of an iteration."""
    from qhybrid_pipelines.learning.measurement.circuit_batches import expectations_from_counts
    from qhybrid_pipelines.learning.measurement.training_steps import step_gradients

    point = counts.column("point")
    mine = counts.filter(
        pc.and_(pc.greater_equal(point, step.first_point), pc.less(point, step.first_point + step.batch.points))
    )
    shifted = pc.subtract(mine.column("point"), pa.scalar(step.first_point, point.type))
    mine = mine.set_column(mine.column_names.index("point"), "point", shifted)
    return step_gradients(expectations_from_counts(mine, step.batch)[:, 0], step.steps)
