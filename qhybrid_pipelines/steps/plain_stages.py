"""The stages of an experiment one after the other in this process, without a run of Dagster: the same steps, tables, ledger rows and keys.

A run of Dagster costs seconds of a processor, which a small experiment on this machine's simulators does not have. What is written
here is what the assets of `defs.stages` write, so that whoever looks next, `qhybrid run` or a sensor, finds nothing due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.steps.execute.chains import chains
from qhybrid_pipelines.steps.execute.circuit_batches import circuit_batches
from qhybrid_pipelines.steps.execute.optimiser_steps import Caller, optimiser_steps
from qhybrid_pipelines.steps.execute.parameter_sensitivity import parameter_sensitivity
from qhybrid_pipelines.steps.execute.qpu_result_sets import collect_result_sets
from qhybrid_pipelines.steps.execute.qpu_submissions import submit_circuit_batches
from qhybrid_pipelines.steps.interpret.baseline_comparisons import baseline_comparisons
from qhybrid_pipelines.steps.interpret.decisions import decisions
from qhybrid_pipelines.steps.interpret.expectation_estimates import estimates
from qhybrid_pipelines.steps.interpret.provenance import provenance
from qhybrid_pipelines.steps.interpret.scored_solutions import scores
from qhybrid_pipelines.steps.interpret.tracking_runs import tracking_runs
from qhybrid_pipelines.steps.prepare.baselines import baselines
from qhybrid_pipelines.steps.prepare.experiments import experiments
from qhybrid_pipelines.steps.prepare.parameter_sweeps import parameter_sweeps
from qhybrid_pipelines.steps.prepare.problem_instances import features, problem_instances
from qhybrid_pipelines.steps.prepare.reduced_models import reduced_models
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.label_store import LabelStore
from qhybrid_pipelines.storage.lake import PartitionKey, WrittenPartition
from qhybrid_pipelines.storage.schemas import BY_NAME
from qhybrid_pipelines.storage.tables import empty

#: The stages that can be run like this: of an optimisation, and on backends that answer at once.
PLAIN_STAGES = ("prepare", "execute")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTable:
    """A table that was written.

    Attributes:
        asset: its name.
        backend: of the execution; None for a table of the experiment.
        written: its file.
    """

    asset: str
    backend: str | None
    written: WrittenPartition


class PlainStages:
    """Runs single stages in one home.

    Args:
        workspace: the home.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def run(self, stage: Stage, *, principal: str, requested_at: datetime, run_id: str) -> Iterator[WrittenTable]:
        """Run a stage, and yield each table when it is written.

        Args:
            stage: one of `PLAIN_STAGES`.
            principal: who asks.
            requested_at: when; the first part of the latency of its jobs.
            run_id: names this run in the reproducibility record.

        Raises:
            ValueError: the stage is another one.
            QHybridError: as the steps.
        """
        if stage.job not in PLAIN_STAGES:
            raise ValueError(f"the stage {stage.job!r} is not run without Dagster")
        tables = _Tables(self._workspace, stage)
        if stage.job == "prepare":
            yield from self._prepare(tables, stage)
        else:
            yield from self._execute(tables, stage, principal=principal, requested_at=requested_at, run_id=run_id)

    def _prepare(self, tables: _Tables, stage: Stage) -> Iterator[WrittenTable]:
        workspace = self._workspace
        specifications = workspace.specifications
        yield tables.write("experiments", experiments([stage.experiment], specifications))
        yield tables.write("problem_instances", problem_instances(tables["experiments"], specifications))
        yield tables.write("features", features(tables["problem_instances"]))
        yield tables.write("reduced_models", reduced_models(tables["experiments"], tables["problem_instances"]))
        sweeps = parameter_sweeps(
            tables["experiments"], tables["reduced_models"], specifications, gate_error=workspace.gate_error
        )
        yield tables.write("parameter_sweeps", sweeps)
        yield tables.write("baselines", tables.call(baselines, "experiments", "problem_instances", "reduced_models"))

    def _execute(
        self, tables: _Tables, stage: Stage, *, principal: str, requested_at: datetime, run_id: str
    ) -> Iterator[WrittenTable]:
        workspace, where = self._workspace, [(stage.backend or "", stage.experiment)]
        dispatcher = workspace.control_plane.dispatcher
        prepared = ("experiments", "problem_instances", "reduced_models", "parameter_sweeps")
        steps = tables.call(
            optimiser_steps,
            *prepared,
            first=where,
            specifications=workspace.specifications,
            dispatcher=dispatcher,
            lake=workspace.lake,
            caller=Caller(principal=principal, requested_at=requested_at),
        )
        yield tables.write("optimiser_steps", steps)
        yield tables.write(
            "circuit_batches",
            tables.call(
                circuit_batches,
                *prepared,
                first=where,
                specifications=workspace.specifications,
                optimiser_steps=steps,
                capabilities=dispatcher.capabilities,
            ),
        )
        submitted = submit_circuit_batches(
            tables["circuit_batches"],
            tables["experiments"],
            dispatcher,
            principal=principal,
            requested_at=requested_at,
        )
        yield tables.write("qpu_submissions", submitted)
        collected = collect_result_sets(tables["circuit_batches"], tables["qpu_submissions"], dispatcher)
        yield tables.write("qpu_result_sets", collected)
        points, solutions = tables.call(
            scores, "experiments", "problem_instances", "reduced_models", "qpu_result_sets", first=where
        )
        yield tables.write("point_scores", points)
        yield tables.write("scored_solutions", solutions)
        compared = baseline_comparisons(
            where,
            dispatcher=dispatcher,
            **tables.named(
                *("problem_instances", "reduced_models", "parameter_sweeps", "qpu_submissions", "point_scores"),
                *("scored_solutions", "baselines"),
            ),
        )
        yield tables.write("baseline_comparisons", compared)
        decided = decisions(
            where,
            **tables.named(
                *("experiments", "problem_instances", "reduced_models", "parameter_sweeps", "optimiser_steps"),
                *("point_scores", "scored_solutions", "baselines", "baseline_comparisons"),
            ),
        )
        yield tables.write("decisions", decided)
        # Behind the verdict, which somebody waits for.
        described = parameter_sensitivity(
            where, **tables.named("circuit_batches", "reduced_models"), gate_error=workspace.gate_error_if_known
        )
        yield tables.write("parameter_sensitivity", described)
        yield tables.write("chains", chains(tables["circuit_batches"], tables["qpu_submissions"], dispatcher))
        estimated = estimates(
            where,
            dispatcher=dispatcher,
            **tables.named(
                *("experiments", "reduced_models", "circuit_batches", "qpu_submissions", "qpu_result_sets"),
            ),
        )
        yield tables.write("estimates", estimated)
        recorded = provenance(
            where,
            dispatcher=dispatcher,
            **tables.named("experiments", "problem_instances", "circuit_batches", "qpu_submissions"),
        )
        yield tables.write("provenance", recorded)
        tracked = tracking_runs(
            where,
            labels=LabelStore(workspace.home),
            tracker=workspace.tracker,
            dagster_run_id=run_id,
            **tables.named(
                *("experiments", "optimiser_steps", "circuit_batches", "qpu_result_sets", "point_scores"),
                *("baseline_comparisons", "provenance"),
            ),
            sampling_verdicts=empty(schemas.SAMPLING_VERDICTS),  # no sampling experiment is run here
        )
        yield tables.write("tracking_runs", tracked)


