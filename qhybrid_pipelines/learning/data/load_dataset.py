"""From the specification of a data set to its checked rows."""

from __future__ import annotations

from qhybrid_pipelines.core.learning_specification import DatasetSpec
from qhybrid_pipelines.core.specification import FileSource
from qhybrid_pipelines.learning.data.bundled_datasets import read_bundled
from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.data.row_selection import build_dataset
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
    else:
        assert content is not None
        assert spec.target is not None
        file = spec.source.file if isinstance(spec.source, FileSource) else spec.source
        raw = read_table(content, file=file, target=spec.target, features=spec.features)
    return build_dataset(raw, features=spec.features, classes=spec.classes)
