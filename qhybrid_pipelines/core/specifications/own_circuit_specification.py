"""The user's circuit that a learning experiment trains: the section ``circuit``.

It follows the conventions of `core.specifications.experiment_specification`.
"""

from __future__ import annotations

from pydantic import Field, field_validator

from qhybrid_pipelines.core.specifications.strict_model import (
    NamedFile,
    StrictModel,
    each_entry_once,
    list_as_tuple,
)

#: The model that a specification names with the circuit that it is.
OWN_CIRCUIT = "own_circuit"


class OwnCircuitSpec(StrictModel):
    """A circuit of your own as the model, and what its inputs are."""

    file: NamedFile = Field(description="Path of an OpenQASM 2 or 3 file (relative to this file).")
    data: tuple[str, ...] = Field(
        min_length=1, description="Its inputs that are features, in their order; radians in [-pi/2, pi/2]."
    )
    weights: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Its inputs that are trained; null is all others."
    )

    _lists_are_tuples = field_validator("data", "weights", mode="before")(list_as_tuple)

    _entries_are_distinct = field_validator("data", "weights")(each_entry_once)
