"""The control of a circuit that somebody wrote: the same circuit without entanglement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from qhybrid_pipelines.learning.models.catalogue._reuploading import ReuploadingModel
from qhybrid_pipelines.learning.models.trainable_model import ModelRequest


class OwnCircuitSeparable(ReuploadingModel):
    """The circuit of a file, written out, without its gates on several qubits."""

    name = "own_circuit_separable"
    description = (
        "The circuit of the file without its gates on several qubits. Its qubits can be simulated one by one, so what it reaches "
        "needs no quantum computer."
    )
    side = "unentangled_control"
    needs_circuit = True

    def classifier(self) -> type[Any]:
        """Return its scikit-learn class."""
        from qhybrid_pipelines.learning.models.own_circuit_classifier import OwnCircuitSeparableClassifier

        return OwnCircuitSeparableClassifier

    def circuit(self, request: ModelRequest) -> Mapping[str, Any]:
        """Return what is left of the circuit of the file."""
        assert request.circuit is not None, "a specification that names this model names a circuit"
        return {"circuit": asdict(request.circuit.without_entanglement())}


MODEL = OwnCircuitSeparable()
