"""Step 6, of a loop only: optimises angles through a backend, one batch of circuits after the other.

Every step is a batch like that of a sweep and goes the same way: the same door to the provider, the same ledger, the same tokens. What is
asked for next follows from the specification and from what was measured, so that a process that was killed anywhere finds
the jobs of the steps before it in the ledger and goes on from there. A backend that answers at once is asked step after step;
one that queues has one step at a time, and the stage is due again when that is settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.system.stop_request import raise_if_stop_requested
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.measured_counts import sum_out_ancillas
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.quantum.circuits import build_batch
from qhybrid_pipelines.quantum.optimisers.choice import optimiser_of, search_of
from qhybrid_pipelines.quantum.optimisers.measured_objective import tail_mean
from qhybrid_pipelines.quantum.optimisers.search import MeasuredStep
from qhybrid_pipelines.quantum.optimisers.stopping import CONVERGED, stop_reason
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit
from qhybrid_pipelines.steps.execute.loop_budget import check_loop_budget
from qhybrid_pipelines.steps.execute.qpu_result_sets import collect_series, get_current_jobs, may_be_collected
from qhybrid_pipelines.steps.execute.qpu_submissions import submit_batches
from qhybrid_pipelines.steps.prepare.user_circuits import load_arranged_circuit
from qhybrid_pipelines.steps.values_from_rows import (
    ExecutionKey,
    Row,
    check_backend_is_named,
    get_row,
    get_specification,
    read_optimisations,
    select_rows,
    to_columns,
)
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows

#: Said where a step has no result; as with a sweep, the execution then has no counts until the job was run again.
LATE = "a job of the last step was not done by its deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asked for the run that goes on with a loop, and when."""

    principal: str
    requested_at: datetime | None = None


def optimiser_steps(
    executions: Iterable[ExecutionKey],
    experiments: pa.Table,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    parameter_sweeps: pa.Table,
    *,
    specifications: Specifications,
    dispatcher: Dispatcher,
    lake: Lake,
    caller: Caller,
) -> pa.Table:
    """Go on with the loops among some executions as far as their backends let them, and return the table `optimiser_steps`.

    Args:
        executions: backends and experiments.
        experiments: their table; other experiments than loops have no rows in the result.
        problem_instances: of these experiments.
        reduced_models: of these experiments.
        parameter_sweeps: of these experiments; the first point of each is where its loop starts.
        specifications: keep the circuits that specifications name.
        dispatcher: the only caller of a provider.
        lake: may hold the steps that were measured before; where it does not, they are found in the ledger.
        caller: who asked.

    Raises:
        Refused: the whole loop does not fit its budget, or the policy, a limit or the budget said no to a step.
        JobFailed: a job of a step ended without a usable result.
        ProviderError: the provider could not be reached; calling again continues.
        InvalidInput: the experiment does not name the backend.
    """
    loops = {key for key, spec in read_optimisations(experiments) if spec.sweep.is_loop}
    rows: list[Row] = []
    for backend, key in executions:
        start = select_rows(parameter_sweeps, key).sort_by("point") if key in loops else None
        if start is None or not start.num_rows:
            continue
        spec = get_specification(experiments, key)
        check_backend_is_named(spec, key, backend)
        instance = Instance.from_row(get_row(problem_instances, key))
        reduced_model = reduced_model_from_row(get_row(reduced_models, key))
        loop = _Loop(
            key=key,
            backend=backend,
            spec=spec,
            reduced_model=reduced_model,
            start=np.array(start.column("angles")[0].as_py(), dtype=np.float64),
            circuit=load_arranged_circuit(spec, specifications, reduced_model, instance.variables),
            dispatcher=dispatcher,
            caller=caller,
        )
        rows += loop.advance(_measured_before(lake, key, backend))
    return from_rows(schemas.OPTIMISER_STEPS, rows)


