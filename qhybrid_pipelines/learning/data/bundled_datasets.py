"""The labelled data sets that come with scikit-learn; nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.learning.data.row_selection import RawDataset

UCI = "CC BY 4.0, UCI Machine Learning Repository; scikit-learn ships a copy."


@dataclass(frozen=True, slots=True)
class _BundledSource:
    loader: str
    source: str


_BUNDLED_SOURCES = {
    "breast_cancer": _BundledSource(
        "load_breast_cancer",
        "Breast Cancer Wisconsin (Diagnostic), W. Wolberg, O. Mangasarian, N. Street and W. Street (1993), "
        "doi:10.24432/C5DW2B",
    ),
    "digits": _BundledSource(
        "load_digits",
        "Optical Recognition of Handwritten Digits, test part, E. Alpaydin and C. Kaynak (1998), doi:10.24432/C50P49",
    ),
    "iris": _BundledSource("load_iris", "Iris, R. A. Fisher (1936), doi:10.24432/C56C76"),
    "wine": _BundledSource("load_wine", "Wine, S. Aeberhard and M. Forina (1992), doi:10.24432/C5PC7J"),
}

BUNDLED_NAMES = tuple(_BUNDLED_SOURCES)


def read_bundled(name: str) -> RawDataset:
    """Return all rows of a bundled data set; its constant columns are dropped, and a note says so.

    Raises:
        InvalidInput: there is no such data set.
    """
    if name not in _BUNDLED_SOURCES:
        raise InvalidInput(
            f"there is no bundled data set {name!r}",
            remedy=f"Use one of: {', '.join(f'sklearn:{known}' for known in BUNDLED_NAMES)}; or the path of a file.",
            field="dataset.source",
        )
    from sklearn import datasets

    loaded: Any = getattr(datasets, _BUNDLED_SOURCES[name].loader)()
    return RawDataset(
        name=f"sklearn:{name}",
        features=np.asarray(loaded.data, dtype=np.float64),
        feature_names=tuple(str(column).replace(" ", "_") for column in loaded.feature_names),
        labels=tuple(str(loaded.target_names[index]) for index in loaded.target),
        source=_BUNDLED_SOURCES[name].source,
        licence=UCI,
        target="target",
        class_order=tuple(map(str, loaded.target_names)),
        drop_constant=True,
    )
