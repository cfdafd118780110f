"""The features of a model: scaling, principal components, angles; fitted on training rows, applied to any.

Fitting takes training rows and nothing else; a test plants a leak to show that it would be noticed. What was fitted is
plain numbers, so that a stored model needs no pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.features_specification import MAX_AMPLITUDES, MAX_LEARNING_QUBITS
from qhybrid_pipelines.learning.data.dataset import Dataset

#: Angles of the encoding: one half turn from the smallest to the largest training value, radians.
LOWEST_ANGLE, HIGHEST_ANGLE = -np.pi / 2, np.pi / 2

#: Outputs that differ by less on the training rows are rounding noise, and are not stretched to a half turn; the bound is
#: that of scikit-learn's scalers.
SMALLEST_SPAN = 10 * np.finfo(np.float64).eps

Inputs = Literal["reduced", "all"]


@dataclass(frozen=True, kw_only=True)
class FeaturePipeline:
    """A fitted chain: standardise, then (if reduced) project on principal components and map to angles with clipping.

    Attributes:
        mean: per column, shape ``(columns,)``.
        scale: standard deviation per column, 1 where a column is constant on the training rows.
        components: principal axes, shape ``(k, columns)``; None where all columns are used as they are.
        low: smallest training value per output, shape ``(k,)``; None where nothing is mapped to angles.
        high: largest one.
    """

    mean: F64
    scale: F64
    components: F64 | None = None
    low: F64 | None = None
    high: F64 | None = None

    def transform(self, features: F64) -> F64:
        """Return the features of rows, shape ``(rows, k)``: angles in [-pi/2, pi/2], or standardised columns."""
        values = (features - self.mean) / self.scale
        if self.components is not None:
            values = values @ self.components.T
        if self.low is None or self.high is None:
            return values
        span = self.high - self.low
        span = np.where(span < SMALLEST_SPAN, 1.0, span)
        share = np.clip((values - self.low) / span, 0.0, 1.0)
        return LOWEST_ANGLE + share * (HIGHEST_ANGLE - LOWEST_ANGLE)

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted numbers, ready for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: None if value is None else value.tolist() for name, value in values.items()}

    @classmethod
    def from_dict(cls, fitted: Mapping[str, Any]) -> FeaturePipeline:
        """Return the chain that `to_dict` wrote; it gives the same features bit by bit."""
        return cls(**{name: np.array(v, dtype=np.float64) for name, v in fitted.items() if v is not None})


def check_circuit_width(dataset: Dataset, k: int | None, inputs: int) -> None:
    """Check that the user's circuit has one input for each feature.

    Raises:
        InvalidInput: it has more or fewer.
    """
    columns = len(dataset.feature_names)
    given = columns if k is None else k
    if columns < inputs or given != inputs:
        there = f"{given} principal components" if k is not None and k <= columns else f"{columns} columns"
        raise InvalidInput(
            f"circuit.data names {inputs} {'input' if inputs == 1 else 'inputs'}, and there are {there}",
            remedy=f"Name one input for each feature, or use features.pca: {inputs}."
            if inputs <= columns
            else f"Write the circuit for {columns} features or fewer.",
            field="circuit.data",
        )


def check_features(dataset: Dataset, k: int | None, *, amplitudes: bool = False) -> None:
    """Check that the data set's columns fit on the qubits, one angle each, or in the amplitudes of a state.

    Raises:
        InvalidInput: more components than columns, or without components more columns than qubits.
    """
    columns = len(dataset.feature_names)
    if amplitudes and k is None and not 2 <= columns <= MAX_AMPLITUDES:
        raise InvalidInput(
            f"{columns} {'feature is' if columns == 1 else 'features are'} not encoded in amplitudes, but 2 to {MAX_AMPLITUDES}",
            remedy="Reduce them, for example features.pca: 64, or take another encoding.",
            field="features.encoding",
        )
    if not amplitudes and k is None and columns > MAX_LEARNING_QUBITS:
        raise InvalidInput(
            f"{columns} features need {columns} qubits, and a circuit that is trained has at most {MAX_LEARNING_QUBITS}",
            remedy="Reduce them, for example features.pca: 4, or choose some under dataset.features.",
            field="features.pca",
        )
    if k is not None and k > columns:
        raise InvalidInput(
            f"{columns} columns have no {k} principal components",
            remedy=f"Use features.pca: {columns} or less.",
            field="features.pca",
        )


def fit_standard_scaler(train: F64) -> FeaturePipeline:
    """Return the chain for models that see every column: mean 0 and standard deviation 1 on the training rows."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    return FeaturePipeline(mean=scaler.mean_, scale=scaler.scale_)


def fit_angle_encoder(train: F64, k: int | None) -> FeaturePipeline:
    """Return the chain to ``k`` angles, one per qubit: scikit-learn's, of which the fitted numbers are kept.

    An axis has no direction of its own; scikit-learn makes its largest entry positive.

    Args:
        train: training rows, shape ``(rows, columns)``.
        k: principal components; None maps every column to an angle without projecting.

    Raises:
        ValueError: there are fewer than ``k`` columns or rows.
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    if k is not None and k > min(train.shape):
        raise ValueError(f"{train.shape[0]} rows of {train.shape[1]} columns have no {k} principal components")
    standard, angles = StandardScaler(), MinMaxScaler((LOWEST_ANGLE, HIGHEST_ANGLE), clip=True)
    pca: Any = PCA(k, svd_solver="full") if k is not None else "passthrough"
    make_pipeline(standard, pca, angles).fit(train)
    return FeaturePipeline(
        mean=standard.mean_,
        scale=standard.scale_,
        components=None if k is None else pca.components_,
        low=angles.data_min_,
        high=angles.data_max_,
    )


def fit_feature_pipeline(train: F64, *, inputs: Inputs, k: int | None) -> FeaturePipeline:
    """Return the chain to what a model is given: ``reduced`` for angles, ``all`` for every column standardised."""
    return fit_angle_encoder(train, k) if inputs == "reduced" else fit_standard_scaler(train)
