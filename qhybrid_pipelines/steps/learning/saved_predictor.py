"""A trained model as it is kept: its feature chain and the fitted circuit, loaded back from JSON, never from pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.learning.data.dataset import I64
from qhybrid_pipelines.learning.data.feature_pipeline import FeaturePipeline
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Raw rows in, class indices out.

    Attributes:
        reduction: from columns to the angles of the circuit.
        estimator: the fitted model, of `quantum.learning`.
    """

    reduction: FeaturePipeline
    estimator: Any

    def predict(self, rows: F64) -> I64:
        """Return the class index of each row, shape ``(rows, columns)`` in the order of the data set's columns."""
        predicted: I64 = self.estimator.predict(self.reduction.transform(rows))
        return predicted


def predictor_to_json(run: Mapping[str, Any]) -> str:
    """Return what has to be kept of a row of `qml_models` to predict again."""
    return canonical_json({"reduction": json.loads(run["reduction"]), "model": json.loads(run["saved_model"])})


def predictor_from_json(text: str, *, name: str = "model") -> Predictor:
    """Return the predictor that `predictor_to_json` wrote down; the same rows give the same classes.

    Raises:
        CorruptFile: it is not such a text.
    """
    from qhybrid_pipelines.learning.models.saved_models import model_from_bytes

    try:
        record = json.loads(text)
        reduction = FeaturePipeline.from_dict(record["reduction"])
        saved = canonical_json(record["model"]).encode()
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFile(name, f"not a saved model: {error}", remedy="Save the model again.") from None
    return Predictor(reduction=reduction, estimator=model_from_bytes(saved, name=name))


def load_predictor(lake: Lake, experiment: str, model: str, *, repeat: int = 0, fold: int = 0) -> Predictor:
    """Return a trained circuit of an experiment, ready to predict.

    Raises:
        MissingUpstream: the experiment was not trained.
        InvalidInput: it has no such circuit.
    """
    table = lake.read(schemas.QML_MODELS, PartitionKey(experiment=experiment))
    wanted = {"model": model, "repeat": repeat, "fold": fold, "purpose": "comparison"}
    for run in table.to_pylist():
        if run["saved_model"] is not None and wanted.items() <= run.items():
            return predictor_from_json(predictor_to_json(run))
    raise InvalidInput(
        f"experiment {experiment} has no circuit {model!r} of repeat {repeat}, fold {fold}",
        remedy="qml_models lists those that it has; classical models are not saved.",
    )
