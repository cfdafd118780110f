"""A circuit that somebody wrote as the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from qhybrid_pipelines.learning.models.catalogue._reuploading import ReuploadingModel
from qhybrid_pipelines.learning.models.trainable_model import ModelRequest


class OwnCircuit(ReuploadingModel):
    """The circuit that a specification names, trained and read like the built-in ones."""

    name = "own_circuit"
    description = (
        "The circuit of a file: those of its inputs that are features turn with the data, the others are trained, all qubits are "
        "measured, and a trained linear readout takes their expectations."
    )
    unentangled_control = "own_circuit_separable"
    needs_circuit = True

    def classifier(self) -> type[Any]:
        """Return its scikit-learn class."""
        from qhybrid_pipelines.learning.models.own_circuit_classifier import OwnCircuitClassifier

        return OwnCircuitClassifier

    def circuit(self, request: ModelRequest) -> Mapping[str, Any]:
        """Return the circuit of the file."""
        assert request.circuit is not None, "a specification that names this model names a circuit"
        return {"circuit": asdict(request.circuit)}


MODEL = OwnCircuit()
