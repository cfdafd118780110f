"""INTERPRET, one partition per backend and experiment: scores > comparisons > decisions, and the records of them."""

from typing import Any

import dagster as dg
import pyarrow as pa

from qhybrid_pipelines.defs import checks, metadata, metadata_estimates, metadata_report
from qhybrid_pipelines.defs.partitions import EXECUTIONS, get_executions
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.run_tags import add_tags, verdict_tags
from qhybrid_pipelines.defs.table_assets import RESULT, table_asset, table_multi_asset, table_output
from qhybrid_pipelines.steps.interpret import baseline_comparisons as comparisons_step
from qhybrid_pipelines.steps.interpret import decisions as decisions_step
from qhybrid_pipelines.steps.interpret import expectation_estimates as estimates_step
from qhybrid_pipelines.steps.interpret import provenance as provenance_step
from qhybrid_pipelines.steps.interpret import scored_solutions as scores_step
from qhybrid_pipelines.steps.interpret import tracking_runs as tracking_step
from qhybrid_pipelines.steps.on_demand.run_table import sum_charges
from qhybrid_pipelines.storage.label_store import LabelStore

asset_options: dict[str, Any] = {
    "partitions_def": EXECUTIONS,
    "group_name": "interpret",
    "backfill_policy": dg.BackfillPolicy.single_run(),
}
table_options: dict[str, Any] = {**asset_options, "kinds": {"parquet"}, "io_manager_key": "lake"}


@table_multi_asset(
    outs={
        "point_scores": table_output("Summary per point and run."),
        "scored_solutions": table_output("The best assignments, scored on the original instance."),
    },
    checks=[checks.objectives_recompute],
    **asset_options,
)
def scored(
    context: dg.AssetExecutionContext,
    experiments: pa.Table,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    qpu_result_sets: pa.Table,
) -> tuple[pa.Table, pa.Table]:
    """Score every outcome on the original instance: as measured, repaired, and after local search."""
    points, solutions = scores_step.scores(
        get_executions(context), experiments, problem_instances, reduced_models, qpu_result_sets
    )
    context.add_output_metadata(metadata.point_scores(points), output_name="point_scores")
    context.add_output_metadata(metadata.solutions(solutions, problem_instances), output_name="scored_solutions")
    return points, solutions


@table_asset(**table_options)
def estimates(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    reduced_models: pa.Table,
    circuit_batches: pa.Table,
    qpu_submissions: pa.Table,
    qpu_result_sets: pa.Table,
    sampling_circuits: pa.Table,
) -> pa.Table:
    """The mean energy of every point, or the observables of every circuit, with its standard error, as measured and with readout errors taken out; no verdict rests on it."""
    table = estimates_step.estimates(
        get_executions(context),
        experiments=experiments,
        reduced_models=reduced_models,
        circuit_batches=circuit_batches,
        qpu_submissions=qpu_submissions,
        qpu_result_sets=qpu_result_sets,
        sampling_circuits=sampling_circuits,
        dispatcher=workspace.open().control_plane.dispatcher,
    )
    context.add_output_metadata(metadata_estimates.estimates(table), output_name=RESULT)
    return table


@table_asset(**table_options)
def baseline_comparisons(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    parameter_sweeps: pa.Table,
    qpu_submissions: pa.Table,
    point_scores: pa.Table,
    scored_solutions: pa.Table,
    baselines: pa.Table,
) -> pa.Table:
    """The verdict: quantum against the best classical baseline, paired over runs. That classical wins is a result."""
    table = comparisons_step.baseline_comparisons(
        get_executions(context),
        problem_instances=problem_instances,
        reduced_models=reduced_models,
        parameter_sweeps=parameter_sweeps,
        qpu_submissions=qpu_submissions,
        point_scores=point_scores,
        scored_solutions=scored_solutions,
        baselines=baselines,
        dispatcher=workspace.open().control_plane.dispatcher,
    )
    context.add_output_metadata(metadata.comparisons(table), output_name=RESULT)
    return table


@table_asset(**table_options)
def decisions(
    context: dg.AssetExecutionContext,
    experiments: pa.Table,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    parameter_sweeps: pa.Table,
    optimiser_steps: pa.Table,
    point_scores: pa.Table,
    scored_solutions: pa.Table,
    baselines: pa.Table,
    baseline_comparisons: pa.Table,
) -> pa.Table:
    """Accept, continue with a next round, or fall back to the classical answer."""
    table = decisions_step.decisions(
        get_executions(context),
        experiments=experiments,
        problem_instances=problem_instances,
        reduced_models=reduced_models,
        parameter_sweeps=parameter_sweeps,
        optimiser_steps=optimiser_steps,
        point_scores=point_scores,
        scored_solutions=scored_solutions,
        baselines=baselines,
        baseline_comparisons=baseline_comparisons,
    )
    context.add_output_metadata(metadata.decisions(table, problem_instances), output_name=RESULT)
    return table


@table_asset(**table_options, deps=["qpu_result_sets"])
def provenance(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    problem_instances: pa.Table,
    circuit_batches: pa.Table,
    qpu_submissions: pa.Table,
) -> pa.Table:
    """Code, packages, machine, circuit, payload, result and times: why a number may have changed."""
    table = provenance_step.provenance(
        get_executions(context),
        experiments=experiments,
        problem_instances=problem_instances,
        circuit_batches=circuit_batches,
        qpu_submissions=qpu_submissions,
        dispatcher=workspace.open().control_plane.dispatcher,
    )
    context.add_output_metadata(metadata.provenance(table), output_name=RESULT)
    return table


@table_asset(**{**table_options, "kinds": {"parquet", "mlflow"}})
def tracking_runs(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    circuit_batches: pa.Table,
    optimiser_steps: pa.Table,
    qpu_result_sets: pa.Table,
    point_scores: pa.Table,
    baseline_comparisons: pa.Table,
    sampling_verdicts: pa.Table,
    provenance: pa.Table,
) -> pa.Table:
    """The reproducibility record in MLflow; in the spool while MLflow is away."""
    tracker = workspace.open().tracker
    table = tracking_step.tracking_runs(
        get_executions(context),
        experiments=experiments,
        circuit_batches=circuit_batches,
        optimiser_steps=optimiser_steps,
        qpu_result_sets=qpu_result_sets,
        point_scores=point_scores,
        baseline_comparisons=baseline_comparisons,
        sampling_verdicts=sampling_verdicts,
        provenance=provenance,
        labels=LabelStore(workspace.open().home),
        tracker=tracker,
        dagster_run_id=context.run.run_id,
    )
    context.add_output_metadata(metadata.tracking(table, tracker), output_name=RESULT)
    return table


@table_asset(**asset_options, kinds={"html"})
def report(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    baseline_comparisons: pa.Table,
    decisions: pa.Table,
) -> None:
    """What came out, in a few lines, and the link to the page about it; figures are drawn when somebody opens that."""
    jobs = workspace.open().control_plane.ledger.jobs
    charged = sum_charges(job for key in set(decisions["experiment"].to_pylist()) for job in jobs(experiment=key))
    add_tags(context, verdict_tags(baseline_comparisons["verdict"].to_pylist()))
    context.add_output_metadata(metadata_report.report(baseline_comparisons, decisions, charged), output_name=RESULT)


ASSETS = (scored, estimates, baseline_comparisons, decisions, provenance, tracking_runs, report)
