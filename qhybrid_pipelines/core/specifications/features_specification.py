"""What is done to the features of a learning experiment: the section ``features``.

It follows the conventions of `core.specifications.experiment_specification`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from qhybrid_pipelines.core.specifications.strict_model import StrictModel

EncodingName = Literal["angle", "iqp", "amplitude"]

#: One qubit a feature; a training step simulates every sample, so it gets narrower than a sweep may be.
MAX_LEARNING_QUBITS = 16

#: Features that amplitudes encode: the gates that prepare a state grow with their number, not with that of the qubits.
MAX_AMPLITUDES = 256


class FeaturesSpec(StrictModel):
    """What is done to the features, fitted on the training rows of each fold only."""

    pca: int | None = Field(
        default=4,
        ge=1,
        le=MAX_AMPLITUDES,
        description="Principal components after scaling, at most 16, one qubit each (with encoding amplitude 256); null sends every column to a qubit.",
    )
    encoding: EncodingName | None = Field(
        default=None,
        description="angle (a rotation for each feature) | iqp (also for the product of each pair) | amplitude (the row, with length 1, is the state); if not given angle, and iqp for the kernel.",
    )

    @model_validator(mode="after")
    def _components_fit_on_qubits(self) -> FeaturesSpec:
        low, high = (2, MAX_AMPLITUDES) if self.encoding == "amplitude" else (1, MAX_LEARNING_QUBITS)
        if self.pca is not None and not low <= self.pca <= high:
            raise PydanticCustomError(
                "components",
                "this must be at least {low} and at most {high}",
                {"field": "pca", "low": low, "high": high},
            )
        return self

    @model_serializer(mode="wrap")
    def _omit_later_fields(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what nobody chose, so that experiments keep the keys they had before there was a choice."""
        return {name: value for name, value in serialise(self).items() if name != "encoding" or value is not None}
