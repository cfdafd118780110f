"""Registering the data set of a learning experiment: it is read once and checked; from then on its content counts, not its path."""

from __future__ import annotations

from pathlib import Path

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.specifications.experiment_specification import FileSource
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.data.load_dataset import load_dataset
from qhybrid_pipelines.learning.evaluation.fold_results import check_experiment
from qhybrid_pipelines.problems.sources import ReadBytes, ReadFile

FIELD = "dataset.source"


def register_dataset(
    spec: LearningSpec,
    folder: Path,
    read_bytes: ReadBytes,
    *,
    read_named: ReadFile,
) -> tuple[LearningSpec, bytes | None]:
    """Return the experiment with its data file's path replaced by name and hash, and the content to keep.

    The rows are loaded and checked against folds and features in either case.

    Args:
        spec: as the user wrote it.
        folder: where a relative path starts.
        read_bytes: gives the content of files registered earlier.
        read_named: gives the file of a path.

    Returns:
        The experiment, and the bytes of its file; None where the source was not a path.

    Raises:
        InvalidInput: the file is not there, or its rows, labels or columns cannot be used as the experiment wants.
    """
    source, content = spec.dataset.source, None
    if isinstance(source, FileSource):
        check_experiment(spec, load_dataset(spec.dataset, read_bytes(source)))
        return spec, None
    if spec.dataset.bundled is None:
        name, content = read_named(source, folder, field=FIELD)
        resolved = spec.dataset.model_copy(update={"source": FileSource(file=name, sha256=sha256_hex(content))})
        spec = spec.model_copy(update={"dataset": resolved})
    check_experiment(spec, load_dataset(spec.dataset, content))
    return spec, content
