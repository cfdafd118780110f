"""Features: numbers computed from an instance, the same for the same instance, for later stages and analysts."""

from __future__ import annotations

from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.problems.family import Family
from qhybrid_pipelines.problems.instance import Instance

#: Features of the model have this prefix, those of the family have none.
MODEL_PREFIX = "ising_"


def feature_rows(family: Family, instance: Instance) -> list[dict[str, Any]]:
    """Return the rows of the table `features`, without their experiment: the family's numbers, and the model's."""
    of_model = {
        f"{MODEL_PREFIX}{name}": value for name, value in model_features(family.penalised_model(instance).model).items()
    }
    found = family.features(instance) | of_model
    return [{"instance": instance.name, "feature": name, "value": float(found[name])} for name in sorted(found)]


def model_features(model: IsingModel) -> dict[str, float]:
    """Return sizes, degrees and scales of an Ising model of any family; 0 where there is nothing to measure.

    Terms of more than two spins are counted as ``products``, where there are any.
    """
    n, m, weights = model.size, len(model.pairs), model.products.weights
    degrees = np.bincount(model.pairs.ravel(), minlength=n)
    found = {
        "variables": float(n),
        "couplings": float(m),
        "density": 2.0 * m / (n * (n - 1)) if n > 1 else 0.0,
        "degree_mean": 2.0 * m / n if n else 0.0,
        "degree_max": float(degrees.max(initial=0)),
        "field_rms": _rms(model.linear),
        "coupling_rms": _rms(model.couplings),
        # Standard deviation of the energy of a uniform random assignment, see `classical.better_than_random`.
        "energy_deviation": float(
            np.sqrt(sum(np.square(part).sum() for part in (model.linear, model.couplings, weights)))
        ),
    }
    return found if model.is_quadratic else found | {"products": float(len(model.products))}


def _rms(values: F64) -> float:
    return float(np.sqrt(np.square(values).mean())) if len(values) else 0.0
