"""A support vector machine on a kernel that was measured, and so is no kernel any more: shots leave it with negative eigenvalues.

They are set to 0, which is the nearest positive semidefinite matrix in the Frobenius norm, and rows of other samples are projected alike (Y. Chen et al.,
J. Mach. Learn. Res. 10, 747 (2009), section 3). The machine is then the usual convex one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.learning.models.calibrated_svm import calibrated_probabilities, calibration_fold_count


class MeasuredKernelSvm:
    """A support vector machine on measured entries; more than two classes by scikit-learn's one against one.

    Attributes:
        smallest_eigenvalue_: of the measured matrix.
        projected_: the positive semidefinite matrix in its place.
    """

    def __init__(self, *, C: float) -> None:  # noqa: N803  # scikit-learn's name
        """Keep the cost of a misplaced sample."""
        self.C = C

    def fit(self, X: F64, y: Any) -> Self:  # noqa: N803
        """Project the matrix of all pairs of samples, shape ``(samples, samples)``, and solve the machine for their labels."""
        with threadpool_limits(limits=1, user_api="blas"):
            values, vectors = np.linalg.eigh(X)
            kept = vectors[:, values > 0]
            self.smallest_eigenvalue_ = float(values[0])
            self._projector = kept @ kept.T
            self.projected_ = X if values[0] >= 0 else (kept * values[values > 0]) @ kept.T
        self.svc_ = self._make_svc().fit(self.projected_, y)
        self._labels = y
        return self

    def predict(self, X: F64) -> Any:  # noqa: N803
        """Return the label of every row of measured entries with the samples of the fit, shape ``(rows, samples)``."""
        return self.svc_.predict(self._project(X))

    def decision_function(self, X: F64) -> F64:  # noqa: N803
        """Return the distance to the boundary, shape ``(rows,)``; for more classes a score each."""
        return np.asarray(self.svc_.decision_function(self._project(X)), dtype=np.float64)

    @property
    def predict_proba(self) -> Callable[[F64], F64]:
        """The calibrated probabilities of rows, shape ``(rows, classes)``; not offered where a class has a single sample."""
        if calibration_fold_count(self._labels) < 2:
            raise AttributeError("a class with a single sample leaves nothing to calibrate probabilities on")
        return lambda X: calibrated_probabilities(self._make_svc(), self.projected_, self._labels, self._project(X))  # noqa: N803

    def _project(self, entries: F64) -> F64:
        with threadpool_limits(limits=1, user_api="blas"):
            return entries if self.smallest_eigenvalue_ >= 0 else entries @ self._projector

    def _make_svc(self) -> SVC:
        return SVC(kernel="precomputed", C=self.C)
