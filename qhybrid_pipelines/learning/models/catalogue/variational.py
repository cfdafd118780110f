"""The variational classifier."""

from __future__ import annotations

from typing import Any

from qhybrid_pipelines.learning.models.catalogue._reuploading import ReuploadingModel


class Variational(ReuploadingModel):
    """A re-uploading circuit with entanglement."""

    name = "variational"
    description = (
        "A data re-uploading circuit: features and trained rotations in every layer, rings of CNOTs between, "
        "all qubits measured, and a trained linear readout of their expectations."
    )
    unentangled_control = "separable"

    def classifier(self) -> type[Any]:
        """Return its scikit-learn class."""
        from qhybrid_pipelines.learning.models.reuploading_classifier import VariationalClassifier

        return VariationalClassifier


MODEL = Variational()
