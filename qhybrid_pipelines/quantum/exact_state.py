"""The exact state of a QAOA circuit of one reduced model: energies, probabilities, and the gradients of objectives.

Without fields complements keep equal amplitudes; then half of the outcomes stand for all. With the ring mixer only the outcomes
with the model's number of ones are held.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np

from qhybrid_pipelines.core.reduced_model import ReducedModel
from qhybrid_pipelines.quantum.simulation.qaoa_gradient import (
    Generator,
    Objective,
    QaoaGradient,
    RingGenerator,
    XGenerator,
)
from qhybrid_pipelines.quantum.simulation.ring_mixer import outcomes_with_ones

Mixer = Literal["x", "xy"]

#: One period of beta, radians: a half turn flips every qubit, which only a model without fields does not notice.
BETA_PERIODS = {"mirrored": (-np.pi / 2, 0.0), "x": (-np.pi / 2, np.pi / 2), "xy": (-np.pi, np.pi)}


class QaoaState:
    """The outcomes that one mixer works on.

    Args:
        model: with at least one variable; its ``2**n`` energies, or those with its number of ones, are held in memory.
        mixer: ``x`` or ``xy``.

    Attributes:
        energies: shape ``(outcomes,)``, in the model's units.
        betas: one period, radians.
        cardinality: number of ones of every outcome, None where any occur.
    """

    def __init__(self, model: ReducedModel, mixer: Mixer) -> None:
        ising = model.model
        self.cardinality = ones = model.cardinality if mixer == "xy" else None
        energies = ising.diagonal
        self._generator: Generator
        if ones is not None:
            self.energies = energies[outcomes_with_ones(ones, ising.size).astype(np.intp)]
            self._generator = RingGenerator(ones=ones, qubits=ising.size)
            self.betas = BETA_PERIODS["xy"]
        else:
            mirrored = ising.size > 1 and not ising.linear.any()
            self.energies = energies[: len(energies) // (1 + mirrored)]
            self._generator = XGenerator(ising.size - mirrored, mirrored=mirrored)
            self.betas = BETA_PERIODS["mirrored" if mirrored else "x"]

    def gradient(self, objective: Objective) -> QaoaGradient:
        """Return what gives an objective and its gradient for angles; for one thread."""
        return QaoaGradient(self.energies, self._generator, objective)

    @cached_property
    def mean_energy(self) -> QaoaGradient:
        """The mean energy of all shots and its gradient."""
        return self.gradient(lambda probabilities: (float(np.sum(probabilities * self.energies)), self.energies))
