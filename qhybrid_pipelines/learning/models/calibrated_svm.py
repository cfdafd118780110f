"""Probabilities of support vector machines, classical or on a quantum kernel: calibrated in one and the same way.

A support vector machine has none of its own. They are calibrated on decisions about fitted rows that were left out
(J. Platt, Probabilistic outputs for support vector machines, 1999), so the largest is not always that of ``predict``, and only
whoever asks pays for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.learning.data.dataset import I64

if TYPE_CHECKING:
    from sklearn.svm import SVC

#: Folds inside the fitted rows from which probabilities are calibrated; fewer where a class is smaller.
CALIBRATION_FOLDS = 5


def calibration_fold_count(labels: Any) -> int:
    """Return in how many folds rows are left out; below 2 nothing can be."""
    return min(CALIBRATION_FOLDS, int(np.unique(labels, return_counts=True)[1].min()))


def calibrated_probabilities(svc: SVC, training: F64, labels: Any, query: F64) -> F64:
    """Return the probabilities of rows, shape ``(query rows, classes)``.

    Args:
        svc: settings of the support vector machine, not fitted here.
        training: rows of the fit, or their kernel.
        labels: of these rows; every class at least twice.
        query: rows to predict, or their kernel with the training rows.
    """
    from sklearn.calibration import CalibratedClassifierCV

    model = CalibratedClassifierCV(svc, ensemble=False, cv=calibration_fold_count(labels)).fit(training, labels)
    return np.asarray(model.predict_proba(query), dtype=np.float64)


class RbfSvm:
    """A support vector machine with the kernel ``exp(-gamma |x - y|^2)``, and calibrated probabilities."""

    def __init__(self, *, C: float = 1.0, gamma: float | str = "scale", random_state: int = 0) -> None:  # noqa: N803
        """Keep the settings, which are those of scikit-learn's `SVC`."""
        self.C = C
        self.gamma = gamma
        self.random_state = random_state

    def fit(self, X: F64, y: I64) -> Self:  # noqa: N803  # scikit-learn's name
        """Solve the machine for features, shape ``(rows, columns)``, and class indices."""
        self.svc_ = self._make_svc().fit(X, y)
        self.samples_, self.labels_ = X, y
        return self

    def predict(self, X: F64) -> I64:  # noqa: N803
        """Return the class index of each row."""
        predicted: I64 = self.svc_.predict(X)
        return predicted

    def decision_function(self, X: F64) -> F64:  # noqa: N803
        """Return the distance to the boundary, shape ``(rows,)``; for more classes a score each."""
        return np.asarray(self.svc_.decision_function(X), dtype=np.float64)

    @property
    def predict_proba(self) -> Callable[[F64], F64]:
        """The probabilities of rows, shape ``(rows, classes)``; not offered where a class was fitted on a single row."""
        if calibration_fold_count(self.labels_) < 2:
            raise AttributeError("a class with a single row leaves nothing to calibrate probabilities on")
        return lambda X: calibrated_probabilities(self._make_svc(), self.samples_, self.labels_, X)  # noqa: N803

    def _make_svc(self) -> SVC:
        from sklearn.svm import SVC

        return SVC(kernel="rbf", C=self.C, gamma=self.gamma, random_state=self.random_state)
