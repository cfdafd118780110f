"""Fitted models as JSON, and back with the same predictions bit by bit; never pickle, which runs what it loads."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.learning.circuits.readout import TrainedCircuit
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape
from qhybrid_pipelines.learning.models.quantum_kernel import QuantumKernelClassifier
from qhybrid_pipelines.learning.models.reuploading_classifier import ReuploadingClassifier
from qhybrid_pipelines.learning.models.separable_classifier import SeparableClassifier
from qhybrid_pipelines.learning.models.variational_classifier import VariationalClassifier
from qhybrid_pipelines.learning.training.checksummed_json import add_checksum, verify_checksum

#: Version of the format.
FORMAT_VERSION = 1
SAVE_AGAIN_REMEDY = "Save the model again."

Model = ReuploadingClassifier | QuantumKernelClassifier
_MODELS: dict[tuple[int, str], type[Model]] = {
    (FORMAT_VERSION, model.__name__): model
    for model in (VariationalClassifier, SeparableClassifier, QuantumKernelClassifier)
}


def model_to_bytes(model: Model) -> bytes:
    """Return a fitted model as JSON.

    A variational model is its circuit; a kernel model is the samples it was fitted on, which are part of it, so it may not be
    shown to people who must not see them.

    Raises:
        sklearn.exceptions.NotFittedError: the model is not fitted.
    """
    check_is_fitted(model)
    record: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "model": type(model).__name__,
        "settings": {name: _to_python_number(value) for name, value in model.get_params().items()},
        "classes": model.classes_.tolist(),
        "feature_names": list(getattr(model, "feature_names_in_", [])),
    }
    if isinstance(model, ReuploadingClassifier):
        circuit = model.circuit_
        record |= {
            "shape": asdict(circuit.shape),
            "weights": circuit.weights.tolist(),
            "readout": circuit.readout.tolist(),
            "bias": circuit.bias.tolist(),
        }
    else:
        record |= {"samples": model.samples_.tolist(), "labels": model.labels_.tolist()}
    return add_checksum(record)


def model_from_bytes(data: bytes, *, name: str = "model") -> Model:
    """Return the model of :func:`model_to_bytes`, ready to predict; a history of its training it has no longer.

    Args:
        data: the JSON.
        name: what people call the file.

    Raises:
        CorruptFile: the bytes are not a whole model of this format.
    """
    record = verify_checksum(data, name=name, remedy=SAVE_AGAIN_REMEDY)
    try:
        model = _MODELS[record["format"], record["model"]](**record["settings"])
        if isinstance(model, QuantumKernelClassifier):
            # The machine's solver is deterministic, so the same samples give the same machine.
            model.fit(np.array(record["samples"]), np.array(record["labels"]))
        else:
            shape = CircuitShape(**record["shape"])
            arrays = {part: np.array(record[part], dtype=np.float64) for part in ("weights", "readout", "bias")}
            model.circuit_ = TrainedCircuit(shape=shape, **arrays)
            model.n_features_in_ = shape.n_features
            model.classes_ = np.array(record["classes"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFile(name, f"not a saved model: {error}", remedy=SAVE_AGAIN_REMEDY) from None
    if record["feature_names"]:
        model.feature_names_in_ = np.array(record["feature_names"], dtype=object)
    return model


def _to_python_number(value: Any) -> Any:
    """Return a setting as Python's own number, where a search has drawn it from an array."""
    return value.item() if isinstance(value, np.generic) else value
