"""Greedy placement and tabu search on any Ising model, one spin at a time.

Every move costs the neighbours of one spin, not the whole model: the field at each spin is kept up to date. Both are
deterministic for a seed and bounded by steps. Descent of many rows at once is `classical.local_search`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.energy_resolution import energy_resolution
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.problems.quadratic import pair_sums


class SpinState:
    """One assignment of spins, moved flip by flip.

    Attributes:
        spins: shape ``(n,)``, -1 or +1; 0 where a spin is not placed yet.
        fields: ``h_i + sum_j J_ij s_j``, shape ``(n,)``.
        tolerance: changes of energy below this are rounding.
    """

    def __init__(self, model: IsingModel, spins: F64) -> None:
        self._neighbours, self._couplings = adjacency(model)
        self.spins = spins.copy()
        self.fields = model.linear.copy()
        np.add.at(self.fields, model.pairs[:, 0], model.couplings * spins[model.pairs[:, 1]])
        np.add.at(self.fields, model.pairs[:, 1], model.couplings * spins[model.pairs[:, 0]])
        self.tolerance = energy_resolution(model)

    @property
    def energy_changes(self) -> F64:
        """Change of energy by flipping each spin, shape ``(n,)``."""
        return -2 * self.spins * self.fields

    def set(self, variable: int, spin: float) -> None:
        """Give one spin a new value and update the fields of its neighbours."""
        step = spin - self.spins[variable]
        self.spins[variable] = spin
        self.fields[self._neighbours[variable]] += self._couplings[variable] * step

    @property
    def assignment(self) -> U8:
        """The spins as 0 and 1: spin ``s`` is bit ``(1 - s) / 2``."""
        return (self.spins < 0).astype(np.uint8)


def adjacency(model: IsingModel) -> tuple[list[npt.NDArray[np.int32]], list[F64]]:
    """Return, for each variable, its neighbours and the couplings to them."""
    head, tail = model.pairs[:, 0], model.pairs[:, 1]
    source, target = np.concatenate([head, tail]), np.concatenate([tail, head])
    order = np.lexsort((target, source))
    starts = np.searchsorted(source[order], np.arange(1, model.size))
    both = np.concatenate([model.couplings, model.couplings])
    return np.split(target[order], starts), np.split(both[order], starts)


def to_spins(assignment: U8) -> F64:
    """Return the spins ``1 - 2 b`` of bits."""
    return np.asarray(1.0 - 2.0 * assignment, dtype=np.float64)


def energies(model: IsingModel, assignments: U8) -> F64:
    """Return the energy of each row ``(m, n)`` without an ``(m, couplings)`` array, for models with many couplings."""
    spins = to_spins(assignments)
    return np.asarray(model.offset + spins @ model.linear + pair_sums(spins, model.pairs, model.couplings))


def greedy_placement(model: IsingModel, seed: int) -> U8:
    """Return the assignment of placing one spin after the other, always the one with the strongest field, against it.

    Spins that are not placed yet count as 0; among equal fields a seeded order decides. On a graph this is the placing
    of nodes on the side where more of their edges are cut (S. Sahni, T. Gonzalez, J. ACM 23, 555 (1976)); on a QUBO
    it is the greedy rule of P. Merz and B. Freisleben, Journal of Heuristics 8, 197 (2002).
    """
    state = SpinState(model, np.zeros(model.size))
    # A rank below the tolerance decides ties only.
    rank = generator(seed, "greedy_placement").permutation(model.size) * state.tolerance / max(model.size, 1)
    strength = np.abs(state.fields) + rank
    for _ in range(model.size):
        variable = int(strength.argmax())
        state.set(variable, -1.0 if state.fields[variable] > 0 else 1.0)
        strength = np.where(state.spins == 0, np.abs(state.fields) + rank, -1.0)
    return state.assignment


def tabu_search(model: IsingModel, start: U8, seed: int, *, steps: int) -> U8:
    """Return the best assignment of a tabu search by single flips, ``(n,)``; never worse than ``start``.

    Each step takes the best flip that is not tabu, even uphill; a flipped spin then rests for 3 to ``3 + n / 10``
    steps, drawn again each time. A flip that beats the best so far is always allowed; ties are broken at random.

    The baseline `tabu` is D-Wave's sampler. This search starts where a relaxation was rounded, ends after a number of steps
    that is recorded, and shares no code with the baseline that the family's solver is compared with.

    Source: F. Glover, G. Kochenberger, B. Alidaee, Management Science 44, 336 (1998); the tenure is that of
    U. Benlic and J.-K. Hao, Engineering Applications of Artificial Intelligence 26, 1162 (2013).
    """
    if not model.size:
        return start.copy()
    random = generator(seed, "tabu_search")
    picks = random.random(steps)
    rests = random.integers(4, 5 + max(1, model.size // 10), size=steps)
    state = SpinState(model, to_spins(start))
    energy = best = 0.0  # relative to the start
    best_spins = state.spins.copy()
    tabu_until = np.zeros(model.size, dtype=np.int64)
    for step in range(steps):
        energy_changes = state.energy_changes
        variable = int(energy_changes.argmin())
        if energy + energy_changes[variable] >= best - state.tolerance:
            allowed = np.where(tabu_until <= step, energy_changes, np.inf)
            ties = np.flatnonzero(allowed <= allowed.min() + state.tolerance)
            variable = int(ties[int(picks[step] * len(ties))])
        energy += float(energy_changes[variable])
        state.set(variable, -state.spins[variable])
        tabu_until[variable] = step + rests[step]
        if energy < best - state.tolerance:
            best, best_spins = energy, state.spins.copy()
    return (best_spins < 0).astype(np.uint8)