def _measured_before(lake: Lake, key: str, backend: str) -> list[MeasuredStep]:
    """Return the steps whose values are in the lake."""
    partition = PartitionKey(experiment=key, backend=backend)
    if not lake.exists(schemas.OPTIMISER_STEPS, partition):
        return []
    steps: dict[int, list[Row]] = {}
    for row in lake.read(schemas.OPTIMISER_STEPS, partition).sort_by("point").to_pylist():
        steps.setdefault(row["step"], []).append(row)
    return [
        MeasuredStep(
            angles=np.array([row["angles"] for row in found], dtype=np.float64),
            values=np.array([row["value"] for row in found], dtype=np.float64),
            errors=np.array([row["standard_error"] for row in found], dtype=np.float64),
        )
        for _, found in sorted(steps.items())
        if all(row["value"] is not None for row in found)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loop:
    """One loop on one backend; fields as the arguments of `build_batch` and `optimiser_steps`."""

    key: str
    backend: str
    spec: ExperimentSpec
    reduced_model: ReducedModel
    start: F64
    circuit: UserCircuit | None
    dispatcher: Dispatcher
    caller: Caller

    def advance(self, history: list[MeasuredStep]) -> list[Row]:
        """Make steps until one has to be waited for or the loop has ended; return the rows of all of them."""
        spec = self.spec
        search, ask = search_of(spec, self.reduced_model, self.start), optimiser_of(spec)
        waiting: F64 | None = None
        while (reason := stop_reason(history, steps=search.steps, angles=search.size)) is None:
            raise_if_stop_requested()
            asked = ask(search, history)
            if asked is None:
                reason = CONVERGED
                break
            measured, late = self._measure(asked, len(history))
            if measured is None:
                waiting, reason = asked, LATE if late else None
                break
            history.append(measured)
        return self._rows(history, waiting, reason)

    def _measure(self, angles: F64, step: int) -> tuple[MeasuredStep | None, bool]:
        """Submit a step, once, and return what came back; None while it is waited for, or where it came too late."""
        spec, first_point = self.spec, step * self.spec.sweep.points
        planned = build_batch(
            self.reduced_model,
            angles,
            spec,
            experiment=self.key,
            backend=self.backend,
            circuit=self.circuit,
            first_point=first_point,
        )
        batches = [(first_point, planned.batch)]
        if step == 0:
            check_loop_budget(planned.batch, spec, self.dispatcher, principal=self.caller.principal)
        submitted = submit_batches(
            batches,
            spec,
            self.dispatcher,
            principal=self.caller.principal,
            requested_at=self.caller.requested_at,
        )
        if not all(may_be_collected(job, self.dispatcher) for job in get_current_jobs(submitted, self.dispatcher)):
            return None, False
        tables = collect_series(batches, submitted, self.dispatcher)
        if not tables:
            return None, True
        counts: Mapping[str, npt.NDArray[Any]] = to_columns(
            pa.concat_tables(tables).select(["point", "repetition", "bits", "count"])
        )
        if self.circuit is not None:
            counts = sum_out_ancillas(counts, width=self.reduced_model.size)
        return self._values(angles, counts, first_point), False

    def _values(self, angles: F64, counts: Mapping[str, npt.NDArray[Any]], first_point: int) -> MeasuredStep:
        """Return the objective of each point of a step."""
        fraction = self.spec.sweep.alpha if self.spec.sweep.objective == "cvar" else 1.0
        outcomes, place = np.unique(counts["bits"].astype(np.uint64), return_inverse=True)
        energies = self.reduced_model.model.energies(outcomes)
        size = len(outcomes)
        cells = (counts["point"].astype(np.int64) - first_point) * size + place
        table = np.bincount(cells, weights=counts["count"], minlength=len(angles) * size)
        found = [tail_mean(energies, row, fraction) for row in table.astype(np.float64).reshape(len(angles), size)]
        values, errors = (np.array(column) for column in zip(*found, strict=True))
        return MeasuredStep(angles=angles, values=values, errors=errors)

    def _rows(self, history: Sequence[MeasuredStep], waiting: F64 | None, reason: str | None) -> list[Row]:
        """Return the trace, with the points that are waited for at its end."""
        spec = self.spec
        angles = np.concatenate([*(step.angles for step in history), *([] if waiting is None else [waiting])])
        values = np.concatenate([np.empty(0), *(step.values for step in history)]).tolist()
        errors = np.concatenate([np.empty(0), *(step.errors for step in history)]).tolist()
        best = np.minimum.accumulate(values).tolist() if values else []
        missing = [None] * (len(angles) - len(values))
        columns = zip(angles.tolist(), [*values, *missing], [*errors, *missing], [*best, *missing], strict=True)
        return [
            {
                "experiment": self.key,
                "backend": self.backend,
                "step": point // spec.sweep.points,
                "point": point,
                "optimiser": spec.sweep.optimiser,
                "angles": row,
                "value": value,
                "standard_error": error,
                "best_value": lowest,
                "shots": spec.shots * spec.repetitions,
                "stop_reason": reason,
            }
            for point, (row, value, error, lowest) in enumerate(columns)
        ]
