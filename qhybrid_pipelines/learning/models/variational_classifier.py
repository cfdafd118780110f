"""The variational classifier: features uploaded in every layer, CNOT rings between, all qubits measured."""

from __future__ import annotations

from qhybrid_pipelines.learning.models.reuploading_classifier import ReuploadingClassifier


class VariationalClassifier(ReuploadingClassifier):
    """The re-uploading circuit with entanglement; settings and methods are the parent's."""

    entangled = True
