"""PREPARE, one partition per experiment: experiments > instances > features, reduced models > sweeps, and the baselines."""

from typing import Any

import dagster as dg
import pyarrow as pa

from qhybrid_pipelines.defs import checks, metadata
from qhybrid_pipelines.defs.partitions import EXPERIMENTS
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.run_tags import add_tags, state_tags
from qhybrid_pipelines.defs.table_assets import RESULT, table_asset
from qhybrid_pipelines.steps.prepare import baselines as baselines_step
from qhybrid_pipelines.steps.prepare import experiments as experiments_step
from qhybrid_pipelines.steps.prepare import parameter_sweeps as sweeps_step
from qhybrid_pipelines.steps.prepare import problem_instances as instances_step
from qhybrid_pipelines.steps.prepare import reduced_models as models_step
from qhybrid_pipelines.storage.label_store import read_labels

table_options: dict[str, Any] = {
    "partitions_def": EXPERIMENTS,
    "group_name": "prepare",
    "kinds": {"parquet"},
    "backfill_policy": dg.BackfillPolicy.single_run(),
    "io_manager_key": "lake",
}


@table_asset(**table_options)
def experiments(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> pa.Table:
    """The registered specification of an experiment: what was asked, and where it came from."""
    opened = workspace.open()
    table = experiments_step.experiments(context.partition_keys, opened.specifications)
    labels = [read_labels(opened.home, key) for key in context.partition_keys]
    context.add_output_metadata(metadata.experiments(table, labels), output_name=RESULT)
    return table


@table_asset(**table_options)
def problem_instances(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource, experiments: pa.Table
) -> pa.Table:
    """The problem instance: parsed, validated, content-hashed."""
    table = instances_step.problem_instances(experiments, workspace.open().specifications)
    context.add_output_metadata(metadata.instances(table), output_name=RESULT)
    return table


@table_asset(**table_options)
def features(context: dg.AssetExecutionContext, problem_instances: pa.Table) -> pa.Table:
    """Deterministic numbers that describe an instance."""
    table = instances_step.features(problem_instances)
    context.add_output_metadata(metadata.features(table), output_name=RESULT)
    return table


@table_asset(**table_options)
def reduced_models(context: dg.AssetExecutionContext, experiments: pa.Table, problem_instances: pa.Table) -> pa.Table:
    """What classical reduction leaves to be solved, step by step, and the best it could be worth."""
    table = models_step.reduced_models(experiments, problem_instances)
    qubits = table["n_qubits"].to_pylist()
    add_tags(context, state_tags("prepared", *([f"{qubits[0]} qubits"] if len(qubits) == 1 else [])))
    context.add_output_metadata(metadata.reduced_models(table, problem_instances), output_name=RESULT)
    return table


@table_asset(**table_options)
def parameter_sweeps(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource, experiments: pa.Table, reduced_models: pa.Table
) -> pa.Table:
    """The angles that will be tried, one row per point."""
    opened = workspace.open()
    table = sweeps_step.parameter_sweeps(
        experiments, reduced_models, opened.specifications, gate_error=opened.gate_error
    )
    context.add_output_metadata(metadata.sweeps(table), output_name=RESULT)
    return table


@table_asset(**table_options, checks=[checks.always_on_baselines_present])
def baselines(
    context: dg.AssetExecutionContext, experiments: pa.Table, problem_instances: pa.Table, reduced_models: pa.Table
) -> pa.Table:
    """What classical solvers make of the same instance, with the same objective and the same post-processing."""
    table = baselines_step.baselines(experiments, problem_instances, reduced_models)
    context.add_output_metadata(metadata.baselines(table, problem_instances), output_name=RESULT)
    return table


ASSETS = (experiments, problem_instances, features, reduced_models, parameter_sweeps, baselines)
