"""The records of a learning experiment: one for the experiment, below it one for each model, fold and seed."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.provenance import environment
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.vocabulary.kinds import LEARNING_FAMILY
from qhybrid_pipelines.learning.models.registry import all_models
from qhybrid_pipelines.steps.learning.fold_trainings import measured_iterations
from qhybrid_pipelines.steps.learning.model_cards import dataset_card, model_card
from qhybrid_pipelines.steps.learning.saved_predictor import predictor_to_json
from qhybrid_pipelines.steps.prepare.experiments import describe_source
from qhybrid_pipelines.steps.values_from_rows import (
    Row,
    get_row,
    read_learning_experiments,
    select_rows,
)
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.learning_plots import confusion_png, convergence_png
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines.storage.tracking import Tracker
from qhybrid_pipelines.storage.tracking_record import TrackingRecord

_FitKey = tuple[str, str, int, int]


@dataclass(frozen=True, kw_only=True)
class _Results:
    """All tables of one experiment, as rows."""

    key: str
    spec: LearningSpec
    card: Row
    fold_algorithm: str | None
    runs: list[Row]
    iterations: dict[_FitKey, list[Row]]
    #: On a backend, in order; empty where training is exact.
    training_steps: dict[_FitKey, list[Row]]
    predictions: list[Row]
    scores: list[Row]
    summaries: list[Row]
    verdicts: list[Row]


def qml_tracking_runs(
    experiments: pa.Table,
    *,
    qml_datasets: pa.Table,
    qml_folds: pa.Table,
    qml_models: pa.Table,
    qml_iterations: pa.Table,
    qml_predictions: pa.Table,
    qml_scores: pa.Table,
    qml_summaries: pa.Table,
    qml_verdicts: pa.Table,
    lake: Lake,
    tracker: Tracker,
    dagster_run_id: str,
) -> pa.Table:
    """Return the table `qml_tracking_runs`; iterations on a backend are read from the lake. An unavailable store never fails this step: the records wait in the spool."""
    rows = []
    for key, spec in read_learning_experiments(experiments):
        steps_by_fit = defaultdict(list)
        for row in select_rows(qml_iterations, key).to_pylist():
            steps_by_fit[_fit_key(row)].append(row)
        on_backend = defaultdict(list)
        for row in measured_iterations(key, spec, lake):
            on_backend[row["model"], "reduced", row["repeat"], row["fold"]].append(row)
        found = _Results(
            key=key,
            spec=spec,
            card=get_row(qml_datasets, key),
            fold_algorithm=select_rows(qml_folds, key)["algorithm"][0].as_py(),
            runs=[row for row in select_rows(qml_models, key).to_pylist() if row["purpose"] == "comparison"],
            iterations=steps_by_fit,
            training_steps=on_backend,
            predictions=[
                row for row in select_rows(qml_predictions, key).to_pylist() if row["purpose"] == "comparison"
            ],
            scores=[row for row in select_rows(qml_scores, key).to_pylist() if row["purpose"] == "comparison"],
            summaries=select_rows(qml_summaries, key).to_pylist(),
            verdicts=select_rows(qml_verdicts, key).to_pylist(),
        )
        experiment_run_id: str | None = None
        for record, about in _records(found, dagster_run_id):
            tracked = tracker.record(
                record if experiment_run_id is None else replace(record, parent_run_id=experiment_run_id)
            )
            experiment_run_id = experiment_run_id or tracked.run_id
            rows.append(
                {
                    "experiment": key,
                    "tracking_key": record.key,
                    **{name: about.get(name) for name in ("model", "inputs", "repeat", "fold")},
                    "mlflow_experiment": f"qhybrid/{record.family}",
                    "mlflow_run_id": tracked.run_id,
                    "spooled": tracked.spooled,
                    "dagster_run_id": dagster_run_id,
                }
            )
    return from_rows(schemas.QML_TRACKING_RUNS, rows)


def losses_by_model(iterations: Sequence[Row]) -> dict[str, list[list[float]]]:
    """Return, by model, the losses of every fold's training in order of steps, from rows of `qml_iterations`."""
    by_fold: dict[_FitKey, list[Row]] = defaultdict(list)
    for row in iterations:
        by_fold[_fit_key(row)].append(row)
    found: dict[str, list[list[float]]] = defaultdict(list)
    for fit_key, steps in sorted(by_fold.items(), reverse=True):
        found[fit_key[0]].append([step["loss"] for step in sorted(steps, key=lambda step: step["iteration"])])
    return dict(found)


