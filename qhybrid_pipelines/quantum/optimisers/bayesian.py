"""Bayesian optimisation: a Gaussian process over what was measured, and the points where most improvement is expected.

The process and the acquisition are those of `bayes_opt`, which is made anew from the history for every step, so that it keeps nothing that
could be lost. Several points of one step are asked for one after the other, each as if the process had been right about those before it
(the constant liar of D. Ginsbourger et al., 2010).

Points are asked for in a trust region around the best one, which shrinks after every step that found nothing better and grows again after one
that did. With few measured points the process knows nothing far from them, so that most improvement is expected in the corners of any box:
without the region, the steps of a loop go there. Source: D. Eriksson et al., Scalable Global Optimization via Local Bayesian Optimization,
NeurIPS 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import derive_seed_31bit
from qhybrid_pipelines.quantum.optimisers.search import MeasuredStep, Search

#: How far the first points along each coordinate go, in units of the angles.
FIRST_DISTANCE = 0.3
#: Half the width of the trust region at first, at least and at most, in units of the angles.
FIRST_RADIUS, LEAST_RADIUS, LARGEST_RADIUS = 0.4, 0.05, 0.8
#: What the radius is multiplied by after a step that found something better, and after one that did not.
GROWTH, SHRINKAGE = 1.25, 0.8
#: The shortest and the longest length over which the objective may change, in units of the angles: a dozen points cannot tell a length from noise, and
#: the likeliest one is then often far too short.
SHORTEST_LENGTH, LONGEST_LENGTH = 0.3, 3.0
#: Least share of the variance of the values that counts as noise.
LEAST_NOISE = 1e-4


def ask(search: Search, history: Sequence[MeasuredStep]) -> F64:
    """Return the next points, shape ``(points, angles)``, radians: first the start and one point along each coordinate."""
    measured = sum(len(step.values) for step in history)
    first = np.concatenate([np.zeros((1, search.size)), FIRST_DISTANCE * np.eye(search.size)])[measured:][
        : search.points
    ]
    wanted = search.points - len(first)
    return search.to_angles(np.concatenate([first, _most_promising(search, history, wanted)]) if wanted else first)


def _most_promising(search: Search, history: Sequence[MeasuredStep], number: int) -> F64:
    """Return the coordinates where most improvement is expected, shape ``(number, angles)``."""
    from bayes_opt import BayesianOptimization
    from bayes_opt.acquisition import ConstantLiar, ExpectedImprovement
    from sklearn.gaussian_process.kernels import Matern

    seed = derive_seed_31bit(search.seed, "optimiser", "bayesian", len(history))
    if not history:
        return np.random.default_rng(seed).uniform(-FIRST_RADIUS, FIRST_RADIUS, (number, search.size))
    points, values = search.told(history)
    centre, radius = points[int(np.argmin(values))], _radius(search, history)
    names = [f"x{number:04d}" for number in range(search.size)]
    farthest = float(np.abs(points).max()) + radius
    expected = ExpectedImprovement(xi=0.0)
    optimiser = BayesianOptimization(
        None,
        dict.fromkeys(names, (-farthest, farthest)),
        acquisition_function=ConstantLiar(expected, strategy="mean") if number > 1 else expected,
        random_state=seed,
        verbose=0,
        allow_duplicate_points=True,
    )
    spread = float(np.std(values)) or 1.0
    noise = float(np.mean(np.concatenate([step.errors for step in history]) ** 2)) / spread**2
    kernel = Matern(nu=2.5, length_scale=1.0, length_scale_bounds=(SHORTEST_LENGTH, LONGEST_LENGTH))
    optimiser.set_gp_params(kernel=kernel, alpha=max(noise, LEAST_NOISE), normalize_y=True, n_restarts_optimizer=1)
    for point, value in zip(points, values, strict=True):
        optimiser.register(dict(zip(names, point, strict=True)), -float(value) / spread)
    optimiser.set_bounds({name: (middle - radius, middle + radius) for name, middle in zip(names, centre, strict=True)})
    asked = [optimiser.suggest() for _ in range(number)]
    return np.array([[point[name] for name in names] for point in asked], dtype=np.float64)


def _radius(search: Search, history: Sequence[MeasuredStep]) -> float:
    """Return half the width of the trust region after some steps; those of the first points do not change it."""
    radius, best, seen = FIRST_RADIUS, np.inf, 0
    for step in history:
        lowest, is_first = float(step.values.min()), seen <= search.size
        if not is_first:
            radius = float(np.clip(radius * (GROWTH if lowest < best else SHRINKAGE), LEAST_RADIUS, LARGEST_RADIUS))
        best, seen = min(best, lowest), seen + len(step.values)
    return radius
