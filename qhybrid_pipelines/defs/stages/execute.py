"""EXECUTE, one partition per backend and experiment: circuits > submissions > completions > results."""

from typing import Any

import dagster as dg
import pyarrow as pa

from qhybrid_pipelines.defs import metadata
from qhybrid_pipelines.defs.partitions import EXECUTIONS, get_executions
from qhybrid_pipelines.defs.principals import requesting_principal
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.run_history import requested_at, tag_outages
from qhybrid_pipelines.defs.table_assets import RESULT, table_asset
from qhybrid_pipelines.steps.execute import circuit_batches as batches_step
from qhybrid_pipelines.steps.execute.qpu_result_sets import collect_result_sets
from qhybrid_pipelines.steps.execute.qpu_submissions import submit_circuit_batches
from qhybrid_pipelines.steps.on_demand.circuit_variables import assign_variables
from qhybrid_pipelines.steps.values_from_rows import read_experiments

table_options: dict[str, Any] = {
    "partitions_def": EXECUTIONS,
    "group_name": "execute",
    "kinds": {"parquet"},
    "backfill_policy": dg.BackfillPolicy.single_run(),
    "io_manager_key": "lake",
}


@table_asset(**table_options)
def circuit_batches(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    parameter_sweeps: pa.Table,
) -> pa.Table:
    """Template, bindings, shots and seeds for one backend; nothing was sent yet."""
    specifications = workspace.open().specifications
    table = batches_step.circuit_batches(
        get_executions(context),
        experiments,
        problem_instances,
        reduced_models,
        parameter_sweeps,
        specifications=specifications,
    )
    for key, spec in read_experiments(experiments):
        own = assign_variables(key, spec, problem_instances, reduced_models, specifications=specifications)
        if own is not None:
            context.log.info(own.assignment)
            for warning in own.warnings:
                context.log.warning("%s: %s", key, warning)
    context.add_output_metadata(metadata.batches(table), output_name=RESULT)
    return table


@table_asset(**table_options, pool="submissions")
def qpu_submissions(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    circuit_batches: pa.Table,
) -> pa.Table:
    """The jobs in the ledger behind each batch: submitted once, whatever happens to this process."""
    with tag_outages(context):
        control_plane = workspace.open().control_plane
        table = submit_circuit_batches(
            circuit_batches,
            experiments,
            control_plane.dispatcher,
            principal=requesting_principal(context.run.tags, control_plane.deployment),
            requested_at=requested_at(context),
        )
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


@table_asset(**table_options, deps=["qpu_completions"])
def qpu_result_sets(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    circuit_batches: pa.Table,
    qpu_submissions: pa.Table,
) -> pa.Table:
    """Measurement counts as packed integers, verified against the shots that were asked for."""
    with tag_outages(context):
        table = collect_result_sets(circuit_batches, qpu_submissions, workspace.open().control_plane.dispatcher)
    context.add_output_metadata(metadata.results(table), output_name=RESULT)
    return table


ASSETS = (circuit_batches, qpu_submissions, qpu_completions, qpu_result_sets)
