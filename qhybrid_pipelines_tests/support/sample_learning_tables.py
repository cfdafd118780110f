"""A tiny learning experiment by hand: every table of the group `learn`, rows that agree with each other.

Twenty rows of two classes, ten test folds. The circuit is right but for one row in ten, its unentangled control but for one in five,
the classical baseline always; on the backend the circuit measures what it says exactly.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.data.folds import fold_rows, make_splits
from qhybrid_pipelines.learning.evaluation.baseline_comparison import summary_rows, verdict_rows
from qhybrid_pipelines.learning.evaluation.classical_opponent import validation_scores
from qhybrid_pipelines.learning.evaluation.fold_results import dataset_row, score_rows
from qhybrid_pipelines.learning.evaluation.metrics import METRICS
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import from_rows

KEY, BACKEND, SHOTS = "tiny-learning-0a1b2c3d", "local:auto", 100
ROWS = 20
DECIDED_AT = datetime(2026, 1, 5, 13, 0, tzinfo=UTC)
#: Name, side, features, and which rows it gets wrong.
MODELS = (
    ("variational", "quantum", "reduced", {3, 14}),
    ("separable", "unentangled_control", "reduced", {3, 7, 12, 14}),
    ("logistic_regression", "baseline", "reduced", {14}),
    ("logistic_regression", "baseline", "all", set()),
    ("majority_class", "control", "reduced", set(range(0, ROWS, 2))),
)


def write_learning_tables(home: Home) -> None:
    """Write the learning experiment into the lake of ``home``."""
    lake = Lake(home)
    for table, key, content in _learning_tables():
        lake.write(table, key, content)


@cache
def _learning_tables() -> list[tuple[schemas.Table, PartitionKey, pa.Table]]:
    """Return every table with its partition, made once for all tests of a process."""
    labels = np.arange(ROWS) % 2
    dataset = Dataset(
        name="tiny.csv",
        features=np.stack([labels + np.arange(ROWS) / 100, np.arange(ROWS) / ROWS], axis=1),
        labels=labels,
        feature_names=("height", "weight"),
        class_names=("no", "yes"),
        source="Made by hand.",
        licence="None needed.",
    )
    splits = list(make_splits(labels, k=5, repeats=2, seed=7))
    runs, steps, predictions, measured, scores = [], [], [], [], []
    for split in splits:
        place = {"experiment": KEY, "repeat": split.repeat, "fold": split.fold}
        for model, side, inputs, wrong in MODELS:
            circuit = side in {"quantum", "unentangled_control"}
            model_columns = {
                **place,
                "model": model,
                "side": side,
                "inputs": inputs,
                "purpose": "comparison",
                "train_rows": 16,
            }
            runs.append(
                {
                    **model_columns,
                    "test_rows": len(split.test),
                    "seed": 11,
                    "settings": '{"learning_rate":0.05}' if circuit else "{}",
                    "trials": 2,
                    "trial_scores": "[]",
                    "validation_score": 0.9,
                    "converged": True,
                    "iterations": 3 if circuit else None,
                    "gradient_variance": 0.0021 if circuit else None,
                    "kernel_alignment": None,
                    "reduction": "{}",
                    "template": "ab" * 32 if circuit else None,
                    "saved_model": "{}" if circuit else None,
                    "fit_seconds": 0.5,
                    "tuning_seconds": 1.0,
                }
            )
            if circuit:
                steps += [
                    {
                        **{name: model_columns[name] for name in ("experiment", "model", "inputs", "repeat", "fold")},
                        "iteration": number,
                        "epoch": 0,
                        "loss": 0.7 / number,
                        "gradient_norm": 0.3 / number,
                        "seconds": 0.001,
                    }
                    for number in (1, 2, 3)
                ]
            said = [_prediction_columns(int(row), int(labels[row]), wrong) for row in split.test]
            predictions += [{**model_columns, **row} for row in said]
            named = [{**place, "model": model, **row} for row in said]
            scores += score_rows(named, model_columns, n_classes=2)
            if circuit:
                scores += score_rows(named, model_columns, backend=BACKEND, shots=SHOTS, n_classes=2)
                there = {"backend": BACKEND, "shots": SHOTS, "expectations": [0.5, -0.5]}
                measured += [{**row, **there} for row in named]
    means = [row for metric in METRICS for row in summary_rows(KEY, scores, metric)]
    found = verdict_rows(KEY, scores, metric="accuracy", margin=0.01, validation=validation_scores(runs))
    judged = [row | {"recorded_at": DECIDED_AT} for row in found]
    whole, backend = PartitionKey(experiment=KEY), PartitionKey(experiment=KEY, backend=BACKEND)
    of_experiment = (
        (schemas.EXPERIMENTS, [_experiment_row()]),
        (schemas.QML_DATASETS, [dataset_row(KEY, dataset)]),
        (schemas.QML_FOLDS, fold_rows(KEY, splits)),
        (schemas.QML_MODELS, runs),
        (schemas.QML_ITERATIONS, steps),
        (schemas.QML_PREDICTIONS, predictions),
        (schemas.QML_SCORES, scores),
        (schemas.QML_SUMMARIES, means),
        (schemas.QML_VERDICTS, judged),
        (schemas.QML_TRACKING_RUNS, [_tracking_row()]),
    )
    of_backend = (
        (schemas.QML_TRAINING_STEPS, [_training_row(number) for number in (1, 2)]),
        (schemas.QML_SUBMISSIONS, [_submission_row(model) for model in ("separable", "variational")]),
        (schemas.QML_MEASUREMENTS, measured),
        (schemas.QML_GRADIENTS, [_gradient_row(number) for number in range(2)]),
        (schemas.QML_KERNELS, [_KERNEL_ROW]),
        (schemas.QML_KERNEL_ENTRIES, [_entry_row(other) for other in (1, 2)]),
    )
    return [
        (table, key, from_rows(table, rows))
        for key, tables in ((whole, of_experiment), (backend, of_backend))
        for table, rows in tables
    ]


def _prediction_columns(row: int, truth: int, wrong: set[int]) -> dict[str, object]:
    predicted = 1 - truth if row in wrong else truth
    second = 0.8 if predicted else 0.2
    return {
        "row": row,
        "truth": truth,
        "predicted": predicted,
        "probabilities": [1 - second, second],
        "decision": 1.4 if predicted else -1.4,
    }


def _experiment_row() -> dict[str, object]:
    return {
        "experiment": KEY,
        "name": "tiny learning",
        "tier": "interactive",
        "family": "qml",
        "source": "file:tiny.csv",
        "ansatz": "variational, separable",
        "layers": 1,
        "sweep": "training",
        "points": 2,
        "shots": SHOTS,
        "repetitions": 10,
        "seed": 7,
        "backends": [BACKEND],
        "budget_usd": 0.0,
        "round": 1,
        "rounds_max": 1,
        "parent": None,
        "root": KEY,
        "created_at": DECIDED_AT,
        "specification": '{"kind":"qml","seed":7}',
    }


def _submission_row(model: str) -> dict[str, object]:
    return {
        "experiment": KEY,
        "backend": BACKEND,
        "model": model,
        "shots": SHOTS,
        "sub_batch": 0,
        "first_point": 0,
        "first_repetition": 0,
        "points": 2 * ROWS,
        "repetitions": 1,
        "job_id": f"j{model}",
        "token": f"t{model}",
        "provider_job_id": f"p{model}",
        "payload_sha256": "cd" * 32,
        "shots_total": 2 * ROWS * SHOTS,
        "cost_quoted_usd": 0.0,
    }


def _training_row(iteration: int) -> dict[str, object]:
    return {
        "experiment": KEY,
        "backend": BACKEND,
        "model": "variational",
        "repeat": 0,
        "fold": 0,
        "iteration": iteration,
        "optimiser": "adam",
        "parameters": [0.1 * iteration, 0.2],
        "circuits": 12,
        "shots": SHOTS,
        "job_ids": [f"jtraining{iteration}"],
        "cost_quoted_usd": 0.0,
        "loss": 0.7 / iteration,
        "gradient_norm": 0.3 / iteration,
        "gradient": [0.3 / iteration, 0.0],
        "seconds": 0.5,
        "stop_reason": "every training is done",
    }


def _gradient_row(parameter: int) -> dict[str, object]:
    return {
        "experiment": KEY,
        "backend": BACKEND,
        "model": "variational",
        "shots": SHOTS,
        "parameter": parameter,
        "rows": 4,
        "measured": 0.1 * parameter,
        "exact": 0.11 * parameter,
    }


_ONE_KERNEL = {"experiment": KEY, "backend": BACKEND, "model": "kernel", "shots": SHOTS, "repeat": 0, "fold": 0}
_KERNEL_ROW = {
    **_ONE_KERNEL,
    "circuits": 2,
    "bandwidth": 1.0,
    "cost": 1.0,
    "standard_error": 0.05,
    "deviation": 0.04,
    "smallest_eigenvalue_exact": 0.1,
    "smallest_eigenvalue": -0.02,
    "smallest_eigenvalue_projected": 0.0,
    "changed": 0.0,
}


def _entry_row(other: int) -> dict[str, object]:
    role = {"row": 0, "other": other, "role": "train"}
    return {**_ONE_KERNEL, **role, "measured": 0.5, "standard_error": 0.05, "exact": 0.46}


def _tracking_row() -> dict[str, object]:
    return {
        "experiment": KEY,
        "tracking_key": KEY,
        "model": None,
        "inputs": None,
        "repeat": None,
        "fold": None,
        "mlflow_experiment": "qhybrid/qml",
        "mlflow_run_id": "0" * 32,
        "spooled": False,
        "dagster_run_id": "1",
    }
