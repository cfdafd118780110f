"""EXECUTE, one partition per backend and experiment: steps of a loop > circuits, their sensitivity > submissions > completions > results."""

from typing import Any

import dagster as dg
import pyarrow as pa

from qhybrid_pipelines.defs import checks, metadata
from qhybrid_pipelines.defs.jobs import JOB_NAMES
from qhybrid_pipelines.defs.partitions import EXECUTIONS, get_executions
from qhybrid_pipelines.defs.principals import requesting_principal
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.run_history import requested_at
from qhybrid_pipelines.defs.run_tags import add_tags, job_state_tags
from qhybrid_pipelines.defs.table_assets import RESULT, table_asset
from qhybrid_pipelines.steps.execute import chains as chains_step
from qhybrid_pipelines.steps.execute import circuit_batches as batches_step
from qhybrid_pipelines.steps.execute import optimiser_steps as loop_step
from qhybrid_pipelines.steps.execute import parameter_sensitivity as sensitivity_step
from qhybrid_pipelines.steps.execute.embeddings import embed_with
from qhybrid_pipelines.steps.execute.qpu_result_sets import collect_result_sets
from qhybrid_pipelines.steps.execute.qpu_submissions import submit_circuit_batches
from qhybrid_pipelines.steps.on_demand.circuit_variables import assign_variables
from qhybrid_pipelines.steps.values_from_rows import read_optimisations

table_options: dict[str, Any] = {
    "partitions_def": EXECUTIONS,
    "group_name": "execute",
    "kinds": {"parquet"},
    "backfill_policy": dg.BackfillPolicy.single_run(),
    "io_manager_key": "lake",
}


@table_asset(**table_options, pool="submissions", may_rest=True)
def optimiser_steps(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    parameter_sweeps: pa.Table,
) -> pa.Table:
    """The trace of a loop that optimises angles through the backend: each step is submitted once, and what came back says which is next."""
    opened = workspace.open()
    table = loop_step.optimiser_steps(
        get_executions(context),
        experiments,
        problem_instances,
        reduced_models,
        parameter_sweeps,
        specifications=opened.specifications,
        dispatcher=opened.control_plane.dispatcher,
        lake=opened.lake,
        caller=loop_step.Caller(
            principal=requesting_principal(context.run.tags, opened.control_plane.deployment),
            requested_at=requested_at(context),
        ),
    )
    context.add_output_metadata(metadata.optimiser_steps(table), output_name=RESULT)
    return table


@table_asset(**table_options, may_rest=True)
def circuit_batches(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    parameter_sweeps: pa.Table,
    sampling_circuits: pa.Table,
    optimiser_steps: pa.Table,
) -> pa.Table:
    """Template, bindings, shots and seeds for one backend; nothing was sent yet."""
    opened = workspace.open()
    specifications = opened.specifications
    table = batches_step.circuit_batches(
        get_executions(context),
        experiments,
        problem_instances,
        reduced_models,
        parameter_sweeps,
        specifications=specifications,
        sampling_circuits=sampling_circuits,
        optimiser_steps=optimiser_steps,
        embed=embed_with(opened.control_plane.dispatcher, opened.lake),
        capabilities=opened.control_plane.dispatcher.capabilities,
    )
    for key, spec in read_optimisations(experiments):
        own = assign_variables(key, spec, problem_instances, reduced_models, specifications=specifications)
        if own is not None:
            context.log.info(own.assignment)
            for warning in own.warnings:
                context.log.warning("%s: %s", key, warning)
    context.add_output_metadata(metadata.batches(table), output_name=RESULT)
    return table


@table_asset(**table_options)
def parameter_sensitivity(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource, circuit_batches: pa.Table, reduced_models: pa.Table
) -> pa.Table:
    """What each angle does to the mean energy, the shots that tell it from its neighbour, and what gate errors take."""
    table = sensitivity_step.parameter_sensitivity(
        get_executions(context), circuit_batches, reduced_models, gate_error=workspace.open().gate_error_if_known
    )
    context.add_output_metadata(metadata.sensitivity(table), output_name=RESULT)
    return table


@table_asset(
    **table_options,
    pool="submissions",
    checks=[checks.within_budget, checks.qpu_submissions_need_a_person],
    may_rest=True,
)
def qpu_submissions(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    circuit_batches: pa.Table,
) -> pa.Table:
    """The jobs in the ledger behind each batch: submitted once, whatever happens to this process."""
    control_plane = workspace.open().control_plane
    table = submit_circuit_batches(
        circuit_batches,
        experiments,
        control_plane.dispatcher,
        principal=requesting_principal(context.run.tags, control_plane.deployment),
        requested_at=requested_at(context),
    )
    if context.run.job_name == JOB_NAMES["submit"]:  # else the verdict follows in this run
        jobs = [control_plane.dispatcher.current_job(job_id) for job_id in table["job_id"].to_pylist()]
        add_tags(context, job_state_tags(job.state for job in jobs))
    context.add_output_metadata(metadata.submissions(table), output_name=RESULT)
    return table


qpu_completions = dg.AssetSpec(
    "qpu_completions",
    description="All jobs of an execution are settled: seen by the poll sensor, which nothing waits in a worker for.",
    deps=["qpu_submissions"],
    partitions_def=EXECUTIONS,
    group_name="execute",
    kinds={"event"},
)


@table_asset(**table_options, deps=["qpu_completions"], checks=[checks.counts_sum_to_shots], may_rest=True)
def qpu_result_sets(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    circuit_batches: pa.Table,
    qpu_submissions: pa.Table,
) -> pa.Table:
    """Measurement counts as packed integers, verified against the shots that were asked for."""
    table = collect_result_sets(circuit_batches, qpu_submissions, workspace.open().control_plane.dispatcher)
    context.add_output_metadata(metadata.results(table), output_name=RESULT)
    return table


@table_asset(**table_options, deps=["qpu_result_sets"])
def chains(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    circuit_batches: pa.Table,
    qpu_submissions: pa.Table,
) -> pa.Table:
    """How whole the chains of an annealed model were, by annealing time, chain strength and gauge."""
    table = chains_step.chains(circuit_batches, qpu_submissions, workspace.open().control_plane.dispatcher)
    context.add_output_metadata(metadata.chains(table), output_name=RESULT)
    return table


ASSETS = (
    optimiser_steps,
    circuit_batches,
    parameter_sensitivity,
    qpu_submissions,
    qpu_completions,
    qpu_result_sets,
    chains,
)
