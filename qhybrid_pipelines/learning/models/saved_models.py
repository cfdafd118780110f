"""Fitted models as JSON, and back with the same predictions bit by bit; never pickle, which runs what it loads."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.learning.models.registry import all_models
from qhybrid_pipelines.learning.models.trainable_model import SavedClassifier
from qhybrid_pipelines.learning.training.checksummed_json import add_checksum, verify_checksum

#: Version of the format.
FORMAT_VERSION = 1
SAVE_AGAIN_REMEDY = "Save the model again."


def model_to_bytes(model: SavedClassifier) -> bytes:
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
        **model.fitted_record(),
    }
    return add_checksum(record)


def model_from_bytes(data: bytes, *, name: str = "model") -> Any:
    """Return the model of :func:`model_to_bytes`, ready to predict, without its training history.

    Args:
        data: the JSON.
        name: what people call the file.

    Raises:
        CorruptFile: the bytes are not a whole model of this format.
    """
    record = verify_checksum(data, name=name, remedy=SAVE_AGAIN_REMEDY)
    known = (model.classifier() for model in all_models().values())
    classifiers = {(FORMAT_VERSION, classifier.__name__): classifier for classifier in known}
    try:
        model = classifiers[record["format"], record["model"]](**record["settings"]).restore_fitted(record)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFile(name, f"not a saved model: {error}", remedy=SAVE_AGAIN_REMEDY) from None
    if record["feature_names"]:
        model.feature_names_in_ = np.array(record["feature_names"], dtype=object)
    return model


def _to_python_number(value: Any) -> Any:
    """Return a setting as Python's own number, where a search has drawn it from an array."""
    return value.item() if isinstance(value, np.generic) else value
