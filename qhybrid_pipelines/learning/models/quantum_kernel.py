"""The quantum kernel classifier: overlaps of embedded states, and a support vector machine on them.

The classes are scikit-learn estimators, so this module imports scikit-learn; only import it where models are fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, get_args

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import SVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.specifications.features_specification import EncodingName
from qhybrid_pipelines.learning.circuits.amplitude_encoding import amplitude_qubits
from qhybrid_pipelines.learning.circuits.input_checks import (
    UnusableInput,
    check_angles,
    check_choice,
    check_classes,
    check_positive,
    check_qubit_count,
    check_whole_number,
)
from qhybrid_pipelines.learning.circuits.kernel_feature_map import C128, embedded_states, fidelity_kernel
from qhybrid_pipelines.learning.models.calibrated_svm import calibrated_probabilities, calibration_fold_count


class QuantumKernelClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A support vector machine on the fidelity kernel; more than two classes by scikit-learn's one against one.

    Attributes:
        classes_: labels in ascending order.
        samples_: features it was fitted on, shape ``(samples, n_features)``.
        labels_: their labels.
        svc_: the fitted `SVC`.
    """

    def __init__(
        self,
        *,
        layers: int = 2,
        bandwidth: float = 1.0,
        C: float = 1.0,  # noqa: N803
        encoding: EncodingName = "iqp",
    ) -> None:
        """Keep the settings.

        Args:
            layers: repetitions of the feature map.
            bandwidth: factor of every feature.
            C: cost of a misplaced sample.
            encoding: ``iqp`` is the ZZ feature map, ``angle`` a rotation of each qubit, without entanglement, ``amplitude`` the sample as the
                state, for which layers and bandwidth mean nothing.
        """
        self.layers = layers
        self.bandwidth = bandwidth
        self.C = C
        self.encoding = encoding

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Compute the kernel and solve the machine.

        Args:
            X: shape ``(samples, n_features)``, radians in [-pi/2, pi/2]; one qubit for each feature, but for amplitudes.
            y: labels.

        Raises:
            InvalidInput: data or settings cannot be used.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite=False)
        check_angles(X, getattr(self, "feature_names_in_", None))
        if self.encoding == "amplitude":
            amplitude_qubits(X.shape[1])
        else:
            check_qubit_count(X.shape[1], None)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        check_classes(self.classes_)
        check_whole_number("layers", self.layers, at_least=1)
        check_positive("bandwidth", self.bandwidth)
        check_choice("encoding", self.encoding, get_args(EncodingName))
        self.svc_ = SVC(kernel="precomputed", C=check_positive("C", self.C))
        self.svc_.fit(self._overlaps(X, X), y)
        self.samples_, self.labels_ = X, y
        return self

    def kernel_matrix(self, X: Any) -> F64:  # noqa: N803
        """Return the kernel of samples with those of the fit, shape ``(samples, fitted samples)``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False, reset=False)
        check_angles(X, getattr(self, "feature_names_in_", None))
        return self._overlaps(X, self.samples_)

    def decision_function(self, X: Any) -> F64:  # noqa: N803
        """Return the distance to the boundary, shape ``(samples,)``; for more classes a score each."""
        kernel = self.kernel_matrix(X)
        return np.asarray(self.svc_.decision_function(kernel), dtype=np.float64)

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Return the label of every sample."""
        kernel = self.kernel_matrix(X)
        return self.svc_.predict(kernel)

    def predict_proba(self, X: Any) -> F64:  # noqa: N803
        """Return the probabilities, shape ``(samples, classes)``.

        They are calibrated as those of the classical machine, see `learning.models.calibrated_svm`.

        Raises:
            UnusableInput: a class has a single sample.
        """
        kernel = self.kernel_matrix(X)
        if calibration_fold_count(self.labels_) < 2:
            raise UnusableInput(
                "a class with a single sample leaves nothing to calibrate probabilities on",
                remedy="Give two samples of every class, or use predict.",
                field="labels",
            )
        svc, fitted = SVC(kernel="precomputed", C=self.C), self._overlaps(self.samples_, self.samples_)
        return calibrated_probabilities(svc, fitted, self.labels_, kernel)

    def fitted_record(self) -> dict[str, Any]:
        """Return the samples of the fit, ready for JSON; they may not be shown to people who must not see them."""
        return {"samples": self.samples_.tolist(), "labels": self.labels_.tolist()}

    def restore_fitted(self, record: Mapping[str, Any]) -> Self:
        """Take back what `fitted_record` returned: the solver is deterministic, the same samples give the same machine."""
        return self.fit(np.array(record["samples"]), np.array(record["labels"]))

    def _overlaps(self, features: F64, others: F64) -> F64:
        """Return the kernel of two sets of samples, by one thread: the last bits do not depend on the number of cores."""
        with threadpool_limits(limits=1, user_api="blas"):
            return fidelity_kernel(self._states(features), self._states(others))

    def _states(self, features: F64) -> C128:
        return embedded_states(features, layers=self.layers, bandwidth=self.bandwidth, encoding=self.encoding)
