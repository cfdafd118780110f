"""The quantum kernel classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.learning.models.learner import Estimator, Learner, Settings
from qhybrid_pipelines.learning.models.trainable_model import Diagnostics, ModelRequest, TrainableModel

if TYPE_CHECKING:
    from qhybrid_pipelines.core.binary_models.ising import F64
    from qhybrid_pipelines.learning.data.dataset import I64


class Kernel(TrainableModel):
    """A support vector machine on the fidelity of embedded states."""

    name = "kernel"
    description = (
        "A support vector machine on the fidelity of embedded states (ZZ feature map, or rotations alone with encoding: angle, or the row itself with amplitude). Its settings are "
        "chosen by the exact kernel; measure_kernel measures it on backends, with a circuit for every pair of rows. The saved model holds its training rows."
    )
    is_kernel = True
    # Every pair of rows is compared: at this size the overlaps take 400 MB, and four times as much at twice the rows.
    max_rows = 5_000

    def classifier(self) -> type[Any]:
        """Return its scikit-learn class."""
        from qhybrid_pipelines.learning.models.quantum_kernel import QuantumKernelClassifier

        return QuantumKernelClassifier

    def defaults(self, _request: ModelRequest) -> Settings:
        """Return what scikit-learn's machines begin with, and features as they are."""
        return {"C": 1.0, "bandwidth": 1.0}

    def search_space(self) -> Mapping[str, Any]:
        """Return the cost of a misplaced sample, and the factor of every feature."""
        from scipy.stats import loguniform

        return {"C": loguniform(1e-2, 1e3), "bandwidth": loguniform(0.1, 2.0)}

    def make_learner(self, request: ModelRequest) -> Learner:
        """Return the model as tuning and comparison know it; amplitudes have no bandwidth to search for."""
        learner = super().make_learner(request)
        space = {name: range_ for name, range_ in learner.search_space.items() if name != "bandwidth"}
        return replace(learner, search_space=space) if request.encoding == "amplitude" else learner

    def build(self, request: ModelRequest, settings: Settings, _seed: int) -> Estimator:
        """Return an unfitted classifier; it draws nothing."""
        model: Estimator = self.classifier()(
            C=float(settings["C"]), bandwidth=float(settings["bandwidth"]), encoding=request.encoding or "iqp"
        )
        return model

    def diagnose(self, estimator: Any, features: F64, labels: I64, _seed: int, /) -> Diagnostics:
        """Return how well its kernel fits the labels."""
        from qhybrid_pipelines.learning.models.diagnostics import kernel_alignment

        return Diagnostics(kernel_alignment=kernel_alignment(estimator.kernel_matrix(features), labels))


MODEL = Kernel()
