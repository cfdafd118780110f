"""Bayesian optimisation: a Gaussian process over what was measured, and the points where most improvement is expected.

The process and the acquisition are those of `bayes_opt`, which is made anew from the history for every step, so that it keeps nothing that
could be lost. Several points of one step are asked for one after the other, each as if the process had been right about those before it
(the constant liar of D. Ginsbourger et al., 2010).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.seeds import derive_seed_31bit
from qhybrid_pipelines.quantum.optimisers.search import MeasuredStep, Search

#: Half the width of the box around the start, and how far the first points along each coordinate go; in units of the angles.
REACH, FIRST_DISTANCE = 0.8, 0.3
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

    seed = derive_seed_31bit(search.seed, "optimiser", "bayesian", len(history))
    if not history:
        return np.random.default_rng(seed).uniform(-REACH, REACH, (number, search.size))
    names = [f"x{number:04d}" for number in range(search.size)]
    expected = ExpectedImprovement(xi=0.0)
    optimiser = BayesianOptimization(
        None,
        dict.fromkeys(names, (-REACH, REACH)),
        acquisition_function=ConstantLiar(expected, strategy="mean") if number > 1 else expected,
        random_state=seed,
        verbose=0,
        allow_duplicate_points=True,
    )
    points, values = search.told(history)
    spread = float(np.std(values)) or 1.0
    noise = float(np.mean(np.concatenate([step.errors for step in history]) ** 2)) / spread**2
    optimiser.set_gp_params(alpha=max(noise, LEAST_NOISE), normalize_y=True, n_restarts_optimizer=1)
    for point, value in zip(points, values, strict=True):
        optimiser.register(dict(zip(names, np.clip(point, -REACH, REACH), strict=True)), -float(value) / spread)
    asked = [optimiser.suggest() for _ in range(number)]
    return np.array([[point[name] for name in names] for point in asked], dtype=np.float64)
