r"""Recursive QAOA: variables are eliminated one after the other along the strongest correlation of an optimised circuit.

In each step the angles are optimised for the mean energy, on the exact state. Of all :math:`\langle Z_i Z_j\rangle` with a coupling and
all :math:`\langle Z_i\rangle` with a field the largest in size is taken at its word: :math:`s_j = \pm s_i`, or :math:`s_i = \pm 1`. What is left
is a smaller model with the same energies, and the next step begins. The last ones are left for a circuit that is run.

Source: S. Bravyi, A. Kliesch, R. Koenig, E. Tang, Phys. Rev. Lett. 125, 260505 (2020), arXiv:1910.08980.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.classical.reduction.substitution import VariableMap, substitute
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.quantum.angle_search import optimise_angles
from qhybrid_pipelines.quantum.exact_state import QaoaState


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """The expectation that a variable is eliminated by.

    Attributes:
        variable: that is eliminated.
        other: that it copies, or None where it becomes a constant.
        value: of the product of both spins, or of the one spin; between -1 and 1.
    """

    variable: int
    other: int | None
    value: float


def eliminate(model: IsingModel, layers: int, *, keep: int) -> tuple[VariableMap, tuple[Correlation, ...]]:
    """Return what at most ``keep`` variables are left of a model, and the correlations in the order in which they were used.

    Args:
        model: narrow enough for its exact state.
        layers: of the circuit that tells the correlations.
        keep: at least 1.
    """
    variables = VariableMap.identity(model.size)
    used: list[Correlation] = []
    while model.size > keep and (len(model.couplings) or model.linear.any()):
        found = strongest_correlation(model, layers)
        used.append(found)
        step = _map_of(found, model.size)
        model, variables = substitute(model, step), variables.compose(step)
    return variables, tuple(used)


def strongest_correlation(model: IsingModel, layers: int) -> Correlation:
    """Return the expectation of largest size at the angles with the lowest mean energy; the first of equal ones."""
    whole = ReducedModel(
        model=model,
        root=np.arange(model.size, dtype=np.int32),
        value=np.zeros(model.size, dtype=np.uint8),
        cardinality=None,
        exact=True,
    )
    angles = optimise_angles(whole, "x", layers, objective="expectation").angles
    pairs, fields = correlations(whole, angles)
    values = np.concatenate([pairs, fields])
    # Symmetric terms differ by rounding alone; which of them is taken must not hang on that.
    first = int(np.argmax(np.round(np.abs(values), 9)))
    if first < len(pairs):
        i, j = model.pairs[first].tolist()
        return Correlation(variable=j, other=i, value=float(values[first]))
    return Correlation(variable=first - len(pairs), other=None, value=float(values[first]))


def correlations(model: ReducedModel, angles: F64) -> tuple[F64, F64]:
    """Return the mean products of the coupled spins, shape ``(m,)``, and the mean spins, shape ``(n,)``; 0 where there is no field."""
    ising = model.model
    probabilities = QaoaState(model, "x").mean_energy.probabilities(angles)
    words = np.arange(len(probabilities))
    spins = 1.0 - 2.0 * ((words[:, None] >> np.arange(ising.size)) & 1)
    pairs = np.array([np.sum(probabilities * spins[:, i] * spins[:, j]) for i, j in ising.pairs.tolist()])
    # Without any field half of the outcomes stand for all, and every mean spin is 0.
    return pairs, np.where(ising.linear != 0, probabilities @ spins, 0.0)


def _map_of(found: Correlation, size: int) -> VariableMap:
    """Return the map that takes a correlation at its word."""
    negative = int(found.value < 0)
    if found.other is None:
        return VariableMap.from_constants(size, {found.variable: negative})
    source, value = np.arange(size, dtype=np.int32), np.zeros(size, dtype=np.uint8)
    source[found.variable], value[found.variable] = found.other, negative
    return VariableMap.from_sources(source, value)
