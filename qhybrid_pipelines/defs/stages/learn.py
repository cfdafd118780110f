"""LEARN: data sets > features > training, once per experiment; circuits measured per backend; then one evaluation."""

from typing import Any

import dagster as dg
import pyarrow as pa

from qhybrid_pipelines.defs import checks, metadata_report
from qhybrid_pipelines.defs import metadata_learning as metadata
from qhybrid_pipelines.defs.partitions import EXECUTIONS, EXPERIMENTS, get_executions
from qhybrid_pipelines.defs.principals import requesting_principal
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.run_history import requested_at
from qhybrid_pipelines.defs.run_tags import add_tags, job_state_tags, state_tags, verdict_tags
from qhybrid_pipelines.defs.table_assets import RESULT, table_asset, table_multi_asset, table_output
from qhybrid_pipelines.steps.execute.optimiser_steps import Caller
from qhybrid_pipelines.steps.learning import datasets_and_folds as data
from qhybrid_pipelines.steps.learning import evaluation, measurements, tracking, training, training_steps
from qhybrid_pipelines.steps.learning import inference_batches as inference
from qhybrid_pipelines.steps.on_demand.run_table import sum_charges

common: dict[str, Any] = {"group_name": "learn", "backfill_policy": dg.BackfillPolicy.single_run()}
table_options: dict[str, Any] = {**common, "kinds": {"parquet"}, "io_manager_key": "lake"}


@table_asset(**table_options, partitions_def=EXPERIMENTS)
def qml_datasets(context: dg.AssetExecutionContext, workspace: WorkspaceResource, experiments: pa.Table) -> pa.Table:
    """The data set: checked rows, content hash, and a card that says what it is and what it cannot tell."""
    table = data.qml_datasets(experiments, workspace.open().specifications)
    context.add_output_metadata(metadata.datasets(table), output_name=RESULT)
    return table


@table_asset(**table_options, partitions_def=EXPERIMENTS, checks=[checks.every_row_is_tested_once])
def qml_folds(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource, experiments: pa.Table, qml_datasets: pa.Table
) -> pa.Table:
    """The fold indices that all models share. Scaling, PCA and angles are fitted inside each fold, in training."""
    table = data.qml_folds(experiments, qml_datasets, workspace.open().specifications)
    context.add_output_metadata(metadata.folds(table), output_name=RESULT)
    return table


@table_asset(
    **table_options,
    partitions_def=EXECUTIONS,
    pool="submissions",
    checks=[checks.qml_training_steps_need_a_person],
    may_rest=True,
)
def qml_training_steps(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    qml_datasets: pa.Table,
    qml_folds: pa.Table,
) -> pa.Table:
    """Training with the shots of a backend: each iteration is submitted once, and what came back says which is next."""
    opened = workspace.open()
    table = training_steps.qml_training_steps(
        get_executions(context),
        experiments=experiments,
        qml_datasets=qml_datasets,
        qml_folds=qml_folds,
        specifications=opened.specifications,
        dispatcher=opened.control_plane.dispatcher,
        lake=opened.lake,
        caller=Caller(
            principal=requesting_principal(context.run.tags, opened.control_plane.deployment),
            requested_at=requested_at(context),
        ),
    )
    jobs = [opened.control_plane.dispatcher.current_job(job_id) for job_id in training_steps.latest_jobs(table)]
    add_tags(context, job_state_tags(job.state for job in jobs))
    context.add_output_metadata(metadata.training_steps(table), output_name=RESULT)
    return table