class _Tables:
    """The tables of a stage by name: what it writes is read back, as the next step of Dagster would read it."""

    def __init__(self, workspace: Workspace, stage: Stage) -> None:
        self._lake, self._stage = workspace.lake, stage
        self._known: dict[str, pa.Table] = {}

    def __getitem__(self, asset: str) -> pa.Table:
        if asset not in self._known:
            self._known[asset] = self._lake.read(BY_NAME[asset], self._key(asset))
        return self._known[asset]

    def write(self, asset: str, table: pa.Table) -> WrittenTable:
        """Write a table whole, checked against its description."""
        key = self._key(asset)
        written = self._lake.write(BY_NAME[asset], key, table)
        self._known.pop(asset, None)
        return WrittenTable(asset=asset, backend=key.backend, written=written)

    def named(self, *assets: str) -> dict[str, pa.Table]:
        """Return some tables by name."""
        return {asset: self[asset] for asset in assets}

    def call(self, step: Callable[..., Any], *assets: str, first: Any = None, **more: Any) -> Any:
        """Return what a step makes of some tables, in this order."""
        given = [] if first is None else [first]
        return step(*given, *(self[asset] for asset in assets), **more)

    def _key(self, asset: str) -> PartitionKey:
        of_execution = "backend" in BY_NAME[asset].partition_columns
        return PartitionKey(experiment=self._stage.experiment, backend=self._stage.backend if of_execution else None)
