"""Which mixer a reduced model gets."""

from __future__ import annotations

from typing import Literal

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.reduced_model import ReducedModel
from qhybrid_pipelines.core.specification import ExperimentSpec


def choose_mixer(reduced_model: ReducedModel, spec: ExperimentSpec) -> Literal["x", "xy"]:
    """Return the mixer of an experiment; ``auto`` keeps the number of ones where the reduced model demands one.

    Raises:
        InvalidInput: ``xy`` was asked for, and the reduced model has no cardinality.
    """
    ones = reduced_model.cardinality
    if spec.ansatz.mixer == "auto":
        return "xy" if ones is not None and 0 < ones < reduced_model.size else "x"
    if spec.ansatz.mixer == "xy" and ones is None:
        raise InvalidInput(
            "the xy mixer keeps the number of ones, and this problem does not fix one",
            remedy="Use mixer: x, or auto.",
            field="ansatz.mixer",
        )
    return spec.ansatz.mixer
