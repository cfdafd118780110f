"""What the re-uploading circuits have in common as entries of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.learning.models.learner import Estimator, Settings
from qhybrid_pipelines.learning.models.trainable_model import Diagnostics, ModelRequest, TrainableModel
from qhybrid_pipelines.learning.training.stopping_rules import Diverged, NotConverged

if TYPE_CHECKING:
    from qhybrid_pipelines.core.binary_models.ising import F64
    from qhybrid_pipelines.learning.data.dataset import I64


class ReuploadingModel(TrainableModel):
    """A circuit whose epochs become steps once the rows are known."""

    is_measured = True
    failures = (Diverged, NotConverged)

    def defaults(self, request: ModelRequest) -> Settings:
        """Return the settings of the specification."""
        return {"learning_rate": request.training.learning_rate, "batch_size": request.training.batch_size}

    def search_space(self) -> Mapping[str, Any]:
        """Return what is searched for; not layers: all folds share one template, and so one batch on a backend."""
        from scipy.stats import loguniform

        return {"learning_rate": loguniform(0.01, 0.2), "batch_size": [16, 32, 64]}

    def build(self, request: ModelRequest, settings: Settings, seed: int) -> Estimator:
        """Return an unfitted classifier."""
        training = request.training
        model: Estimator = self.classifier()(
            **self.circuit(request),
            learning_rate=float(settings["learning_rate"]),
            batch_size=int(settings["batch_size"]),
            window=training.window,
            must_converge=training.must_converge,
            seed=seed,
            # On a backend, steps are planned by `learning.measurement`; this is the name of what computes on this machine.
            engine="spsa" if training.optimiser == "spsa" and training.backend is None else "adjoint",
        )
        return model

    def circuit(self, request: ModelRequest) -> Mapping[str, Any]:
        """Return the settings of the classifier that say which circuit it is."""
        return {"layers": request.training.layers, "encoding": request.encoding or "angle"}

    def diagnose(self, estimator: Any, features: F64, labels: I64, seed: int, /) -> Diagnostics:
        """Return how much the slopes of its circuit vary."""
        from qhybrid_pipelines.learning.models.diagnostics import gradient_variance

        targets = estimator.classes_.searchsorted(labels)
        return Diagnostics(gradient_variance=gradient_variance(estimator.circuit_, features, targets, seed=seed))
