"""The data set of a learning experiment, and the folds that every model shares."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.specifications.experiment_specification import FileSource
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.data.folds import Split, algorithm_for, fold_rows, make_splits, splits_from_rows
from qhybrid_pipelines.learning.data.load_dataset import load_dataset
from qhybrid_pipelines.learning.evaluation.fold_results import check_experiment, dataset_row
from qhybrid_pipelines.steps.values_from_rows import get_row, read_learning_experiments, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows


def qml_datasets(experiments: pa.Table, specifications: Specifications) -> pa.Table:
    """Return the table `qml_datasets`: the card of each data set, whose rows are checked once more.

    Raises:
        InvalidInput: names column, line or field.
    """
    rows = []
    for key, spec in read_learning_experiments(experiments):
        dataset = load_experiment_dataset(spec, specifications)
        check_experiment(spec, dataset)
        rows.append(dataset_row(key, dataset))
    return from_rows(schemas.QML_DATASETS, rows)


def qml_folds(experiments: pa.Table, qml_datasets: pa.Table, specifications: Specifications) -> pa.Table:
    """Return the table `qml_folds`: what each row does in each fold."""
    rows = []
    for key, spec in read_learning_experiments(experiments):
        dataset = load_verified_dataset(key, spec, qml_datasets, specifications)
        rows += fold_rows(key, make_folds(spec, dataset), algorithm_for(dataset))
    return from_rows(schemas.QML_FOLDS, rows)


def make_folds(spec: LearningSpec, dataset: Dataset) -> list[Split]:
    """Return the folds that an experiment asks for."""
    return list(
        make_splits(
            dataset.labels,
            k=spec.folds.k,
            repeats=spec.folds.repeats,
            seed=spec.seed,
            groups=dataset.groups,
            times=dataset.times,
        )
    )


def load_experiment_dataset(spec: LearningSpec, specifications: Specifications) -> Dataset:
    """Return the rows of an experiment, from scikit-learn or from the kept copy of its file."""
    source = spec.dataset.source
    return load_dataset(
        spec.dataset, specifications.read_source_file(source) if isinstance(source, FileSource) else None
    )


def load_verified_dataset(
    key: str, spec: LearningSpec, qml_datasets: pa.Table, specifications: Specifications
) -> Dataset:
    """Return the rows of an experiment, which must be those that its card describes.

    Raises:
        CorruptFile: they are others, for example because another release of scikit-learn bundles another copy.
    """
    dataset, digest = load_experiment_dataset(spec, specifications), get_row(qml_datasets, key)["digest"]
    if dataset.digest != digest:
        raise CorruptFile(
            dataset.name,
            f"its content hash is {dataset.digest[:12]}, and the experiment's card says {digest[:12]}",
            remedy="Materialise the experiment again from `qml_datasets` on.",
        )
    return dataset


def stored_folds(qml_folds: pa.Table, key: str) -> list[Split]:
    """Return the folds of one experiment as they are stored."""
    return splits_from_rows(select_rows(qml_folds, key).to_pylist())
