"""Which mixer a reduced model gets."""

from __future__ import annotations

from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import Mixer
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec


def choose_mixer(reduced_model: ReducedModel, spec: ExperimentSpec) -> Mixer:
    """Return the mixer of an experiment; ``auto`` keeps the number of ones where the reduced model demands one.

    Raises:
        InvalidInput: ``xy`` was asked for, and the reduced model has no cardinality; or ``warm_start``, and it has products of more than
            two variables.
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
    if spec.ansatz.mixer == "warm_start" and not reduced_model.model.is_quadratic:
        raise InvalidInput(
            "a warm start relaxes products of two variables, and this problem has products of more",
            remedy="Use mixer: x, or auto.",
            field="ansatz.mixer",
        )
    return spec.ansatz.mixer
