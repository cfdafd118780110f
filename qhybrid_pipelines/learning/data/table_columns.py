"""What the columns of a user's table are for: the label, features, names to be encoded, groups, and what is left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.dataset_specification import DatasetSpec
from qhybrid_pipelines.learning.data.row_selection import normalise_label, unknown_column_error

#: More names than this in one column are texts or numbers, not categories.
MAX_CATEGORIES = 50

#: What pandas, R and Polars call a column that only numbers the rows, where nobody gave it a name.
_INDEX_NAME = re.compile(
    r"index|unnamed: ?[0-9]+|__index_level_[0-9]+__|level_[0-9]+|row_?(?:nr|names?|index)|row\.names", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """What a specification says of the columns of a file.

    Attributes:
        target: the column of the label.
        features: the feature columns; None for all that have no other part.
        exclude: columns that are not features.
        categorical: features that hold names.
        group: the column of the groups, or None.
        time: the column that orders the rows, or None.
        header: the first line of a CSV file names the columns.
    """

    target: str
    features: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    header: bool = True

    @classmethod
    def of(cls, spec: DatasetSpec) -> TableColumns:
        """Return what a specification of a file says.

        Raises:
            ValueError: it is not one of a file.
        """
        if spec.target is None:
            raise ValueError("only a file has columns to be named")
        return cls(
            target=spec.target,
            features=spec.features,
            exclude=spec.exclude or (),
            categorical=spec.categorical or (),
            group=spec.group,
            time=spec.time,
            header=spec.header,
        )

    @property
    def apart(self) -> tuple[str, ...]:
        """The columns that say which rows belong to which fold."""
        return tuple(filter(None, (self.group, self.time)))

    def field_of(self, name: str) -> str:
        """Return the field of the specification that a column has to do with."""
        for field, names in (
            ("target", (self.target,)),
            ("group", (self.group,)),
            ("time", (self.time,)),
            ("categorical", self.categorical),
        ):
            if name in names:
                return f"dataset.{field}"
        return "dataset.features"


def feature_columns(
    header: Sequence[str], columns: TableColumns, file: str, *, line: int | None = None, index: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the feature columns, after checking that all names are there, once.

    Args:
        header: names of the columns.
        columns: what they are for.
        file: for messages.
        line: of the header.
        index: columns that the file itself calls the index of a data frame: they number the rows.

    Raises:
        InvalidInput: a name is repeated, missing or not there, or no feature is left.
    """
    repeated = next((name for at, name in enumerate(header) if name in header[:at]), None)
    if repeated is not None:
        raise InvalidInput(f"two columns are called {repeated!r}", remedy="Rename one.", file=file, line=line)
    others = {columns.target, *columns.apart, *columns.exclude, *index}
    if columns.features is None and "" in header:
        raise InvalidInput(
            f"column {list(header).index('') + 1} has no name",
            remedy="Row numbers are not a feature: remove the column, or list the others under dataset.features.",
            file=file,
            field="dataset.features",
        )
    numbering = next((name for name in header if _INDEX_NAME.fullmatch(name) and name not in others), None)
    if columns.features is None and numbering is not None:
        raise InvalidInput(
            f"column {numbering!r} has the name of a data frame's index",
            remedy="Row numbers are not a feature: remove the column, name it under dataset.exclude, or list the features under "
            "dataset.features.",
            file=file,
            line=line,
            field="dataset.features",
        )
    for field, names in (
        ("target", (columns.target,)),
        ("features", columns.features or ()),
        ("exclude", columns.exclude),
        ("categorical", columns.categorical),
        ("group", (columns.group,) if columns.group else ()),
        ("time", (columns.time,) if columns.time else ()),
    ):
        for name in names:
            if name not in header:
                raise unknown_column_error(name, header, file=file, field=f"dataset.{field}")
    wanted = columns.features if columns.features is not None else tuple(name for name in header if name not in others)
    if not wanted:
        raise InvalidInput("there is no column except the label", remedy="Add at least one feature.", file=file)
    unused = next((name for name in columns.categorical if name not in wanted), None)
    if unused is not None:
        raise InvalidInput(
            f"column {unused!r} is categorical, but not a feature",
            remedy="Add it to dataset.features, or remove it here.",
            file=file,
            field="dataset.categorical",
        )
    return wanted


def indicator_columns(name: str, cells: Sequence[str], *, file: str) -> dict[str, F64]:
    """Return a column of 0 and 1 for each name in a column of names; of two names one column says all.

    Raises:
        InvalidInput: there are too many names.
    """
    plain = {cell: normalise_label(cell) for cell in set(cells)}
    found = sorted(set(plain.values()))
    if len(found) > MAX_CATEGORIES:
        raise InvalidInput(
            f"column {name!r} has {len(found)} different names, more than {MAX_CATEGORIES}",
            remedy="Name a column of categories, or omit this one with dataset.exclude.",
            file=file,
            field="dataset.categorical",
        )
    values = np.array([plain[cell] for cell in cells])
    shown = found[1:] if len(found) == 2 else found
    return {f"{name}={category}": (values == category).astype(np.float64) for category in shown}
