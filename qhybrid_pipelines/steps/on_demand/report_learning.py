"""A learning experiment as its report shows it, read from the lake."""

from __future__ import annotations

from typing import Any

from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.vocabulary.kernel_words import kernel_sentences
from qhybrid_pipelines.core.vocabulary.kinds import LEARNING_FAMILY
from qhybrid_pipelines.core.vocabulary.loop_words import training_sentence
from qhybrid_pipelines.quantum.qasm import draw_circuit
from qhybrid_pipelines.reports.content import LearningContent
from qhybrid_pipelines.reports.words import first_lines
from qhybrid_pipelines.steps.learning.datasets_and_folds import load_verified_dataset, stored_folds
from qhybrid_pipelines.steps.learning.inference_batches import inference_batches
from qhybrid_pipelines.steps.learning.tracking import losses_by_model
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.schemas import Table
from qhybrid_pipelines.storage.specifications import Specifications

#: The models themselves and their feature chains are not for people.
_MODEL_COLUMNS = (
    "model",
    "side",
    "inputs",
    "repeat",
    "fold",
    "purpose",
    "train_rows",
    "test_rows",
    "trials",
    "converged",
    "iterations",
    "gradient_variance",
    "kernel_alignment",
    "fit_seconds",
    "tuning_seconds",
)
_SIDE_ORDER = {"quantum": 0, "unentangled_control": 1, "baseline": 2, "control": 3}


def learning_content(
    spec: LearningSpec, lake: Lake, specifications: Specifications, common: dict[str, Any]
) -> LearningContent:
    """Return a learning experiment; what is not written yet is empty.

    Args:
        spec: the specification.
        lake: has the tables.
        specifications: have the data set.
        common: the fields that every experiment has, its key among them.
    """
    key: str = common["key"]
    summaries = [row for row in _rows(lake, schemas.QML_SUMMARIES, key) if row["metric"] == spec.evaluation.metric]
    summaries.sort(key=lambda row: (_SIDE_ORDER[row["side"]], row["model"], row["inputs"], row["backend"] or ""))
    return LearningContent(
        **common,
        family=LEARNING_FAMILY,
        metric=spec.evaluation.metric,
        dataset=next(iter(_rows(lake, schemas.QML_DATASETS, key)), None),
        verdicts=_rows(lake, schemas.QML_VERDICTS, key),
        summaries=summaries,
        losses=losses_by_model(_rows(lake, schemas.QML_ITERATIONS, key)),
        on_backend=_training_sentence(key, spec, lake),
        kernels=tuple(kernel_sentences(_measured_kernels(key, spec, lake))),
        models=_rows(lake, schemas.QML_MODELS, key, _MODEL_COLUMNS),
        circuits=_circuits(key, spec, lake, specifications),
    )


def _training_sentence(key: str, spec: LearningSpec, lake: Lake) -> str | None:
    """Return how training with the shots of a backend went; None where it is exact, or has not begun."""
    partition = PartitionKey(experiment=key, backend=spec.training.backend)
    if not spec.trained_on_backend or not lake.exists(schemas.QML_TRAINING_STEPS, partition):
        return None
    rows = lake.read(schemas.QML_TRAINING_STEPS, partition).to_pylist()
    return f"Trained on {spec.training.backend}. {training_sentence(rows)}."


def _measured_kernels(key: str, spec: LearningSpec, lake: Lake) -> list[Row]:
    """Return the rows of `qml_kernels` of all backends; none where no kernel is measured, or not yet."""
    wanted = [PartitionKey(experiment=key, backend=backend) for backend in spec.backends if spec.measured_kernels]
    there = [partition for partition in wanted if lake.exists(schemas.QML_KERNELS, partition)]
    return [row for partition in there for row in lake.read(schemas.QML_KERNELS, partition).to_pylist()]


def _rows(lake: Lake, table: Table, key: str, columns: tuple[str, ...] | None = None) -> list[Row]:
    whole = PartitionKey(experiment=key)
    if not lake.exists(table, whole):
        return []
    found = lake.read(table, whole)
    rows: list[Row] = (found if columns is None else found.select(list(columns))).to_pylist()
    return rows


def _circuits(key: str, spec: LearningSpec, lake: Lake, specifications: Specifications) -> dict[str, str]:
    """Return drawings of the circuits that are measured on a backend; those that are only computed have no template."""
    whole = PartitionKey(experiment=key)
    tables = (schemas.QML_DATASETS, schemas.QML_FOLDS, schemas.QML_MODELS)
    if not spec.backends or not all(lake.exists(table, whole) for table in tables):
        return {}
    qml_datasets, qml_folds, qml_models = (lake.read(table, whole) for table in tables)
    plans = inference_batches(
        key,
        spec.backends[0],
        spec=spec,
        dataset=load_verified_dataset(key, spec, qml_datasets, specifications),
        splits=stored_folds(qml_folds, key),
        qml_models=qml_models,
    )
    drawings: dict[str, str] = {}
    for plan in plans:
        if plan.model not in drawings:
            drawings[plan.model] = first_lines(draw_circuit(plan.batch.template.text))
    return drawings
