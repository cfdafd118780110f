"""Which optimiser and which coordinates a specification stands for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.seeds import derive_seed
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.quantum.mixers import choose_mixer
from qhybrid_pipelines.quantum.optimisers import bayesian, cobyla, spsa
from qhybrid_pipelines.quantum.optimisers.search import Optimiser, Search, free_search, qaoa_search
from qhybrid_pipelines.quantum.ramps import cost_scale

#: The optimisers by the name that a specification gives them.
OPTIMISERS: Mapping[str, Optimiser] = MappingProxyType(
    {"cobyla": cobyla.ask, "spsa": spsa.ask, "bayesian": bayesian.ask}
)


def optimiser_of(spec: ExperimentSpec) -> Optimiser:
    """Return the optimiser of a loop.

    Raises:
        ValueError: the specification is not one of a loop.
    """
    if spec.sweep.optimiser is None:
        raise ValueError("only a loop has an optimiser")
    return OPTIMISERS[spec.sweep.optimiser]


def search_of(spec: ExperimentSpec, reduced_model: ReducedModel, start: F64) -> Search:
    """Return the coordinates of a loop around its first point.

    Args:
        spec: of the loop.
        reduced_model: gives the strength of the cost.
        start: the first point, shape ``(angles,)``, radians.

    Raises:
        ValueError: the specification is not one of a loop.
    """
    sweep = spec.sweep
    if sweep.steps is None:
        raise ValueError("only a loop has steps")
    seed = derive_seed(spec.seed, "loop")
    if spec.problem.circuit is not None or not spec.ansatz.is_qaoa:
        return free_search(start, points=sweep.points, steps=sweep.steps, seed=seed)
    scale = cost_scale(reduced_model.model, constant_ones=choose_mixer(reduced_model, spec) == "xy")
    return qaoa_search(start, scale, points=sweep.points, steps=sweep.steps, seed=seed)
