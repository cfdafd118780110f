"""What an operator sees next to the assets of the group `learn`."""

import base64
import json
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.core.vocabulary.kernel_words import kernel_sentences
from qhybrid_pipelines.core.vocabulary.loop_words import training_sentence
from qhybrid_pipelines.defs.metadata import Metadata, code_block, markdown_paragraphs, row_metadata, table_metadata
from qhybrid_pipelines.steps.learning.tracking import best_baseline_log_loss, losses_by_model
from qhybrid_pipelines.storage.learning_plots import convergence_png
from qhybrid_pipelines.storage.tracking import Tracker


def datasets(table: pa.Table) -> Metadata:
    """Show the card."""
    metadata = row_metadata(
        table, ["dataset", "digest", "n_rows", "n_columns", "classes", "majority_share", "source", "licence"]
    )
    if table.num_rows == 1:
        metadata["limits"] = dg.MetadataValue.md(
            "\n".join(f"- {text}" for text in json.loads(table["limits"][0].as_py()))
        )
    return metadata


def folds(table: pa.Table) -> Metadata:
    """Show how many rows each fold has in each role."""
    counted = table.group_by(["experiment", "repeat", "fold", "role"]).aggregate([("row", "count")])
    order = [(name, "ascending") for name in ("experiment", "repeat", "fold", "role")]
    return {
        "rows_per_fold": table_metadata(counted.sort_by(order), ["experiment", "repeat", "fold", "role", "row_count"])
    }


def training(runs: pa.Table, iterations: pa.Table, predictions: pa.Table) -> Metadata:
    """Show time and convergence by model, and how the loss of the circuits went."""
    grouped = runs.group_by(["experiment", "model", "inputs"]).aggregate(
        [("fold", "count"), ("converged", "sum"), ("fit_seconds", "sum"), ("tuning_seconds", "sum")]
    )
    metadata: Metadata = {
        "trainings": runs.num_rows,
        "steps": iterations.num_rows,
        "predictions": predictions.num_rows,
        "models": table_metadata(grouped, grouped.column_names),
    }
    if iterations.num_rows:
        metadata["convergence"] = _picture(convergence_png(losses_by_model(iterations.to_pylist()), None))
    return metadata


def training_steps(table: pa.Table) -> Metadata:
    """Show how far training on each backend came, at which price, and its last losses."""
    if not table.num_rows:
        return {"training": "the circuits are trained exactly, on this machine"}
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        found.setdefault((row["experiment"], row["backend"]), []).append(row)
    columns = ["experiment", "model", "repeat", "fold", "iteration", "loss", "gradient_norm", "circuits", "shots"]
    latest = table.filter(pc.equal(table["iteration"], pc.max(table["iteration"])))
    metadata: Metadata = {
        "training": "; ".join(
            f"{experiment} on {backend}: {training_sentence(rows)}" for (experiment, backend), rows in found.items()
        ),
        "cost_quoted_usd": float(pc.sum(table["cost_quoted_usd"]).as_py() or 0.0),
        "latest": table_metadata(latest, columns, limit=20),
    }
    measured = [row for row in next(iter(found.values())) if row["loss"] is not None]
    if measured:
        metadata["convergence"] = _picture(
            convergence_png(losses_by_model([row | {"inputs": "reduced"} for row in measured]), None)
        )
    return metadata


def submissions(table: pa.Table) -> Metadata:
    """Show jobs, shots and the quoted cost."""
    return {
        "jobs": table.num_rows,
        "shots": pc.sum(table["shots_total"]).as_py() or 0,
        "cost_quoted_usd": float(pc.sum(table["cost_quoted_usd"]).as_py() or 0.0),
        "references": table_metadata(
            table, ["experiment", "backend", "model", "shots", "sub_batch", "job_id", "provider_job_id"]
        ),
    }


def measurements(table: pa.Table) -> Metadata:
    """Show how often each circuit was right on this backend."""
    right = table.append_column("right", pc.cast(pc.equal(table["truth"], table["predicted"]), pa.float64()))
    grouped = right.group_by(["experiment", "backend", "model", "shots"]).aggregate(
        [("right", "mean"), ("row", "count")]
    )
    return {"rows": table.num_rows, "right": table_metadata(grouped, grouped.column_names)}


def gradients(table: pa.Table) -> Metadata:
    """Show how far measured slopes are from exact ones."""
    if not table.num_rows:
        return {"gradients": "none was asked for (evaluation.gradient_rows)"}
    error = pc.abs(pc.subtract(table["measured"], table["exact"]))
    return {"slopes": table.num_rows, "mean_error": pc.mean(error).as_py(), "largest_error": pc.max(error).as_py()}


def kernels(table: pa.Table) -> Metadata:
    """Show how noisy each measured kernel is, and what that did."""
    if not table.num_rows:
        return {"kernels": "none was measured (evaluation.measure_kernel)"}
    return {"kernels": " ".join(kernel_sentences(table.to_pylist()))}


def evaluation(summaries: pa.Table, verdicts: pa.Table, iterations: pa.Table) -> Metadata:
    """Show the verdicts with their reasons, all means, and training against the best baseline's line."""
    columns = ["experiment", "model", "backend", "shots", "scope", "verdict", "gain", "low", "high", "baseline"]
    metrics = set(verdicts["metric"].to_pylist())
    metadata: Metadata = {
        "verdicts": table_metadata(verdicts, columns),
        "reasons": markdown_paragraphs(verdicts["reason"]),
        "means": table_metadata(
            summaries.filter(pc.is_in(summaries["metric"], pa.array(sorted(metrics), pa.string()))),
            ["experiment", "model", "inputs", "backend", "shots", "mean", "low", "high", "folds"],
        ),
    }
    if iterations.num_rows and len(set(iterations["experiment"].to_pylist())) == 1:
        losses, line = losses_by_model(iterations.to_pylist()), best_baseline_log_loss(summaries.to_pylist())
        metadata["convergence"] = _picture(convergence_png(losses, line))
    return metadata


def tracking(table: pa.Table, tracker: Tracker) -> Metadata:
    """Show where the MLflow runs are."""
    own = table.filter(pc.is_null(table["model"]))
    return {
        "records": table.num_rows,
        "spooled": pc.sum(table["spooled"]).as_py() or 0,
        **row_metadata(own, ["mlflow_experiment", "mlflow_run_id"]),
        "open_mlflow": code_block(tracker.ui_command, "text"),
    }


def _picture(png: bytes) -> Any:
    return dg.MetadataValue.md(f"![](data:image/png;base64,{base64.b64encode(png).decode()})")