@table_multi_asset(
    outs={
        "qml_models": table_output("One row per trained model: settings, how they were found, and the model."),
        "qml_iterations": table_output("Loss and gradient norm of every step of every final training."),
        "qml_predictions": table_output("What every model says about the rows of its test folds."),
    },
    deps=["qml_training_steps"],
    **common,
    partitions_def=EXPERIMENTS,
)
def trained(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    qml_datasets: pa.Table,
    qml_folds: pa.Table,
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Train circuits, baselines and controls on the same folds, each with the same number of settings to try."""
    open_workspace = workspace.open()
    runs, iterations, predictions = training.train(
        experiments,
        qml_datasets,
        qml_folds,
        specifications=open_workspace.specifications,
        home=open_workspace.home,
        report=context.log.info,
    )
    add_tags(context, state_tags("trained", f"{runs.num_rows} models"))
    context.add_output_metadata(metadata.training(runs, iterations, predictions), output_name="qml_models")
    return runs, iterations, predictions


@table_asset(
    **table_options,
    partitions_def=EXECUTIONS,
    pool="submissions",
    checks=[checks.quotes_within_budget, checks.qml_submissions_need_a_person],
    may_rest=True,
)
def qml_submissions(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    qml_datasets: pa.Table,
    qml_folds: pa.Table,
    qml_models: pa.Table,
) -> pa.Table:
    """The jobs that measure trained circuits: every test row of every fold in one batch per model."""
    open_workspace = workspace.open()
    table = inference.qml_submissions(
        get_executions(context),
        experiments=experiments,
        qml_datasets=qml_datasets,
        qml_folds=qml_folds,
        qml_models=qml_models,
        specifications=open_workspace.specifications,
        dispatcher=open_workspace.control_plane.dispatcher,
        principal=requesting_principal(context.run.tags, open_workspace.control_plane.deployment),
        requested_at=requested_at(context),
    )
    jobs = [open_workspace.control_plane.dispatcher.current_job(job_id) for job_id in table["job_id"].to_pylist()]
    add_tags(context, job_state_tags(job.state for job in jobs))
    context.add_output_metadata(metadata.submissions(table), output_name=RESULT)
    return table


@table_multi_asset(
    outs={
        "qml_measurements": table_output(
            "Predictions from measured expectations, one row per test row.", is_required=False
        ),
        "qml_gradients": table_output("Gradients by parameter shift, with the exact ones.", is_required=False),
        "qml_kernels": table_output("Measured kernels: their shot noise, and what it did.", is_required=False),
        "qml_kernel_entries": table_output("Their entries, one row per pair of rows.", is_required=False),
    },
    may_rest=True,
    **common,
    partitions_def=EXECUTIONS,
)
def measured(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    qml_datasets: pa.Table,
    qml_folds: pa.Table,
    qml_models: pa.Table,
    qml_submissions: pa.Table,
) -> tuple[pa.Table, pa.Table, pa.Table, pa.Table]:
    """Collect what came back, verified against the shots that were asked for."""
    open_workspace = workspace.open()
    rows, gradients, kernels, entries = measurements.qml_measurements(
        get_executions(context),
        experiments=experiments,
        qml_datasets=qml_datasets,
        qml_folds=qml_folds,
        qml_models=qml_models,
        qml_submissions=qml_submissions,
        specifications=open_workspace.specifications,
        dispatcher=open_workspace.control_plane.dispatcher,
    )
    add_tags(context, state_tags("measured", f"{rows.num_rows} rows"))
    context.add_output_metadata(metadata.measurements(rows), output_name="qml_measurements")
    context.add_output_metadata(metadata.gradients(gradients), output_name="qml_gradients")
    context.add_output_metadata(metadata.kernels(kernels), output_name="qml_kernels")
    context.add_output_metadata({"entries": entries.num_rows}, output_name="qml_kernel_entries")
    return rows, gradients, kernels, entries


@table_multi_asset(
    outs={
        "qml_scores": table_output("Every metric of every model on every test fold."),
        "qml_summaries": table_output("Means over the folds, with corrected intervals."),
        "qml_verdicts": table_output("The verdict about every circuit, in the words of the optimisation side."),
    },
    deps=["qml_measurements"],
    checks=[checks.shuffled_labels_are_not_learnt],
    **common,
    partitions_def=EXPERIMENTS,
)
def evaluated(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    qml_datasets: pa.Table,
    qml_models: pa.Table,
    qml_iterations: pa.Table,
    qml_predictions: pa.Table,
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Score all on the same test folds and hold each circuit against the best baseline."""
    open_workspace = workspace.open()
    scores, summaries, verdicts = evaluation.evaluate(
        experiments, qml_datasets, qml_models, qml_predictions, open_workspace.lake
    )
    context.add_output_metadata(metadata.evaluation(summaries, verdicts, qml_iterations), output_name="qml_verdicts")
    for key in context.partition_keys:
        training.delete_checkpoints(open_workspace.home, key)
    return scores, summaries, verdicts


@table_asset(**{**table_options, "kinds": {"parquet", "mlflow"}}, partitions_def=EXPERIMENTS)
def qml_tracking_runs(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    experiments: pa.Table,
    qml_datasets: pa.Table,
    qml_folds: pa.Table,
    qml_models: pa.Table,
    qml_iterations: pa.Table,
    qml_predictions: pa.Table,
    qml_scores: pa.Table,
    qml_summaries: pa.Table,
    qml_verdicts: pa.Table,
) -> pa.Table:
    """The records in MLflow: the experiment, and below it each model, fold and seed; in the spool while MLflow is away."""
    opened = workspace.open()
    tracker = opened.tracker
    table = tracking.qml_tracking_runs(
        experiments,
        qml_datasets=qml_datasets,
        qml_folds=qml_folds,
        qml_models=qml_models,
        qml_iterations=qml_iterations,
        qml_predictions=qml_predictions,
        qml_scores=qml_scores,
        qml_summaries=qml_summaries,
        qml_verdicts=qml_verdicts,
        lake=opened.lake,
        tracker=tracker,
        dagster_run_id=context.run.run_id,
    )
    context.add_output_metadata(metadata.tracking(table, tracker), output_name=RESULT)
    return table


@table_asset(**{**common, "kinds": {"html"}}, partitions_def=EXPERIMENTS)
def qml_report(context: dg.AssetExecutionContext, workspace: WorkspaceResource, qml_verdicts: pa.Table) -> None:
    """What came out, in a few lines, and the link to the page about it; figures are drawn when somebody opens that."""
    jobs = workspace.open().control_plane.ledger.jobs
    charged = sum_charges(job for key in context.partition_keys for job in jobs(experiment=key))
    add_tags(context, verdict_tags(qml_verdicts["verdict"].to_pylist()))
    context.add_output_metadata(
        metadata_report.learning_report(qml_verdicts, context.partition_keys, charged), output_name=RESULT
    )


ASSETS = (
    qml_datasets,
    qml_folds,
    qml_training_steps,
    trained,
    qml_submissions,
    measured,
    evaluated,
    qml_tracking_runs,
    qml_report,
)
