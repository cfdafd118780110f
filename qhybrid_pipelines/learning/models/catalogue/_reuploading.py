"""What the re-uploading circuits have in common as entries of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qhybrid_pipelines.core.learning_specification import TrainingSpec
from qhybrid_pipelines.learning.models.learner import Estimator, Settings
from qhybrid_pipelines.learning.models.trainable_model import TrainableModel
from qhybrid_pipelines.learning.training.stopping_rules import Diverged, NotConverged


class ReuploadingModel(TrainableModel):
    """A circuit whose epochs become steps once the rows are known."""

    is_measured = True
    failures = (Diverged, NotConverged)

    def defaults(self, training: TrainingSpec) -> Settings:
        """Return the settings of the specification."""
        return {"learning_rate": training.learning_rate, "batch_size": training.batch_size}

    def search_space(self) -> Mapping[str, Any]:
        """Return what is searched for; not layers: all folds share one template, and so one batch on a backend."""
        from scipy.stats import loguniform

        return {"learning_rate": loguniform(0.01, 0.2), "batch_size": [16, 32, 64]}

    def build(self, training: TrainingSpec, settings: Settings, seed: int) -> Estimator:
        """Return an unfitted classifier."""
        model: Estimator = self.classifier()(
            layers=training.layers,
            learning_rate=float(settings["learning_rate"]),
            batch_size=int(settings["batch_size"]),
            window=training.window,
            must_converge=training.must_converge,
            seed=seed,
        )
        return model
