"""How the circuits of a learning experiment are trained: the section ``training``.

It follows the conventions of `core.specifications.experiment_specification`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from qhybrid_pipelines.core.specifications.experiment_specification import BACKEND_PATTERN
from qhybrid_pipelines.core.specifications.strict_model import StrictModel

OptimiserName = Literal["adam", "spsa"]

#: Training on a backend, where a specification says nothing else.
USUAL_LOOP: Mapping[str, Any] = {"shots": 256, "iterations": 20, "optimiser": "adam"}


class TrainingSpec(StrictModel):
    """The circuits that are trained, where and how; the settings that are not searched for."""

    layers: int = Field(default=3, ge=1, le=16, description="Layers of the circuit, the data uploaded in each.")
    epochs: int = Field(default=30, ge=1, le=10_000, description="Most passes over the training rows.")
    learning_rate: float = Field(default=0.05, gt=0, le=1, description="Step size of Adam, in radians.")
    batch_size: int = Field(default=32, ge=1, le=4096, description="Rows per step.")
    window: int = Field(
        default=100, ge=2, le=10_000, description="Steps over which the loss must be flat for training to end earlier."
    )
    must_converge: bool = Field(
        default=False, description="true: a training whose loss is not flat at its end is an error."
    )
    backend: Annotated[str, Field(pattern=BACKEND_PATTERN)] | None = Field(
        default=None,
        description="provider:backend whose shots the circuits are trained with, step by step; null trains exactly, on this machine.",
    )
    shots: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="For backend: shots per circuit of a step; if not given 256."
    )
    iterations: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="For backend, in place of epochs: steps, each one batch of circuits; if not given 20."
    )
    optimiser: OptimiserName | None = Field(
        default=None,
        description="adam (gradients; on a backend by parameter shift, 2 circuits per weight and row) | spsa (2 circuits per row); if not given adam.",
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_loop(cls, value: Any) -> Any:
        """Write out what a training on a backend takes where it does not say it."""
        if isinstance(value, Mapping) and value.get("backend") is not None:
            return {**value, **{name: usual for name, usual in USUAL_LOOP.items() if value.get(name) is None}}
        return value

    @model_validator(mode="after")
    def _loop_is_whole(self) -> TrainingSpec:
        if self.backend is None:
            named = next((name for name in ("shots", "iterations") if getattr(self, name) is not None), None)
            if named is not None:
                raise PydanticCustomError(
                    "exact_training",
                    "{name} is for training on a backend, and none is named; add training.backend, or leave it out",
                    {"field": named, "name": named},
                )
        elif self.must_converge:
            raise PydanticCustomError(
                "paid_convergence",
                "a training that was paid for is judged as it ended; leave must_converge out, and say how many iterations",
                {"field": "must_converge"},
            )
        return self

    @model_serializer(mode="wrap")
    def _omit_later_fields(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what an exact training does not have, so that experiments keep the keys they had before there was a choice."""
        fields: dict[str, Any] = serialise(self)
        return {k: v for k, v in fields.items() if v is not None or k not in ("backend", *USUAL_LOOP)}
