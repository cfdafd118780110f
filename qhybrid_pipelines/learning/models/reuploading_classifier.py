"""The variational classifier and its unentangled control, which differ by their CNOTs only.

The classes are scikit-learn estimators, so this module imports scikit-learn; only import it where models are fitted.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self, get_args

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.specifications.features_specification import EncodingName
from qhybrid_pipelines.learning.circuits.amplitude_encoding import amplitudes
from qhybrid_pipelines.learning.circuits.class_scores import TrainedCircuit, probabilities, squeeze_binary_scores
from qhybrid_pipelines.learning.circuits.encoded_circuit import encoded_circuit_shape
from qhybrid_pipelines.learning.circuits.gradient_engines import (
    GradientEngine,
    GradientEngineName,
    exact_engine,
    make_gradient_engine,
)
from qhybrid_pipelines.learning.circuits.input_checks import (
    UnusableInput,
    check_angles,
    check_choice,
    check_classes,
    check_positive,
    check_qubit_count,
    check_whole_number,
)
from qhybrid_pipelines.learning.circuits.own_circuit import AnyCircuitShape, OwnCircuitShape
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape
from qhybrid_pipelines.learning.training.stopping_rules import iteration_limit_message
from qhybrid_pipelines.learning.training.trainer import HALF_TURN, Trainer, TrainingConfig
from qhybrid_pipelines.learning.training.training_state import TrainingStep

FITTED_ARRAYS = ("weights", "readout", "bias")


class ReuploadingClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A re-uploading circuit with a trained linear readout of all qubits.

    Two classes share one score, the log-odds of the second; more classes have one score each, from one circuit, and the
    softmax of the scores is their probability.

    Attributes:
        circuit_: the trained circuit with its readout.
        classes_: labels in ascending order.
        history_: one `TrainingStep` per iteration.
        outcome_: why training ended, ``converged`` or ``iteration_limit``.
    """

    entangled: ClassVar[bool]

    def __init__(
        self,
        *,
        n_qubits: int | None = None,
        layers: int = 3,
        learning_rate: float = 0.05,
        batch_size: int = 32,
        max_iterations: int = 1500,
        window: int = 200,
        must_converge: bool = False,
        seed: int = 0,
        engine: GradientEngineName = "adjoint",
        encoding: EncodingName = "angle",
    ) -> None:
        """Keep the settings.

        Args:
            n_qubits: one for each feature where it is None; spare qubits repeat features.
            layers: how often the features are uploaded.
            learning_rate: step of Adam, radians; at most half a turn, beyond which a step says nothing about an angle.
            batch_size: samples per iteration.
            max_iterations: training ends there at the latest.
            window: iterations over which the loss must be flat to end earlier.
            must_converge: raise `NotConverged` where it was not flat at the end; else that is a `ConvergenceWarning`.
            seed: of first parameters and batches.
            engine: ``adjoint``, ``spsa``, ``autograd`` or ``jax``, for training; predictions are always exact.
            encoding: ``angle`` turns each qubit by its feature, ``iqp`` also each pair by the product of theirs, ``amplitude`` begins with the
                sample as the state; by the latter two no qubits can be spare.
        """
        self.n_qubits = n_qubits
        self.layers = layers
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iterations = max_iterations
        self.window = window
        self.must_converge = must_converge
        self.seed = seed
        self.engine = engine
        self.encoding = encoding

    def fit(
        self,
        X: Any,  # noqa: N803  # scikit-learn's name
        y: Any,
        *,
        checkpoint: bytes | None = None,
        engine: GradientEngine | None = None,
        on_iteration: Callable[[TrainingStep, Trainer], None] | None = None,
    ) -> Self:
        """Train.

        One thread serves the small matrix products: it is faster, and the last bits do not depend on the number of cores.

        Args:
            X: shape ``(samples, n_features)``, radians in [-pi/2, pi/2].
            y: labels.
            checkpoint: ``trainer.state.to_bytes()`` of an earlier fit with the same data and settings, to go on from.
            engine: in place of the one that the setting names, for example a `ParameterShiftEngine`.
            on_iteration: called after every iteration, to record it, or to keep the trainer's state.

        Raises:
            InvalidInput: data or settings cannot be used, or the checkpoint is another training's.
            Diverged: the learning rate is too large.
            NotConverged: the loss was not flat at the end, and ``must_converge`` is set.
            CorruptFile: the checkpoint cannot be read.
        """
        trainer = self.make_trainer(X, y, checkpoint=checkpoint, engine=engine)
        with threadpool_limits(limits=1, user_api="blas"):
            for step in trainer.iterations():
                if on_iteration is not None:
                    on_iteration(step, trainer)
        self.take_training(trainer)
        if self.outcome_ == "iteration_limit":
            losses = [step.loss for step in self.history_]
            warnings.warn(iteration_limit_message(losses, self.window), ConvergenceWarning, stacklevel=2)
        return self

    def take_training(self, trainer: Trainer) -> None:
        """Become what a training of `make_trainer` has come to."""
        state = trainer.state
        self.circuit_, self.history_, self.outcome_ = trainer.circuit, state.history, state.outcome
        self.n_iter_ = state.iteration

    def make_trainer(
        self,
        X: Any,  # noqa: N803
        y: Any,
        *,
        checkpoint: bytes | None = None,
        engine: GradientEngine | None = None,
    ) -> Trainer:
        """Return the training that `fit` would run, not begun yet. Sets ``classes_``."""
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite=False)
        check_angles(X, getattr(self, "feature_names_in_", None))
        check_classification_targets(y)
        self.classes_, targets = np.unique(y, return_inverse=True)
        check_classes(self.classes_)
        config = TrainingConfig(
            learning_rate=check_positive("learning_rate", self.learning_rate, at_most=HALF_TURN),
            batch_size=check_whole_number("batch_size", self.batch_size, at_least=1),
            max_iterations=check_whole_number("max_iterations", self.max_iterations, at_least=1),
            window=check_whole_number("window", self.window, at_least=2),
            must_converge=self.must_converge,
            seed=check_whole_number("seed", self.seed, at_least=0),
        )
        shape = self.circuit_shape(X.shape[1])
        if isinstance(shape, OwnCircuitShape) and shape.amplitudes:
            amplitudes(X)  # names a row that has none by its number here; a step knows only its own rows
        return Trainer(
            shape,
            config,
            X,
            targets,
            n_classes=len(self.classes_),
            engine=make_gradient_engine(self.engine, shape) if engine is None else engine,
            checkpoint=checkpoint,
        )

    def circuit_shape(self, n_features: int) -> AnyCircuitShape:
        """Return the circuit for so many features, without training anything.

        Raises:
            UnusableInput: there are more features than qubits, or too many qubits, or spare ones that the encoding cannot use; or
                there is no such encoding.
        """
        check_choice("encoding", self.encoding, get_args(EncodingName))
        layers = check_whole_number("layers", self.layers, at_least=1)
        if self.encoding != "angle":
            shape = encoded_circuit_shape(self.encoding, n_features, layers=layers, entangled=self.entangled)
            if self.n_qubits not in {None, check_qubit_count(shape.n_qubits, None)}:
                raise UnusableInput(
                    f"the encoding {self.encoding} of {n_features} features has {shape.n_qubits} qubits, not {self.n_qubits}",
                    remedy="Leave n_qubits out, or take the encoding angle.",
                    field="n_qubits",
                )
            return shape
        n_qubits = check_qubit_count(n_features, self.n_qubits)
        return CircuitShape(n_features=n_features, n_qubits=n_qubits, layers=layers, entangled=self.entangled)

    def expectations(self, X: Any) -> F64:  # noqa: N803
        """Return the exact <Z> of every qubit, shape ``(samples, n_qubits)``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False, reset=False)
        check_angles(X, getattr(self, "feature_names_in_", None))
        return exact_engine(self.circuit_.shape).expectations(X, self.circuit_.weights)

    def decision_function(self, X: Any) -> F64:  # noqa: N803
        """Return the log-odds of the second class, shape ``(samples,)``; for more classes a score each."""
        expectations = self.expectations(X)
        return squeeze_binary_scores(self.circuit_.scores(expectations))

    def predict_proba(self, X: Any) -> F64:  # noqa: N803
        """Return the probabilities, shape ``(samples, classes)``."""
        expectations = self.expectations(X)
        return probabilities(self.circuit_.scores(expectations))

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Return the most probable label of every sample."""
        return self.labels_from_scores(self.decision_function(X))

    def labels_from_scores(self, scores: F64) -> Any:
        """Return the labels of scores, shaped as `decision_function` gives them; they may come from counts."""
        chosen = (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[chosen]

    def fitted_record(self) -> dict[str, Any]:
        """Return the trained circuit with its readout, ready for JSON."""
        circuit = self.circuit_
        arrays = {part: getattr(circuit, part).tolist() for part in FITTED_ARRAYS}
        return {"shape": asdict(circuit.shape), **arrays}

    def restore_fitted(self, record: Mapping[str, Any]) -> Self:
        """Take back what `fitted_record` returned, ready to predict, without the training history."""
        written = record["shape"]
        shape = OwnCircuitShape.from_record(written) if "text" in written else CircuitShape(**written)
        arrays = {part: np.array(record[part], dtype=np.float64) for part in FITTED_ARRAYS}
        self.circuit_ = TrainedCircuit(shape=shape, **arrays)
        self.n_features_in_ = shape.n_features
        self.classes_ = np.array(record["classes"])
        return self


class VariationalClassifier(ReuploadingClassifier):
    """The re-uploading circuit with entanglement: CNOT rings between the layers."""

    entangled = True


class SeparableClassifier(ReuploadingClassifier):
    """The control without entanglement: the same gates, weights and readout of all qubits, but no CNOT.

    What it achieves needs no quantum computer: its qubits are simulated one by one. A model that does not beat its
    unentangled control owes nothing to entanglement (J. Bowles et al., arXiv:2403.07059).
    """

    entangled = False
