"""SAMPLE: circuits and what should come out of them, once per experiment; scores and verdicts per backend."""

from typing import Any

import dagster as dg
import pyarrow as pa

from qhybrid_pipelines.defs import metadata_report
from qhybrid_pipelines.defs import metadata_sampling as metadata
from qhybrid_pipelines.defs.partitions import EXECUTIONS, EXPERIMENTS, get_executions
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.run_tags import add_tags, verdict_tags
from qhybrid_pipelines.defs.table_assets import RESULT, table_asset, table_multi_asset, table_output
from qhybrid_pipelines.steps.on_demand.run_table import sum_charges
from qhybrid_pipelines.steps.sampling import circuits as circuits_step
from qhybrid_pipelines.steps.sampling import scores as scores_step

common: dict[str, Any] = {"group_name": "sample", "backfill_policy": dg.BackfillPolicy.single_run()}
table_options: dict[str, Any] = {**common, "kinds": {"parquet"}, "io_manager_key": "lake"}


@table_multi_asset(
    outs={
        "sampling_circuits": table_output("The circuits of a series, and where their references are from."),
        "sampling_references": table_output("What should come out of each circuit."),
    },
    **common,
    partitions_def=EXPERIMENTS,
)
def planned(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource, experiments: pa.Table
) -> tuple[pa.Table, pa.Table]:
    """Build the circuits of a series, and compute, look up or read what should come out of each."""
    circuits, references = circuits_step.sampling_circuits(experiments, workspace.open().specifications)
    context.add_output_metadata(metadata.circuits(circuits), output_name="sampling_circuits")
    return circuits, references


@table_asset(**table_options, partitions_def=EXPERIMENTS)
def sampling_baselines(
    context: dg.AssetExecutionContext,
    experiments: pa.Table,
    sampling_circuits: pa.Table,
    sampling_references: pa.Table,
) -> pa.Table:
    """What uniform outcomes, independent bits and a classical sampler score against the same references."""
    table = circuits_step.sampling_baselines(experiments, sampling_circuits, sampling_references)
    context.add_output_metadata(metadata.baselines(table), output_name=RESULT)
    return table


@table_asset(**table_options, partitions_def=EXECUTIONS)
def sampling_scores(
    context: dg.AssetExecutionContext,
    sampling_circuits: pa.Table,
    sampling_references: pa.Table,
    sampling_baselines: pa.Table,
    qpu_result_sets: pa.Table,
) -> pa.Table:
    """How near the measured outcomes are to what should come out, each score with its interval."""
    table = scores_step.sampling_scores(
        get_executions(context),
        sampling_circuits=sampling_circuits,
        sampling_references=sampling_references,
        sampling_baselines=sampling_baselines,
        qpu_result_sets=qpu_result_sets,
    )
    context.add_output_metadata(metadata.scores(table), output_name=RESULT)
    return table


@table_asset(**table_options, partitions_def=EXECUTIONS)
def sampling_verdicts(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    sampling_circuits: pa.Table,
    sampling_baselines: pa.Table,
    sampling_scores: pa.Table,
    qpu_submissions: pa.Table,
) -> pa.Table:
    """Whether each circuit's outcomes are better than uniform ones. That they are not is a result."""
    table = scores_step.sampling_verdicts(
        get_executions(context),
        experiments=experiments,
        sampling_circuits=sampling_circuits,
        sampling_baselines=sampling_baselines,
        sampling_scores=sampling_scores,
        qpu_submissions=qpu_submissions,
        dispatcher=workspace.open().control_plane.dispatcher,
    )
    context.add_output_metadata(metadata.verdicts(table), output_name=RESULT)
    return table


@table_asset(**{**common, "kinds": {"html"}}, partitions_def=EXECUTIONS)
def sampling_report(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource, sampling_verdicts: pa.Table
) -> None:
    """What came out, in a few lines, and the link to the page about it; figures are drawn when somebody opens that."""
    jobs = workspace.open().control_plane.ledger.jobs
    executions = get_executions(context)
    charged = sum_charges(job for key in {key for _, key in executions} for job in jobs(experiment=key))
    add_tags(context, verdict_tags(sampling_verdicts["verdict"].to_pylist()))
    context.add_output_metadata(
        metadata_report.sampling_report(sampling_verdicts, executions, charged), output_name=RESULT
    )


ASSETS = (planned, sampling_baselines, sampling_scores, sampling_verdicts, sampling_report)
