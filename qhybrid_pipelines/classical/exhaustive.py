"""The exact optimum of a small model, read off its diagonal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.energy_resolution import energy_resolution
from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel

#: Above this the diagonal takes more than 8 MiB and enumeration is no longer a matter of milliseconds.
MAX_VARIABLES = 20


def all_outcomes(width: int, cardinality: int | None = None) -> U64:
    """Return all packed words of ``width`` bits in ascending order; only those with ``cardinality`` ones if given."""
    words = np.arange(1 << width, dtype=np.uint64)
    return words if cardinality is None else words[np.bitwise_count(words) == cardinality]


def find_minimum(model: IsingModel, cardinality: int | None = None) -> tuple[int, float]:
    """Return the outcome of the lowest energy and that energy.

    Of several outcomes that are equal up to rounding the smallest word is returned.

    Args:
        model: at most :data:`MAX_VARIABLES` variables, may be none.
        cardinality: only outcomes with that many ones count.

    Raises:
        ValueError: the model is too large to be enumerated, or no outcome has that many ones.
    """
    if model.size > MAX_VARIABLES:
        raise ValueError(f"{model.size} variables are too many to be enumerated, at most {MAX_VARIABLES}")
    words = all_outcomes(model.size, cardinality)
    if not len(words):
        raise ValueError(f"no outcome of {model.size} bits has {cardinality} ones")
    energies = model.diagonal[words.astype(np.int64)]
    first = int(np.argmax(is_minimum(model, energies, float(energies.min()))))
    return int(words[first]), float(energies[first])


def is_minimum(model: IsingModel, energies: F64, lowest: float) -> npt.NDArray[np.bool_]:
    """Return which energies equal ``lowest`` up to rounding."""
    return np.asarray(energies <= lowest + energy_resolution(model), dtype=np.bool_)
