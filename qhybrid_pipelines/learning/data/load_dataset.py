"""From the specification of a data set to its checked rows."""

from __future__ import annotations

from collections.abc import Sequence

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.dataset_specification import DatasetSpec
from qhybrid_pipelines.core.specifications.experiment_specification import FileSource
from qhybrid_pipelines.learning.data.bundled_datasets import read_bundled
from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.data.row_selection import build_dataset, unknown_column_error
from qhybrid_pipelines.learning.data.table_columns import TableColumns
from qhybrid_pipelines.learning.data.table_file import read_table


def load_dataset(spec: DatasetSpec, content: bytes | None = None) -> Dataset:
    """Return the rows that an experiment uses.

    Args:
        spec: of the data set.
        content: the bytes of its file; None for a bundled data set.

    Raises:
        InvalidInput: names the file, column, line or field, and the remedy.
    """
    if spec.bundled is not None:
        raw = read_bundled(spec.bundled)
        features = _without(raw.feature_names, spec.exclude) if spec.exclude else spec.features
    else:
        assert content is not None
        assert spec.target is not None
        file = spec.source.file if isinstance(spec.source, FileSource) else spec.source
        raw, features = read_table(content, file=file, columns=TableColumns.of(spec)), None
    return build_dataset(raw, features=features, classes=spec.classes)


def _without(names: Sequence[str], exclude: Sequence[str]) -> tuple[str, ...]:
    for name in exclude:
        if name not in names:
            raise unknown_column_error(name, names, file=None, field="dataset.exclude")
    left = tuple(name for name in names if name not in exclude)
    if not left:
        raise InvalidInput("every column is excluded", remedy="Leave at least one.", field="dataset.exclude")
    return left
