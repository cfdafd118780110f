"""The control without entanglement: the same gates, weights and readout of all qubits, but no CNOT.

What it achieves needs no quantum computer: its qubits are simulated one by one. A model that does not beat its unentangled control owes
nothing to entanglement (J. Bowles et al., arXiv:2403.07059).
"""

from __future__ import annotations

from qhybrid_pipelines.learning.models.reuploading_classifier import ReuploadingClassifier


class SeparableClassifier(ReuploadingClassifier):
    """The re-uploading circuit without its CNOTs; settings and methods are the parent's."""

    entangled = False