def best_baseline_log_loss(summaries: Sequence[Row]) -> tuple[str, float] | None:
    """Return the classical model with the lowest mean log-loss on the reduced features, and that; None without any."""
    fit = [
        row for row in summaries if (row["side"], row["inputs"], row["metric"]) == ("baseline", "reduced", "log_loss")
    ]
    best = min(fit, key=lambda row: float(row["mean"]), default=None)
    return None if best is None else (best["model"], best["mean"])


def confusion_matrix(predictions: Sequence[Row], n_classes: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return how many rows of each class were taken for which one, over all test folds, shape ``(classes, classes)``."""
    matrix = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(matrix, ([row["truth"] for row in predictions], [row["predicted"] for row in predictions]), 1)
    return matrix


def _records(found: _Results, dagster_run_id: str) -> Iterator[tuple[TrackingRecord, Row]]:
    yield _experiment_record(found, dagster_run_id), {}
    for run in found.runs:
        yield _model_record(found, run, dagster_run_id), run


def _experiment_record(found: _Results, dagster_run_id: str) -> TrackingRecord:
    spec, card = found.spec, found.card
    classes, circuits = list(json.loads(card["classes"])), spec.model_names
    pictures = {
        f"confusion_{model}.png": confusion_png(
            confusion_matrix([row for row in found.predictions if row["model"] == model], len(classes)),
            classes,
            title=model,
        )
        for model in circuits
    }
    losses = losses_by_model([row for steps in found.iterations.values() for row in steps])
    if losses:
        pictures["convergence.png"] = convergence_png(losses, best_baseline_log_loss(found.summaries))
    return TrackingRecord(
        key=found.key,
        family=LEARNING_FAMILY,
        name=found.key,
        params={
            "dataset": card["dataset"],
            "n_rows": card["n_rows"],
            "n_columns": card["n_columns"],
            "pca": spec.features.pca,
            **({} if spec.features.encoding is None else {"encoding": spec.features.encoding}),
            "layers": None if all(all_models()[name].needs_circuit for name in circuits) else spec.training.layers,
            **({} if spec.circuit is None else {"circuit": describe_source(spec.circuit.file)}),
            **_training_params(spec),
            "models": ", ".join(circuits),
            "baselines": ", ".join(spec.baseline_names),
            "folds": spec.folds.k,
            "repeats": spec.folds.repeats,
            "fold_algorithm": found.fold_algorithm,
            "trials": spec.tuning.trials,
            "metric": spec.evaluation.metric,
            "seed": spec.seed,
            "backends": ", ".join(spec.backends),
        },
        metrics={_metric_name(row): row["mean"] for row in found.summaries if row["metric"] == spec.evaluation.metric},
        tags={
            "experiment": found.key,
            "dataset_sha256": card["digest"],
            **{f"verdict.{_verdict_tag(row)}": row["verdict"] for row in found.verdicts},
        },
        specification=spec.model_dump(mode="json"),
        provenance=environment().to_row(),
        dataset=_dataset(card, "cross-validation"),
        texts={
            "dataset_card.md": dataset_card(card),
            "verdicts.json": json.dumps(found.verdicts, indent=2, sort_keys=True, default=str) + "\n",
            **{
                f"model_card_{model}.md": model_card(model, spec, card, found.summaries, found.verdicts)
                for model in circuits
            },
        },
        pictures={name: base64.b64encode(picture).decode() for name, picture in pictures.items()},
        dagster_run_id=dagster_run_id,
    )


def _model_record(found: _Results, run: Row, dagster_run_id: str) -> TrackingRecord:
    steps = found.iterations.get(_fit_key(run), [])
    measured = found.training_steps.get(_fit_key(run), [])
    mine = [row for row in found.scores if _fit_key(row) == _fit_key(run)]
    split = {"repeat": run["repeat"], "fold": run["fold"]}
    tested = [row["row"] for row in found.predictions if _fit_key(row) == _fit_key(run)]
    return TrackingRecord(
        key=f"{found.key}|{'|'.join(map(str, _fit_key(run)))}|{run['seed']}",
        parent_key=found.key,
        family=LEARNING_FAMILY,
        name=f"{run['model']} {run['inputs']} {run['repeat']}.{run['fold']}",
        params={
            **{name: run[name] for name in ("model", "side", "inputs", "repeat", "fold", "seed", "trials")},
            "train_rows": run["train_rows"],
            "test_rows": run["test_rows"],
            **(
                {"training.backend": measured[0]["backend"], "training.shots": measured[0]["shots"]} if measured else {}
            ),
            **{f"setting.{name}": str(value) for name, value in json.loads(run["settings"]).items()},
        },
        metrics={
            **{_metric_name(row, row["metric"]): row["value"] for row in mine},
            "validation_score": run["validation_score"],
            "fit_seconds": run["fit_seconds"],
            "tuning_seconds": run["tuning_seconds"],
            "converged": float(run["converged"]),
            "gradient_variance": run["gradient_variance"],
            "kernel_alignment": run["kernel_alignment"],
        },
        series={
            **{
                name: [(step["iteration"], step[name]) for step in steps] for name in ("loss", "gradient_norm") if steps
            },
            **{
                name: [(step["iteration"], step[name]) for step in measured]
                for name in ("circuits", "cost_quoted_usd")
                if measured
            },
        },
        tags={
            "experiment": found.key,
            "packages": environment().packages,
            "dataset_sha256": found.card["digest"],
            **({"template_id": run["template"]} if run["template"] else {}),
        },
        dataset=_dataset(found.card, "training"),
        texts={
            "split.json": canonical_json({**split, "test_rows": tested}) + "\n",
            **({"model.json": predictor_to_json(run)} if run["saved_model"] else {}),
        },
        dagster_run_id=dagster_run_id,
    )


def _fit_key(row: Row) -> _FitKey:
    return row["model"], row["inputs"], row["repeat"], row["fold"]


def _metric_name(row: Row, metric: str = "") -> str:
    """Return a name that MLflow takes, for example ``accuracy`` or ``variational.reduced.local.auto.1024``."""
    parts = [metric or f"{row['model']}.{row['inputs']}"]
    if row["backend"]:
        parts += [row["backend"].replace(":", "."), str(row["shots"])]
    return ".".join(parts)


def _verdict_tag(row: Row) -> str:
    return ".".join([row["model"], row["scope"], *([row["backend"], str(row["shots"])] if row["backend"] else [])])


def _training_params(spec: LearningSpec) -> dict[str, str | float | None]:
    training = spec.training
    if training.backend is None:
        return {"epochs": training.epochs}
    return {
        "training.backend": training.backend,
        "training.shots": training.shots,
        "training.iterations": training.iterations,
        "training.optimiser": training.optimiser,
    }


def _dataset(card: Row, context: str) -> dict[str, str]:
    profile = {"n_rows": card["n_rows"], "n_columns": card["n_columns"], "classes": json.loads(card["classes"])}
    return {
        "name": card["dataset"],
        "digest": card["digest"],
        "source": card["source"],
        "profile": canonical_json(profile),
        "context": context,
    }
