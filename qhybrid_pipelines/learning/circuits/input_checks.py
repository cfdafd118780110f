"""What the models refuse before anything is computed: each error names the argument or the column."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.features_specification import MAX_LEARNING_QUBITS
from qhybrid_pipelines.learning.circuits.reuploading_circuit import LARGEST_ANGLE

#: Angles may miss the range by rounding of whatever scaled them.
ANGLE_TOLERANCE = 1e-9


class UnusableInput(InvalidInput, ValueError):
    """Data or settings that a model cannot use; also a ``ValueError``, because scikit-learn's tools expect one."""


def check_angles(features: F64, names: Sequence[Any] | None = None) -> None:
    """Check that features are finite angles in [-pi/2, pi/2].

    Args:
        features: shape ``(samples, n_features)``, radians.
        names: of the columns; else they are numbered from 0.

    Raises:
        UnusableInput: they are not; names the first column and row at fault, both counted from 0.
    """
    missing = ~np.isfinite(features)
    outside = np.abs(np.where(missing, 0.0, features)) > LARGEST_ANGLE + ANGLE_TOLERANCE
    for wrong, problem, remedy in (
        (missing, "holds NaN or an infinity", "Remove or fill missing values before the fold is scaled."),
        (
            outside,
            "is outside [-pi/2, pi/2]",
            "Scale the features to angles in that range, fitted on the training fold and clipped on the test fold.",
        ),
    ):
        if wrong.any():
            row, column = np.argwhere(wrong)[0].tolist()
            name = names[column] if names is not None else column
            raise UnusableInput(
                f"feature {name!r} {problem}: {features[row, column]:.6g} in row {row}, {int(wrong.sum())} values in all",
                remedy=remedy,
                field=f"features.{name}",
            )


def check_columns(features: F64, expected: int) -> None:
    """Check that features are those that a fitted model takes.

    Raises:
        UnusableInput: they are not a table, or have another number of columns.
    """
    if features.ndim != 2 or features.shape[1] != expected:
        raise UnusableInput(
            f"the features have shape {features.shape}, the circuit takes {expected} per sample",
            remedy="Give the features of the fold that the model was trained on.",
            field="features",
        )


def check_qubit_count(n_features: int, n_qubits: int | None) -> int:
    """Return how many qubits a circuit gets: as many as asked for, or one for each feature.

    Raises:
        UnusableInput: there are more features than qubits, or too many qubits.
    """
    width = n_features if n_qubits is None else check_whole_number("n_qubits", n_qubits, at_least=1)
    if n_features > width:
        raise UnusableInput(
            f"there are {n_features} features for {width} qubits",
            remedy="Reduce the features, for example by PCA inside the fold, or take more qubits.",
            field="n_qubits",
        )
    if width > MAX_LEARNING_QUBITS:
        raise UnusableInput(
            f"{width} qubits are more than {MAX_LEARNING_QUBITS}, the widest circuit that is trained here",
            remedy="Reduce the features, for example by PCA inside the fold.",
            field="n_qubits",
        )
    return width


def check_classes(classes: Any) -> None:
    """Check that there is something to tell apart.

    Raises:
        UnusableInput: there is only one class.
    """
    if len(classes) < 2:
        raise UnusableInput(
            f"all labels are the same class, {classes.tolist()}",
            remedy="Give samples of two classes at least; in a fold, use stratified folds.",
            field="labels",
        )


def check_whole_number(name: str, value: Any, *, at_least: int) -> int:
    """Return a whole number not below a bound.

    Raises:
        UnusableInput: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < at_least:
        raise UnusableInput(f"{name} is {value!r}", remedy=f"Give a whole number, at least {at_least}.", field=name)
    return int(value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Check that a setting is one of its choices.

    Raises:
        UnusableInput: it is something else.
    """
    if value not in choices:
        raise UnusableInput(f"{name} is {value!r}", remedy=f"Choose {' or '.join(choices)}.", field=name)


def check_positive(name: str, value: Any, *, at_most: float = inf) -> float:
    """Return a positive finite number, not above a bound.

    Raises:
        UnusableInput: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (isfinite(value) and 0 < value <= at_most):
        limit = "" if at_most == inf else f", at most {at_most:.4g}"
        raise UnusableInput(f"{name} is {value!r}", remedy=f"Give a positive number{limit}.", field=name)
    return float(value)
