"""What a model of the catalogue offers: a name for specifications, what is known before training, and how it is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol, Self

from qhybrid_pipelines.core.learning_specification import TrainingSpec
from qhybrid_pipelines.learning.data.table_rows import Side
from qhybrid_pipelines.learning.models.learner import Estimator, Learner, Settings


class SavedClassifier(Protocol):
    """The part of a scikit-learn classifier that `saved_models` needs: it writes what was fitted, and takes it back."""

    classes_: Any

    def get_params(self) -> dict[str, Any]:
        """Return the settings, ready for JSON."""

    def fitted_record(self) -> dict[str, Any]:
        """Return what was fitted, ready for JSON, without classes and settings."""

    def restore_fitted(self, record: Mapping[str, Any]) -> Self:
        """Take back what `fitted_record` returned; ``record`` has ``classes`` too."""


class TrainableModel(ABC):
    """One model of the catalogue.

    Heavy libraries are imported inside its methods: every process that reads a specification loads the catalogue.

    Attributes:
        name: in specifications and tables.
        description: for the model card, one or more sentences.
        side: quantum or unentangled_control.
        unentangled_control: name of the model that is its control without entanglement and always runs with it.
        is_measured: its circuits can be measured on a backend; then its classifier is a `ReuploadingClassifier`.
        max_rows: rows of a data set that it can take; None where only memory limits them.
        failures: errors of ``fit`` that make a trial lose instead of ending the experiment.
    """

    name: str
    description: str
    side: Side = "quantum"
    unentangled_control: str | None = None
    is_measured: bool = False
    max_rows: int | None = None
    failures: tuple[type[Exception], ...] = ()

    @abstractmethod
    def classifier(self) -> type[Any]:
        """Return its scikit-learn class, a `SavedClassifier`."""

    @abstractmethod
    def defaults(self, training: TrainingSpec) -> Settings:
        """Return its settings without tuning."""

    @abstractmethod
    def search_space(self) -> Mapping[str, Any]:
        """Return what may be searched for, as `Learner.search_space`; empty where there is nothing to tune."""

    @abstractmethod
    def build(self, training: TrainingSpec, settings: Settings, seed: int) -> Estimator:
        """Return an unfitted estimator.

        Args:
            training: of the specification, what is not searched for.
            settings: with the names of `defaults`.
            seed: 31 bits.
        """

    def make_learner(self, training: TrainingSpec) -> Learner:
        """Return the model as tuning and comparison know it."""
        return Learner(
            name=self.name,
            side=self.side,
            inputs="reduced",
            build=partial(self.build, training),
            defaults=self.defaults(training),
            search_space=self.search_space(),
            failures=self.failures,
        )
