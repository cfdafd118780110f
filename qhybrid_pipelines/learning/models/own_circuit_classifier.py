"""The classifier of a circuit that somebody wrote, and its unentangled control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from qhybrid_pipelines.learning.circuits.input_checks import UnusableInput
from qhybrid_pipelines.learning.circuits.own_circuit import OwnCircuitShape
from qhybrid_pipelines.learning.models.reuploading_classifier import ReuploadingClassifier


class OwnCircuitClassifier(ReuploadingClassifier):
    """A circuit from a file with a trained linear readout of all qubits."""

    entangled = True

    def __init__(
        self,
        *,
        circuit: Mapping[str, Any],
        learning_rate: float = 0.05,
        batch_size: int = 32,
        max_iterations: int = 1500,
        window: int = 200,
        must_converge: bool = False,
        seed: int = 0,
        engine: Literal["adjoint", "spsa"] = "adjoint",
    ) -> None:
        """Keep the settings.

        Args:
            circuit: an `OwnCircuitShape` as ``dataclasses.asdict`` writes it.
            learning_rate: as in `ReuploadingClassifier`, and so are the others.
            batch_size: samples per iteration.
            max_iterations: training ends there at the latest.
            window: iterations over which the loss must be flat to end earlier.
            must_converge: raise `NotConverged` where it was not flat at the end.
            seed: of first parameters and batches.
            engine: for training.
        """
        self.circuit = circuit
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iterations = max_iterations
        self.window = window
        self.must_converge = must_converge
        self.seed = seed
        self.engine = engine

    def circuit_shape(self, n_features: int) -> OwnCircuitShape:
        """Return the circuit.

        Raises:
            UnusableInput: it takes another number of features.
        """
        shape = OwnCircuitShape.from_record(self.circuit)
        if n_features != shape.n_features:
            raise UnusableInput(
                f"the circuit takes {shape.n_features} features, and there are {n_features}",
                remedy="Name as many inputs in circuit.data as there are features, or set features.pca.",
                field="circuit.data",
            )
        return shape


class OwnCircuitSeparableClassifier(OwnCircuitClassifier):
    """The control without entanglement: it is given the circuit without its gates on several qubits."""

    entangled = False
