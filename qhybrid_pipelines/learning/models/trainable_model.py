"""What a model of the catalogue offers: a name for specifications, what is known before training, and how it is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self

from qhybrid_pipelines.core.specifications.features_specification import EncodingName
from qhybrid_pipelines.core.specifications.training_specification import TrainingSpec
from qhybrid_pipelines.learning.data.table_rows import Side
from qhybrid_pipelines.learning.models.learner import Estimator, Learner, Settings

if TYPE_CHECKING:
    from qhybrid_pipelines.core.binary_models.ising import F64
    from qhybrid_pipelines.learning.circuits.own_circuit import OwnCircuitShape
    from qhybrid_pipelines.learning.data.dataset import I64


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """Numbers about one fitted model; None where they mean nothing for it.

    Attributes:
        gradient_variance: see :func:`.diagnostics.gradient_variance`.
        kernel_alignment: see :func:`.diagnostics.kernel_alignment`.
    """

    gradient_variance: float | None = None
    kernel_alignment: float | None = None


NO_DIAGNOSTICS = Diagnostics()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """What a specification says about the circuits that are trained.

    Attributes:
        training: what is not searched for.
        circuit: that somebody wrote; None where no model needs one.
        encoding: how features enter the built-in circuits; None is each model's usual one.
    """

    training: TrainingSpec
    circuit: OwnCircuitShape | None = None
    encoding: EncodingName | None = None


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
        is_kernel: its classifier is a `QuantumKernelClassifier`, whose kernel can be measured on a backend.
        needs_circuit: it is trained on the circuit that the specification names.
        max_rows: rows of a data set that it can take; None where only memory limits them.
        failures: errors of ``fit`` that make a trial lose instead of ending the experiment.
    """

    name: str
    description: str
    side: Side = "quantum"
    unentangled_control: str | None = None
    is_measured: bool = False
    is_kernel: bool = False
    needs_circuit: bool = False
    max_rows: int | None = None
    failures: tuple[type[Exception], ...] = ()

    @abstractmethod
    def classifier(self) -> type[Any]:
        """Return its scikit-learn class, a `SavedClassifier`."""

    @abstractmethod
    def defaults(self, request: ModelRequest) -> Settings:
        """Return its settings without tuning."""

    @abstractmethod
    def search_space(self) -> Mapping[str, Any]:
        """Return what may be searched for, as `Learner.search_space`; empty where there is nothing to tune."""

    @abstractmethod
    def build(self, request: ModelRequest, settings: Settings, seed: int) -> Estimator:
        """Return an unfitted estimator.

        Args:
            request: what the specification says.
            settings: with the names of `defaults`.
            seed: 31 bits.
        """

    def diagnose(self, _estimator: Any, _features: F64, _labels: I64, _seed: int, /) -> Diagnostics:
        """Return what can be said of a fitted estimator beside its scores; nothing, unless a model says more.

        Args:
            _estimator: fitted.
            _features: that it was fitted on, shape ``(samples, n_features)``, radians.
            _labels: class indices of these, shape ``(samples,)``.
            _seed: of the fit.
        """
        return NO_DIAGNOSTICS

    def make_learner(self, request: ModelRequest) -> Learner:
        """Return the model as tuning and comparison know it."""
        return Learner(
            name=self.name,
            side=self.side,
            inputs="reduced",
            build=partial(self.build, request),
            defaults=self.defaults(request),
            search_space=self.search_space(),
            failures=self.failures,
        )
