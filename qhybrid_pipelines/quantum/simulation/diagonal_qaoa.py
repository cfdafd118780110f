"""QAOA from its structure: which mixer simulates it, and the probabilities that the mixer gives, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Protocol

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import QaoaStructure
from qhybrid_pipelines.quantum.simulation.qaoa_phases import Phases
from qhybrid_pipelines.quantum.simulation.ring_mixer import RingMixer, outcomes_with_ones
from qhybrid_pipelines.quantum.simulation.sampling import OutcomesFromUniforms, outcomes_from_uniforms
from qhybrid_pipelines.quantum.simulation.warm_start import WarmMixer, warm_start_turns
from qhybrid_pipelines.quantum.simulation.x_mixer import XMixer


class Mixer(Protocol):
    """What gives the probabilities of up to ``points`` points; for one thread."""

    @property
    def points(self) -> int:
        """Most points of a call."""

    def __call__(self, angles: F64) -> F64:
        """Return the probabilities of every point, shape ``(points, outcomes)``."""


def can_compile() -> bool:
    """Tell whether numba is there and finds a place for its cache; without one it refuses to work."""
    try:
        import_module("qhybrid_pipelines.quantum.simulation.x_mixer_numba")
    except (ImportError, RuntimeError):
        return False
    return True


def prepare_mixer(structure: QaoaStructure, *, compiled: bool) -> tuple[U64 | None, Callable[[], Mixer]]:
    """Return the packed outcomes (None for all of them), and what makes a mixer for a thread."""
    model = structure.model
    energies = model.diagonal - model.offset
    ones = structure.cardinality
    if structure.mixer == "xy" and ones is not None:
        outcomes = outcomes_with_ones(ones, model.size)
        ring_energies = energies[outcomes.astype(np.intp)]
        return outcomes, lambda: RingMixer(ring_energies, ones=ones, n=model.size)
    if structure.mixer == "warm_start":
        turns = warm_start_turns(model)
        return None, lambda: WarmMixer(energies, turns)
    # A single qubit has no second one to join complements.
    phases = Phases(energies, mirrored=model.size > 1 and model.is_mirrored)
    if not compiled:
        return None, lambda: XMixer(phases)
    from qhybrid_pipelines.quantum.simulation.x_mixer_numba import CompiledXMixer

    CompiledXMixer(Phases(np.zeros(2)))(np.zeros((1, 2)))  # numba compiles at the first call, or reads its cache
    return None, lambda: CompiledXMixer(phases)


def prepare_sampling(*, compiled: bool) -> OutcomesFromUniforms:
    """Return what looks shots up in probabilities; both ways give the same outcomes, to the last shot."""
    if not compiled:
        return outcomes_from_uniforms
    from qhybrid_pipelines.quantum.simulation import sampling_numba

    sampling_numba.outcomes_from_uniforms(np.ones((1, 1)), np.zeros((1, 1, 1)))  # as above
    return sampling_numba.outcomes_from_uniforms


def probabilities(mixer: Mixer, angles: F64) -> Iterator[F64]:
    """Yield the outcome probabilities of every point, in order.

    Args:
        mixer: of the outcomes that are asked for.
        angles: shape ``(points, 2 p)``, gammas first, then betas, in radians.
    """
    for first in range(0, len(angles), mixer.points):
        yield from mixer(angles[first : first + mixer.points])


def exact_probabilities(structure: QaoaStructure, *, compiled: bool = False) -> tuple[U64 | None, Iterator[F64]]:
    """Return the packed outcomes (None for all of them), and their probabilities point by point."""
    outcomes, make_mixer = prepare_mixer(structure, compiled=compiled)
    return outcomes, probabilities(make_mixer(), structure.angles)
