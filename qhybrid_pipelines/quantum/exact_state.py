"""The exact state of a QAOA circuit of one reduced model: energies, probabilities, and the gradients of objectives.

Where all terms have an even number of spins complements keep equal amplitudes; then half of the outcomes stand for all. With the ring mixer only the outcomes
with the model's number of ones are held. Wide states are computed by compiled loops where the extra ``fast`` is
installed, a few times as fast and equal to within rounding.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.jobs.circuit_jobs import Mixer
from qhybrid_pipelines.quantum.simulation.diagonal_qaoa import can_compile
from qhybrid_pipelines.quantum.simulation.qaoa_gradient import (
    Generator,
    Objective,
    QaoaGradient,
    RingGenerator,
    XGenerator,
)
from qhybrid_pipelines.quantum.simulation.qaoa_phases import Phases
from qhybrid_pipelines.quantum.simulation.quadratic_phases import QuadraticPhases
from qhybrid_pipelines.quantum.simulation.ring_mixer import outcomes_with_ones
from qhybrid_pipelines.quantum.simulation.warm_start import WarmGenerator, warm_start_turns

#: Most outcomes of a narrow model, which is never worth compiling for.
NARROW_OUTCOMES = 1 << 12
#: One period of beta, radians: a half turn flips every qubit, which only a model without fields does not notice.
BETA_PERIODS = {"mirrored": (-np.pi / 2, 0.0), "x": (-np.pi / 2, np.pi / 2), "xy": (-np.pi, np.pi)}


class Gradient(Protocol):
    """An objective of one model's states; for one thread."""

    def __call__(self, angles: F64, /) -> tuple[float, F64]:
        """Return the objective and its gradient, shape ``(2 p,)``, for angles with gammas first, in radians."""

    def probabilities(self, angles: F64, /) -> F64:
        """Return the probabilities of the outcomes, which add up to 1."""


class QaoaState:
    """The outcomes that one mixer works on.

    Args:
        model: with at least one variable; its ``2**n`` energies, or those with its number of ones, are held in memory.
        mixer: its name.

    Attributes:
        energies: shape ``(outcomes,)``, in the model's units.
        betas: one period, radians.
        compiled: whether compiled loops compute it.
        cardinality: number of ones of every outcome, None where any occur.
    """

    def __init__(self, model: ReducedModel, mixer: Mixer) -> None:
        self._model = ising = model.model
        self.cardinality = ones = model.cardinality if mixer == "xy" else None
        self._mirrored = mirrored = mixer == "x" and ising.size > 1 and ising.is_mirrored
        self._warm = mixer == "warm_start"
        energies = ising.diagonal
        if ones is not None:
            self.energies = energies[outcomes_with_ones(ones, ising.size).astype(np.intp)]
            self.betas = BETA_PERIODS["xy"]
        else:
            self.energies = energies[: len(energies) // (1 + mirrored)]
            self.betas = BETA_PERIODS["mirrored" if mirrored else "x"]
        self._wide = len(self.energies) > NARROW_OUTCOMES
        self.compiled = self._wide and not self._warm and can_compile()

    def gradient(self, objective: Objective) -> Gradient:
        """Return what gives an objective and its gradient for angles; for one thread."""
        if self.compiled and self.cardinality is None:
            from qhybrid_pipelines.quantum.simulation.qaoa_gradient_numba import CompiledQaoaGradient

            return CompiledQaoaGradient(self._phases, objective)
        generator = self._generator
        start = generator.start if isinstance(generator, WarmGenerator) else None
        return QaoaGradient(self.energies, generator, objective, write_phases=self._write_phases, start=start)

    @cached_property
    def _phases(self) -> Phases:
        return Phases(self._model.diagonal - self.energies.mean(), mirrored=self._mirrored)

    @cached_property
    def _generator(self) -> Generator:
        qubits = self._model.size
        if self.cardinality is not None and self.compiled:
            from qhybrid_pipelines.quantum.simulation.ring_mixer_numba import CompiledRingGenerator

            return CompiledRingGenerator(ones=self.cardinality, qubits=qubits)
        if self.cardinality is not None:
            return RingGenerator(ones=self.cardinality, qubits=qubits)
        if self._warm:
            return WarmGenerator(warm_start_turns(self._model))
        return XGenerator(qubits - self._mirrored, mirrored=self._mirrored)

    @cached_property
    def _write_phases(self) -> QuadraticPhases | None:
        if not self._wide or self.cardinality is not None or not self._model.is_quadratic:
            return None
        return QuadraticPhases(self._model, kept=self._model.size - self._mirrored, origin=float(self.energies.mean()))

    @cached_property
    def mean_energy(self) -> Gradient:
        """The mean energy of all shots and its gradient."""
        return self.gradient(lambda probabilities: (float(np.sum(probabilities * self.energies)), self.energies))
