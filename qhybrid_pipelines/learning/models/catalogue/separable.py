"""The control of the variational classifier: the same circuit without entanglement."""

from __future__ import annotations

from typing import Any

from qhybrid_pipelines.learning.models.catalogue._reuploading import ReuploadingModel


class Separable(ReuploadingModel):
    """A re-uploading circuit without its CNOTs."""

    name = "separable"
    description = (
        "The same circuit without its CNOTs. Its qubits can be simulated one by one, so what it reaches needs no "
        "quantum computer."
    )
    side = "unentangled_control"

    def classifier(self) -> type[Any]:
        """Return its scikit-learn class."""
        from qhybrid_pipelines.learning.models.reuploading_classifier import SeparableClassifier

        return SeparableClassifier


MODEL = Separable()
