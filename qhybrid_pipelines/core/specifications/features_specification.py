"""What is done to the features of a learning experiment: the section ``features``.

It follows the conventions of `core.specifications.experiment_specification`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from qhybrid_pipelines.core.specifications.strict_model import StrictModel

EncodingName = Literal["angle", "iqp"]

#: One qubit a feature; a training step simulates every sample, so it gets narrower than a sweep may be.
MAX_LEARNING_QUBITS = 16


class FeaturesSpec(StrictModel):
    """What is done to the features, fitted on the training rows of each fold only."""

    pca: int | None = Field(
        default=4,
        ge=1,
        le=MAX_LEARNING_QUBITS,
        description="Principal components after scaling, one qubit each; null sends every column to a qubit.",
    )
    encoding: EncodingName | None = Field(
        default=None,
        description="angle (a rotation for each feature) | iqp (also for the product of each pair); if not given angle, and iqp for the kernel.",
    )

    @model_serializer(mode="wrap")
    def _omit_later_fields(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what nobody chose, so that experiments keep the keys they had before there was a choice."""
        return {name: value for name, value in serialise(self).items() if name != "encoding" or value is not None}
