r"""Angles that are optimised on the exact state before anything is sent.

What is minimised first is the conditional value at risk: the mean energy of the best fraction :math:`\alpha` of the shots.
Angles that are best in plain expectation shape the bulk of the distribution, and leave out of the probability of the optimum up
to half of what the same depth gives; see docs/benchmarks.md. Where the optimum is much rarer than that fraction, the tail says
as little about it. So the best of these angles, and other points, are improved once more for the probability of the lowest
energy, the limit of a small :math:`\alpha`. An exact state shows it; a device does not. It is the best that the depth can do, in
favour of the quantum side.

Depth after depth, the optima of one layer fewer are stretched to one layer more and improved together with a ramp and, where
there is one, the table's angles, by L-BFGS with exact gradients. One layer begins with a grid. Everything is deterministic.

Sources: CVaR, P. Barkoutsos et al., Quantum 4, 256 (2020); stretching (INTERP), L. Zhou et al., Phys. Rev. X 10, 021067
(2020), appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.jobs.circuit_jobs import Mixer, QaoaStructure
from qhybrid_pipelines.quantum.exact_state import NARROW_OUTCOMES, QaoaState
from qhybrid_pipelines.quantum.fixed_angles import table_angles
from qhybrid_pipelines.quantum.low_discrepancy import spread_evenly
from qhybrid_pipelines.quantum.ramps import cost_scale, ramp
from qhybrid_pipelines.quantum.simulation.diagonal_qaoa import exact_probabilities
from qhybrid_pipelines.quantum.simulation.qaoa_gradient import Objective

#: Version of the search: stored angles of another one are not used.
VERSION = 2
#: Fraction of the shots whose mean energy is minimised.
TAIL_FRACTION = 0.1
#: Widest model whose angles are optimised unless a specification says otherwise.
MAX_QUBITS = 20
#: Points of the grid of one layer: gammas, betas.
GRID = (12, 12)
#: Points of deeper circuits that are tried in addition to the stretched ones, and how many of them are improved: of a narrow model,
#: where they cost next to nothing, and of a wide one.
SCATTERED_NARROW, SCATTERED_WIDE = (512, 12), (64, 3)
#: The same for the probability of the optimum of a narrow model, as its maxima are many and narrow: points in the usual box,
#: and in one of so many times its gammas, because costs with few distinct sizes return there. With more than
#: two layers fewer are improved, as each takes longer.
SCATTERED_OPTIMUM, FAR_SCATTERED, FAR = (1024, 16), (2048, 24), 6.5
#: Neighbours in the order of the energies that are looked at one by one for the tail of a wide model.
PART = 1 << 10
#: Largest gamma of both, times the cost's scale. The sign of all angles together is free, so the first gamma is not negative.
GAMMA_LIMIT = 3.0
#: Starts of one layer that are improved, and optima of a depth that are stretched to the next.
KEPT = 3
#: Optima that differ by less than this, relative to the spread of the energies, are one.
SAME = 1e-6
MAX_ITERATIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimisedAngles:
    """The best angles that were found for a depth.

    Attributes:
        angles: shape ``(2 layers,)``, gammas first, radians.
        start: what the winning start was.
        tail_energy: mean energy of the best ``tail_fraction`` of the shots, in the model's units.
        expectation: mean energy of all shots, in the model's units.
        tail_fraction: see :data:`TAIL_FRACTION`.
        optimum_probability: of the outcomes with the lowest energy.
        evaluations: how many values and gradients were computed over all depths.
    """

    angles: F64
    start: str
    tail_energy: float
    expectation: float
    tail_fraction: float
    optimum_probability: float
    evaluations: int

    def describe(self) -> str:
        """Return in one line what was reached, and from where."""
        return (
            f"optimised: best {self.tail_fraction:.0%} of the shots at {self.tail_energy:.6g}, mean {self.expectation:.6g}, "
            f"the optimum in {self.optimum_probability:.2g} of them (from {self.start})"
        )


class AngleOptimiser(Protocol):
    """Gives the best angles for a reduced model, its mixer and a depth."""

    def __call__(self, model: ReducedModel, mixer: Mixer, layers: int, /) -> OptimisedAngles:
        """Return them; the same for the same arguments."""


class TailObjective:
    """The mean energy of the best fraction of the outcomes, and the observable with the same gradient.

    With the threshold ``v`` up to which the best outcomes have the probability ``alpha``, the mean is the expectation of
    ``v + min(E - v, 0) / alpha``, and moving ``v`` changes it in second order only.

    Args:
        energies: shape ``(outcomes,)``.
        fraction: ``alpha``, above 0 and at most 1; 1 is the plain expectation.
    """

    def __init__(self, energies: F64, fraction: float) -> None:
        self._energies, self._fraction = energies, fraction
        self._order = np.argsort(energies, kind="stable")
        self._part = np.empty(len(energies) if len(energies) > NARROW_OUTCOMES else 0, dtype=np.intp)
        if len(self._part):
            self._part[self._order] = np.arange(len(energies)) // PART

    def __call__(self, probabilities: F64) -> tuple[float, F64]:
        """Return the objective and its observable, shape ``(outcomes,)``."""
        if self._fraction == 1:
            return float(np.sum(probabilities * self._energies)), self._energies
        threshold = self._threshold(probabilities)
        observable = self._energies - threshold
        np.minimum(observable, 0.0, out=observable)
        observable /= self._fraction
        observable += threshold
        return float(np.sum(probabilities * observable)), observable

    def _threshold(self, probabilities: F64) -> float:
        """Return the energy of the outcome at which the best ones have the fraction."""
        if not len(self._part):
            cumulated = np.cumsum(probabilities[self._order])
            last = min(int(np.searchsorted(cumulated, self._fraction * cumulated[-1])), len(cumulated) - 1)
            return float(self._energies[self._order[last]])
        # Looking up all outcomes of a wide model in their order misses the cache each time; of one part it does not.
        before = np.pad(np.cumsum(np.bincount(self._part, probabilities)), (1, 0))
        wanted = self._fraction * before[-1]
        part = min(int(np.searchsorted(before[1:], wanted)), len(before) - 2)
        outcomes = self._order[part * PART : (part + 1) * PART]
        cumulated = before[part] + np.cumsum(probabilities[outcomes])
        return float(self._energies[outcomes[min(int(np.searchsorted(cumulated, wanted)), len(outcomes) - 1)]])


class OptimumObjective:
    """Minus the logarithm of the probability of the lowest energy, and the observable with the same gradient."""

    def __init__(self, energies: F64) -> None:
        self._lowest = np.flatnonzero(energies <= energies.min() + SAME * (np.ptp(energies) or 1.0))
        self._observable = np.zeros(len(energies))

    def probability(self, probabilities: F64) -> float:
        """Return the probability of all outcomes with the lowest energy."""
        return float(np.sum(probabilities[self._lowest]))

    def __call__(self, probabilities: F64) -> tuple[float, F64]:
        """Return the objective and its observable, shape ``(outcomes,)``, which the next call writes over."""
        probability = max(self.probability(probabilities), np.finfo(np.float64).tiny)
        self._observable[self._lowest] = -1 / probability
        return -float(np.log(probability)), self._observable


class AngleSearch:
    """Optimises the angles of one reduced model, depth after depth.

    Args:
        model: with at least one variable; its ``2**n`` energies, or those with its number of ones, are held in memory.
        mixer: its name.
        tail_fraction: see :data:`TAIL_FRACTION`.

    Attributes:
        spread: between the lowest and the highest energy; 1 where all are equal.
    """

    def __init__(self, model: ReducedModel, mixer: Mixer, *, tail_fraction: float = TAIL_FRACTION) -> None:
        self._model, self._mixer = model, mixer
        state = QaoaState(model, mixer)
        self._cardinality, self._betas, energies = state.cardinality, state.betas, state.energies
        self._energies, self._tail_fraction = energies, tail_fraction
        self.spread = float(np.ptp(energies)) or 1.0
        self._objective: Objective = TailObjective(energies, tail_fraction)
        self._scale = cost_scale(model.model, constant_ones=mixer == "xy")
        self._gradient = self._tail = state.gradient(self._objective)
        self._expectation = state.mean_energy
        self._optimum = state.gradient(OptimumObjective(energies))
        self._unit = self.spread
        self._evaluations = 0

    def favour_optimum(self, layers: int) -> OptimisedAngles:
        """Return the angles with the likeliest optimum that were found, from those with the best tail and further points."""
        tails = self._optima(layers)
        self._gradient, self._objective, self._unit = self._optimum, OptimumObjective(self._energies), 1.0
        starts = [(start, angles) for _, start, angles in tails]
        if len(self._energies) > NARROW_OUTCOMES:
            starts = starts[:KEPT] + [("scattered point", point) for point in self._scattered(layers)[:1]]
        else:
            starts += [("scattered point", point) for point in self._scattered(layers, SCATTERED_OPTIMUM)]
            starts += [("far point", point) for point in self._scattered(layers, FAR_SCATTERED, FAR)]
        return self._describe(*self._improve(starts)[0][1:])

    def optimise(self, layers: int) -> OptimisedAngles:
        """Return the angles with the best tail that were found with ``layers`` layers, at least 1."""
        return self._describe(*self._optima(layers)[0][1:])

    def _optima(self, layers: int) -> list[tuple[float, str, F64]]:
        """Return the optima of the tail that were found: value, start, angles; best first."""
        optima = self._improve([("grid point", point) for point in self._grid()])
        for depth in range(2, layers + 1):
            starts = [(f"{depth - 1} layers stretched", stretch(angles)) for _, _, angles in optima[:KEPT]]
            starts += [("scattered point", point) for point in self._scattered(depth)]
            optima = self._improve(starts + self._known_starts(depth))
        if layers == 1:
            optima = sorted([*optima, *self._improve(self._known_starts(1))], key=lambda found: found[0])
        return optima

    def _describe(self, start: str, angles: F64) -> OptimisedAngles:
        return OptimisedAngles(
            angles=angles,
            start=start,
            tail_energy=self._tail(angles)[0],
            expectation=self._expectation(angles)[0],
            tail_fraction=self._tail_fraction,
            optimum_probability=float(np.exp(-self._optimum(angles)[0])),
            evaluations=self._evaluations,
        )

    def _known_starts(self, layers: int) -> list[tuple[str, F64]]:
        starts = [("ramp", ramp(layers, scale=self._scale))]
        if self._mixer == "x":
            angles, reason = table_angles(self._model.model, layers)
            if angles is not None:
                starts.append((f"table: {reason}", angles))
        return starts

    def _grid(self) -> list[F64]:
        """Return the best local minima of a grid of one layer, best first."""
        cells = np.stack(np.meshgrid(*map(np.arange, GRID), indexing="ij"), axis=-1).reshape(-1, 2)
        points = self._in_box((cells + 0.5) / GRID)
        values = self._values(points).reshape(GRID)
        # The betas are one period, so the grid closes on that side.
        beside = [np.roll(values, shift, axis=1) for shift in (-1, 1)]
        edge = np.full((1, GRID[1]), np.inf)
        above, below = np.vstack([values[1:], edge]), np.vstack([edge, values[:-1]])
        minima = np.flatnonzero((values <= np.min([*beside, above, below], axis=0)).ravel())
        best = minima[np.argsort(values.ravel()[minima], kind="stable")][:KEPT]
        return [points[index] for index in best]

    def _scattered(self, layers: int, numbers: tuple[int, int] | None = None, far: float = 1.0) -> list[F64]:
        """Return the best of points all over the box of angles, its gammas ``far`` times as wide, best first."""
        narrow = len(self._energies) <= NARROW_OUTCOMES
        tried, kept = numbers or (SCATTERED_NARROW if narrow else SCATTERED_WIDE)
        kept = min(kept, -(-2 * kept // layers)) if numbers else kept
        points = self._in_box(spread_evenly(tried, 2 * layers))
        points[:, :layers] *= far
        return [points[index] for index in np.argsort(self._values(points), kind="stable")[:kept]]

    def _in_box(self, cube: F64) -> F64:
        """Map points of the unit cube, shape ``(points, 2 layers)``, to angles."""
        gammas, betas = np.hsplit(cube, 2)
        gammas = GAMMA_LIMIT * self._scale * np.hstack([gammas[:, :1], 2 * gammas[:, 1:] - 1])
        first, last = self._betas
        return np.hstack([gammas, first + betas * (last - first)])

    def _values(self, points: F64) -> F64:
        """Return the objective of every point, shape ``(points,)``."""
        if len(self._energies) > NARROW_OUTCOMES:
            return np.array([self._objective(self._gradient.probabilities(point))[0] for point in points])
        structure = QaoaStructure(
            model=self._model.model, mixer=self._mixer, cardinality=self._cardinality, angles=points
        )
        _, every = exact_probabilities(structure)
        size = len(self._energies)
        # Of a mirrored model the first half of the outcomes is enough; their probabilities are half of all.
        return np.array([self._objective(row[:size] / row[:size].sum())[0] for row in every])

    def _improve(self, starts: Sequence[tuple[str, F64]]) -> list[tuple[float, str, F64]]:
        """Return the distinct local optima from some starts: value, start, angles; best first."""
        from scipy.optimize import minimize

        spread = self._unit
        found: list[tuple[float, str, F64]] = []
        for name, start in starts:
            # Gammas of a weak cost are large and of a strong one small: the search sees both as of order one.
            unit = np.repeat([self._scale, 1.0], len(start) // 2)

            def evaluate(x: F64, unit: F64 = unit) -> tuple[float, F64]:
                self._evaluations += 1
                value, slope = self._gradient(x * unit)
                return value / spread, slope * unit / spread

            result = minimize(
                evaluate,
                start / unit,
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": MAX_ITERATIONS, "ftol": 1e-10, "gtol": 1e-6},
            )
            if all(abs(result.fun - value / spread) > SAME for value, _, _ in found):
                found.append((float(result.fun) * spread, name, result.x * unit))
        return sorted(found, key=lambda one: one[0])


def optimise_angles(
    model: ReducedModel, mixer: Mixer, layers: int, *, objective: str = "optimum", alpha: float = TAIL_FRACTION
) -> OptimisedAngles:
    """Return the best angles that :class:`AngleSearch` finds for a depth.

    Args:
        model: with at least one variable.
        mixer: its name.
        layers: at least 1.
        objective: ``optimum`` (its probability), ``cvar`` (mean energy of the best shots) or ``expectation`` (of all shots).
        alpha: for ``cvar``, the share of the shots.
    """
    if objective == "optimum":
        return AngleSearch(model, mixer).favour_optimum(layers)
    return AngleSearch(model, mixer, tail_fraction=alpha if objective == "cvar" else 1.0).optimise(layers)


def stretch(angles: F64) -> F64:
    """Return angles of one layer more that follow the same curve, by linear interpolation; gammas first."""
    layers = len(angles) // 2
    index = np.arange(layers + 1)
    rows = np.pad(angles.reshape(2, layers), ((0, 0), (1, 1)))
    stretched = (index / layers) * rows[:, :-1] + (1 - index / layers) * rows[:, 1:]
    return np.asarray(stretched.ravel(), dtype=np.float64)
