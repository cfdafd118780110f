"""Scores, intervals and verdicts of a learning experiment, over everything that was trained and measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.data.table_rows import FitRow, ScoreRow
from qhybrid_pipelines.learning.evaluation.baseline_comparison import summary_rows, verdict_rows
from qhybrid_pipelines.learning.evaluation.classical_opponent import validation_scores
from qhybrid_pipelines.learning.evaluation.fold_results import score_rows
from qhybrid_pipelines.learning.evaluation.metrics import METRICS
from qhybrid_pipelines.steps.values_from_rows import Row, get_row, read_learning_experiments, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.tables import from_rows


def evaluate(
    experiments: pa.Table, qml_datasets: pa.Table, qml_models: pa.Table, qml_predictions: pa.Table, lake: Lake
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return the tables `qml_scores`, `qml_summaries` and `qml_verdicts`; measurements are read from the lake."""
    scores: list[ScoreRow] = []
    means: list[Any] = []
    words: list[Any] = []
    for key, spec in read_learning_experiments(experiments):
        n_classes = get_row(qml_datasets, key)["n_classes"]
        found = _scores(
            spec, select_rows(qml_predictions, key).to_pylist(), read_measurements(key, spec, lake), n_classes
        )
        scores += found
        means += chain.from_iterable(summary_rows(key, found, metric) for metric in METRICS)
        verdicts = verdict_rows(
            key,
            found,
            metric=spec.evaluation.metric,
            margin=spec.evaluation.margin,
            validation=validation_scores(select_rows(qml_models, key).to_pylist()),
        )
        words += ({**verdict, "recorded_at": datetime.now(UTC)} for verdict in verdicts)
    return (
        from_rows(schemas.QML_SCORES, scores),
        from_rows(schemas.QML_SUMMARIES, means),
        from_rows(schemas.QML_VERDICTS, words),
    )


def read_measurements(key: str, spec: LearningSpec, lake: Lake) -> list[Row]:
    """Return what was measured for an experiment on all its backends.

    Raises:
        MissingUpstream: a backend's measurements were never written.
    """
    partitions = [PartitionKey(experiment=key, backend=backend) for backend in spec.backends]
    return [row for part in partitions for row in lake.read(schemas.QML_MEASUREMENTS, part).to_pylist()]


def _scores(spec: LearningSpec, predictions: Sequence[Any], measured: Sequence[Any], n_classes: int) -> list[ScoreRow]:
    """Return every score; circuits by exact expectations only if the experiment asks for them."""
    rows: list[ScoreRow] = []
    fits: dict[tuple[str, int, int], FitRow] = {}
    for columns, group in _group_rows(predictions, tuple(FitRow.__annotations__)).items():
        fit: FitRow = dict(zip(FitRow.__annotations__, columns, strict=True))  # type: ignore[assignment]
        if fit["purpose"] == "comparison":
            fits.setdefault((fit["model"], fit["repeat"], fit["fold"]), fit)
        if fit["side"] in {"quantum", "unentangled_control"} and None not in spec.evaluation.shots:
            continue
        rows += score_rows(group, fit, n_classes=n_classes)
    for (backend, shots, *which), group in _group_rows(
        measured, ("backend", "shots", "model", "repeat", "fold")
    ).items():
        rows += score_rows(group, fits[tuple(which)], backend=backend, shots=shots, n_classes=n_classes)
    return rows


def _group_rows(rows: Sequence[Row], names: Sequence[str]) -> dict[tuple[Any, ...], list[Any]]:
    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return groups
