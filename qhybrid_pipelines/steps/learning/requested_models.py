"""What a learning experiment says about its models, with the circuit that it names."""

from __future__ import annotations

from qhybrid_pipelines.core.specifications.experiment_specification import FileSource
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.models.trainable_model import ModelRequest
from qhybrid_pipelines.storage.specifications import Specifications


def model_request(spec: LearningSpec, specifications: Specifications) -> ModelRequest:
    """Return what the models of an experiment are built from.

    Raises:
        InvalidInput: the circuit cannot be trained, which registration has ruled out.
        CorruptFile: the kept copy of the circuit is gone or changed.
    """
    if spec.circuit is None:
        return ModelRequest(training=spec.training, encoding=spec.features.encoding)
    from qhybrid_pipelines.learning.circuits.own_circuit import read_own_circuit

    source = spec.circuit.file
    assert isinstance(source, FileSource), "a registered specification names files by their hash"
    shape = read_own_circuit(
        specifications.read_source_file(source),
        file=source.file,
        data=spec.circuit.data,
        weights=spec.circuit.weights,
    )
    return ModelRequest(training=spec.training, circuit=shape, encoding=spec.features.encoding)
